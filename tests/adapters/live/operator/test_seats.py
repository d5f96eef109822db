"""A full house: whoever asks is served, the longest idle connection of the largest party makes room."""

import asyncio
import socket

import aiohttp
import pytest

from mmfold.adapters.live.operator.web import CONNECTION_COUNT_MAX, WebServer
from tests.adapters.live.operator.test_web import Ask, serve
from tests.adapters.live.sessions import example_status

pytestmark = pytest.mark.usefixtures("guards")

Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]
ASKED = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def sit(port: int, source: str, said: bytes = b"") -> Pair:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    writer.write(said)
    if said.endswith(b"\r\n\r\n"):
        assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
        await asyncio.wait_for(reader.readline(), 2)
    return reader, writer


def is_there(pair: Pair) -> bool:
    return not pair[0].at_eof() and pair[0].exception() is None


@pytest.mark.parametrize("count", [CONNECTION_COUNT_MAX, 4 * CONNECTION_COUNT_MAX])
@pytest.mark.parametrize("said", [b"", b"GET /status HTTP/1.1\r\nHost: local"])
@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.0.2"], ids=["same peer", "other peer"])
def test_silent_connections_keep_nobody_out_at_all(count: int, said: bytes, source: str) -> None:
    async def use(server: WebServer, ask: Ask) -> None:
        assert server.server is not None
        port = server.server.sockets[0].getsockname()[1]
        kept = await sit(port, "127.0.0.1", ASKED)  # has asked: on one machine it outlasts who has not
        silent = [await sit(port, source, said) for _ in range(count)]
        for _ in range(CONNECTION_COUNT_MAX):
            async with aiohttp.ClientSession() as one, one.get(f"http://127.0.0.1:{port}/healthz") as answer:
                assert answer.status == 200
        assert is_there(kept) and len(server.seats.taken) <= CONNECTION_COUNT_MAX
        kept[1].write(ASKED)
        assert b"200 OK" in await asyncio.wait_for(kept[0].readuntil(b"\r\n\r\n"), 2)
        for _, writer in [kept, *silent]:
            writer.close()

    serve(example_status(), use)


def test_the_larger_party_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmfold.adapters.live.operator.web.CONNECTION_COUNT_MAX", 4)

    async def use(server: WebServer, ask: Ask) -> None:
        assert server.server is not None
        port = server.server.sockets[0].getsockname()[1]
        quiet = await sit(port, "127.0.0.3")  # has asked nothing, but is alone
        large = [await sit(port, "127.0.0.2", ASKED) for _ in range(3)]
        late = await sit(port, "127.0.0.4", ASKED)
        await asyncio.sleep(0.05)
        assert [is_there(pair) for pair in (quiet, *large, late)] == [True, False, True, True, True]
        for _, writer in (quiet, *large, late):
            writer.close()

    serve(example_status(), use)


def test_who_does_not_read_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmfold.adapters.live.operator.web.ANSWER_S", 0.3)

    async def use(server: WebServer, ask: Ask) -> None:
        server.document.body, server.document.made_s = b"x" * (32 << 20), float("inf")
        assert server.server is not None
        port = server.server.sockets[0].getsockname()[1]
        stuck = socket.create_connection(("127.0.0.1", port))
        stuck.sendall(b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await asyncio.sleep(0.1)
        assert [seat.is_asking for seat in server.seats.taken.values()] == [True]
        await asyncio.sleep(0.6)
        assert server.seats.is_free() and not server.seats.taken
        stuck.close()

    serve(example_status(), use)
