"""What is taken out together: instruments, streams, an order's answers, a message with its levels; must never look at
what comes of it.

An element is the seqs of some events: it stays the same while events around it go.
"""

import numpy as np

from mmfold.engine.codes import EventKind
from mmfold.engine.limits import ORDER_ID_SEQ_SHIFT, SEQ_MAX
from mmfold.journal.jsonl.fields import KINDS
from mmfold.replay.minimize.books import STREAM
from mmfold.replay.minimize.candidate import Candidate
from mmfold.replay.minimize.orders import ANSWERS

Element = np.ndarray  # sorted seqs

HAVE_SYMBOL = tuple(int(kind) for kind, entry in KINDS.items() if entry.has_symbol)


def split_by(candidate: Candidate, keys: np.ndarray, wanted: np.ndarray) -> list[Element]:
    """Return the seqs of the wanted events of each key, by the first of each."""
    seqs, keys = candidate.first["seq"][wanted], keys[wanted]
    if not len(seqs):
        return []
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.diff(keys[order])) + 1
    return sorted(np.split(seqs[order], starts), key=lambda seqs: int(seqs[0]))


def but_manifest(candidate: Candidate) -> np.ndarray:
    """Return a mask of what may be taken out."""
    return candidate.first["kind"] != EventKind.MANIFEST


def instruments(candidate: Candidate) -> list[Element]:
    """Return the events of each instrument."""
    first = candidate.first
    return split_by(candidate, first["instrument_index"].astype(np.int64), np.isin(first["kind"], HAVE_SYMBOL))


def streams(candidate: Candidate) -> list[Element]:
    """Return the events of each kind of each instrument."""
    first = candidate.first
    keys = first["instrument_index"].astype(np.int64) << 8 | first["kind"]
    return split_by(candidate, keys, but_manifest(candidate))


def orders(candidate: Candidate) -> list[Element]:
    """Return the orders that have answers, those of one deciding event together: the event, its book, the answers."""
    first = candidate.first
    is_answer = np.isin(first["kind"], ANSWERS) & (first["order_id"] >= 0)
    is_book = np.isin(first["kind"], STREAM)
    answers, found = split_by(candidate, first["order_id"] >> ORDER_ID_SEQ_SHIFT, is_answer), []
    deciding = np.unique(first["order_id"][is_answer] >> ORDER_ID_SEQ_SHIFT)
    book_seqs = first["seq"][is_book]
    for seqs in answers:
        place = int(np.searchsorted(first["seq"], seqs[0]))
        cause = int(first["order_id"][place]) >> ORDER_ID_SEQ_SHIFT
        book = int(np.searchsorted(book_seqs, cause)) - 1
        later = np.searchsorted(deciding, [cause, book_seqs[book + 1] if book + 1 < len(book_seqs) else SEQ_MAX])
        own = [int(book_seqs[book])] if book >= 0 and later[1] - later[0] == 1 else []
        found.append(np.unique([*own, cause, *seqs.tolist()]))
    return found


def causal(candidate: Candidate) -> list[Element]:
    """Return the answers of each order together, and every other event alone."""
    first = candidate.first
    is_answer = np.isin(first["kind"], ANSWERS) & (first["order_id"] >= 0)
    orders = split_by(candidate, first["order_id"], is_answer)
    alone = first["seq"][but_manifest(candidate) & ~is_answer].reshape(-1, 1)
    return sorted([*orders, *alone], key=lambda seqs: int(seqs[0]))


def single(candidate: Candidate) -> list[Element]:
    """Return every event alone."""
    return list(candidate.first["seq"][but_manifest(candidate)].reshape(-1, 1))
