"""Notes as lines: the first says all of it, each says its own part, and none can say otherwise."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmfold.engine.codes import EventKind
from mmfold.engine.jit import JIT_ENABLED
from mmfold.engine.policy.note import note_text, notes_in
from mmfold.journal.convert import convert
from mmfold.journal.formats import Events
from mmfold.journal.jsonl.file import JsonlError, JsonlReader, write_jsonl
from mmfold.journal.jsonl.notes import with_whole_notes
from mmfold.journal.log.canonical import RowError
from tests.engine.noting import note_rows
from tests.journal.make_rows import canonical_rows, write_journal
from tests.property.strategies import note_texts

DOCUMENT = {"usd": {"ETHUSDT": None, "BTCUSDT": 1_250.5}, "why": "a tilt of the budget; \u20ac"}
LONG, SHORT = note_text("alloc", DOCUMENT), note_text("mux", {"on": True})
READERS = [1 << 60, 0] if JIT_ENABLED else [1 << 60]  # the reference, then the compiled reader


def journal_of(*texts: bytes) -> np.ndarray:
    """Return a market with notes in it: one behind each of some events."""
    market = canonical_rows(12)
    parts, more = [market], market[market["seq"] > 8]
    for place, text in enumerate(texts):
        parts += [note_rows(text, place + 3), more.copy()]
    seq, events = 0, []
    for part in parts:
        for rows in np.split(part, np.flatnonzero(part["flags"] & 1)[:-1] + 1):
            rows["seq"] = seq
            events.append(rows)
            seq += 1
    return np.concatenate(events)


ROWS = journal_of(LONG, SHORT)


def written(path: Path, rows: np.ndarray = ROWS, sealed: bool = False) -> list[bytes]:
    write_jsonl([rows], path, sealed)
    return path.read_bytes().splitlines(keepends=True)


def read(path: Path, fast_from_bytes: int, row_count: int = 65_536) -> bytes:
    return b"".join(rows.tobytes() for rows in JsonlReader(path, fast_from_bytes).chunks(row_count))


def test_the_first_line_tells_all_and_every_line_its_part(tmp_path: Path) -> None:
    lines = [json.loads(line) for line in written(tmp_path / "x.jsonl")]
    notes = [line for line in lines if line["kind"] == "note"]
    assert [line["note"] for line in notes if "note" in line] == [{"alloc": DOCUMENT}, {"mux": {"on": True}}]
    assert all(("note" in line) == (line["part"] == 0) for line in notes)
    assert "".join(line["text"] for line in notes if line["policy"] == 3).encode() == LONG
    assert [set(line) - {"note"} for line in notes] == [{"bytes", "kind", "part", "policy", "seq", "text"}] * len(notes)


@pytest.mark.parametrize("fast_from_bytes", READERS)
@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("row_count", [1, 3, 65_536])
def test_lines_come_back_to_the_byte(tmp_path: Path, sealed: bool, row_count: int, fast_from_bytes: int) -> None:
    written(tmp_path / "x.jsonl", sealed=sealed)
    assert read(tmp_path / "x.jsonl", fast_from_bytes, row_count) == ROWS.tobytes()


@settings(max_examples=40, deadline=None)
@given(st.lists(note_texts(), max_size=3), st.data())
def test_the_lines_are_the_same_however_the_events_came(texts: list[bytes], data: st.DataObject) -> None:
    rows = journal_of(*texts)
    ends = np.flatnonzero(rows["flags"] & 1) + 1
    cuts = sorted(data.draw(st.lists(st.sampled_from(ends[:-1].tolist()), max_size=6, unique=True)))
    chunks = list(with_whole_notes(np.split(rows, cuts)))
    assert np.concatenate(chunks).tobytes() == rows.tobytes()
    assert sum(one.is_whole for chunk in chunks for one in notes_in(chunk)) == len(texts)


@pytest.mark.parametrize("name", ["y", "y.jsonl", "y.jsonl.zst", "y.parquet"])
@pytest.mark.parametrize("source", ["j", "x.jsonl", "x.parquet"])
def test_every_form_keeps_a_note(tmp_path: Path, source: str, name: str) -> None:
    write_journal(tmp_path / "j", ROWS, 7)
    if source != "j":
        convert(tmp_path / "j", tmp_path / source)
    convert(tmp_path / source, tmp_path / name)
    assert b"".join(rows.tobytes() for rows in Events(tmp_path / name).chunks()) == ROWS.tobytes()


Edit = Callable[[list[bytes], int], list[bytes]]


def changed(offset: int, old: bytes, new: bytes) -> Edit:
    """Return an edit of a line of the long note."""

    def edit(lines: list[bytes], first: int) -> list[bytes]:
        assert old in lines[first + offset], lines[first + offset]
        place = first + offset
        return [*lines[:place], lines[place].replace(old, new, 1), *lines[place + 1 :]]

    return edit


def without(offset: int) -> Edit:
    """Return the removal of a line of the long note; the seqs behind it close up."""

    def edit(lines: list[bytes], first: int) -> list[bytes]:
        rest = [json.loads(line) for line in lines[first + offset + 1 :]]
        moved = [json.dumps(line | {"seq": line["seq"] - 1}).encode() + b"\n" for line in rest]
        return [*lines[: first + offset], *moved]

    return edit


LAST = -(-len(LONG) // 24) - 1
EDITS: dict[str, tuple[Edit, str]] = {
    "the document, behind its first part": (changed(0, b"tilt of", b"tilt/of"), "not part . of the note that seq 12"),
    "the document, so that it is longer": (changed(0, b"budget", b"budgets"), "the note is not what its parts say"),
    "the document, in its first part": (changed(0, b'"alloc":{"usd"', b'"blloc":{"usd"'), "the note is not what"),
    "the note is none": (changed(0, b'"note":{"alloc":', b'"note":{"a":1,"lloc":'), "the note is not what"),
    "a part's text": (changed(2, b"tilt", b"tint"), "not part 2 of the note that seq 12"),
    "a part's author": (changed(2, b'"policy":3', b'"policy":4'), "not part 2 of the note"),
    "a part's length": (changed(2, b'"bytes":', b'"bytes":1'), "not part 2|is not an integer within"),
    "a part too far": (changed(2, b'"part":2', b'"part":9'), "part 9 is not an integer within 0"),
    "a text too short": (changed(2, b'"text":"', b'"text":"x'), "is not 24 characters of ASCII"),
    "a text of other letters": (changed(2, b"tilt", b"\xc3\xa4ilt"), "is not 24 characters of ASCII"),
    "a control character": (changed(2, b"tilt", b"\\u0007ilt"), "is not 24 characters of ASCII"),
    "no author": (changed(2, b'"policy":3', b'"policy":0'), "policy 0 is not an integer within 1"),
    "a note behind the first part": (changed(2, b'"part":2', b'"note":{"a":{}},"part":2'), "the note is not what"),
    "a symbol": (changed(2, b'"kind":"note"', b'"kind":"note","symbol":"BTCUSDT"'), "unknown key"),
    "no text": (changed(2, b'"text"', b'"tex"'), "unknown key|missing key"),
    "a missing part": (without(2), "not part 2 of the note that seq 12"),
    "a missing last part": (without(LAST), f"not part {LAST} of the note that seq 12"),
}  # fmt: skip


@pytest.mark.parametrize("fast_from_bytes", READERS)
@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize(("edit", "message"), EDITS.values(), ids=EDITS)
def test_a_line_that_says_otherwise(
    tmp_path: Path, edit: Edit, message: str, sealed: bool, fast_from_bytes: int
) -> None:
    path = tmp_path / "x.jsonl"
    lines = written(path, sealed=sealed)
    first = next(place for place, line in enumerate(lines) if b'"kind":"note"' in line)
    path.write_bytes(b"".join(edit(lines, first)))
    with pytest.raises(JsonlError, match=message):
        read(path, fast_from_bytes)


@pytest.mark.parametrize("fast_from_bytes", READERS)
def test_a_cut_at_a_lines_end_is_an_honest_prefix(tmp_path: Path, fast_from_bytes: int) -> None:
    path = tmp_path / "x.jsonl"
    lines = written(path, sealed=True)
    for count in range(12, len(lines) + 1):
        path.write_bytes(b"".join(lines[:count]))
        assert ROWS.tobytes().startswith(read(path, fast_from_bytes))


def partly() -> list[Any]:
    """Return journals that hold some of a note, and texts that are none."""
    first = int(np.argmax(ROWS["kind"] == EventKind.NOTE))
    middle = np.delete(ROWS, slice(first, first + 2))
    middle["seq"][first:] -= 2
    return [
        pytest.param(ROWS[: first + 3], id="its beginning, at the end"),
        pytest.param(middle, id="its end, in the middle"),
        pytest.param(journal_of(b'{"a":{}, "b":1}', b"[[[[[[[["), id="texts that no policy writes"),
    ]


@pytest.mark.parametrize("rows", partly())
def test_what_is_no_whole_note_is_told_part_by_part(tmp_path: Path, rows: np.ndarray) -> None:
    lines = [json.loads(line) for line in written(tmp_path / "x.jsonl", rows)]
    told = [one.read() for one in notes_in(rows)]
    assert sum("note" in line for line in lines) == len(told) - told.count(None)
    assert read(tmp_path / "x.jsonl", READERS[0]) == rows.tobytes()


@pytest.mark.parametrize(
    "columns",
    [{"aux": 3}, {"code": 200}, {"side": 0}, {"instrument_index": 1}, {"price_ticks": 0}, {"flags": 3}],
    ids=str,
)
def test_rows_that_text_could_not_give_back(tmp_path: Path, columns: dict[str, int]) -> None:
    rows = ROWS.copy()
    for name, value in columns.items():
        rows[name][int(np.argmax(rows["kind"] == EventKind.NOTE))] = value
    with pytest.raises(RowError):
        write_jsonl([rows], tmp_path / "x.jsonl")
    assert not (tmp_path / "x.jsonl").exists()
