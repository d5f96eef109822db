"""Answers to requests: what the venue says | the rows; and what happens when it says nothing."""

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfold.adapters.venues.bybit.responses import RequestBook
from mmfold.adapters.venues.bybit.ret_codes import RET_CODES, end_reason, judge, judge_http, meaning_of
from mmfold.adapters.venues.pending import Outcome, RateLimit
from mmfold.adapters.venues.port import Control, Ignored, MalformedFrame, Verdict
from mmfold.engine.codes import EventKind, RequestOutcome
from mmfold.engine.limits import NS_PER_S
from mmfold.engine.records import EVENT
from tests.adapters.venues.bybit.words import OWN, OWN_B, TS, effect, ledger, short
from tests.adapters.venues.spoiled import JSON

K, R = EventKind, RequestOutcome
NO_ORDERS = np.empty(0, EVENT)
LATENCY = 5_000_000


def rate(outcome, order_id=OWN):
    return ("REQUEST_RESULT", None, 0, order_id, LATENCY, int(outcome))


def reject(code, order_id=OWN):
    return ("REJECT", None, 0, order_id, None, code & 0xFFFF)


def sent(rows, book=None):
    requests = RequestBook(book or ledger())
    requests.note_sent("r", rows, TS - LATENCY)
    return requests


def answer(code, data=None, **more):
    values = {"reqId": "r", "retCode": code, "retMsg": "", "op": "order.create", "data": data or {}}
    return orjson.dumps(values | more)


# code | verdict | row. Where the order may rest at the venue, no REJECT: the core would call it done.
CODES = [
    (0, Verdict.DONE, rate(R.OK)),
    (110007, Verdict.REFUSED, reject(110007)),
    (110001, Verdict.GONE, reject(110001)),
    (170213, Verdict.GONE, reject(170213)),
    (110072, Verdict.UNKNOWN, rate(R.TIMEOUT)),
    (170141, Verdict.UNKNOWN, rate(R.TIMEOUT)),
    (10014, Verdict.UNKNOWN, rate(R.TIMEOUT)),
    (10000, Verdict.UNKNOWN, rate(R.TIMEOUT)),
    (10006, Verdict.RATE_LIMITED, rate(R.RATE_LIMITED)),
    (10429, Verdict.RATE_LIMITED, rate(R.RATE_LIMITED)),
    (10016, Verdict.SERVER_ERROR, rate(R.SERVER_ERROR)),
    (999_999, Verdict.REFUSED, reject(999_999)),
]


@pytest.mark.parametrize(("code", "verdict", "row"), CODES)
def test_codes(code, verdict, row):
    for outcome in (
        sent(effect(K.PLACE)).parse_socket(answer(code), TS),
        sent(effect(K.PLACE)).parse_rest("r", 200, {}, orjson.dumps({"retCode": code, "retMsg": "", "result": {}}), TS),
    ):
        assert short(outcome.rows) == [row]
        assert [(each.order_id, each.verdict, each.code) for each in outcome.answers] == [(OWN, verdict, code)]


@pytest.mark.parametrize(
    ("status", "row"),
    [
        (429, rate(R.RATE_LIMITED)),
        (403, rate(R.RATE_LIMITED)),
        (500, rate(R.SERVER_ERROR)),
        (503, rate(R.SERVER_ERROR)),
        (404, reject(404)),
        (408, rate(R.SERVER_ERROR)),
        (302, rate(R.SERVER_ERROR)),
    ],
)
def test_http_status(status, row):
    assert short(sent(effect(K.PLACE)).parse_rest("r", status, {}, b"<html>", TS).rows) == [row]


BATCH = np.concatenate([effect(K.CANCEL, OWN), effect(K.CANCEL, OWN_B)])
ITEMS = {"list": [{"orderId": "v-1", "orderLinkId": ""}, {"orderId": "", "orderLinkId": ""}]}
BATCHES = [
    ([0, 170213], [rate(R.OK), reject(170213, OWN_B)]),
    ([10016, 0], [rate(R.SERVER_ERROR), rate(R.OK, OWN_B)]),
]


@pytest.mark.parametrize(("codes", "rows"), BATCHES)
def test_batches_are_answered_one_by_one(codes, rows):
    extra = {"list": [{"code": code, "msg": "m"} for code in codes]}
    raw = answer(0, ITEMS, op="order.cancel-batch", retExtInfo=extra)
    assert short(sent(BATCH).parse_socket(raw, TS).rows) == rows


def test_a_batch_refused_as_a_whole():
    raw = answer(10006, {}, op="order.cancel-batch")
    assert short(sent(BATCH).parse_socket(raw, TS).rows) == [rate(R.RATE_LIMITED), rate(R.RATE_LIMITED, OWN_B)]


def test_cancel_all_has_no_order():
    requests = RequestBook(ledger())
    requests.note_sent("r", NO_ORDERS, TS - LATENCY)
    body = orjson.dumps({"retCode": 0, "retMsg": "OK", "result": {"list": [{"orderId": "x"}], "success": "1"}})
    assert short(requests.parse_rest("r", 200, {}, body, TS).rows) == [rate(R.OK, None)]
    requests.note_sent("r", NO_ORDERS, TS - LATENCY)
    assert short(requests.parse_socket(answer(10001), TS).rows) == [rate(R.REFUSED, None)]


def test_the_venues_order_id_is_learned():
    book = ledger()
    book.note_placed(OWN, 1000, 10)
    sent(effect(K.PLACE), book).parse_socket(answer(0, {"orderId": "v-1", "orderLinkId": ""}), TS)
    assert book.find("", "v-1") == OWN


