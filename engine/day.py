"""What the account has won or lost since midnight UTC, and the stop at a loss; must never begin a day by its own clock.

The sum over symbols of what each has made since the day began, at the last mid, fees and funding included, with what a
journal took over: a restart or a new journal does not begin the day anew. The stop holds until the day ends or a
person lifts it; engine/gates/daily_loss.py keeps quotes off. Source: spec/core.md 17, intraday caps.
"""

import numpy as np

from mmfold.engine.codes import AlertCode, Contract
from mmfold.engine.effects import emit_alert
from mmfold.engine.jit import kernel
from mmfold.engine.limits import NS_PER_DAY
from mmfold.engine.position import made_micros, unrealized_micros, worth_half_ticks
from mmfold.engine.records import NO_PRICE_TICKS, NO_TS_NS, NO_VALUE
from mmfold.engine.value import quote_micros
from mmfold.engine.views import day_of, day_start_micros_of


@kernel
def lifetime_micros(cell):
    """Return what a symbol has made in this journal and those that it took over, in micros; the sentinel for a
    position that nothing tells a price of yet.
    """
    position = cell["position"]
    if position["position_lots"] != 0 and worth_half_ticks(cell) == NO_PRICE_TICKS:
        return np.int64(NO_VALUE)
    paid_before = position["opening_fees_micros"] + position["opening_funding_micros"]
    return position["opening_pnl_micros"] - paid_before + made_micros(cell) + unrealized_micros(cell)


@kernel
def apply_day_pnl(clock, cell):
    """Keep the account's PnL of the day in step with one symbol, once a price is told for it."""
    position = cell["position"]
    lifetime, price_half_ticks = lifetime_micros(cell), worth_half_ticks(cell)
    is_inverse = cell["instrument"]["contract"] == Contract.INVERSE
    if lifetime == NO_VALUE or (is_inverse and price_half_ticks == NO_PRICE_TICKS):
        return
    if position["day_start_micros"] == NO_VALUE:
        position["day_start_micros"] = lifetime
    day_micros = quote_micros(cell["instrument"], price_half_ticks, lifetime - position["day_start_micros"])
    clock["day_pnl_micros"] += day_micros - position["day_pnl_micros"]
    position["day_pnl_micros"] = day_micros


@kernel
def turn_day(clock, cells):
    """Begin the UTC day of the core's clock: nothing is won or lost in it yet, and a stop of the day before is over."""
    if clock["ts_now_ns"] == NO_TS_NS:
        return  # the first events have no time
    clock["day_end_ns"] = (clock["ts_now_ns"] // NS_PER_DAY + 1) * NS_PER_DAY
    clock["day_pnl_micros"] = 0
    clock["day_stopped"] = 0
    for i in range(cells.size):
        position = cells[i]["position"]
        position["day_pnl_micros"] = 0
        position["day_start_micros"] = lifetime_micros(cells[i])


@kernel
def take_over_day(clock, cell, second_row):
    """Go on with the day that a journal before began, by the second row of a POSITION flagged OPENING; of another day
    the first price begins it.
    """
    is_today = day_of(second_row) == clock["day_end_ns"] // NS_PER_DAY - 1
    cell["position"]["day_start_micros"] = day_start_micros_of(second_row) if is_today else lifetime_micros(cell)


@kernel
def is_day_lost(clock, cell):
    """Tell whether the day's loss has just reached the limit."""
    limit_micros = cell["param"]["daily_loss_micros_max"]
    return limit_micros > 0 and clock["day_stopped"] == 0 and clock["day_pnl_micros"] <= -limit_micros


@kernel
def stop_day(clock, cell, out):
    """Stop the account for the day and say so, with what is lost."""
    clock["day_stopped"] = 1
    emit_alert(clock, cell, out, AlertCode.DAILY_LOSS, clock["day_pnl_micros"])
