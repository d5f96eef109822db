"""Which quoter a code stands for; a new strategy is one file, its code and one case here."""

from engine.codes import Strategy
from engine.jit import kernel
from engine.quoting.grid import decide_grid
from engine.quoting.ladder import decide_ladder


@kernel
def decide_targets(clock, cell, out):
    """Write the targets of one instrument with the quoter that its params name."""
    match cell["param"]["strategy"]:
        case Strategy.LADDER:
            decide_ladder(clock, cell, out)
        case Strategy.GRID:
            decide_grid(cell)
        case _:
            raise AssertionError("unknown strategy")
