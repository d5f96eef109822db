"""AutoPolicy: when it steps, what it makes of PARAMS, and that it never undoes its operator (spec/core.md 16)."""

from dataclasses import replace
from typing import Any

import pytest

from mmfold.engine.codes import AdjustOp, Reason
from mmfold.engine.limits import NS_PER_S
from mmfold.engine.params import ConfigPayloadError
from mmfold.engine.policy.autopolicy import Memory, Settings, adjust, command, decide
from mmfold.engine.policy.codec import decode
from mmfold.engine.policy.seam import Adjust, View
from mmfold.engine.state import make_state
from tests.engine.rows import AUTOPOLICY, House, make_manifest

BASE: dict[str, int | float] = {
    "levels_per_side": 10, "min_time_in_book_ns": 1_000_000_000, "replace_threshold_bps": 5.0,
}  # fmt: skip
EAGER = replace(
    decode(Settings, AUTOPOLICY, "autopolicy"), enabled=1, trigger_events_total=10, hysteresis_bad_required=1,
    hysteresis_good_required=1, cooldown_minutes=0.0,
)  # fmt: skip


def view(ts_s: int = 0, placed: int = 0, **base: int | float) -> View:
    manifest = make_manifest()
    state = make_state(manifest)
    state.clock["ts_now_ns"], state.counters["placed_count"] = ts_s * NS_PER_S, placed
    state.counters["rejected_count"] = 99
    for name, value in (BASE | base).items():
        state.base[name] = value
    return View(state, manifest)


@pytest.mark.parametrize(
    ("settings", "totals", "levels"),
    [
        # Orders of each interval -> level after it.
        ({}, [10, 10, 10, 10, 10], [1, 2, 3, 3, 3]),
        ({}, [9, 9, 9], [0, 0, 0]),
        ({}, [10, 0, 10, 0, 0], [1, 0, 1, 0, 0]),
        ({"hysteresis_bad_required": 2}, [10, 0, 10, 10, 10, 10], [0, 0, 0, 1, 1, 2]),
        ({"hysteresis_good_required": 2}, [10, 0, 10, 0, 0, 0], [1, 1, 2, 2, 1, 1]),
        ({"cooldown_minutes": 0.1}, [10] * 8, [1, 1, 1, 1, 1, 1, 2, 2]),  # 6 s
        ({"max_level": 1}, [10, 10, 10], [1, 1, 1]),
    ],
)
def test_steps(settings: dict[str, Any], totals: list[int], levels: list[int]) -> None:
    memory, total, found = Memory(), 0, []
    for second, count in enumerate(totals):
        total += count
        memory, answers = decide(replace(EAGER, **settings), memory, view(second, total))
        assert not answers
        found.append(memory.level)
    assert found == levels


LEVELS = [
    # Level and base -> levels, resting time, threshold. The first is the example of the specification.
    ({}, 2, {}, (5, 1_300_000_000, 6.5)),
    ({}, 3, {}, (2, 1_450_000_000, 7.25)),
    ({"min_levels_cap": 4, "max_min_time_in_book_ms": 1_100, "max_replace_threshold_bps": 5.1, "max_level": 9}, 9, {},
     (4, 1_100_000_000, 5.1)),
    # A cap beyond the base makes nothing bolder than the operator has it.
    ({"min_levels_cap": 4}, 1, {"levels_per_side": 1}, (1, 1_150_000_000, 5.75)),
    ({"max_min_time_in_book_ms": 500, "max_replace_threshold_bps": 1.0}, 1, {}, (8, 1_000_000_000, 5.0)),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "level", "base", "values"), LEVELS)
def test_what_goes_with_a_level(
    settings: dict[str, Any], level: int, base: dict[str, Any], values: tuple[float, ...]
) -> None:
    standing = adjust(replace(EAGER, **settings), Memory(level=level), view(**base))
    assert standing == [
        Adjust("X", name, AdjustOp.SET, value, Reason.AUTOPOLICY) for name, value in zip(BASE, values, strict=True)
    ]
    assert adjust(EAGER, Memory(), view()) == []


@pytest.mark.parametrize(
    ("document", "level"),
    [({"level": 3}, 3), ({"reset": True}, 0), ({"level": 2}, 2), ({"level": 4}, None), ({"level": True}, None),
     ({}, None)],
)  # fmt: skip
def test_an_operators_level(document: dict[str, Any], level: int | None) -> None:
    before = Memory(level=2, ts_changed_ns=1)
    if level is None:
        with pytest.raises(ValueError, match="0 to 3"):
            command(EAGER, before, document, view(7))
        return
    after, answers = command(EAGER, before, document, view(7))
    assert after.level == level and not answers
    assert after.ts_changed_ns == (1 if level == 2 else 7 * NS_PER_S)


