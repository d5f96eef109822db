"""Books told as snapshots in place of the messages that made them; must never make a book that was not there.

`tell_books`: before each decision that was answered, and before the failure, the book as it stood there; the messages
between are gone. `collapse_books`: a book told once, as it stood later. Without these a price that has moved keeps
every message that moved it.
"""

import numpy as np

from mmfold.engine.codes import BookStatus, EventKind, Side
from mmfold.engine.core import Core
from mmfold.engine.limits import BOOK_WINDOW_TICKS, ORDER_ID_INSTRUMENT_SHIFT, ORDER_ID_SEQ_SHIFT
from mmfold.engine.state import NO_KEY
from mmfold.replay.minimize.books import STREAM
from mmfold.replay.minimize.candidate import Candidate, from_events
from mmfold.replay.minimize.orders import ANSWERS
from mmfold.replay.minimize.session import Change, Session
from mmfold.replay.slice_books import book_event

K = EventKind
DEPTHS = (10, 400)  # levels of a side, the first that fails alike is taken
MARKET = (*STREAM, K.BBO, K.TRADE, K.MARK, K.SCORE, K.BOOK_ORDER, K.HEALTH)
LEFT_OUT = ((*MARKET, K.TIMER), MARKET, STREAM)  # beside what decides, by and by less
TRIED_COUNT_MAX = 48
FIRST_SPAN_TICKS = 1 << 10
INSTRUMENT_MASK = (1 << (ORDER_ID_SEQ_SHIFT - ORDER_ID_INSTRUMENT_SHIFT)) - 1


def best_levels(cell: np.void, side: int, depth: int) -> list[tuple[int, int, int]]:
    """Return the best levels of a side as (side, price_ticks, qty_lots), best first."""
    book_side = cell["sides"][side]
    best = int(book_side["best_key"])
    if best == NO_KEY:
        return []
    sign = 1 if side == Side.ASK else -1
    end, span = int(book_side["window_start_key"]) + BOOK_WINDOW_TICKS, FIRST_SPAN_TICKS
    while True:
        keys = np.arange(best, min(end, best + span))
        qtys = cell["window_qty_lots"][side][keys & (BOOK_WINDOW_TICKS - 1)]
        places = np.flatnonzero(qtys)
        if len(places) >= depth or best + span >= end:
            break
        span *= 4
    found = [(side, sign * int(keys[place]), int(qtys[place])) for place in places[:depth]]
    far = cell["far_levels"][side, : book_side["far_level_count"]][::-1][: depth - len(found)]
    return found + [(side, sign * int(level["key"]), int(level["qty_lots"])) for level in far]


def snapshot_of(core: Core, rows: np.ndarray, depth: int) -> np.ndarray | None:
    """Return a BOOK_SNAPSHOT of the book as it stands in the core, in the place of a message of it; None where the book
    is not live.
    """
    row = rows[0]
    cell = core.state.cells[int(row["instrument_index"])]
    if cell["book"]["status"] != BookStatus.LIVE:
        return None
    shown = [level for side in (Side.BID, Side.ASK) for level in best_levels(cell, side, depth)]
    found = book_event(cell, K.BOOK_SNAPSHOT, shown, int(row["aux"]))
    for name in ("seq", "ts_exchange_ns", "ts_receive_ns"):
        found[name] = row[name]
    return found


def books_at(session: Session, events: list[int], depth: int) -> dict[int, np.ndarray | None]:
    """Return snapshots of books behind some of their messages."""
    candidate, core = session.best, Core(session.trial.manifest)
    core.compares = False
    core.out["witnessed"] = 0
    found: dict[int, np.ndarray | None] = {}
    start = 0
    for event in sorted(set(events)):
        session.check_time()
        end = int(candidate.bounds[event + 1])
        core.feed(candidate.rows[:end], start)
        core.drain()
        start = end
        found[event] = snapshot_of(core, candidate.event(event), depth)
    return found


