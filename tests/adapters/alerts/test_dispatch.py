"""The desk of a session with a real courier: what arrives, what is counted, and that nothing is waited for or left."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Callable
from pathlib import Path

import pytest

from mmfold.adapters.alerts import beside, dispatch
from mmfold.adapters.alerts.dispatch import AlertDesk
from mmfold.adapters.alerts.document import Origin
from mmfold.adapters.alerts.kinds import Happening
from mmfold.adapters.alerts.opening import open_channels
from mmfold.engine.codes import AlertCode
from mmfold.journal.errors import JournalError, JournalFull
from tests.adapters.alerts.hook import running_hook
from tests.adapters.alerts.made import hearing, is_running, left_running, settings

ORIGIN = Origin(run_id="run-1", venue="bybit", mode="paper", journal="out/p")
REPO = Path(__file__).resolve().parents[3]
WAIT_S = 30.0
OUT = "heard.jsonl"


def make_desk(*overrides: str) -> AlertDesk:
    chosen = settings(*overrides)
    return AlertDesk(chosen, open_channels(chosen, os.environ))


async def until(test: Callable[[], bool], what: str) -> None:
    end_s = time.monotonic() + WAIT_S
    while not test():
        assert time.monotonic() < end_s, what
        await asyncio.sleep(0.02)


def heard(out: Path) -> list[dict]:
    return [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []


def test_an_alert_goes_every_way(tmp_path: Path) -> None:
    program, out = hearing(tmp_path)
    with running_hook(500, 200) as hook:
        made = make_desk(f"alerts.exec=[{program.words[0]}]", f"alerts.webhook={hook.url}/mm")

        async def run() -> None:
            made.start(ORIGIN)
            made.tell(AlertCode.ORDER_UNKNOWN, symbol="BTCUSDT", seq=7, detail=3, ts_ns=1_000_000_000)
            await until(lambda: made.counts.sent.total() == 2, "both")
            await made.close()

        asyncio.run(run())
    (first,) = heard(out)
    assert (first["kind"], first["seq"], first["run_id"]) == ("order_unknown", 7, "run-1")
    assert [json.loads(body) for body in hook.bodies] == [first, first], "refused once, then taken"
    assert made.counts.sent == {"exec": 1, "webhook": 1}
    assert made.counts.failed.total() == made.counts.dropped.total() == 0
    assert not left_running(str(tmp_path))


def test_what_is_told_and_what_only_counted(tmp_path: Path) -> None:
    program, out = hearing(tmp_path)
    made = make_desk(f"alerts.exec=[{program.words[0]}]")

    async def run() -> None:
        made.start(ORIGIN)
        made.tell(AlertCode.BOOK_GAP, symbol="BTCUSDT")  # below min_severity
        for _ in range(42):
            made.tell(AlertCode.ORDER_UNKNOWN, symbol="BTCUSDT")
        await made.close()

    asyncio.run(run())
    told = heard(out)
    assert [one["payload"].get("count") for one in told] == [None, 41] and "and 41 more in" in told[1]["text"]
    assert made.counts.raised == {"book_gap": 1, "order_unknown": 42} and made.counts.sent == {"exec": 2}


def test_a_flood_costs_no_time_and_no_room(tmp_path: Path) -> None:
    program, out = hearing(tmp_path, "import time; time.sleep(300)")
    made = make_desk(f"alerts.exec=[{program.words[0]}]", "alerts.min_severity=info", "alerts.exec_timeout_s=60")

    async def run() -> float:
        made.start(ORIGIN)
        await until(lambda: bool(heard(out)) or made.tell(AlertCode.BOOK_GAP) is not None, "the program")
        begun_s, worst_s = time.monotonic(), 0.0
        for number in range(2_000):
            at_s = time.monotonic()
            made.tell(AlertCode.BOOK_GAP, symbol=f"S{number}USDT")
            made.tell(AlertCode.BOOK_GAP, symbol="S0USDT")
            worst_s = max(worst_s, time.monotonic() - at_s)
            await asyncio.sleep(0)
        spent_s = time.monotonic() - begun_s
        assert len(made.lanes["exec"].backlog) == 64
        begun_s = time.monotonic()
        await made.close()
        assert time.monotonic() - begun_s < dispatch.REST_S + 4, "a program that hangs holds the end up"
        assert spent_s < 10
        return worst_s

    assert asyncio.run(run()) < 0.5
    assert made.counts.dropped["exec"] >= 2_000 - 1 and made.counts.sent.total() == 0
    assert not left_running(str(tmp_path)), "an orphan"


def test_what_is_critical_goes_first_and_is_waited_for(tmp_path: Path) -> None:
    program, out = hearing(tmp_path, "import time; time.sleep(0.7)")
    made = make_desk(f"alerts.exec=[{program.words[0]}]")

    async def run() -> None:
        made.start(ORIGIN)
        for number in range(20):
            made.tell(AlertCode.ORDER_UNKNOWN, symbol=f"S{number}USDT")
        made.tell(Happening.KILLSWITCH_FIRED, why="kill switch")
        await made.close()

    begun_s = time.monotonic()
    asyncio.run(run())
    assert time.monotonic() - begun_s < dispatch.CRITICAL_S + 4
    assert "killswitch_fired" in [one["kind"] for one in heard(out)[:2]]
    assert made.counts.dropped["exec"] > 10


def test_what_hangs_makes_way_for_what_is_critical(tmp_path: Path) -> None:
    program, out = hearing(tmp_path, "import time; time.sleep(300 * ('order_unknown' in text))")
    made = make_desk(f"alerts.exec=[{program.words[0]}]", "alerts.exec_timeout_s=60")

    async def run() -> None:
        made.start(ORIGIN)
        made.tell(AlertCode.ORDER_UNKNOWN, symbol="BTCUSDT")
        await until(lambda: bool(heard(out)), "the one that hangs")
        made.tell(Happening.KILLSWITCH_FIRED, why="kill switch")
        await made.close()

    asyncio.run(run())
    assert [one["kind"] for one in heard(out)] == ["order_unknown", "killswitch_fired"]
    assert (made.counts.sent["exec"], made.counts.failed["exec"], made.counts.dropped["exec"]) == (1, 1, 0)
    assert not left_running(str(tmp_path)), "an orphan"


async def begun(made: AlertDesk, out: Path) -> Process:
    """Start a desk, wait until its first alert is heard of, and return the courier's process."""
    made.start(ORIGIN)
    made.tell(Happening.VENUE_DOWN, why="public for 15 s")
    await until(lambda: len(heard(out)) == 1, "begun")
    assert made.courier is not None and made.courier.process is not None
    return made.courier.process