@pytest.mark.parametrize(
    "values",
    [{"levle": 1}, {"level": 1}, {"max_level": True}, {"enabled": "1"}, {"max_level": 1.5}, {"interval_s": 0},
     {"interval_s": 1e300}],
)  # fmt: skip
def test_settings_are_checked(values: dict[str, object]) -> None:
    house = House()
    with pytest.raises(ConfigPayloadError, match="autopolicy"):
        house.core.configure({"policies": {"autopolicy": values}})


SETTINGS = ("policy.enabled=1 policy.trigger_events_total=2 policy.hysteresis_bad_required=1 "
            "policy.hysteresis_good_required=1 policy.cooldown_minutes=0 policy.max_level=2")  # fmt: skip
# Four levels of 51,000 USD are 1 lot each, so are three, two are 2 lots each. Placing and cancelling is what is busy.
BIDS = "; ".join(f"place #{n} bid 9990 x 1" for n in (1, 2, 3, 4))
ASKS = "; ".join(f"place #{n} ask 10011 x 1" for n in (5, 6, 7, 8))
TO_LEVEL_1 = f"""
    book 10000x5 / 10001x5 @10 | {BIDS}; {ASKS}
    config {SETTINGS} | -
    +0 timer | param levels_per_side 4>3 autopolicy; param replace_threshold_bps 5>5.75 autopolicy; \
        cancel #4 bid level_dropped; cancel #8 ask level_dropped | policy.level=1 base.levels_per_side=4
    """
UP_AND_DOWN = f"""
    {TO_LEVEL_1}
    +999 timer | - | policy.level=1 clock.policy_run_count=1
    +1 timer | param levels_per_side 3>2 autopolicy; param replace_threshold_bps 5.75>6.5 autopolicy; \
        cancel #1 bid reprice; place #9 bid 9990 x 2; cancel #2 bid reprice; place #10 bid 9990 x 2; \
            cancel #3 bid level_dropped; cancel #5 ask reprice; place #11 ask 10011 x 2; cancel #6 ask reprice; \
                place #12 ask 10011 x 2; cancel #7 ask level_dropped | policy.level=2
    +1000 timer | - | policy.level=2
    config policy.trigger_events_total=1000 | -
    +1000 timer | | policy.level=1 param.levels_per_side=3
    +1000 timer | | policy.level=0 param.levels_per_side=4 param.replace_threshold_bps=5 bid.open_lots=4
    """
# The operator's word is base: what a policy does is always from there, and a quiet time leads back there.
OPERATOR = f"""
    {TO_LEVEL_1}
    config policy.trigger_events_total=1000 levels_per_side=1 | param levels_per_side 3>1 config; \
        cancel #1 bid reprice; place #9 bid 9990 x 5; cancel #2 bid level_dropped; cancel #3 bid level_dropped; \
            cancel #5 ask reprice; place #10 ask 10011 x 5; cancel #6 ask level_dropped; \
                cancel #7 ask level_dropped | base.levels_per_side=1
    +1000 timer | | policy.level=0 param.levels_per_side=1 param.replace_threshold_bps=5
    +1000 timer | | param.levels_per_side=1
    """
SWITCHED_OFF = f"""
    {TO_LEVEL_1}
    config policy.enabled=0 | param levels_per_side 3>4 config; param replace_threshold_bps 5.75>5 config; \
        place #9 bid 9990 x 1; place #10 ask 10011 x 1 | policy.level=0 clock.policy_active=0
    +9000 timer | | param.levels_per_side=4 clock.policy_run_count=1
    """
PINNED = f"""
    {TO_LEVEL_1}
    command pin X levels_per_side=4 | param levels_per_side 3>4 command; place #9 bid 9990 x 1; place #10 ask 10011 x 1
    +1000 timer | param replace_threshold_bps 5.75>6.5 autopolicy | policy.level=2 param.levels_per_side=4
    config levels_per_side=2 | - | param.levels_per_side=4 base.levels_per_side=2
    command unpin X levels_per_side | | param.levels_per_side=1
    """
ASKED = f"""
    {TO_LEVEL_1}
    command policy autopolicy level=0 | param levels_per_side 3>4 autopolicy; \
        param replace_threshold_bps 5.75>5 autopolicy; place #9 bid 9990 x 1; place #10 ask 10011 x 1 | policy.level=0
    """


@pytest.mark.parametrize("text", [UP_AND_DOWN, OPERATOR, SWITCHED_OFF, PINNED, ASKED])
def test_in_the_core(text: str) -> None:
    House(levels_per_side=4, active_per_side_max=4, md_stale_ns=0).play(text)


def test_every_change_is_an_audit() -> None:
    house = House(levels_per_side=4, active_per_side_max=4, md_stale_ns=0)
    house.play(UP_AND_DOWN)
    assert house.cell["counter"]["audit_count"] == 8
