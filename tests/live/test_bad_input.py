"""What a person gets wrong, and what a venue does: one line that says so, the right exit code, no traceback."""

import asyncio
import errno
import logging
import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from mmfold.adapters.cli.main import run
from mmfold.adapters.live import start
from mmfold.engine.codes import EventKind
from mmfold.journal.errors import JournalError
from mmfold.journal.log.lock import Lock
from tests.adapters.emulator.running import RunningVenue, rest
from tests.live.laws import check_against_venue, check_journal, check_replay, read_rows
from tests.live.processes import running_venue
from tests.live.stage import TIGHT, Stage, stage

WAITED_S = 2.0  # for an emulator, in the place of a minute
Mm = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def running() -> Iterator[RunningVenue]:
    with running_venue() as venue:
        yield venue


@pytest.fixture
def mm(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, running: RunningVenue) -> Iterator[Mm]:
    """Return a function that runs `mm live` in this process and returns exit code and what it said on stderr."""
    monkeypatch.setattr("mmfold.adapters.crash.forbid_core_dumps", lambda: None)
    monkeypatch.delenv("MM_LIVE_ENABLE", raising=False)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def call(*words: object) -> tuple[int, str]:
        capfd.readouterr()
        code = run(["live", "--venue", "bybit", *map(str, words)])
        told = capfd.readouterr().err
        assert "Traceback" not in told and '"trace"' not in told, told
        return code, told

    yield call
    root.handlers[:] = handlers
    root.setLevel(level)
    running.set_faults()


def asked(running: RunningVenue, journal: Path, **more: str) -> list[str]:
    """Return the words of a session that would run for a moment."""
    words = {"mode": "testnet", "endpoint": running.urls["rest"], "symbols": "BTCUSDT", "for": "1s", "warmup": "0s"}
    words = words | {"journal": str(journal)} | more
    return [part for key, value in words.items() for part in (f"--{key}", value)]


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.mark.parametrize(
    "more, code, text",
    [
        ({"symbols": "NOSUCHUSDT"}, 1, "no linear instrument NOSUCHUSDT"),
        ({"symbols": ","}, 64, "--symbols names none"),
        ({"mode": "live"}, 64, "MM_LIVE_ENABLE=1"),
        ({"mode": "real"}, 64, "'real' is not one of"),
        ({"endpoint": "ws://127.0.0.1:1"}, 1, "is no address of a venue"),
        ({"endpoint": "http://127.0.0.1:0"}, 1, "is no address of a venue"),
        ({"for": "soon"}, 64, "is no duration"),
        ({"set": "strategy.levels_per_side=99"}, 1, "levels_per_side"),
        ({"config": "nosuch.yaml"}, 1, "nosuch.yaml"),
    ],
)
def test_wrong_words(mm: Mm, running: RunningVenue, tmp_path: Path, more: Any, code: int, text: str) -> None:
    found, told = mm(*asked(running, tmp_path / "j", **more))
    assert found == code and text in told, told
    assert not (tmp_path / "j").exists(), "nothing was begun"


def test_nobody_listens(mm: Mm, running: RunningVenue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "EMULATOR_START_S", WAITED_S)
    begun_s = time.monotonic()
    code, told = mm(*asked(running, tmp_path / "j", endpoint=f"http://127.0.0.1:{closed_port()}"))
    assert code == 1 and "/v5/market/time" in told and not (tmp_path / "j").exists()
    assert time.monotonic() - begun_s >= WAITED_S, "an emulator that is about to listen is not waited for"


@pytest.mark.parametrize(
    "name, key, secret, text",
    [("wrong key", "a" * 18, None, "10003"), ("wrong signature", None, "b" * 36, "10004")],
)
def test_wrong_keys(
    mm: Mm, running: RunningVenue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, key: str | None,
    secret: str | None, text: str,
) -> None:  # fmt: skip
    made = running.keys[0]
    monkeypatch.setenv("SECRETS_BACKEND", "env")
    monkeypatch.setenv("BYBIT_API_KEY", key or made.key)
    monkeypatch.setenv("BYBIT_API_SECRET", secret or made.secret)
    code, told = mm(*asked(running, tmp_path / "j"))
    assert code == 1 and text in told, name
    assert made.secret not in told and (secret or made.secret) not in told


