"""A venue through ccxt: which markets it has and what they are as instruments; must never need a key.

`ccxt.pro` is imported here alone, and only when a venue is asked for: it takes a second.
"""

from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlsplit

from mmfold.adapters.importers.outcome import RefusedError
from mmfold.adapters.venues.ccxt.structures import decimal_text, read_number
from mmfold.adapters.venues.port import VenueUnreachable
from mmfold.engine.limits import MICROS_PER_UNIT, PPM
from mmfold.engine.manifest import DEFAULT_MAKER_FEE_PPM, DEFAULT_TAKER_FEE_PPM, Instrument

BOOK_DEPTH = 50  # levels a side that are taken, of however many ccxt keeps
TICK_SIZE, DECIMAL_PLACES = 4, 2  # ccxt's precisionMode


class UnknownVenue(Exception):
    """A venue, or a market of one, that ccxt cannot bring; the message says what, the hint what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, kw_only=True)
class UnifiedVenue:
    """A venue with the instruments that were asked for.

    `symbols` names our symbol of each unified one, `contract_sizes` the base units of a contract where they are not 1.
    """

    name: str
    url: str | None
    markets: dict[str, Any]  # of ccxt, as loaded
    instruments: tuple[Instrument, ...]
    symbols: dict[str, str]
    contract_sizes: dict[str, str]

    def connect(self) -> Any:
        """Return a new ccxt.pro client that knows the markets already."""
        exchange = make_exchange(self.name, self.url)
        exchange.set_markets(self.markets)
        return exchange


def make_exchange(name: str, url: str | None) -> Any:
    """Return a ccxt.pro client of a venue, aimed at another address if one is given.

    Raises: UnknownVenue.
    """
    import ccxt.pro

    if name not in ccxt.pro.exchanges:
        near = get_close_matches(name, ccxt.pro.exchanges, 3)
        hint = f"did you mean {' or '.join(near)}?" if near else "bybit, or a venue of ccxt.pro such as okx"
        raise UnknownVenue(f"no venue {name!r}", hint)
    exchange = getattr(ccxt.pro, name)({"newUpdates": True})
    missing = [what for what in ("watchOrderBook", "watchTrades") if not exchange.has.get(what)]
    if missing:
        raise UnknownVenue(f"ccxt.pro has no {' and no '.join(missing)} at {name}", "choose another venue")
    if url is not None:
        exchange.urls["api"] = aimed(exchange.urls["api"], url)
    return exchange


def aimed(urls: Any, url: str) -> Any:
    """Return a tree of addresses with scheme and host of another one; a WebSocket stays one."""
    if isinstance(urls, dict):
        return {key: aimed(value, url) for key, value in urls.items()}
    if not isinstance(urls, str) or "://" not in urls:
        return urls
    old = urlsplit(urls)
    base = url.replace("http", "ws", 1) if old.scheme.startswith("ws") else url
    return f"{base}{old.path}"


async def load_venue(name: str, url: str | None, asked: tuple[str, ...]) -> UnifiedVenue:
    """Load a venue's markets and return those that were asked for, by the venue's id or by ccxt's unified symbol.

    Raises: UnknownVenue, VenueUnreachable.
    """
    exchange = make_exchange(name, url)
    try:
        markets = await exchange.load_markets()
    except Exception as error:  # whatever the venue's answer made ccxt trip over
        raise VenueUnreachable(f"markets of {name}: {type(error).__name__}: {error}"[:300]) from error
    finally:
        await exchange.close()
    found = {symbol: find_market(name, markets, symbol) for symbol in asked}
    sizes: dict[str, str] = {}
    instruments: dict[str, Instrument] = {}
    symbols: dict[str, str] = {}
    for symbol, market in found.items():
        try:
            instrument, contract_size = read_market(market, int(exchange.precisionMode))
        except (RefusedError, ValueError) as error:
            raise UnknownVenue(f"{name} {symbol}: {error}", "choose another of the venue's markets") from error
        if symbols.setdefault(market["symbol"], instrument.symbol) and instrument.symbol in instruments:
            raise UnknownVenue(f"{name} has two markets named {instrument.symbol}", "record them apart")
        instruments[instrument.symbol] = instrument
        if contract_size != "1":
            sizes[instrument.symbol] = contract_size
    return UnifiedVenue(
        name=name, url=url, markets=markets, instruments=tuple(instruments[key] for key in sorted(instruments)),
        symbols=symbols, contract_sizes=sizes,
    )  # fmt: skip


def find_market(name: str, markets: dict[str, Any], asked: str) -> dict[str, Any]:
    """Return the market of a unified symbol or of a venue's id, perpetuals before spot where two share an id.

    Raises: UnknownVenue.
    """
    if asked in markets:
        return dict(markets[asked])
    same = [market for market in markets.values() if str(market["id"]).casefold() == asked.casefold()]
    ranked = sorted(same, key=lambda market: (not market.get("swap"), not market.get("linear"), not market["spot"]))
    if not ranked:
        near = get_close_matches(asked, [*markets, *(str(market["id"]) for market in markets.values())], 3)
        hint = f"did you mean {' or '.join(near)}?" if near else "its id, or ccxt's symbol such as BTC/USDT:USDT"
        raise UnknownVenue(f"{name} has no market {asked}", hint)
    return dict(ranked[0])


def read_market(market: dict[str, Any], precision_mode: int) -> tuple[Instrument, str]:
    """Return a market of ccxt as an instrument, and the base units of one contract.

    Its venue is generic: ccxt's books are whole, so no rule of a venue's own stream holds for them.
    Raises: RefusedError, ManifestError.
    """
    if not (market.get("spot") or market.get("linear") or market.get("inverse")):
        raise RefusedError("it is no spot, linear or inverse market")
    contract = "spot" if market.get("spot") else "inverse" if market.get("inverse") else "linear"
    if contract != "spot" and not market.get("contractSize"):
        raise RefusedError("the venue does not say what one contract is worth")
    told = decimal_text(market.get("contractSize") or 1)
    size = told if contract == "linear" else "1"
    precision, limits = market.get("precision") or {}, market.get("limits") or {}
    tick_size = read_step(precision.get("price"), precision_mode, "price")
    lot_size = decimal_text(Decimal(read_step(precision.get("amount"), precision_mode, "size")) * Decimal(size))
    qty_min = read_number((limits.get("amount") or {}).get("min") or 0) * read_number(size)
    cost_min = read_number((limits.get("cost") or {}).get("min") or 0)
    instrument = Instrument(
        symbol=str(market["id"]),
        contract=contract,
        tick_size=tick_size,
        lot_size=lot_size,
        min_qty_lots=max(1, -(-qty_min // read_number(lot_size))),
        min_notional_micros=int(-(-cost_min * MICROS_PER_UNIT // 1)),
        maker_fee_ppm=read_fee(market.get("maker"), DEFAULT_MAKER_FEE_PPM),
        taker_fee_ppm=read_fee(market.get("taker"), DEFAULT_TAKER_FEE_PPM),
        contract_value=told if contract == "inverse" else "1",
        book_depth=BOOK_DEPTH,
        **{f"{coin}_coin": str(market.get(coin) or "") for coin in ("base", "quote", "settle")},
    )
    return instrument, size


def read_step(value: object, precision_mode: int, what: str) -> str:
    """Return a step of prices or sizes as a decimal text.

    Raises: RefusedError where the venue has no fixed step.
    """
    if precision_mode == DECIMAL_PLACES:
        value = Decimal(1).scaleb(-int(read_number(value)))
    elif precision_mode != TICK_SIZE:
        raise RefusedError(f"its {what} has significant digits, not a fixed step")
    return decimal_text(value)


def read_fee(rate: object, default_ppm: int) -> int:
    """Return a fee rate in ppm, rounded up."""
    return default_ppm if rate is None else int(-(-read_number(rate) * PPM // 1))
