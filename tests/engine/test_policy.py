"""AutoPolicy: when it steps, what it sets, and that it acts through the timer and the audit alone (spec/core.md 16)."""

from dataclasses import replace

import pytest

from mmfold.engine.codes import Reason
from mmfold.engine.limits import NS_PER_S
from mmfold.engine.policy.autopolicy import AutoPolicy
from mmfold.engine.policy.seam import Decision, View
from tests.engine.rows import House

BASE: dict[str, int | float] = {
    "levels_per_side": 10, "min_time_in_book_ns": 1_000_000_000, "replace_threshold_bps": 5.0,
}  # fmt: skip
EAGER = AutoPolicy(enabled=1, trigger_events_total=10, hysteresis_bad_required=1, hysteresis_good_required=1,
                   cooldown_minutes=0.0)  # fmt: skip


def view(ts_s: int, placed: int, params: dict[str, int | float] | None = None) -> View:
    counters = {"placed_count": placed, "amended_count": 0, "cancelled_count": 0, "rejected_count": 99}
    return View(ts_s * NS_PER_S, {"X": params or BASE}, {"X": counters})


@pytest.mark.parametrize(
    ("settings", "totals", "levels"),
    [
        # Orders of each window -> level after it.
        ({}, [10, 10, 10, 10, 10], [1, 2, 3, 3, 3]),
        ({}, [9, 9, 9], [0, 0, 0]),
        ({}, [10, 0, 10, 0, 0], [1, 0, 1, 0, 0]),
        ({"hysteresis_bad_required": 2}, [10, 0, 10, 10, 10, 10], [0, 0, 0, 1, 1, 2]),
        ({"hysteresis_good_required": 2}, [10, 0, 10, 0, 0, 0], [1, 1, 2, 2, 1, 1]),
        ({"cooldown_minutes": 0.1}, [10] * 8, [1, 1, 1, 1, 1, 1, 2, 2]),  # 6 s
        ({"max_level": 1}, [10, 10, 10], [1, 1, 1]),
        ({"enabled": 0}, [10, 10, 10], [0, 0, 0]),
    ],
)
def test_steps(settings: dict[str, int | float], totals: list[int], levels: list[int]) -> None:
    policy, total, found = replace(EAGER, **settings), 0, []
    for second, count in enumerate(totals):
        total += count
        policy, _ = policy.decide(view(second, total))
        found.append(policy.level)
    assert found == levels


def test_the_example_of_the_spec() -> None:
    # Base 1000 ms, 5 bps, 10 levels: level 2 -> 1300 / 6.5 / 5.
    policy, _ = EAGER.decide(view(0, 10))
    _, decisions = policy.decide(view(1, 20))
    assert decisions == [
        Decision("X", "levels_per_side", 5, Reason.AUTOPOLICY),
        Decision("X", "min_time_in_book_ns", 1_300_000_000, Reason.AUTOPOLICY),
        Decision("X", "replace_threshold_bps", 6.5, Reason.AUTOPOLICY),
    ]


def test_the_way_down_leads_back_to_where_it_began() -> None:
    policy, params = EAGER, dict(BASE)
    for second, total in enumerate([10, 20, 30, 30, 30, 30]):
        policy, decisions = policy.decide(view(second, total, params))
        params |= {decision.param: decision.value for decision in decisions}
    assert params == BASE and policy.level == 0 and policy.base == ()


def test_caps() -> None:
    policy = replace(EAGER, min_levels_cap=4, max_min_time_in_book_ms=1_100, max_replace_threshold_bps=5.1, max_level=9)
    for second in range(9):
        policy, decisions = policy.decide(view(second, 10 * (second + 1)))
    assert [decision.value for decision in decisions] == [4, 1_100_000_000, 5.1]


@pytest.mark.parametrize(
    "values", [{"levle": 1}, {"level": 1}, {"max_level": -1}, {"max_level": True}, {"enabled": "1"}]
)
def test_settings_are_checked(values: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="autopolicy"):
        AutoPolicy().configure(values)


SETTINGS = ("policy.enabled=1 policy.trigger_events_total=2 policy.hysteresis_bad_required=1 "
            "policy.hysteresis_good_required=1 policy.cooldown_minutes=0 policy.max_level=2")  # fmt: skip
# Four levels of 51,000 USD are 1 lot each, so are three, two are 2 lots each. Placing and cancelling is what is busy.
BIDS = "; ".join(f"place #{n} bid 9990 x 1" for n in (1, 2, 3, 4))
ASKS = "; ".join(f"place #{n} ask 10011 x 1" for n in (5, 6, 7, 8))
TEXT = f"""
    book 10000x5 / 10001x5 @10 | {BIDS}; {ASKS}
    config {SETTINGS} | -
    +0 timer | param levels_per_side 4>3 autopolicy; param replace_threshold_bps 5>5.75 autopolicy; \
        cancel #4 bid level_dropped; cancel #8 ask level_dropped | policy.level=1
    +999 timer | - | policy.level=1 clock.policy_run_count=1
    +1 timer | param levels_per_side 3>2 autopolicy; param replace_threshold_bps 5.75>6.5 autopolicy; \
        cancel #1 bid reprice; place #9 bid 9990 x 2; cancel #2 bid reprice; place #10 bid 9990 x 2; \
            cancel #3 bid level_dropped; cancel #5 ask reprice; place #11 ask 10011 x 2; cancel #6 ask reprice; \
                place #12 ask 10011 x 2; cancel #7 ask level_dropped | policy.level=2
    +1000 timer | - | policy.level=2
    config policy.trigger_events_total=1000 | -
    +1000 timer | | policy.level=1 param.levels_per_side=3
    +1000 timer | | policy.level=0 param.levels_per_side=4 param.replace_threshold_bps=5 bid.open_lots=4
    """  # fmt: skip


def test_up_and_down_through_timer_and_audit() -> None:
    house = House(levels_per_side=4, active_per_side_max=4, md_stale_ns=0)
    house.play(TEXT)
    assert house.cell["counter"]["audit_count"] == 8
