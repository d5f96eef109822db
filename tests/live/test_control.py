"""The control socket: one symbol is frozen and quoted again while the session runs, and nobody else's word counts."""

import asyncio
import json
import os
import signal
import socket
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from mmfold.adapters.live.operator import control
from mmfold.adapters.live.operator.asking import ANSWER_S
from mmfold.adapters.live.operator.control import LINE_BYTES_MAX, SOCKET_NAME, reachable
from tests.live.processes import Child, run_mm, running_venue, write_config
from tests.live.test_takeover import wait_for


def say(journal: Path, line: bytes) -> bytes:
    """Return what a session answers to a line."""
    with socket.socket(socket.AF_UNIX) as asking, reachable(journal) as path:
        asking.settimeout(ANSWER_S)
        asking.connect(path)
        with suppress(BrokenPipeError, ConnectionResetError):  # it was closed before we spoke
            asking.sendall(line)
        with asking.makefile("rb") as told, suppress(ConnectionResetError):
            return told.read()
        return b""


WRONG: list[tuple[bytes, str]] = [
    (b"hello", "not JSON"),
    (b"[]", "must be an object"),
    (b'{"command": "sell"}', "must be an object"),
    (b'{"command": "freeze", "symbol": "NOSUCH"}', "unknown symbol"),
    (b'{"command": "cancel", "symbol": "BTCUSDT", "order_id": 7}', "takes freeze and unfreeze"),
    (b'{"command": "pin", "symbol": "BTCUSDT", "settings": ["strategy.levels=1"]}', "no parameter of a symbol"),
    (b'{"command": "pin", "symbol": "BTCUSDT", "settings": ["strategy.levels_per_side=99"]}', "99"),
    (b'{"command": "pin", "symbol": "BTCUSDT", "settings": ["strategy.imbalance_levels=2"]}', "not change while"),
    (b'{"command": "pin", "symbol": "BTCUSDT"}', "an object of numbers"),
    (b'{"command": "pin", "symbol": "BTCUSDT", "params": {"mode": 1}}', 'has "settings"'),
    (b'{"policy": "autopolicy", "level": 77}', "0 to 3"),
    (b'{"policy": "nobody"}', "takes no commands"),
]


def test_a_symbol_is_frozen_and_quoted_again(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)  # longer than a socket's path may be
    deep.mkdir(parents=True)
    journal, config = deep / "j", tmp_path / "config.yaml"
    write_config(config)

    def mm(word: str, *more: str) -> Any:
        done = run_mm(word, "--journal", str(journal), "--json", *more)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    with running_venue(11) as running:
        account = next(iter(running.venue.accounts.values()))
        child = Child(running.urls["rest"], journal, config)
        child.wait_ready()
        wait_for(lambda: bool(account.open), child.process)
        mode = os.stat(journal / SOCKET_NAME).st_mode
        assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600
        for line, text in WRONG:
            answer = json.loads(say(journal, line + b"\n"))
            assert not answer["ok"] and text in answer["reason"], line
        assert say(journal, b"x" * (2 * LINE_BYTES_MAX)) == b""
        pinned = mm("pin", "btcusdt", "strategy.levels_per_side=1", "strategy.min_time_in_book_ms=700")
        assert pinned["params"] == {"levels_per_side": 1, "min_time_in_book_ns": 700_000_000}
        assert mm("unpin", "BTCUSDT", "strategy.min_time_in_book_ms")["params"] == ["min_time_in_book_ns"]
        assert mm("freeze", "btcusdt")["symbols"] == ["BTCUSDT"]
        wait_for(lambda: not account.open, child.process)
        child.end(signal.SIGKILL)
        child = Child(running.urls["rest"], journal, config)  # what a person froze stays so
        child.wait_ready()
        placed = len(account.by_link)
        time.sleep(0.5)
        assert not account.open and len(account.by_link) == placed
        assert mm("unfreeze")["command"] == "unfreeze"
        wait_for(lambda: bool(account.open), child.process)
        assert child.end(signal.SIGTERM) == 0
    assert not os.path.lexists(journal / SOCKET_NAME)
    done = run_mm("freeze", "--journal", str(journal))
    assert done.returncode == 1 and "nothing runs on" in done.stderr
    assert run_mm("replay", "--events", str(journal)).returncode == 0
    standing = json.loads(run_mm("policies", "--events", str(journal), "--json").stdout)
    assert [(pin["param"], pin["value"]) for pin in standing["pins"]] == [("levels_per_side", 1)]  # over the restart


class Held:
    """A session as far as the socket needs one."""

    def __init__(self, directory: Path) -> None:
        self.session = self
        self.directory = directory


def answer_of(directory: Path, line: bytes) -> bytes:
    """Return what a session that only listens answers to a line."""

    async def run() -> bytes:
        server = control.ControlServer(Held(directory))  # type: ignore[arg-type]
        serving = asyncio.ensure_future(server.serve())
        while not (directory / SOCKET_NAME).exists():
            await asyncio.sleep(0.01)
        answer = await asyncio.to_thread(say, directory, line)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        return answer

    return asyncio.run(run())


def test_another_user_gets_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "peer_uid", lambda connected: os.geteuid() + 4_711)
    assert answer_of(tmp_path, b"hello\n") == b""


def test_who_says_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "ASK_S", 0.05)
    assert answer_of(tmp_path, b"no end of a line") == b""
    assert not os.path.lexists(tmp_path / SOCKET_NAME)
