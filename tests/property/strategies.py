"""Random canonical journals: a manifest and events of every kind, as rows."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.limits import AUTHOR_SHIFT, PAYLOAD_ROW_BYTES, POLICY_ROOM
from mmfold.engine.manifest import Instrument, Manifest, canonical_json, encode_manifest
from mmfold.engine.policy.note import TOPIC, columns_of, note_text
from mmfold.engine.records import EVENT, FEE_CODE_ZERO, PAYLOAD
from mmfold.journal.jsonl.decimals import units_max
from mmfold.journal.jsonl.fields import (
    EMPTY,
    KINDS,
    TIMES,
    AuthoredWord,
    Codec,
    FeeRate,
    Field,
    Fixed,
    Scale,
    Scaled,
    Shape,
    Whole,
    Word,
    scales_of,
)

INT64_MAX = (1 << 63) - 1
LEVEL_COUNT_MAX = 5
STEPS = ("0.1", "0.10", "0.5", "0.05", "1", "0.00000001", "100", "2.5", "0.001", "25")


def payload_rows(kind: EventKind, payload: bytes) -> np.ndarray:
    """Return the rows of a payload event with seq 0."""
    count = max(1, -(-len(payload) // PAYLOAD_ROW_BYTES))
    rows = np.zeros(count, PAYLOAD)
    padded = np.frombuffer(payload.ljust(count * PAYLOAD_ROW_BYTES, b"\0"), np.uint8)
    rows["payload"] = padded.reshape(count, PAYLOAD_ROW_BYTES)
    rows["kind"], rows["side"], rows["code"] = kind, Side.NONE, PAYLOAD_ROW_BYTES
    rows["code"][-1] = len(payload) - (count - 1) * PAYLOAD_ROW_BYTES
    rows["flags"][-1] = Flag.LAST
    return rows.view(EVENT)


def empty_row(kind: EventKind) -> np.ndarray:
    """Return one row that uses no field."""
    rows = np.zeros(1, EVENT)
    for column, value in EMPTY.items():
        rows[column] = value
    rows["kind"], rows["flags"] = kind, Flag.LAST
    return rows


def journal_rows(manifest: Manifest, events: list[np.ndarray]) -> np.ndarray:
    """Return a journal's rows: the manifest, then the events, numbered."""
    parts = [payload_rows(EventKind.MANIFEST, encode_manifest(manifest)), *events]
    for seq, part in enumerate(parts):
        part["seq"] = seq
    return np.concatenate(parts)


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    """Return a manifest with 2 or 3 instruments of various grids."""
    symbols = draw(st.sampled_from((("BTCUSDT", "ETHUSDT"), ("A", "AB", "B"), ('Q"\\', "Z/ U"), ("\\" * 9, "long"))))
    steps = st.sampled_from(STEPS)
    instruments = tuple(Instrument(symbol=s, tick_size=draw(steps), lot_size=draw(steps)) for s in symbols)
    return Manifest(run_id="property", instruments=instruments, seed=draw(st.integers(0, 9)))


def values(codec: Codec, scale: Scale) -> st.SearchStrategy[int]:
    """Return the values that a codec can spell."""
    if isinstance(codec, Word):
        return st.sampled_from([code for _, code in codec.names])
    if isinstance(codec, AuthoredWord):
        authors = st.integers(0, POLICY_ROOM - 1).map(lambda author: author << AUTHOR_SHIFT)
        return st.tuples(authors, values(codec.word, scale)).map(sum)
    if isinstance(codec, FeeRate):
        return st.one_of(st.integers(-codec.high, codec.high), st.sampled_from((-codec.high, 0, codec.high))).map(
            lambda rate_ppm: rate_ppm + FEE_CODE_ZERO
        )
    if isinstance(codec, Whole):
        low, high = codec.low, codec.high
    elif isinstance(codec, Scaled):
        high = units_max(codec.grid(scale), codec.limit)
        low = -high if codec.signed else codec.low
    else:
        assert isinstance(codec, Fixed)
        high = units_max(codec.grid, INT64_MAX)
        low = -high if codec.signed else 0
    near = st.integers(max(low, -1000), min(high, 100_000))
    return st.one_of(near, st.integers(low, high), st.sampled_from((low, high)))


def field_values(field: Field, scale: Scale) -> st.SearchStrategy[int]:
    """Return the values of a column, its emptiness included where it is optional."""
    spelled = values(field.codec, scale)
    return st.one_of(st.just(EMPTY[field.column]), spelled) if field.optional else spelled


