"""The pace of requests: windows by the second, pauses after refusals; what is for safety never waits."""

from random import Random
from typing import Any

import pytest

from mmfold.engine.codes import EventKind
from mmfold.engine.gates import throttled
from mmfold.engine.limits import NS_PER_S
from mmfold.engine.state import make_state
from mmfold.engine.throttle import back_off_requests, count_request, end_backoff
from tests.engine.rows import House, make_manifest

KINDS = (EventKind.PLACE, EventKind.AMEND, EventKind.CANCEL)
LIMITS = {"create_per_s_max": 2, "amend_per_s_max": 3, "cancel_per_s_max": 0}

SENT = "book 10000x5 / 10001x5 @10 | place #1 bid 9990 x 5; place #2 ask 10011 x 5\n"


def is_throttled(clock: Any, cell: Any, kind: EventKind) -> bool:
    """Tell whether the gate keeps another request of a kind waiting."""
    cell["ask"]["kind"] = kind
    return not throttled.passes(clock, cell, cell["ask"])


@pytest.mark.parametrize("window_s", [1, 3, 15])
@pytest.mark.parametrize("seed", range(5))
def test_a_window_is_what_was_sent_in_its_seconds(window_s: int, seed: int) -> None:
    random = Random(seed)
    state = make_state(make_manifest())
    clock, cell = state.clock[0], state.cells[0]
    for name, value in LIMITS.items():
        cell["param"][name] = value
    cell["param"]["throttle_window_s"] = window_s
    sent: list[tuple[int, EventKind]] = []
    now_s = 1_700_000_000
    for _ in range(400):
        now_s += random.choice((0, 0, 0, 1, 1, 2, 40))
        clock["ts_now_ns"] = now_s * NS_PER_S + random.randrange(NS_PER_S)
        kind = random.choice(KINDS)
        limit = dict(zip(KINDS, LIMITS.values(), strict=True))[kind] * window_s
        inside = sum(1 for at, which in sent if which == kind and now_s - window_s < at <= now_s)
        assert is_throttled(clock, cell, kind) == (limit > 0 and inside >= limit)
        count_request(clock, cell, kind)
        sent.append((now_s, kind))


def test_each_pause_is_twice_the_one_before_until_all_is_well() -> None:
    state = make_state(make_manifest())
    clock, cell = state.clock[0], state.cells[0]
    cell["param"]["backoff_base_ns"], cell["param"]["backoff_ns_max"] = 200, 700
    found = []
    for now, what in [
        (0, "no"),
        (100, "no"),
        (200, "no"),
        (600, "no"),
        (1300, "no"),
        (2000, "ok"),
        (2701, "ok"),
        (3000, "no"),
    ]:
        clock["ts_now_ns"] = now
        (back_off_requests if what == "no" else end_backoff)(clock, cell)
        found.append(int(cell["throttle"]["backoff_ns"]))
        assert is_throttled(clock, cell, EventKind.PLACE) == (now < cell["throttle"]["paused_until_ns"])
    assert found == [200, 200, 400, 700, 700, 700, 0, 200]


SCENARIOS = {
    "a refused side waits": ({"mode": 1, "reject_backoff_ns": NS_PER_S}, SENT + """
        reject #1 | - | blocked.backoff=1
        +900 timer | - | blocked.backoff=2
        +100 timer | place #3 bid 9990 x 5
    """),
    "an expired post-only order counts as refused": ({"mode": 1, "reject_backoff_ns": NS_PER_S}, SENT + """
        expired #2 | - | blocked.backoff=1
    """),
    "an order that had been accepted does not": ({"mode": 1, "reject_backoff_ns": NS_PER_S}, SENT + """
        ack #1 | -
        expired #1 | place #3 bid 9990 x 5
    """),
    "a refused amend is not asked for again at once": (
        {"mode": 1, "reject_backoff_ns": NS_PER_S, "replace_threshold_bps": 30.0}, SENT + """
        ack #1 | -
        ack #2 | -
        config min_spread_bps=40.0 | param min_spread_bps 20>40 config; amend #1 bid 9980 x 5 reprice; \
            amend #2 ask 10021 x 5 reprice
        reject #1 | - | blocked.backoff=1 #1=accepted
        +900 timer | - | blocked.backoff=2
        +100 timer | amend #1 bid 9980 x 5 reprice
    """),
    "no more orders than the pace": ({"create_per_s_max": 1, "throttle_window_s": 1}, """
        book 10000x5 / 10001x5 @10 | place #1 bid 9990 x 5 | blocked.throttle=1
        +1000 timer | place #2 ask 10011 x 5
    """),
    "no repricing beyond the pace, but pulling": ({"cancel_per_s_max": 1, "throttle_window_s": 1}, SENT + """
        config min_spread_bps=40.0 | param min_spread_bps 20>40 config; cancel #1 bid reprice; place #3 bid 9980 x 5 | \
            blocked.throttle=1
        command freeze | | bid.open_lots=0 ask.open_lots=0
    """),
}  # fmt: skip


@pytest.mark.parametrize(("params", "text"), SCENARIOS.values(), ids=SCENARIOS)
def test_scenario(params: dict[str, int | float], text: str) -> None:
    House(**params).play(text)
