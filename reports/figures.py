"""One chart per symbol: price with own quotes and fills, position, PnL; must give the same bytes for the same result.

The SVG names its colours as CSS variables with light fallbacks, so that one drawing is light, dark and in print what
its page says. Text stays text in the page's font. Layout uses the font that matplotlib brings, not the machine's.
"""

import io
import math
import re
from datetime import timedelta
from fractions import Fraction
from html import escape
from itertools import pairwise
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from mmfold.engine.codes import Side
from mmfold.engine.limits import MICROS_PER_UNIT, NS_PER_S
from mmfold.engine.records import NO_PRICE_TICKS, NO_TS_NS
from mmfold.replay.result import ReplayResult
from mmfold.reports.audit import EPOCH
from mmfold.reports.money import Units, fixed_text, instrument_units, money_decimals
from mmfold.reports.position import position_amounts

COLORS = {  # drawn colour -> CSS variable; each colour is unique, so that it can be found again in the SVG
    "#1b2733": "ink",
    "#5c6875": "muted",
    "#e4e8ed": "grid",
    "#8a94a0": "mid",
    "#0b6bcb": "bid",
    "#c4510f": "ask",
    "#475a70": "position",
    "#6a4cb0": "pnl",
    "#fefefe": "paper",
}
INK, MUTED, GRID, MID, BID, ASK, POSITION, PNL, PAPER = COLORS
SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": ["DejaVu Sans"],
    "axes.unicode_minus": False,
    "text.parse_math": False,  # a symbol may hold a dollar sign
    "path.simplify": True,
}
TIME_STEPS_S = (
    *(0.001, 0.01, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800),
    *(3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 2592000, 31536000),
)
DAY_S = 86_400
TIME_FORMS = (  # least step in s, least span in s, how a tick is written
    (30 * DAY_S, 0, "%Y-%m"),
    (DAY_S, 0, "%m-%d"),
    (60, DAY_S, "%m-%d %H:%M"),
    (60, 0, "%H:%M"),
    (0, 0, "%H:%M:%S"),
)
TICK_DECIMALS_MAX = 12
FILL_MARKER_COUNT_MAX = 1_500
LABEL_OFFSET = 7  # points from a line's end to its label
LABEL_HEIGHT = 1.35  # of a direct label, in font sizes: the least distance of two
PANEL_HEIGHTS = (3.2, 1.0, 1.4)


class Size(NamedTuple):
    """How large a drawing is: inches, font points, margins in inches, time ticks."""

    width: float
    height: float
    font: float
    left: float
    right: float
    tick_count: int


SIZES = {"wide": Size(10.4, 6.2, 9.0, 0.82, 1.28, 8), "narrow": Size(5.0, 6.0, 9.5, 0.72, 0.98, 3)}


class Label(NamedTuple):
    """A direct label at the right end of a line."""

    value: float
    text: str
    color: str


def draw_symbol(result: ReplayResult, instrument_index: int, size_name: str = "wide") -> str:
    """Return the chart of one instrument as an SVG element."""
    size, instrument = SIZES[size_name], result.manifest.instruments[instrument_index]
    units = instrument_units(instrument)
    samples = result.samples[result.samples["instrument_index"] == instrument_index]
    assert len(samples), "a chart needs samples"
    start_ns = int(samples["ts_ns"][0])
    times = (samples["ts_ns"] - start_ns) / NS_PER_S
    fills = result.fill_rows[result.fill_rows["instrument_index"] == instrument_index]
    # Ids of clips and markers are hashes: the salt makes them the same in every process and other in every chart.
    salt: dict[Any, Any] = {"svg.hashsalt": f"{instrument.symbol}-{size_name}"}
    with matplotlib.rc_context({**SETTINGS, **salt, "font.size": size.font}):
        figure = Figure(figsize=(size.width, size.height), dpi=72, facecolor="none")
        canvas = FigureCanvasSVG(figure)
        panels = figure.subplots(3, 1, sharex=True, gridspec_kw={"height_ratios": PANEL_HEIGHTS, "hspace": 0.34})
        figure.subplots_adjust(
            left=size.left / size.width, right=1 - size.right / size.width, top=0.945, bottom=0.5 / size.height
        )
        for panel in panels:
            style_panel(panel, size)
        draw_price(panels[0], samples, times, units)
        draw_fills(panels[0], fills, start_ns, units)
        draw_position(panels[1], samples, times, units)
        realized = position_amounts(result.manifest, result.state, instrument_index).realized if len(fills) else None
        draw_pnl(panels[2], samples, times, units, realized)
        style_time(panels[2], start_ns, float(times[-1]), size)
        buffer = io.StringIO()
        canvas.print_svg(buffer)
    return clean_svg(buffer.getvalue(), f"{instrument.symbol}: price and own quotes, position, net PnL over time")


