"""Every fault of a market on a client's own socket or request, and the numbers that show it."""

import time
from itertools import pairwise
from typing import Any

import orjson
import pytest
from websockets.exceptions import ConnectionClosed

from tests.adapters.emulator.binance.running import RunningBinance

DEPTH = "btcusdt@depth@100ms"
AT = f"public:{DEPTH}"
PATH = "/fapi/v1/depth?symbol=BTCUSDT&limit=5"


def breaks(told: list[Any]) -> int:
    return sum(after["pu"] != before["u"] for before, after in pairwise(told))


def depth(binance: RunningBinance, rule: dict[str, Any], count: int = 6) -> list[Any]:
    """Some messages of a book, the third of which a fault strikes."""
    binance.set_faults({"at": AT, "after": 2} | rule)
    with binance.socket(f"/public/stream?streams={DEPTH}") as socket:
        return socket.take("depthUpdate", count)


def test_without_a_fault_nothing_is_missing(binance: RunningBinance) -> None:
    assert breaks(depth(binance, {"fault": "drop", "at": "public:ethusdt@*"})) == 0


def test_drop_is_a_gap(binance: RunningBinance) -> None:
    assert breaks(depth(binance, {"fault": "drop"})) == 1


def test_duplicate_comes_twice(binance: RunningBinance) -> None:
    told = depth(binance, {"fault": "duplicate"})
    assert told[2] == told[3] and breaks(told[3:]) == 0


def test_reorder_swaps(binance: RunningBinance) -> None:
    told = depth(binance, {"fault": "reorder"})
    assert told[2]["pu"] == told[3]["u"] and breaks(sorted(told, key=lambda one: int(one["u"]))) == 0


def test_stale_comes_late_and_whole(binance: RunningBinance) -> None:
    start_s = time.monotonic()
    told = depth(binance, {"fault": "stale", "duration_ms": 900}, 10)
    assert breaks(told) == 0 and time.monotonic() - start_s > 0.9


def test_restart_numbers_from_below(binance: RunningBinance) -> None:
    told = depth(binance, {"fault": "restart"})
    assert breaks(told) == 1 and told[3]["u"] < told[2]["u"] and told[3]["T"] >= told[2]["T"] and breaks(told[3:]) == 0
    book = orjson.loads(binance.ask(PATH).body)
    assert told[3]["u"] <= book["lastUpdateId"] < told[2]["u"], "REST tells the same numbers"
    again = depth(binance, {"fault": "restart"})
    assert again[3]["u"] < again[2]["u"], "and again"


def test_malformed_is_cut(binance: RunningBinance) -> None:
    binance.set_faults({"fault": "malformed", "at": AT})
    with binance.socket(f"/public/stream?streams={DEPTH}") as socket:
        text = socket.socket.recv(5)
        assert isinstance(text, str) and text.startswith('{"stream":') and not text.endswith("}")
        assert socket.receive()["stream"] == DEPTH


def test_disconnect_cuts(binance: RunningBinance) -> None:
    with pytest.raises(ConnectionClosed):
        depth(binance, {"fault": "disconnect"})


def test_half_open_is_silent(binance: RunningBinance) -> None:
    binance.set_faults({"fault": "half_open", "at": AT, "duration_ms": 900})
    with binance.socket(f"/public/ws/{DEPTH}") as socket:
        with pytest.raises(TimeoutError):
            socket.receive(0.3)
        socket.send({"method": "LIST_SUBSCRIPTIONS", "id": 1})  # which nobody hears
        with pytest.raises(TimeoutError):
            socket.receive(0.3)
        assert socket.receive()["e"] == "depthUpdate"


REFUSALS = [
    ({"fault": "http_error", "status": 502}, 502, None),
    ({"fault": "rate_limited"}, 429, -1003),
    ({"fault": "server_error"}, 500, -1001),
]


@pytest.mark.parametrize(("rule", "status", "code"), REFUSALS)
def test_requests_that_fail(binance: RunningBinance, rule: dict[str, Any], status: int, code: int | None) -> None:
    binance.set_faults({"at": "rest:/fapi/v1/depth"} | rule)
    answer = binance.ask(PATH)
    assert answer.status == status and (code is None or answer.json()["code"] == code)
    assert binance.ask(PATH).status == 200


@pytest.mark.parametrize("fault", ["disconnect", "request_lost", "half_open"])
def test_requests_without_an_answer(binance: RunningBinance, fault: str) -> None:
    binance.set_faults({"at": "rest:/fapi/v1/time", "fault": fault, "duration_ms": 300})
    with pytest.raises((ConnectionError, OSError)):
        binance.ask("/fapi/v1/time")


def test_a_late_answer_is_older_than_the_stream(binance: RunningBinance) -> None:
    binance.set_faults({"at": "rest:/fapi/v1/depth", "fault": "ack_delayed", "duration_ms": 600})
    start_s = time.monotonic()
    number = orjson.loads(binance.ask(PATH).body)["lastUpdateId"]
    assert time.monotonic() - start_s > 0.6 and number < orjson.loads(binance.ask(PATH).body)["lastUpdateId"] - 8


def test_a_malformed_answer(binance: RunningBinance) -> None:
    binance.set_faults({"at": "rest:*", "fault": "malformed"})
    assert not binance.ask(PATH).body.endswith(b"}")


def test_clock_skew(binance: RunningBinance) -> None:
    binance.set_faults({"at": "rest:/fapi/v1/time", "fault": "clock_skew", "skew_ms": -60_000, "duration_ms": 400})
    skewed_ms = binance.get("time")["serverTime"]
    assert abs(skewed_ms + 60_000 - time.time() * 1_000) < 5_000
    time.sleep(0.5)
    assert abs(binance.get("time")["serverTime"] - time.time() * 1_000) < 5_000


def test_faults_over_http(binance: RunningBinance) -> None:
    rules = orjson.dumps({"rules": [{"fault": "rate_limited", "at": "rest:/fapi/v1/time"}]})
    assert binance.ask("/emulator/faults", "POST", rules).json()["rules"][0]["fired"] == 0
    assert binance.ask("/fapi/v1/time").status == 429
    assert binance.ask("/emulator/faults").json()["rules"][0]["fired"] == 1
    for wrong in (b"{", b'{"rules":[{"fault":"no"}]}', b"[" + b" " * (1 << 17)):
        assert binance.ask("/emulator/faults", "POST", wrong).status == 400
    assert binance.ask("/emulator/faults", "DELETE").json() == {"rules": []}
