"""The drawings of a tearsheet beside those of a replay: equity and drawdown, markouts, queue waits; must give the same
bytes for the same figures.
"""

import io
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from mmfold.engine.limits import MICROS_PER_UNIT, NS_PER_S
from mmfold.reports.figures import (
    ASK,
    BID,
    PNL,
    SETTINGS,
    Label,
    Size,
    clean_svg,
    hold_zero,
    style_panel,
    style_time,
    style_values,
    unit_suffix,
)
from mmfold.reports.money import money_decimals
from mmfold.reports.tearsheet.fold import PERIOD_NS, Tearsheet
from mmfold.reports.tearsheet.markouts import HORIZONS_MS

EQUITY_SIZES = {"wide": Size(10.4, 3.7, 9.0, 0.82, 1.5, 8), "narrow": Size(5.0, 3.9, 9.5, 0.72, 1.6, 2)}
HALF = Size(5.0, 2.9, 9.5, 0.62, 0.98, 4)
HALF_BAND = HALF._replace(right=1.5)  # the names of the cases need room
CASE_COLORS = {"pessimistic": ASK, "optimistic": BID}  # any other case has the colour of PnL
BUCKET_COUNT = 400  # of a line: each keeps its lowest, highest and last point
WAIT_TICKS_MS = {1: "1 ms", 10: "10 ms", 100: "0.1 s", 1_000: "1 s", 10_000: "10 s", 100_000: "100 s"}
WAIT_TICKS_MS |= {1_000_000: "17 min", 10_000_000: "2.8 h"}
SHARES = np.arange(0, 101) / 100
HALF_SHARE = 50


class Line(NamedTuple):
    """One case's line."""

    name: str
    x: np.ndarray
    y: np.ndarray

    @property
    def color(self) -> str:
        """The colour of the case."""
        return CASE_COLORS.get(self.name, PNL)


def draw(size: Size, title: str, heights: Sequence[float], paint: Callable[[list[Axes]], None]) -> str:
    """Return a drawing of panels below one another as an SVG element; `paint` fills them."""
    salt: dict[Any, Any] = {"svg.hashsalt": f"{title}-{size.width}"}
    with matplotlib.rc_context({**SETTINGS, **salt, "font.size": size.font}):
        figure = Figure(figsize=(size.width, size.height), dpi=72, facecolor="none")
        canvas = FigureCanvasSVG(figure)
        panels = figure.subplots(
            len(heights), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights, "hspace": 0.34}
        )[:, 0]
        figure.subplots_adjust(
            left=size.left / size.width,
            right=1 - size.right / size.width,
            top=1 - 0.34 / size.height,
            bottom=0.5 / size.height,
        )
        for panel in panels:
            style_panel(panel, size)
        paint(list(panels))
        buffer = io.StringIO()
        canvas.print_svg(buffer)
    return clean_svg(buffer.getvalue(), title)


def thin(values: np.ndarray) -> np.ndarray:
    """Return the places that keep a line's look: of each bucket the lowest, the highest and the last."""
    kept = [
        part[[int(values[part].argmin()), int(values[part].argmax()), -1]]
        for part in np.array_split(np.arange(len(values)), BUCKET_COUNT)
        if len(part)
    ]
    return np.unique(np.concatenate(kept)) if kept else np.zeros(0, np.int64)


def equity_line(name: str, sheet: Tearsheet, indices: Sequence[int]) -> Line:
    """Return the net PnL of some instruments from 0 at the first event, second by second, to the last event."""
    equity = sheet.equity_micros[:, list(indices)].sum(axis=1)
    kept = thin(equity)
    last_ns = int(sheet.result.state.clock[0]["ts_now_ns"])
    end_s = (last_ns - sheet.ts_first_ns) / NS_PER_S
    x = np.minimum((sheet.periods[kept] + 1) * (PERIOD_NS / NS_PER_S), end_s)
    y = equity[kept] / MICROS_PER_UNIT
    last = y[-1:] if len(y) else np.zeros(1)
    return Line(name, np.concatenate([[0.0], x, [end_s]]), np.concatenate([[0.0], y, last]))


