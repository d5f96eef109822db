"""`mm journal` as a user meets it: what is said and which exit code."""

import ast
import json
import re
import shlex
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import duckdb
import numpy as np
import pytest

from mmfold.adapters.cli.journal_command import LETTERS, example_query, python_line
from mmfold.adapters.cli.main import run
from mmfold.engine.codes import EventKind
from mmfold.journal.jsonl.file import JsonlReader
from mmfold.journal.log.checkpoints import save
from mmfold.journal.log.segment import segment_paths
from mmfold.journal.log.verify import verify
from mmfold.journal.log.writer import Writer
from mmfold.journal.recovery import recover as recover_module
from tests.journal.make_rows import (
    canonical_rows,
    events_of,
    files_of,
    write_journal,
)

REPO = Path(__file__).resolve().parents[3]
MM = [sys.executable, "-m", "mmfold.adapters.cli.main", "journal"]
EVENT_COUNT = 2100
ROWS = canonical_rows(EVENT_COUNT)


def test_verify_says_ok_and_what_a_chain_cannot_show(mm, place: Path) -> None:
    head = verify(place / "j").head
    code, out, err = mm("verify", place / "j")
    assert (code, err) == (0, "") and out.startswith(f"ok        {place / 'j'}   2,100 events") and "note" not in out
    assert f"sealed  head {head}" in out and "unsealed" not in out
    (place / "j/seal.json").unlink()
    assert (
        "unsealed" in mm("verify", place / "j")[1]
        and "a chain alone cannot show a tail" in mm("verify", place / "j")[1]
    )
    assert "note" not in mm("verify", place / "j", "--head", head.upper(), "--workers", 2)[1]
    code, out, err = mm("verify", place / "j", "--head", "0" * 64)
    assert (code, out) == (2, "") and f"expected head {'0' * 64}, found {head}" in err
    document = json.loads(mm("verify", place / "j", "--json")[1])
    assert document.pop("run").keys() == {"rows_per_s", "seconds"}
    assert document == {
        "ok": True, "events": EVENT_COUNT, "rows": len(ROWS), "head": head, "first_bad": None, "form": "journal",
        "path": str(place / "j"), "sealed": False, "segments": len(segment_paths(place / "j")), "torn_bytes": 0,
    }  # fmt: skip


def test_info_shows_run_instruments_segments_and_what_lies_beside(mm, place: Path) -> None:
    save(place / "j", "key", 1024, bytes(32), b"state", {})
    code, out, _ = mm("info", place / "j")
    assert code == 0
    for said in (
        "2,100 events",
        "sealed",
        "run       test",
        "BTCUSDT",
        "0.001",
        "000001.mmj",
        "checkpoint at seq 1,024",
    ):
        assert said in out
    document = json.loads(mm("info", place / "j", "--json")[1])
    assert (document["events"], document["rows"], document["sealed"]) == (EVENT_COUNT, len(ROWS), True)
    assert document["head"] == verify(place / "j").head and document["run_id"] == "test"
    assert [one["seq_first"] for one in document["segments"]] == [0, 1024, 2048]
    assert document["segments"][-1]["seq_last"] == EVENT_COUNT - 1
    assert document["instruments"][0]["tick_size"] == "0.1" and len(document["checkpoints"]) == 1


def test_info_knows_the_other_forms(mm, place: Path) -> None:
    for name in ("x.jsonl", "x.parquet"):
        assert mm("convert", place / "j", place / name)[0] == 0
        assert "BTCUSDT" in mm("info", place / name)[1]
        document = json.loads(mm("info", place / name, "--json")[1])
        assert document["head"] == (verify(place / "j").head if name == "x.parquet" else None)
        assert document["bytes"] == (place / name).stat().st_size and document["form"] == name.partition(".")[2]


def test_info_of_a_torn_journal_says_where_to_go(mm, place: Path) -> None:
    segment = segment_paths(place / "j")[-1]
    segment.write_bytes(segment.read_bytes()[:-7])
    code, out, _ = mm("info", place / "j")
    assert code == 1 and "fault     000002.mmj: expected" in out and f"mm journal recover {place / 'j'}" in out


def test_info_of_a_journal_without_events_still_shows_what_is_there(mm, place: Path) -> None:
    for segment in segment_paths(place / "j")[1:]:
        segment.unlink()
    first = segment_paths(place / "j")[0]
    first.write_bytes(first.read_bytes()[:128])
    (place / "j/seal.json").unlink()
    code, out, _ = mm("info", place / "j")
    assert code == 0 and "0 events" in out and "run       not known: expected the manifest" in out
    assert json.loads(mm("info", place / "j", "--json")[1])["run_id"] is None
    assert mm("verify", place / "j")[0] == 0  # nothing, and all of it


def test_cat_of_everything_is_the_sealed_file(mm, place: Path) -> None:
    mm("convert", place / "j", place / "x.jsonl")
    for name in ("j", "x.jsonl"):
        assert mm("cat", place / name)[1] == (place / "x.jsonl").read_text()


