"""A complete strategy: both sides a fixed width around the microprice, leaning against the position.

    mm backtest --events out/n --strategy docs/examples/strategy_spread.py:quote --out out/mine

Prices are ticks and sizes are lots, whole numbers; docs/strategies.md explains.
"""

from mmfold.engine.codes import Side
from mmfold.engine.quoting.maker import set_target
from mmfold.engine.signals import ceil_ticks, floor_ticks

HALF_WIDTH_TICKS = 3  # from the microprice to the edge; the quote stands one tick inside
QUOTE_LOTS = 2
LEAN_LOTS = 4  # so many lots held move both quotes by one tick against the position
POSITION_LOTS_MAX = 40  # a side that would add to more than this is not quoted


def lean_ticks(position_lots):
    """Return how far both quotes move: down while long, up while short."""
    return -(position_lots // LEAN_LOTS)


def quote(clock, instrument):
    """Write one target a side."""
    position_lots = instrument["position"]["position_lots"]
    fair_ticks = instrument["signal"]["microprice_ticks"]
    assert fair_ticks > 0.0, "no microprice"
    shift_ticks = lean_ticks(position_lots)
    for side in range(2):
        if side == Side.BID:
            price_ticks = floor_ticks(fair_ticks) - HALF_WIDTH_TICKS + 1 + shift_ticks
            adding = position_lots >= POSITION_LOTS_MAX
        else:
            price_ticks = ceil_ticks(fair_ticks) + HALF_WIDTH_TICKS - 1 + shift_ticks
            adding = position_lots <= -POSITION_LOTS_MAX
        if not adding:
            set_target(instrument, side, 0, price_ticks, QUOTE_LOTS)
