"""The private streams: the life of an order as a table of states told; executions, position, wallet, strangers."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfold.adapters.venues.bybit.private import PrivateParser
from mmfold.adapters.venues.ledger import ENDED_COUNT_MAX, NOBODYS_ORDER_ID, EndReason, OrderLedger
from mmfold.adapters.venues.link_ids import (
    LINK_ID_CHARS_MAX,
    ORDER_ID_MAX,
    encode_link_id,
    execution_number,
    is_of_runs,
    parse_link_id,
    run_tag,
)
from mmfold.adapters.venues.order_port import Private
from mmfold.adapters.venues.port import Control, Ignored, MalformedFrame
from mmfold.engine.codes import Flag, Side
from mmfold.engine.manifest import Instrument, Manifest
from mmfold.engine.records import FEE_CODE_ZERO
from tests.adapters.venues.bybit.words import (
    MANIFEST,
    OWN,
    OWN_B,
    RUN_ID,
    TS,
    execution,
    frame,
    ledger,
    link,
    order,
    private,
    short,
)
from tests.adapters.venues.spoiled import JSON

NUMBER = execution_number("e-1")
ACK = ("ACK", None, 0, OWN, None, 0)


def amended(price, qty):
    return ("AMENDED", price, qty, OWN, None, 0)


def canceled(reason):
    return ("CANCELED", None, 0, OWN, None, reason)


def fill(number, qty, code=0):
    return ("FILL", 1000, qty, OWN, execution_number(number), code)


def placed():
    book = ledger()
    book.note_placed(OWN, 1000, 10)
    return book


EXPIRED = ("EXPIRED", None, 0, OWN, None, 0)
TAKES = {"rejectReason": "EC_PostOnlyWillTakeLiquidity"}
USER = {"cancelType": "CancelByUser", "rejectReason": "EC_PerCancelRequest"}
# What the streams tell of an order of 10 lots at 1000 ticks that this run placed | what happened, in the core's words.
LIVES = {
    "resting": ([order()], [ACK]),
    "told twice": ([order(), order()], [ACK]),
    "triggered later": ([order("Untriggered")], []),
    "amended price": ([order(), order(price="99.9")], [ACK, amended(999, 10)]),
    "amended size": ([order(), order(qty="0.008")], [ACK, amended(1000, 8)]),
    "amended before its ack": ([order(price="99.9")], [ACK, amended(999, 10)]),
    "partly filled": ([order(), execution(), order("PartiallyFilled", filled="0.004")], [ACK, fill("e-1", 4)]),
    "filled": ([order(), execution(qty="0.010"), order("Filled", filled="0.010")], [ACK, fill("e-1", 10)]),
    "filled, told before its fill": ([order("Filled", filled="0.010"), execution(qty="0.010")], [fill("e-1", 10)]),
    "amended after a fill": (
        [order(), execution(), order("PartiallyFilled", qty="0.012", filled="0.004")],
        [ACK, fill("e-1", 4), amended(1000, 8)],
    ),
    "amended before its fill is told": (
        [order(), order("PartiallyFilled", qty="0.012", filled="0.004"), execution()],
        [ACK, amended(1000, 12), fill("e-1", 4)],
    ),
    "amended down to what is filled": (
        [order(), execution(), order("Filled", qty="0.004", filled="0.004")],
        [ACK, fill("e-1", 4), amended(1000, 0)],
    ),
    "the same fill twice": (
        [order(), execution(), execution(), order("PartiallyFilled", qty="0.012", filled="0.004")],
        [ACK, fill("e-1", 4), fill("e-1", 4), amended(1000, 8)],
    ),
    "cancelled": ([order(), order("Cancelled", **USER)], [ACK, canceled(EndReason.USER)]),
    "cancelled, told twice": ([order("Cancelled", **USER)] * 2, [canceled(EndReason.USER)]),
    "late word of its life": ([order("Cancelled", **USER), order()], [canceled(EndReason.USER)]),
    "dead man's switch": ([order("Cancelled", cancelType="CancelByDCP")], [canceled(EndReason.DISCONNECT)]),
    "an unheard reason": ([order("Cancelled", cancelType="CancelByMoon")], [canceled(EndReason.OTHER)]),
    "would have taken": ([order("Cancelled", **TAKES)], [EXPIRED]),
    "amended into the market": ([order(), order("Cancelled", price="101", **TAKES)], [ACK, EXPIRED]),
    "rejected": ([order("Rejected", **TAKES)], [("REJECT", None, 0, OWN, None, EndReason.WOULD_TAKE)]),
    "rejected after its ack": ([order(), order("Rejected", **TAKES)], [ACK, EXPIRED]),
    "market order": ([order(orderType="Market", price="0")], [ACK]),
}


def told(parser, entries):
    rows = []
    for entry in entries:
        topic = "execution.linear" if "execId" in entry else "order"
        found = parser.parse(frame(topic, [entry], creationTime=1), TS)
        assert isinstance(found, Private) and not found.foreign
        rows += short(found.rows)
    return rows


@pytest.mark.parametrize(("entries", "rows"), LIVES.values(), ids=LIVES)
def test_lives_of_an_order(entries, rows):
    assert told(private(placed()), entries) == rows


def test_an_order_of_before_a_restart_is_told_in_full():
    parser = private()
    first = told(parser, [order("PartiallyFilled", price="99.9", filled="0.004")])
    assert first == [ACK, amended(999, 6)]
    assert told(parser, [execution("e-9", qty="0.001"), order("PartiallyFilled", price="99.8", filled="0.005")]) == [
        ("FILL", 1000, 1, OWN, execution_number("e-9"), 0),
        amended(998, 5),
    ]


FILLS = [
    ({"feeRate": "-0.000025"}, FEE_CODE_ZERO - 25, Flag.MAKER),
    ({"feeRate": "0"}, FEE_CODE_ZERO, Flag.MAKER),
    ({"feeRate": "0.0000101"}, FEE_CODE_ZERO + 11, Flag.MAKER),
    ({"feeRate": ""}, 0, Flag.MAKER),
    ({"feeRate": "0.04"}, 0, Flag.MAKER),
    ({"isMaker": False}, 0, 0),
]


@pytest.mark.parametrize(("more", "code", "flag"), FILLS)
def test_fees_and_makers(more, code, flag):
    rows = private().parse(frame("execution", [execution(**more)]), TS).rows
    assert short(rows) == [fill("e-1", 4, code)]
    assert rows["flags"][0] == Flag.LAST | flag and rows["side"][0] == Side.BID
    assert rows["ts_exchange_ns"][0] == 1_700_000_000_002_000_000


def test_a_fast_execution_is_known_by_the_venues_order_id():
    # The venue leaves out the link id of a maker's fast execution.
    parser, fast = private(placed()), execution(orderLinkId="")
    del fast["execType"]
    unknown = parser.parse(frame("execution.fast", [fast]), TS)
    assert not len(unknown.rows) and unknown.foreign[0].venue_order_id == "v-1"
    parser.parse(frame("order", [order()]), TS)
    assert short(parser.parse(frame("execution.fast.linear", [fast]), TS).rows) == [fill("e-1", 4)]
    assert short(parser.parse(frame("execution", [execution()]), TS).rows) == [fill("e-1", 4)], "the key is the same"


OTHERS = [
    ("order", order(orderLinkId="by-hand")),
    ("order", order(orderLinkId="")),
    ("order", order(orderLinkId=encode_link_id(run_tag("another run"), OWN))),
    ("order", order(symbol="Z")),
    ("execution", execution(symbol="Z")),
    ("position", {"symbol": "Z", "size": "1", "side": "Buy"}),
    ("position", {"symbol": "A", "positionIdx": 1, "size": "1", "side": "Buy"}),
]


@pytest.mark.parametrize(("topic", "entry"), OTHERS)
def test_what_is_not_ours_is_reported(topic, entry):
    found = private().parse(frame(topic, [entry]), TS)
    assert not len(found.rows) and [(each.topic, each.symbol) for each in found.foreign] == [(topic, entry["symbol"])]


@pytest.mark.parametrize("more", [{"orderLinkId": "by-hand"}, {"execType": "BustTrade"}, {"execType": "AdlTrade"}])
def test_a_foreign_fill_brings_its_row(more):
    (foreign,) = private().parse(frame("execution", [execution(**more)]), TS).foreign
    order_id = NOBODYS_ORDER_ID if "orderLinkId" in more else OWN
    assert short(foreign.row) == [("FILL", 1000, 4, order_id, NUMBER, 0)]


FUNDING = {
    "execType": "Funding",
    "orderLinkId": "",
    "feeRate": "0.0001",
    "markPrice": "100.05",
    "execFee": "0.00004002",
}


@pytest.mark.parametrize(("rate", "rate_e9"), [("0.0001", 100_000), ("-0.00000000015", 0), ("0.0000000001", 1)])
def test_a_settlement_is_a_funding(rate, rate_e9):
    found = private().parse(frame("execution", [execution(**FUNDING | {"feeRate": rate})]), TS)
    assert short(found.rows)[0] == ("FUNDING", None, 0, 10_005_000_000, rate_e9, 0) and not found.foreign


# (entry, paid micros, lots, side, mark x 1e8): up is against us, whoever pays; the size is what was settled.
SETTLED = [
    ({}, 41, 4, Side.BID, 10_005_000_000),
    ({"execFee": "-0.00004002"}, -40, 4, Side.BID, 10_005_000_000),
    (
        {"side": "Sell", "execFee": "1.5", "execQty": "0.5", "feeRate": "-0.0001"},
        1_500_000,
        500,
        Side.ASK,
        10_005_000_000,
    ),
    ({"execFee": "0", "execQty": "0.0019"}, 0, 1, Side.BID, 10_005_000_000),  # what is off the grid is a check's size
    ({"markPrice": "", "execPrice": "100.1"}, 41, 4, Side.BID, 10_010_000_000),
    ({"markPrice": "", "execPrice": ""}, 41, 4, Side.BID, None),
    ({"markPrice": "0.0000123456"}, 41, 4, Side.BID, 1_235),  # more decimals than the column: to the nearest
    ({"markPrice": "0.0000004501"}, 41, 4, Side.BID, None),  # or, where that is too coarse, not at all
]


@pytest.mark.parametrize(("more", "paid", "lots", "side", "mark_e8"), SETTLED)
def test_a_settlement_says_what_was_paid(more, paid, lots, side, mark_e8):
    rows = private().parse(frame("execution", [execution(**FUNDING | more)]), TS).rows
    market, account = short(rows)
    assert market[3] == mark_e8 and account == ("FUNDING", None, lots, NUMBER, paid, 0)
    assert rows["side"].tolist() == [Side.NONE, side]
    assert rows["flags"].tolist() == [Flag.PAID, Flag.PAID | Flag.LAST]


def test_an_inverse_settlement_is_in_thousandths_of_the_base():
    inverse = Instrument(
        symbol="BTCUSD", venue="bybit", contract="inverse", tick_size="0.5", lot_size="1", contract_value="1"
    )
    parser = PrivateParser(Manifest(run_id=RUN_ID, instruments=(inverse,)), ledger())
    entry = execution(
        **FUNDING | {"symbol": "BTCUSD", "execQty": "1000", "execFee": "0.00000123", "markPrice": "50000"}
    )
    assert parser.parse(frame("execution", [entry]), TS).rows["aux"][1] == 1_230


POSITIONS = [
    ({"side": "Buy", "size": "0.005", "entryPrice": "100.07"}, ("POSITION", 1000, 5, None, 10_007_000_000)),
    ({"side": "Sell", "size": "0.005", "avgPrice": "100.1"}, ("POSITION", 1001, -5, None, 10_010_000_000)),
    ({"side": "", "size": "0", "entryPrice": "0"}, ("POSITION", None, 0, None, None)),
    ({"side": "None", "size": "0", "entryPrice": ""}, ("POSITION", None, 0, None, None)),
]


@pytest.mark.parametrize(("entry", "row"), POSITIONS)
def test_positions(entry, row):
    found = private().parse(frame("position.linear", [{"symbol": "A", "positionIdx": 0, **entry}]), TS)
    assert short(found.rows) == [(*row, 0)]


@pytest.mark.parametrize(
    ("cash", "micros"), [("10.1234567", 10_123_456), ("-0.0000001", -1), ("0", 0)], ids=["floor", "debt", "none"]
)
def test_wallet(cash, micros):
    coins = [{"coin": "BTC", "walletBalance": "1"}, {"coin": "USDT", "walletBalance": cash}]
    found = private().parse(frame("wallet", [{"coin": coins}], creationTime=3), TS)
    assert short(found.rows) == [("BALANCE", None, 0, None, micros, 0)]
    assert found.rows["ts_exchange_ns"][0] == 3_000_000
    assert not len(private().parse(frame("wallet", [{"coin": coins[:1]}]), TS).rows)


def test_control_and_unused_channels():
    assert isinstance(private().parse(b'{"success":true,"ret_msg":"","op":"auth","conn_id":"c"}', TS), Control)
    assert private().parse(frame("greeks", []), TS) == Ignored("greeks")


MALFORMED = [
    (b"{", "not JSON"),
    (frame("order", {}), "not a list of objects"),
    (frame("order", [5]), "not a list of objects"),
    (frame("orders", [{}]), "unknown topic"),
    (frame("order", [order("Dancing")]), "none that is known"),
    (frame("order", [order(price="100.05")]), "off the grid"),
    (frame("order", [order(qty=0.01)]), "not a decimal string"),
    (frame("order", [order(side="Hold")]), "neither Buy nor Sell"),
    (frame("order", [order(orderLinkId=5)]), "not a string"),
    (frame("order", [order(updatedTime="soon")]), "not a time"),
    (frame("execution", [execution("")]), "execId"),
    (frame("execution", [execution(qty="0")]), "size 0"),
    (frame("execution", [execution(feeRate="1e-4")]), "plain decimal"),
    (frame("execution", [execution(**FUNDING | {"feeRate": "1.1"})]), "beyond 100 %"),
    (frame("execution", [execution(**FUNDING | {"execFee": ""})]), "execFee"),
    (frame("execution", [execution(**FUNDING | {"execFee": "9e9"})]), "execFee"),
    (frame("execution", [execution(**FUNDING | {"execFee": "9999999999999999"})]), "out of range"),
    (frame("execution", [execution(**FUNDING | {"execId": ""})]), "execId"),
    (frame("execution", [execution(**FUNDING | {"side": "None"})]), "neither Buy nor Sell"),
    (frame("execution", [execution(**FUNDING | {"execQty": "99999999999999999"})]), "out of range"),
    (frame("position", [{"symbol": "A", "size": "1", "side": ""}]), "neither Buy nor Sell"),
    (frame("wallet", [{}]), "missing or not a list"),
    (frame("wallet", [{"coin": [{"coin": "USDT", "walletBalance": "NaN"}]}]), "plain decimal"),
    (frame("wallet", [{"coin": [{"coin": "USDT", "walletBalance": "9" * 40}]}]), "out of range"),
]


@pytest.mark.parametrize(("raw", "reason"), MALFORMED)
def test_malformed_frames(raw, reason):
    with pytest.raises(MalformedFrame, match=reason) as caught:
        private().parse(raw, TS)
    assert caught.value.frame is raw


ENTRIES = [order(), order("Cancelled", **USER), execution(), execution(**FUNDING), *(entry for _, entry in OTHERS)]


@given(st.data())
def test_any_value_in_any_field_gives_rows_or_malformed(data):
    entry = dict(data.draw(st.sampled_from(ENTRIES)))
    entry[data.draw(st.sampled_from(sorted(entry)))] = data.draw(JSON)
    topic = data.draw(st.sampled_from(["order", "execution", "execution.fast", "position", "wallet", "x"]))
    try:
        raw = orjson.dumps({"topic": topic, "data": [entry]})
    except TypeError:  # an integer beyond 64 bits
        return
    try:
        found = private().parse(raw, TS)
    except MalformedFrame as refused:
        assert refused.frame is raw
    else:
        short(found.rows)


@given(st.integers(0, ORDER_ID_MAX), st.text(max_size=20))
def test_link_ids_round_trip(order_id, run_id):
    text = encode_link_id(run_tag(run_id), order_id)
    assert parse_link_id(text, run_tag(run_id)) == order_id
    assert len(text) <= LINK_ID_CHARS_MAX and text.replace("-", "").isalnum() and text.isascii()
    assert parse_link_id(text, run_tag(run_id + "x")) is None


@pytest.mark.parametrize("tail", ["", "0" * 2, "01", "A", "a", "-1", "+1", " 1", "1_0", "9" * 19, "\u0661"])
def test_only_the_canonical_text_is_a_link_id(tail):
    tag = run_tag(RUN_ID)
    assert parse_link_id(f"mm{tag}-{tail}", tag) is None
    assert parse_link_id(link(OWN_B), tag) == OWN_B


def test_an_order_of_an_older_build_is_of_its_run():
    assert is_of_runs(f"mm{run_tag(RUN_ID)}-3w5e11264sg", ["another", RUN_ID])
    assert not is_of_runs(f"mm{run_tag(RUN_ID)}-3w5e11264sg", ["another"])


def test_execution_numbers_are_stable_and_62_bits():
    assert NUMBER == 0xB94F523196AAACD8 >> 2
    assert all(0 <= execution_number(str(i)) < 1 << 62 for i in range(100))


def test_a_bad_entry_takes_nothing_of_its_frame_as_told():
    parser = private(placed())
    with pytest.raises(MalformedFrame):
        parser.parse(frame("order", [order(), order(qty="x")]), TS)
    with pytest.raises(MalformedFrame):
        parser.parse(frame("execution", [execution(), execution(qty="x")]), TS)
    assert told(parser, [order("PartiallyFilled", price="99.9", filled="0.004")]) == [ACK, amended(999, 10)]


def test_ended_orders_are_forgotten_oldest_first():
    book = OrderLedger(RUN_ID)
    for order_id in range(ENDED_COUNT_MAX + 3):
        book.note_placed(order_id, 1, 1)
        book.learn(order_id, f"v{order_id}")
        book.end(order_id, book.known[order_id])
    assert len(book.known) == len(book.order_ids) == len(book.ended) == ENDED_COUNT_MAX
    assert 2 not in book.known and 3 in book.known
    assert MANIFEST.run_id == RUN_ID
