"""What REST tells without changing orders: market, orders, executions, positions, wallet; must never match.

Source: Bybit v5 market, order, position and account pages, recorded answers (read 2026-11-20).
"""

import sys
from collections.abc import Callable, Iterable
from functools import partial

from mmfold.adapters.emulator.bybit.account import Account
from mmfold.adapters.emulator.bybit.codes import VenueCode, VenueError
from mmfold.adapters.emulator.bybit.keys import parse_ms
from mmfold.adapters.emulator.bybit.naming import (
    GROUPS,
    IDS,
    given,
    named_products,
    names_order,
    names_product,
    takes_orders,
)
from mmfold.adapters.emulator.bybit.orders import Order, Params, require_category
from mmfold.adapters.emulator.bybit.paging import Document, limit_of, page, range_of
from mmfold.adapters.emulator.bybit.payloads import ticker_fields
from mmfold.adapters.emulator.bybit.topics import instrument_info, orderbook_result, recent_trades
from mmfold.adapters.emulator.bybit.venue import Venue
from mmfold.adapters.emulator.market.product import plain
from mmfold.adapters.emulator.market.symbol import SymbolMarket
from mmfold.engine.limits import NS_PER_MS, NS_PER_S

CATEGORIES = ("linear", "spot", "inverse", "option")
CONTRACTS, POSITIONS = ("linear", "inverse"), ("linear", "inverse", "option")
CLOSED_SHOWN_MAX = 500
DCP_WINDOW_S = (3, 300)
ONE_WAY_MODE, HEDGE_MODE = "0", "3"

PublicQuery = Callable[[Venue, Params], Document]
PrivateQuery = Callable[[Venue, Account, Params], Document]


def is_linear(params: Params, among: tuple[str, ...] = CATEGORIES) -> bool:
    """Tell whether the linear market is asked for; the others that a page knows exist and are empty here.

    Raises: VenueError.
    """
    if params.get("category") not in among:
        raise VenueError(VenueCode.PARAMETER, "params error: category invalid")
    return params["category"] == "linear"


def find_market(venue: Venue, params: Params) -> SymbolMarket:
    """Return the market of a request's symbol.

    Raises: VenueError.
    """
    market = venue.markets.get(str(params.get("symbol", ""))) if is_linear(params) else None
    if market is None:
        raise VenueError(VenueCode.PARAMETER, "params error: symbol invalid")
    return market


def asked_markets(venue: Venue, params: Params, among: tuple[str, ...] = CATEGORIES) -> list[SymbolMarket]:
    """Return one market or all of them; a category that is empty here has no symbol.

    Raises: VenueError.
    """
    is_here = is_linear(params, among)
    if params.get("symbol"):
        return [find_market(venue, params)]
    return venue.by_index if is_here else []