def payloads(kind: EventKind) -> st.SearchStrategy[bytes]:
    """Return payload bytes: canonical JSON, or any bytes."""
    if kind == EventKind.DIGEST:
        return st.sampled_from((32, 64)).flatmap(lambda size: st.binary(min_size=size, max_size=size))
    scalars = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=9))
    documents = st.dictionaries(st.text(max_size=5), scalars, max_size=6).map(canonical_json)
    return st.one_of(documents, st.binary(max_size=120), st.sampled_from((b"{}", b"", b'{"a":1e400}', b'{"a": 1}')))


def documents() -> st.SearchStrategy[dict[str, Any]]:
    """Return documents that a note takes."""
    scalars = st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=12)
    )
    values = st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
        max_leaves=12,
    )  # fmt: skip
    return st.dictionaries(st.text(max_size=8), values, max_size=5)


def topics() -> st.SearchStrategy[str]:
    """Return topics that a note takes."""
    return st.from_regex(TOPIC, fullmatch=True)


@st.composite
def note_texts(draw: st.DrawFn) -> bytes:
    """Return the text of a note."""
    try:
        return note_text(draw(topics()), draw(documents()))
    except ValueError:  # too deep or too long
        return note_text(draw(topics()), {})


@st.composite
def event_rows(draw: st.DrawFn, kind: EventKind, manifest: Manifest) -> np.ndarray:
    """Return the canonical rows of one event of a kind, with seq 0."""
    entry = KINDS[kind]
    if entry.shape is Shape.PAYLOAD:
        return payload_rows(kind, draw(payloads(kind)))
    index = draw(st.integers(0, len(manifest.instruments) - 1)) if entry.has_symbol else 0
    scale = scales_of(manifest)[index]
    row = empty_row(kind)
    row["instrument_index"] = index
    for field in (*TIMES, *entry.fields):
        row[field.column] = draw(field_values(field, scale))
    if entry.shape is Shape.NOTE:
        columns = columns_of(draw(note_texts()), draw(st.integers(1, POLICY_ROOM - 1)))
        part = draw(st.integers(0, len(columns["code"]) - 1))
        for column, values_of_parts in columns.items():
            row[column] = values_of_parts[part]
        return row
    row["flags"] |= sum(int(flag) for _, flag in entry.bits if draw(st.booleans()))
    if entry.shape is Shape.SINGLE:
        return row
    if entry.shape is Shape.ACCOUNT:
        return account_rows(draw, row, kind, scale)
    if entry.shape is Shape.PAIR:
        sides = [0, 1]
    else:
        sides = sorted(draw(st.lists(st.integers(0, 1), max_size=LEVEL_COUNT_MAX)))
    rows = np.repeat(row, max(1, len(sides)))
    rows["flags"] = 0
    rows["flags"][-1] = row["flags"][0]
    for line, side in zip(rows, sides, strict=False):
        line["side"] = side
        if entry.shape is Shape.PAIR and draw(st.sampled_from((False, False, False, True))):
            continue  # a side without a best price
        for field in entry.each:
            if field.column != "side" or entry.shape is Shape.ORDERS:
                line[field.column] = draw(values(field.codec, scale))
    return rows


def account_rows(draw: st.DrawFn, row: np.ndarray, kind: EventKind, scale: Scale) -> np.ndarray:
    """Return one row, or two where the kind's bit says that there is a second one."""
    entry = KINDS[kind]
    if not row["flags"][0] & entry.second_bit:
        return row
    second = empty_row(kind)
    for column in ("ts_exchange_ns", "ts_receive_ns", "instrument_index", "flags"):
        second[column] = row[column]
    for field in entry.second:
        second[field.column] = draw(values(field.codec, scale))
    row["flags"] &= ~np.uint16(Flag.LAST)
    return np.concatenate([row, second])


@st.composite
def events(draw: st.DrawFn, kinds: tuple[EventKind, ...] = (), count_max: int = 12) -> tuple[Manifest, np.ndarray]:
    """Return a manifest and the rows of a journal that starts with it; by default of any kinds."""
    chosen: Any = kinds or tuple(EventKind(kind) for kind in KINDS if kind != EventKind.MANIFEST)
    manifest = draw(manifests())
    drawn = draw(st.lists(st.sampled_from(chosen), max_size=count_max))
    return manifest, journal_rows(manifest, [draw(event_rows(kind, manifest)) for kind in drawn])
