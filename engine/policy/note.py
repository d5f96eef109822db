"""A policy's note as a chain of effects, and back; must never read what a note says.

A note is canonical JSON, {topic: document}. Each of its effects is whole in itself, a row as any other, and holds up to
24 bytes of the text, its number, who said it and how long the text is; so the chain, digests, witnesses and everything
that counts rows see nothing new, and only who wants the text joins the parts.
Source: docs/data.md 2, NOTE.
"""

import json
import re
import struct
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np

from mmfold.engine.codes import EventKind
from mmfold.engine.limits import AUTHOR_SHIFT, NOTE_BYTES_MAX, NOTE_PART_BYTES, POLICY_ROOM
from mmfold.engine.manifest import canonical_json

TOPIC = re.compile(r"[a-z][a-z0-9_]{0,31}")
DEPTH_MAX = 8
TEXT_COLUMNS = ("price_ticks", "qty_lots", "order_id")
PART_COLUMNS = (*TEXT_COLUMNS, "aux", "code")
PART = struct.Struct("<3q")  # the text of a part, as the columns have it
BYTES_MASK = (1 << AUTHOR_SHIFT) - 1
BYTES_MIN = len('{"a":{}}')
SPACE, TILDE = 0x20, 0x7E
assert len(TEXT_COLUMNS) * 8 == PART.size == NOTE_PART_BYTES


class Emit(Protocol):
    """Appends effects of an instrument, `count` of them whose codes count up, and returns the rows to be filled in."""

    def __call__(self, instrument_index: int, kind: EventKind, code: int, count: int = 1) -> np.ndarray:
        """Append effects."""
        ...


class ToldNote(NamedTuple):
    """A note as effects tell it: of its first part the seq, or the first one that is there."""

    seq: int
    policy_id: int
    text: bytes
    is_whole: bool

    def read(self) -> tuple[str, dict[str, Any]] | None:
        """Return topic and document, None for a part of a note and for text that no policy of ours writes."""
        if not self.is_whole:
            return None
        try:
            note = json.loads(self.text)
            if not isinstance(note, dict) or canonical_json(note) != self.text:
                return None
        except (ValueError, RecursionError):
            return None
        (topic, document), *more = note.items() or [("", None)]
        return (topic, document) if isinstance(document, dict) and not more and TOPIC.fullmatch(topic) else None


def plain(value: Any, depth: int = 0) -> Any:
    """Return a value as JSON has it: mappings as objects, tuples as arrays.

    Raises: ValueError.
    """
    if depth > DEPTH_MAX:
        raise ValueError(f"a note is at most {DEPTH_MAX} deep")
    if isinstance(value, Mapping):
        if not all(type(key) is str for key in value):
            raise ValueError(f"a note's keys are text, not {[*value]!r}")
        return {key: plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, depth + 1) for item in value]
    if value is None or type(value) in (bool, int, float, str):
        return value
    raise ValueError(f"{value!r} is no plain JSON: a note takes numbers, text, true, false and None of Python itself")


def note_text(topic: str, document: Mapping[str, Any]) -> bytes:
    """Return the text of a note.

    Raises: ValueError.
    """
    if type(topic) is not str or not TOPIC.fullmatch(topic):
        raise ValueError(f"a note's topic is a lower-case word of at most 32 letters, not {topic!r}")
    if not isinstance(document, Mapping):
        raise ValueError(f"a note's document is an object, not {document!r}")
    text = canonical_json({topic: plain(document)})
    if len(text) > NOTE_BYTES_MAX:
        raise ValueError(f"a note of {len(text):,} bytes, at most {NOTE_BYTES_MAX:,}")
    return text


def part_count(byte_count: int) -> int:
    """Return how many effects a note of some length takes."""
    return -(-byte_count // NOTE_PART_BYTES)


def columns_of(text: bytes, policy_id: int) -> dict[str, np.ndarray]:
    """Return what the rows of a note have in their columns, a value a part."""
    count = part_count(len(text))
    words = np.frombuffer(text.ljust(count * NOTE_PART_BYTES, b"\0"), "<i8").reshape(count, len(TEXT_COLUMNS))
    columns = dict(zip(TEXT_COLUMNS, words.T, strict=True))
    return {**columns, "aux": np.full(count, policy_id << AUTHOR_SHIFT | len(text)), "code": np.arange(count)}


def put_parts(text: bytes, policy_id: int, emit: Emit) -> None:
    """Append the effects of a note."""
    effects = emit(0, EventKind.NOTE, 0, part_count(len(text)))
    for name, values in columns_of(text, policy_id).items():
        effects[name] = values


def texts_of(rows: np.ndarray) -> np.ndarray:
    """Return the bytes of the text columns.

    Shape: (n, 24) uint8.
    """
    words = np.stack([rows[name] for name in TEXT_COLUMNS], axis=1).astype("<i8")
    return np.ascontiguousarray(words).view(np.uint8)


def are_parts(rows: np.ndarray) -> np.ndarray:
    """Tell which NOTE rows are parts as a policy's note has them: author, number and length fit, the text is printable
    ASCII and zeros behind it.
    """
    author, byte_count = rows["aux"] >> AUTHOR_SHIFT, rows["aux"] & BYTES_MASK
    left = byte_count - rows["code"].astype(np.int64) * NOTE_PART_BYTES
    texts, places = texts_of(rows), np.arange(NOTE_PART_BYTES)[None, :]
    is_text = (texts >= SPACE) & (texts <= TILDE)
    good = np.where(places < left[:, None], is_text, texts == 0).all(axis=1)
    good &= (author > 0) & (author < POLICY_ROOM) & (left > 0)
    fits: np.ndarray = good & (byte_count >= BYTES_MIN) & (byte_count <= NOTE_BYTES_MAX)
    return fits


def part_text(row: np.void) -> bytes:
    """Return the text of one part."""
    return PART.pack(*(int(row[name]) for name in TEXT_COLUMNS)).rstrip(b"\0")


def chains_of(rows: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield (first, end) of the parts among rows that go on with each other: a note, or what is there of one.

    Shape: rows of whole events, in order.
    """
    places = np.flatnonzero(rows["kind"] == EventKind.NOTE)
    if not len(places):
        return
    parts = rows[places]
    goes_on = (np.diff(places) == 1) & (np.diff(parts["seq"]) == 1) & (parts["aux"][1:] == parts["aux"][:-1])
    goes_on &= np.diff(parts["code"].astype(np.int64)) == 1
    starts = np.concatenate(([0], np.flatnonzero(~goes_on) + 1))
    for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(places)], strict=True):
        yield int(places[start]), int(places[end - 1]) + 1


def notes_in(rows: np.ndarray) -> Iterator[ToldNote]:
    """Yield the notes among rows, whole or not."""
    for first, end in chains_of(rows):
        yield told_at(rows, first, end)


def told_at(rows: np.ndarray, first: int, end: int) -> ToldNote:
    """Return the note that some parts make."""
    head = rows[first]
    text = b"".join(map(part_text, rows[first:end]))
    byte_count = int(head["aux"]) & BYTES_MASK
    is_whole = int(head["code"]) == 0 and end - first == part_count(byte_count) and len(text) == byte_count
    return ToldNote(int(head["seq"]), int(head["aux"]) >> AUTHOR_SHIFT, text, is_whole)
