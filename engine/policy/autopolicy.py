"""AutoPolicy: quotes less and slower while the order flow is too busy (spec/core.md 16); never touches anything but
PARAMS.

Departs from the spec: `bad` looks at the order events of the last window alone; the throttle's backoff does not exist
yet.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mmfold.engine.codes import Reason
from mmfold.engine.limits import NS_PER_MS, NS_PER_S
from mmfold.engine.policy.seam import Decision, View

NS_PER_MINUTE = 60 * NS_PER_S
BUSY_COUNTERS = ("placed_count", "amended_count", "cancelled_count")
BASE_PARAMS = ("levels_per_side", "min_time_in_book_ns", "replace_threshold_bps")


@dataclass(frozen=True, slots=True)
class AutoPolicy:
    """Settings (config/, section autopolicy) and memory of the policy."""

    enabled: int = 0
    trigger_events_total: int = 40
    hysteresis_bad_required: int = 2
    hysteresis_good_required: int = 2
    cooldown_minutes: float = 2.0
    max_level: int = 3
    step_ratio: float = 0.15
    levels_shrink_ratio: float = 0.25
    min_levels_cap: int = 1
    max_min_time_in_book_ms: int = 60_000
    max_replace_threshold_bps: float = 100.0
    # Memory.
    level: int = 0
    bad_streak: int = 0
    good_streak: int = 0
    events_seen: int = 0
    ts_changed_ns: int = -(1 << 62)
    base: tuple[tuple[str, int | float], ...] = ()  # "SYMBOL.param" -> value before the first step

    @property
    def is_active(self) -> bool:
        """Whether it is switched on."""
        return bool(self.enabled)

    def configure(self, values: Mapping[str, Any]) -> "AutoPolicy":
        """Return the policy with new settings."""
        settings = set(self.__dataclass_fields__) - set(MEMORY)
        for key, value in values.items():
            if key not in settings:
                raise ValueError(f"autopolicy.{key}: unknown key")
            if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
                raise ValueError(f"autopolicy.{key}: {value!r} is not a number >= 0")
        return replace(self, **values)

    def decide(self, view: View) -> tuple["AutoPolicy", list[Decision]]:
        """Step one level up after enough bad windows, one down after enough good ones, never twice within the
        cooldown.
        """
        if not self.enabled:
            return self, []
        total = sum(view.counters[symbol][name] for symbol in view.counters for name in BUSY_COUNTERS)
        bad = total - self.events_seen >= self.trigger_events_total
        after = replace(
            self,
            events_seen=total,
            bad_streak=self.bad_streak + 1 if bad else 0,
            good_streak=0 if bad else self.good_streak + 1,
        )
        if view.ts_now_ns - self.ts_changed_ns < int(self.cooldown_minutes * NS_PER_MINUTE):
            return after, []
        if bad and after.bad_streak >= self.hysteresis_bad_required and self.level < self.max_level:
            return after.step_to(self.level + 1, view)
        if not bad and after.good_streak >= self.hysteresis_good_required and self.level > 0:
            return after.step_to(self.level - 1, view)
        return after, []

    def step_to(self, level: int, view: View) -> tuple["AutoPolicy", list[Decision]]:
        """Return the policy at another level and the PARAMS that go with it."""
        base = dict(self.base) or {
            f"{symbol}.{name}": values[name] for symbol, values in view.params.items() for name in BASE_PARAMS
        }
        growth = 1.0 + self.step_ratio * level
        decisions = []
        for symbol in sorted(view.params):
            levels = round(base[f"{symbol}.levels_per_side"] * (1.0 - self.levels_shrink_ratio * level))
            time_ns = int(base[f"{symbol}.min_time_in_book_ns"] * growth)
            threshold_bps = base[f"{symbol}.replace_threshold_bps"] * growth
            decisions += [
                Decision(symbol, "levels_per_side", max(self.min_levels_cap, levels), Reason.AUTOPOLICY),
                Decision(
                    symbol,
                    "min_time_in_book_ns",
                    min(time_ns, self.max_min_time_in_book_ms * NS_PER_MS),
                    Reason.AUTOPOLICY,
                ),
                Decision(
                    symbol,
                    "replace_threshold_bps",
                    min(threshold_bps, self.max_replace_threshold_bps),
                    Reason.AUTOPOLICY,
                ),
            ]
        memory = replace(
            self,
            level=level,
            bad_streak=0,
            good_streak=0,
            ts_changed_ns=view.ts_now_ns,
            base=tuple(sorted(base.items())) if level else (),
        )
        return memory, decisions


MEMORY = ("level", "bad_streak", "good_streak", "events_seen", "ts_changed_ns", "base")
