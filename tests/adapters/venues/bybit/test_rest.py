"""Start-up and reconciling: the requests as they leave, the answers as rows."""

import orjson
import pytest

from mmfold.adapters.venues.bybit import rest
from mmfold.adapters.venues.bybit.rest import RestParser
from mmfold.adapters.venues.link_ids import execution_number
from mmfold.adapters.venues.order_port import FeeRate, with_fees
from mmfold.adapters.venues.port import MalformedFrame, VenueError, Verdict
from tests.adapters.venues.bybit.words import MANIFEST, OWN, TS, execution, ledger, link, order, short

REQUESTS = [
    (rest.request_time(), "/v5/market/time", False),
    (rest.request_instruments("linear"), "/v5/market/instruments-info?category=linear&limit=1000", False),
    (
        rest.request_open_orders("linear", settle_coin="USDT", cursor="a%3D1"),
        "/v5/order/realtime?category=linear&settleCoin=USDT&openOnly=0&limit=50&cursor=a%3D1",
        True,
    ),
    (
        rest.request_executions("linear", start_ms=5),
        "/v5/execution/list?category=linear&startTime=5&limit=100",
        True,
    ),
    (rest.request_positions("linear", "A"), "/v5/position/list?category=linear&symbol=A&limit=200", True),
    (rest.request_wallet("USDT"), "/v5/account/wallet-balance?accountType=UNIFIED&coin=USDT", True),
    (rest.request_fee_rate("linear"), "/v5/account/fee-rate?category=linear", True),
]


@pytest.mark.parametrize(("request_", "target", "private"), REQUESTS, ids=[target for _, target, _ in REQUESTS])
def test_requests(request_, target, private):
    assert (request_.method, request_.target, request_.private) == ("GET", target, private)


def body(result, **more):
    return orjson.dumps({"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": 9} | more)


def page(entries, cursor="", category="linear"):
    return rest.read_page(body({"list": entries, "nextPageCursor": cursor, "category": category}))


def parser(book=None):
    return RestParser(MANIFEST, book or ledger())


NONE_OF_B = ("OPEN_ORDERS", None, 0, None, None, 0)


def test_open_orders_of_every_instrument_none_included():
    pages = [
        page([order(), order(orderLinkId="by-hand")], "next"),
        page(
            [order("PartiallyFilled", orderLinkId=link(OWN + 1), filled="0.004", orderId="v-2"), order("Untriggered")]
        ),
    ]
    book = ledger()
    found = parser(book).parse_open_orders(pages, "linear", TS)
    rows = short(found.rows)
    assert [(row[0], row[3]) for row in rows[:4]] == [
        ("ACK", OWN), ("AMENDED", OWN), ("ACK", OWN + 1), ("AMENDED", OWN + 1)
    ]  # fmt: skip
    assert rows[4:] == [
        ("OPEN_ORDERS", 1000, 10, OWN, None, 0),
        ("OPEN_ORDERS", 1000, 6, OWN + 1, None, 0),
        NONE_OF_B,
    ]
    listed = found.rows[4:]
    assert listed["instrument_index"].tolist() == [0, 0, 1] and listed["flags"].tolist() == [0, 1, 1]
    assert set(listed["ts_exchange_ns"].tolist()) == {9_000_000}
    assert [each.link_id for each in found.foreign] == ["by-hand"]
    assert book.find("", "v-2") == OWN + 1, "what the list names is known from then on"


def test_an_amendment_that_no_stream_told_is_told_by_the_list_once():
    book = ledger()
    book.note_placed(OWN, 1000, 10)
    lists = parser(book)
    kinds = [
        [row[0] for row in short(lists.parse_open_orders([page([order(price=price)])], "linear", TS).rows)]
        for price in ("100.0", "100.0", "99.9", "99.9")
    ]
    none = ["OPEN_ORDERS", "OPEN_ORDERS"]
    assert kinds == [["ACK", *none], none, ["AMENDED", *none], none]


def test_a_part_of_a_list_is_not_taken_for_all_of_it():
    with pytest.raises(AssertionError, match="absent"):
        parser().parse_open_orders([page([], "next")], "linear", TS)
    with pytest.raises(AssertionError, match="flat"):
        parser().parse_positions([page([], "next")], "linear", TS)


