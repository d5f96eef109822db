"""A strategy with a fault for each number of events, each on a line of its own."""

from mmfold.engine.codes import Side
from mmfold.engine.quoting.maker import set_target

MEMORY = {"calls": 0, "large": 1e14}


def helper(count):
    """Fail in a function that the strategy calls."""
    assert count != 1, "one is too many"
    return count


def quote(clock, cell):
    """Fail as the number of events says; 0 quotes."""
    count = helper(clock["event_count"])
    best_ticks = cell["sides"][Side.BID]["best_price_ticks"] // (count - 2)
    if count == 3:
        best_ticks = cell["sides"][count]["best_price_ticks"]
    if count == 4:
        set_target(cell, 0, 10, best_ticks, 1)
    if count == 5:
        best_ticks = 1 - 2 * best_ticks
        raise ValueError("five")
    if count == 6:  # fails at the first call alone: the memory is written before
        cell["memory"]["calls"] += 1
        assert cell["memory"]["calls"] != 1, "the first"
    if count == 7:
        for _ in range(30):
            cell["memory"]["large"] *= 1e10
    if count == 8:
        set_target(cell, 1, 0, 2**50, 1)
        return
    set_target(cell, 0, 0, -2 * best_ticks - 1, 5)