def test_an_account_in_hedge_mode(
    mm: Mm, running: RunningVenue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, chosen = running.keys[0], {"category": "linear", "symbol": "BTCUSDT"}

    def ask(method: str, path: str, more: dict[str, Any]) -> Any:
        return rest(running, method, path, chosen | more, made).json()

    def switch(mode: int) -> int:
        return int(ask("POST", "/v5/position/switch-mode", {"mode": mode})["retCode"])

    monkeypatch.setenv("SECRETS_BACKEND", "env")
    monkeypatch.setenv("BYBIT_API_KEY", made.key)
    monkeypatch.setenv("BYBIT_API_SECRET", made.secret)
    assert [switch(0), switch(3), switch(3)] == [110025, 0, 110025]
    sides = ask("GET", "/v5/position/list", {})["result"]["list"]
    assert [side["positionIdx"] for side in sides] == [1, 2]
    order = ask("POST", "/v5/order/create", {"side": "Buy", "orderType": "Limit", "qty": "0.1", "price": "1000"})
    assert order["retCode"] == 10001 and "position mode" in order["retMsg"]
    code, told = mm(*asked(running, tmp_path / "j"))
    assert code == 1 and "in hedge mode for BTCUSDT; mm trades in one-way mode" in told and "switch-mode" in told
    assert not (tmp_path / "j").exists(), "nothing was begun"
    assert mm(*asked(running, tmp_path / "j", mode="shadow"))[0] == 0, "what sends nothing asks for no account"
    assert switch(0) == 0


def test_a_clock_that_is_off_by_a_minute(mm: Mm, running: RunningVenue, tmp_path: Path) -> None:
    running.set_faults({"fault": "clock_skew", "at": "rest:/v5/market/time", "skew_ms": 60_000, "duration_ms": 3_000})
    code, told = mm(*asked(running, tmp_path / "j"))
    assert code == 1 and "clock is -60.0 s off" in told and "synchronise it" in told
    running.call(lambda: running.venue.clock.skew(0, 0))


def test_a_journal_that_is_not_ours_to_take(mm: Mm, running: RunningVenue, tmp_path: Path) -> None:
    journal = tmp_path / "j"
    assert mm(*asked(running, journal, mode="shadow"))[0] == 0
    code, told = mm(*asked(running, journal))
    assert code == 1 and "holds a session of shadow at bybit" in told
    lock = Lock(journal)
    code, told = mm(*asked(running, journal, mode="shadow"))
    lock.release()
    assert code == 1 and "writer" in told


def test_a_port_in_use(capfd: pytest.CaptureFixture[str], running: RunningVenue) -> None:
    assert run(["venue", "bybit", "--listen", f"127.0.0.1:{running.server.port}"]) == 1
    assert re.search(r"port \d+ of 127\.0\.0\.1: Address already in use", capfd.readouterr().err)


BAD_FRAMES = {
    "no JSON": "{",
    "no object": "[1, 2]",
    "unknown topic": '{"topic": "orderbook.7.NOSUCH", "data": {}}',
    "no data": '{"topic": "orderbook.50.BTCUSDT", "type": "delta"}',
    "a book of nonsense": '{"topic": "orderbook.50.BTCUSDT", "type": "delta", "cts": 1, "data": {"s": "BTCUSDT", '
    '"u": 5, "seq": 1, "b": [["x", "y"]], "a": []}}',
    "huge": '{"topic": "' + "x" * (5 << 20) + '"}',
    "binary": b"\x00\xff\xfe" * 1_000,
}


async def send_bad_frames(staged: Stage, frame: str | bytes) -> None:
    """Let the venue send one frame as it is to every public and private connection."""
    sessions = list(staged.server.venue.subscribers["orderbook.50.BTCUSDT"])
    private = [listener.__self__ for listener in staged.account.listeners]  # type: ignore[attr-defined]
    for session in [*sessions, *[stream.session for stream in private]]:
        with suppress(ConnectionError):  # who gets too much hangs up
            send = session.socket.send_str if isinstance(frame, str) else session.socket.send_bytes  # type: ignore[attr-defined]
            await send(frame)


@pytest.mark.parametrize("name", BAD_FRAMES)
def test_bad_frames_end_nothing(name: str, tmp_path: Path) -> None:
    async def play() -> None:
        async with stage(tmp_path / "j") as staged:
            await staged.begin()
            await staged.quoting()
            await send_bad_frames(staged, BAD_FRAMES[name])
            await asyncio.sleep(0.3)
            await staged.quoting()
            refused = sum(stream.refused for stream in staged.playing.status.streams.values())
            lost = sum(stream.reconnects for stream in staged.playing.status.streams.values())
            await staged.end()
            assert refused or lost
            if refused:
                assert (tmp_path / "j" / "refused-frames.log").stat().st_size > 0
            check_against_venue(read_rows(tmp_path / "j"), staged.account)

    asyncio.run(play())


@pytest.mark.parametrize("after", [0, 3, 40])
def test_a_full_disk_cancels_first(after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writes, whole = 0, os.pwritev

    def full(fd: int, buffers: Any, offset: int, *more: Any) -> int:
        nonlocal writes
        writes += 1
        if writes > after:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return whole(fd, buffers, offset, *more)

    async def play() -> None:
        async with stage(tmp_path / "j") as staged:
            await staged.begin(TIGHT)
            await staged.quoting()
            monkeypatch.setattr(os, "pwritev", full)
            with pytest.raises(JournalError):
                assert staged.task is not None
                await staged.task
            assert writes > after and not staged.account.open, "orders rest that nobody watches"
            with pytest.raises(JournalError):
                staged.close()
            staged.runner = None
            monkeypatch.undo()
            rows = read_rows(tmp_path / "j")
            check_journal(rows)
            await staged.begin(TIGHT)  # the next start knows what the venue did meanwhile
            await staged.quoting()
            await staged.end()
            check_against_venue(read_rows(tmp_path / "j"), staged.account)
            assert (read_rows(tmp_path / "j")["kind"] == EventKind.PLACE).sum() > 0

    asyncio.run(play())
    check_replay(tmp_path / "j")
