"""Every reader of a journal knows sealed, unsealed and broken seal; none makes a fresh seal of a broken one."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mmfold.adapters.cli.main import run
from mmfold.journal.log.segment import SegmentFile, segment_paths
from mmfold.journal.log.writer import Writer
from tests.journal.make_rows import canonical_rows, files_of, write_journal

pytestmark = pytest.mark.usefixtures("same_kernels")
EVENT_COUNT = 2100


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = canonical_rows(EVENT_COUNT)
    return write_journal(tmp_path_factory.mktemp("seals") / "j", rows, 50, segment_bytes_max=120_000)


@pytest.fixture
def place(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(made, tmp_path / "j")
    shutil.copytree(made, tmp_path / "whole")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def cut_to_half(journal: Path) -> None:
    """Cut at a frame's end in the middle of the segment in the middle, as a partial copy does."""
    paths = segment_paths(journal)
    marks = list(SegmentFile(paths[1]).marks())
    paths[1].write_bytes(paths[1].read_bytes()[: marks[len(marks) // 2].offset])
    paths[2].unlink()


def without_last_segment(journal: Path) -> None:
    segment_paths(journal)[-1].unlink()


def other_seal(journal: Path) -> None:
    seal = json.loads((journal / "seal.json").read_bytes())
    (journal / "seal.json").write_text(json.dumps(seal | {"head": "0" * 64}))


def no_seal_at_all(journal: Path) -> None:
    (journal / "seal.json").write_text("[" * 100_000)


BREAKS = [cut_to_half, without_last_segment, other_seal, no_seal_at_all]
READERS = [
    "replay --events j",
    "replay --events j --json",
    "replay --events j --until 3",
    "replay --events j --audit a --metrics m --effects e --report r",
    "backtest --events j --no-journal",
    "backtest --events j --out bt",
    "journal convert j k",
    "journal convert j x.jsonl",
    "journal convert j x.parquet",
    "journal export j --parquet x.parquet",
    "journal export j --parquet x.parquet --symbols BTCUSDT",
    "journal cat j",
    "journal cat j --from 900",
    "journal info j",
    "journal info j --json",
    "parity j whole",
    "parity whole j",
]


@pytest.mark.parametrize("words", READERS)
@pytest.mark.parametrize("harm", BREAKS)
def test_a_broken_seal_is_an_error(
    place: Path, capfd: pytest.CaptureFixture[str], harm: Callable[[Path], None], words: str
) -> None:
    if words.startswith("backtest") and harm is not cut_to_half:
        pytest.skip("one harm is enough for what ends before it runs")
    harm(place / "j")
    files = files_of(place)
    assert run(words.split()) == 1
    told = capfd.readouterr()
    assert ("seal" in told.err or "parity" in words) and "error: " in told.err and "Traceback" not in told.err
    assert {name: data for name, data in files_of(place).items() if "checkpoints" not in name} == files
    if "info" in words:
        assert '"sealed":false' in told.out if "--json" in words else "broken seal" in told.out


def test_what_was_printed_before_a_broken_seal_is_told_is_all_that_is_whole(place: Path, capfd) -> None:
    without_last_segment(place / "j")
    assert run(["journal", "cat", "j"]) == 1
    lines = capfd.readouterr().out.splitlines()
    assert len(lines) == 2048 and json.loads(lines[-1])["seq"] == 2047


@pytest.mark.parametrize("path", ["j", "j/000000.mmj"])
def test_without_a_seal_none_is_claimed(place: Path, capfd: pytest.CaptureFixture[str], path: str) -> None:
    (place / "j" / "seal.json").unlink()
    assert run(["replay", "--events", path, "--json", "--report", "r"]) == 0
    assert json.loads(capfd.readouterr().out)["sealed"] is False
    assert json.loads((place / "r" / "report.json").read_bytes())["journal"]["sealed"] is False
    assert "| sealed | false |" in (place / "r" / "REPORT.md").read_text()
    assert run(["replay", "--events", path]) == 0
    assert "unsealed" in capfd.readouterr().out
    assert run(["journal", "convert", path, "k"]) == 0
    assert "not sealed" in capfd.readouterr().out
    assert run(["journal", "convert", path, "x.jsonl", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["src_sealed"] is False


def test_a_seal_that_holds_is_claimed(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for more in ([], ["--until", "9"], ["--from", "2000"]):
        assert run(["replay", "--events", "j", "--json", *more]) == 0
        assert json.loads(capfd.readouterr().out)["sealed"] is True, more
    assert run(["journal", "convert", "j", "k"]) == 0 and "not sealed" not in capfd.readouterr().out


def test_a_writer_that_opens_a_journal_breaks_no_readers_seal(place: Path) -> None:
    from mmfold.journal.log.reader import Journal

    journal = Journal(place / "j")
    chunks = journal.verified_chunks(500)
    next(chunks)
    with Writer(place / "j"):
        assert sum(len(rows) for rows in chunks) and not journal.sealed
