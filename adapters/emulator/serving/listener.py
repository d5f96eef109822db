"""An emulator's process, whatever it speaks: listens, plays the feed, stops cleanly; must never listen beyond this
machine unasked.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import web

from mmfold.adapters.emulator.errors import VenueSetupError
from mmfold.adapters.emulator.market.faults import parse_plan
from mmfold.adapters.emulator.market.feed import Feed
from mmfold.adapters.ports import is_loopback, take_port

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

BODY_BYTES_MAX = 1 << 16
SHUTDOWN_S = 1.0
FAULTS_PATH = "/emulator/faults"


class Listener:
    """One venue on one port; `add_routes` of a kind of venue says what it answers."""

    def __init__(self, venue: Feed, host: str, port: int, *, remote: bool = False) -> None:
        if not remote and not is_loopback(host):
            raise VenueSetupError(
                f"{host} is not this machine's own address", "listen on 127.0.0.1, or allow it with --remote"
            )
        self.feed, self.host, self.port = venue, host, port
        self.tasks: list[asyncio.Task[None]] = []
        self.failure: Exception | None = None
        self.failed = asyncio.Event()
        app = web.Application(client_max_size=BODY_BYTES_MAX, middlewares=[self.guard])
        app.router.add_route("*", FAULTS_PATH, self.on_faults)
        self.add_routes(app)
        self.runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)

    def add_routes(self, app: web.Application) -> None:
        """Add what the venue answers."""
        raise AssertionError

    def urls(self) -> dict[str, str]:
        """Return where to find what."""
        raise AssertionError

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let a fault of our own end the process: the venue's state cannot be trusted after it."""
        try:
            return await handler(request)
        except (web.HTTPException, ConnectionError):
            raise
        except Exception as error:
            self.failure = self.failure or error
            self.failed.set()
            raise web.HTTPInternalServerError from error

    @property
    def url(self) -> str:
        """REST base URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    async def start(self) -> None:
        """Listen and play; returns when clients can connect.

        Raises: PortError when the port is taken, VenueSetupError for a feed without books.
        """
        take_port(self.host, self.port).close()  # a port that cannot be had is told before anything is compiled
        self.feed.prime()
        listener = take_port(self.host, self.port)  # who connects is answered from here on
        try:
            await self.runner.setup()
            await web.SockSite(self.runner, listener).start()
        except BaseException:
            listener.close()
            raise
        self.port = int(self.runner.addresses[0][1])
        loop = asyncio.get_running_loop()
        self.tasks = [loop.create_task(self.feed.play()), loop.create_task(self.feed.publish_forever())]

    async def run(self, stop: asyncio.Event) -> None:
        """Run until asked to stop or until something of the venue's own fails, which is raised."""
        loop = asyncio.get_running_loop()
        ends = [loop.create_task(stop.wait()), loop.create_task(self.failed.wait())]
        waiting: set[asyncio.Task[Any]] = {*ends, *self.tasks}
        while not any(task.done() for task in ends):
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        if self.failure is not None:
            raise self.failure

    async def close(self) -> None:
        """Stop playing and listening."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.runner.cleanup()

    async def on_faults(self, request: web.Request) -> web.Response:
        """Show, add or clear faults at run time, for this machine only."""
        if not is_loopback(request.remote or ""):
            return web.Response(status=403, text="faults are set from this machine only")
        if request.method == "DELETE":
            self.feed.faults.clear()
        elif request.method == "POST":
            try:
                self.feed.faults.add(parse_plan(orjson.loads(await request.read())))
            except (ValueError, asyncio.IncompleteReadError) as error:
                return web.json_response({"error": str(error)}, status=400)
            except web.HTTPRequestEntityTooLarge:
                return web.json_response({"error": f"more than {BODY_BYTES_MAX:,} bytes"}, status=400)
        elif request.method != "GET":
            return web.Response(status=405)
        return web.json_response({"rules": self.feed.faults.report()})