# options, seqs that are printed
CHOSEN = [
    (["--from", "2095"], [2095, 2096, 2097, 2098, 2099]),
    (["--until", "2"], [0, 1, 2]),
    (["--from", "1023", "--until", "1025"], [1023, 1024, 1025]),
    (["--limit", "2"], [0, 1]),
    (["--kind", "manifest"], [0]),
    (["--kind", "manifest,book_delta", "--limit", "3"], [0, 1, 2]),
    (["--symbol", "BTCUSDT", "--limit", "2"], [1, 2]),
    (["--kind", "manifest", "--symbol", "BTCUSDT"], []),
    (["--kind", "trade"], []),
    (["--from", "5000"], []),
    (["--from", "5", "--until", "4"], []),
]


@pytest.mark.parametrize(("options", "seqs"), CHOSEN)
def test_cat_prints_what_was_chosen_without_hashes(mm, place: Path, options, seqs) -> None:
    code, out, _ = mm("cat", place / "j", *options)
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and [line["seq"] for line in lines] == seqs
    assert not any({"prev", "hash"} & line.keys() for line in lines)


MOMENTS = {
    ("--from", "2023-11-14T22:13:25Z"): [5, 6, 7],
    ("--from", "1700000005000000000", "--until", "2023-11-14T22:13:26Z"): [5, 6],
    ("--until", "2023-11-14T22:13:20"): [0],
    ("--from", "2023-11-14T22:13:23+00:00", "--until", "4"): [3, 4],
    ("--until", "2020-01-01"): [0],
}


def test_cat_takes_times(mm, tmp_path: Path) -> None:
    events = events_of(ROWS[ROWS["seq"] < 8])
    events = [rows.copy() for rows in events]
    for seq, rows in enumerate(events[1:], 1):  # the manifest has no time
        rows["ts_receive_ns"] = 1_700_000_000_000_000_000 + seq * 1_000_000_000
    events[6]["ts_receive_ns"] -= 3_000_000_000  # a clock that went back: the core's does not
    write_journal(tmp_path / "j", np.concatenate(events))
    for options, seqs in MOMENTS.items():
        code, out, _ = mm("cat", tmp_path / "j", *options)
        assert code == 0 and [json.loads(line)["seq"] for line in out.splitlines()] == seqs, options


@pytest.mark.parametrize("words", [("--from", "yesterday"), ("--until", "99999999999999999999")])
def test_cat_refuses_what_is_no_moment(mm, place: Path, words: tuple[str, str]) -> None:
    code, _, told = mm("cat", place / "j", *words)
    assert code == 64 and words[0] in told


def test_cat_picks_events_between_others(mm, tmp_path: Path) -> None:
    events = events_of(ROWS[ROWS["seq"] < 40])
    for seq in (7, 8, 30):
        events[seq] = events[seq][-1:].copy()
        events[seq]["kind"], events[seq]["side"] = EventKind.TRADE, 1
    write_journal(tmp_path / "j", np.concatenate(events))
    for options, seqs in {("--limit", "2"): [7, 8], ("--from", "8"): [8, 30], ("--until", "29"): [7, 8]}.items():
        out = mm("cat", tmp_path / "j", "--kind", "trade", *options)[1]
        assert [json.loads(line)["seq"] for line in out.splitlines()] == seqs


def test_convert_says_the_head_and_what_was_unsealed(mm, place: Path) -> None:
    head = verify(place / "j").head
    code, out, _ = mm("convert", place / "j", place / "x.jsonl.zst")
    assert code == 0 and f"head      {head}   the same in both" in out and "note" not in out
    mm("cat", place / "j", "--from", "0", "--limit", "9000")
    (place / "bare.jsonl").write_text(mm("cat", place / "j", "--limit", "9000")[1])
    code, out, _ = mm("convert", place / "bare.jsonl", place / "k")
    assert code == 0 and head in out and "bare.jsonl is unsealed" in out
    assert "unsealed: no line has a hash" in mm("verify", place / "bare.jsonl")[1]
    document = json.loads(mm("convert", place / "k", place / "y.parquet", "--json")[1])
    assert document["head"] == head and document["src_has_hashes"] and document["events"] == EVENT_COUNT


def test_export_prints_a_query_that_runs(mm, place: Path) -> None:
    code, out, _ = mm("export", place / "j", "--parquet", place / "x.parquet")
    assert code == 0 and f"head      {verify(place / 'j').head}" in out
    line = next(line for line in out.splitlines() if line.startswith("query"))
    assert shlex.split(line)[1:3] == ["python", "-c"]
    document = json.loads(mm("export", place / "j", "--parquet", place / "x.parquet", "--force", "--json")[1])
    counts = duckdb.sql(document["query"]).fetchall()
    assert {kind: n for kind, _, n in counts}["book_delta"] == (ROWS["kind"] == EventKind.BOOK_DELTA).sum()
    code, out, _ = mm("export", place / "j", "--parquet", place / "b.parquet", "--symbols", "BTCUSDT")
    assert code == 0 and "a part is no journal" in out


