"""No command's output destroys an input, a journal, a file that nobody gave away, or a device."""

import json
import os
import shutil
import stat
from pathlib import Path

import pytest

from mmfold.adapters.cli.main import run
from tests.journal.make_rows import canonical_rows, files_of, write_journal

pytestmark = pytest.mark.usefixtures("same_kernels")
LINE = b'%d {"e":"bookTicker","u":9,"s":"A","b":"1.0","B":"2","a":"1.1","A":"3","T":1,"E":2}\n'
GRID = ("--tick", "A=0.1", "--lot", "A=0.1")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_journal(tmp_path_factory.mktemp("outputs") / "j", canonical_rows(40))


@pytest.fixture
def place(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working directory: a journal, a capture, a configuration, ticks and somebody's file."""
    shutil.copytree(made, tmp_path / "j")
    shutil.copytree(made, tmp_path / "k")
    (tmp_path / "capture").write_bytes(LINE % 1 + LINE % 2)
    (tmp_path / "mm.yaml").write_text("mode: shadow\n")
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "report.json").write_text("mine")
    (tmp_path / "report" / "parity.json").write_text("mine")
    ticks = [json.dumps({"ts_ms": 1000 + at, "bid": 100.0, "ask": 100.1}) for at in range(90)]
    (tmp_path / "ticks.jsonl").write_text("\n".join(ticks) + "\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


REPLAY = "replay --events j"
IMPORT = "import binance capture"
TICKS = "ticks run --ticks ticks.jsonl --mode queue_aware"
# what is refused whatever is forced
NEVER = [
    *[f"{REPLAY} --{kind} {place} --force" for kind in ("audit", "metrics", "effects")
      for place in ("j/000000.mmj", "k/seal.json", "k/new", "j/checkpoints/x", "report", "none/x")],
    f"{REPLAY} --config mm.yaml --audit mm.yaml --force",
    f"{REPLAY} --audit new --effects new --force",
    f"{REPLAY} --report j --force",
    f"{REPLAY} --report k --force",
    f"{REPLAY} --report k/report --force",
    f"{REPLAY} --report mine --force",
    "backtest --events j --out j --force",
    "backtest --events j --out j/bt --force",
    "backtest --events j --out . --force",
    "backtest --events j --events k --out k --force",
    "backtest --events j --out mine --force",
    "backtest --events j --out report --force",
    f"{IMPORT} --out capture --force",
    f"{IMPORT} --out k/new --force",
    f"{IMPORT} --out . --force",
    f"{IMPORT} --out mine --force",
    f"{IMPORT} --out report --force",
    "journal convert j j --force",
    "journal convert j k/x.jsonl --force",
    "journal export j --parquet k/x.parquet --force",
    "parity j k --out k --force",
    "parity j k --out j/report --force",
    f"{TICKS} --out k/r.json --force",
    "config init k/mm.yaml --force",
    "journal recover j --salvage j --force",
    "journal recover j --salvage k/new --force",
    "record --symbols BTCUSDT --endpoint http://127.0.0.1:9 --journal k/new",
    "live --mode paper --symbols BTCUSDT --endpoint http://127.0.0.1:9 --journal k/new",
    "live --mode paper --symbols BTCUSDT --endpoint http://127.0.0.1:9 --journal mine",
]  # fmt: skip
# what is refused without --force
UNFORCED = [
    *[f"{REPLAY} --{kind} mine" for kind in ("audit", "metrics", "effects")],
    f"{REPLAY} --report report",
    "backtest --events j --out k",
    f"{IMPORT} --out k",
    "parity j k --out report",
    f"{TICKS} --out mine",
    "config init mm.yaml",
    "journal convert j k",
]


@pytest.mark.parametrize("words", [*NEVER, *UNFORCED])
def test_what_is_there_stays(place: Path, capsys: pytest.CaptureFixture[str], words: str) -> None:
    files = files_of(place)
    more = GRID if words.startswith(IMPORT) else ()
    assert run([*words.split(), *more]) in (1, 64)
    told = capsys.readouterr()
    assert "error: " in told.err and "Traceback" not in told.err
    if words.startswith("backtest"):  # nothing is computed first
        assert "nothing is kept" not in told.err
    assert files_of(place) == files and not (place / "none").exists()


@pytest.mark.parametrize("kind", ["audit", "metrics", "effects"])
def test_force_replaces_a_file_a_link_stays_and_a_device_is_a_device(place: Path, kind: str) -> None:
    (place / "link").symlink_to("mine")
    assert run([*REPLAY.split(), f"--{kind}", "link", "--force"]) == 0
    assert (place / "link").is_symlink() and (place / "mine").read_text() != "mine"
    assert run([*REPLAY.split(), f"--{kind}", "/dev/null"]) == 0
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    assert run([*REPLAY.split(), "--report", "report", "--force"]) == 0


def test_a_directory_output_is_made_with_its_parents_and_told(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*REPLAY.split(), "--report", "a/b/report"]) == 0
    assert "made      a/b, which was not there" in capsys.readouterr().err
    assert sorted(path.name for path in (place / "a" / "b" / "report").iterdir()) == [
        "REPORT.md", "report.html", "report.json",
    ]  # fmt: skip


def test_import_replaces_a_journal_by_force_alone(place: Path) -> None:
    words = [*IMPORT.split(), "--out", "k", *GRID]
    assert run([*words, "--force"]) == 0 and run(["journal", "verify", "k"]) == 0
