"""A policy's note wherever it is looked at: told whole and by its author, a changed byte by its part."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmfold.adapters.live.session import Session
from mmfold.engine.codes import EventKind
from mmfold.engine.limits import NS_PER_S
from mmfold.engine.manifest import canonical_json
from mmfold.engine.policy.note import notes_in
from mmfold.journal.jsonl.file import write_jsonl
from mmfold.journal.log.reader import Journal
from mmfold.journal.log.writer import Writer
from mmfold.replay.debug import why as why_module
from mmfold.replay.record import Recorder
from mmfold.replay.run import ReplayOptions, replay
from tests.engine.noting import NAME, SWITCHED_ON, Memory, Settings, noting, weights
from tests.engine.rows import PLAIN, T0_NS, book_event, event, make_manifest

__all__ = ["noting"]
pytestmark = pytest.mark.usefixtures("noting", "same_kernels")
Call = Callable[..., tuple[int, str, str]]
RUNS = 3


def written(path: Path, symbols: tuple[str, ...] = ("X", "Y"), scale: int = 1) -> Path:
    """Write a session of a book and some timers, at each of which the noter runs."""
    config = {"params": dict.fromkeys(symbols, PLAIN), "policies": {NAME: {**SWITCHED_ON[NAME], "scale": scale}}}
    book = book_event(EventKind.BOOK_SNAPSHOT, [(10_000, 5)], [(10_001, 5)], aux=1, ts_receive_ns=T0_NS)
    with Writer(path) as writer:
        recorder = Recorder(writer, make_manifest(*symbols), config)
        for rows in (book, *(event(EventKind.TIMER, ts_receive_ns=T0_NS + n * NS_PER_S) for n in range(1, RUNS + 1))):
            recorder.append(rows)
        recorder.finish()
    return path


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return written(tmp_path / "j")


def rows_of(path: Path) -> np.ndarray:
    return np.concatenate([rows.copy() for rows in Journal(path).chunks()])


def with_rows(path: Path, rows: np.ndarray) -> Path:
    with Writer(path) as writer:
        writer.append(rows)
    return path


def document(run: int, scale: int = 1) -> dict[str, Any]:
    return json.loads(json.dumps(weights(Settings(1, 1.0, scale), Memory(run))))


def text_of(run: int, scale: int = 1) -> str:
    """Return a note as it is told: topic and document."""
    text = canonical_json(weights(Settings(1, 1.0, scale), Memory(run))).decode()
    return f"NOTE by {NAME}: alloc {text}"


def told(call: Call, *words: object, code: int = 0) -> Any:
    found, out, said = call(*words, "--json")
    assert found == code, said
    return json.loads(out)


def test_a_replay_compares_each_part(call: Call, journal: Path) -> None:
    rows = rows_of(journal)
    found = told(call, "replay", "--events", journal)
    count = int(np.sum(rows["kind"] == EventKind.NOTE))
    assert found["effects"]["note"] == count > 3 * RUNS
    assert found["witnessed"] == sum(found["effects"].values())
    place = np.flatnonzero(rows["kind"] == EventKind.NOTE)[1]
    rows["order_id"][place] ^= 1
    code, _, said = call("replay", "--events", with_rows(journal.parent / "changed", rows))
    assert code == 2 and f"differs at seq {rows['seq'][place]}" in said.replace(",", "")
    assert said.count(f"NOTE by {NAME}, part 2 of") == 2  # what is witnessed, and what is computed


def test_the_policies_tell_their_last_note(call: Call, journal: Path) -> None:
    last = list(notes_in(rows_of(journal)))[-1]
    (auto, noter) = told(call, "policies", "--events", journal)["policies"]
    assert auto["note"] is None
    assert noter["note"] == {"author": NAME, "seq": last.seq, "topic": "alloc", "document": document(RUNS)}
    until = next(iter(notes_in(rows_of(journal)))).seq
    (_, noter) = told(call, "policies", "--events", journal, "--until", until)["policies"]
    assert noter["note"]["document"] == document(1)
    code, out, _ = call("policies", "--events", journal)
    assert code == 0 and f"last note of {NAME}, seq {last.seq:,}: alloc {{" in out


def test_why_tells_text_and_author(call: Call, journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(why_module, "trace", lambda *asked: [])  # a process of its own would not know the noter
    rows = rows_of(journal)
    note = list(notes_in(rows))[1]
    for seq in (note.seq, note.seq + 2):  # its first part, and another one
        code, out, said = call("why", "--events", journal, seq)
        assert code == 0, said
        assert f"{text_of(2)}: decided by event {note.seq - 1}" in out.replace("\n", " ")
        assert f"as effect {seq}" in out.replace("\n", " ")
    found = told(call, "why", "--events", journal, note.seq - 1)
    assert [one["text"] for one in found["effects"]].count(text_of(2)) == 1
    (one,) = [one for one in found["effects"] if "note" in one]
    assert one["note"] == {"author": NAME, "seq": note.seq, "topic": "alloc", "document": document(2)}
    assert found["effects"] == told(call, "at", "--events", journal, "--seq", note.seq)["effects"]


def test_a_difference_names_it(call: Call, journal: Path, tmp_path: Path) -> None:
    other = written(tmp_path / "k", scale=3)
    found = told(call, "diff", journal, other, code=2)
    pair = found["first"]
    assert (pair["a"]["text"], pair["b"]["text"]) == (text_of(1), text_of(1, 3)) and pair["symbol"] == "-"
    assert pair["a"]["order_id"] is None
    counts = found["counts"]["-"]["note"]
    parts = int(np.sum(rows_of(journal)["kind"] == EventKind.NOTE))
    assert counts["changed"] == RUNS and counts["same"] + counts["changed"] == parts  # a part of each
    code, out, _ = call("diff", journal, other)
    assert code == 2 and text_of(1, 3) in out.replace("\n", " ")


def test_a_note_is_of_no_instrument_whatever_the_others_are(call: Call, journal: Path, tmp_path: Path) -> None:
    other = written(tmp_path / "k", ("A", "X", "Y"))  # all indices are other ones
    found = told(call, "diff", journal, other, code=2)
    counts = found["counts"]["-"]["note"]
    assert counts["changed"] == counts["a_only"] == counts["b_only"] == 0 < counts["same"]


def test_the_audit_log_has_a_line_for_it(call: Call, journal: Path, tmp_path: Path) -> None:
    assert call("replay", "--events", journal, "--audit", tmp_path / "audit.jsonl")[0] == 0
    lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_bytes().splitlines()]
    noted = [line for line in lines if line["kind"] == "NOTE"]
    firsts = [one.seq for one in notes_in(rows_of(journal))]
    assert [line["fields"] for line in noted] == [
        {"author": NAME, "seq": seq, "topic": "alloc", "document": document(run)} for run, seq in enumerate(firsts, 1)
    ]
    assert {line["symbol"] for line in noted} == {"-"} and noted[0]["ts"].startswith("2023-11-14T22:13:21")
    code, _out, said = call("replay", "--events", journal, "--check-audit", tmp_path / "audit.jsonl")
    assert code == 0, said


def test_its_lines_are_those_of_the_file(call: Call, journal: Path, tmp_path: Path) -> None:
    write_jsonl([rows_of(journal)], tmp_path / "x.jsonl")
    code, out, _ = call("journal", "cat", journal)
    assert code == 0 and out.encode() == (tmp_path / "x.jsonl").read_bytes()
    assert out.count('"note":{"alloc":') == RUNS
    code, out, _ = call("journal", "cat", journal, "--kind", "note")
    assert code == 0 and out.count('"note":{"alloc":') == RUNS
    code, out, _ = call("replay", "--events", journal, "--effects", tmp_path / "e.jsonl")
    assert code == 0 and (tmp_path / "e.jsonl").read_text().count('"note":{"alloc":') == RUNS


def test_the_live_view_shows_a_line_for_it(journal: Path) -> None:
    from mmfold.reports.top.frame import decision
    from mmfold.reports.top.watch import Watch

    watch = Watch(journal)
    for rows in Journal(journal).chunks():
        watch.feed(rows)
    texts = [decision(row, make_manifest("X", "Y"))["text"] for row in watch.decisions()]
    assert sum(text.startswith(f"NOTE by {NAME}, part 1 of") for text in texts) == RUNS
    assert len(texts) > RUNS


def test_notes_are_counted_in_a_predicate(call: Call, journal: Path, tmp_path: Path) -> None:
    expression = "count(note) >= 2"
    code, _out, said = call("minimize", "--events", journal, "--fails-if", expression, "--out", tmp_path / "m")
    assert code == 0, said
    kept = rows_of(next((tmp_path / "m").glob("*.mmj")))
    assert np.sum(kept["kind"] == EventKind.TIMER) == 2 and len(list(notes_in(kept))) == 2
    report = next((tmp_path / "m").glob("*.md")).read_text()
    assert f"NOTE by {NAME}: alloc" in report


def test_a_key_in_a_note_is_in_no_bundle(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "j")
    code, _, said = call("bundle", path, "--out", tmp_path / "good.zip")
    assert code == 0, said
    monkeypatch.setitem(
        weights.__globals__, "weights", lambda settings, memory: {"why": "Zk31vQmT9xLw7RbNc5Hy2PdGs8Ja4F"}
    )
    path = written(tmp_path / "k")
    code, _, said = call("bundle", path, "--out", tmp_path / "bad.zip")
    first = next(notes_in(rows_of(path))).seq
    assert code == 1 and f"seq {first}" in said and "NOTE there holds a key" in said
    assert not (tmp_path / "bad.zip").exists()


@pytest.mark.parametrize("lost", [0, 1, 4])
def test_a_session_writes_notes_and_goes_on_behind_them(tmp_path: Path, lost: int) -> None:
    session = Session(tmp_path / "whole", make_manifest())
    session.fold_config({"params": {"X": PLAIN}, "policies": SWITCHED_ON})
    effects = session.fold(event(EventKind.TIMER, ts_receive_ns=T0_NS))
    (note,) = notes_in(effects)
    assert note.is_whole
    session.close()
    rows = rows_of(tmp_path / "whole")
    rows = rows[rows["kind"] != EventKind.DIGEST]
    with_rows(tmp_path / "cut", rows[: len(rows) - lost])  # a crash before the last of its parts were written
    again = Session(tmp_path / "cut", make_manifest())
    again.fold(event(EventKind.TIMER, ts_receive_ns=T0_NS + NS_PER_S))
    again.close()
    assert [one.is_whole for one in notes_in(rows_of(tmp_path / "cut"))] == [True, True]
    result = replay(tmp_path / "cut", ReplayOptions(checkpoints=False))
    assert result.witnessed_count == sum(result.effect_counts.values())
