"""One message in, rows out: a table for each venue, and a table of what is refused and why."""

import orjson
import pytest

from mmfold.adapters.importers.outcome import Refusal, Skipped, UnknownSymbolError, UnnamedSnapshotError
from mmfold.adapters.importers.table import Context, SymbolTable
from mmfold.adapters.venues.binance.messages import CAPTURES as BINANCE
from mmfold.adapters.venues.bybit.messages import CAPTURES as BYBIT
from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.records import NO_ORDER_ID, NO_PRICE_TICKS, NO_TS_NS, NO_VALUE

TICKS = {"A": "0.10", "B": "0.5", "CUSD_PERP": "1"}
LOTS = {"A": "0.001", "B": "10", "CUSD_PERP": "1"}
K, S = EventKind, Side
NO_P, NO_ID = NO_PRICE_TICKS, NO_ORDER_ID


def context_of(venue, **values):
    table = SymbolTable(venue=venue, ticks=TICKS, lots=LOTS, contract_values={"CUSD_PERP": "10"})
    return Context(table=table, **values)


def parse(captures, message, context=None, ts_receive_ns=7):
    raw = message if isinstance(message, bytes) else orjson.dumps(message)
    return captures.parse_message(raw, ts_receive_ns, context or context_of(captures.venue))


def short(rows):
    """(kind, side, price, qty, order_id, aux, LAST) of each row."""
    fields = ("kind", "side", "price_ticks", "qty_lots", "order_id", "aux", "flags")
    return [tuple(int(row[name]) for name in fields) for row in rows]


DEPTH = {"e": "depthUpdate", "E": 2, "T": 1, "s": "A", "U": 5, "u": 9, "pu": 4, "b": [["1.00", "0.010"]], "a": []}
SPOT_DEPTH = {"e": "depthUpdate", "E": 2, "s": "A", "U": 5, "u": 9, "b": [], "a": [["1.1", "0"], ["1.2", "2"]]}
BBO = {"e": "bookTicker", "u": 9, "s": "A", "b": "1.0", "B": "2", "a": "1.1", "A": "3", "T": 1, "E": 2}
TRADE = {"e": "trade", "E": 2, "T": 1, "s": "A", "t": 8, "p": "1.0", "q": "2", "X": "MARKET", "m": True}
AGGREGATE = {"e": "aggTrade", "E": 2, "a": 8, "s": "A", "p": "1.0", "q": "2", "f": 1, "l": 1, "T": 1, "m": False}
REST = {"lastUpdateId": 9, "E": 2, "T": 1, "symbol": "A", "bids": [["1.0", "2"]], "asks": [["1.1", "3"]]}
MARK = {"e": "markPriceUpdate", "E": 2, "s": "A", "p": "1.23456789", "i": "1.2", "r": "0.1", "T": 9}

