"""Which quoter a code stands for; a new strategy is one file, its code and one case here."""

from engine.codes import Strategy
from engine.jit import kernel
from engine.quoting.grid import decide_grid
from engine.quoting.ladder import decide_ladder


@kernel
def decide_targets(state, effects, cursor, instrument_index):
    """Write the targets of one instrument with the quoter that its params name."""
    match state.cells[instrument_index]["param"]["strategy"]:
        case Strategy.LADDER:
            decide_ladder(state, effects, cursor, instrument_index)
        case Strategy.GRID:
            decide_grid(state, instrument_index)
        case _:
            raise AssertionError("unknown strategy")
