"""One event as one line of JSONL and back, without I/O; must never accept a line that says two things.

Source: docs/data.md, section 6. This is the reference; `journal/jsonl/kernel.py` reads the hot kinds the same, faster.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import orjson

from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.limits import EVENT_ROW_COUNT_MAX, PAYLOAD_BYTES_MAX, PAYLOAD_ROW_BYTES
from mmfold.engine.manifest import Manifest, canonical_json
from mmfold.engine.records import EVENT, PAYLOAD
from mmfold.journal.jsonl.decimals import FieldError, show
from mmfold.journal.jsonl.fields import (
    EMPTY,
    FORMER_WORDS,
    KINDS,
    TIMES,
    WORDS,
    Field,
    KindFields,
    Scale,
    Shape,
    Whole,
    scales_of,
)
from mmfold.journal.jsonl.notes import KEY_OF_ALL, KEYS_NEEDED, parse_part, put_part, told_notes
from mmfold.journal.log.canonical import DIGEST_SIZES, DIGEST_TEXT, check_canonical

HASH_BYTES = 32
TEXT_COUNT_MAX = 1 << 17  # remembered decimal texts of one instrument
ACCOUNT_COLUMNS = ("ts_exchange_ns", "ts_receive_ns", "instrument_index")  # the same in both rows of an account's event
SIDE_KEYS = {Shape.LEVELS: ("bids", "asks"), Shape.PAIR: ("bid", "ask")}
COMMON_KEYS = ("kind", "seq", "prev", "hash")
ROW_EMPTY = {name: EMPTY.get(name, 0) for name in EVENT.names or ()}  # in the order of the columns


class Line(NamedTuple):
    """What one line says: the rows of its event (seq 0) and the seq and hashes it claims, if any; the first of a
    note may have all of its text.
    """

    kind: EventKind
    rows: np.ndarray
    seq: int | None
    prev: bytes | None
    hash: bytes | None
    note: bytes = b""


class _Texts(dict[int, object]):
    """The spellings of one field in one instrument, made on first use."""

    def __init__(self, field: Field, scale: Scale) -> None:
        self.field, self.scale = field, scale

    def __missing__(self, units: int) -> object:
        if len(self) >= TEXT_COUNT_MAX:
            self.clear()
        text = self[units] = self.field.codec.render(units, self.scale)
        return text


class _Plan(NamedTuple):
    """How to spell the events of one kind and instrument; no texts where a number stands for itself."""

    constant: dict[str, Any]
    fields: list[tuple[str, str, int | None, _Texts | None]]  # key, column, what is left out, texts
    each: list[tuple[str, str, _Texts]]


class LineEncoder:
    """Spells the events of one manifest."""

    def __init__(self, manifest: Manifest) -> None:
        self._scales = scales_of(manifest)
        self._plans: dict[tuple[int, int], _Plan] = {}

    def encode(self, rows: np.ndarray, hashes: Iterable[bytes] | None, prev: bytes) -> bytes:
        """Return the lines of whole events; `hashes` are the events' own, `prev` the head before them.

        Raises: RowError for rows that are not canonical, which text could not give back.
        """
        if len(rows) == 0:
            return b""
        starts = check_canonical(rows, self._scales).tolist()
        columns = {name: rows[name].tolist() for name in EVENT.names or ()}
        payloads = np.ascontiguousarray(rows).view(PAYLOAD)["payload"]
        chain = None if hashes is None else iter(hashes)
        lines, notes = [], told_notes(rows)
        for start, end in zip(starts, [*starts[1:], len(rows)], strict=True):
            entry = KINDS[columns["kind"][start]]
            plan = self._plan(entry, columns["instrument_index"][start])
            document = dict(plan.constant, seq=columns["seq"][start])
            if chain is not None:
                own = next(chain)
                document["prev"], document["hash"] = prev.hex(), own.hex()
                prev = own
            if entry.shape is Shape.PAYLOAD:
                used = (end - start - 1) * PAYLOAD_ROW_BYTES + columns["code"][end - 1]
                _put_payload(document, payloads[start:end].tobytes()[:used], entry)
            else:
                _put_fields(document, entry, plan, columns, range(start, end))
                if entry.shape is Shape.NOTE:
                    put_part(document, rows[start], notes.get(start))
            lines.append(orjson.dumps(document, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE))
        return b"".join(lines)

    def _plan(self, entry: KindFields, index: int) -> _Plan:
        """Return how to spell a kind in an instrument."""
        plan = self._plans.get((entry.kind, index))
        if plan is None:
            scale = self._scales[index]
            constant: dict[str, Any] = {"kind": entry.word}
            if entry.has_symbol:
                constant["symbol"] = orjson.Fragment(canonical_json(scale.symbol))
            fields = []
            for field in (*TIMES, *entry.fields):
                texts = None if isinstance(field.codec, Whole) else _Texts(field, scale)
                fields.append((field.key, field.column, EMPTY[field.column] if field.optional else None, texts))
            each = [(field.key, field.column, _Texts(field, scale)) for field in (*entry.each, *entry.second)]
            plan = self._plans[entry.kind, index] = _Plan(constant, fields, each)
        return plan


def _put_fields(
    document: dict[str, Any], entry: KindFields, plan: _Plan, columns: dict[str, list[int]], rows: range
) -> None:
    """Add an event's own keys; one row without a side is an event without levels or orders."""
    start = rows[0]
    for key, column, left_out, texts in plan.fields:
        value = columns[column][start]
        if value != left_out:
            document[key] = value if texts is None else texts[value]
    for key, flag in entry.bits:
        if columns["flags"][start] & flag:
            document[key] = True
    if entry.shape is Shape.ACCOUNT and len(rows) > 1:
        document |= {key: texts[columns[column][rows[1]]] for key, column, texts in plan.each}
    if entry.shape in (Shape.SINGLE, Shape.ACCOUNT, Shape.NOTE):
        return
    present = rows if columns["side"][start] != Side.NONE else range(0)
    if entry.shape is Shape.ORDERS:
        document["orders"] = [{key: texts[columns[column][row]] for key, column, texts in plan.each} for row in present]
        return
    (_, _, price_texts), (_, _, qty_texts) = plan.each
    prices, qtys, sides = columns["price_ticks"], columns["qty_lots"], columns["side"]
    levels: tuple[list[object], list[object]] = ([], [])
    for row in present:
        if prices[row] != EMPTY["price_ticks"]:
            levels[sides[row]].append((price_texts[prices[row]], qty_texts[qtys[row]]))
    for key, side_levels in zip(SIDE_KEYS[entry.shape], levels, strict=True):
        if entry.shape is Shape.LEVELS:
            document[key] = side_levels
        elif side_levels:
            document[key] = side_levels[0]


