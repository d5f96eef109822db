"""At which prices own orders may rest, as counts over a ring of ticks; must never miss one, it may name one too many.

A row of the market looks here before it looks through the orders: most rows are at prices where none of ours rests.
"""

from mmfold.engine.jit import kernel
from mmfold.replay.venue.records import OWN_TICK_ROOM

TICK_MASK = OWN_TICK_ROOM - 1
assert OWN_TICK_ROOM & TICK_MASK == 0, "a ring: index = price & (size - 1)"


@kernel
def note_own(venue, side, price_ticks, change):
    """Count an order of ours that comes to rest at a price, or leaves it."""
    counts = venue["own_tick_counts"]
    counts[side, price_ticks & TICK_MASK] += change
    assert counts[side, price_ticks & TICK_MASK] >= 0


@kernel
def may_own(venue, side, price_ticks):
    """Tell whether an order of ours may rest at a price."""
    return venue["own_tick_counts"][side, price_ticks & TICK_MASK] > 0
