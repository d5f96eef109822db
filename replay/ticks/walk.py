"""The tick backtest of a file, whole or window by window; must never hold more than one tick.

Every tick a new order of size 1 buys at the bid and another sells at the ask; what is not filled at once is forgotten,
so no order is older than its tick. Windows step by the length of a test; the training ticks are skipped, the rule has
nothing to learn from them.
Source: spec/reports.md 1, spec/core.md 24.
"""

from collections.abc import Iterable
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import NamedTuple

from mmfold.engine.codes import Side
from mmfold.replay.ticks.load import Top
from mmfold.replay.ticks.model import FillModel, match_order
from mmfold.replay.ticks.tally import COUNT, EXACT, METRICS, Figures, Tally

ORDER_SIZE = Decimal(1)


class TickRun(NamedTuple):
    """The figures of a file.

    Units: `ts_ms_max` is the greatest time of a tick, 0 of none.
    """

    figures: Figures
    ts_ms_max: int


class Window(NamedTuple):
    """One test: the ticks from `first` + `train` on, `test` of them."""

    first: int
    train: int
    test: int
    figures: Figures


class WalkForward(NamedTuple):
    """All whole windows of a file and what they have in the middle."""

    windows: list[Window]
    mean: Figures
    median: Figures
    ts_ms_max: int


def trade_tick(model: FillModel, top: Top, tally: Tally) -> None:
    """Offer one order on each side of a tick and count what is filled."""
    for side, price in ((Side.BID, top.bid), (Side.ASK, top.ask)):
        fill = match_order(model, side, price, ORDER_SIZE, model.initial_qpos_ratio, top)
        if fill is not None:
            tally.add(fill, age_ms=0)


def run_ticks(ticks: Iterable[Top], model: FillModel) -> TickRun:
    """Return the figures of all ticks."""
    tally, ts_ms_max = Tally(), 0
    with localcontext(EXACT):
        for top in ticks:
            ts_ms_max = max(ts_ms_max, top.ts_ms)
            trade_tick(model, top, tally)
    return TickRun(tally.figures(), ts_ms_max)


def walk_forward(ticks: Iterable[Top], model: FillModel, train: int, test: int) -> WalkForward:
    """Return the figures of each test window that the ticks fill; too few ticks make none."""
    assert train >= 1 and test >= 1, (train, test)
    windows: list[Window] = []
    tally, ts_ms_max = Tally(), 0
    with localcontext(EXACT):
        for index, top in enumerate(ticks):
            ts_ms_max = max(ts_ms_max, top.ts_ms)
            if index < train:
                continue
            trade_tick(model, top, tally)
            seen = index + 1 - train
            if seen % test == 0:
                windows.append(Window(seen - test, train, test, tally.figures()))
                tally = Tally()
    columns = {key: sorted(window.figures[key] for window in windows) for key in METRICS}
    return WalkForward(
        windows,
        {key: mean_of(key, values) for key, values in columns.items()},
        {key: median_of(key, values) for key, values in columns.items()},
        ts_ms_max,
    )


def mean_of(key: str, values: list[Fraction]) -> Fraction:
    """Return the mean of sorted values, 0 of none; a count is rounded, half to even."""
    mean = sum(values, start=Fraction(0)) / (len(values) or 1)
    return Fraction(round(mean)) if key == COUNT else mean


def median_of(key: str, values: list[Fraction]) -> Fraction:
    """Return the median of sorted values, 0 of none; of a count, the upper of the two in the middle."""
    if not values:
        return Fraction(0)
    upper = values[len(values) // 2]
    return upper if key == COUNT or len(values) % 2 else (values[len(values) // 2 - 1] + upper) / 2
