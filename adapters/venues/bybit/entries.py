"""Orders, executions, positions and coins as the venue lists them; must never round in our favour.

The streams and the REST lists name the same things alike but for the average entry price.
Source: Bybit v5 docs: websocket private order, execution, fast execution, position, wallet; the REST pages of each.
"""

from fractions import Fraction
from typing import Any

from mmfold.adapters.importers.grid import read_mark_e8
from mmfold.adapters.importers.outcome import PassedOverError, RefusedError
from mmfold.adapters.importers.rows import TS_MS_MAX, Row, read_price, read_qty
from mmfold.adapters.importers.table import Listing, SymbolTable
from mmfold.adapters.venues.bybit.messages import SIDES
from mmfold.adapters.venues.bybit.ret_codes import EXPIRES, end_reason
from mmfold.adapters.venues.ledger import (
    NOBODYS_ORDER_ID,
    Execution,
    Foreign,
    OrderLedger,
    OrderReport,
    OrderWord,
    as_rows,
    balance_row,
    fill_row,
    position_row,
)
from mmfold.adapters.venues.link_ids import execution_number
from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.limits import E8, E9, MICROS_PER_UNIT, NS_PER_MS, PPM
from mmfold.engine.manifest import is_plain_decimal
from mmfold.engine.records import NO_PRICE_TICKS, NO_TS_NS, NO_VALUE
from mmfold.journal.jsonl.decimals import DECIMAL_CHAR_COUNT_MAX

ORDER_WORDS = {
    "New": OrderWord.OPEN,
    "PartiallyFilled": OrderWord.OPEN,
    "Created": OrderWord.WAITING,
    "Untriggered": OrderWord.WAITING,
    "Triggered": OrderWord.WAITING,
    "Filled": OrderWord.FILLED,
    "Cancelled": OrderWord.CANCELED,
    "PartiallyFilledCanceled": OrderWord.CANCELED,
    "Deactivated": OrderWord.CANCELED,
    "Rejected": OrderWord.REJECTED,
}
TRADE_TYPES = ("", "Trade")  # execType of an order's own fills; execution.fast tells none
CASH_MICROS_MAX = 10**18 - 1  # what the journal's text form can spell
MILLI = 1_000  # money of an inverse contract is in thousandths of its base


def read_text(entry: dict[str, Any], key: str) -> str:
    """Return a text of an entry, empty where it has none.

    Raises: RefusedError.
    """
    value = entry.get(key, "")
    if value is None:
        return ""
    if type(value) is not str:
        raise RefusedError(f'"{key}" is not a string')
    return value


def read_signed(text: object, what: str) -> Fraction:
    """Return a decimal text that may be negative.

    Raises: RefusedError.
    """
    digits = text[1:] if isinstance(text, str) and text[:1] == "-" else text
    if not isinstance(text, str) or not isinstance(digits, str) or len(text) > DECIMAL_CHAR_COUNT_MAX:
        raise RefusedError(f"{what} is missing or no decimal string")
    if not is_plain_decimal(digits):
        raise RefusedError(f"{what} {text!r} is not a plain decimal number")
    return Fraction(text)


def read_time_ns(entry: dict[str, Any], key: str) -> int:
    """Return a time that is a text of milliseconds, or `NO_TS_NS` where it is absent.

    Raises: RefusedError.
    """
    text = read_text(entry, key)
    if not text:
        return NO_TS_NS
    if not (text.isascii() and text.isdigit()) or len(text) > 20 or int(text) > TS_MS_MAX:
        raise RefusedError(f'"{key}" {text!r} is not a time in ms')
    return int(text) * NS_PER_MS


def read_side(entry: dict[str, Any]) -> Side:
    """Return an order's side.

    Raises: RefusedError.
    """
    side = SIDES.get(read_text(entry, "side"))
    if side is None:
        raise RefusedError(f'"side" {entry.get("side")!r} is neither Buy nor Sell')
    return side


def find_listing(entry: dict[str, Any], table: SymbolTable) -> Listing | None:
    """Return the listing of an entry's symbol, or None for one that is not in the manifest.

    Raises: RefusedError for what is no symbol.
    """
    try:
        return table.resolve(entry.get("symbol"), "")
    except PassedOverError:
        return None