def test_a_courier_that_dies_is_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "RESTART_S", 0.1)
    count = f"len(open({str(tmp_path / OUT)!r}).readlines())"
    program, out = hearing(tmp_path, f"\nimport time; time.sleep(3 * ({count} == 1))")
    made = make_desk(f"alerts.exec=[{program.words[0]}]")

    async def run() -> None:
        process = await begun(made, out)
        process.kill()
        await until(lambda: made.counts.sent.total() == 1, "sent after all")
        await made.close()

    asyncio.run(run())
    assert [one["kind"] for one in heard(out)] == ["venue_down"] * 2


DEAF = "sys.exit(any(signal.getsignal(one) == signal.SIG_IGN for one in (1, 2, 15)))"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_what_ends_a_service_does_not_end_the_courier_first(tmp_path: Path, number: signal.Signals) -> None:
    program, out = hearing(tmp_path, "import signal, time; time.sleep(0.5)\n" + DEAF)
    made = make_desk(f"alerts.exec=[{program.words[0]}]")

    async def run() -> None:
        process = await begun(made, out)
        process.send_signal(number)
        made.tell(Happening.KILLSWITCH_FIRED, why="kill switch")
        await made.close()

    asyncio.run(run())
    assert [one["kind"] for one in heard(out)] == ["venue_down", "killswitch_fired"]
    assert made.counts.sent == {"exec": 2} and not left_running(str(tmp_path))


def test_what_ends_the_courier_is_not_tried_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "RESTART_S", 0.05)
    monkeypatch.setattr(
        beside, "COMMAND", (sys.executable, "-c", "import sys; sys.stdin.readline(); sys.stdin.readline()")
    )
    program, _ = hearing(tmp_path)
    made = make_desk(f"alerts.exec=[{program.words[0]}]")

    async def run() -> None:
        made.start(ORIGIN)
        made.tell(Happening.VENUE_DOWN)
        await until(lambda: made.counts.failed.total() == 1, "given up")
        await made.close()

    asyncio.run(run())
    assert made.counts.failed == {"exec": 1}


DYING = """\
import asyncio, os, signal, sys
sys.path.insert(0, {repo!r})
from tests.adapters.alerts.test_dispatch import ORIGIN, make_desk
from mmfold.adapters.alerts.document import Origin
from mmfold.engine.codes import AlertCode
async def main():
    made = make_desk("alerts.exec=[" + sys.argv[1] + "]")
    made.start(Origin())
    made.know(ORIGIN)
    made.tell(AlertCode.ORDER_UNKNOWN, symbol="BTCUSDT")
    while not os.path.exists(sys.argv[2]):
        await asyncio.sleep(0.02)
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""


HANGS = "import time; time.sleep(300 * ('order_unknown' in text))"


@pytest.mark.parametrize("body", ["", "import time; time.sleep(1)", HANGS], ids=["well", "slow", "hangs"])
def test_a_session_that_dies_is_told_and_nothing_stays(tmp_path: Path, body: str) -> None:
    program, out = hearing(tmp_path, body)
    child = subprocess.run(
        [sys.executable, "-c", DYING.format(repo=str(REPO)), program.words[0], str(out)], check=False, cwd=REPO,
        capture_output=True, timeout=60,
    )  # fmt: skip
    assert child.returncode == -signal.SIGKILL, child.stderr.decode()[-800:]

    async def ended() -> None:
        await until(lambda: "session_died" in [one["kind"] for one in heard(out)], "the last word")
        await until(lambda: not is_running(str(tmp_path)), "an orphan")

    asyncio.run(ended())
    last = heard(out)[-1]
    assert (last["kind"], last["severity"], last["run_id"]) == ("session_died", "critical", "run-1")
    if not body:
        assert [one["kind"] for one in heard(out)] == ["order_unknown", "session_died"]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (JournalFull("j", "no room"), "journal_full"), (JournalError("j", "x"), "session_failed"),
        (OSError(5, "io"), "session_failed"),
    ],
)  # fmt: skip
def test_a_failure_is_told_once(error: Exception, kind: str) -> None:
    made = AlertDesk()
    made.tell_failure(error)
    made.tell_failure(error)
    assert made.counts.raised == {kind: 1}


def test_without_a_channel_nothing_runs() -> None:
    async def run() -> None:
        made = make_desk()
        made.start(ORIGIN)
        made.tell(Happening.VENUE_DOWN)
        made.tick(1e9)
        await made.close()
        assert made.courier is None and made.counts.raised == {"venue_down": 1} and made.counts.dropped.total() == 0

    asyncio.run(run())
