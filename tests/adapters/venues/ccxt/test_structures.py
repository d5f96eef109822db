"""ccxt's unified structures to rows, as tables; the structures are what ccxt makes of a venue's own messages."""

import pytest

from mmfold.adapters.venues.ccxt.structures import UnifiedParser, decimal_text
from mmfold.adapters.venues.port import MalformedFrame
from mmfold.engine.codes import Side
from mmfold.engine.records import NO_VALUE
from tests.adapters.venues.bybit.words import MANIFEST, TS, short

SYMBOLS = {"A/USDT:USDT": "A", "B/USDT:USDT": "B"}
UNIFIED = {"symbol": "A/USDT:USDT", "timestamp": 5}


def parser(sizes=None):
    return UnifiedParser(MANIFEST, SYMBOLS, sizes)


def test_order_book():
    found = parser()
    book = UNIFIED | {"bids": [[100.0, 1.5], [99.9, 0.0]], "asks": [[100.1, 1e-3, 7]], "nonce": 44}
    rows = found.parse_order_book(book, TS)
    assert short(rows) == [("BOOK_SNAPSHOT", 1000, 1500, None, 44, 0), ("BOOK_SNAPSHOT", 1001, 1, None, 44, 0)]
    assert rows["ts_exchange_ns"].tolist() == [5_000_000] * 2
    again = found.parse_order_book(book | {"nonce": None, "timestamp": None}, TS)
    assert set(again["aux"].tolist()) == {2}, "without a nonce the books are counted"


def test_trades():
    trades = [UNIFIED | {"id": "12", "side": "sell", "price": 100.1, "amount": 0.002}]
    trades += [UNIFIED | {"id": "a-1", "side": "buy", "price": "100.1", "amount": "0.001"}, {"symbol": "Z/USDT"}]
    rows = parser().parse_trades(trades, TS)
    assert short(rows) == [("TRADE", 1001, 2, None, 12, 0), ("TRADE", 1001, 1, 1524515437415930601, None, 0)]
    assert rows["side"].tolist() == [Side.ASK, Side.BID]


def test_sizes_in_contracts():
    trade = UNIFIED | {"id": "12", "side": "sell", "price": 100.1, "amount": 5.0}
    assert parser(sizes={"A": "0.01"}).parse_trades([trade], TS)["qty_lots"].tolist() == [50]


def test_a_trade_told_twice_counts_once():
    first = [UNIFIED | {"id": text, "side": "sell", "price": 100.1, "amount": 0.002} for text in ("12", "a-1", "a-2")]
    nameless = UNIFIED | {"side": "sell", "price": 100.1, "amount": 0.002}
    found = parser()
    assert len(found.parse_trades([*first, nameless], TS)) == 4
    again = found.parse_trades([*first[1:], nameless, first[0] | {"id": "13"}], TS)
    assert again["aux"].tolist() == [NO_VALUE, 13], "one without an id is never told twice"
    assert found.told_twice_count == 2


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"markPrice": 100.123456789}, [(10_012_345_679, None)]),
        ({"markPrice": "100.1", "indexPrice": 100}, [(10_010_000_000, 10_000_000_000)]),
        ({"indexPrice": 100}, []),
        ({"markPrice": 1, "symbol": "Z/USDT"}, []),
    ],
)
def test_mark_prices(change, told):
    rows = parser().parse_ticker(UNIFIED | change, TS)
    assert [(aux, order_id) for _, _, _, order_id, aux, _ in short(rows)] == told


def test_settled_funding_rates_are_rounded_against_us():
    rates = [UNIFIED | {"fundingRate": 0.0001}, UNIFIED | {"fundingRate": -1.23456789012e-5}, {"symbol": "Z/USDT"}]
    rows = parser().parse_settled(rates, TS, 77)
    assert [(kind, aux, order_id) for kind, _, _, order_id, aux, _ in short(rows)] == [
        ("FUNDING", 100_000, 77), ("FUNDING", -12_345, 77),
    ]  # fmt: skip