def draw_equity(sheets: dict[str, Tearsheet], indices: Sequence[int], currency: str, size_name: str) -> str:
    """Return the chart of net PnL and drawdown, one line per case."""
    size = EQUITY_SIZES[size_name]
    lines = [equity_line(name, sheet, indices) for name, sheet in sheets.items()]
    start_ns = next(iter(sheets.values())).ts_first_ns
    decimals = money_decimals(currency)

    def paint(panels: list[Axes]) -> None:
        equity, drawdown = panels
        falls = [line._replace(y=line.y - np.maximum.accumulate(line.y)) for line in lines]
        for panel, drawn in ((equity, lines), (drawdown, falls)):
            for line in drawn:
                panel.plot(line.x, line.y, color=line.color, linewidth=1.4, drawstyle="steps-post")
                if len(lines) == 1:
                    panel.fill_between(line.x, line.y, 0, step="post", color=line.color, alpha=0.12, linewidth=0)
            hold_zero(panel, np.concatenate([line.y for line in drawn]), 10.0**-decimals)
        ends = [(line, float(line.y[-1])) for line in lines]
        style_values(
            equity,
            f"Net PnL{unit_suffix(currency)}",
            [Label(end, f"{case_text(line, lines)}{end:+,.{decimals}f}", line.color) for line, end in ends],
        )
        lows = [(line, float(line.y.min())) for line in falls]
        style_values(
            drawdown,
            f"Drawdown below the peak so far{unit_suffix(currency)}",
            [Label(low, f"{case_text(line, lines)}max {-low:,.{decimals}f}", line.color) for line, low in lows],
        )
        style_time(drawdown, start_ns, max(float(line.x[-1]) for line in lines), size)

    return draw(size, f"Net PnL and drawdown over time{unit_suffix(currency)}", (2.0, 1.0), paint)


def case_text(line: Line, lines: Sequence[Line]) -> str:
    """Return a case's name in front of a label, nothing when there is only one."""
    return f"{line.name} " if len(lines) > 1 else ""


def half_size(lines: Sequence[Line]) -> Size:
    """Return the size of a drawing that stands beside another."""
    return HALF_BAND if len(lines) > 1 else HALF


def horizon_text(horizon_ms: int) -> str:
    """Return a horizon in its natural unit."""
    return f"{horizon_ms} ms" if horizon_ms < 1_000 else f"{horizon_ms // 1_000} s"


def draw_markouts(documents: dict[str, dict[str, Any]], currency: str) -> str:
    """Return the chart of the markout curve, from the spread at the fill to the longest horizon; one line per case."""
    lines = []
    for name, document in documents.items():
        totals = document["figures"]["totals"][currency]
        values = [totals["spread_bps"], *(entry["bps"] for entry in totals["markouts"])]
        known = [place for place, value in enumerate(values) if value is not None]
        lines.append(Line(name, np.array(known), np.array([values[place] for place in known], float)))
    shown = [line for line in lines if len(line.x)]

    def paint(panels: list[Axes]) -> None:
        (panel,) = panels
        for line in shown:
            panel.plot(line.x, line.y, color=line.color, linewidth=1.4, marker="o", markersize=3.5)
        hold_zero(panel, np.concatenate([np.zeros(1), *(line.y for line in shown)]), 1.0)
        labels = [Label(float(line.y[-1]), f"{case_text(line, lines)}{line.y[-1]:+.2f}", line.color) for line in shown]
        style_values(panel, "Markout after a fill, bps, positive is good for us", labels)
        texts = ["fill", *(horizon_text(horizon_ms).replace(" ", "\n") for horizon_ms in HORIZONS_MS)]
        panel.set_xlim(-0.25, len(texts) - 0.75)
        panel.set_xticks(range(len(texts)), texts)

    return draw(half_size(lines), f"Markout curve{unit_suffix(currency)}", (1.0,), paint)


def draw_waits(sheets: dict[str, Tearsheet], indices: Sequence[int], currency: str) -> str:
    """Return the chart of the share of first fills by the wait since the order was acknowledged; one line per case."""
    lines = []
    for name, sheet in sheets.items():
        waits = np.sort(np.concatenate([np.array(sheet.orders[index].waits_ns, np.int64) for index in indices]))
        ranks = np.maximum(np.ceil(SHARES * len(waits)).astype(np.int64), 1) - 1
        found = np.maximum(waits[ranks] / 1_000_000, 1.0) if len(waits) else np.zeros(0)
        lines.append(Line(name, found, SHARES[: len(found)] * 100))
    shown = [line for line in lines if len(line.x)]

    def paint(panels: list[Axes]) -> None:
        (panel,) = panels
        high = max([1_000.0, *(float(line.x[-1]) for line in shown)])
        panel.set_xscale("log")
        panel.set_xlim(1, high * 1.15)
        panel.set_ylim(-4, 104)
        for line in shown:
            panel.plot(line.x, line.y, color=line.color, linewidth=1.4, drawstyle="steps-post")
        labels = [
            Label(50.0, f"{case_text(line, lines) or 'half in '}{wait_text(float(line.x[HALF_SHARE]))}", line.color)
            for line in shown
        ]
        title = "First fills by wait in the queue, % filled within"
        style_values(panel, title + ("; half in" if len(lines) > 1 else ""), labels)
        ticks = [tick for tick in WAIT_TICKS_MS if tick <= high * 1.15]
        panel.xaxis.set_minor_locator(NullLocator())
        panel.set_xticks(ticks, [WAIT_TICKS_MS[tick] for tick in ticks])

    return draw(half_size(lines), f"Queue wait to first fill{unit_suffix(currency)}", (1.0,), paint)


def wait_text(wait_ms: float) -> str:
    """Return a wait with three digits."""
    return f"{wait_ms:.3g} ms" if wait_ms < 1_000 else f"{wait_ms / 1_000:.3g} s"