def parse_order(
    entry: dict[str, Any], ts_receive_ns: int, table: SymbolTable, ledger: OrderLedger, topic: str = "order"
) -> OrderReport | Foreign:
    """Return the state of an own order, or what is foreign about it.

    Raises: RefusedError.
    """
    listing, symbol = find_listing(entry, table), str(entry.get("symbol"))
    link_id, venue_order_id = read_text(entry, "orderLinkId"), read_text(entry, "orderId")
    order_id = ledger.find(link_id, venue_order_id)
    status = read_text(entry, "orderStatus")
    if listing is None or order_id is None:
        return Foreign(topic=topic, symbol=symbol, what=status, venue_order_id=venue_order_id, link_id=link_id)
    if status not in ORDER_WORDS:
        raise RefusedError(f'"orderStatus" {status!r} is none that is known')
    word, reason = ORDER_WORDS[status], end_reason(entry.get("cancelType"), entry.get("rejectReason"))
    if word == OrderWord.CANCELED and reason in EXPIRES:
        word = OrderWord.EXPIRED
    price = read_text(entry, "price")
    is_market = read_text(entry, "orderType") == "Market"
    return OrderReport(
        listing=listing,
        order_id=order_id,
        word=word,
        side=read_side(entry),
        price_ticks=NO_PRICE_TICKS if is_market else read_price(price, listing),
        whole_lots=read_qty(entry.get("qty"), listing),
        filled_lots=read_qty(read_text(entry, "cumExecQty") or "0", listing, "filled size"),
        times=(read_time_ns(entry, "updatedTime"), ts_receive_ns),
        reason=reason,
    )


def parse_execution(
    entry: dict[str, Any], ts_receive_ns: int, table: SymbolTable, ledger: OrderLedger, topic: str = "execution"
) -> Execution | list[Row] | Foreign:
    """Return an execution of an own order, the rows of a FUNDING, or what is foreign.

    Raises: RefusedError.
    """
    listing, symbol, what = find_listing(entry, table), str(entry.get("symbol")), read_text(entry, "execType")
    link_id, venue_order_id = read_text(entry, "orderLinkId"), read_text(entry, "orderId")
    if listing is None:
        return Foreign(topic=topic, symbol=symbol, what=what, venue_order_id=venue_order_id, link_id=link_id)
    times = (read_time_ns(entry, "execTime"), ts_receive_ns)
    if what == "Funding":
        return settlement_rows(entry, listing, times)
    number, is_maker = read_text(entry, "execId"), entry.get("isMaker", False)
    if not number or type(is_maker) is not bool:
        raise RefusedError('"execId" is missing or "isMaker" is no truth value')
    order_id = ledger.find(link_id, venue_order_id)
    fee_rate = read_text(entry, "feeRate")
    execution = Execution(
        listing=listing,
        order_id=NOBODYS_ORDER_ID if order_id is None else order_id,
        side=read_side(entry),
        price_ticks=read_price(entry.get("execPrice"), listing),
        qty_lots=read_qty(entry.get("execQty"), listing),
        number=execution_number(number),
        is_maker=is_maker,
        fee_ppm=fee_ppm_of(fee_rate) if fee_rate else None,
        times=times,
    )
    if execution.qty_lots == 0:
        raise RefusedError(f"{symbol} execution of size 0")
    if order_id is None or what not in TRADE_TYPES:
        row = as_rows([fill_row(execution)])
        return Foreign(topic=topic, symbol=symbol, what=what, venue_order_id=venue_order_id, link_id=link_id, row=row)
    return execution


