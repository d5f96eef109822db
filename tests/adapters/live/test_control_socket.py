"""Who asks is served while others say nothing, and is told the truth at once when there is no answer."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mmfold.adapters.live.operator import control
from mmfold.adapters.live.operator.asking import CannotAsk, exchange
from mmfold.adapters.live.operator.control import CONNECTION_COUNT_MAX, SOCKET_NAME, bind_socket, reachable
from mmfold.engine.manifest import Instrument, Manifest


class Held:
    """A session as far as the socket needs one; it refuses whatever it is asked."""

    is_stopping, failure = True, None
    manifest = Manifest(
        run_id="t", instruments=(Instrument(symbol="A", tick_size="0.1", lot_size="0.001"),), source="live"
    )

    def __init__(self, directory: Path) -> None:
        self.session = self
        self.directory = directory


def test_silent_connections_keep_nobody_waiting(tmp_path: Path) -> None:
    async def run() -> dict[str, object]:
        serving = asyncio.ensure_future(control.ControlServer(Held(tmp_path)).serve())  # type: ignore[arg-type]
        while not (tmp_path / SOCKET_NAME).exists():
            await asyncio.sleep(0.01)
        silent = []
        for _ in range(5 * CONNECTION_COUNT_MAX):
            with reachable(tmp_path) as path:
                silent.append(await asyncio.open_unix_connection(path))
        began_s = time.monotonic()
        answer = await asyncio.to_thread(exchange, tmp_path, b'{"command": "freeze"}\n')
        assert time.monotonic() - began_s < control.ASK_S / 2
        for _, writer in silent:
            writer.close()
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        return answer

    assert asyncio.run(run()) == {"ok": False, "reason": "the session ends"}


@contextmanager
def answering(directory: Path, said: bytes | None) -> Iterator[None]:
    """Listen where a session would and say something to who asks, None: nothing, and hold the line."""
    listening = bind_socket(directory)
    listening.setblocking(True)
    listening.listen()
    over = threading.Event()

    def serve() -> None:
        asked, _ = listening.accept()
        with asked:
            if said is None:
                over.wait(10)
            elif said:
                asked.recv(4_096)
                asked.sendall(said)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        listening.close()


@pytest.mark.parametrize(
    "said, told, bound_s",
    [
        (b"", "closed the connection without an answer", 1.0),
        (b"what?\n", "gave an answer that is none: b'what", 1.0),
        (None, "no answer within 0.3 s", 5.0),
    ],
)
def test_an_answer_that_does_not_come_is_told_as_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: bytes | None, told: str, bound_s: float
) -> None:
    monkeypatch.setattr("mmfold.adapters.live.operator.asking.ANSWER_S", 0.3 if said is None else 10.0)
    began_s = time.monotonic()
    with answering(tmp_path, said), pytest.raises(CannotAsk, match=told) as caught:
        exchange(tmp_path, json.dumps({"command": "freeze"}).encode() + b"\n")
    assert time.monotonic() - began_s < bound_s and caught.value.hint


def test_nobody_listens(tmp_path: Path) -> None:
    bind_socket(tmp_path).close()
    with pytest.raises(CannotAsk, match="takes no commands"):
        exchange(tmp_path, b"{}\n")