def _put_payload(document: dict[str, Any], payload: bytes, entry: KindFields) -> None:
    """Add a payload: as JSON if its bytes are canonical JSON of an object, else as hex."""
    if entry.kind != EventKind.DIGEST and payload[:1] == b"{":
        try:
            value = json.loads(payload)
            if canonical_json(value) == payload:
                document["payload"] = orjson.Fragment(payload)
                return
        except (ValueError, RecursionError):
            pass  # not JSON: hex keeps it
    document["payload_hex"] = payload.hex()


def _refuse_constant(name: str) -> object:
    raise FieldError(f"{name} is not a number")


def _object_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object, refusing a key that is there twice: readers would differ in which one counts."""
    document = dict(pairs)
    if len(document) != len(pairs):
        keys = [key for key, _ in pairs]
        raise FieldError(f"key {show(next(key for key in keys if keys.count(key) > 1))} is there twice")
    return document


def parse_object(line: bytes) -> dict[str, Any]:
    """Parse one line as a JSON object.

    Raises: FieldError with what is wrong; the caller knows where.
    """
    try:
        document = json.loads(line.decode(), object_pairs_hook=_object_once, parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise FieldError(f"not UTF-8: byte 0x{line[error.start]:02x} at column {error.start + 1}") from None
    except FieldError:
        raise
    except (ValueError, RecursionError) as error:
        what = error.msg if isinstance(error, json.JSONDecodeError) else "too deep or too long a value"
        raise FieldError(f"not JSON: {what}, found {show(line[:40].decode(errors='replace'))}") from None
    if not isinstance(document, dict):
        raise FieldError(f"{show(document)} is not a JSON object")
    return document


def parse_line(document: dict[str, Any], scales: Sequence[Scale], symbols: Mapping[str, int]) -> Line:
    """Parse one line's object.

    Raises: FieldError with what is wrong.
    """
    kind = document.get("kind")
    if "kind" not in document:
        raise FieldError('missing key "kind"')
    entry = WORDS.get(kind, FORMER_WORDS.get(kind)) if isinstance(kind, str) else None
    if entry is None:
        raise FieldError(f"unknown kind {show(kind)}", f"the kinds are {', '.join(WORDS)}")
    _check_keys(document, entry)
    rows = _payload_rows(document, entry) if entry.shape is Shape.PAYLOAD else _rows(document, entry, scales, symbols)
    note = b""
    if entry.shape is Shape.NOTE:
        columns, note = parse_part(document)
        for column, value in columns.items():
            rows[column] = value
    seq = document.get("seq")
    if "seq" in document and type(seq) is not int:
        raise FieldError(f"seq {show(seq)} is not an integer")
    return Line(entry.kind, rows, seq, _parse_hash(document, "prev"), _parse_hash(document, "hash"), note)


def _check_keys(document: dict[str, Any], entry: KindFields) -> None:
    """Refuse keys that the kind does not have, and the lack of one that it needs."""
    allowed, needed = _keys_of(entry)
    found = document.keys()
    if not found <= allowed:
        unknown = min(found - allowed)
        hint = f"its keys are {', '.join(sorted(allowed.difference(COMMON_KEYS)))}"
        raise FieldError(f"unknown key {show(unknown)} in {entry.word}", hint)
    if not found >= needed:
        raise FieldError(f'missing key "{min(needed - found)}" in {entry.word}')
    if entry.shape is Shape.PAYLOAD and ("payload" in found) == ("payload_hex" in found):
        raise FieldError(f"{entry.word} needs exactly one of payload and payload_hex")


@lru_cache(maxsize=len(KINDS))
def _keys_of(entry: KindFields) -> tuple[frozenset[str], frozenset[str]]:
    """Return the keys that a kind may have and those that it must have."""
    if entry.kind == EventKind.DIGEST:
        return frozenset(("payload_hex", *COMMON_KEYS)), frozenset(("payload_hex",))
    if entry.shape is Shape.PAYLOAD:
        return frozenset(("payload", "payload_hex", *COMMON_KEYS)), frozenset()
    needed = {field.key for field in entry.fields if not field.optional}
    needed |= {"symbol"} if entry.has_symbol else set()
    needed |= set(SIDE_KEYS[Shape.LEVELS]) if entry.shape is Shape.LEVELS else set()
    needed |= {"orders"} if entry.shape is Shape.ORDERS else set()
    needed |= KEYS_NEEDED if entry.shape is Shape.NOTE else set()
    allowed = needed | {field.key for field in (*TIMES, *entry.fields, *entry.second)} | {key for key, _ in entry.bits}
    allowed |= set(SIDE_KEYS[Shape.PAIR]) if entry.shape is Shape.PAIR else set()
    allowed |= {KEY_OF_ALL} if entry.shape is Shape.NOTE else set()
    return frozenset(allowed.union(COMMON_KEYS)), frozenset(needed)


def _parse_hash(document: dict[str, Any], key: str) -> bytes | None:
    """Return a hash given in lower-case hex, or None where it is not given."""
    if key not in document:
        return None
    text = document[key]
    if not isinstance(text, str) or len(text) != 2 * HASH_BYTES or set(text) - set("0123456789abcdef"):
        raise FieldError(f"{key} {show(text)} is not {2 * HASH_BYTES} lower-case hex digits")
    return bytes.fromhex(text)


def _payload_rows(document: dict[str, Any], entry: KindFields) -> np.ndarray:
    """Return the rows of a payload."""
    if "payload" in document:
        if not isinstance(document["payload"], dict):
            raise FieldError("payload is not a JSON object")
        try:
            payload = canonical_json(document["payload"])
        except (ValueError, RecursionError) as error:
            raise FieldError(f"payload: {error}") from None
    else:
        try:
            payload = bytes.fromhex(document["payload_hex"])
        except (ValueError, TypeError):
            payload = b""
        if payload.hex() != document["payload_hex"]:
            raise FieldError(f"payload_hex {show(document['payload_hex'])} is not lower-case hex")
    if entry.kind == EventKind.DIGEST and len(payload) not in DIGEST_SIZES:
        raise FieldError(f"{DIGEST_TEXT}, not {len(payload)}")
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise FieldError(f"payload of {len(payload):,} bytes, at most {PAYLOAD_BYTES_MAX:,}")
    count = max(1, -(-len(payload) // PAYLOAD_ROW_BYTES))
    rows = np.zeros(count, PAYLOAD)
    padded = payload.ljust(count * PAYLOAD_ROW_BYTES, b"\0")
    rows["payload"] = np.frombuffer(padded, np.uint8).reshape(count, PAYLOAD_ROW_BYTES)
    rows["kind"], rows["side"] = entry.kind, Side.NONE
    rows["flags"][-1] = Flag.LAST
    rows["code"] = PAYLOAD_ROW_BYTES
    rows["code"][-1] = len(payload) - (count - 1) * PAYLOAD_ROW_BYTES
    return rows.view(EVENT)


def _rows(
    document: dict[str, Any], entry: KindFields, scales: Sequence[Scale], symbols: Mapping[str, int]
) -> np.ndarray:
    """Return the rows of an event that is not a payload."""
    index = 0
    if entry.has_symbol:
        symbol = document["symbol"]
        if not isinstance(symbol, str) or symbol not in symbols:
            raise FieldError(f"unknown symbol {show(symbol)}", f"the manifest has {', '.join(symbols)}")
        index = symbols[symbol]
    scale = scales[index]
    each = _each(document, entry, scale)
    if len(each) > EVENT_ROW_COUNT_MAX:
        raise FieldError(f"{len(each):,} rows in one event, at most {EVENT_ROW_COUNT_MAX:,}")
    row = dict(ROW_EMPTY, kind=int(entry.kind), flags=int(Flag.LAST), instrument_index=index)
    for field in (*TIMES, *entry.fields):
        if field.key in document:
            row[field.column] = _parse_field(field, document[field.key], scale)
    for key, flag in entry.bits:
        if not isinstance(document.get(key, False), bool):
            raise FieldError(f"{key} {show(document[key])} is not true or false")
        row["flags"] |= int(flag) if document.get(key) else 0
    if entry.shape is Shape.ACCOUNT and row["flags"] & entry.second_bit:
        return _account_rows(document, entry, row, scale)
    if second := {field.key for field in entry.second} & document.keys():
        raise FieldError(f"{min(second)} stands only in an event with {entry.bits[0][0]}")
    lines = [tuple((row | values).values()) for values in each] if each else [tuple(row.values())]
    rows = np.array(lines, EVENT)
    rows["flags"][:-1] = 0
    return rows


def _account_rows(document: dict[str, Any], entry: KindFields, row: dict[str, int], scale: Scale) -> np.ndarray:
    """Return the two rows of an event that has a second one: what its fields do not use is empty there."""
    second = {**row, **{column: EMPTY[column] for column in EMPTY if column not in ACCOUNT_COLUMNS}}
    for field in entry.second:
        if field.key not in document:
            raise FieldError(f'missing key "{field.key}" in {entry.word} with {entry.bits[0][0]}')
        second[field.column] = _parse_field(field, document[field.key], scale)
    rows = np.array([tuple(row.values()), tuple(second.values())], EVENT)
    rows["flags"][0] &= ~np.uint16(Flag.LAST)
    return rows


def _parse_field(field: Field, value: object, scale: Scale) -> int:
    """Return the value of one key, with the key in front of what is wrong with it."""
    try:
        return field.codec.parse(value, scale)
    except FieldError as error:
        raise FieldError(f"{field.key} {error}", error.hint) from None


def _each(document: dict[str, Any], entry: KindFields, scale: Scale) -> list[dict[str, int]]:
    """Return the columns that differ from row to row: levels, best prices or orders."""
    rows: list[dict[str, int]] = []
    if entry.shape is Shape.LEVELS:
        for side, key in enumerate(SIDE_KEYS[Shape.LEVELS]):
            if not isinstance(document[key], list):
                raise FieldError(f"{key} is not a list of [price, qty]")
            rows += [_level(level, key, side, entry, scale) for level in document[key]]
    elif entry.shape is Shape.PAIR:
        for side, key in enumerate(SIDE_KEYS[Shape.PAIR]):
            rows.append(_level(document[key], key, side, entry, scale) if key in document else {"side": side})
    elif entry.shape is Shape.ORDERS:
        if not isinstance(document["orders"], list):
            raise FieldError("orders is not a list")
        keys = {field.key for field in entry.each}
        for order in document["orders"]:
            if not isinstance(order, dict) or set(order) != keys:
                raise FieldError(f"order {show(order)} does not have exactly the keys {', '.join(sorted(keys))}")
            rows.append({field.column: _parse_field(field, order[field.key], scale) for field in entry.each})
    return rows


def _level(level: object, key: str, side: int, entry: KindFields, scale: Scale) -> dict[str, int]:
    """Return the columns of one [price, qty]."""
    if not isinstance(level, list) or len(level) != len(entry.each):
        raise FieldError(f"{show(level)} in {key} is not [price, qty]")
    values = {f.column: _parse_field(f, value, scale) for f, value in zip(entry.each, level, strict=True)}
    return {"side": side, **values}
