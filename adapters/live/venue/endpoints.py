"""Where a venue is: REST and WebSocket addresses by name or from one given URL; live and testnet are never mixed."""

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from mmfold.adapters.venues.registry import CLIENT_PREFIX, client_name, native_venue


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


def find_endpoints(venue: str, mode: str, url: str | None) -> Endpoints:
    """Return a venue's addresses: from a URL if one is given, else the venue's own for the mode.

    Paper and shadow look at the real market. Raises: BadEndpoint.
    """
    in_library = client_name(venue)
    if url is None and in_library is not None:
        return Endpoints(f"{CLIENT_PREFIX}{in_library}", "")  # the library knows them
    if url is None:
        hosts = native_venue(venue).hosts.get("testnet" if mode == "testnet" else "live")
        if hosts is None:
            raise BadEndpoint(f"{venue} has no {mode}")
        return Endpoints(hosts.rest, hosts.sockets)
    parts = urlsplit(url)
    try:
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        has_port = False
    if parts.scheme not in ("http", "https") or not parts.hostname or not has_port or parts.path.strip("/"):
        raise BadEndpoint(f"{url!r} is no address of a venue")
    base = f"{parts.scheme}://{parts.netloc}"
    return Endpoints(base, base.replace("http", "ws", 1))
