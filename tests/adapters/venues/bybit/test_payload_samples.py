"""The venue's own examples (../shared/data/bybit_v5_payloads): each one that a module handles is read to its end."""

import numpy as np
import orjson
import pytest

from mmfold.adapters.venues.bybit import rest
from mmfold.adapters.venues.bybit.private import PrivateParser
from mmfold.adapters.venues.bybit.public import PublicParser
from mmfold.adapters.venues.bybit.responses import RequestBook
from mmfold.adapters.venues.bybit.rest import RestParser
from mmfold.adapters.venues.ledger import OrderLedger
from mmfold.adapters.venues.order_port import Private
from mmfold.adapters.venues.port import Control, Ignored
from mmfold.engine.codes import EventKind, RequestOutcome
from mmfold.engine.manifest import Instrument, Manifest
from tests.adapters.venues.bybit.words import TS, effect

pytestmark = pytest.mark.realdata

GRIDS = {"BTCUSDT": ("0.01", "0.001"), "ETHPERP": ("0.01", "0.1"), "ETHUSDT": ("0.01", "0.01")}
GRIDS |= {"ICPUSDT": ("0.001", "0.1"), "XRPUSDT": ("0.0001", "1")}
MANIFEST = Manifest(
    run_id="samples",
    instruments=tuple(
        Instrument(symbol=symbol, venue="bybit", tick_size=tick, lot_size=lot) for symbol, (tick, lot) in GRIDS.items()
    ),
)


@pytest.fixture
def samples(shared_data):
    folder = shared_data / "bybit_v5_payloads"
    if not folder.is_dir():
        pytest.skip("no payload samples beside the checkout")
    return folder


def frames_of(path):
    """The frames that the venue sends in one sample: one on each marked line, or what follows a line of `=`."""
    head, _, body = path.read_text(encoding="utf-8-sig").partition("\n=")
    frames = [line[line.index("{") :] for line in head.splitlines() if line.startswith("<")]
    for part in body.split("\n="):
        frames.append(part[part.index("{") :])
    return [orjson.dumps(orjson.loads(each.replace("|req_id|", "1"))) for each in frames if each.strip()]


def body_of(path):
    return orjson.dumps(orjson.loads(path.read_text(encoding="utf-8-sig").split("\n", 3)[3]))


PUBLIC = {
    "Linear/Trades": [EventKind.TRADE],
    "Linear/Ticker": [EventKind.MARK],
    "Linear/Liquidations": [],
    "Spot/Trades": [EventKind.TRADE],
    "Spot/Ticker": [],
    "Spot/PriceLimit": [],
    "Spot/Concurrent": [],
    "Option/Book": [EventKind.BOOK_SNAPSHOT],
}


@pytest.mark.parametrize(("name", "kinds"), PUBLIC.items())
def test_public_streams(samples, name, kinds):
    parser = PublicParser(MANIFEST)
    told = [parser.parse(frame, TS) for frame in frames_of(samples / "Subscriptions" / "V5" / f"{name}.txt")]
    rows = [each for each in told if isinstance(each, np.ndarray)]
    assert [int(each["kind"][0]) for each in rows] == kinds
    assert isinstance(told[0], Control) and told[0].ok
    assert all(isinstance(each, Control | Ignored) for each in told[1:] if not isinstance(each, np.ndarray))


# rows | what is reported as foreign: the samples are of other people's orders
PRIVATE = {
    "Order": (0, ["order"]),
    "UserTrades": (0, ["execution"]),
    "MinimalUserTrades": (0, ["execution.fast"]),
    "Position": (0, ["position"]),
    "Balance": (1, []),
    "Greeks": (0, []),
}


@pytest.mark.parametrize(("name", "expected"), PRIVATE.items())
def test_private_streams(samples, name, expected):
    parser = PrivateParser(MANIFEST, OrderLedger("r"), coin="BTC")
    auth, subscribed, told = (
        parser.parse(frame, TS) for frame in frames_of(samples / "Subscriptions" / "V5" / "Private" / f"{name}.txt")
    )
    assert isinstance(auth, Control) and isinstance(subscribed, Control) and auth.ok and subscribed.ok
    rows, foreign = (told.rows, told.foreign) if isinstance(told, Private) else (np.empty(0), ())
    assert (len(rows), [each.topic for each in foreign]) == expected
    assert all(each.row is not None for each in foreign if each.topic.startswith("execution"))


@pytest.mark.parametrize(("name", "kind"), [("PlaceOrder", "PLACE"), ("EditOrder", "AMEND"), ("CancelOrder", "CANCEL")])
def test_order_entry(samples, name, kind):
    requests = RequestBook(OrderLedger("r"))
    requests.note_sent("|2|", effect(EventKind[kind]), TS)
    auth, outcome = (
        requests.parse_socket(each, TS) for each in frames_of(samples / "Socket" / "V5Api" / "Private" / f"{name}.txt")
    )
    assert isinstance(auth, Control) and outcome.rows["code"].tolist() == [RequestOutcome.OK]
    assert outcome.limit is not None and outcome.limit.requests_left == 9


TRADING = {
    "PlaceOrder": [RequestOutcome.OK],
    "EditOrder": [RequestOutcome.OK],
    "CancelOrder": [RequestOutcome.OK],
    "CancelAllOrder": [RequestOutcome.OK],
    "PlaceMultipleOrders": [RequestOutcome.OK] * 2,
    "EditMultipleOrders": [RequestOutcome.OK] * 2,
    "CancelMultipleOrders": [RequestOutcome.OK, 170213 & 0xFFFF],
}


@pytest.mark.parametrize(("name", "codes"), TRADING.items())
def test_order_requests_by_rest(samples, name, codes):
    requests = RequestBook(OrderLedger("r"))
    one = effect(EventKind.CANCEL)
    requests.note_sent("r", np.repeat(one, 0 if "All" in name else len(codes)), TS)
    path = samples / "Endpoints" / "V5Api" / "Trading" / f"{name}.txt"
    assert requests.parse_rest("r", 200, {}, body_of(path), TS).rows["code"].tolist() == codes


def test_lists(samples):
    folder = samples / "Endpoints" / "V5Api"
    parser = RestParser(MANIFEST, OrderLedger("r"), coin="BTC")
    orders = rest.read_page(body_of(folder / "Trading" / "GetOrders.txt"))
    assert orders.next_cursor and orders.category == "linear" and len(orders.entries) == 1
    executions = parser.parse_executions([rest.read_page(body_of(folder / "Trading" / "GetUserTrades.txt"))], TS)
    assert executions.foreign[0].symbol == "ETHPERP" and executions.foreign[0].row is not None
    positions = parser.parse_positions([rest.read_page(body_of(folder / "Trading" / "GetPositions.txt"))], "linear", TS)
    assert len(positions.rows) == len(GRIDS) and positions.foreign[0].symbol == "BTCUSD"
    assert parser.parse_wallet(body_of(folder / "Account" / "GetBalances.txt"), TS)["aux"].tolist() == [0]
    (rate,) = rest.parse_fee_rates(body_of(folder / "Account" / "GetFeeRate.txt"))
    assert (rate.symbol, rate.maker_ppm, rate.taker_ppm) == ("ETHUSDT", 100, 600)
    for name, symbols in {"GetLinearInverseSymbols": ["BTCUSDT"], "GetSpotSymbols": ["BTCUSDT"]}.items():
        instruments, _ = rest.parse_instruments(body_of(folder / "ExchangeData" / f"{name}.txt"))
        assert [each.symbol for each in instruments] == symbols
