"""Each fault does what it says where it says, as often as it says, and leaves the venue's books right."""

import json
import time
from collections.abc import Iterator
from http.client import HTTPException
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from mmfold.adapters.emulator.errors import VenueSetupError
from mmfold.adapters.emulator.market.faults import FRAME_FAULTS, REQUEST_FAULTS, Fault, Faults, load_plan, parse_plan
from tests.adapters.emulator.running import (
    LINEAR,
    RawSocket,
    RunningVenue,
    http,
    order_request,
    place,
    price_below,
    rest,
)

BOOK = "orderbook.50.BTCUSDT"
CREATE = "rest:/v5/order/create"
NOBODY = (ConnectionError, HTTPException, TimeoutError)


@pytest.fixture(autouse=True)
def calm(running: RunningVenue) -> Iterator[None]:
    yield
    running.set_faults()


def create(running: RunningVenue, link: str, **more: Any) -> Any:
    params = place("Buy", "0.010", price_below(running), orderLinkId=link, **more)
    return rest(running, "POST", "/v5/order/create", params, running.keys[0], timeout_s=5)


def listed(running: RunningVenue, link: str) -> list[dict[str, Any]]:
    answer = rest(running, "GET", "/v5/order/realtime", LINEAR | {"orderLinkId": link}, running.keys[0])
    return list(answer.json()["result"]["list"])


def book_frames(public: RawSocket, count: int) -> list[dict[str, Any]]:
    return [public.next(lambda frame: frame.get("topic") == BOOK) for _ in range(count)]


@pytest.mark.parametrize(
    "rule, status, code",
    [
        ({"fault": "http_error", "status": 429}, 429, None),
        ({"fault": "http_error", "status": 503}, 503, None),
        ({"fault": "rate_limited"}, 200, 10006),
        ({"fault": "server_error"}, 200, 10016),
    ],
)
def test_refused_requests_change_nothing(rule: Any, status: int, code: int | None, running: RunningVenue) -> None:
    link = f"refused-{rule['fault']}-{status}"
    running.set_faults(rule | {"at": CREATE})
    answer = create(running, link)
    assert answer.status == status and (code is None or answer.json()["retCode"] == code)
    assert listed(running, link) == []
    assert create(running, link).json()["retCode"] == 0  # the rule fires once


@pytest.mark.parametrize(
    "fault, carried_out", [("ack_lost", True), ("request_lost", False), ("disconnect", False), ("half_open", False)]
)
def test_timeouts_with_and_without_the_order(fault: str, carried_out: bool, running: RunningVenue) -> None:
    running.set_faults({"fault": fault, "at": CREATE, "duration_ms": 50})
    with pytest.raises(NOBODY):
        create(running, f"lost-{fault}")
    assert len(listed(running, f"lost-{fault}")) == carried_out
    assert create(running, f"lost-{fault}").json()["retCode"] == (110072 if carried_out else 0)


def test_a_late_answer(running: RunningVenue) -> None:
    running.set_faults({"fault": "ack_delayed", "at": CREATE, "duration_ms": 200})
    started_s = time.monotonic()
    assert create(running, "late").json()["retCode"] == 0
    assert time.monotonic() - started_s >= 0.2


def test_a_malformed_answer(running: RunningVenue) -> None:
    running.set_faults({"fault": "malformed", "at": "rest:/v5/market/time"})
    with pytest.raises(ValueError):
        rest(running, "GET", "/v5/market/time", {}).json()
    assert rest(running, "GET", "/v5/market/time", {}).json()["retCode"] == 0


