"""`mm top`: one frame for pipes, and a terminal that follows another process's journal and is left clean."""

import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from syrupy.assertion import SnapshotAssertion

from mmfold.adapters.cli.main import run
from mmfold.adapters.cli.top_command import View
from mmfold.journal.log.chain import Chain
from mmfold.journal.log.reader import Journal
from mmfold.journal.log.writer import Writer
from mmfold.reports.top.watch import Watch
from tests.journal.make_rows import write_journal

REPO = Path(__file__).resolve().parents[3]
DEMO = REPO / "fixtures" / "demo.mmj"
ROWS = np.concatenate(list(Journal(DEMO).chunks()))
LAST = int(ROWS["seq"][-1])
WAIT_S = 30.0
ENTER, LEAVE, SHOW_CURSOR = b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?25h"


@pytest.fixture
def top(same_kernels: None, capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs `mm top ...` and returns exit code, stdout and stderr."""

    def call(*words: object) -> tuple[int, str, str]:
        capfd.readouterr()
        code = run(["top", *map(str, words)])
        told = capfd.readouterr()
        assert "Traceback" not in told.err
        return code, told.out, told.err

    return call


def events(seq_from: int, seq_end: int) -> np.ndarray:
    return ROWS[(ROWS["seq"] >= seq_from) & (ROWS["seq"] < seq_end)]


def head_at(seq_end: int) -> str:
    chain = Chain()
    chain.update(ROWS[ROWS["seq"] < seq_end])
    return chain.head.hex()


@pytest.mark.parametrize("width", [80, 120])
def test_one_frame_of_the_demo(top, monkeypatch, snapshot: SnapshotAssertion, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    code, out, err = top("--journal", DEMO, "--once")
    assert code == 0 and err == ""
    assert max(map(len, out.splitlines())) <= width
    assert out == snapshot


def test_one_frame_as_json(top, snapshot: SnapshotAssertion) -> None:
    code, out, _ = top("--journal", DEMO, "--once", "--json", "--symbol", "ETHUSDT")
    document = json.loads(out)
    assert code == 0 and document.pop("journal") == str(DEMO)
    assert (document["head"], document["seq"]) == (head_at(LAST + 1), LAST)
    assert json.dumps(document, indent=1) == snapshot


def test_a_session_under_way_is_shown_up_to_its_last_commit(top, tmp_path: Path) -> None:
    with Writer(tmp_path / "j") as writer:
        writer.append(events(0, 2000))
        writer.commit()
        writer.append(events(2000, 2100))
        document = json.loads(top("--journal", tmp_path / "j", "--once", "--json")[1])
        assert (document["seq"], document["head"], document["ended"]) == (1999, head_at(2000), "")
        now_s = time.time() - datetime.fromisoformat(document["time"]["event"]).timestamp()
        assert document["time"]["lag_s"] == pytest.approx(now_s, abs=30)


def test_a_dead_writers_torn_tail_is_no_error(top, tmp_path: Path) -> None:
    write_journal(tmp_path / "j", events(0, 2000), seal=False)
    segment = tmp_path / "j" / "000000.mmj"
    for end, ended in ((0, "no writer"), (-30, "no writer, a torn tail")):
        segment.write_bytes(segment.read_bytes()[: end or None])
        code, out, _ = top("--journal", tmp_path / "j", "--once")
        assert code == 0 and f"{ended}  behind" in out.splitlines()[0]


def test_a_decision_that_is_not_the_written_one_stops_the_view(top, tmp_path: Path) -> None:
    rows = ROWS.copy()
    place = int(np.flatnonzero(rows["kind"] == 100)[3])
    rows["price_ticks"][place] += 1
    write_journal(tmp_path / "j", rows)
    code, out, err = top("--journal", tmp_path / "j", "--once")
    assert code == 2 and out == ""
    assert err.startswith(f"decision differs at seq {rows['seq'][place]:,} ") and "\n  computed   PLACE" in err


def test_a_checkpoint_of_another_journal_changes_nothing(top, tmp_path: Path) -> None:
    write_journal(tmp_path / "a", ROWS, segment_bytes_max=200_000)
    frame = top("--journal", tmp_path / "a", "--once", "--json")[1]
    assert run(["replay", "--events", str(tmp_path / "a")]) == 0  # leaves checkpoints
    assert Watch(tmp_path / "a").checkpoint is not None
    assert top("--journal", tmp_path / "a", "--once", "--json")[1] == frame
    # The same run cut short, then one whose chain is another: its base is not the checkpoint's.
    write_journal(tmp_path / "b", events(0, 600), segment_bytes_max=200_000)
    shutil.copytree(tmp_path / "a" / "checkpoints", tmp_path / "b" / "checkpoints")
    assert json.loads(top("--journal", tmp_path / "b", "--once", "--json")[1])["seq"] == 599
    other = ROWS.copy()
    other["ts_exchange_ns"][other["kind"] == 4] = 1  # TIMER: nothing looks at it
    write_journal(tmp_path / "c", other, segment_bytes_max=200_000)
    shutil.copytree(tmp_path / "a" / "checkpoints", tmp_path / "c" / "checkpoints")
    assert json.loads(top("--journal", tmp_path / "c", "--once", "--json")[1])["seq"] == LAST


# | words | exit code | what is said |
MISTAKES = [
    (["--journal", "NONE", "--once"], 1, "expected a journal, found nothing"),
    (["--journal", "NONE"], 64, "--once prints one frame"),
    (["--journal", "NONE", "--json"], 64, "--json goes with --once"),
    (["--journal", str(DEMO), "--once", "--symbol", "XRP"], 64, '"XRP" is not one of BTCUSDT, ETHUSDT'),
    (["--journal", str(DEMO / "000000.mmj"), "--once"], 1, "a journal directory to follow"),
    (["--once"], 64, "--journal"),
]


@pytest.mark.parametrize(("words", "expected", "said"), MISTAKES)
def test_a_mistake_is_one_line(top, tmp_path, monkeypatch, words: list[str], expected: int, said: str) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = top(*words)
    assert (code, out) == (expected, "") and said in err


class Terminal:
    """A pseudo-terminal of 80 x 24 with `mm top` in it."""

    def __init__(self, journal: Path) -> None:
        self.fd, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        environment = {**os.environ, "PYTHONPATH": str(REPO), "NUMBA_DISABLE_JIT": "1", "TERM": "xterm-256color"}
        for name in ("COLUMNS", "LINES", "NO_COLOR"):
            environment.pop(name, None)
        words = [sys.executable, "-m", "mmfold.adapters.cli.main", "top", "--journal", str(journal)]
        self.process = subprocess.Popen(words, stdin=inner, stdout=inner, stderr=inner, env=environment)
        os.close(inner)
        self.written = b""

    def read(self, timeout_s: float) -> bool:
        """Take what was written; tells whether the terminal is still open."""
        if not select.select([self.fd], [], [], timeout_s)[0]:
            return True
        try:
            data = os.read(self.fd, 1 << 16)
        except OSError:  # Linux: the other end was closed
            return False
        self.written += data
        return bool(data)

    def wait_for(self, pattern: str) -> None:
        """Wait until a text is on the screen."""
        until_s = time.monotonic() + WAIT_S
        while not re.search(pattern, self.plain()):
            assert time.monotonic() < until_s, self.plain()[-3000:]
            assert self.read(0.2), self.plain()[-3000:]

    def plain(self) -> str:
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.written.decode(errors="replace"))

    def end(self, number: int) -> int:
        """Send a signal, read to the end, and return the exit code."""
        self.process.send_signal(number)
        until_s = time.monotonic() + WAIT_S
        while self.read(0.2) and time.monotonic() < until_s:
            if self.process.poll() is not None and not select.select([self.fd], [], [], 0)[0]:
                break
        return self.process.wait(WAIT_S)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    opened = Terminal(tmp_path / "j")
    yield opened
    opened.process.kill()
    opened.process.wait()
    os.close(opened.fd)


@pytest.mark.timeout(90)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_live_view_waits_follows_and_leaves_the_terminal_clean(
    terminal: Terminal, tmp_path: Path, number: signal.Signals
) -> None:
    terminal.wait_for("waiting for a journal in ")
    with Writer(tmp_path / "j", segment_bytes_max=100_000) as writer:
        for seq_from, seq_end in ((0, 700), (700, 701), (701, 1500)):
            writer.append(events(seq_from, seq_end))
            writer.commit()
            terminal.wait_for(rf"seq {seq_end - 1:,}  head {head_at(seq_end)[:8]}")
        assert len(list((tmp_path / "j").glob("*.mmj"))) > 1
        assert ENTER in terminal.written and "behind" in terminal.plain()
    terminal.wait_for("sealed")
    assert terminal.end(number) == 0
    assert "Traceback" not in terminal.plain()
    assert terminal.written.rindex(LEAVE) > terminal.written.rindex(ENTER)
    assert terminal.written.rindex(SHOW_CURSOR) > terminal.written.rindex(b"\x1b[?25l")


def test_help_shows_an_example(top) -> None:
    code, out, _ = top("--help")
    assert code == 0 and "Example: mm top --journal " in out


def test_a_terminal_that_cannot_go_back_gets_frame_after_frame(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    waits: list[float] = []

    def wait(self: View, seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("rich.console.Console.is_dumb_terminal", True)
    monkeypatch.setattr(View, "fold_for", wait)
    view = View(Path(DEMO), ())
    view.catch_up()
    with pytest.raises(KeyboardInterrupt):
        view.run()
    shown = capsys.readouterr().out
    assert shown.count("mm top  demo-7") == 2 and "\x1b" not in shown and min(waits) >= 1
