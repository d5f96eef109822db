"""The venues by name, each loaded when it is asked for; must stay cheap to import, for the sake of `mm --help`.

A venue of our own is one folder and one line in `VENUES`, and one in `CAPTURES` where `mm import` reads what was kept
of it. Every other name is a venue of the client library behind `CLIENT`, and with its prefix so is one that we have a
way of our own to.
"""

import importlib
from functools import cache
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from mmfold.adapters.venues.market_stream import ClientVenue
    from mmfold.adapters.venues.port import MakeVenue, NativeVenue

VENUES = {
    "binance": "mmfold.adapters.venues.binance.venue:BinanceVenue",
    "bybit": "mmfold.adapters.venues.bybit.venue:BybitVenue",
}
CAPTURES = {
    "binance": "mmfold.adapters.venues.binance.messages:CAPTURES",
    "bybit": "mmfold.adapters.venues.bybit.messages:CAPTURES",
}
CLIENT = "mmfold.adapters.venues.ccxt.venue:CcxtVenue"
CLIENT_PREFIX = "ccxt:"


def load(target: str) -> Any:
    """Return what a `module:name` is, loading its module only now."""
    module_name, _, name = target.partition(":")
    return getattr(importlib.import_module(module_name), name)


@cache
def native_venue(name: str) -> "NativeVenue":
    """Return a venue of our own by its name.

    Raises: KeyError for a name that is not in `VENUES`.
    """
    return cast("MakeVenue", load(VENUES[name]))()


def client_name(venue: str) -> str | None:
    """Return a venue's name in the client library that it is reached through, None for one of our own."""
    return None if venue in VENUES else venue.removeprefix(CLIENT_PREFIX)


def client_venue(venue: str) -> "ClientVenue":
    """Return a venue that is reached through the client library."""
    name = client_name(venue)
    assert name is not None
    return cast("ClientVenue", load(CLIENT)(name))


def takes_orders(venue: str) -> bool:
    """Tell whether mm has order entry at a venue."""
    return venue in VENUES and native_venue(venue).capabilities.order_entry


def order_venues() -> list[str]:
    """Return the venues that mm has order entry at."""
    return [name for name in VENUES if takes_orders(name)]