def style_panel(panel: Axes, size: Size) -> None:
    """Leave of a panel's frame what helps reading: faint horizontal lines and muted numbers."""
    panel.set_facecolor("none")
    for spine in panel.spines.values():
        spine.set_visible(False)
    panel.grid(axis="y", color=GRID, linewidth=0.8)
    panel.set_axisbelow(True)
    panel.tick_params(colors=MUTED, length=0, labelsize=size.font - 0.5)
    panel.yaxis.set_major_locator(MaxNLocator(nbins=5, min_n_ticks=3))


def style_values(panel: Axes, title: str, labels: list[Label]) -> None:
    """Write a panel's title, its axis numbers with the decimals they need, and its lines' direct labels."""
    panel.set_title(title, loc="left", color=MUTED, fontsize="medium", pad=5)
    low, high = panel.get_ylim()
    ticks = [tick for tick in panel.yaxis.get_major_locator().tick_values(low, high) if low <= tick <= high]
    decimals = tick_decimals(ticks)
    panel.yaxis.set_major_locator(FixedLocator(ticks))
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value + 0.0:,.{decimals}f}"))
    gap = LABEL_HEIGHT * matplotlib.rcParams["font.size"] / panel.bbox.height
    heights = spread_labels([(label.value - low) / (high - low) for label in labels], gap)
    for label, height in zip(labels, heights, strict=True):
        panel.annotate(
            label.text,
            (1, height),
            (LABEL_OFFSET, 0),
            xycoords="axes fraction",
            textcoords="offset points",
            color=label.color,
            va="center",
        )


def tick_decimals(ticks: list[float]) -> int:
    """Return how many decimals it takes to write evenly spaced ticks without rounding them: 1.5 steps need one."""
    step = min((b - a for a, b in pairwise(ticks)), default=1.0)
    return next(d for d in range(TICK_DECIMALS_MAX + 1) if is_written(ticks, step, d) or d == TICK_DECIMALS_MAX)


def is_written(ticks: list[float], step: float, decimals: int) -> bool:
    """Tell whether ticks show what they are with so many decimals."""
    return all(abs(round(tick, decimals) - tick) < step * 1e-6 for tick in ticks)


def spread_labels(heights: list[float], gap: float) -> list[float]:
    """Return label heights moved apart as little as needed, in their order, inside 0..1."""
    order = sorted(range(len(heights)), key=lambda i: (heights[i], i))
    placed = [min(1.0, max(0.0, heights[i])) for i in order]
    for i in range(1, len(placed)):
        placed[i] = max(placed[i], placed[i - 1] + gap)
    for i in range(len(placed) - 1, -1, -1):
        ceiling = 1.0 if i == len(placed) - 1 else placed[i + 1] - gap
        placed[i] = min(placed[i], ceiling)
    result = [0.0] * len(heights)
    for position, index in enumerate(order):
        result[index] = placed[position]
    return result


def as_prices(ticks: np.ndarray, tick: float, divisor: int = 1) -> np.ndarray:
    """Return prices as floats for drawing, NaN where absent."""
    return np.where(ticks == NO_PRICE_TICKS, np.nan, ticks * (tick / divisor))


def last_label(values: np.ndarray, name: str, color: str, decimals: int, signed: bool = False) -> list[Label]:
    """Return the label of a line's last value, none when the line is empty."""
    present = values[~np.isnan(values)]
    if not len(present):
        return []
    sign = "+" if signed else ""
    number = f"{present[-1] + 0.0:{sign if present[-1] else ''},.{decimals}f}"
    return [Label(float(present[-1]), f"{name} {number}".strip(), color)]