def test_executions_oldest_first():
    newest, oldest = execution("e-2"), execution("e-1", execType="")
    strange = execution("e-3", orderLinkId="by-hand")
    found = parser().parse_executions([page([strange, newest], "next"), page([oldest])], TS)
    assert [row[4] for row in short(found.rows)] == [execution_number("e-1"), execution_number("e-2")]
    assert [row[4] for each in found.foreign for row in short(each.row)] == [execution_number("e-3")]


def test_positions_of_every_instrument():
    entries = [
        {"symbol": "B", "side": "Sell", "size": "30", "avgPrice": "50.7"},
        {"symbol": "Z", "side": "Buy", "size": "1"},
    ]
    found = parser().parse_positions([page(entries)], "linear", TS)
    assert short(found.rows) == [("POSITION", None, 0, None, None, 0), ("POSITION", 101, -3, None, 5_070_000_000, 0)]
    assert [each.symbol for each in found.foreign] == ["Z"]


def test_wallet():
    entries = [{"accountType": "UNIFIED", "coin": [{"coin": "USDT", "walletBalance": "1.5"}]}]
    assert short(parser().parse_wallet(body({"list": entries}), TS)) == [("BALANCE", None, 0, None, 1_500_000, 0)]


def test_time():
    assert rest.parse_time(body({"timeSecond": "1", "timeNano": "1688639403423213947"})) == 1688639403423213947
    with pytest.raises(MalformedFrame, match="timeNano"):
        rest.parse_time(body({}))


LINEAR = {"symbol": "A", "priceFilter": {"tickSize": "0.10"}, "status": "Trading"}
LINEAR |= {"lotSizeFilter": {"qtyStep": "0.001", "minOrderQty": "0.005", "minNotionalValue": "5"}}
CLOSED = LINEAR | {"symbol": "C", "status": "Closed"}


def test_instruments_and_fees():
    raw = body({"category": "linear", "list": [LINEAR, CLOSED], "nextPageCursor": "n"})
    (instrument,), cursor = rest.parse_instruments(raw)
    assert cursor == "n" and (instrument.symbol, instrument.venue, instrument.tick_size) == ("A", "bybit", "0.10")
    assert (instrument.lot_size, instrument.min_qty_lots, instrument.min_notional_micros) == ("0.001", 5, 5_000_000)
    fees = {"list": [{"symbol": "A", "makerFeeRate": "-0.00005", "takerFeeRate": "0.00055"}]}
    rates = rest.parse_fee_rates(body(fees))
    assert rates == [FeeRate("A", -50, 550)]
    priced = with_fees(instrument, rates)
    assert (priced.maker_fee_ppm, priced.taker_fee_ppm) == (-50, 550)
    assert with_fees(instrument, []) == instrument


def test_a_refusal_is_a_venue_error_with_its_meaning():
    with pytest.raises(VenueError, match=r"10003.*not valid") as caught:
        rest.read_result(body({}, retCode=10003, retMsg="API key is invalid."))
    assert (caught.value.code, caught.value.verdict) == (10003, Verdict.REFUSED)
    with pytest.raises(VenueError) as caught:
        rest.read_result(b"<html>", 502)
    assert caught.value.verdict is Verdict.SERVER_ERROR


MALFORMED = [
    (lambda: page(5), "not a list"),
    (lambda: page([5]), "not a list"),
    (lambda: page([], "a b"), "cannot stand in a query"),
    (lambda: page([], "a&b"), "cannot stand in a query"),
    (lambda: page([], 5), "no string"),
    (lambda: rest.read_page(body({"list": []}, time="x")), "time"),
    (lambda: rest.read_page(body([])), "result"),
    (lambda: rest.read_page(orjson.dumps({"result": {}})), "retCode"),
    (lambda: rest.parse_instruments(body({"category": "option", "list": []})), "option"),
    (lambda: rest.parse_instruments(body({"category": "linear", "list": [{"symbol": "A"}]})), "priceFilter"),
    (lambda: rest.parse_fee_rates(body({"list": [{"symbol": "A"}]})), "fee rate"),
    (lambda: parser().parse_open_orders([page([order(qty="x")])], "linear", TS), "plain decimal"),
    (lambda: parser().parse_executions([page([execution(qty="x")])], TS), "plain decimal"),
    (lambda: parser().parse_positions([page([{"symbol": "A", "size": ""}])], "linear", TS), "size"),
    (lambda: parser().parse_wallet(body({"list": [{}]}), TS), "coin"),
]


@pytest.mark.parametrize(("parse", "reason"), MALFORMED)
def test_malformed_answers(parse, reason):
    with pytest.raises(MalformedFrame, match=reason):
        parse()
