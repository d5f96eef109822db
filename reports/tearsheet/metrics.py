"""A tearsheet's figures as one document: exact integers where money adds up, ratios to 6 decimals; must never re-run
anything.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from fractions import Fraction
from typing import Any

import numpy as np

from mmfold.engine.codes import Flag, Side
from mmfold.engine.limits import MICROS_PER_UNIT, NS_PER_MS
from mmfold.engine.records import NO_PRICE_TICKS
from mmfold.reports.money import Units, decimal_text, instrument_units
from mmfold.reports.position import position_amounts
from mmfold.reports.summary import build_report, ratio
from mmfold.reports.tearsheet.fold import PnlParts, Tearsheet
from mmfold.reports.tearsheet.markouts import HORIZONS_MS
from mmfold.reports.tearsheet.orders import AGE_STEP_NS

BPS = 10_000
WAIT_PERCENTILES = (50, 75, 90, 95, 99)
AGE_PERCENTILES = (50, 95, 99)
VALUE_SCALE = 1_000_000  # a base value is cut off at a millionth of a ticklot
TAIL_PERCENT = 5  # CVaR95: the worst 5 % of the seconds
DEFINITIONS = (
    "PnL parts add up to the net in whole micros; inventory takes the residue of the rounding, less than a micro.",
    "Markouts compare a fill's price with the last mid at or before the horizon, counted from when we learn of the "
    "fill; positive is good for us, weighted by notional.",
    "Sharpe, CVaR95 and drawdown look at the net PnL at the end of each second since the first event; Sharpe is per "
    "second, not annualised.",
    "Queue wait is from a PLACE's acknowledgement to its first fill, order age from PLACE to the order's end; nearest "
    "rank.",
    "Hit rate: fills that close a part of the position and gain more than their own fee, of all that close.",
)


def nearest_rank(counts: Counter[int], percents: Sequence[int]) -> dict[int, int | None]:
    """Return the values at percentiles of a multiset by nearest rank (spec/reports.md 0.7), None when it is empty."""
    total, found, seen = sum(counts.values()), {}, 0
    ranks = {percent: max(1, -(-percent * total // 100)) for percent in percents}
    for value in sorted(counts):
        seen += counts[value]
        for percent, rank in ranks.items():
            if seen >= rank and percent not in found:
                found[percent] = value
    return {percent: found.get(percent) for percent in percents}


def milliseconds(counts: Counter[int], unit_ns: int, percents: Sequence[int]) -> dict[str, Any]:
    """Return the number and the percentiles of durations, in ms."""
    found = nearest_rank(counts, percents)
    values = {
        f"p{percent}": None if value is None else ratio(Fraction(value * unit_ns, NS_PER_MS))
        for percent, value in found.items()
    }
    return {"count": sum(counts.values()), **values}


def equity_changes(sheet: Tearsheet, indices: Sequence[int]) -> list[int]:
    """Return the changes of the net PnL of some instruments, second by second, those of 0 left out; micros."""
    equity = sheet.equity_micros[:, list(indices)].sum(axis=1)
    return [change for change in np.diff(equity, prepend=0).tolist() if change]


def sharpe(changes: Sequence[int], count: int) -> float:
    """Return mean / population standard deviation of `count` changes, those of 0 not listed (spec/reports.md 2)."""
    total, squares = sum(changes), sum(change * change for change in changes)
    spread = count * squares - total * total
    return round(total / math.sqrt(spread), 6) if count >= 2 and spread > 0 else 0.0


def cvar95_micros(changes: Sequence[int], count: int) -> int:
    """Return the mean of the worst 5 % of `count` changes, those of 0 not listed, rounded down (spec/reports.md 2)."""
    if count == 0:
        return 0
    tail = max(1, -(-TAIL_PERCENT * count // 100))
    losses = sorted(change for change in changes if change < 0)
    gains = sorted(change for change in changes if change > 0)
    zeros = [0] * min(tail, count - len(changes))
    return sum([*losses, *zeros, *gains][:tail]) // tail


def drawdown_micros(sheet: Tearsheet, indices: Sequence[int]) -> int:
    """Return the deepest fall of the net PnL below its peak so far, which starts at 0."""
    equity = np.concatenate([[0], sheet.equity_micros[:, list(indices)].sum(axis=1)])
    return int((np.maximum.accumulate(equity) - equity).max())


def sum_parts(sheet: Tearsheet, indices: Sequence[int]) -> PnlParts:
    """Return the summed PnL parts of instruments of one currency."""
    return PnlParts(
        **{item.name: sum(getattr(sheet.pnl[index], item.name) for index in indices) for item in fields(PnlParts)}
    )


def fill_values(units: Units, half_ticks: np.ndarray, lots: np.ndarray) -> np.ndarray:
    """Return what lots stand for at prices, of an inverse contract minus their base value (engine/value.py).

    Units: half ticklots x VALUE_SCALE.
    """
    prices, sizes = half_ticks.astype(object), lots.astype(object)
    if not units.is_inverse:
        return np.asarray(VALUE_SCALE * prices * sizes)
    value = units.base_value
    return np.asarray(-2 * (2 * VALUE_SCALE * value.numerator * sizes // (value.denominator * prices)))


def markout_bps(sheet: Tearsheet, indices: Sequence[int], mids_half_ticks: np.ndarray) -> tuple[float | None, int]:
    """Return the notional-weighted side-signed markout against each fill's mid, and how many fills have one."""
    fills, gain, notional, count = sheet.result.fill_rows, Fraction(0), Fraction(0), 0
    for index in indices:
        chosen = (fills["instrument_index"] == index) & (mids_half_ticks != NO_PRICE_TICKS)
        of_index = fills[chosen]
        units = instrument_units(sheet.result.manifest.instruments[index])
        side, lots = np.where(of_index["side"] == Side.BID, 1, -1), of_index["qty_lots"]
        paid = fill_values(units, 2 * of_index["price_ticks"], lots)
        gain += int(sum(side * (fill_values(units, mids_half_ticks[chosen], lots) - paid))) * units.tick_value
        notional += int(sum(abs(paid))) * units.tick_value
        count += len(of_index)
    return ratio(BPS * gain / notional) if notional else None, count