def draw_price(panel: Axes, samples: np.ndarray, times: np.ndarray, units: Units) -> None:
    """Draw the mid and the own quotes around it."""
    tick, labels = float(units.tick), []
    lines = (
        ("mid", as_prices(samples["mid_half_ticks"], tick, 2), MID, units.price_decimals + 1, 1.1),
        ("bid", as_prices(samples["quote_bid_ticks"], tick), BID, units.price_decimals, 1.2),
        ("ask", as_prices(samples["quote_ask_ticks"], tick), ASK, units.price_decimals, 1.2),
    )
    for name, values, color, decimals, width in lines:
        panel.plot(times, values, color=color, linewidth=width, drawstyle="steps-post")
        labels += last_label(values, name, color, decimals)
    panel.margins(x=0, y=0.08)
    style_values(panel, f"Price and quotes{unit_suffix(units.quote)}", labels)


def draw_fills(panel: Axes, fills: np.ndarray, start_ns: int, units: Units) -> None:
    """Draw own fills: buys point up, sells down; of very many an even share."""
    stride = -(-len(fills) // FILL_MARKER_COUNT_MAX)
    if not stride:
        return
    shown = fills[::stride]
    known = np.where(shown["ts_receive_ns"] == NO_TS_NS, shown["ts_exchange_ns"], shown["ts_receive_ns"])
    times, prices = (known - start_ns) / NS_PER_S, shown["price_ticks"] * float(units.tick)
    for side, marker, color in ((Side.BID, "^", BID), (Side.ASK, "v", ASK)):
        of_side = shown["side"] == side
        panel.plot(
            times[of_side],
            prices[of_side],
            marker=marker,
            color=color,
            linestyle="none",
            markersize=6.5,
            markeredgecolor=PAPER,
            markeredgewidth=0.7,
            zorder=3,
        )
    note = "▲ bought  ▼ sold" + (f"  (1 in {stride})" if stride > 1 else "")
    panel.set_title(note, loc="right", color=MUTED, fontsize="medium", pad=5)


def draw_position(panel: Axes, samples: np.ndarray, times: np.ndarray, units: Units) -> None:
    """Draw the position as filled steps around zero."""
    values = samples["position_lots"] * float(units.lot)
    panel.fill_between(times, values, 0, step="post", color=POSITION, alpha=0.16, linewidth=0)
    panel.plot(times, values, color=POSITION, linewidth=1.2, drawstyle="steps-post")
    hold_zero(panel, values, float(units.lot))
    labels = last_label(values, "", POSITION, units.qty_decimals, signed=True)
    style_values(panel, f"Position{unit_suffix(units.size)}", labels)


def draw_pnl(panel: Axes, samples: np.ndarray, times: np.ndarray, units: Units, realized: Fraction | None) -> None:
    """Draw the net PnL around zero and, at the end of it, what of it is realised (before fees and funding)."""
    values = samples["pnl_micros"] / MICROS_PER_UNIT
    panel.fill_between(times, values, 0, step="post", color=PNL, alpha=0.12, linewidth=0)
    panel.plot(times, values, color=PNL, linewidth=1.3, drawstyle="steps-post")
    decimals = money_decimals(units.money)
    labels = last_label(values, "net", PNL, decimals, signed=True)
    if realized is not None:
        end = float(realized)
        panel.plot(times[-1:], [end], marker="D", markersize=4, color=MUTED, clip_on=False, zorder=4)
        labels.append(Label(end, f"realised {fixed_text(realized, decimals, signed=True)}", MUTED))
        values = np.append(values, end)
    hold_zero(panel, values, 10.0**-decimals)
    style_values(panel, f"Net PnL{unit_suffix(units.money)}", labels)


def hold_zero(panel: Axes, values: np.ndarray, least: float) -> None:
    """Keep zero in view and give a flat line a scale to be flat on."""
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    room = 0.12 * (high - low) if high > low else least
    if high == low:
        panel.yaxis.set_major_locator(FixedLocator([0.0]))
    panel.set_ylim(low - room, high + room)
    panel.axhline(0, color=MUTED, linewidth=0.8)


def unit_suffix(unit: str) -> str:
    """Return a unit as the end of a title."""
    return f", {unit}" if unit else ""


def style_time(panel: Axes, start_ns: int, span_s: float, size: Size) -> None:
    """Mark round UTC times; the day stands once in the axis title, or in the ticks when there are several."""
    span_s = span_s or 1.0
    step = next((step for step in TIME_STEPS_S if span_s / step <= size.tick_count), TIME_STEPS_S[-1])
    start = EPOCH + timedelta(microseconds=start_ns // 1000)
    day_offset_s = start_ns % (DAY_S * NS_PER_S) / NS_PER_S
    first = math.ceil(day_offset_s / step - 1e-9)
    ticks = [
        number * step - day_offset_s
        for number in range(first, first + size.tick_count + 2)
        if number * step - day_offset_s <= span_s
    ]
    form = next(form for least_step, least_span, form in TIME_FORMS if step >= least_step and span_s > least_span)
    texts = []
    for tick in ticks:
        # A tick is a float: it may lie a hair before the round time that it stands for.
        moment = start + timedelta(seconds=tick) + timedelta(microseconds=5)
        texts.append(moment.strftime(form) + (f".{moment.microsecond // 1000:03d}" if step < 1 else ""))
    panel.set_xlim(0, span_s)
    panel.set_xticks(ticks, texts)
    first_day, last_day = f"{start:%Y-%m-%d}", f"{start + timedelta(seconds=span_s):%Y-%m-%d}"
    title = f"UTC, {first_day}" if first_day == last_day else f"UTC, {first_day} to {last_day}"
    panel.set_xlabel(title, color=MUTED, loc="left")


def clean_svg(text: str, title: str) -> str:
    """Return the SVG element alone: colours and font as CSS variables, short paths, ids that are unique in a page."""
    text = text[text.index("<svg") :].strip()
    # matplotlib's metadata holds the date; its style rule would reach the whole page.
    text = re.sub(r"<metadata>.*?</metadata>|<defs>\s*<style.*?</defs>", "", text, flags=re.DOTALL)
    text = re.sub(r' id="[A-Za-z]\w*?_\d+"| id="matplotlib\.axis_\d+"', "", text)
    view_box = re.search(r'viewBox="[^"]*"', text)
    assert view_box is not None, "matplotlib writes a viewBox"
    head = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'{view_box.group()} role="img" aria-label="{escape(title)}" stroke-linejoin="round">'
    )
    text = re.sub(r"<svg [^>]*>", lambda _: head, text, count=1)
    text = re.sub(r"font-family: [^;\"]*", "font-family: var(--mm-font, sans-serif)", text)
    text = re.sub(r' transform="rotate\(-0 [^"]*"', "", text)
    text = re.sub(r' d="([^"]*)"', lambda match: f' d="{shorten_path(match.group(1))}"', text)
    for color, name in COLORS.items():
        text = text.replace(color, f"var(--mm-{name}, {color})")
    text = re.sub(r"<g/>", "", text)
    text = re.sub(r"\s*\n\s*", "\n", text)
    return re.sub(r"(?:<g>\s*</g>\s*)+", "", text) + "\n"


def shorten_path(path: str) -> str:
    """Return a path with coordinates to 0.1 point, horizontal and vertical moves in short form, repeats left out."""
    tokens = path.split()
    if not set(tokens).isdisjoint("CQ"):
        return " ".join(f"{float(token):.2f}" if token[-1].isdigit() else token for token in tokens)
    parts, last, i = [], ("", ""), 0
    while i < len(tokens):
        command = tokens[i]
        if command not in ("M", "L"):
            parts.append(command)
            i += 1
            continue
        x, y = (f"{float(token):.1f}".removesuffix(".0") for token in tokens[i + 1 : i + 3])
        if command == "M":
            parts.append(f"M{x} {y}")
        elif (x, y) != last:
            parts.append(f"V{y}" if x == last[0] else f"H{x}" if y == last[1] else f"L{x} {y}")
        last = (x, y)
        i += 3
    return "".join(parts)
