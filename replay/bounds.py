"""What a recording's times may be before a backtest stops to believe them; one place, told in docs/backtest.md."""

from mmfold.engine.limits import NS_PER_MS, NS_PER_S

OUTLIER_NS = 500 * NS_PER_MS  # a feed latency so far from the one before it is an outlier, or the first of a step
STEADY_EVENT_COUNT = 16  # events in a row that agree make a step of the clock; fewer are wrong times
FEW_EVENT_COUNT = 64  # a recording of fewer timed events needs only a quarter of them to agree
STRETCH_NS = 600 * NS_PER_S  # the lowest latency is looked for anew after so long, for a clock that drifts
LATE_NS = 60 * NS_PER_S  # a message may be so late and still be one that was held up on its way
OFF_NS = 3_600 * NS_PER_S  # a time so far from its neighbours' is off the recording, unless others follow it there
EARLY_SHARE = 16  # a stretch of which more than one event in so many is early has no outliers, but a lower latency
WRONG_COUNT_MAX = 1 << 16  # wrong times that are put right; of more the clock is not steady, and none is touched
TIMER_COUNT_BETWEEN_MAX = 100_000  # timers between two events: 2.8 hours of the usual ones, 6 MB of journal

assert OUTLIER_NS < LATE_NS < OFF_NS
assert 2 * STEADY_EVENT_COUNT <= FEW_EVENT_COUNT