def test_a_mark_price_is_rounded_and_one_that_is_too_small_is_left_out():
    for price, mark_e8 in ((1.234567899, [123_456_790]), (0.0000123456, [1_235]), (4.501e-7, []), (1e-12, [])):
        assert parser().parse_ticker(UNIFIED | {"markPrice": price}, TS)["aux"].tolist() == mark_e8
    settled = parser().parse_settled([UNIFIED | {"fundingRate": 0.0001}], TS, NO_VALUE)
    assert short(settled) == [("FUNDING", None, 0, None, 100_000, 0)], "without a mark price the core values it"


MALFORMED = [
    (lambda p: p.parse_order_book(UNIFIED | {"bids": [[100.05, 1]], "asks": []}, TS), "off the grid"),
    (lambda p: p.parse_order_book(UNIFIED | {"bids": [[float("nan"), 1]], "asks": []}, TS), "out of range"),
    (lambda p: p.parse_order_book(UNIFIED | {"bids": [5], "asks": []}, TS), "price, size"),
    (lambda p: p.parse_order_book({"symbol": "Z/USDT"}, TS), "not in the manifest"),
    (lambda p: p.parse_order_book(UNIFIED | {"bids": None, "asks": []}, TS), "not a list"),
    (lambda p: p.parse_trades([UNIFIED | {"side": None, "price": 1, "amount": 1}], TS), "neither buy nor sell"),
    (lambda p: p.parse_trades([UNIFIED | {"side": "buy", "price": None, "amount": 1}], TS), "no number"),
    (lambda p: p.parse_trades([UNIFIED | {"timestamp": "x", "side": "buy", "price": 1, "amount": 1}], TS), "time"),
    (lambda p: p.parse_ticker(UNIFIED | {"markPrice": 0}, TS), "mark price 0 is out of range"),
    (lambda p: p.parse_settled([UNIFIED | {"fundingRate": 1.5}], TS, 1), "beyond 100 %"),
]


@pytest.mark.parametrize(("parse", "reason"), MALFORMED)
def test_a_refused_structure_is_kept(parse, reason):
    with pytest.raises(MalformedFrame, match=reason) as caught:
        parse(parser())
    assert caught.value.frame


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1, "0.1"),
        (1e-8, "0.00000001"),
        (65114.3, "65114.3"),
        (1e22, "1" + "0" * 22),
        (3, "3"),
        ("2.50", "2.5"),
        (0.0, "0"),
    ],
)
def test_decimal_texts(value, text):
    assert decimal_text(value) == text


def test_structures_that_ccxt_makes_of_the_venues_own_words():
    ccxt = pytest.importorskip("ccxt", reason="no ccxt: the extra `live` is not installed")
    client = ccxt.bybit()
    market = {"id": "A", "symbol": "A/USDT:USDT", "base": "A", "quote": "USDT", "settle": "USDT", "type": "swap"}
    market |= {"swap": True, "contract": True, "linear": True, "inverse": False, "spot": False, "contractSize": 1}
    market |= {"precision": {}, "limits": {}, "active": True, "option": False, "future": False}
    found = parser()
    levels = {"b": [["100.0", "1.5"]], "a": [["100.10", "0.001"]]}
    rows = found.parse_order_book(client.parse_order_book(levels, market["symbol"], 5, "b", "a"), TS)
    assert [row[:3] for row in short(rows)] == [("BOOK_SNAPSHOT", 1000, 1500), ("BOOK_SNAPSHOT", 1001, 1)]
    trade = {"execId": "12", "symbol": "A", "price": "100.10", "size": "0.001", "side": "Buy", "time": "5"}
    rows = found.parse_trades([client.parse_trade(trade, market)], TS)
    assert [row[:3] for row in short(rows)] == [("TRADE", 1001, 1)]
