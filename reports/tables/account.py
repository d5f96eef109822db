"""What own orders came to, as Arrow tables: fills, equity, markouts; all figures are those of the core's state."""

from fractions import Fraction

import numpy as np
import pyarrow as pa

from mmfold.engine.codes import Flag, Side
from mmfold.engine.limits import MICROS_PER_UNIT
from mmfold.engine.manifest import Manifest
from mmfold.engine.records import NO_PRICE_TICKS
from mmfold.reports.money import instrument_units
from mmfold.reports.tables.columns import amounts, times, words
from mmfold.reports.tables.orders import SIDE_WORDS
from mmfold.reports.tearsheet.fold import PERIOD_NS, Tearsheet
from mmfold.reports.tearsheet.markouts import HORIZONS_MS

MICRO = Fraction(1, MICROS_PER_UNIT)


def of_fills(rows: np.ndarray, manifest: Manifest) -> dict[str, pa.Array]:
    """Return what a table has to say of each fill first."""
    index = rows["instrument_index"]
    return {
        "seq": pa.array(rows["seq"].astype(np.int64)),
        "order_id": pa.array(rows["order_id"].astype(np.int64)),
        "symbol": words(index, [one.symbol for one in manifest.instruments]),
        "side": words(rows["side"], SIDE_WORDS),
    }


def fills_table(sheet: Tearsheet, exact: bool) -> pa.Table:
    """Return a row per own fill.

    Units: price, mid and qty as the venue has them, in `quote`; fee (positive = paid) and realized_pnl (before the
    fee) in `currency`, of inverse contracts thousandths of the base; `position` is the size held after the fill.
    """
    rows, notes, manifest = sheet.result.fill_rows, sheet.fill_notes, sheet.result.manifest
    index, units = rows["instrument_index"], [instrument_units(instrument) for instrument in manifest.instruments]
    ticks, lots = [one.tick for one in units], [one.lot for one in units]
    mids, values = notes["mid_half_ticks"], [one.tick_value for one in units]
    columns = {
        **of_fills(rows, manifest),
        "price": amounts(rows["price_ticks"], index, ticks, exact),
        "qty": amounts(rows["qty_lots"], index, lots, exact),
        "quote": words(index, [one.quote for one in units]),
        "liquidity": words(((rows["flags"] & Flag.MAKER) != 0).astype(int), ("taker", "maker")),
        "fee": amounts(notes["fee_micros"], index, [MICRO] * len(units), exact),
        "realized_pnl": amounts(notes["realized_ticklots"], index, values, exact),
        "currency": words(index, [one.money for one in units]),
        "position": amounts(notes["position_lots"], index, lots, exact),
        "mid": amounts(mids, index, [tick / 2 for tick in ticks], exact, mids != NO_PRICE_TICKS),
        "ts_exchange": times(rows["ts_exchange_ns"]),
        "ts_receive": times(rows["ts_receive_ns"]),
    }
    return pa.table(columns)


def equity_table(sheet: Tearsheet, exact: bool) -> pa.Table:
    """Return the net PnL of each symbol at the end of every second in which one of them changed.

    Units: net_pnl in `currency`, realised + unrealised - fees - funding; `ts` the end of the second, UTC.
    """
    manifest, (count, symbols) = sheet.result.manifest, sheet.equity_micros.shape
    index = np.tile(np.arange(symbols), count)
    units = [instrument_units(instrument) for instrument in manifest.instruments]
    ends_ns = sheet.ts_first_ns + (sheet.periods.astype(np.int64) + 1) * PERIOD_NS
    columns = {
        "ts": times(np.repeat(ends_ns, symbols)),
        "symbol": words(index, [one.symbol for one in manifest.instruments]),
        "net_pnl": amounts(sheet.equity_micros.ravel(), index, [MICRO] * len(units), exact),
        "currency": words(index, [one.money for one in units]),
    }
    return pa.table(columns)


def markouts_table(sheet: Tearsheet, exact: bool) -> pa.Table:
    """Return a row per fill and horizon that lies within the journal.

    Units: `mid` the last one at or before the horizon, in the price's unit, NULL where there was none; `markout` what
    the price moved from the fill's to it, positive is good for us; horizon_ms from when we learn of the fill.
    """
    place, column = np.nonzero(sheet.within)
    rows, manifest = sheet.result.fill_rows[place], sheet.result.manifest
    mids, index = sheet.mids_half_ticks[place, column], rows["instrument_index"]
    halves = [instrument_units(instrument).tick / 2 for instrument in manifest.instruments]
    has_mid, sign = mids != NO_PRICE_TICKS, np.where(rows["side"] == Side.BID, 1, -1)
    moved = np.where(has_mid, sign * (mids - 2 * rows["price_ticks"]), 0)
    columns = {
        **of_fills(rows, manifest),
        "qty": amounts(rows["qty_lots"], index, [instrument_units(one).lot for one in manifest.instruments], exact),
        "horizon_ms": pa.array(np.array(HORIZONS_MS, np.int64)[column]),
        "price": amounts(2 * rows["price_ticks"], index, halves, exact),
        "mid": amounts(mids, index, halves, exact, has_mid),
        "markout": amounts(moved, index, halves, exact, has_mid),
    }
    return pa.table(columns)
