"""The audit log: effects as hash-chained JSON lines; must never hold a string that came from outside the core.

Records are made of integers, our own enumerations, single words that a manifest was checked for (symbols, the PARAMS
of a strategy file) and the notes of policies, which hold no text from outside, so there is nothing to redact. The chain
shows edits, insertions, removals and swaps; it cannot show a cut at a line's end.
Source: spec/core.md 26, spec/reports.md 17.
"""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache, partial
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np

from mmfold.engine.codes import AlertCode, AuditKind, EventKind, Flag, Reason, Side, Unit
from mmfold.engine.limits import NS_PER_S
from mmfold.engine.manifest import Manifest, canonical_json
from mmfold.engine.params import audit_scale, param_name
from mmfold.engine.policy.layers import OPERATOR, split_aux
from mmfold.engine.policy.note import ToldNote, notes_in
from mmfold.engine.policy.registry import author_name
from mmfold.engine.records import NO_ORDER_ID, NO_PRICE_TICKS, NO_TS_NS, NO_VALUE
from mmfold.journal.files.outputs import writing
from mmfold.journal.log.rows import EventRow, plain_rows
from mmfold.reports.money import Units, instrument_units, shifted_text
from mmfold.reports.notes import note_document

GENESIS = "GENESIS"
SYMBOL_KEY = b',"symbol":'
PARAM_DECIMALS = 9  # of a float PARAM, whose audit values are x 1e9
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Plain integers: an enum member costs a call each time it is named, and there may be millions of effects.
PLACE, AUDIT, ALERT, NOTE = (int(EventKind[name]) for name in ("PLACE", "AUDIT", "ALERT", "NOTE"))
POST_ONLY = int(Flag.POST_ONLY)
KIND_NAMES = {
    PLACE: "PLACE",
    int(EventKind.AMEND): "REPLACE",
    int(EventKind.CANCEL): "CANCEL",
    AUDIT: "",  # named by its AuditKind
    ALERT: "ALERT",
}


