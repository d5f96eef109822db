"""Books told as snapshots in place of the messages that made them; must never make a book that was not there.

`tell_books`: before each decision that was answered, and before the failure, the book as it stood there; the messages
between are gone. `collapse_books`: a book told once, as it stood later. Without these a price that has moved keeps
every message that moved it.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from mmfold.engine.book import best_levels
from mmfold.engine.codes import BookStatus, EventKind, Side
from mmfold.engine.core import Core
from mmfold.engine.limits import ORDER_COUNT_MAX, ORDER_ID_INSTRUMENT_SHIFT, ORDER_ID_SEQ_SHIFT
from mmfold.replay.minimize.books import STREAM
from mmfold.replay.minimize.candidate import Candidate, from_events
from mmfold.replay.minimize.orders import ANSWERS, SIDE_SLOTS
from mmfold.replay.minimize.session import Change, Session
from mmfold.replay.slice_books import book_event

K = EventKind
DEPTHS = (10, 400)  # levels of a side, the first that fails alike is taken
MARKET = (*STREAM, K.BBO, K.TRADE, K.MARK, K.SCORE, K.BOOK_ORDER, K.HEALTH)
LEFT_OUT = ((*MARKET, K.TIMER), MARKET, STREAM)  # beside what decides, by and by less
TRIED_COUNT_MAX = 48
WINDOW_SIZES = (1, 2, 4, 8, 16, 32, 64)  # deciding events that are tried together
WINDOW_COUNT_MAX = 256  # of them, the last ones
TAIL_SIZES = (16, 64, 256, 1024)  # events next to the failure
ORDER_MASK = (1 << ORDER_ID_SEQ_SHIFT) - 1
INSTRUMENT_MASK = (1 << (ORDER_ID_SEQ_SHIFT - ORDER_ID_INSTRUMENT_SHIFT)) - 1


def snapshot_of(core: Core, row: np.void, index: int, depth: int) -> np.ndarray | None:
    """Return a BOOK_SNAPSHOT of an instrument as it stands in the core, in the place of an event; None where the book
    is not live.
    """
    cell = core.state.cells[index]
    if cell["book"]["status"] != BookStatus.LIVE:
        return None
    shown = [(int(side), *level) for side in (Side.BID, Side.ASK) for level in best_levels(cell, side, depth)]
    found = book_event(cell, K.BOOK_SNAPSHOT, shown, int(cell["book"]["venue_seq"]))
    for name in ("seq", "ts_exchange_ns", "ts_receive_ns"):
        found[name] = row[name]
    return found


def quiet_core(session: Session) -> Core:
    """Return a core that compares nothing."""
    core = Core(session.trial.manifest)
    core.compares = False
    core.out["witnessed"] = 0
    return core


def books_at(session: Session, events: dict[int, int], depth: int) -> dict[int, np.ndarray]:
    """Return snapshots of books behind some events, each of the instrument asked for, where that is live."""
    candidate, core = session.best, quiet_core(session)
    found: dict[int, np.ndarray] = {}
    start = 0
    for event in sorted(events):
        session.check_time()
        end = int(candidate.bounds[event + 1])
        core.feed(candidate.rows[:end], start)
        core.drain()
        start = end
        book = snapshot_of(core, candidate.first[event], events[event], depth)
        if book is not None:
            found[event] = book
    return found


def messages(candidate: Candidate, index: int) -> np.ndarray:
    """Return the events of one book."""
    first = candidate.first
    return np.flatnonzero(np.isin(first["kind"], STREAM) & (first["instrument_index"] == index))


def answered(candidate: Candidate) -> np.ndarray:
    """Return the ids of orders that have answers, each once."""
    first = candidate.first
    return np.unique(first["order_id"][np.isin(first["kind"], ANSWERS) & (first["order_id"] >= 0)])


def deciding_orders(session: Session) -> tuple[np.ndarray, np.ndarray]:
    """Return the events that decided the orders that have answers, and the instrument of each order."""
    first, last = session.best.first, len(session.best) - 1
    orders = answered(session.best)
    seqs = orders >> ORDER_ID_SEQ_SHIFT
    events = np.searchsorted(first["seq"], seqs)
    is_here = (events <= last) & (first["seq"][np.minimum(events, last)] == seqs)
    return events[is_here], orders[is_here] >> ORDER_ID_INSTRUMENT_SHIFT & INSTRUMENT_MASK


def deciding_anything(session: Session) -> tuple[np.ndarray, np.ndarray]:
    """Return the events that placed, amended or cancelled an order, and the instrument of each such decision."""
    candidate, core = session.best, quiet_core(session)
    decided: list[np.ndarray] = []
    core.on_effects = decided.append
    found: list[tuple[int, int]] = []
    start = 0
    while start < len(candidate.rows):
        start = core.advance(candidate.rows, start)
        core.drain()
        event = int(np.searchsorted(candidate.bounds, start)) - 1
        for effects in decided:
            of_orders = effects["instrument_index"][np.isin(effects["kind"], (K.PLACE, K.AMEND, K.CANCEL))]
            found += [(event, index) for index in np.unique(of_orders).tolist()]
        decided.clear()
    pairs = np.array(found, np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def book_places(session: Session, deciding: np.ndarray, indexes: np.ndarray) -> dict[int, int]:
    """Return the last book message up to each deciding event, and the last ones before the end, with instruments."""
    last, places = len(session.best) - 1, dict[int, int]()
    for index in session.books.present(session.best.first):
        at = messages(session.best, index)
        wanted = at[np.maximum(0, np.searchsorted(at, deciding[indexes == index], "right") - 1)]
        before = at[at < last]
        places |= dict.fromkeys([*wanted.tolist(), *before[-1:].tolist()], index)
    places.pop(last, None)
    return places


def tell_books(session: Session) -> None:
    """Try to keep what decided, what was answered and the failure, each behind its book as a snapshot.

    First of few orders next to each other, the last ones first, then of all; what decided is first of answered orders
    alone, then anything.
    Raises: OutOfTime.
    """
    best = session.best
    if session.first_failing(tails(session)) >= 0 or session.first_failing(windows(session)) >= 0:
        return
    for depth in DEPTHS:
        for find in (deciding_orders, deciding_anything):
            deciding, indexes = find(session)
            books = books_at(session, book_places(session, deciding, indexes), depth)
            for left_out in LEFT_OUT:
                keep = ~np.isin(best.first["kind"], left_out)
                keep[deciding] = keep[-1] = keep[list(books)] = True
                events = [books.get(event, best.event(event)) for event in np.flatnonzero(keep).tolist()]
                common = min([int(np.argmin(keep)) if not keep.all() else 0, *books])
                change = session.change(from_events(events), common)
                if len(change.candidate.rows) < len(best.rows) and session.try_one(change):
                    return


def tails(session: Session) -> Iterator[Change]:
    """Yield the last events, by and by more of them, behind each book as it stood before them and what configures: what
    a feed does by itself, such as a restart, is in the messages next to the failure.
    """
    best, first, count = session.best, session.best.first, len(session.best)
    control = ~np.isin(first["kind"], (*MARKET, K.TIMER, *ANSWERS))
    cuts = [count - size for size in TAIL_SIZES if best.lead < count - size]
    stands: dict[int, int] = {}
    follows: dict[int, int] = {}  # the message behind it, which a snapshot beside the stream does not stand for
    for index in session.books.present(first):
        at = messages(best, index)
        for place in (int(np.searchsorted(at, cut)) for cut in cuts):
            if place > 1:
                stands[int(at[place - 2])], follows[int(at[place - 2])] = index, int(at[place - 1])
    books = books_at(session, stands, DEPTHS[-1]) if cuts else {}
    for cut in cuts:
        last = {index: event for event, index in sorted(stands.items()) if follows[event] < cut and event in books}
        keep = control.copy()
        keep[cut:] = keep[list(last.values())] = keep[[follows[event] for event in last.values()]] = True
        kept = np.flatnonzero(keep).tolist()
        told = set(last.values())
        events = [books[one] if one in told else best.event(one) for one in kept]
        yield session.change(from_events(events), best.lead)


class Unit(NamedTuple):
    """What a window is made of: a deciding event and answers of what it decided, as events."""

    event: int
    answers: tuple[int, ...]


def units_of(session: Session) -> list[list[Unit]]:
    """Return the units of windows, the last ones: filled orders by slot, then by side; all that one event decided."""
    first = session.best.first
    is_answer = np.isin(first["kind"], ANSWERS) & (first["order_id"] >= 0)
    filled = set(first["order_id"][first["kind"] == K.FILL].tolist())
    answers: dict[int, list[int]] = {}
    for event in np.flatnonzero(is_answer).tolist():
        answers.setdefault(int(first["order_id"][event]), []).append(event)
    alike: dict[tuple[int, int], list[Unit]] = {}  # by instrument and slot, or side behind all slots
    decided: dict[int, list[int]] = {}
    for order_id, events in sorted(answers.items()):
        place = int(np.searchsorted(first["seq"], order_id >> ORDER_ID_SEQ_SHIFT))
        if place == len(first) or first["seq"][place] != order_id >> ORDER_ID_SEQ_SHIFT:
            continue
        decided.setdefault(place, []).extend(events)
        if order_id in filled:
            index, slot = divmod(order_id & ORDER_MASK, ORDER_COUNT_MAX)
            for key in (slot, ORDER_COUNT_MAX + slot // SIDE_SLOTS):
                alike.setdefault((index, key), []).append(Unit(place, tuple(events)))
    every = [Unit(place, tuple(events)) for place, events in decided.items()]
    return [units[-WINDOW_COUNT_MAX:] for units in (*(alike[key] for key in sorted(alike)), every)]


def windows(session: Session) -> Iterator[Change]:
    """Yield candidates of some orders next to each other, what decided them, their books, and the failure.

    The book stands before what decides, and then in the place of it: some decide on the book alone, some not.
    """
    best, first, last = session.best, session.best.first, len(session.best) - 1
    lists = units_of(session)
    instruments = dict(zip(*(found.tolist() for found in deciding_orders(session)), strict=True))
    instruments = {unit.event: instruments[unit.event] for units in lists for unit in units}
    deciding = np.array(sorted(instruments), np.int64)
    places = book_places(session, deciding, np.array([instruments[event] for event in deciding.tolist()], np.int64))
    books = books_at(session, places | instruments, DEPTHS[0])
    ordered = sorted(places)
    is_answer = np.isin(first["kind"], ANSWERS) & (first["order_id"] >= 0)
    control = np.flatnonzero(~np.isin(first["kind"], (*MARKET, K.TIMER)) & ~is_answer).tolist()
    always, ends = {*control, last, *ordered[-1:]}, set(ordered[-1:])
    for size in (0, *WINDOW_SIZES):
        for units in lists if size else [[]]:
            for start in range(len(units) - size, -1, -max(1, size // 2)):
                chosen = units[start : start + size]
                events = {unit.event for unit in chosen}
                answers = always.union(*(unit.answers for unit in chosen))
                at = np.searchsorted(ordered, sorted(events), "right").tolist()
                before = {ordered[place - 1] for place in at if place}
                for kept, told in (
                    (answers | before | events, before | ends),
                    (answers | events, (events - answers) | ends),
                ):
                    rows = [books[one] if one in told and one in books else best.event(one) for one in sorted(kept)]
                    yield session.change(from_events(rows), best.lead)


def collapse_books(session: Session) -> None:
    """Try to tell each book once, as it stood before one of the orders that were answered, or at any of few messages.

    Raises: OutOfTime.
    """
    for index in session.books.present(session.best.first):
        at = messages(session.best, index)
        if len(at) < 2:
            continue
        wanted = chosen(session.best, at)
        books = books_at(session, {int(at[place]): index for place in wanted}, DEPTHS[0])
        session.first_failing(
            collapsed(session, at, place, books[int(at[place])]) for place in wanted if int(at[place]) in books
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
