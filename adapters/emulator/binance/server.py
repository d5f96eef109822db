"""The Binance emulator's process: what is answered where; must never listen beyond this machine unasked."""

from aiohttp import web

from mmfold.adapters.emulator.binance.rest import BinanceRest
from mmfold.adapters.emulator.binance.streams import BinanceStream
from mmfold.adapters.emulator.binance.topics import MARKET, PUBLIC
from mmfold.adapters.emulator.binance.venue import BinanceFeed
from mmfold.adapters.emulator.serving.listener import FAULTS_PATH, Listener

ROUTES = ("", PUBLIC, MARKET)


class BinanceServer(Listener):
    """One venue on one port."""

    def __init__(self, venue: BinanceFeed, host: str, port: int, *, remote: bool = False) -> None:
        self.venue = venue
        self.rest = BinanceRest(venue)
        super().__init__(venue, host, port, remote=remote)

    def add_routes(self, app: web.Application) -> None:
        """Add the WebSocket paths, with a route and without, and REST for the rest."""
        for route in ROUTES:
            prefix = f"/{route}" if route else ""
            app.router.add_get(f"{prefix}/ws", self.on_single)
            app.router.add_get(f"{prefix}/ws/{{names:.*}}", self.on_single)
            app.router.add_get(f"{prefix}/stream", self.on_combined)
        app.router.add_route("*", "/{path:.*}", self.rest.handle)

    def urls(self) -> dict[str, str]:
        """Return where to find what."""
        base = self.url.replace("http", "ws", 1)
        return {
            "rest": self.url,
            "public": f"{base}/{PUBLIC}/stream",
            "market": f"{base}/{MARKET}/stream",
            "faults": f"{self.url}{FAULTS_PATH}",
        }

    async def on_single(self, request: web.Request) -> web.StreamResponse:
        """Serve streams that are named in the path, and those that are asked for later, without envelopes."""
        return await self.serve(request, request.match_info.get("names", ""), combined=False)

    async def on_combined(self, request: web.Request) -> web.StreamResponse:
        """Serve streams in envelopes."""
        return await self.serve(request, request.query.get("streams", ""), combined=True)

    async def serve(self, request: web.Request, names: str, *, combined: bool) -> web.StreamResponse:
        """Serve one client."""
        first = request.path.split("/")[1]
        stream = BinanceStream(self.venue, request, first if first in ROUTES else "", combined=combined)
        return await stream.run([name for name in names.split("/") if name])