BINANCE_ROWS = [
    (DEPTH, [(K.BOOK_DELTA, S.BID, 10, 10, 4, 9, 1)], 1_000_000),
    (SPOT_DEPTH, [(K.BOOK_DELTA, S.ASK, 11, 0, 4, 9, 0), (K.BOOK_DELTA, S.ASK, 12, 2000, 4, 9, 1)], 2_000_000),
    ({**SPOT_DEPTH, "a": []}, [(K.BOOK_DELTA, S.NONE, NO_P, 0, 4, 9, 1)], 2_000_000),
    (BBO, [(K.BBO, S.BID, 10, 2000, NO_ID, 9, 0), (K.BBO, S.ASK, 11, 3000, NO_ID, 9, 1)], 1_000_000),
    (
        {key: BBO[key] for key in "usbBaA"},
        [(K.BBO, S.BID, 10, 2000, NO_ID, 9, 0), (K.BBO, S.ASK, 11, 3000, NO_ID, 9, 1)],
        NO_TS_NS,
    ),
    (TRADE, [(K.TRADE, S.ASK, 10, 2000, NO_ID, 8, 1)], 1_000_000),
    ({**TRADE, "m": False}, [(K.TRADE, S.BID, 10, 2000, NO_ID, 8, 1)], 1_000_000),
    (AGGREGATE, [(K.TRADE, S.BID, 10, 2000, NO_ID, 8, 1)], 1_000_000),
    (
        REST,
        [(K.BOOK_SNAPSHOT, S.BID, 10, 2000, NO_ID, 9, 0), (K.BOOK_SNAPSHOT, S.ASK, 11, 3000, NO_ID, 9, 1)],
        1_000_000,
    ),
    (MARK, [(K.MARK, S.NONE, NO_P, 0, 120_000_000, 123_456_789, 1)], 2_000_000),
    ({**MARK, "i": ""}, [(K.MARK, S.NONE, NO_P, 0, NO_ID, 123_456_789, 1)], 2_000_000),
]


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize(("message", "rows", "ts_exchange_ns"), BINANCE_ROWS)
def test_binance_rows(message, rows, ts_exchange_ns, wrapped):
    if wrapped and "lastUpdateId" not in message:
        message = {"stream": "a@depth@0ms", "data": message}
    found = parse(BINANCE, message)
    assert short(found) == [tuple(map(int, row)) for row in rows]
    assert set(found["ts_exchange_ns"].tolist()) == {ts_exchange_ns} and set(found["ts_receive_ns"].tolist()) == {7}


def without(message, key):
    return {name: value for name, value in message.items() if name != key}


BINANCE_REFUSED = [
    (b"{", "not JSON"),
    (b"[]", "not a JSON object"),
    ({"e": "strange"}, "unknown kind"),
    ({"data": []}, "not what it should be"),
    (without(DEPTH, "u"), '"u" is missing'),
    (without(DEPTH, "b"), "levels are missing"),
    (without(DEPTH, "s"), "symbol is missing"),
    ({**DEPTH, "u": "9"}, '"u" is not an integer'),
    ({**DEPTH, "u": -9}, "out of range"),
    ({**DEPTH, "u": True}, "not an integer"),
    ({**DEPTH, "u": 1 << 62}, "out of range"),
    ({**DEPTH, "U": 10}, "is above"),
    ({**DEPTH, "T": 1.5}, "not an integer"),
    ({**DEPTH, "T": 1 << 60}, "out of range"),
    ({**DEPTH, "b": [["1.05", "1"]]}, r"price \"1.05\" is off the grid \(step 0.1\)"),
    ({**DEPTH, "b": [["1.00", "0.0001"]]}, r"size .* off the grid \(step 0.001\)"),
    ({**DEPTH, "b": [["-1.0", "1"]]}, "negative"),
    ({**DEPTH, "b": [["NaN", "1"]]}, "plain decimal"),
    ({**DEPTH, "b": [["1", "1e3"]]}, "plain decimal"),
    ({**DEPTH, "b": [[1.0, "1"]]}, "not a decimal string"),
    ({**DEPTH, "b": [["0", "1"]]}, "price is 0"),
    ({**DEPTH, "b": [["1", "1", "1"]]}, "not \\[price, size\\]"),
    ({**DEPTH, "b": [["1" * 17, "1"]]}, "limit|digits"),
    ({**TRADE, "q": "0"}, "trade of size 0"),
    ({**TRADE, "m": 1}, "true or false"),
    ({**REST, "bids": [["1", "0"]]}, "level of size 0"),
    ({**MARK, "p": "1.1234567e8"}, "not a plain decimal"),
    ({**MARK, "p": "99999999999.123456789"}, "beyond the limit"),
]


@pytest.mark.parametrize(("message", "reason"), BINANCE_REFUSED)
def test_binance_refuses(message, reason):
    found = parse(BINANCE, message)
    assert isinstance(found, Refusal), found
    import re

    assert re.search(reason, found.reason), found.reason


