"""What a strategy file gets as `set_target`: the core's own, which a float does not reach.

The core's fields are whole numbers, and one that is not would be cut off without a word; must never round one instead.
"""

from mmfold.engine.jit import kernel
from mmfold.engine.quoting import maker


@kernel
def set_target(instrument, side, level, price_ticks, qty_lots):
    """Write one target of whole ticks and whole lots."""
    # No float has a bitwise or: interpreted it raises, compiled it is no code.
    maker.set_target(instrument, side, level, price_ticks | 0, qty_lots | 0)
