"""The policy lane: how adjustments of several policies fold over the operator's base, schedules, freezes, failures."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import orjson
import pytest

from mmfold.engine.codes import AdjustOp, AlertCode, EventKind, Reason
from mmfold.engine.core import Core
from mmfold.engine.limits import ADJUST_COUNT_MAX
from mmfold.engine.policy.codec import decode, encode
from mmfold.engine.policy.lane import PolicyBroken
from mmfold.engine.policy.layers import Folded, Standing, fold_param, put_standing, standing_of
from mmfold.engine.policy.seam import Adjust, Alert, Answer, Freeze, Policy, Unfreeze, View, Wake
from mmfold.engine.schema import PARAM_BY_NAME
from mmfold.journal.log.checkpoints import Checkpoint
from mmfold.replay.checkpoint import load_checkpoint
from tests.engine.rows import House, event

AUTO, ME = Reason.AUTOPOLICY, Reason.COMMAND


@dataclass(frozen=True, slots=True)
class Settings:
    enabled: int
    interval_s: float


@dataclass(frozen=True, slots=True)
class Memory:
    runs: int = 0


Says = Callable[[Memory], list[Adjust]]


def make_policy(
    number: int, says: Says | None = None, answers: Callable[[Memory, View], list[Answer]] | None = None
) -> Policy:
    """Return a policy that says something that depends on how often it ran."""

    def decide(settings: Settings, memory: Memory, view: View) -> tuple[Memory, list[Answer]]:
        after = replace(memory, runs=memory.runs + 1)
        return after, answers(after, view) if answers else []

    def adjust(settings: Settings, memory: Memory, view: View) -> list[Adjust]:
        return says(memory) if says and memory.runs else []

    return Policy(number, f"policy_{number}", Settings, Memory, decide, adjust)


def scale(ppm: int, param: str = "min_spread_bps") -> Says:
    return lambda memory: [Adjust("X", param, AdjustOp.SCALE_PPM, ppm, AUTO)]


def make_house(*policies: Policy, interval_s: float = 1.0, **params: int | float) -> House:
    """Return a house whose policies are switched on before its first event."""
    house = House(policies=policies, **params)
    settings = {policy.name: {"enabled": 1, "interval_s": interval_s} for policy in policies}
    house.core.configure({"policies": settings})
    return house


FLOAT, WHOLE, CAPPED = (PARAM_BY_NAME[name] for name in ("min_spread_bps", "levels_per_side", "position_lots_max"))


def one(op: AdjustOp, value: float, author: int = 1) -> Standing:
    return Standing(author, "", op, value, AUTO)


FOLDS = [
    (FLOAT, 10.0, [], 10.0, 0),
    (FLOAT, 10.0, [one(AdjustOp.SET, 12.0)], 12.0, 1),
    (FLOAT, 10.0, [one(AdjustOp.SCALE_PPM, 1_050_000), one(AdjustOp.SCALE_PPM, 1_100_000, 2)], 11.55, 2),
    (FLOAT, 10.0, [one(AdjustOp.SCALE_PPM, 1_050_000), one(AdjustOp.CAP, 10.2, 2)], 10.2, 2),
    (FLOAT, 10.0, [one(AdjustOp.SCALE_PPM, 1_050_000), one(AdjustOp.CAP, 11.0, 2)], 10.5, 1),  # a cap that is not met
    (FLOAT, 10.0, [one(AdjustOp.FLOOR, 12.0), one(AdjustOp.FLOOR, 11.0, 2)], 12.0, 1),
    (FLOAT, 10.0, [one(AdjustOp.SET, 12.0), one(AdjustOp.PIN, 9.0, 0)], 9.0, 0),
    (WHOLE, 7, [one(AdjustOp.SCALE_PPM, 500_000)], 3, 1),  # rounded down
    (CAPPED, 100, [one(AdjustOp.SET, 150)], 100, 0),  # a hard cap is lowered only
    (CAPPED, 100, [one(AdjustOp.PIN, 150, 0)], 100, 0),
    (CAPPED, 100, [one(AdjustOp.SET, 0)], 100, 0),  # 0 would be no limit
    (CAPPED, 100, [one(AdjustOp.CAP, 40)], 40, 1),
    (CAPPED, 0, [one(AdjustOp.SET, 150)], 150, 1),  # there is none: a first one is lower
]


@pytest.mark.parametrize(("field", "base", "standing", "value", "author"), FOLDS)
def test_a_fold(field: Any, base: float, standing: list[Standing], value: float, author: int) -> None:
    found = fold_param(field, base, standing)
    assert found.value == pytest.approx(value, rel=1e-15) and found.author == author


def test_two_policies_that_scale_compose_and_never_compound() -> None:
    house = make_house(make_policy(1, scale(1_050_000)), make_policy(2, scale(1_050_000)), min_spread_bps=10.0)
    for _ in range(4):
        house.play("+1000 timer | | param.min_spread_bps=11.025 base.min_spread_bps=10")
    house.play("config min_spread_bps=20 | | param.min_spread_bps=22.05")


def test_who_says_nothing_withdraws() -> None:
    policy = make_policy(3, lambda memory: scale(2_000_000)(memory) if memory.runs == 1 else [])
    house = make_house(policy, min_spread_bps=10.0)
    house.play("""
        +1 trade bid 10000x1
        +1000 timer | param min_spread_bps 10>20 policy 3
        +1000 timer | param min_spread_bps 20>10 policy 3
        +1000 timer | -
        """)
    assert standing_of(house.core.state, 0) == []


def test_the_order_is_the_registrys_not_that_of_the_runs() -> None:
    cap = make_policy(1, lambda memory: [Adjust("X", "min_spread_bps", AdjustOp.CAP, 12.0, AUTO)])
    first = make_house(make_policy(2, scale(2_000_000)), cap, min_spread_bps=10.0)
    last = make_house(cap, make_policy(2, scale(2_000_000)), min_spread_bps=10.0)
    first.play("+1000 timer | | param.min_spread_bps=12")
    last.play("+1000 timer | | param.min_spread_bps=20")


def test_each_has_its_own_schedule() -> None:
    house = House(policies=(make_policy(1), make_policy(2)))
    settings = {f"policy_{i}": {"enabled": 1, "interval_s": float(s)} for i, s in ((1, 2), (2, 5))}
    house.core.configure({"policies": settings})
    for _ in range(11):
        house.play("+1000 timer")
    counts = house.core.state.clock[0]["schedules"]["run_count"][1:3].tolist()
    assert counts == [6, 3]  # at 0, 2, 4, 6, 8, 10 s and at 0, 5, 10 s
    assert [member.memory.runs for member in house.core.lane.members.values()] == counts
    assert house.core.state.clock[0]["policy_run_count"] == 7  # at 0 and 10 s one run has both


def test_a_policy_may_be_woken_by_what_happens() -> None:
    policy = make_policy(1, answers=lambda memory, view: [Wake(EventKind.TRADE, 2)])
    house = make_house(policy, interval_s=3600.0)
    house.play("""
        +1000 timer | | clock.policy_run_count=1
        trade bid 10000x1
        +1000 timer | | clock.policy_run_count=1
        trade bid 10000x1
        +1000 timer | | clock.policy_run_count=2
        +1000 timer | | clock.policy_run_count=2
        """)


def test_a_freeze_is_lifted_by_its_owner_or_the_operator() -> None:
    answers = {1: [Freeze("X", AUTO)] * 2, 2: [Unfreeze("X", AUTO)] * 2}  # said twice, told once
    one, other = (make_policy(n, answers=lambda memory, view: answers.get(memory.runs, [])) for n in (1, 2))
    house = House(policies=(one, other))
    house.core.configure({"policies": {"policy_1": {"enabled": 1, "interval_s": 1.0}}})
    house.play("""
        book 10000x5 / 10001x5 @10
        +1000 timer | frozen 0>2; guard none>freeze; cancel #1 bid freeze; cancel #2 ask freeze
        command freeze X | frozen 2>3
        +1000 timer | frozen 3>1
        command unfreeze X | frozen 1>0; guard freeze>none; place #3 bid 9990 x 5; place #4 ask 10011 x 5
        """)
    house.core.configure({"policies": {"policy_2": {"enabled": 1, "interval_s": 1.0}}})
    house.play("+1000 timer | frozen 0>4; guard none>freeze; cancel #3 bid freeze; cancel #4 ask freeze")
    house.play("command unfreeze | frozen 4>0; guard freeze>md_stale")


def test_an_alert_names_its_policy() -> None:
    house = make_house(make_policy(5, answers=lambda memory, view: [Alert("X", 77)]))
    (effect,) = [effect for effect in house.feed(event(EventKind.TIMER)) if effect["kind"] == EventKind.ALERT]
    assert (effect["kind"], effect["code"], effect["aux"]) == (EventKind.ALERT, AlertCode.POLICY, 5 << 32 | 77)


def test_a_view_cannot_be_written() -> None:
    seen: list[View] = []
    house = make_house(make_policy(1, answers=lambda memory, view: seen.append(view) or []))
    house.play("+1000 timer")
    (view,) = seen
    assert view.symbols == ("X",) and view.base["levels_per_side"].tolist() == [1]
    for name in ("clock", "base", "effective", "books", "signals", "quoters", "orders", "positions", "counters"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(view, name)[...] = 0


def fails(memory: Memory, view: View) -> list[Answer]:
    raise ZeroDivisionError


BROKEN = [
    make_policy(1, answers=fails),
    make_policy(1, lambda memory: [Adjust("Z", "levels_per_side", AdjustOp.SET, 2, AUTO)]),
    make_policy(1, lambda memory: [Adjust("X", "levels", AdjustOp.SET, 2, AUTO)]),
    make_policy(1, lambda memory: [Adjust("X", "levels_per_side", AdjustOp.SET, 2.5, AUTO)]),
    make_policy(1, lambda memory: [Adjust("X", "levels_per_side", AdjustOp.SET, 0, AUTO)]),
    make_policy(1, lambda memory: [Adjust("X", "levels_per_side", AdjustOp.PIN, 2, AUTO)]),
    make_policy(1, lambda memory: [Adjust("X", "levels_per_side", AdjustOp.SET, 2, AUTO)] * (ADJUST_COUNT_MAX + 1)),
]


@pytest.mark.parametrize("policy", BROKEN)
def test_a_policy_that_fails_is_our_bug(policy: Policy) -> None:
    house = make_house(policy)
    with pytest.raises(PolicyBroken, match=r"policy_1 .*seq 1\b"):
        house.play("timer")


def test_a_checkpoint_holds_what_stands_and_when_who_is_due() -> None:
    policies = (make_policy(1, scale(1_500_000)), make_policy(2))
    house = make_house(*policies, min_spread_bps=10.0)
    house.play("""
        trade bid 10000x1
        command pin X levels_per_side=2 | param levels_per_side 1>2 command
        +1000 timer | param min_spread_bps 10>15 autopolicy
        """)
    again = Core(house.manifest, policies=policies)
    again.load(house.core.dump())
    assert again.state_digest() == house.core.state_digest() and again.lane.members == house.core.lane.members
    assert again.lane.active == house.core.lane.active == {1: "policy_1", 2: "policy_2"}


def test_a_checkpoint_that_is_refused_stops_no_policy() -> None:
    policies = (make_policy(1, scale(1_500_000)), make_policy(2))
    core = make_house(*policies).core
    other = Core(core.manifest, policies=policies)
    data = other.dump() + b"."  # the counts behind the policies are cut
    meta = {"effects_digest": "00", "witnessed_count": 0, "rows": 0, "document": {}}
    before = core.state, core.lane.members, dict(core.lane.active)
    assert before[2] and not other.lane.active
    assert not load_checkpoint(core, Checkpoint("", 0, b"", data, meta))
    assert (core.state, core.lane.members, core.lane.active) == before


def test_what_stands_is_written_and_read() -> None:
    house = House()
    standing = [
        Standing(1, "min_spread_bps", AdjustOp.SCALE_PPM, 1_050_000, AUTO),
        Standing(1, "min_spread_bps", AdjustOp.CAP, 12.5, AUTO),
        Standing(0, "position_lots_max", AdjustOp.PIN, (1 << 61) + 1, ME),
    ]
    put_standing(house.core.state, 0, standing)
    assert standing_of(house.core.state, 0) == standing
    put_standing(house.core.state, 0, [])
    assert standing_of(house.core.state, 0) == [] and not house.core.state.adjusts[0].tobytes().strip(b"\0")


def test_a_pin_in_the_journal_is_checked() -> None:
    house = House()
    house.play("""
        trade bid 10000x1
        command pin X levels_per_side=2 min_spread_bps=30 | param levels_per_side 1>2 command; \
            param min_spread_bps 20>30 command
        command pin X levels_per_side=3 | param levels_per_side 2>3 command
        config levels_per_side=5 | - | param.levels_per_side=3
        command unpin X | param levels_per_side 3>5 command; param min_spread_bps 30>20 command
        """)
    assert fold_param(WHOLE, 5, standing_of(house.core.state, 0)) == Folded(5, 0, Reason.NONE)


@dataclass(frozen=True, slots=True)
class Inner:
    name: str
    weights: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Everything:
    count: int
    ratio: float
    pair: tuple[int, str]
    inner: Inner
    inners: tuple[Inner, ...] = ()
    since: int | None = None


VALUE = Everything(1, 0.1, (2, "x"), Inner("a", (0.5, 1e-9)), (Inner("b"), Inner("c", (3.0,))), None)


@pytest.mark.parametrize("value", [VALUE, replace(VALUE, since=5, inners=())])
def test_the_codec_round_trips(value: Everything) -> None:
    assert decode(Everything, orjson.loads(orjson.dumps(encode(value))), "x") == value


BAD = [
    (1, "x: 1 is no object"),
    ({**encode(VALUE), "more": 1}, "x.more: unknown key"),
    ({key: item for key, item in encode(VALUE).items() if key != "count"}, "x.count: missing"),
    ({**encode(VALUE), "count": True}, "x.count: True is no int"),
    ({**encode(VALUE), "ratio": "1"}, "x.ratio: '1' is no float"),
    ({**encode(VALUE), "pair": [1]}, "x.pair: 1 items, expected 2"),
    ({**encode(VALUE), "pair": 1}, "x.pair: 1 is no array"),
    ({**encode(VALUE), "inner": {"name": 5}}, "x.inner.name: 5 is no str"),
    ({**encode(VALUE), "since": 1.5}, "x.since: 1.5 is no int"),
]


@pytest.mark.parametrize(("plain", "message"), BAD)
def test_the_codec_names_the_place(plain: Any, message: str) -> None:
    with pytest.raises(ValueError) as refused:
        decode(Everything, plain, "x")
    assert str(refused.value) == message