def test_the_query_survives_shell_and_python(tmp_path: Path) -> None:
    path = tmp_path / "a \"b' $HOME `c` \\n.parquet"
    script = f'set -- {python_line(example_query(path))}; printf %s "$3"'
    program = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
    call = ast.parse(program).body[1].value.func.value
    assert call.args[0].value == example_query(path) and str(path).replace("'", "''") in example_query(path)


# Recovery


def test_recover_says_what_it_would_do_and_does_it_when_told(mm, place: Path) -> None:
    segment = segment_paths(place / "j")[-1]
    (place / "j/seal.json").unlink()
    segment.write_bytes(segment.read_bytes()[:-7])
    files = files_of(place / "j")
    code, out, _ = mm("recover", place / "j")
    assert code == 0 and out.startswith("H ") and "would set aside" in out and files_of(place / "j") == files
    document = json.loads(mm("recover", place / "j", "--json")[1])
    assert (document["letter"], document["applied"], document["refused"]) == ("H", False, None)
    code, out, _ = mm("recover", place / "j", "--apply")
    assert code == 0 and "set aside" in out and "recovered/torn-000002-" in out
    assert mm("recover", place / "j")[1].startswith("C ") and mm("verify", place / "j")[0] == 0
    assert "torn tails in" in mm("info", place / "j")[1]


def letters_of(text: str) -> str:
    return "".join(re.findall(r"^\| ([A-Z]) \|", text, re.MULTILINE))


def test_letters_are_those_of_the_table_and_of_the_page() -> None:
    page = (REPO / "docs/journal.md").read_text(encoding="utf-8")
    assert "".join(LETTERS) == letters_of(recover_module.__doc__ or "") == letters_of(page) == "ABCDEFGHIJKL"


# Following, pipes and interrupts need a process


def start(*words: object) -> subprocess.Popen[bytes]:
    command = [*MM, *map(str, words)]
    return subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_cat_follows_a_writer_until_it_is_interrupted(tmp_path: Path) -> None:
    with Writer(tmp_path / "j", segment_bytes_max=100_000) as writer:
        process = start("cat", tmp_path / "j", "--follow")
        assert process.stdout is not None and process.stderr is not None
        lines = []
        for seq_first, seq_end in ((0, 3), (3, 4), (4, 1500)):
            writer.append(ROWS[(ROWS["seq"] >= seq_first) & (ROWS["seq"] < seq_end)])
            head = writer.commit()
            lines += [process.stdout.readline() for _ in range(seq_first, seq_end)]
            assert json.loads(lines[-1])["hash"] == head.hex()
        assert len(segment_paths(tmp_path / "j")) > 1
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert process.stdout.read() == b"" and b"Traceback" not in process.stderr.read()
        process.stdout.close()
        process.stderr.close()
    (tmp_path / "x.jsonl").write_bytes(b"".join(lines))
    assert JsonlReader(tmp_path / "x.jsonl").sealed


def test_following_ends_by_itself_where_it_is_told_to(mm, place: Path) -> None:
    code, out, _ = mm("cat", place / "j", "--follow", "--from", 7, "--until", 8)
    assert code == 0 and [json.loads(line)["seq"] for line in out.splitlines()] == [7, 8]
    assert len(mm("cat", place / "j", "--follow", "--kind", "manifest", "--limit", 1)[1].splitlines()) == 1


def test_a_reader_that_leaves_is_no_error(made_journal: Path) -> None:
    process = start("cat", made_journal)
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.readline().startswith(b'{"hash"')
    process.stdout.close()
    assert process.stderr.read() == b"" and process.wait(60) == 1
    process.stderr.close()


@pytest.mark.parametrize("name", ["info", "verify", "cat", "convert", "recover", "export"])
def test_help_shows_an_example(mm, name: str) -> None:
    code, out, _ = mm(name, "--help")
    assert code == 0 and f"Example: mm journal {name} " in out


@pytest.mark.realdata
def test_recorded_feed_keeps_its_head_through_every_form(mm, tmp_path: Path, shared_data: Path) -> None:
    capture = shared_data / "bybit_v5_l2_trades/bybit_v5_linear_BTCUSDT_ETHUSDT.jsonl.zst"
    assert run(["import", "bybit", str(capture), "--out", str(tmp_path / "b")]) == 0
    names = ["b", "b.jsonl.zst", "b.parquet", "c", "c.jsonl"]
    for source, name in pairwise(names):
        assert mm("convert", tmp_path / source, tmp_path / name)[0] == 0
    heads = {json.loads(mm("verify", tmp_path / name, "--json")[1])["head"] for name in names}
    assert len(heads) == 1 and (tmp_path / "b/000000.mmj").read_bytes() == (tmp_path / "c/000000.mmj").read_bytes()
