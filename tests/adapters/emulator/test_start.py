"""A venue lets nobody in before it can answer, and tells of a port in use before it compiles anything."""

import asyncio
import errno
import socket

import pytest

from mmfold.adapters.emulator.bybit.keys import make_keys
from mmfold.adapters.emulator.bybit.server import Server
from mmfold.adapters.emulator.bybit.venue import Settings, Venue
from mmfold.adapters.emulator.market.faults import FaultPlan
from mmfold.adapters.emulator.market.source import synthetic_source
from mmfold.adapters.ports import PortError, take_port


def make_venue() -> Venue:
    return Venue(synthetic_source(7, ["BTCUSDT"]), make_keys(None, 1), FaultPlan(), Settings())


def test_nobody_is_let_in_before_the_venue_can_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with take_port("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    server = Server(make_venue(), "127.0.0.1", port)
    prime, refused = server.venue.prime, []

    def look_and_prime() -> None:
        with socket.socket() as client:
            refused.append(client.connect_ex(("127.0.0.1", port)))
        prime()

    monkeypatch.setattr(server.venue, "prime", look_and_prime)

    async def start_and_close() -> None:
        await server.start()
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        await server.close()

    asyncio.run(start_and_close())
    assert refused == [errno.ECONNREFUSED]


def test_a_port_in_use_is_told_before_anything_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    with take_port("127.0.0.1", 0) as taken:
        venue = make_venue()
        monkeypatch.setattr(venue, "prime", lambda: pytest.fail("compiled"))
        with pytest.raises(PortError, match="in use"):
            asyncio.run(Server(venue, "127.0.0.1", taken.getsockname()[1]).start())
