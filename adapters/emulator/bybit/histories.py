"""What REST tells of the past: candles, funding rates, changes of cash, closed profits; must never tell anything else.

Source: Bybit v5 kline, funding history, open interest, risk limit, transaction log and closed PnL pages (read
2026-11-30), recorded answers.
"""

from collections.abc import Callable, Iterator
from functools import partial

from mmfold.adapters.emulator.bybit.account import Account
from mmfold.adapters.emulator.bybit.codes import VenueCode, VenueError
from mmfold.adapters.emulator.bybit.keys import parse_ms
from mmfold.adapters.emulator.bybit.ledger import LEVERAGE_MAX, MAINTENANCE_RATE, RISK_ID, RISK_LIMIT_VALUE
from mmfold.adapters.emulator.bybit.orders import Params, choice
from mmfold.adapters.emulator.bybit.paging import Document, limit_of, page, range_of
from mmfold.adapters.emulator.bybit.payloads import rate_text
from mmfold.adapters.emulator.bybit.queries import (
    CONTRACTS,
    POSITIONS,
    PrivateQuery,
    PublicQuery,
    asked_markets,
    empty_page,
    find_market,
    is_linear,
)
from mmfold.adapters.emulator.bybit.venue import Venue
from mmfold.adapters.emulator.market.candles import LENGTHS_MS
from mmfold.adapters.emulator.market.interest import LENGTHS_MS as INTEREST_LENGTHS_MS
from mmfold.adapters.emulator.market.product import plain


def end_or_none(params: Params, name: str) -> int | None:
    """Return one end of a range, None where it is not given.

    Raises: VenueError.
    """
    return None if params.get(name) in (None, "") else parse_ms(params[name], name)


def get_kline(venue: Venue, params: Params) -> Document:
    """Return candles, newest first: the last ones up to `end`, or with `start` alone the first ones from there."""
    market, limit = find_market(venue, params), limit_of(params, 200, 1_000)
    interval = choice(params, "interval", LENGTHS_MS)
    start, end = end_or_none(params, "start"), end_or_none(params, "end")
    product = market.product
    told = [
        candle
        for candle in market.candles.spans(interval, venue.clock.now_ms())
        if (start is None or start <= candle.start_ms) and (end is None or candle.start_ms <= end)
    ]
    told = told[:limit] if start is not None and end is None else told[-limit:]
    return {
        "symbol": product.symbol,
        "category": "linear",
        "list": [
            [
                str(candle.start_ms),
                *(product.price_text(price) for price in (candle.open, candle.high, candle.low, candle.close)),
                product.qty_text(candle.volume),
                plain(product.tick * product.lot * candle.turnover),
            ]
            for candle in reversed(told)
        ],
    }


def get_funding_history(venue: Venue, params: Params) -> Document:
    """Return the rates that were settled, newest first; a start needs an end.

    Raises: VenueError.
    """
    market, limit = find_market(venue, params), limit_of(params, 200, 200)
    start, end = end_or_none(params, "startTime"), end_or_none(params, "endTime")
    if start is not None and end is None:
        raise VenueError(VenueCode.PARAMETER, "params error: startTime needs endTime")
    told = [
        {
            "symbol": market.product.symbol,
            "fundingRate": rate_text(rate_e9),
            "fundingRateTimestamp": str(ts_ms),
        }
        for ts_ms, rate_e9 in reversed(market.fundings)
        if (start is None or start <= ts_ms) and (end is None or ts_ms <= end)
    ]
    return {"category": "linear", "list": told[:limit]}


def get_open_interest(venue: Venue, params: Params) -> Document:
    """Return what the accounts held at the starts of an interval, newest first.

    Raises: VenueError.
    """
    market, interval = find_market(venue, params), choice(params, "intervalTime", INTEREST_LENGTHS_MS)
    start, end, now_ms = end_or_none(params, "startTime"), end_or_none(params, "endTime"), venue.clock.now_ms()
    if start is not None and end is not None and start > end:
        raise VenueError(VenueCode.PARAMETER, "params error: startTime is after endTime")
    lot, last_ms = market.product.lot, now_ms if end is None else min(end, now_ms)
    told: Iterator[tuple[int, Callable[[], Document]]] = (
        (ts_ms, partial(dict, openInterest=plain(lot * lots), timestamp=str(ts_ms)))
        for ts_ms, lots in market.interest.history(interval, start or 0, last_ms)
    )
    return {"symbol": market.product.symbol} | page(told, params, 50, 200)


def get_risk_limit(venue: Venue, params: Params) -> Document:
    """Return the one tier that margins are counted by here."""
    listed = [
        {
            "id": RISK_ID,
            "symbol": market.product.symbol,
            "riskLimitValue": RISK_LIMIT_VALUE,
            "maintenanceMargin": plain(MAINTENANCE_RATE),
            "initialMargin": f"{1 / LEVERAGE_MAX}",
            "isLowestRisk": 1,
            "maxLeverage": f"{LEVERAGE_MAX}.00",
            "mmDeduction": "",
        }
        for market in asked_markets(venue, params, CONTRACTS)
    ]
    return {"category": params["category"], "list": listed, "nextPageCursor": ""}


def get_transactions(venue: Venue, account: Account, params: Params) -> Document:
    """Return what changed the account's cash, newest first; without a range the last day."""
    if params.get("accountType") not in (None, "", "UNIFIED"):
        raise VenueError(VenueCode.PARAMETER, "accountType only support UNIFIED.")
    start_ms, end_ms = range_of(params, venue.clock.now_ms(), days=1)
    is_here = not params.get("category") or is_linear(params)
    is_here = is_here and params.get("currency") in (None, "", account.wallet.coin)
    base_coin = params.get("baseCoin")
    wanted = (
        (one.number, one.payload)
        for one in reversed(account.books.transactions)
        if is_here
        and start_ms <= one.ts_ms <= end_ms
        and params.get("type") in (None, "", one.kind)
        and base_coin in (None, "", account.products[one.symbol].base_coin)
    )
    told = page(wanted, params, 20, 50)
    return {"list": told["list"], "nextPageCursor": told["nextPageCursor"]}


def get_closed_profits(venue: Venue, account: Account, params: Params) -> Document:
    """Return what each closing order earned, newest first."""
    start_ms, end_ms = range_of(params, venue.clock.now_ms())
    if not is_linear(params, POSITIONS):
        return empty_page(params)
    if params.get("symbol"):
        find_market(venue, params)
    wanted = (
        (one.number, one.payload)
        for one in reversed(account.books.closed.values())
        if start_ms <= one.updated_ms <= end_ms and params.get("symbol") in (None, "", one.order.product.symbol)
    )
    return page(wanted, params, 50, 100)


PUBLIC_HISTORIES: dict[tuple[str, str], PublicQuery] = {
    ("GET", "/v5/market/kline"): get_kline,
    ("GET", "/v5/market/funding/history"): get_funding_history,
    ("GET", "/v5/market/open-interest"): get_open_interest,
    ("GET", "/v5/market/risk-limit"): get_risk_limit,
}
PRIVATE_HISTORIES: dict[tuple[str, str], PrivateQuery] = {
    ("GET", "/v5/account/transaction-log"): get_transactions,
    ("GET", "/v5/position/closed-pnl"): get_closed_profits,
}
