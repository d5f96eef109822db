"""An emulator that notes when a book's frame leaves it and an order's request reaches it; must change nothing else.

Run as a process of its own by `mm bench --live`: both times are on its clock. SIGTERM ends it and prints the times.
"""

import asyncio
import json
import signal
import sys
import time
from typing import Any

from aiohttp import web

from mmfold.adapters.emulator.bybit.keys import make_keys
from mmfold.adapters.emulator.bybit.order_entry import OrderEntry
from mmfold.adapters.emulator.bybit.server import Server
from mmfold.adapters.emulator.bybit.venue import Settings, Venue
from mmfold.adapters.emulator.market.faults import FaultPlan
from mmfold.adapters.emulator.market.feed import Subscriber
from mmfold.adapters.emulator.market.source import synthetic_source

ORDERS_PER_S = 50


class ProbedVenue(Venue):
    """A venue that notes when each update of a book is handed to its subscribers."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.sent_ns: dict[int, int] = {}  # by update id
        self.received_ns: dict[int, int] = {}  # by the seq of the request's first effect

    def broadcast(self, name: str, documents: list[dict[str, Any]], besides: Subscriber | None = None) -> None:
        """Send documents to a topic's subscribers."""
        if name.startswith("orderbook."):
            for document in documents:
                self.sent_ns[document["data"]["u"]] = time.perf_counter_ns()
        super().broadcast(name, documents, besides)


class ProbedEntry(OrderEntry):
    """Order entry that notes when each request came."""

    def on_message(self, message: dict[str, Any] | None) -> None:
        """Answer one frame of the client."""
        now_ns = time.perf_counter_ns()
        assert message is not None
        request_id = str(message.get("reqId") or "")
        assert isinstance(self.venue, ProbedVenue)
        if "-" in request_id:  # the gateway's ids begin with the seq
            self.venue.received_ns[int(request_id.partition("-")[0])] = now_ns
        super().on_message(message)


class ProbedServer(Server):
    """A server whose order entry is probed."""

    async def on_trade(self, request: web.Request) -> web.StreamResponse:
        """Serve order entry."""
        return await ProbedEntry(self.venue, request).run()


async def serve(symbol: str, seed: int, speed: float) -> None:
    """Run until SIGTERM: one line with the URLs when ready, one with the times at the end."""
    venue = ProbedVenue(
        synthetic_source(seed, [symbol]),
        make_keys(None, 1),
        FaultPlan(),
        Settings(speed=speed, orders_per_s=ORDERS_PER_S),
    )
    server = ProbedServer(venue, "127.0.0.1", 0)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    try:
        await server.start()
        print(json.dumps({"urls": server.urls()}), flush=True)
        await server.run(stop)
    finally:
        await server.close()
    print(json.dumps({"sent_ns": venue.sent_ns, "received_ns": venue.received_ns}), flush=True)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