def get_time(venue: Venue, params: Params) -> Document:
    """Return the venue's time."""
    now_ns = venue.clock.now_ns()
    return {"timeSecond": str(now_ns // NS_PER_S), "timeNano": str(now_ns)}


def get_instruments(venue: Venue, params: Params) -> Document:
    """Return the instruments and their filters; all of them are trading."""
    is_here = params.get("status") in (None, "", "Trading")
    markets = [market for market in asked_markets(venue, params) if is_here and names_product(params, market.product)]
    numbered = [(len(markets) - place, partial(instrument_info, market)) for place, market in enumerate(markets)]
    return page(numbered, params, 500, 1_000) | {"category": params["category"]}


def get_orderbook(venue: Venue, params: Params) -> Document:
    """Return a symbol's book."""
    return orderbook_result(find_market(venue, params), limit_of(params, 25, 500), venue.clock.now_ns())


def get_tickers(venue: Venue, params: Params) -> Document:
    """Return tickers."""
    now_ns = venue.clock.now_ns()
    tickers = []
    for market in asked_markets(venue, params):
        fields = ticker_fields(market, now_ns)
        names = ("tickDirection", "singleOpenInterest", "singleOpenInterestValue")
        told = {name: value for name, value in fields.items() if name not in names}
        extra = ("predictedDeliveryPrice", "basisRate", "deliveryFeeRate", "basis")
        tickers.append(told | dict.fromkeys(extra, "") | {"deliveryTime": "0"})
    return {"category": params["category"], "list": tickers}


def get_recent_trades(venue: Venue, params: Params) -> Document:
    """Return a symbol's last trades."""
    return {"category": "linear", "list": recent_trades(find_market(venue, params), limit_of(params, 500, 1_000))}


# What needs a key


def asked_orders(orders: Iterable[Order], params: Params) -> list[Order]:
    """Return the orders that a request is about, newest first."""
    is_here = takes_orders(params)
    wanted = [
        order
        for order in orders
        if is_here
        and names_order(params, order.order_id, order.link_id, order.product)
        and params.get("orderStatus") in (None, "", order.status)
    ]
    return sorted(wanted, key=lambda order: -order.number)


def empty_page(params: Params) -> Document:
    """Return the page of a category that has nothing here."""
    return {"list": [], "nextPageCursor": "", "category": params["category"]}


def get_open_orders(venue: Venue, account: Account, params: Params) -> Document:
    """Return open orders; by id or link id, and with openOnly 1, also closed ones."""
    if not is_linear(params):
        return empty_page(params)
    if not given(params, IDS + GROUPS):
        raise VenueError(VenueCode.PARAMETER, "params error: symbol, baseCoin or settleCoin is required")
    orders = list(account.open.values())
    if given(params, IDS):
        named = account.find(params)
        orders = [named] if named is not None else []
    elif str(params.get("openOnly", "0")) != "0":
        orders = list(account.closed)[-CLOSED_SHOWN_MAX:]
    return page(((order.number, order.payload) for order in asked_orders(orders, params)), params, 20, 50)


def get_order_history(venue: Venue, account: Account, params: Params) -> Document:
    """Return closed orders."""
    if not is_linear(params):
        return empty_page(params)
    start_ms, end_ms = range_of(params, venue.clock.now_ms())
    told = [order for order in account.closed if start_ms <= order.created_ms <= end_ms]
    orders = asked_orders(told, params)
    return page(((order.number, order.payload) for order in orders), params, 20, 50)


def get_executions(venue: Venue, account: Account, params: Params) -> Document:
    """Return executions; where an order is named, nothing else that is asked counts."""
    if not is_linear(params):
        return empty_page(params)
    is_named, kind = bool(given(params, IDS)), params.get("execType")
    start_ms, end_ms = (0, sys.maxsize) if is_named else range_of(params, venue.clock.now_ms())
    wanted = (
        (one.number, one.payload)
        for one in reversed(account.executions)
        if start_ms <= one.ts_ms <= end_ms
        and names_order(params, one.order_id, one.link_id, account.products[one.symbol])
        and (is_named or kind in (None, "", one.kind))
    )
    return page(wanted, params, 50, 100)


def get_positions(venue: Venue, account: Account, params: Params) -> Document:
    """Return the position of a symbol, or all that are open."""
    if not is_linear(params, POSITIONS):
        return empty_page(params)
    if not given(params, GROUPS):
        raise VenueError(VenueCode.PARAMETER, "params error: symbol or settleCoin is required")
    named = [account.positions[product.symbol] for product in named_products(params, account.products)]
    held = [position for position in named if position.lots or params.get("symbol")]
    told = [sides for position in held for sides in position.payloads()]
    return page(((len(told) - place, partial(dict, one)) for place, one in enumerate(told)), params, 20, 200)


def set_leverage(venue: Venue, account: Account, params: Params) -> Document:
    """Set a symbol's leverage."""
    require_category(params)
    account.positions[find_market(venue, params).product.symbol].set_leverage(params)
    return {}


def switch_mode(venue: Venue, account: Account, params: Params) -> Document:
    """Set the position mode of a symbol or a coin's symbols: 0 one-way, 3 hedge, in which this venue takes no order."""
    require_category(params)
    if str(params.get("mode")) not in (ONE_WAY_MODE, HEDGE_MODE):
        raise VenueError(VenueCode.PARAMETER, "params error: mode invalid")
    if params.get("symbol"):
        chosen = [find_market(venue, params).product.symbol]
    elif params.get("coin"):
        chosen = [symbol for symbol, one in account.products.items() if one.quote_coin == params["coin"]]
    else:
        raise VenueError(VenueCode.PARAMETER, "params error: symbol or coin is required")
    positions, is_hedged = [account.positions[symbol] for symbol in chosen], str(params["mode"]) == HEDGE_MODE
    if all(position.is_hedged == is_hedged for position in positions):
        raise VenueError(VenueCode.POSITION_MODE_SAME)
    if any(position.lots for position in positions):
        raise VenueError(VenueCode.HELD)
    if any(order.product.symbol in chosen for order in account.open.values()):
        raise VenueError(VenueCode.ORDERED)
    for position in positions:
        position.is_hedged = is_hedged
    return {}


def get_wallet(venue: Venue, account: Account, params: Params) -> Document:
    """Return the unified account."""
    if params.get("accountType") != "UNIFIED":
        raise VenueError(VenueCode.PARAMETER, "accountType only support UNIFIED.")
    return {"list": [account.wallet.payload(account.order_margin())]}


def get_fee_rate(venue: Venue, account: Account, params: Params) -> Document:
    """Return fee rates."""
    products = [market.product for market in asked_markets(venue, params)]
    return {
        "category": params["category"],
        "list": [
            {"symbol": one.symbol, "takerFeeRate": plain(one.taker_rate), "makerFeeRate": plain(one.maker_rate)}
            for one in products
        ],
    }


def get_account_info(venue: Venue, account: Account, params: Params) -> Document:
    """Return how the account is set up."""
    window_s = venue.dcp_window_s.get(account.key.key)
    return {
        "marginMode": "REGULAR_MARGIN",
        "updatedTime": str(venue.clock.now_ns() // NS_PER_MS),
        "unifiedMarginStatus": 5,
        "dcpStatus": "OFF" if window_s is None else "ON",
        "timeWindow": window_s or 0,
        "smpGroup": 0,
        "isMasterTrader": False,
        "spotHedgingStatus": "OFF",
    }


def set_dcp(venue: Venue, account: Account, params: Params) -> Document:
    """Set the dead-man switch.

    Units: timeWindow in s.
    """
    window_s = parse_ms(params.get("timeWindow"), "timeWindow")
    if not DCP_WINDOW_S[0] <= window_s <= DCP_WINDOW_S[1]:
        raise VenueError(VenueCode.PARAMETER, "params error: timeWindow invalid")
    venue.set_dcp(account, window_s)
    return {}


def get_key_info(venue: Venue, account: Account, params: Params) -> Document:
    """Return what the key may do."""
    return {
        "id": str(account.uid),
        "note": "emulator",
        "apiKey": account.key.key,
        "readOnly": 0,
        "secret": "",
        "permissions": {"ContractTrade": ["Order", "Position"], "Wallet": ["AccountTransfer"]},
        "ips": ["*"],
        "type": 1,
        "userID": account.uid,
        "uta": 1,
        "unified": 0,
        "isMaster": True,
        "parentUid": "0",
    }


def get_coins(venue: Venue, account: Account, params: Params) -> Document:
    """Return the coins that there are."""
    products = [market.product for market in venue.by_index]
    coins = sorted({coin for product in products for coin in (product.base_coin, product.quote_coin)})
    return {"rows": [{"name": coin, "coin": coin, "remainAmount": "0", "chains": []} for coin in coins]}


PUBLIC_QUERIES: dict[tuple[str, str], PublicQuery] = {
    ("GET", "/v5/market/time"): get_time,
    ("GET", "/v5/market/instruments-info"): get_instruments,
    ("GET", "/v5/market/orderbook"): get_orderbook,
    ("GET", "/v5/market/tickers"): get_tickers,
    ("GET", "/v5/market/recent-trade"): get_recent_trades,
}
PRIVATE_QUERIES: dict[tuple[str, str], PrivateQuery] = {
    ("GET", "/v5/order/realtime"): get_open_orders,
    ("GET", "/v5/order/history"): get_order_history,
    ("GET", "/v5/execution/list"): get_executions,
    ("GET", "/v5/position/list"): get_positions,
    ("POST", "/v5/position/set-leverage"): set_leverage,
    ("POST", "/v5/position/switch-mode"): switch_mode,
    ("GET", "/v5/account/wallet-balance"): get_wallet,
    ("GET", "/v5/account/fee-rate"): get_fee_rate,
    ("GET", "/v5/account/info"): get_account_info,
    ("POST", "/v5/order/disconnected-cancel-all"): set_dcp,
    ("GET", "/v5/user/query-api"): get_key_info,
    ("GET", "/v5/asset/coin/query-info"): get_coins,
}
