"""What all symbols together are exposed to; must never judge it: engine/gates/total_notional.py does."""

from mmfold.engine.jit import kernel
from mmfold.engine.position import worth_half_ticks
from mmfold.engine.records import NO_PRICE_TICKS
from mmfold.engine.value import notional_mid_micros


@kernel
def apply_gross(clock, cell):
    """Keep the sum over symbols of |position| x last mid in step with one symbol; without a mid its last fill
    counts.
    """
    lots = abs(cell["position"]["position_lots"])
    before = cell["position"]["gross_micros"]
    if lots == 0 and before == 0:
        return
    price_half_ticks = worth_half_ticks(cell)
    if price_half_ticks == NO_PRICE_TICKS:
        return  # taken over, and nothing has told a price yet: nothing is quoted either
    gross_micros = notional_mid_micros(cell["instrument"], price_half_ticks, lots)
    cell["position"]["gross_micros"] = gross_micros
    clock["gross_micros"] += gross_micros - before
    assert clock["gross_micros"] >= 0
