"""Whether an account holds each symbol's position in one, as mm does, or long and short apart (hedge mode).

The venue lists a symbol's two positions with positionIdx 1 and 2 in hedge mode, flat ones too, and one with 0 else.
Must never change the mode: what an account holds may depend on it.
Source: Bybit v5 docs, position list, switch position mode.
"""

from collections.abc import Iterable

from mmfold.adapters.venues.bybit.rest import Page, entries_of


class HedgeMode(Exception):
    """An account that holds long and short of a symbol apart; the message names the symbols."""

    hint = (
        "switch to one-way mode at the venue (position mode of the symbol, or /v5/position/switch-mode with mode 0); "
        "it allows that once the symbol has no position and no open order"
    )

    def __init__(self, hedged: dict[str, bool]) -> None:
        names = ", ".join(f"{symbol}{' (with a position)' if held else ''}" for symbol, held in sorted(hedged.items()))
        super().__init__(f"the account is in hedge mode for {names}; mm trades in one-way mode")


def hedged_symbols(pages: Iterable[Page]) -> dict[str, bool]:
    """Return the symbols in hedge mode, and of each whether it holds a position."""
    found: dict[str, bool] = {}
    for _, entry in entries_of(list(pages)):
        if entry.get("positionIdx", 0) in (0, "0"):
            continue
        symbol, size = str(entry.get("symbol", ""))[:32], str(entry.get("size") or "0")
        found[symbol] = found.get(symbol, False) or bool(size.strip("0."))
    return found
