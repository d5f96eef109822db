"""Where a venue is: REST and WebSocket addresses by name or from one given URL; live and testnet are never mixed."""

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

HOSTS = {
    ("bybit", "live"): ("https://api.bybit.com", "wss://stream.bybit.com"),
    ("bybit", "testnet"): ("https://api-testnet.bybit.com", "wss://stream-testnet.bybit.com"),
}

UNIFIED_PREFIX = "ccxt:"  # before a venue's name: through ccxt, even where there is a way of our own


class BadEndpoint(ValueError):
    """A URL that is no venue's address."""

    hint = "give the venue's base URL, for the emulator: --endpoint http://127.0.0.1:8899"


@dataclass(frozen=True)
class Endpoints:
    """A venue's addresses, without a path."""

    rest: str
    sockets: str

    @property
    def is_loopback(self) -> bool:
        """Whether the venue runs on this machine: an emulator."""
        host = urlsplit(self.rest).hostname or ""
        try:
            return host == "localhost" or ip_address(host).is_loopback
        except ValueError:
            return False

    def public(self, category: str) -> str:
        """Return the address of the market streams."""
        return f"{self.sockets}/v5/public/{category}"

    @property
    def private(self) -> str:
        """The address of the private stream."""
        return f"{self.sockets}/v5/private"

    @property
    def trade(self) -> str:
        """The address of the order-entry stream."""
        return f"{self.sockets}/v5/trade"


def unified_name(venue: str) -> str | None:
    """Return ccxt's name of a venue that is reached through ccxt, None for one that is not."""
    if any(venue == native for native, _ in HOSTS):
        return None
    return venue.removeprefix(UNIFIED_PREFIX)


def find_endpoints(venue: str, mode: str, url: str | None) -> Endpoints:
    """Return a venue's addresses: from a URL if one is given, else the venue's own for the mode.

    Paper and shadow look at the real market. Raises: BadEndpoint.
    """
    if url is None and unified_name(venue) is not None:
        return Endpoints(f"{UNIFIED_PREFIX}{unified_name(venue)}", "")  # ccxt knows them
    if url is None:
        return Endpoints(*HOSTS[venue, "testnet" if mode == "testnet" else "live"])
    parts = urlsplit(url)
    try:
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        has_port = False
    if parts.scheme not in ("http", "https") or not parts.hostname or not has_port or parts.path.strip("/"):
        raise BadEndpoint(f"{url!r} is no address of a venue")
    base = f"{parts.scheme}://{parts.netloc}"
    return Endpoints(base, base.replace("http", "ws", 1))