@pytest.mark.parametrize("fault, answers, carried_out", [
    ("duplicate", 2, True), ("ack_lost", 0, True), ("request_lost", 0, False), ("ack_delayed", 1, True),
])  # fmt: skip
def test_order_entry_answers(fault: str, answers: int, carried_out: bool, running: RunningVenue) -> None:
    price, link = price_below(running), f"socket-{fault}"
    with RawSocket(running.urls["trade"]) as trade:
        trade.auth(running.keys[0])
        running.set_faults({"fault": fault, "at": "trade:order.create", "duration_ms": 50})
        trade.send(order_request("order.create", place("Buy", "0.001", price, orderLinkId=link), link))
        got = [trade.receive() for _ in range(answers)]
        assert [frame["reqId"] for frame in got] == [link] * answers
        with pytest.raises(TimeoutError):
            trade.receive(timeout_s=0.1)
    assert len(listed(running, link)) == carried_out


def test_order_entry_is_cut(running: RunningVenue) -> None:
    with RawSocket(running.urls["trade"]) as trade:
        trade.auth(running.keys[0])
        running.set_faults({"fault": "disconnect", "at": "trade:order.*"})
        trade.send(order_request("order.cancel", {"orderId": "x"}, "1"))
        with pytest.raises(ConnectionClosed):
            trade.receive()


def test_a_restart_begins_at_one(running: RunningVenue) -> None:
    with RawSocket(running.urls["public"]) as public:
        public.ask({"op": "subscribe", "args": [BOOK]})
        book_frames(public, 2)
        running.set_faults({"fault": "restart", "at": f"public:{BOOK}"})
        frames = book_frames(public, 6)
    ids = [(frame["type"], frame["data"]["u"]) for frame in frames]
    again = ids.index(("snapshot", 1))
    assert ids[again + 1 :] == [("delta", 2 + place) for place in range(len(ids) - again - 1)]
    assert len(frames[again]["data"]["b"]) == 50


@pytest.mark.parametrize("fault, odd_steps", [("drop", [2]), ("duplicate", [0]), ("reorder", [2, -1, 2])])
def test_a_sequence_that_is_not_one(fault: str, odd_steps: list[int], running: RunningVenue) -> None:
    with RawSocket(running.urls["public"]) as public:
        public.ask({"op": "subscribe", "args": [BOOK]})
        before = book_frames(public, 2)[-1]["data"]["u"]
        running.set_faults({"fault": fault, "at": f"public:{BOOK}", "after": 1})
        ids = [before] + [frame["data"]["u"] for frame in book_frames(public, 10)]
    steps = [later - earlier for earlier, later in pairwise(ids)]
    assert [step for step in steps if step != 1] == odd_steps


def test_a_malformed_frame(running: RunningVenue) -> None:
    with RawSocket(running.urls["public"]) as public:
        public.ask({"op": "subscribe", "args": [BOOK]})
        running.set_faults({"fault": "malformed", "at": f"public:{BOOK}"})
        bad = 0
        for _ in range(6):
            try:
                public.receive()
            except json.JSONDecodeError:
                bad += 1
    assert bad == 1


def test_a_cut_stream(running: RunningVenue) -> None:
    with RawSocket(running.urls["public"]) as public:
        public.ask({"op": "subscribe", "args": [BOOK]})
        running.set_faults({"fault": "disconnect", "at": "public:*"})
        with pytest.raises(ConnectionClosed):
            book_frames(public, 100)
    with RawSocket(running.urls["public"]) as public:
        public.ask({"op": "subscribe", "args": [BOOK]})
        assert book_frames(public, 1)[0]["type"] == "snapshot"


def test_a_half_open_socket_is_silent_in_both_directions(running: RunningVenue) -> None:
    with RawSocket(running.urls["public"]) as public:
        public.ask({"op": "subscribe", "args": [BOOK]})
        running.set_faults({"fault": "half_open", "at": f"public:{BOOK}", "duration_ms": 400})
        with pytest.raises(TimeoutError):
            while True:
                public.receive(timeout_s=0.2)
        public.send({"op": "ping", "req_id": "unheard"})
        assert public.next(lambda frame: True).get("topic") == BOOK  # it comes back, and the ping was never read