def messages(candidate: Candidate, index: int) -> np.ndarray:
    """Return the events of one book."""
    first = candidate.first
    return np.flatnonzero(np.isin(first["kind"], STREAM) & (first["instrument_index"] == index))


def answered(candidate: Candidate) -> np.ndarray:
    """Return the ids of orders that have answers, each once."""
    first = candidate.first
    return np.unique(first["order_id"][np.isin(first["kind"], ANSWERS) & (first["order_id"] >= 0)])


def tell_books(session: Session) -> None:
    """Try to keep what decided, what was answered and the failure, each behind its book as a snapshot.

    Raises: OutOfTime.
    """
    best = session.best
    first, last = best.first, len(best) - 1
    orders = answered(best)
    seqs = orders >> ORDER_ID_SEQ_SHIFT
    deciding = np.searchsorted(first["seq"], seqs)
    is_here = (deciding < len(best)) & (first["seq"][np.minimum(deciding, last)] == seqs)
    deciding, indexes = deciding[is_here], orders[is_here] >> ORDER_ID_INSTRUMENT_SHIFT & INSTRUMENT_MASK
    places: set[int] = set()
    for index in session.books.present(first):
        at = messages(best, index)
        wanted = at[np.maximum(0, np.searchsorted(at, deciding[indexes == index], "right") - 1)]
        before = at[at < last]
        places |= set(wanted.tolist()) | ({int(before[-1])} if len(before) else set())
    places.discard(last)
    for depth in DEPTHS:
        found = books_at(session, sorted(places), depth)
        books = {event: rows for event, rows in found.items() if rows is not None}
        for left_out in LEFT_OUT:
            keep = ~np.isin(first["kind"], left_out)
            keep[deciding] = keep[last] = keep[list(books)] = True
            events = [books.get(event, best.event(event)) for event in np.flatnonzero(keep).tolist()]
            change = session.change(from_events(events), int(np.argmin(keep)) if not keep.all() else 0)
            change = Change(change.candidate, min([change.common, *books]))
            if len(change.candidate.rows) < len(best.rows) and session.try_one(change):
                return


def collapse_books(session: Session) -> None:
    """Try to tell each book once, as it stood before one of the orders that were answered, or at any of few messages.

    Raises: OutOfTime.
    """
    for index in session.books.present(session.best.first):
        at = messages(session.best, index)
        if len(at) < 2:
            continue
        wanted = chosen(session.best, at)
        books = books_at(session, [int(at[place]) for place in wanted], DEPTHS[0])
        session.first_failing(
            [
                None if (book := books[int(at[place])]) is None else collapsed(session, at, place, book)
                for place in wanted
            ]
        )


def chosen(candidate: Candidate, at: np.ndarray) -> list[int]:
    """Return the messages that a book is told as of, as places in `at`: the last first, each once."""
    first, last = candidate.first, len(at) - 1
    before = np.searchsorted(first["seq"][at], answered(candidate) >> ORDER_ID_SEQ_SHIFT, side="right") - 1
    found = [last, *before[::-1].tolist()]
    if len(at) <= TRIED_COUNT_MAX:
        found += range(last, 0, -1)
    return [place for place in dict.fromkeys(found) if place > 0][:TRIED_COUNT_MAX]


def collapsed(session: Session, at: np.ndarray, place: int, book: np.ndarray) -> Change:
    """Return the best candidate with the first message of a book a snapshot, and those up to one taken out."""
    best, begin = session.best, int(at[0])
    book = book.copy()
    for name in ("seq", "ts_exchange_ns", "ts_receive_ns"):
        book[name] = best.first[begin][name]
    keep = np.ones(len(best), bool)
    keep[at[1 : place + 1]] = False
    head, rest = best.cut(begin), best.kept(keep & (np.arange(len(best)) > begin))
    rows = np.concatenate((head.rows, book, rest.rows))
    bounds = np.concatenate((head.bounds, rest.bounds + len(head.rows) + len(book)))
    return session.change(Candidate(rows, bounds), begin)
