"""What a reduce-only order may take off a position; must never know how an order is matched.

Source: Bybit v5 place order page (read 2026-11-30).
"""

from dataclasses import replace

from mmfold.adapters.emulator.bybit.codes import VenueCode, VenueError
from mmfold.adapters.emulator.bybit.ledger import Position
from mmfold.adapters.emulator.bybit.orders import NewOrder
from mmfold.engine.codes import Side


def closable(position: Position, side: Side) -> int:
    """Return how many lots an order of a side may take off a position."""
    return max(0, position.lots if side == Side.ASK else -position.lots)


def cut_to_position(new: NewOrder, position: Position) -> NewOrder:
    """Return an order as it may stand: a reduce-only one is as large as the position at most, size 0 asks for all.

    Raises: VenueError.
    """
    if not new.reduce_only:
        return new
    lots = min(closable(position, new.side), new.product.order_lots_max)
    if not lots:
        raise VenueError(VenueCode.REDUCE_ONLY)
    return replace(new, qty_lots=min(new.qty_lots or lots, lots))