@pytest.mark.parametrize(
    ("message", "what"),
    [
        ({"result": None, "id": 1}, "ack"),
        ({"e": "kline", "k": {}}, "kline"),
        ({**TRADE, "X": "INSURANCE_FUND", "p": "0", "q": "0"}, "trade beside the book"),
        ({"stream": "a@depth20@100ms", "data": DEPTH}, "partial depth"),
        ({"stream": "a@depth5", "data": {"lastUpdateId": 1, "bids": [], "asks": []}}, "partial depth"),
    ],
)
def test_binance_passes_over(message, what):
    assert parse(BINANCE, message) == Skipped(what)


@pytest.mark.parametrize(
    ("message", "market"),
    [(DEPTH, "usdm"), (SPOT_DEPTH, "spot"), (BBO, "usdm"), (AGGREGATE, "usdm"), ({**AGGREGATE, "M": True}, "spot"),
     ({**TRADE, "s": "CUSD_PERP", "p": "1"}, "coinm"), (without(without(REST, "T"), "E"), "spot")],
)  # fmt: skip
def test_binance_market_shows_in_the_content(message, market):
    context = context_of("binance")
    parse(BINANCE, message, context)
    assert context.market == market
    other = DEPTH if market == "spot" else SPOT_DEPTH
    assert f"in a {market} capture" in parse(BINANCE, other, context).reason


@pytest.mark.parametrize(
    ("hint", "url", "symbol"),
    [("A", "", "A"), ("", "https://x/depth?symbol=B&limit=5", "B"), ("A", "https://x?symbol=B", "B")],
)
def test_binance_snapshot_symbol(hint, url, symbol):
    context = context_of("binance", symbol_hint=hint, url=url)
    parse(BINANCE, {**without(REST, "symbol"), "bids": [], "asks": []}, context)
    assert list(context.table.listings) == [symbol]


def test_binance_snapshot_without_a_symbol_is_held():
    with pytest.raises(UnnamedSnapshotError):
        parse(BINANCE, without(REST, "symbol"))


def book(kind, update=9, **values):
    data = {"s": "A", "b": [["1.0", "2"]], "a": [], "u": update, "seq": 3}
    return {"topic": "orderbook.50.A", "type": kind, "ts": 2, "data": data, "cts": 1, **values}


def trades(*rows):
    defaults = {"T": 1, "s": "A", "S": "Buy", "v": "2", "p": "1.0", "i": "7", "BT": False, "seq": 3}
    return {"topic": "publicTrade.A", "type": "snapshot", "ts": 2, "data": [{**defaults, **row} for row in rows]}


def ticker(**data):
    return {"topic": "tickers.A", "type": "delta", "data": {"symbol": "A", **data}, "ts": 2}


BYBIT_ROWS = [
    (book("snapshot"), [(K.BOOK_SNAPSHOT, S.BID, 10, 2000, NO_ID, 9, 1)], 1_000_000),
    (book("delta"), [(K.BOOK_DELTA, S.BID, 10, 2000, 8, 9, 1)], 1_000_000),
    (without(book("delta"), "cts"), [(K.BOOK_DELTA, S.BID, 10, 2000, 8, 9, 1)], 2_000_000),
    (
        trades({}, {"S": "Sell", "BT": True, "seq": 4, "i": ""}),
        [(K.TRADE, S.BID, 10, 2000, 7, 3, 1), (K.TRADE, S.ASK, 10, 2000, NO_ID, 4, Flag.LAST | Flag.BLOCK)],
        1_000_000,
    ),
    (ticker(markPrice="1.5"), [(K.MARK, S.NONE, NO_P, 0, NO_VALUE, 150_000_000, 1)], 2_000_000),
]


@pytest.mark.parametrize(("message", "rows", "ts_exchange_ns"), BYBIT_ROWS)
def test_bybit_rows(message, rows, ts_exchange_ns):
    found = parse(BYBIT, message)
    assert short(found) == [tuple(map(int, row)) for row in rows]
    assert set(found["ts_exchange_ns"].tolist()) == {ts_exchange_ns}
    ends = (found["flags"] & Flag.LAST) != 0
    assert found["seq"].tolist() == [int(ends[:index].sum()) for index in range(len(found))]


