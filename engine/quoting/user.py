"""The place of a user's own strategy: a driver puts the file's function here before the kernels are compiled.

Must never be replaced once they are.
"""

from mmfold.engine.jit import kernel
from mmfold.engine.limits import LEVEL_COUNT_MAX, PRICE_TICKS_MAX, QTY_LOTS_MAX

NOT_LOADED = "no strategy file was loaded"


@kernel
def decide_user(clock, cell):
    """Refuse to quote: this stands here until a driver has loaded a strategy file."""
    raise AssertionError(NOT_LOADED)


@kernel
def check_targets(cell):
    """Check that what a user's strategy wrote is within the limits that the gates multiply under."""
    for side in range(2):
        for level in range(LEVEL_COUNT_MAX):
            target = cell["targets"][side, level]
            assert 0 <= target["price_ticks"] <= PRICE_TICKS_MAX, "a target's price is beyond PRICE_TICKS_MAX"
            assert 0 <= target["qty_lots"] <= QTY_LOTS_MAX, "a target's size is beyond QTY_LOTS_MAX"