def settlement_rows(entry: dict[str, Any], listing: Listing, times: tuple[int, int]) -> list[Row]:
    """Return the FUNDING of a settlement of our position: the market's word, then what the account paid.

    `execFee` is what counts, positive when we paid, in the settlement currency; `side` is the position's, `execQty` the
    size that was settled: the position may be another one by now. The rate is the venue's word, rounded by it.
    A ticker's fundingRate is a forecast of the next settlement and never a FUNDING: only an execution settles.
    Raises: RefusedError.
    """
    rate = read_signed(entry.get("feeRate"), "funding rate")
    if abs(rate) > 1:
        raise RefusedError(f"funding rate {entry.get('feeRate')!r} is beyond 100 %")
    number = read_text(entry, "execId")
    if not number:
        raise RefusedError('"execId" is missing')
    price = read_text(entry, "markPrice") or read_text(entry, "execPrice")
    mark_e8 = read_mark_e8(price, f"{listing.symbol} mark price") if price else NO_VALUE
    lots = abs(read_signed(entry.get("execQty"), "settled size")) / Fraction(listing.instrument.lot_size)
    if lots > listing.qty_lots_max:
        raise RefusedError(f"settled size {entry.get('execQty')!r} is out of range")
    paid_micros = money_micros(entry.get("execFee"), listing, '"execFee"')
    flags, index, kind = int(Flag.PAID), listing.index, EventKind.FUNDING
    # The core takes what the longs pay: up is against us for a long and for us for a short, by 1e-9 at most.
    market = (0, *times, NO_PRICE_TICKS, 0, mark_e8, -(-rate * E9 // 1), kind, Side.NONE, flags, index, 0)
    account = (0, *times, NO_PRICE_TICKS, int(lots), execution_number(number), paid_micros)
    return [market, (*account, kind, read_side(entry), flags | Flag.LAST, index, 0)]


def money_micros(text: object, listing: Listing, what: str) -> int:
    """Return an amount of an instrument's settlement currency in micros, of an inverse contract of a thousandth of its
    base, rounded up: a cost is never too small.

    Raises: RefusedError.
    """
    amount = read_signed(text, what) * MICROS_PER_UNIT * (MILLI if listing.instrument.is_inverse else 1)
    if abs(amount) > CASH_MICROS_MAX:
        raise RefusedError(f"{what} {text!r} is out of range")
    return int(-(-amount // 1))


def fee_ppm_of(text: str) -> int:
    """Return a fee rate in ppm, rounded up: at most a ppm too much is paid.

    Raises: RefusedError.
    """
    rate = read_signed(text, "fee rate")
    return -(-rate * PPM // 1)


def parse_position(
    entry: dict[str, Any], times: tuple[int, int], table: SymbolTable, topic: str = "position"
) -> Row | Foreign:
    """Return the POSITION of an instrument in one-way mode.

    The average entry price lies between two ticks: the row has the tick below, and the price itself x 1e8.
    Raises: RefusedError.
    """
    listing, symbol = find_listing(entry, table), str(entry.get("symbol"))
    if listing is None:
        return Foreign(topic=topic, symbol=symbol, what="position")
    if entry.get("positionIdx", 0) != 0:
        return Foreign(topic=topic, symbol=symbol, what="position in hedge mode: mm trades in one-way mode")
    qty_lots, side = read_qty(entry.get("size"), listing), read_text(entry, "side")
    if qty_lots and side not in SIDES:
        raise RefusedError(f'"side" {side!r} of a position is neither Buy nor Sell')
    price = read_text(entry, "entryPrice") or read_text(entry, "avgPrice")
    price_ticks, price_e8 = NO_PRICE_TICKS, NO_VALUE
    if qty_lots and price:
        exact = read_signed(price, "entry price")
        price_ticks = int(exact / Fraction(listing.tick.mantissa, 10**listing.tick.exponent))
        price_e8 = round(exact * E8)
        if not 1 <= price_ticks <= listing.price_ticks_max:
            raise RefusedError(f"{symbol} entry price {price!r} is out of range")
    sign = -1 if side == "Sell" else 1
    return position_row(listing, times, sign * qty_lots, price_ticks, price_e8)


def parse_wallet(entry: dict[str, Any], times: tuple[int, int], coin: str) -> Row | None:
    """Return the BALANCE of one coin of an account, or None when the account does not list it.

    Units: micros of the coin's wallet balance, rounded down.
    Raises: RefusedError.
    """
    coins = entry.get("coin")
    if not isinstance(coins, list):
        raise RefusedError('"coin" is missing or not a list')
    for row in coins:
        if not isinstance(row, dict):
            raise RefusedError("a coin is not an object")
        if row.get("coin") == coin:
            cash_micros = int(read_signed(row.get("walletBalance"), f"{coin} balance") * MICROS_PER_UNIT // 1)
            if abs(cash_micros) > CASH_MICROS_MAX:
                raise RefusedError(f"{coin} balance {row.get('walletBalance')!r} is out of range")
            return balance_row(times, cash_micros)
    return None
