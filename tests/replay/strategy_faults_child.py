"""A child process: puts a strategy file into the compiled core and tells how each of its faults is told.

strategy_faults_child.py FILE:FUNCTION; the file's fault depends on the clock's event count.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmfold.engine.codes import BookStatus, Strategy
from mmfold.engine.manifest import Instrument, Manifest
from mmfold.replay.strategy.file import install_strategy, read_strategy

FAULT_COUNT = 9


def tell(fault: int) -> str:
    """Return what a person reads when the strategy meets a fault."""
    from mmfold.engine.quoting.registry import decide_targets  # the kernels come after the strategy
    from mmfold.engine.state import make_out, make_state
    from mmfold.replay.strategy.attribution import explain

    one = Instrument(symbol="A", tick_size="1", lot_size="1")
    state = make_state(Manifest(run_id="r", instruments=(one,), extra=strategy.words()))
    cell = state.cells[0]
    cell["param"]["strategy"] = Strategy.USER
    cell["book"]["status"] = BookStatus.LIVE
    cell["signal"]["mid_half_ticks"] = 2_001
    cell["sides"]["best_price_ticks"] = (1_000, 1_001)
    state.clock["seq_last"], state.clock["event_count"] = 77, fault
    try:
        decide_targets(state.clock[0], cell, make_out(False)[0])
    except Exception as error:
        told = explain(error, state)
        return f"{told} | {told.hint}" if told is not None else f"not the strategy's: {error!r}"
    return f"{cell['targets'][0, 0]}"


strategy = read_strategy(sys.argv[1])
install_strategy(strategy)
told = [tell(fault) for fault in range(FAULT_COUNT)]
print(json.dumps({"jit": sys.modules["mmfold.engine.jit"].JIT_ENABLED, "told": told}))