def test_bybit_index_price_comes_with_the_last_mark_price():
    context = context_of("bybit")
    assert parse(BYBIT, ticker(indexPrice="2"), context) == Skipped("ticker")
    parse(BYBIT, ticker(markPrice="1.5"), context)
    assert short(parse(BYBIT, ticker(indexPrice="2"), context))[0][4:6] == (200_000_000, 150_000_000)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (book("other"), "unknown type"),
        ({"topic": "strange.A"}, "unknown topic"),
        ({"x": 1}, "unknown kind"),
        (without(book("delta"), "data"), '"data" is missing'),
        (trades(), "not a list of trades"),
        (trades({}, {"p": "1.01"}), "off the grid"),
        (trades({"S": "buy"}), "neither Buy nor Sell"),
        ({"retCode": 10001, "retMsg": "no"}, "answered an error"),
        (ticker(markPrice="-1"), "negative"),
    ],
)
def test_bybit_refuses(message, reason):
    found = parse(BYBIT, message)
    assert isinstance(found, Refusal) and reason in found.reason, found


def test_bybit_instruments_list_gives_the_grid():
    context = Context(table=SymbolTable(venue="bybit"))
    row = {"symbol": "A", "priceFilter": {"tickSize": "0.5"}, "lotSizeFilter": {"qtyStep": "2", "minOrderQty": "4"}}
    info = {"retCode": 0, "result": {"category": "inverse", "list": [row]}}
    assert parse(BYBIT, info, context) == Skipped("instruments list")
    assert short(parse(BYBIT, book("delta"), context))[0][2:4] == (2, 1)
    instrument = context.table.listings["A"].instrument
    assert (instrument.contract, instrument.min_qty_lots) == ("inverse", 2)


def test_bybit_book_is_the_first_depth():
    context = context_of("bybit")
    parse(BYBIT, book("snapshot"), context)
    assert parse(BYBIT, book("delta", topic="orderbook.1.A"), context) == Skipped("orderbook.1 beside orderbook.50")


def test_no_grid_is_told_to_the_import():
    with pytest.raises(UnknownSymbolError) as caught:
        parse(BINANCE, {**BBO, "s": "Q"})
    error = caught.value
    assert (error.symbol, error.market, error.missing) == ("Q", "usdm", ("tick_size", "lot_size"))


def test_a_flag_comes_before_the_table():
    context = Context(table=SymbolTable(venue="binance", ticks={"BTCUSDT": "0.5"}))
    parse(BINANCE, {**BBO, "s": "BTCUSDT"}, context)
    instrument = context.table.listings["BTCUSDT"].instrument
    assert (instrument.tick_size, instrument.lot_size) == ("0.5", "0.001")


# Mark and index prices have eight decimals in a row: more are rounded, where that is less than 0.05 % of them.
SMALL_MARKS = [
    ("1.234567891", 123_456_789),
    ("0.0000123456", 1_235),
    ("0.00000045", 45),
    ("0.0000004501", None),
    ("0.000000000123", None),
]


@pytest.mark.parametrize(("text", "mark_e8"), SMALL_MARKS)
def test_prices_of_more_decimals_are_rounded_or_left_out(text, mark_e8):
    ticker = {"topic": "tickers.A", "type": "delta", "data": {"symbol": "A", "markPrice": text}, "cs": 1, "ts": 2}
    for captures, message in ((BYBIT, ticker), (BINANCE, MARK | {"p": text, "i": ""})):
        found = parse(captures, message)
        if mark_e8 is None:
            assert isinstance(found, Skipped), found
        else:
            assert found["aux"].tolist() == [mark_e8]
    index = parse(BINANCE, MARK | {"i": text})
    assert index["order_id"].tolist() == [NO_VALUE if mark_e8 is None else mark_e8]
