"""Whether two journals are of one market, event by event.

Must never compare times: a backtest shifts receive times by a constant.
"""

from collections.abc import Iterator
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mmfold.engine.codes import EventKind, Flag
from mmfold.engine.manifest import Instrument, Manifest
from mmfold.engine.records import EVENT
from mmfold.replay.source import EventSource

MARKET_FIELDS = (
    "kind", "instrument_index", "side", "price_ticks", "qty_lots", "aux", "order_id", "flags", "code",
)  # fmt: skip


class MarketDifference(NamedTuple):
    """Where two journals are not of one market; None where one has ended."""

    event_number: int  # of the market event, from 1
    a: np.void | None
    b: np.void | None


def is_market(kinds: np.ndarray) -> np.ndarray:
    """Tell which rows are of the recorded market: what a backtest takes from a journal."""
    return ((kinds >= EventKind.BOOK_SNAPSHOT) & (kinds <= EventKind.FUNDING)) | (kinds == EventKind.SCORE)


def market_facts(instrument: Instrument) -> tuple[Any, ...]:
    """Return what makes prices and sizes mean the same; fees and filters may differ."""
    tick, lot, value = (
        Fraction(text) for text in (instrument.tick_size, instrument.lot_size, instrument.contract_value)
    )
    return instrument.symbol, tick, lot, instrument.contract, value


def differing_instrument(a: Manifest, b: Manifest) -> tuple[Instrument | None, Instrument | None] | None:
    """Return the first pair of instruments that are not one market, None when all are."""
    for first, second in zip_longest(a.instruments, b.instruments):
        if first is None or second is None or market_facts(first) != market_facts(second):
            return first, second
    return None


def walk_markets(chunks_a: Iterator[np.ndarray], chunks_b: Iterator[np.ndarray]) -> tuple[int, MarketDifference | None]:
    """Walk the market events of two journals in step; returns how many are alike and the first difference."""
    event_count = 0
    rest_a = rest_b = np.zeros(0, EVENT)
    while True:
        rest_a, rest_b = fill_up(rest_a, chunks_a), fill_up(rest_b, chunks_b)
        count = min(len(rest_a), len(rest_b))
        differs = np.zeros(count, bool)
        for name in MARKET_FIELDS:
            differs |= rest_a[name][:count] != rest_b[name][:count]
        if count == 0 or differs.any():
            place = int(np.argmax(differs)) if count else 0
            event_count += int((rest_a["flags"][:place] & Flag.LAST).sum())
            a, b = (rest[place].copy() if len(rest) else None for rest in (rest_a, rest_b))
            ended = a is None and b is None
            return event_count, None if ended else MarketDifference(event_count + 1, a, b)
        event_count += int((rest_a["flags"][:count] & Flag.LAST).sum())
        rest_a, rest_b = rest_a[count:], rest_b[count:]


def fill_up(rest: np.ndarray, chunks: Iterator[np.ndarray]) -> np.ndarray:
    """Return market rows to compare next: what is left, or the next chunk's that has any."""
    while not len(rest):
        chunk = next(chunks, None)
        if chunk is None:
            return rest
        rest = market_word(chunk[is_market(chunk["kind"])])
    return rest


def market_word(rows: np.ndarray) -> np.ndarray:
    """Return a copy of market rows without what an account paid as funding, as a backtest takes them."""
    is_paid = (rows["kind"] == EventKind.FUNDING) & ((rows["flags"] & Flag.PAID) != 0)
    if not is_paid.any():
        return rows
    kept = rows[~(is_paid & ((rows["flags"] & Flag.LAST) != 0))]
    kept["flags"][kept["kind"] == EventKind.FUNDING] = Flag.LAST
    return kept


def compare_markets(path_a: Path, path_b: Path) -> tuple[int, MarketDifference | None]:
    """Walk the market of two journals, every event verified against its chain; see `walk_markets`.

    Raises: JournalError, JsonlError.
    """
    return walk_markets(EventSource(path_a).chunks(), EventSource(path_b).chunks())