def test_a_stale_private_stream_tells_all_later(running: RunningVenue) -> None:
    with RawSocket(running.urls["private"]) as private:
        private.auth(running.keys[0])
        private.ask({"op": "subscribe", "args": ["order"]})
        running.set_faults({"fault": "stale", "at": "private:order", "duration_ms": 300})
        started_s = time.monotonic()
        links = [f"stale-{number}" for number in range(3)]
        for link in links:
            create(running, link)
        assert [private.receive()["data"][0]["orderLinkId"] for _ in links] == links
        assert time.monotonic() - started_s >= 0.3


def test_a_fill_races_a_cancel(running: RunningVenue) -> None:
    key = running.keys[0]
    bid = price_below(running, 0.0)
    params = place("Buy", "0.010", f"{float(bid) - 200:.1f}", orderLinkId="race")
    rest(running, "POST", "/v5/order/create", params, key)
    running.set_faults({"fault": "cancel_race", "at": "rest:/v5/order/cancel"})
    answer = rest(running, "POST", "/v5/order/cancel", LINEAR | {"orderLinkId": "race"}, key).json()
    assert answer["retCode"] == 0
    ended = listed(running, "race")[0]
    assert (ended["orderStatus"], ended["cumExecQty"], ended["leavesQty"]) == ("Cancelled", "0.005", "0")
    fills = rest(running, "GET", "/v5/execution/list", LINEAR | {"orderLinkId": "race"}, key).json()["result"]["list"]
    assert [(fill["execQty"], fill["isMaker"]) for fill in fills] == [("0.005", True)]


def test_faults_are_set_while_it_runs(running: RunningVenue) -> None:
    plan = {"seed": 1, "rules": [{"fault": "http_error", "at": "rest:/v5/market/time", "count": None, "every": 2}]}
    assert http(running, "POST", "/emulator/faults", json.dumps(plan).encode()).status == 200
    statuses = [rest(running, "GET", "/v5/market/time", {}).status for _ in range(4)]
    assert statuses == [503, 200, 503, 200]
    report = http(running, "GET", "/emulator/faults").json()["rules"]
    assert [(rule["chances"], rule["fired"]) for rule in report] == [(4, 2)]
    assert http(running, "DELETE", "/emulator/faults").json() == {"rules": []}
    for bad in (b"", b"{", b"[]", b'{"rules": [{"fault": "none"}]}', b'{"rule": []}', b"x" * 100_000):
        assert http(running, "POST", "/emulator/faults", bad).status == 400, bad[:20]


def test_chances_are_drawn_from_the_seed() -> None:
    rule = {"fault": "drop", "at": "public:*", "count": None, "chance_ppm": 300_000}

    def draws(seed: int) -> list[bool]:
        faults = Faults(parse_plan({"seed": seed, "rules": [rule]}))
        return [faults.at_frame("public:x") is not None for _ in range(400)]

    assert draws(1) == draws(1) != draws(2)
    assert 80 < sum(draws(1)) < 160


def test_every_fault_has_a_place() -> None:
    assert set(Fault) == FRAME_FAULTS | REQUEST_FAULTS


@pytest.mark.parametrize(
    "text, where",
    [
        ("rules: [{fault: explode}]", "rules.0.fault"),
        ("rules: [{fault: drop, every: 0}]", "rules.0.every"),
        ("rules: [{fault: drop, when: now}]", "rules.0.when"),
        ("rules: [{fault: http_error, status: 200}]", "rules.0.status"),
        ("rules: 7", "rules"),
        ("- drop", "faults"),
        ("rules: [", "faults.yaml"),
    ],
)
def test_a_bad_plan_names_the_place(text: str, where: str, tmp_path: Path) -> None:
    path = tmp_path / "faults.yaml"
    path.write_text(text)
    with pytest.raises(VenueSetupError, match=where.replace(".", r"\.")):
        load_plan(path)
