"""The place of a user's own strategy: a driver puts the file's function here before the kernels are compiled.

Must never be replaced once they are.
"""

from mmfold.engine.jit import kernel
from mmfold.engine.limits import LEVEL_COUNT_MAX, PRICE_TICKS_MAX, QTY_LOTS_MAX, USER_MEMORY_COUNT

REAL_MAX = 1.7976931348623157e308
NOT_LOADED = "no strategy file was loaded"
NOT_FINITE = "a number of the memory is not finite"
PRICE_BEYOND = "a target's price is beyond PRICE_TICKS_MAX"
SIZE_BEYOND = "a target's size is beyond QTY_LOTS_MAX"
WRITTEN_WRONG = (NOT_FINITE, PRICE_BEYOND, SIZE_BEYOND)


@kernel
def decide_user(clock, cell):
    """Refuse to quote: this stands here until a driver has loaded a strategy file."""
    raise AssertionError(NOT_LOADED)


@kernel
def keep_memory(cell):
    """Keep what the strategy remembers as it is before a call: one that fails is made once more, to find its line."""
    memory, before = cell["memory"], cell["memory_before"]
    for index in range(USER_MEMORY_COUNT):
        before["real"][index] = memory["real"][index]
        before["whole"][index] = memory["whole"][index]


@kernel
def check_written(cell):
    """Check that what a user's strategy wrote is within the limits that the gates multiply under, and is finite."""
    reals = cell["memory"]["real"]
    for index in range(USER_MEMORY_COUNT):
        assert -REAL_MAX <= reals[index] <= REAL_MAX, NOT_FINITE
    for side in range(2):
        for level in range(LEVEL_COUNT_MAX):
            target = cell["targets"][side, level]
            assert 0 <= target["price_ticks"] <= PRICE_TICKS_MAX, PRICE_BEYOND
            assert 0 <= target["qty_lots"] <= QTY_LOTS_MAX, SIZE_BEYOND
