"""The Bybit emulator's process: what is answered where; must never listen beyond this machine unasked."""

from aiohttp import web

from mmfold.adapters.emulator.bybit.order_entry import OrderEntry
from mmfold.adapters.emulator.bybit.rest import Rest
from mmfold.adapters.emulator.bybit.streams import PrivateStream, PublicStream
from mmfold.adapters.emulator.bybit.venue import Venue
from mmfold.adapters.emulator.serving.listener import FAULTS_PATH, Listener
from mmfold.adapters.ports import is_loopback

PUBLIC_PREFIX, PUBLIC_CATEGORIES = "/v5/public/", ("linear", "spot", "inverse", "option")
PUBLIC_PATH, PRIVATE_PATH, TRADE_PATH, KEYS_PATH = (
    f"{PUBLIC_PREFIX}linear", "/v5/private", "/v5/trade", "/emulator/keys",
)  # fmt: skip


class Server(Listener):
    """One venue on one port."""

    def __init__(self, venue: Venue, host: str, port: int, *, remote: bool = False) -> None:
        self.venue = venue
        self.rest = Rest(venue)
        super().__init__(venue, host, port, remote=remote)

    def add_routes(self, app: web.Application) -> None:
        """Add the WebSocket paths and the keys, and REST for the rest."""
        app.router.add_get(f"{PUBLIC_PREFIX}{{category:{'|'.join(PUBLIC_CATEGORIES)}}}", self.on_public)
        app.router.add_get(PRIVATE_PATH, self.on_private)
        app.router.add_get(TRADE_PATH, self.on_trade)
        app.router.add_get(KEYS_PATH, self.on_keys)
        app.router.add_route("*", "/{path:.*}", self.rest.handle)

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
