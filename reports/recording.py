"""What a backtest did to the times of its recordings, told; must never leave out that something was put right."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mmfold.engine.limits import NS_PER_MS, NS_PER_S
from mmfold.engine.records import NO_TS_NS
from mmfold.replay.bounds import LATE_NS, OUTLIER_NS, TIMER_COUNT_BETWEEN_MAX, WRONG_COUNT_MAX
from mmfold.replay.clock import Clock
from mmfold.replay.feeds import utc_text
from mmfold.reports.venue import amount, feed_notes

if TYPE_CHECKING:
    from mmfold.replay.backtest import BacktestResult

STEP_COUNT_SHOWN = 5


def recording_notes(result: "BacktestResult") -> tuple[str, ...]:
    """Return what was done to each recording's times, one sentence each; nothing of one that is in order."""
    notes = list(feed_notes(result.shifts_ns))
    for number, clock in enumerate(result.clocks, 1):
        if clock is not None:
            notes += [f"Recording {number}: {text}" for text in clock_notes(clock)]
    if result.timers_left_out:
        notes.append(
            f"{result.timers_left_out:,} timers were left out: between two events at most "
            f"{TIMER_COUNT_BETWEEN_MAX:,} are made."
        )
    if result.settlements_told_twice:
        notes.append(f"{result.settlements_told_twice:,} settlements of funding are told twice: they count once.")
    if result.trades_told_twice:
        notes.append(f"{result.trades_told_twice:,} trades are in two recordings, by the venue's id: they count once.")
    return tuple(notes)


def clock_notes(clock: Clock) -> Iterator[str]:
    """Yield what was put right of one recording."""
    if not clock.is_steady:
        yield (
            f"no steady receive clock: more than {WRONG_COUNT_MAX:,} times are out of line, so none was put right "
            "and the lowest feed latency of all decides the shift."
        )
    for step in clock.steps[:STEP_COUNT_SHOWN]:
        yield (
            f"from {utc_text(step.ts_ns)} on its receive clock is {step.step_ns / NS_PER_S:+,.3f} s against the "
            "exchange's from what it was, a clock step or a feed that lags; undone."
        )
    if len(clock.steps) > STEP_COUNT_SHOWN:
        yield f"{len(clock.steps) - STEP_COUNT_SHOWN:,} more such steps, each undone."
    count = len(clock.wrong_numbers)
    if count:
        first = "" if clock.wrong_first_ns == NO_TS_NS else f", the first at {utc_text(clock.wrong_first_ns)}"
        yield (
            f"wrong times of {count:,} events{first}: more than {amount(OUTLIER_NS, NS_PER_MS)} ms early, or "
            f"{amount(LATE_NS, NS_PER_S)} s late, against the events beside them; they got their neighbours' time."
        )


def clock_document(clock: Clock | None) -> dict[str, Any] | None:
    """Return what was put right of one recording as plain JSON values, None where it is in order."""
    if clock is None:
        return None
    return {
        "is_steady": clock.is_steady,
        "steps": [{"step_ns": step.step_ns, "ts_ns": step.ts_ns} for step in clock.steps],
        "wrong_times": len(clock.wrong_numbers),
    }
