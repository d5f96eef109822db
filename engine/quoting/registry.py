"""Which quoter a code stands for; a new strategy is one file, its code and one case here."""

from mmfold.engine.codes import Strategy
from mmfold.engine.jit import kernel
from mmfold.engine.quoting import user
from mmfold.engine.quoting.grid import decide_grid
from mmfold.engine.quoting.ladder import decide_ladder
from mmfold.engine.quoting.optimal import decide_optimal


@kernel
def decide_targets(clock, cell, out):
    """Write the targets of one instrument with the quoter that its params name."""
    match cell["param"]["strategy"]:
        case Strategy.LADDER:
            decide_ladder(clock, cell, out)
        case Strategy.GRID:
            decide_grid(cell)
        case Strategy.USER:
            user.keep_memory(cell)
            user.decide_user(clock, cell)  # looked up in its module: a driver may have put another one there
            user.check_written(cell)
        case Strategy.AVELLANEDA | Strategy.GLFT:
            decide_optimal(cell)
        case _:
            raise AssertionError("unknown strategy")
