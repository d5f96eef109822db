"""EVENT rows of market messages, as docs/data.md section 2 has them; must never know a venue."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mmfold.adapters.importers.grid import read_integer, read_steps
from mmfold.adapters.importers.outcome import RefusedError
from mmfold.adapters.importers.table import Listing
from mmfold.adapters.importers.units import exchange_units_max
from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.limits import EVENT_ROW_COUNT_MAX, NS_PER_MS
from mmfold.engine.records import EVENT, NO_ORDER_ID, NO_PRICE_TICKS, NO_TS_NS, NO_VALUE

TS_MS_MAX = exchange_units_max(NS_PER_MS)

Row = tuple[int, ...]


def read_ts_ns(message: dict[str, Any], *keys: str, unit_ns: int = NS_PER_MS) -> int:
    """Return the first of some times that a message has, in ns, or `NO_TS_NS`.

    Raises: RefusedError when it is no time.
    """
    for key in keys:
        if key in message:
            return read_integer(message, key, exchange_units_max(unit_ns)) * unit_ns
    return NO_TS_NS


def read_price(text: object, listing: Listing, what: str = "price") -> int:
    """Return a positive price in ticks.

    Raises: RefusedError.
    """
    price_ticks = read_steps(text, listing.tick, listing.price_ticks_max, f"{listing.symbol} {what}")
    if not price_ticks:
        raise RefusedError(f"{listing.symbol} {what} is 0")
    return price_ticks


def read_qty(text: object, listing: Listing, what: str = "size") -> int:
    """Return a size in lots, 0 included.

    Raises: RefusedError.
    """
    return read_steps(text, listing.lot, listing.qty_lots_max, f"{listing.symbol} {what}")


def book_rows(
    kind: EventKind, listing: Listing, times: tuple[int, int], venue_seqs: tuple[int, int], levels: tuple[Any, Any]
) -> np.ndarray:
    """Return the rows of one book message: bids first, then asks; one row without a level when it has none.

    Shape:  times = (ts_exchange_ns, ts_receive_ns), venue_seqs = (venue_seq, venue_seq_prev), levels = (bids, asks) of
            [price, size] texts.
    Raises: RefusedError.
    """
    rows: list[Row] = []
    number, previous = venue_seqs
    for side, side_levels in ((Side.BID, levels[0]), (Side.ASK, levels[1])):
        if not isinstance(side_levels, list):
            raise RefusedError(f"{side.name.lower()} levels are missing or not a list")
        if len(rows) + len(side_levels) > EVENT_ROW_COUNT_MAX:
            raise RefusedError(f"more than {EVENT_ROW_COUNT_MAX:,} levels")
        for level in side_levels:
            if not isinstance(level, list) or len(level) != 2:
                raise RefusedError(f"a {side.name.lower()} level is not [price, size]")
            price_ticks, qty_lots = read_price(level[0], listing), read_qty(level[1], listing)
            if kind == EventKind.BOOK_SNAPSHOT and not qty_lots:
                raise RefusedError(f"{listing.symbol} snapshot has a level of size 0")
            rows.append((0, *times, price_ticks, qty_lots, previous, number, kind, side, 0, listing.index, 0))
    if not rows:
        rows.append((0, *times, NO_PRICE_TICKS, 0, previous, number, kind, Side.NONE, 0, listing.index, 0))
    return finish_event(rows)


def bbo_rows(listing: Listing, times: tuple[int, int], venue_seq: int, texts: Sequence[object]) -> np.ndarray:
    """Return the two rows of a best bid and ask.

    Shape:  texts = bid price, bid size, ask price, ask size.
    Raises: RefusedError.
    """
    rows: list[Row] = []
    for side, price, qty in ((Side.BID, texts[0], texts[1]), (Side.ASK, texts[2], texts[3])):
        name = side.name.lower()
        price_ticks, qty_lots = read_price(price, listing, f"{name} price"), read_qty(qty, listing, f"{name} size")
        kind, index = EventKind.BBO, listing.index
        rows.append((0, *times, price_ticks, qty_lots, NO_ORDER_ID, venue_seq, kind, side, 0, index, 0))
    return finish_event(rows)


def trade_row(
    listing: Listing, times: tuple[int, int], trade: tuple[object, object], side: Side, ids: tuple[int, int]
) -> Row:
    """Return the one row of a trade, LAST included.

    Shape:  trade = price and size texts; side = the aggressor's; ids = (number, id), sentinels where there is none.
    Raises: RefusedError.
    """
    price_ticks, qty_lots = read_price(trade[0], listing), read_qty(trade[1], listing)
    if not qty_lots:
        raise RefusedError(f"{listing.symbol} trade of size 0")
    flags, (number, trade_id) = Flag.LAST, ids
    return (0, *times, price_ticks, qty_lots, trade_id, number, EventKind.TRADE, side, flags, listing.index, 0)


def mark_rows(listing: Listing, times: tuple[int, int], mark_e8: int, index_e8: int = NO_VALUE) -> np.ndarray:
    """Return the row of a mark price, with an index price or the sentinel."""
    row = (0, *times, NO_PRICE_TICKS, 0, index_e8, mark_e8, EventKind.MARK, Side.NONE, 0, listing.index, 0)
    return finish_event([row])


def finish_event(rows: list[Row]) -> np.ndarray:
    """Return the rows of one event with its last row flagged."""
    event = np.array(rows, dtype=EVENT)
    event["flags"][-1] |= Flag.LAST
    return event
