"""`mm diff` as a user calls it: what it prints, as text and as JSON, and with which code it ends."""

import json
from pathlib import Path

import numpy as np
import pytest

from mmfold.adapters.cli.main import run
from mmfold.engine.codes import EventKind
from mmfold.engine.records import NO_TS_NS
from mmfold.journal.log.reader import Journal
from mmfold.journal.log.writer import Writer
from tests.reports.parity.recorded import fees_manifest, record_steps

pytestmark = pytest.mark.usefixtures("same_kernels")
STEPS = "book, ack, fill 9990x2, book, gap, book"
OTHER = "strategy.min_spread_bps=22"


@pytest.fixture(scope="module")
def journals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory of journals: `a`, `fill` with another fill, `edited` with a decision that is not its own."""
    directory = tmp_path_factory.mktemp("diff")
    record_steps(directory / "a", STEPS)
    record_steps(directory / "fill", STEPS.replace("9990x2", "9990x1"))
    record_steps(directory / "coarse", STEPS, fees_manifest(tick_size="2"))
    rows = np.concatenate([chunk.copy() for chunk in Journal(directory / "a").chunks()])
    rows["price_ticks"][rows["kind"] == EventKind.PLACE] -= 1
    with Writer(directory / "edited") as writer:
        writer.append(rows)
        writer.commit()
    rows["price_ticks"][rows["kind"] == EventKind.PLACE] += 1
    rows = rows[rows["kind"] != EventKind.DIGEST]
    rows["ts_receive_ns"][(rows["kind"] > EventKind.COMMAND) & (rows["ts_receive_ns"] != NO_TS_NS)] += 1
    with Writer(directory / "later") as writer:
        writer.append(rows)
        writer.commit()
    return directory


def call(capfd: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    """Run `mm diff` and return exit code, stdout and stderr."""
    capfd.readouterr()
    code = run(["diff", *map(str, words)])
    told = capfd.readouterr()
    assert "Traceback" not in told.err
    return code, told.out, told.err


def test_a_journal_beside_itself(capfd: pytest.CaptureFixture[str], journals: Path) -> None:
    code, out, err = call(capfd, journals / "a", journals / "a", "--json")
    found = json.loads(out)
    assert code == 0 and not err and found["differs"] is False and found["answers_compared"]
    assert (found["first"], found["fields"], found["settings"], found["notes"]) == (None, [], {}, [])
    assert found["market"] == {"both": 4, "a_only": 0, "b_only": 0}
    assert found["counts"]["X"]["fill"] == {"same": 1, "changed": 0, "a_only": 0, "b_only": 0}
    assert not any(found["pnl_micros"]["X"]["difference"].values())
    code, out, _ = call(capfd, journals / "a", journals / "a")
    assert code == 0 and "every decision and answer is the same" in out and "first difference" not in out


def test_one_journal_under_another_configuration(capfd: pytest.CaptureFixture[str], journals: Path) -> None:
    code, out, err = call(capfd, journals / "a", "--set", OTHER, "--json")
    found = json.loads(out)
    assert code == 2 and not err and found["differs"] and not found["answers_compared"]
    first = found["first"]
    assert first == found["decision"] and first["symbol"] == "X" and first["after_market_event"] == 1
    assert first["a"]["text"].startswith("PLACE X bid 9990 x 5") and first["b"]["text"].startswith(
        "PLACE X bid 9989 x 5"
    )
    assert first["b"]["after"]["kind"] == "book_snapshot"
    assert first["a"]["cause_seq"] == first["b"]["cause_seq"] == first["a"]["after"]["seq"] < first["a"]["seq"]
    assert found["fields_at"] == "decision"
    assert found["fields"][0] == {"path": "params[X].min_spread_bps", "a": 20.0, "b": 22.0}
    assert found["settings"] == {"X min_spread_bps": [20.0, 22.0]}
    assert found["journals"]["a"]["is_as_journaled"] and not found["journals"]["b"]["is_as_journaled"]
    assert len(found["notes"]) == 1 and "answers are those of the journal" in found["notes"][0]
    code, out, _ = call(capfd, journals / "a", "--set", OTHER)
    assert code == 2 and "first difference after market event 1, X" in out
    lines = out.splitlines()
    place = next(index for index, line in enumerate(lines) if line.startswith("first difference"))
    assert lines[place + 1].startswith("  A  seq ") and lines[place + 3].startswith("  B  seq ")
    assert "behind book snapshot X seq" in lines[place + 2] and "2023-11-14T22:13:20.000Z" in lines[place + 2]
    assert "params[X].min_spread_bps" in out and "20.0  ->  22.0" in out
    assert "set  X min_spread_bps 20.0 -> 22.0" in out and "note: answers are those of the journal" in out
    assert not set(out) & {"\x1b"}, "a pipe gets no colour"


def test_two_journals_that_differ_by_an_answer(capfd: pytest.CaptureFixture[str], journals: Path) -> None:
    code, out, _ = call(capfd, journals / "a", journals / "fill", "--json")
    found = json.loads(out)
    assert code == 2 and found["first"] == found["answer"]
    assert [found["first"][name]["text"].split(" (")[0] for name in "ab"] == [
        "FILL X bid 9,990 x 2",
        "FILL X bid 9,990 x 1",
    ]
    money = found["pnl_micros"]["X"]
    for part, value in money["difference"].items():
        assert value == money["b"][part] - money["a"][part]
    for side in (money["a"], money["b"]):
        assert side["net"] == side["spread"] + side["inventory"] - side["fees"] - side["funding"]
    assert money["difference"]["fees"] == -999_000, "of one lot less at 9,990, 100 ppm"
    code, out, _ = call(capfd, journals / "a", journals / "fill")
    assert code == 2 and "FILL X bid 9,990 x 2" in out and "B less A" in out


def test_what_is_laid_over_is_laid_over_b(capfd: pytest.CaptureFixture[str], journals: Path) -> None:
    code, out, _ = call(capfd, journals / "a", journals / "a", "--set", OTHER, "--json")
    assert code == 2 and json.loads(out)["settings"] == {"X min_spread_bps": [20.0, 22.0]}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("a",), 64, "give B, or --config, --profile or --set"),
        (("a", "edited"), 2, "is not what its own core decides: decision differs at seq"),
        (("a", "coarse"), 1, "X: tick, lot or contract differ between A and B"),
        (("a", "none"), 1, "none"),
        (("a", "a", "--set", "strategy.skew_coef=1"), 1, "strategy.skew_coeff"),
    ],
)
def test_what_cannot_be_compared_is_said(
    capfd: pytest.CaptureFixture[str], journals: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    paths = [word if word.startswith("-") or "=" in word else journals / word for word in words]
    ended, out, err = call(capfd, *paths)
    assert ended == code and said in err and not out


def test_a_market_at_other_times_is_told_to_be_one(capfd: pytest.CaptureFixture[str], journals: Path) -> None:
    code, out, _ = call(capfd, journals / "a", journals / "later", "--json")
    found = json.loads(out)
    assert code == 2 and found["market"] == {"both": 0, "a_only": 4, "b_only": 4}
    assert "mm parity" in found["notes"][0]
