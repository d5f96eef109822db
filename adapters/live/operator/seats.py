"""Who is connected to a session's port: a full house shows the longest idle guest of the largest party out, and never
keeps a new one waiting; must never drop a request that is being answered.

A party is what comes from one address; on one machine that is everybody, so who has asked nothing yet goes first.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

SILENT_S = 5.0  # in which a connection has to bring its first request whole


@dataclass(slots=True)
class Seat:
    """One connection."""

    transport: asyncio.Transport
    address: str
    since_s: float  # of its last request, of its coming before that
    has_asked: bool = False
    is_asking: bool = False  # its request is being answered


class Seats:
    """The connections of one port, a bounded number; `make` returns what serves one."""

    def __init__(self, make: Callable[[], asyncio.Protocol], count_max: int) -> None:
        self.make = make
        self.count_max = count_max
        self.taken: dict[asyncio.BaseProtocol, Seat] = {}

    def is_free(self) -> bool:
        """Tell whether there is a seat, after showing somebody out if there was none."""
        self.taken = {one: seat for one, seat in self.taken.items() if not seat.transport.is_closing()}
        if len(self.taken) < self.count_max:
            return True
        idle = {one: seat for one, seat in self.taken.items() if not seat.is_asking}
        if not idle:
            return False
        sizes = Counter(seat.address for seat in self.taken.values())
        worst = min(idle, key=lambda one: (-sizes[idle[one].address], idle[one].has_asked, idle[one].since_s))
        self.taken.pop(worst).transport.abort()
        return True

    def sit(self, transport: asyncio.Transport) -> None:
        """Give a new connection its seat, or drop it where everybody is being answered."""
        if not self.is_free():
            transport.abort()
            return
        served = self.make()
        address = (transport.get_extra_info("peername") or ("",))[0]
        self.taken[served] = Seat(transport, address, time.monotonic())
        transport.set_protocol(served)
        served.connection_made(transport)
        asyncio.get_running_loop().call_later(SILENT_S, self.drop_silent, served)

    def drop_silent(self, served: asyncio.BaseProtocol) -> None:
        """Drop a connection that has asked nothing whole yet."""
        seat = self.taken.get(served)
        if seat is not None and not seat.has_asked:
            self.taken.pop(served).transport.abort()

    def begin(self, served: asyncio.BaseProtocol) -> None:
        """Note that a connection's request is being answered."""
        if (seat := self.taken.get(served)) is not None:
            seat.has_asked = seat.is_asking = True

    def end(self, served: asyncio.BaseProtocol) -> None:
        """Note that it was answered."""
        if (seat := self.taken.get(served)) is not None:
            seat.is_asking, seat.since_s = False, time.monotonic()


class Door(asyncio.Protocol):
    """Looks at who comes before anything is served."""

    def __init__(self, seats: Seats) -> None:
        self.seats = seats

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Find a seat."""
        assert isinstance(transport, asyncio.Transport)
        self.seats.sit(transport)
