"""The check that rows are the one canonical form of their events; must never change a row.

A text form keeps only the fields that a kind uses, so it is lossless exactly for the rows that pass here.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NoReturn

import numpy as np

from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.limits import PAYLOAD_BYTES_MAX, PAYLOAD_ROW_BYTES
from mmfold.engine.policy.note import PART_COLUMNS, are_parts
from mmfold.engine.records import NO_PRICE_TICKS, PAYLOAD
from mmfold.journal.jsonl.fields import EMPTY, KINDS, TIMES, KindFields, Scale, Shape
from mmfold.journal.log.chain import RowFault, check_rows

DIGEST_SIZES = (32, 64)  # of a state alone, as before 0.2.0, and with the layout that it is of
DIGEST_TEXT = "a digest is 32 bytes, with its layout 64"


class RowError(ValueError):
    """A row that is not in canonical form; the message names its seq and kind."""


def event_starts(rows: np.ndarray) -> np.ndarray:
    """Return the index of each event's first row.

    Raises: RowError unless the rows are whole events with consecutive seqs.
    """
    try:
        check_rows(rows, int(rows["seq"][0]))
    except RowFault as error:
        raise RowError(f"row {error.row:,} of the chunk: {error}") from error
    ends = np.flatnonzero((rows["flags"] & Flag.LAST) != 0) + 1
    return np.concatenate((np.zeros(1, np.int64), ends[:-1]))


def check_canonical(rows: np.ndarray, scales: Sequence[Scale]) -> np.ndarray:
    """Check that the rows are canonical (docs/data.md, section 1) and return the events' first rows.

    Raises: RowError with the seq, kind and column at fault.
    """
    starts = event_starts(rows)
    first = np.repeat(starts, np.diff(np.append(starts, len(rows))))
    _require(rows, rows["kind"] == rows["kind"][first], "rows of several kinds in one event")
    for kind in np.unique(rows["kind"]).tolist():
        entry = KINDS.get(kind)
        indexes = np.flatnonzero(rows["kind"] == kind)
        part = rows[indexes]
        if entry is None:
            _refuse(part, np.zeros(len(part), bool), "unknown kind")
        elif entry.shape is Shape.PAYLOAD:
            _check_payload(part, np.diff(np.append(starts, len(rows)))[rows["kind"][starts] == kind])
        elif entry.shape is Shape.ACCOUNT:
            _check_account(part, indexes - first[indexes], entry, scales)
        elif entry.shape is Shape.NOTE:
            _check_notes(part, entry, scales)
        else:
            _check_columns(part, entry, scales)
            _check_shape(part, rows[first[indexes]], indexes - first[indexes], entry)
    return starts


def _check_payload(part: np.ndarray, row_counts: np.ndarray) -> None:
    """Check the rows of one payload kind: full rows, then one that says how much it holds, zeros behind."""
    last = (part["flags"] & Flag.LAST) != 0
    used = part["code"].astype(np.int64)
    single = np.repeat(row_counts, row_counts) == 1
    _require(part, np.where(last, used <= PAYLOAD_ROW_BYTES, used == PAYLOAD_ROW_BYTES), "payload bytes used")
    _require(part, (used > 0) | single, "an empty last payload row")
    if part["kind"][0] == EventKind.DIGEST:
        byte_counts = np.add.reduceat(used, np.cumsum(row_counts) - row_counts)
        _require(part, np.isin(np.repeat(byte_counts, row_counts), DIGEST_SIZES), DIGEST_TEXT)
    behind = np.arange(PAYLOAD_ROW_BYTES)[None, :] >= used[:, None]
    payload = np.ascontiguousarray(part).view(PAYLOAD)["payload"]
    _require(part, ~((payload != 0) & behind).any(axis=1), "bytes behind the payload")
    _require(part, (part["side"] == Side.NONE) & (part["instrument_index"] == 0), "side or instrument of a payload")
    _require(part, (part["flags"] & ~np.uint16(Flag.LAST)) == 0, "flags that the kind does not use")
    _require(part, np.repeat(row_counts, row_counts) * PAYLOAD_ROW_BYTES < PAYLOAD_BYTES_MAX + 48, "payload too long")


def _check_columns(part: np.ndarray, entry: KindFields, scales: Sequence[Scale]) -> None:
    """Check every column of one kind: used ones can be spelled, unused ones are empty."""
    fields = {field.column: field for field in (*TIMES, *entry.fields, *entry.each)}
    instruments = part["instrument_index"].astype(np.int64)
    _require(part, instruments < (len(scales) if entry.has_symbol else 1), "instrument_index")
    bits = int(Flag.LAST) | sum(int(flag) for _, flag in entry.bits)
    _require(part, (part["flags"] & ~np.uint16(bits)) == 0, "flags that the kind does not use")
    levelless = np.zeros(len(part), bool)
    if entry.shape in (Shape.LEVELS, Shape.ORDERS):
        levelless = part["side"] == Side.NONE
    elif entry.shape is Shape.PAIR:
        levelless = part["price_ticks"] == NO_PRICE_TICKS
    each = {field.column for field in entry.each}
    for column, empty in EMPTY.items():
        if column == "instrument_index" or (column == "side" and entry.shape in (Shape.LEVELS, Shape.PAIR)):
            continue
        field = fields.get(column)
        is_empty = part[column] == empty
        if field is None:
            _require(part, is_empty, column)
        elif column in each:
            valid = field.codec.valid(part[column], instruments, scales)
            _require(part, np.where(levelless, is_empty, valid), column)
        else:
            valid = field.codec.valid(part[column], instruments, scales)
            _require(part, valid | is_empty if field.optional else valid, column)


def _check_account(part: np.ndarray, offsets: np.ndarray, entry: KindFields, scales: Sequence[Scale]) -> None:
    """Check events of one row, or of two where the kind's bit says so; the second says more of the first's subject."""
    for fields, is_row in ((entry.fields, offsets == 0), (entry.second, offsets > 0)):
        _check_columns(part[is_row], replace(entry, shape=Shape.SINGLE, fields=fields), scales)
    is_second = offsets == np.where((part["flags"] & entry.second_bit) != 0, 1, 0)
    _require(part, ((part["flags"] & Flag.LAST) != 0) == is_second, "a second row, or the lack of one")
    head = part[np.arange(len(part)) - offsets]
    for column in ("ts_exchange_ns", "ts_receive_ns", "instrument_index"):
        _require(part, part[column] == head[column], f"{column} differs within the event")
    _require(part, ((part["flags"] ^ head["flags"]) & ~np.uint16(Flag.LAST)) == 0, "flags differ within the event")


def _check_notes(part: np.ndarray, entry: KindFields, scales: Sequence[Scale]) -> None:
    """Check parts of notes, each by itself: whether all of a note are there is for who reads it."""
    bare = part.copy()
    for column in PART_COLUMNS:
        bare[column] = EMPTY[column]
    _check_columns(bare, entry, scales)
    _require(part, (part["flags"] & Flag.LAST) != 0, "more than one row")
    _require(part, are_parts(part), "no part of a note")


def _check_shape(part: np.ndarray, head: np.ndarray, offsets: np.ndarray, entry: KindFields) -> None:
    """Check the rows of one kind against each other; `head` is the first row of each row's event."""
    each = {field.column for field in entry.each} | {"side"}
    for column in EMPTY:
        if column not in each:
            _require(part, part[column] == head[column], f"{column} differs within the event")
    last = (part["flags"] & Flag.LAST) != 0
    if entry.shape is Shape.SINGLE:
        _require(part, last & (offsets == 0), "more than one row")
    elif entry.shape is Shape.PAIR:
        _require(part, (offsets == part["side"]) & (last == (offsets == 1)), "not a bid row and an ask row")
    else:
        levelless = part["side"] == Side.NONE
        _require(part, ~levelless | (last & (offsets == 0)), "side")
        _require(part, part["side"] <= Side.NONE, "side")
        if entry.shape is Shape.LEVELS:
            rises = np.ones(len(part), bool)
            rises[1:] = (offsets[1:] == 0) | (part["side"][1:] >= part["side"][:-1])
            _require(part, rises, "asks before bids")


def _require(rows: np.ndarray, mask: np.ndarray, what: str) -> None:
    """Refuse the first row outside the mask."""
    if not mask.all():
        _refuse(rows, mask, what)


def _refuse(rows: np.ndarray, mask: np.ndarray, what: str) -> NoReturn:
    row = rows[int(np.argmin(mask))]
    entry = KINDS.get(int(row["kind"]))
    name = entry.word if entry else f"kind {row['kind']}"
    raise RowError(f"seq {int(row['seq']):,} ({name}): row is not canonical: {what}")
