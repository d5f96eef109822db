"""mm's own protocol meets the emulator: two readings of the venue's pages, written apart, agree on the wire."""

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mmfold.adapters.venues.bybit.private import PrivateParser
from mmfold.adapters.venues.bybit.public import PublicParser
from mmfold.adapters.venues.bybit.requests import RequestEncoder
from mmfold.adapters.venues.bybit.responses import RequestBook
from mmfold.adapters.venues.bybit.rest import RestParser, parse_fee_rates, parse_instruments, parse_time, read_page
from mmfold.adapters.venues.ledger import OrderLedger
from mmfold.adapters.venues.order_port import Private
from mmfold.adapters.venues.pending import Outcome
from mmfold.adapters.venues.port import Control, Verdict
from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.limits import ORDER_ID_SEQ_SHIFT
from mmfold.engine.records import EVENT, NO_PRICE_TICKS, NO_VALUE
from tests.adapters.emulator.running import LINEAR, RawSocket, RunningVenue, price_below, rest

USDT = {"category": "linear", "settleCoin": "USDT"}
Frames = list[bytes]


def get(running: RunningVenue, path: str, params: dict[str, Any], private: bool = False) -> bytes:
    return rest(running, "GET", path, params, running.keys[0] if private else None).body


def test_metadata(running: RunningVenue) -> None:
    instruments, cursor = parse_instruments(get(running, "/v5/market/instruments-info", {"category": "linear"}))
    ours = [product.instrument for product in running.venue.accounts[running.keys[0].key].products.values()]
    coins = {"base_coin": "", "quote_coin": "", "settle_coin": ""}  # the listing says them, a synthetic market does not
    assert ([replace(one, **coins) for one in instruments], cursor) == ([replace(one, **coins) for one in ours], "")
    assert abs(parse_time(get(running, "/v5/market/time", {})) - time.time_ns()) < 5e9
    rates = parse_fee_rates(get(running, "/v5/account/fee-rate", {"category": "linear"}, private=True))
    assert [(rate.symbol, rate.maker_ppm, rate.taker_ppm) for rate in rates] == [
        (one.symbol, one.maker_fee_ppm, one.taker_fee_ppm) for one in ours
    ]


def test_the_public_stream_is_read_as_it_was_written(running: RunningVenue) -> None:
    parser = PublicParser(running.venue.source.manifest)
    book: dict[tuple[int, int], int] = {}
    counts = dict.fromkeys((EventKind.BOOK_SNAPSHOT, EventKind.BOOK_DELTA, EventKind.TRADE, EventKind.MARK), 0)
    last: dict[str, Any] = {}
    with RawSocket(running.urls["public"]) as public:
        public.send({"op": "subscribe", "args": ["orderbook.200.BTCUSDT", "publicTrade.BTCUSDT", "tickers.BTCUSDT"]})
        while min(counts.values()) < 1 or counts[EventKind.BOOK_DELTA] < 8:
            frame = public.socket.recv(10)
            assert isinstance(frame, str)
            rows = parser.parse(frame.encode(), time.time_ns())
            if not isinstance(rows, np.ndarray):
                assert isinstance(rows, Control) and rows.ok
                continue
            for row in rows:
                kind = EventKind(int(row["kind"]))
                counts[kind] += 1
                if kind in (EventKind.BOOK_SNAPSHOT, EventKind.BOOK_DELTA) and row["side"] != Side.NONE:
                    book[int(row["side"]), int(row["price_ticks"])] = int(row["qty_lots"])
            last = {"rows": rows} if rows[0]["kind"] == EventKind.BOOK_DELTA else last
    bids = [price for (side, price), qty in book.items() if side == Side.BID and qty]
    asks = [price for (side, price), qty in book.items() if side == Side.ASK and qty]
    assert len(bids) == len(asks) == 100 and max(bids) < min(asks)
    assert last["rows"][0]["order_id"] == last["rows"][0]["aux"] - 1


