"""AutoPolicy: quotes less and slower while the order flow is too busy (spec/core.md 16); must never quote more, or
faster, than the operator says.

Departs from the spec: `bad` looks at the order events of the last interval alone, and what it makes of a PARAM is
never beyond its base, whatever the caps say.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mmfold.engine.codes import AdjustOp, Reason
from mmfold.engine.limits import NS_PER_MS, NS_PER_S
from mmfold.engine.policy.seam import Adjust, Answer, Policy, PolicyMetric, View

NS_PER_MINUTE = 60 * NS_PER_S
BUSY_COUNTERS = ("placed_count", "amended_count", "cancelled_count")


@dataclass(frozen=True, slots=True)
class Settings:
    """Section autopolicy of the configuration, which has the ranges, units and defaults."""

    enabled: int
    trigger_events_total: int
    hysteresis_bad_required: int
    hysteresis_good_required: int
    cooldown_minutes: float
    max_level: int
    step_ratio: float
    levels_shrink_ratio: float
    min_levels_cap: int
    max_min_time_in_book_ms: int
    max_replace_threshold_bps: float
    interval_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Memory:
    """What it remembers from run to run."""

    level: int = 0
    bad_streak: int = 0
    good_streak: int = 0
    events_seen: int = 0
    ts_changed_ns: int | None = None
    steps: int = 0


def decide(settings: Settings, memory: Memory, view: View) -> tuple[Memory, list[Answer]]:
    """Step one level up after enough bad intervals, one down after enough good ones, never twice within the
    cooldown.
    """
    counters = view.counters
    total = sum([sum(counters[name].tolist()) for name in BUSY_COUNTERS])
    bad = total - memory.events_seen >= settings.trigger_events_total
    bad_streak, good_streak = (memory.bad_streak + 1, 0) if bad else (0, memory.good_streak + 1)
    after = Memory(memory.level, bad_streak, good_streak, total, memory.ts_changed_ns, memory.steps)
    cooldown_ns = int(settings.cooldown_minutes * NS_PER_MINUTE)
    if memory.ts_changed_ns is not None and view.ts_now_ns - memory.ts_changed_ns < cooldown_ns:
        return after, []
    if bad and after.bad_streak >= settings.hysteresis_bad_required and memory.level < settings.max_level:
        return step_to(after, memory.level + 1, view.ts_now_ns), []
    if not bad and after.good_streak >= settings.hysteresis_good_required and memory.level > 0:
        return step_to(after, memory.level - 1, view.ts_now_ns), []
    return after, []


def step_to(memory: Memory, level: int, ts_now_ns: int) -> Memory:
    """Return the memory at another level."""
    return replace(memory, level=level, bad_streak=0, good_streak=0, ts_changed_ns=ts_now_ns, steps=memory.steps + 1)


def adjust(settings: Settings, memory: Memory, view: View) -> list[Adjust]:
    """Return what goes with the level, from the base PARAMS; at level 0 nothing."""
    if memory.level == 0:
        return []
    growth = 1.0 + settings.step_ratio * memory.level
    shrink = 1.0 - settings.levels_shrink_ratio * memory.level
    time_ns_max = settings.max_min_time_in_book_ms * NS_PER_MS
    standing = []
    for symbol, base in zip(view.symbols, view.base, strict=True):
        levels, time_ns, threshold_bps = (
            base[name].item() for name in ("levels_per_side", "min_time_in_book_ns", "replace_threshold_bps")
        )
        values = {
            "levels_per_side": min(levels, max(settings.min_levels_cap, round(levels * shrink))),
            "min_time_in_book_ns": max(time_ns, min(int(time_ns * growth), time_ns_max)),
            "replace_threshold_bps": max(
                threshold_bps, min(threshold_bps * growth, settings.max_replace_threshold_bps)
            ),
        }
        standing += [Adjust(symbol, name, AdjustOp.SET, value, Reason.AUTOPOLICY) for name, value in values.items()]
    return standing


def command(settings: Settings, memory: Memory, document: Mapping[str, Any], view: View) -> tuple[Memory, list[Answer]]:
    """Go to the level that an operator says: {"level": n}, or {"reset": true} for 0 (spec/control.md 19).

    Raises: ValueError.
    """
    level = 0 if document == {"reset": True} else document.get("level")
    if set(document) not in ({"level"}, {"reset"}) or type(level) is not int or not 0 <= level <= settings.max_level:
        raise ValueError(f'expected {{"level": 0 to {settings.max_level}}} or {{"reset": true}}')
    return step_to(memory, level, view.ts_now_ns) if level != memory.level else memory, []


# Named functions: a policy goes from one process of a replay to another.


def enabled_of(settings: Settings, memory: Memory) -> int:
    """Return 1 while it runs."""
    return settings.enabled


def level_of(settings: Settings, memory: Memory) -> int:
    """Return its step."""
    return memory.level


def steps_of(settings: Settings, memory: Memory) -> int:
    """Return how many steps it took."""
    return memory.steps


def changed_s_of(settings: Settings, memory: Memory) -> float:
    """Return when it took the last one, in s since 1970."""
    return (memory.ts_changed_ns or 0) / NS_PER_S


AUTOPOLICY = Policy(
    id=1,
    name="autopolicy",
    settings=Settings,
    memory=Memory,
    decide=decide,
    adjust=adjust,
    command=command,
    metrics=(
        PolicyMetric("autopolicy_active", "1 while autopolicy runs.", enabled_of),
        PolicyMetric("autopolicy_level", "Its step, 0 = as configured.", level_of),
        PolicyMetric("autopolicy_steps_total", "Its steps, up and down.", steps_of),
        PolicyMetric(
            "autopolicy_last_change_ts",
            "Event time of its last step, s since 1970; 0 before.",
            changed_s_of,
        ),
    ),
)
