"""The emulator's process: listens, plays the feed, stops cleanly; must never listen beyond this machine unasked."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import web

from mmfold.adapters.emulator.codes import VenueError, VenueSetupError
from mmfold.adapters.emulator.faults import parse_plan
from mmfold.adapters.emulator.order_entry import OrderEntry
from mmfold.adapters.emulator.rest import Rest, read_body
from mmfold.adapters.emulator.streams import PrivateStream, PublicStream
from mmfold.adapters.emulator.venue import Venue
from mmfold.adapters.ports import is_loopback, take_port

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

BODY_BYTES_MAX = 1 << 16
SHUTDOWN_S = 1.0
PUBLIC_PREFIX, PUBLIC_CATEGORIES = "/v5/public/", ("linear", "spot", "inverse", "option")
PUBLIC_PATH, PRIVATE_PATH, TRADE_PATH, FAULTS_PATH, KEYS_PATH = (
    f"{PUBLIC_PREFIX}linear", "/v5/private", "/v5/trade", "/emulator/faults", "/emulator/keys",
)  # fmt: skip


class Server:
    """One venue on one port."""

    def __init__(self, venue: Venue, host: str, port: int, *, remote: bool = False) -> None:
        if not remote and not is_loopback(host):
            raise VenueSetupError(
                f"{host} is not this machine's own address", "listen on 127.0.0.1, or allow it with --remote"
            )
        self.venue, self.host, self.port = venue, host, port
        self.rest = Rest(venue)
        self.tasks: list[asyncio.Task[None]] = []
        self.failure: Exception | None = None
        self.failed = asyncio.Event()
        self.runner = web.AppRunner(self.make_app(), access_log=None, shutdown_timeout=SHUTDOWN_S)

    def make_app(self) -> web.Application:
        """Return the application: WebSocket paths, faults, and REST for the rest."""
        app = web.Application(client_max_size=BODY_BYTES_MAX, middlewares=[self.guard])
        app.router.add_get(f"{PUBLIC_PREFIX}{{category:{'|'.join(PUBLIC_CATEGORIES)}}}", self.on_public)
        app.router.add_get(PRIVATE_PATH, self.on_private)
        app.router.add_get(TRADE_PATH, self.on_trade)
        app.router.add_route("*", FAULTS_PATH, self.on_faults)
        app.router.add_get(KEYS_PATH, self.on_keys)
        app.router.add_route("*", "/{path:.*}", self.rest.handle)
        return app

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

    def urls(self) -> dict[str, str]:
        """Return where to find what."""
        base = self.url.replace("http", "ws", 1)
        return {
            "rest": self.url,
            "public": f"{base}{PUBLIC_PATH}",
            "private": f"{base}{PRIVATE_PATH}",
            "trade": f"{base}{TRADE_PATH}",
            "faults": f"{self.url}{FAULTS_PATH}",
        }

    async def start(self) -> None:
        """Listen and play; returns when clients can connect.

        Raises: PortError when the port is taken, VenueSetupError for a feed without books.
        """
        take_port(self.host, self.port).close()  # a port that cannot be had is told before anything is compiled
        self.venue.prime()
        listener = take_port(self.host, self.port)  # who connects is answered from here on
        try:
            await self.runner.setup()
            await web.SockSite(self.runner, listener).start()
        except BaseException:
            listener.close()
            raise
        self.port = int(self.runner.addresses[0][1])
        loop = asyncio.get_running_loop()
        self.tasks = [loop.create_task(self.venue.play()), loop.create_task(self.venue.publish_forever())]

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

    async def on_public(self, request: web.Request) -> web.StreamResponse:
        """Serve the public stream."""
        return await PublicStream(self.venue, request).run()

    async def on_private(self, request: web.Request) -> web.StreamResponse:
        """Serve the private stream."""
        return await PrivateStream(self.venue, request).run()

    async def on_trade(self, request: web.Request) -> web.StreamResponse:
        """Serve order entry."""
        return await OrderEntry(self.venue, request).run()

    async def on_keys(self, request: web.Request) -> web.Response:
        """Tell the test keys that were made for this run, to this machine only; keys that were given stay untold."""
        if not is_loopback(request.remote or ""):
            return web.Response(status=403, text="keys are told to this machine only")
        made = [account.key for account in self.venue.accounts.values() if account.key.generated]
        return web.json_response({"keys": [{"key": key.key, "secret": key.secret} for key in made]})

    async def on_faults(self, request: web.Request) -> web.Response:
        """Show, add or clear faults at run time, for this machine only."""
        if not is_loopback(request.remote or ""):
            return web.Response(status=403, text="faults are set from this machine only")
        if request.method == "DELETE":
            self.venue.faults.clear()
        elif request.method == "POST":
            try:
                body = await read_body(request)
                self.venue.faults.add(parse_plan(orjson.loads(body)))
            except (ValueError, VenueError) as error:
                return web.json_response({"error": str(error)}, status=400)
        elif request.method != "GET":
            return web.Response(status=405)
        return web.json_response({"rules": self.venue.faults.report()})
