"""A symbol's market turns any venue's recorded feed into one gapless in-stream feed."""

from decimal import Decimal

import numpy as np
import pytest

from mmfold.adapters.emulator.bybit.numbers import parse_qty
from mmfold.adapters.emulator.bybit.payloads import ticker_fields
from mmfold.adapters.emulator.bybit.topics import instrument_info
from mmfold.adapters.emulator.market.product import Product
from mmfold.adapters.emulator.market.symbol import SymbolMarket
from mmfold.adapters.emulator.market.synthetic import make_rows
from mmfold.engine.codes import Continuity, EventKind, Side
from mmfold.engine.manifest import Instrument

NOW_NS = 1_700_000_000_000_000_000


def make_market(continuity: Continuity = Continuity.IN_STREAM) -> SymbolMarket:
    return SymbolMarket(Product(Instrument(symbol="BTCUSDT", tick_size="0.10", lot_size="0.001"), 0), continuity)


def book(kind: EventKind, venue_seq: int, previous: int, *levels: tuple[Side, int, int]) -> np.ndarray:
    rows = make_rows(kind, 0, list(levels) or [(Side.NONE, 0, 0)])
    rows["aux"], rows["order_id"] = venue_seq, previous
    return rows


def snapshot(venue_seq: int) -> np.ndarray:
    return book(EventKind.BOOK_SNAPSHOT, venue_seq, 0, (Side.BID, 100, 5), (Side.BID, 99, 4), (Side.ASK, 101, 3))


def delta(venue_seq: int, previous: int, qty: int = 7) -> np.ndarray:
    return book(EventKind.BOOK_DELTA, venue_seq, previous, (Side.BID, 100, qty))


# A word per message: s10 snapshot at id 10, d11:10 delta to 11 that continues 10, gap and clear.
SCRIPTS = [
    (Continuity.IN_STREAM, "s10 d11:10 d12:11", "s d d", True),
    (Continuity.IN_STREAM, "d9:8 s10 d11:10", "s d", True),
    (Continuity.IN_STREAM, "s10 d10:9 d11:10", "s d", True),  # older than the book
    (Continuity.IN_STREAM, "s10 d12:11", "s", False),  # one is missing
    (Continuity.IN_STREAM, "s10 d12:11 d13:12 s20 d21:20", "s s d", True),
    (Continuity.IN_STREAM, "s10 gap d11:10", "s", False),
    (Continuity.IN_STREAM, "s10 clear s1 d2:1", "s s d", True),
    (Continuity.BESIDE_STREAM, "d9:7 d12:9 d15:12 s10 d16:15", "s d d d", True),  # held, the first that spans it joins
    (Continuity.BESIDE_STREAM, "s10 d12:8 d15:12", "s d d", True),
    (Continuity.BESIDE_STREAM, "s10 d12:8 d15:11", "s d", False),
    (Continuity.BESIDE_STREAM, "s10 d12:8 s9 d15:12", "s d d", True),  # an older snapshot changes nothing
]


@pytest.mark.parametrize("continuity, script, told, live", SCRIPTS)
def test_continuity(continuity: Continuity, script: str, told: str, live: bool) -> None:
    market = make_market(continuity)
    out: list[np.ndarray] = []
    for word in script.split():
        if word in ("gap", "clear"):
            kind = EventKind.BOOK_GAP if word == "gap" else EventKind.BOOK_CLEAR
            out += market.apply(make_rows(kind, 0, [(Side.NONE, 0, 0)]), NOW_NS)
        elif word[0] == "s":
            out += market.apply(snapshot(int(word[1:])), NOW_NS)
        else:
            venue_seq, _, previous = word[1:].partition(":")
            out += market.apply(delta(int(venue_seq), int(previous)), NOW_NS)
    kinds = {EventKind.BOOK_SNAPSHOT: "s", EventKind.BOOK_DELTA: "d"}
    assert " ".join(kinds[EventKind(int(rows[0]["kind"]))] for rows in out) == told
    assert market.live == live
    ids = [int(rows[0]["aux"]) for rows in out]
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    for rows in out:
        assert np.all(rows["ts_exchange_ns"] == NOW_NS)
        if rows[0]["kind"] == EventKind.BOOK_DELTA:
            assert np.all(rows["order_id"] == rows["aux"] - 1)


def test_the_books_snapshot_rebuilds_it() -> None:
    market = make_market()
    market.apply(snapshot(10), NOW_NS)
    market.apply(delta(11, 10, qty=0), NOW_NS)
    copy = make_market()
    rows = market.snapshot_rows()
    assert rows is not None
    copy.apply(rows, NOW_NS)
    assert [side.top() for side in copy.sides] == [side.top() for side in market.sides] == [{99: 4}, {101: 3}]
    assert make_market().snapshot_rows() is None


def test_trades_have_a_direction() -> None:
    market = make_market()
    for price in (100, 101, 101, 100, 100, 102):
        market.apply(make_rows(EventKind.TRADE, 0, [(Side.BID, price, 2)]), NOW_NS)
    assert [trade.direction for trade in market.trades] == [
        "ZeroPlusTick", "PlusTick", "ZeroPlusTick", "MinusTick", "ZeroMinusTick", "PlusTick",
    ]  # fmt: skip
    fields = ticker_fields(market, NOW_NS)
    assert (fields["lastPrice"], fields["highPrice24h"], fields["lowPrice24h"]) == ("10.20", "10.20", "10.00")
    assert (fields["volume24h"], fields["turnover24h"]) == ("0.012", "0.1208")


@pytest.mark.parametrize(
    "with_mark, with_book, expected", [(True, True, 12_340), (False, True, 1_005), (False, False, 0)]
)
def test_mark_price(with_mark: bool, with_book: bool, expected: int) -> None:
    market = make_market()
    if with_book:
        market.apply(snapshot(1), NOW_NS)
    if with_mark:
        rows = make_rows(EventKind.MARK, 0, [(Side.NONE, 0, 0)])
        rows["aux"] = 12_340 * 10**6
        market.apply(rows, NOW_NS)
    assert market.mark_price() * 100 == expected


@pytest.mark.parametrize(("tick", "lot"), [("0.0000000001", "0.1"), ("0.00000001", "1"), ("100", "0.00001")])
@pytest.mark.parametrize("with_mark", [True, False])
def test_any_tick_has_a_ticker(tick: str, lot: str, with_mark: bool) -> None:
    # A mark price of ten decimals was a division by zero.
    market = SymbolMarket(Product(Instrument(symbol="XUSDT", tick_size=tick, lot_size=lot), 0), Continuity.IN_STREAM)
    market.apply(snapshot(1), NOW_NS)
    market.mark_e8 = 4_503 if with_mark else None
    fields = ticker_fields(market, NOW_NS)
    (bid, ask) = (Decimal(fields[name]) for name in ("bid1Price", "ask1Price"))
    mark = Decimal(4_503) / 10**8 if with_mark else (bid + ask) / 2
    assert 0 <= mark - Decimal(fields["markPrice"]) < Decimal(tick) or "." not in fields["markPrice"]
    info = instrument_info(market)
    most = Decimal(info["lotSizeFilter"]["maxOrderQty"])
    assert most >= 1_500_000 * Decimal(lot)
    assert most * Decimal(info["priceFilter"]["maxPrice"]) >= 2_900_000_000 or most >= Decimal(lot) * 10**12
    assert parse_qty(market.product, info["lotSizeFilter"]["maxOrderQty"]) == most / Decimal(lot)