def markout_curve(sheet: Tearsheet, indices: Sequence[int]) -> list[dict[str, Any]]:
    """Return one entry per horizon; what is not counted lies beyond the end or had no mid (spec/core.md 21)."""
    own = np.isin(sheet.result.fill_rows["instrument_index"], list(indices))
    curve = []
    for column, horizon_ms in enumerate(HORIZONS_MS):
        bps, count = markout_bps(sheet, indices, sheet.mids_half_ticks[:, column])
        within = int((own & sheet.within[:, column]).sum())
        beyond_end = int(own.sum()) - within
        entry = {"beyond_end": beyond_end, "bps": bps, "fills": count, "horizon_ms": horizon_ms}
        curve.append({**entry, "without_mid": within - count})
    return curve


def order_figures(sheet: Tearsheet, indices: Sequence[int]) -> dict[str, Any]:
    """Return what became of the orders of some instruments."""
    tallies = [sheet.orders[index] for index in indices]
    placed, fills = sum(tally.placed_count for tally in tallies), sum(tally.fill_count for tally in tallies)
    asked = tallies[0].asked_lots if len(tallies) == 1 else 0  # lots of several instruments do not add up
    waits: Counter[int] = Counter()
    ages: Counter[int] = Counter()
    for tally in tallies:
        waits.update(tally.waits_ns)
        ages.update(tally.age_counts)
    return {
        "fill_rate": ratio(Fraction(fills, placed)) if placed else None,
        "fill_rate_qty": ratio(Fraction(tallies[0].filled_lots, asked)) if asked else None,
        "filled": sum(tally.filled_count for tally in tallies),
        "open_at_end": sum(sheet.open_order_counts[index] for index in indices),
        "order_age_ms": milliseconds(ages, AGE_STEP_NS, AGE_PERCENTILES),
        "placed": placed,
        "queue_wait_ms": milliseconds(waits, 1, WAIT_PERCENTILES),
    }


