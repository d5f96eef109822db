"""Whether an account holds each symbol's position in one, as mm does, or long and short apart (hedge mode).

The venue lists a symbol's two positions with positionIdx 1 and 2 in hedge mode, flat ones too, and one with 0 else.
Must never change the mode: what an account holds may depend on it.
Source: Bybit v5 docs, position list, switch position mode.
"""

from collections.abc import Sequence

from mmfold.adapters.venues.bybit.rest import entries_of
from mmfold.adapters.venues.order_port import Page

HEDGE_HINT = (
    "switch to one-way mode at the venue (position mode of the symbol, or /v5/position/switch-mode with mode 0); "
    "it allows that once the symbol has no position and no open order"
)


def hedged_symbols(pages: Sequence[Page]) -> dict[str, bool]:
    """Return the symbols in hedge mode, and of each whether it holds a position."""
    found: dict[str, bool] = {}
    for _, entry in entries_of(pages):
        if entry.get("positionIdx", 0) in (0, "0"):
            continue
        symbol, size = str(entry.get("symbol", ""))[:32], str(entry.get("size") or "0")
        found[symbol] = found.get(symbol, False) or bool(size.strip("0."))
    return found