class OwnClient:
    """The sans-I/O parts of the live runner on raw sockets."""

    def __init__(self, running: RunningVenue, private: RawSocket, trade: RawSocket) -> None:
        manifest = running.venue.source.manifest
        ledger = OrderLedger("a run")
        self.private, self.trade = private, trade
        self.encoder, self.requests = RequestEncoder(manifest, ledger), RequestBook(ledger)
        self.parser = PrivateParser(manifest, ledger)
        self.rest = RestParser(manifest, ledger)
        self.told: list[Any] = []
        self.request_count = 0

    def request(self, *effects: Any) -> Verdict:
        self.request_count += 1
        name = f"r{self.request_count}"
        (run,) = self.encoder.split(np.array(list(effects), EVENT))
        message = self.encoder.encode_socket(run, name, time.time_ns() // 1_000_000)
        self.requests.note_sent(name, run.effects, time.time_ns())
        self.trade.socket.send(message.decode())
        frame = self.trade.socket.recv(10)
        assert isinstance(frame, str)
        outcome = self.requests.parse_socket(frame.encode(), time.time_ns())
        assert isinstance(outcome, Outcome)
        assert outcome.limit is not None and outcome.limit.requests_left < outcome.limit.requests_max
        return outcome.answers[0].verdict

    def await_kind(self, kind: EventKind, order_id: int) -> Any:
        """Return the row of a kind for an order, once the private stream has told it."""
        while True:
            for row in self.told:
                if row["kind"] == kind and row["order_id"] == order_id:
                    self.told.remove(row)
                    return row
            frame = self.private.socket.recv(10)
            assert isinstance(frame, str)
            news = self.parser.parse(frame.encode(), time.time_ns())
            assert isinstance(news, Private) and not news.foreign
            self.told += list(news.rows)


def effect(kind: EventKind, order_id: int, side: Side, price_ticks: int, qty_lots: int, flags: int, aux: int) -> Any:
    row = np.zeros(1, EVENT)[0]
    row["kind"], row["order_id"], row["side"], row["flags"] = kind, order_id, side, Flag.LAST | flags
    row["price_ticks"], row["qty_lots"], row["aux"] = price_ticks, qty_lots, aux
    return row


@pytest.fixture
def ids() -> list[int]:
    return [(seq << ORDER_ID_SEQ_SHIFT) | slot for seq, slot in ((10, 0), (11, 1), (12, 2))]


def test_an_orders_life(running: RunningVenue, ids: list[int]) -> None:
    key, price = running.keys[0], round(float(price_below(running)) * 10)
    first, second, third = ids
    with RawSocket(running.urls["private"]) as private, RawSocket(running.urls["trade"]) as trade:
        assert private.auth(key)["success"] and trade.auth(key)["retCode"] == 0
        private.ask({"op": "subscribe", "args": ["order", "execution", "position", "wallet"]})
        own = OwnClient(running, private, trade)
        place = effect(EventKind.PLACE, first, Side.BID, price, 10, Flag.POST_ONLY, NO_VALUE)
        assert own.request(place) == Verdict.DONE
        own.await_kind(EventKind.ACK, first)
        assert own.request(effect(EventKind.AMEND, first, Side.BID, price - 5, 12, 0, 0)) == Verdict.DONE
        amended = own.await_kind(EventKind.AMENDED, first)
        assert (amended["price_ticks"], amended["qty_lots"]) == (price - 5, 12)
        listed = read_page(get(running, "/v5/order/realtime", USDT, private=True))
        rows = own.rest.parse_open_orders([listed], "linear", time.time_ns()).rows
        assert [int(row["order_id"]) for row in rows if row["instrument_index"] == 0] == [first]
        cancel = effect(EventKind.CANCEL, first, Side.BID, NO_PRICE_TICKS, 0, 0, NO_VALUE)
        assert own.request(cancel) == Verdict.DONE
        own.await_kind(EventKind.CANCELED, first)
        assert own.request(cancel) == Verdict.GONE

        crossing = effect(EventKind.PLACE, second, Side.BID, price + 20_000, 10, Flag.POST_ONLY, NO_VALUE)
        assert own.request(crossing) == Verdict.DONE
        own.await_kind(EventKind.EXPIRED, second)
        taker = effect(EventKind.PLACE, third, Side.BID, price + 20_000, 10, Flag.IOC, NO_VALUE)
        assert own.request(taker) == Verdict.DONE
        fill = own.await_kind(EventKind.FILL, third)
        assert (fill["qty_lots"], fill["side"], fill["flags"] & Flag.MAKER) == (10, Side.BID, 0)
        page = read_page(get(running, "/v5/execution/list", LINEAR, private=True))
        fills = own.rest.parse_executions([page], time.time_ns()).rows
        assert [int(row["aux"]) for row in fills if row["kind"] == EventKind.FILL] == [int(fill["aux"])]
        positions = read_page(get(running, "/v5/position/list", USDT, private=True))
        held = own.rest.parse_positions([positions], "linear", time.time_ns()).rows
        assert [int(row["qty_lots"]) for row in held if row["instrument_index"] == 0] == [10]
        wallet = get(running, "/v5/account/wallet-balance", {"accountType": "UNIFIED"}, private=True)
        cash_micros = int(own.rest.parse_wallet(wallet, time.time_ns())[0]["aux"])
        assert 99_999 * 10**6 < cash_micros < 100_000 * 10**6
