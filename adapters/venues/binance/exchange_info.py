"""Binance's own list of instruments, spot, USD-M and COIN-M; must never take a row in part.

Source: Binance docs, GET /api/v3/exchangeInfo, /fapi/v1/exchangeInfo, /dapi/v1/exchangeInfo.
"""

from typing import Any

from mmfold.adapters.importers.frames import market_of_url
from mmfold.adapters.importers.listed import instrument_of
from mmfold.adapters.importers.outcome import PassedOverError, RefusedError
from mmfold.adapters.importers.table import Context
from mmfold.engine.manifest import Instrument


def offer_exchange_info(data: dict[str, Any], context: Context) -> None:
    """Take Binance's list into the symbol table; it has no rows of its own.

    Raises: PassedOverError always.
    """
    for row in data["symbols"]:
        market = market_of_row(row, context.url)
        try:
            context.table.offer(read_exchange_info(row, market), market)
        except RefusedError as odd:
            context.table.leave_out(row.get("symbol") if isinstance(row, dict) else row, str(odd))
    raise PassedOverError("instruments list")


def market_of_row(row: object, url: str) -> str:
    """Return the market of a row: the address says it, else the keys that only futures have."""
    keys = row if isinstance(row, dict) else {}
    market = market_of_url(url)
    if market in ("spot", "usdm", "coinm"):
        return market
    if "contractSize" in keys:
        return "coinm"
    return "usdm" if "contractType" in keys or "marginAsset" in keys else "spot"


def read_exchange_info(row: object, market: str) -> Instrument:
    """Return one instrument of Binance's list.

    Raises: RefusedError when its filters are not complete decimal numbers.
    """
    if not isinstance(row, dict) or not isinstance(row.get("symbol"), str) or not isinstance(row.get("filters"), list):
        raise RefusedError(f"instrument {row!a:.80} of the instruments list: without symbol or filters")
    filters = {one["filterType"]: one for one in row["filters"] if isinstance(one, dict) and "filterType" in one}
    prices, sizes = filters.get("PRICE_FILTER", {}), filters.get("LOT_SIZE", {})
    value = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL") or {}
    found: dict[str, object] = {
        "tick_size": prices.get("tickSize", ""),
        "lot_size": sizes.get("stepSize", ""),
        "min_qty": sizes.get("minQty") or "0",
        "min_notional": value.get("minNotional") or value.get("notional") or "0",
        "base_coin": row.get("baseAsset") or "",
        "quote_coin": row.get("quoteAsset") or "",
        "settle_coin": row.get("marginAsset") or "",
    }
    if "contractSize" in row:
        found["contract_value"] = str(row["contractSize"])
    return instrument_of(row["symbol"], "binance", market, found)
