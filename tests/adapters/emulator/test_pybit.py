"""The venue's own SDK trades a full cycle on the emulator, unchanged but for its URLs."""

import queue
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pybit._websocket_trading as trading_module
import pybit.unified_trading as pybit
import pytest
from pybit.exceptions import FailedRequestError, InvalidRequestError

from tests.adapters.emulator.running import WAIT_S, RunningVenue, run_synthetic

SYMBOL = "BTCUSDT"
Frames = queue.Queue[dict[str, Any]]


@pytest.fixture(scope="module")
def running() -> Iterator[RunningVenue]:
    # The SDK notes whom to tell after it has sent: an answer must not come faster than from a real venue.
    venue = run_synthetic(latency_s=0.02)
    yield venue
    venue.close()


@pytest.fixture
def rest(running: RunningVenue) -> pybit.HTTP:
    return make_rest(running, 0)


def make_rest(running: RunningVenue, account: int, secret: str = "") -> pybit.HTTP:
    key = running.keys[account]
    client = pybit.HTTP(api_key=key.key, api_secret=secret or key.secret, max_retries=1, retry_delay=0)
    client.endpoint = running.urls["rest"]
    return client


@pytest.fixture
def sockets(running: RunningVenue, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(pybit, "PUBLIC_WSS", running.urls["public"].replace("linear", "{CHANNEL_TYPE}"))
    monkeypatch.setattr(pybit, "PRIVATE_WSS", running.urls["private"])
    monkeypatch.setattr(trading_module, "TRADE_WSS", running.urls["trade"])
    opened: list[Any] = []

    def connect(kind: str) -> Any:
        key = running.keys[0]
        keys = {"api_key": key.key, "api_secret": key.secret, "testnet": False}
        made = pybit.WebSocketTrading(**keys) if kind == "trade" else pybit.WebSocket(channel_type=kind, **keys)
        opened.append(made)
        return made

    yield connect
    for made in opened:
        made.exit()


def touch(rest: pybit.HTTP) -> tuple[Decimal, Decimal]:
    book = rest.get_orderbook(category="linear", symbol=SYMBOL, limit=1)["result"]
    return Decimal(book["b"][0][0]), Decimal(book["a"][0][0])


def wait_for(frames: Frames, test: Any) -> dict[str, Any]:
    """Return the first entry that passes a test."""
    end_s = time.monotonic() + WAIT_S
    while time.monotonic() < end_s:
        for entry in frames.get(timeout=WAIT_S)["data"]:
            if test(entry):
                return entry
    raise AssertionError("no such entry came")


def test_market_endpoints(rest: pybit.HTTP) -> None:
    assert abs(int(rest.get_server_time()["result"]["timeNano"]) - time.time_ns()) < 5e9
    listed = rest.get_instruments_info(category="linear")["result"]["list"]
    assert [entry["symbol"] for entry in listed] == ["BTCUSDT", "ETHUSDT"]
    assert listed[0]["priceFilter"]["tickSize"] == "0.10" and listed[0]["lotSizeFilter"]["qtyStep"] == "0.001"
    book = rest.get_orderbook(category="linear", symbol=SYMBOL, limit=50)["result"]
    bids, asks = ([Decimal(price) for price, _ in book[side]] for side in "ba")
    assert len(bids) == len(asks) == 50 and bids[0] < asks[0]
    assert bids == sorted(bids, reverse=True) and asks == sorted(asks)
    ticker = rest.get_tickers(category="linear", symbol=SYMBOL)["result"]["list"][0]
    assert Decimal(ticker["bid1Price"]) < Decimal(ticker["ask1Price"])
    trades = []
    while len(trades) < 5:
        trades = rest.get_public_trade_history(category="linear", symbol=SYMBOL, limit=5)["result"]["list"]
    assert {trade["side"] for trade in trades} <= {"Buy", "Sell"}


def test_full_cycle(rest: pybit.HTTP, sockets: Any) -> None:
    order_frames, fill_frames, fast_frames, position_frames, wallet_frames = (Frames() for _ in range(5))
    private = sockets("private")
    private.order_stream(order_frames.put)
    private.execution_stream(fill_frames.put)
    private.fast_execution_stream(fast_frames.put)
    private.position_stream(position_frames.put)
    private.wallet_stream(wallet_frames.put)
    rest.set_leverage(category="linear", symbol=SYMBOL, buyLeverage="20", sellLeverage="20")

    bid, _ = touch(rest)
    price = bid - 500
    placed = rest.place_order(
        category="linear", symbol=SYMBOL, side="Buy", orderType="Limit", qty="0.010", price=str(price),
        timeInForce="PostOnly", orderLinkId="cycle-1",
    )["result"]  # fmt: skip
    assert placed["orderLinkId"] == "cycle-1"
    assert wait_for(order_frames, lambda entry: entry["orderId"] == placed["orderId"])["orderStatus"] == "New"
    resting = rest.get_open_orders(category="linear", symbol=SYMBOL)["result"]["list"]
    assert [(entry["orderId"], entry["price"], entry["leavesQty"]) for entry in resting] == [
        (placed["orderId"], f"{price:.2f}", "0.010")
    ]
    with pytest.raises(InvalidRequestError) as twice:
        rest.place_order(
            category="linear", symbol=SYMBOL, side="Buy", orderType="Limit", qty="0.010", price=str(price),
            orderLinkId="cycle-1",
        )  # fmt: skip
    assert twice.value.status_code == 110072

    rest.amend_order(category="linear", symbol=SYMBOL, orderLinkId="cycle-1", price=str(price - 10), qty="0.012")
    amended = wait_for(order_frames, lambda entry: entry["qty"] == "0.012")
    assert amended["price"] == f"{price - 10:.2f}" and amended["orderStatus"] == "New"
    rest.cancel_order(category="linear", symbol=SYMBOL, orderId=placed["orderId"])
    ended = wait_for(order_frames, lambda entry: entry["orderStatus"] == "Cancelled")
    assert ended["cancelType"] == "CancelByUser"
    with pytest.raises(InvalidRequestError) as gone:
        rest.cancel_order(category="linear", symbol=SYMBOL, orderId=placed["orderId"])
    assert gone.value.status_code == 110001

    taken = rest.place_order(
        category="linear", symbol=SYMBOL, side="Buy", orderType="Market", qty="0.010", orderLinkId="cycle-2"
    )["result"]
    fill = wait_for(fill_frames, lambda entry: entry["orderId"] == taken["orderId"])
    assert fill["isMaker"] is False and fill["execQty"] == "0.010" and fill["side"] == "Buy"
    assert Decimal(fill["execFee"]) == Decimal(fill["execValue"]) * Decimal(fill["feeRate"]) > 0
    assert wait_for(fast_frames, lambda entry: True)["execId"] == fill["execId"]
    assert wait_for(order_frames, lambda entry: entry["orderStatus"] == "Filled")["cumExecQty"] == "0.010"
    assert wait_for(position_frames, lambda entry: True)["size"] == "0.010"
    listed = rest.get_executions(category="linear", symbol=SYMBOL)["result"]["list"]
    assert [entry["execId"] for entry in listed] == [fill["execId"]]
    held = rest.get_positions(category="linear", symbol=SYMBOL)["result"]["list"][0]
    assert (held["side"], held["size"], held["leverage"]) == ("Buy", "0.010", "20")
    assert Decimal(held["avgPrice"]) == Decimal(fill["execPrice"])
    wallet = rest.get_wallet_balance(accountType="UNIFIED")["result"]["list"][0]
    assert Decimal(wallet["totalWalletBalance"]) == 100_000 - Decimal(fill["execFee"])
    assert wait_for(wallet_frames, lambda entry: True)["coin"][0]["coin"] == "USDT"

    closed = rest.place_order(
        category="linear", symbol=SYMBOL, side="Sell", orderType="Market", qty="0.010", reduceOnly=True
    )["result"]
    assert wait_for(fill_frames, lambda entry: entry["orderId"] == closed["orderId"])["closedSize"] == "0.010"
    assert rest.get_positions(category="linear", symbol=SYMBOL)["result"]["list"][0]["size"] == "0"
    with pytest.raises(InvalidRequestError) as flat:
        rest.place_order(
            category="linear", symbol=SYMBOL, side="Sell", orderType="Market", qty="0.010", reduceOnly=True
        )
    assert flat.value.status_code == 110017
    history = rest.get_order_history(category="linear", symbol=SYMBOL)["result"]["list"]
    assert [entry["orderStatus"] for entry in history] == ["Filled", "Filled", "Cancelled"]


def test_histories(rest: pybit.HTTP) -> None:
    market = {"category": "linear", "symbol": SYMBOL}
    for side in ("Buy", "Sell"):
        rest.place_order(**market, side=side, orderType="Market", qty="0.003")
    candle = rest.get_kline(**market, interval=1, limit=1)["result"]["list"][0]
    assert Decimal(candle[3]) <= Decimal(candle[4]) <= Decimal(candle[2])
    assert rest.get_funding_rate_history(**market)["result"]["list"] == []
    assert rest.get_risk_limit(**market)["result"]["list"][0]["isLowestRisk"] == 1
    assert rest.get_closed_pnl(**market)["result"]["list"][0]["closedSize"] == "0.003"
    log = rest.get_transaction_log(accountType="UNIFIED", category="linear", currency="USDT")["result"]["list"]
    assert [(entry["type"], entry["size"]) for entry in log[:2]] == [("TRADE", "0"), ("TRADE", "0.003")]


def test_public_streams_follow_the_book(rest: pybit.HTTP, sockets: Any) -> None:
    books: Frames = Frames()
    trades: Frames = Frames()
    tickers: Frames = Frames()
    public = sockets("linear")
    public.orderbook_stream(50, SYMBOL, books.put)
    public.trade_stream(SYMBOL, trades.put)
    public.ticker_stream(SYMBOL, tickers.put)
    # The SDK keeps the book itself; it drops an unknown level's removal with an error, so twenty updates prove a lot.
    last = None
    for _ in range(20):
        last = books.get(timeout=WAIT_S)["data"]
    assert last is not None
    bids, asks = ([Decimal(price) for price, _ in last[side]] for side in "ba")
    assert len(bids) == len(asks) == 50 and max(bids) < min(asks)
    assert trades.get(timeout=WAIT_S)["data"][0]["s"] == SYMBOL
    assert tickers.get(timeout=WAIT_S)["data"]["symbol"] == SYMBOL


def test_orders_over_the_socket(rest: pybit.HTTP, sockets: Any) -> None:
    answers: Frames = Frames()
    trade = sockets("trade")
    price = str(touch(rest)[0] - 600)
    order = {"category": "linear", "symbol": SYMBOL, "side": "Buy", "orderType": "Limit", "qty": "0.001"}
    trade.place_order(answers.put, **order, price=price, timeInForce="PostOnly", orderLinkId="socket-1")
    placed = answers.get(timeout=WAIT_S)
    assert placed["op"] == "order.create" and placed["data"]["orderLinkId"] == "socket-1"
    trade.amend_order(answers.put, category="linear", symbol=SYMBOL, orderLinkId="socket-1", qty="0.002")
    assert answers.get(timeout=WAIT_S)["data"]["orderId"] == placed["data"]["orderId"]
    trade.cancel_order(answers.put, category="linear", symbol=SYMBOL, orderLinkId="socket-1")
    assert answers.get(timeout=WAIT_S)["op"] == "order.cancel"
    batch = [order | {"price": price, "orderLinkId": f"batch-{number}"} for number in range(2)]
    trade.place_batch_order(answers.put, category="linear", request=batch)
    many = answers.get(timeout=WAIT_S)
    assert [entry["code"] for entry in many["retExtInfo"]["list"]] == [0, 0]
    ended = rest.cancel_all_orders(category="linear", symbol=SYMBOL)["result"]["list"]
    assert {entry["orderLinkId"] for entry in ended} == {"batch-0", "batch-1"}


def test_refusals_have_the_venues_codes(running: RunningVenue, rest: pybit.HTTP) -> None:
    order = {"category": "linear", "symbol": SYMBOL, "side": "Buy", "orderType": "Limit", "qty": "0.001"}
    cases = [
        ({"price": "60000.05"}, 10001),  # off the tick
        ({"price": "60000", "qty": "0.0005"}, 10001),
        ({"price": "60000", "qty": "0"}, 10001),
        ({"price": "60000", "symbol": "NOPEUSDT"}, 10001),
        ({"price": "60000", "side": "Long"}, 10001),
        ({"price": "1000", "qty": "0.001"}, 110094),
        ({"price": "9000000"}, 110003),
        ({"price": "60000", "qty": "1000"}, 110007),
        ({"price": "60000", "triggerPrice": "61000"}, 10001),
    ]
    for change, code in cases:
        with pytest.raises(InvalidRequestError) as refused:
            rest.place_order(**(order | change))
        assert refused.value.status_code == code, change
    with pytest.raises(InvalidRequestError) as wrong:
        make_rest(running, 0, secret="not the secret").get_wallet_balance(accountType="UNIFIED")
    assert wrong.value.status_code == 10004
    stranger = make_rest(running, 0)
    stranger.api_key = "unknown"
    with pytest.raises(InvalidRequestError) as unknown:
        stranger.get_wallet_balance(accountType="UNIFIED")
    assert unknown.value.status_code == 10003


def test_a_clock_that_is_off_by_a_minute_is_refused(running: RunningVenue, rest: pybit.HTTP) -> None:
    running.set_faults({"fault": "clock_skew", "at": "rest:/v5/market/time", "skew_ms": 60_000, "duration_ms": 400})
    assert int(rest.get_server_time()["time"]) - time.time_ns() // 1_000_000 > 59_000
    with pytest.raises(FailedRequestError):  # 10002 is retried by the SDK until it gives up
        rest.get_wallet_balance(accountType="UNIFIED")
    time.sleep(0.5)
    assert rest.get_wallet_balance(accountType="UNIFIED")["retCode"] == 0