def utc_text(ts_ns: int) -> str:
    """Return a time as UTC text, to the second; the epoch stands for an unknown time."""
    return second_text(0 if ts_ns == NO_TS_NS else ts_ns // NS_PER_S)


@lru_cache(maxsize=64)
def second_text(seconds: int) -> str:
    """Return a second since the epoch as UTC text; neighbouring effects share it."""
    return (EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


@cache
def enum_name(codes: Any, value: int) -> str:
    """Return the lower-case name of a code, or its number when this build has no name for it."""
    return str(codes(value).name).lower() if value in codes._value2member_map_ else str(value)


def order_fields(row: EventRow, units: Units) -> dict[str, Any]:
    """Return the fields of PLACE, AMEND and CANCEL; ids are text because JSON readers round past 2^53."""
    fields: dict[str, Any] = {
        "order_id": str(row.order_id),
        "reason": enum_name(Reason, row.code),
        "side": enum_name(Side, row.side),
    }
    if row.price_ticks != NO_PRICE_TICKS:
        fields["price"] = units.price(row.price_ticks)
        fields["qty"] = units.qty(row.qty_lots)
    if row.kind == PLACE:
        fields["post_only"] = int(bool(row.flags & POST_ONLY))
    return fields


def unit_name(order_id: int) -> str:
    """Return what the figures of a block are in."""
    return enum_name(Unit, Unit.NONE if order_id == NO_ORDER_ID else order_id)


def audit_fields(row: EventRow, manifest: Manifest) -> dict[str, Any]:
    """Return the fields of an AUDIT effect: what changed, from what to what, why (docs/data.md 2)."""
    kind, before, after = row.code, row.price_ticks, row.qty_lots
    fields: dict[str, Any] = {}
    if row.aux != NO_VALUE:
        author, reason = split_aux(row.aux)
        fields["reason"] = enum_name(Reason, reason)
        if author != OPERATOR:
            fields["author"] = author_name(author)
    if row.side != Side.NONE:
        fields["side"] = enum_name(Side, row.side)
    if kind == AuditKind.CONFIG:
        return {**fields, "changed": after}
    if kind == AuditKind.BLOCK:
        return {**fields, "value": before, "limit": after, "unit": unit_name(row.order_id)}
    text: Any = int
    if kind == AuditKind.PARAM:
        text = partial(shifted_text, decimals=PARAM_DECIMALS if audit_scale(row.order_id) > 1 else 0)
    if before != NO_PRICE_TICKS:
        fields["before"] = text(before)
    fields["after"] = text(after)
    if kind == AuditKind.PARAM:
        fields["param"] = param_name(row.order_id, manifest.extra)
    elif row.order_id != NO_ORDER_ID:
        fields["order_id"] = str(row.order_id)
    if kind == AuditKind.GUARD:
        fields["event"] = "block" if after else "resume"
    return fields


def audit_record(row: EventRow, manifest: Manifest, units: list[Units]) -> dict[str, Any]:
    """Return the audit record of one effect, without its place in the chain."""
    index, kind = row.instrument_index, row.kind
    symbol = manifest.instruments[index].symbol
    if kind == AUDIT:
        name, fields = enum_name(AuditKind, row.code).upper(), audit_fields(row, manifest)
    elif kind == ALERT:
        name, fields = KIND_NAMES[kind], {"alert": enum_name(AlertCode, row.code)}
        if row.aux != NO_VALUE:
            fields["detail"] = row.aux
    else:
        name, fields = KIND_NAMES[kind], order_fields(row, units[index])
    fields["seq"] = row.seq
    return {"fields": fields, "kind": name, "symbol": symbol or "-", "ts": ts_text(row)}


def note_record(row: EventRow, told: ToldNote) -> dict[str, Any]:
    """Return the audit record of a note, without its place in the chain; `row` is its first part."""
    return {"fields": note_document(told), "kind": "NOTE", "symbol": "-", "ts": ts_text(row)}


def ts_text(row: EventRow) -> str:
    """Return when a row was decided."""
    return utc_text(row.ts_receive_ns if row.ts_receive_ns != NO_TS_NS else row.ts_exchange_ns)


def seal_record(record: dict[str, Any], prev: str) -> tuple[str, bytes]:
    """Chain a record to the one before it and return (its hash, its line).

    The hash is sha256 of the record's canonical JSON with `prev_sha256`, without `sha256` and without a line end.
    """
    text = canonical_json({**record, "prev_sha256": prev})
    digest = hashlib.sha256(text).hexdigest()
    # Keys are sorted and `fields` comes first: the last `,"symbol":` is the record's own, `sha256` stands before it.
    before, after = text.rsplit(SYMBOL_KEY, 1)
    return digest, b"".join((before, b',"sha256":"', digest.encode(), b'"', SYMBOL_KEY, after, b"\n"))


def audit_records(
    effect_rows: np.ndarray, manifest: Manifest, units: list[Units]
) -> Iterator[tuple[EventRow, dict[str, Any]]]:
    """Yield effects, each with its record, one for a note; DIGEST rows are not decisions and are passed over."""
    notes = {told.seq: told for told in notes_in(effect_rows)}
    for row in plain_rows(effect_rows):
        if row.kind in KIND_NAMES:
            yield row, audit_record(row, manifest, units)
        elif row.kind == NOTE and row.seq in notes:
            yield row, note_record(row, notes[row.seq])


class AuditChain:
    """The lines of an audit log, one effect after the other."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self.units = [instrument_units(instrument) for instrument in manifest.instruments]
        self.prev = GENESIS

    def lines(self, effect_rows: np.ndarray) -> Iterator[bytes]:
        """Yield the lines of effects."""
        for _, record in audit_records(effect_rows, self.manifest, self.units):
            self.prev, line = seal_record(record, self.prev)
            yield line


class AuditWriter:
    """Writes effects as an audit log that appears under its name only when it is whole."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.chain = AuditChain(manifest)
        self._output = writing(path)
        self.file: IO[bytes] = self._output.__enter__()

    def write(self, effect_rows: np.ndarray) -> None:
        """Append effects."""
        self.file.writelines(self.chain.lines(effect_rows))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._output.__exit__(kind, error, trace)
