"""Books with messages taken out: the numbering joined again, or begun by a snapshot; must never hide a recorded gap.

A delta whose predecessors were taken out is made to continue what is left before it, which is a feed that a venue
could have sent. Where the journal itself has a break, the break stays.
Source: docs/data.md, book integrity.
"""

from dataclasses import dataclass

import numpy as np

from mmfold.engine.codes import Continuity, EventKind, Side
from mmfold.engine.manifest import Manifest
from mmfold.engine.records import EVENT, NO_ORDER_ID, NO_PRICE_TICKS, NO_VALUE
from mmfold.replay.minimize.candidate import Candidate

K = EventKind
STREAM = (K.BOOK_DELTA, K.BOOK_SNAPSHOT, K.BOOK_CLEAR, K.BOOK_GAP)
NONE = -1


@dataclass(frozen=True)
class Places:
    """Where the messages of one instrument's book stand in a candidate.

    Shape: at (n,) event indexes; delta, anchor (n,): places of the last message of the stream and of the last snapshot
    before each, NONE where there is none.
    """

    at: np.ndarray
    delta: np.ndarray
    anchor: np.ndarray


class Books:
    """The chains of a journal's books: which deltas continue what came before them."""

    def __init__(self, inputs: Candidate, manifest: Manifest) -> None:
        self.in_stream = [each.continuity == Continuity.IN_STREAM for each in manifest.instruments]
        self.chains: dict[int, tuple[np.ndarray, np.ndarray]] = {}  # by instrument: seqs, the chain that each is of
        first = inputs.first
        for index in self.present(first):
            places = self.places(first, index)
            prev, wanted = first["order_id"][places.at], self.predecessors(first, places)
            is_delta = first["kind"][places.at] == K.BOOK_DELTA
            breaks = is_delta & (wanted != NO_ORDER_ID) & (prev != NO_ORDER_ID) & (prev != wanted)
            breaks |= np.isin(first["kind"][places.at], (K.BOOK_CLEAR, K.BOOK_GAP))
            self.chains[index] = first["seq"][places.at].copy(), np.cumsum(breaks)

    @staticmethod
    def present(first: np.ndarray) -> list[int]:
        """Return the instruments that have book messages."""
        return np.unique(first["instrument_index"][np.isin(first["kind"], STREAM)]).tolist()

    def places(self, first: np.ndarray, index: int) -> Places:
        """Return where one book's messages are."""
        at = np.flatnonzero(np.isin(first["kind"], STREAM) & (first["instrument_index"] == index))
        kinds = first["kind"][at]
        is_snapshot = kinds == K.BOOK_SNAPSHOT
        is_delta = kinds == K.BOOK_DELTA
        if self.in_stream[index]:
            is_delta = is_delta | is_snapshot
        return Places(at, last_before(is_delta), last_before(is_snapshot))

    def predecessors(self, first: np.ndarray, places: Places) -> np.ndarray:
        """Return the number that each message would continue, NO_ORDER_ID where nothing is before it."""
        numbers = first["aux"][places.at]
        wanted = np.full(len(numbers), NO_ORDER_ID)
        has_anchor, has_delta = places.anchor != NONE, places.delta != NONE
        wanted[has_anchor] = numbers[places.anchor[has_anchor]]
        wanted[has_delta] = numbers[places.delta[has_delta]]
        wanted[wanted == NO_VALUE] = NO_ORDER_ID
        return wanted

    def rejoined(self, candidate: Candidate) -> Candidate:
        """Return the candidate with deltas that continue what is left before them."""
        first, rows = candidate.first, candidate.rows
        is_copy = False
        for index in self.present(first):
            places = self.places(first, index)
            seqs, chains = self.chains[index]
            found = np.searchsorted(seqs, first["seq"][places.at])
            chain = chains[np.minimum(found, len(chains) - 1)]
            before = np.where(places.delta != NONE, places.delta, places.anchor)
            wanted, prev = self.predecessors(first, places), first["order_id"][places.at]
            joins = (first["kind"][places.at] == K.BOOK_DELTA) & (prev != NO_ORDER_ID) & (wanted != NO_ORDER_ID)
            joins &= (before != NONE) & (chain == chain[before]) & (prev != wanted)
            if joins.any():
                if not is_copy:
                    rows, is_copy = rows.copy(), True
                for place in np.flatnonzero(joins).tolist():
                    event = places.at[place]
                    rows["order_id"][candidate.bounds[event] : candidate.bounds[event + 1]] = wanted[place]
        return Candidate(rows, candidate.bounds) if is_copy else candidate


def last_before(mask: np.ndarray) -> np.ndarray:
    """Return for each place the last marked one before it, NONE where there is none."""
    marks = np.where(mask, np.arange(len(mask)), NONE)
    return np.concatenate(([NONE], np.maximum.accumulate(marks)[:-1])) if len(mask) else marks


def emptied(rows: np.ndarray) -> np.ndarray:
    """Return a delta that changes nothing: one row without a level."""
    found = rows[-1:].copy()
    assert found.dtype == EVENT
    found["side"], found["price_ticks"], found["qty_lots"] = Side.NONE, NO_PRICE_TICKS, 0
    return found