def test_a_refused_order_is_forgotten_but_not_an_unknown_one():
    for code, forgotten in ((110007, True), (10016, False), (110072, False)):
        book = ledger()
        book.note_placed(OWN, 1000, 10)
        sent(effect(K.PLACE), book).parse_socket(answer(code), TS)
        assert (OWN not in book.known) is forgotten, code


def test_a_refused_cancel_forgets_nothing():
    book = ledger()
    book.note_placed(OWN, 1000, 10)
    for code in (110001, 110079, 10006):
        sent(effect(K.CANCEL), book).parse_socket(answer(code), TS)
        assert OWN in book.known


def test_silence_is_a_timeout_and_a_late_answer_nothing():
    requests = sent(BATCH)
    assert not len(requests.expire(TS, NS_PER_S))
    rows = requests.expire(TS - LATENCY + NS_PER_S, NS_PER_S)
    expected = [(kind, price, qty, order_id, NS_PER_S, R.TIMEOUT) for kind, price, qty, order_id, _, _ in short(rows)]
    assert short(rows) == expected and rows["order_id"].tolist() == [OWN, OWN_B]
    assert isinstance(requests.parse_socket(answer(0), TS), Ignored)
    assert not requests.pending and not len(requests.expire(TS, 0))


def test_a_lost_connection_gives_up_what_was_under_way():
    requests = sent(effect(K.PLACE))
    assert short(requests.give_up(list(requests.pending), TS)) == [rate(R.TIMEOUT)]


def test_rate_limit_headers():
    header = {"X-Bapi-Limit": "10", "X-Bapi-Limit-Status": "9", "X-Bapi-Limit-Reset-Timestamp": "17", "Traceid": "x"}
    assert sent(effect(K.PLACE)).parse_socket(answer(0, header=header), TS).limit == RateLimit(10, 9, 17)
    assert sent(effect(K.PLACE)).parse_socket(answer(0, header={}), TS).limit is None


def test_a_latency_is_never_negative():
    rows = sent(effect(K.PLACE)).parse_socket(answer(0), TS - 2 * LATENCY).rows
    assert rows["aux"].tolist() == [0]


def test_other_frames():
    assert isinstance(sent(BATCH).parse_socket(b'{"retCode":0,"retMsg":"OK","op":"auth"}', TS), Control)
    assert isinstance(sent(BATCH).parse_socket(answer(0, reqId="other"), TS), Ignored)
    assert isinstance(sent(BATCH).parse_socket(answer(0, reqId=None), TS), Ignored)


MALFORMED = [
    (b"\xff", "not JSON"),
    (answer("0"), "retCode"),
    (answer(0, {"list": []}, op="order.cancel-batch"), "another length"),
    (answer(0, ITEMS, op="order.cancel-batch", retExtInfo={"list": [{"code": 0}, {"code": "0"}]}), "no code"),
]


@pytest.mark.parametrize(("raw", "reason"), MALFORMED)
def test_malformed_answers_leave_the_request_under_way(raw, reason):
    requests = sent(BATCH)
    with pytest.raises(MalformedFrame, match=reason):
        requests.parse_socket(raw, TS)
    assert list(requests.pending) == ["r"]


@given(st.dictionaries(st.sampled_from(["reqId", "retCode", "retMsg", "op", "data", "retExtInfo", "header"]), JSON))
def test_any_answer_gives_an_outcome_or_malformed(values):
    try:
        raw = orjson.dumps(orjson.loads(answer(0, ITEMS)) | values)
    except TypeError:  # an integer beyond 64 bits
        return
    requests = sent(BATCH)
    try:
        found = requests.parse_socket(raw, TS)
    except MalformedFrame as refused:
        assert refused.frame is raw
    else:
        assert isinstance(found, Outcome | Control | Ignored)
        assert len(requests.pending) == (0 if isinstance(found, Outcome) else 1)


def test_the_table_of_codes():
    assert judge(0) is Verdict.DONE and all(known.meaning for known in RET_CODES.values())
    assert "does not know" in meaning_of(5) and meaning_of(110001) == "the order does not exist"
    assert judge_http(200) is None
    assert end_reason(None, 5) == 0


def test_what_may_still_arrive():
    book = ledger()
    requests = sent(effect(K.CANCEL), book)
    assert requests.is_under_way(OWN) and requests.is_under_way(OWN_B), "nobody knows of them"
    book.note_placed(OWN, 1000, 10)
    requests.parse_socket(answer(10006), TS)
    assert requests.is_under_way(OWN), "the stream has not confirmed its placing"
    book.known[OWN].acked = True
    assert not requests.is_under_way(OWN)
    requests.note_sent("s", np.concatenate([effect(K.AMEND, OWN_B), effect(K.AMEND, filled_lots=0)]), TS)
    assert requests.is_under_way(OWN)
    requests.give_up(["s"], TS)
    assert not requests.is_under_way(OWN)


@pytest.mark.parametrize(
    ("code", "settled"), [(10006, {OWN}), (0, set()), (10001, set()), (10016, set()), (110001, set())]
)
def test_only_what_was_one_too_many_is_settled(code, settled):
    book = ledger()
    book.note_placed(OWN, 1000, 10)
    requests = sent(effect(K.CANCEL), book)
    rows = requests.parse_socket(answer(code), TS).rows
    assert not requests.settled_orders(rows), "the stream has not confirmed its placing"
    book.known[OWN].acked = True
    assert requests.settled_orders(rows) == settled
