"""A tearsheet's tables, one column per case; the page and the Markdown show the same. Must never compute a figure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from mmfold.engine.limits import MICROS_PER_UNIT
from mmfold.reports.money import money_decimals
from mmfold.reports.tearsheet.charts import horizon_text
from mmfold.reports.tearsheet.metrics import AGE_PERCENTILES, WAIT_PERCENTILES

Figures = dict[str, Any]
Value = Fraction | None
MICROS_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class Row:
    """One figure across the cases.

    Units: `decimals` as a person wants them; `notes` stand small beside the numbers, one per case, or there are none.
    """

    label: str
    unit: str
    values: tuple[Value, ...]
    decimals: int
    signed: bool = False
    is_total: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FigureTable:
    """A titled group of rows."""

    title: str
    rows: tuple[Row, ...]


def number(value: float | int | str) -> Fraction:
    """Return a figure of the document as an exact number."""
    return Fraction(str(value))


def percent(value: float) -> Fraction:
    """Return a share as percent."""
    return 100 * number(value)


def micros(value: int) -> Fraction:
    """Return micros as an amount."""
    return Fraction(value, MICROS_PER_UNIT)


def cost(value: int) -> Fraction:
    """Return what was paid as a change of the net PnL."""
    return -micros(value)


def pick(case: Figures, path: str) -> Any:
    """Return the figure at a dotted path."""
    found: Any = case
    for key in path.split("."):
        found = found[int(key)] if isinstance(found, list) else found[key]
    return found


def row(
    cases: Sequence[Figures],
    label: str,
    unit: str,
    figure: tuple[str, Callable[[Any], Fraction]],
    decimals: int,
    **look: Any,
) -> Row:
    """Return a row with each case's figure, given as its path in the document and its conversion."""
    path, convert = figure
    found = [pick(case, path) for case in cases]
    return Row(label, unit, tuple(None if value is None else convert(value) for value in found), decimals, **look)


def pnl_table(cases: Sequence[Figures], currency: str) -> FigureTable:
    """Return what the net PnL is made of, each part as it changes the net."""
    parts = (
        ("Spread captured", "spread", micros),
        ("Inventory", "inventory", micros),
        ("Fees", "fees", cost),
        ("Funding", "funding", cost),
        ("Net PnL", "total", micros),
    )
    rows = [
        row(
            cases,
            label,
            currency,
            (f"pnl_micros.{key}", convert),
            MICROS_DECIMALS,
            signed=True,
            is_total=key == "total",
        )
        for label, key, convert in parts
    ]
    return FigureTable("PnL", tuple(rows))


def risk_table(cases: Sequence[Figures], currency: str) -> FigureTable:
    """Return how evenly the money came."""
    rows = (
        row(cases, "Sharpe", "per second", ("sharpe", number), 4, signed=True),
        row(cases, "Max drawdown", currency, ("max_drawdown_micros", micros), money_decimals(currency)),
        row(cases, "Max drawdown", "% of equity", ("max_drawdown_ratio", percent), 4),
        row(cases, "CVaR95", f"{currency} per second".strip(), ("cvar95_micros", micros), MICROS_DECIMALS, signed=True),
        row(cases, "Net PnL", "bps of turnover", ("net_bps", number), 3, signed=True),
        row(cases, "Hit rate", "% of closing fills", ("hit_rate", percent), 1),
        row(cases, "Closing fills", "count", ("closing_fills", number), 0),
    )
    return FigureTable("Risk", rows)


def execution_table(cases: Sequence[Figures]) -> FigureTable:
    """Return what became of the orders."""
    quote = cases[0]["turnover_currency"]
    rows = (
        row(cases, "Orders placed", "count", ("orders.placed", number), 0),
        row(cases, "Orders filled", "count", ("orders.filled", number), 0),
        row(cases, "Orders open at the end", "count", ("orders.open_at_end", number), 0),
        row(cases, "Fills", "count", ("fills", number), 0),
        row(cases, "Fill rate", "fills, % of orders", ("orders.fill_rate", percent), 1),
        row(cases, "Filled quantity", "% of placed", ("orders.fill_rate_qty", percent), 1),
        row(cases, "Maker share", "% of fills", ("maker_share", percent), 1),
        row(cases, "Turnover", quote, ("turnover", number), money_decimals(quote)),
    )
    return FigureTable("Execution", rows)


def times_table(cases: Sequence[Figures]) -> FigureTable:
    """Return how long orders waited and lived."""
    kinds = (
        ("Queue wait", "queue_wait_ms", WAIT_PERCENTILES),
        ("Order age", "order_age_ms", AGE_PERCENTILES),
    )
    rows = [
        row(cases, f"{label} p{rank}", "ms", (f"orders.{key}.p{rank}", number), 1)
        for label, key, percents in kinds
        for rank in percents
    ]
    return FigureTable("Waiting times", tuple(rows))


def markout_table(cases: Sequence[Figures]) -> FigureTable:
    """Return the markout curve, with how many fills each horizon counts."""
    rows = [row(cases, "At the fill", "bps, fills counted", ("spread_bps", number), 3, signed=True)]
    for place, entry in enumerate(cases[0]["markouts"]):
        counted = tuple(f"{case['markouts'][place]['fills']:,} of {case['fills']:,}" for case in cases)
        label, path = horizon_text(entry["horizon_ms"]), f"markouts.{place}.bps"
        rows.append(row(cases, label, "bps", (path, number), 3, signed=True, notes=counted))
    return FigureTable("Markouts", tuple(rows))


def figure_tables(cases: Sequence[Figures], currency: str) -> list[FigureTable]:
    """Return every table of one currency."""
    return [
        pnl_table(cases, currency),
        risk_table(cases, currency),
        execution_table(cases),
        times_table(cases),
        markout_table(cases),
    ]
