"""Parts of notes as lines: each says its own bytes, the first of a whole note all of it as well; must never let the two
say different things.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import orjson

from mmfold.engine.codes import EventKind
from mmfold.engine.limits import AUTHOR_SHIFT, NOTE_BYTES_MAX, NOTE_PART_BYTES, POLICY_ROOM
from mmfold.engine.manifest import canonical_json
from mmfold.engine.policy.note import (
    BYTES_MASK,
    BYTES_MIN,
    PART,
    SPACE,
    TEXT_COLUMNS,
    TILDE,
    ToldNote,
    chains_of,
    columns_of,
    part_count,
    part_text,
    told_at,
)
from mmfold.journal.jsonl.decimals import FieldError, show

KEYS_NEEDED = {"bytes", "part", "policy", "text"}
KEY_OF_ALL = "note"


def told_notes(rows: np.ndarray) -> dict[int, bytes]:
    """Return the texts of the whole notes among rows, by the place of the first part."""
    found = {first: told_at(rows, first, end) for first, end in chains_of(rows)}
    return {first: told.text for first, told in found.items() if told.read() is not None}


def put_part(document: dict[str, Any], row: np.void, note: bytes | None) -> None:
    """Add the keys of a part; `note` is the text of the whole note that it begins."""
    author, byte_count = divmod(int(row["aux"]), 1 << AUTHOR_SHIFT)
    document |= {"bytes": byte_count, "part": int(row["code"]), "policy": author, "text": part_text(row).decode()}
    if note is not None:
        document[KEY_OF_ALL] = orjson.Fragment(note)


def parse_part(document: dict[str, Any]) -> tuple[dict[str, int], bytes]:
    """Return the columns of a part, and the text of the whole note where the line tells it.

    Raises: FieldError.
    """
    byte_count = whole(document, "bytes", BYTES_MIN, NOTE_BYTES_MAX)
    part = whole(document, "part", 0, part_count(byte_count) - 1)
    policy = whole(document, "policy", 1, POLICY_ROOM - 1)
    size = min(NOTE_PART_BYTES, byte_count - part * NOTE_PART_BYTES)
    text = document["text"]
    if not isinstance(text, str) or len(text) != size or not all(SPACE <= ord(one) <= TILDE for one in text):
        raise FieldError(f"text {show(text)} is not {size} characters of ASCII")
    words = PART.unpack(text.encode().ljust(NOTE_PART_BYTES, b"\0"))
    columns = {**dict(zip(TEXT_COLUMNS, words, strict=True)), "aux": policy << AUTHOR_SHIFT | byte_count, "code": part}
    return columns, parse_all(document, part, byte_count, text) if KEY_OF_ALL in document else b""


def parse_all(document: dict[str, Any], part: int, byte_count: int, text: str) -> bytes:
    """Return the text of the note that a first part's line tells.

    Raises: FieldError.
    """
    try:
        note = canonical_json(document[KEY_OF_ALL])
    except (ValueError, RecursionError) as error:
        raise FieldError(f"note: {error}") from None
    if part or len(note) != byte_count or not note.startswith(text.encode()):
        raise FieldError("the note is not what its parts say", "bytes, text and the lines behind it have to follow it")
    if ToldNote(0, 0, note, is_whole=True).read() is None:
        raise FieldError(f"note {show(document[KEY_OF_ALL])} is not {{topic: {{...}}}}")
    return note


def whole(document: dict[str, Any], key: str, low: int, high: int) -> int:
    """Return an integer within some bounds.

    Raises: FieldError.
    """
    value = document[key]
    if type(value) is not int or not low <= value <= high:
        raise FieldError(f"{key} {show(value)} is not an integer within {low} .. {high}")
    return value


class Awaited:
    """The parts that are still to come of a note whose first line told all of it."""

    def __init__(self) -> None:
        self.seq = self.part = 0  # of the first line, and of the part that comes next
        self.rest: dict[str, np.ndarray] = {}

    def check(self, rows: np.ndarray) -> None:
        """Check that the event of a line is the part that was told.

        Raises: FieldError.
        """
        if not self.rest:
            return
        is_told = all(rows[name][0] == values[self.part] for name, values in self.rest.items())
        if rows["kind"][0] != EventKind.NOTE or not is_told:
            raise FieldError(
                f"this is not part {self.part} of the note that seq {self.seq:,} tells",
                "the lines of a note follow each other, and say what its first one does",
            )

    def take(self, rows: np.ndarray, note: bytes, seq: int) -> None:
        """Go on behind a line that was checked."""
        if note:
            self.seq, self.part, self.rest = seq, 0, columns_of(note, int(rows["aux"][0]) >> AUTHOR_SHIFT)
        self.part += 1
        if self.rest and self.part == len(self.rest["code"]):
            self.rest = {}


def with_whole_notes(chunks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield the same events in chunks that do not end inside of a note, so that its first line can tell all of it."""
    held: np.ndarray | None = None
    for chunk in chunks:
        rows = chunk if held is None else np.concatenate([held, chunk])
        cut = unfinished(rows)
        held = rows[cut:].copy() if cut < len(rows) else None
        if cut:
            yield rows[:cut]
    if held is not None:
        yield held


def unfinished(rows: np.ndarray) -> int:
    """Return where the note begins that the next chunk may go on with; the end where there is none."""
    if not len(rows) or rows["kind"][-1] != EventKind.NOTE:
        return len(rows)
    first, end = list(chains_of(rows))[-1]
    byte_count = int(rows["aux"][first]) & BYTES_MASK
    return len(rows) if int(rows["code"][end - 1]) + 1 >= part_count(byte_count) else first