def risk_figures(sheet: Tearsheet, indices: Sequence[int]) -> dict[str, Any]:
    """Return how evenly the money came: per-second figures and the hit rate."""
    changes, count = equity_changes(sheet, indices), sheet.period_count
    fall_micros = drawdown_micros(sheet, indices)
    inverse = sheet.result.manifest.instruments[indices[0]].is_inverse
    # The equity of the configuration is in quote: it says nothing of a fall in base currency.
    equity_micros = 0 if inverse else int(sheet.result.state.params[indices[0]]["equity_micros"])
    closing = np.isin(sheet.result.fill_rows["instrument_index"], list(indices)) & (sheet.fill_notes["closing"] == 1)
    trades, hits = int(closing.sum()), int((closing & (sheet.fill_notes["realized_micros"] > 0)).sum())
    return {
        "closing_fills": trades,
        "cvar95_micros": cvar95_micros(changes, count),
        "hit_rate": ratio(Fraction(hits, trades)) if trades else None,
        "max_drawdown_micros": fall_micros,
        "max_drawdown_ratio": ratio(Fraction(fall_micros, equity_micros)) if equity_micros else None,
        "seconds": count,
        "sharpe": sharpe(changes, count),
    }


def figures(sheet: Tearsheet, indices: Sequence[int]) -> dict[str, Any]:
    """Return every figure of some instruments of one currency."""
    manifest, positions = sheet.result.manifest, sheet.result.state.positions
    rows = sheet.result.fill_rows[np.isin(sheet.result.fill_rows["instrument_index"], list(indices))]
    units = [instrument_units(manifest.instruments[index]) for index in indices]
    traded = sum(
        (
            int(positions[index]["turnover_ticklots"]) * unit.tick_value
            for index, unit in zip(indices, units, strict=True)
        ),
        Fraction(0),
    )
    quotes = {unit.quote for unit in units}
    turnovers = [position_amounts(manifest, sheet.result.state, index).turnover for index in indices]
    parts, makers = sum_parts(sheet, indices), int(((rows["flags"] & Flag.MAKER) != 0).sum())
    return {
        **risk_figures(sheet, indices),
        "currency": units[0].money,
        "fills": len(rows),
        "maker_share": ratio(Fraction(makers, len(rows))) if len(rows) else None,
        "markouts": markout_curve(sheet, indices),
        "net_bps": ratio(Fraction(parts.total * BPS, MICROS_PER_UNIT) / traded) if traded else None,
        "orders": order_figures(sheet, indices),
        "pnl_micros": {**{item.name: getattr(parts, item.name) for item in fields(PnlParts)}, "total": parts.total},
        "spread_bps": markout_bps(sheet, indices, sheet.fill_notes["mid_half_ticks"])[0],
        "turnover": decimal_text(sum(turnovers, Fraction(0))) if len(quotes) == 1 else None,
        "turnover_currency": quotes.pop() if len(quotes) == 1 else "",
    }


def currency_members(sheet: Tearsheet) -> dict[str, list[int]]:
    """Return {currency of money: instruments}: money is summed per currency, never across."""
    members: dict[str, list[int]] = {}
    for index, instrument in enumerate(sheet.result.manifest.instruments):
        members.setdefault(instrument_units(instrument).money, []).append(index)
    return dict(sorted(members.items()))


def tearsheet_document(sheet: Tearsheet, notes: Sequence[str] = ()) -> dict[str, Any]:
    """Return the replay's report without what varies from run to run, and the figures by symbol and by currency."""
    report = build_report(sheet.result)
    del report["run"]
    symbols = [instrument.symbol for instrument in sheet.result.manifest.instruments]
    return {
        **report,
        "assumptions": [*report["assumptions"], *notes, *DEFINITIONS],
        "figures": {
            "symbols": {symbol: figures(sheet, [index]) for index, symbol in enumerate(symbols)},
            "totals": {currency: figures(sheet, members) for currency, members in currency_members(sheet).items()},
        },
    }
