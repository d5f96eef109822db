"""Parts of a table to EVENT rows of whole events; must never order or merge tables.

A book's rows of one symbol, one receive time, one exchange time and one kind are one message. A message with a refused
row is left out whole, and a BOOK_GAP stands in its place: nobody knows the book behind it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from mmfold.adapters.importers.outcome import ImportFailedError, PassedOverError, RefusedError, UnknownSymbolError
from mmfold.adapters.importers.rows import read_price, read_qty
from mmfold.adapters.importers.session import Session
from mmfold.adapters.importers.table import Listing
from mmfold.adapters.importers.tabular.mapping import SIDE_WORDS, Mapping
from mmfold.adapters.importers.tabular.source import Part
from mmfold.adapters.importers.tabular.values import (
    BAD,
    Faults,
    MixedUnitsError,
    Reader,
    distinct,
    times_of,
    whole_numbers,
)
from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.limits import EVENT_ROW_COUNT_MAX
from mmfold.engine.records import EVENT, NO_ORDER_ID, NO_PRICE_TICKS, NO_TS_NS, NO_VALUE
from mmfold.journal.told import TRADE_ID_MAX, trade_id_of

ROW_TWICE = "row told twice"
TRUTHS = {"true": 1, "True": 1, "TRUE": 1, "1": 1, "false": 0, "False": 0, "FALSE": 0, "0": 0}
MESSAGE = ("ts_receive_ns", "ts_exchange_ns", "kind", "instrument_index")  # what the rows of one message share
PASSED, REFUSED = -1, -2  # instead of a listing's index

Resolve = Callable[[str, str], Listing]  # of an exchange and a symbol


@dataclass(slots=True)
class Rows:
    """What makes the rows of one table.

    Units: unit_ns = of its times. Shape: `carry` is the book message that may go on, with which of its rows is bad.
    """

    mapping: Mapping
    unit_ns: int
    session: Session
    resolve: Resolve
    readers: dict[tuple[str, int], Reader] = field(default_factory=dict)  # by column and listing
    carry: tuple[np.ndarray, np.ndarray] = field(default_factory=lambda: (np.empty(0, EVENT), np.empty(0, bool)))

    def events(self, parts: Iterator[Part]) -> Iterator[np.ndarray]:
        """Yield whole events, `seq` 0.

        Raises: ImportFailedError.
        """
        for part in parts:
            self.session.message_count += len(part.numbers)
            if not len(part.numbers):
                continue
            rows, taken, faults = self.rows_of(part)
            for row, reason in sorted(faults.items()):
                self.session.refuse(part.place(row), reason, part.raw(row))
            bad = np.zeros(len(part.numbers), bool)
            bad[list(faults)] = True
            if self.mapping.kind == "book":
                yield self.messages(rows[taken], bad[taken], is_end=False)
            else:
                rows = rows[np.repeat(taken & ~bad, len(rows) // len(bad))]
                yield rows[rows["price_ticks"] > 0]  # all but the levels that a row of depth does not have
        if len(self.carry[0]):
            yield self.messages(np.empty(0, EVENT), np.empty(0, bool), is_end=True)

    def rows_of(self, part: Part) -> tuple[np.ndarray, np.ndarray, Faults]:
        """Return the rows of a part, which of them are taken, and why some are refused.

        Raises: ImportFailedError for times in several units.
        """
        faults: Faults = {}
        mapping, columns = self.mapping, part.columns
        listings = self.listings_of(part, faults)
        taken = listings != PASSED
        heads = np.zeros(len(part.numbers), EVENT)
        heads["order_id"], heads["aux"], heads["flags"] = NO_ORDER_ID, NO_VALUE, Flag.LAST
        heads["instrument_index"] = np.maximum(listings, 0)
        try:
            received = times_of(columns[mapping.time], self.unit_ns, "time", faults)
            exchange = received
            if mapping.exchange_time is not None:
                exchange = times_of(columns[mapping.exchange_time], self.unit_ns, "exchange time", faults)
        except MixedUnitsError as error:
            hint = "split the table where its unit changes, or set unit in the mapping; nothing was written"
            raise ImportFailedError(f"{part.place(error.row)}: {error}", hint) from error
        for row in np.flatnonzero(received == NO_TS_NS).tolist():
            faults.setdefault(row, "time is missing")
        heads["ts_receive_ns"], heads["ts_exchange_ns"] = filled(received), filled(exchange)
        fill = {"book": self.fill_book, "trade": self.fill_trades, "bbo": self.fill_tops, "depth": self.fill_depth}
        return fill[mapping.kind](heads, columns, listings, faults), taken, faults

    def listings_of(self, part: Part, faults: Faults) -> np.ndarray:
        """Return the index of each row's listing, PASSED for one that is not taken, REFUSED for what is no symbol."""
        symbol, exchange = self.mapping.symbol, self.mapping.exchange
        zeros = np.zeros(len(part.numbers), np.int64)
        codes, symbols = (zeros, [self.mapping.symbol_is]) if symbol is None else distinct(part.columns[symbol])
        venue_codes, venues = (
            (zeros, [self.mapping.exchange_is]) if exchange is None else distinct(part.columns[exchange])
        )
        pairs = codes.astype(np.int64) * len(venues) + venue_codes
        found = np.full(len(symbols) * len(venues), PASSED, np.int64)
        for pair in np.unique(pairs).tolist():
            rows = np.flatnonzero(pairs == pair)
            first, place = int(rows[0]), part.place(int(rows[0]))
            try:
                name, venue = symbols[pair // len(venues)], venues[pair % len(venues)]
                found[pair] = self.resolve(venue or "", name or "").index
            except UnknownSymbolError as error:
                self.session.unknown.note(error, place, part.raw(first))
            except PassedOverError as error:
                self.session.skipped[str(error)] += len(rows)
            except RefusedError as error:
                found[pair] = REFUSED
                faults.update(dict.fromkeys(rows.tolist(), str(error)))
            except ImportFailedError as error:
                raise ImportFailedError(f"{place}: {error}", error.hint) from error
        return found[pairs]

    def fill_book(
        self, rows: np.ndarray, columns: dict[str, pa.Array], listings: np.ndarray, faults: Faults
    ) -> np.ndarray:
        """Fill what the rows of a book say."""
        mapping = self.mapping
        is_snapshot = np.full(len(rows), mapping.snapshot is True)
        if isinstance(mapping.snapshot, str):
            is_snapshot = self.words(columns, mapping.snapshot, TRUTHS, faults) == 1
        rows["kind"] = np.where(is_snapshot, EventKind.BOOK_SNAPSHOT, EventKind.BOOK_DELTA)
        self.fill_levels(rows, columns, listings, faults)
        for row in np.flatnonzero(is_snapshot & (rows["qty_lots"] == 0)).tolist():
            faults.setdefault(row, "snapshot has a level of size 0")
        for row in np.flatnonzero(rows["side"] == Side.NONE).tolist():
            faults.setdefault(row, "a level without a side")
        return rows

    def fill_trades(
        self, rows: np.ndarray, columns: dict[str, pa.Array], listings: np.ndarray, faults: Faults
    ) -> np.ndarray:
        """Fill what the rows of trades say."""
        rows["kind"] = EventKind.TRADE
        self.fill_levels(rows, columns, listings, faults)
        for row in np.flatnonzero(rows["qty_lots"] == 0).tolist():
            faults.setdefault(row, "trade of size 0")
        if self.mapping.id is not None:
            ids = whole_numbers(columns[self.mapping.id])
            if ids is None or ids.min() < 0 or ids.max() > TRADE_ID_MAX:
                ids = Reader(read_id).column(columns[self.mapping.id], faults)
            rows["order_id"] = ids
        return rows

    def fill_tops(
        self, heads: np.ndarray, columns: dict[str, pa.Array], listings: np.ndarray, faults: Faults
    ) -> np.ndarray:
        """Return what the rows of best prices say: of each two rows, bid and ask."""
        mapping = self.mapping
        heads["kind"] = EventKind.BBO
        rows = np.repeat(heads, 2)
        for side, price, size in (
            (Side.BID, mapping.bid_price, mapping.bid_size),
            (Side.ASK, mapping.ask_price, mapping.ask_size),
        ):
            half = rows[int(side) :: 2]
            half["side"], half["flags"] = side, Flag.LAST if side == Side.ASK else 0
            half["price_ticks"] = self.steps(columns, str(price), read_price, listings, faults)
            half["qty_lots"] = self.steps(columns, str(size), read_qty, listings, faults)
        return rows

    def fill_depth(
        self, heads: np.ndarray, columns: dict[str, pa.Array], listings: np.ndarray, faults: Faults
    ) -> np.ndarray:
        """Return what rows of depth say: the levels of both sides, those that are absent at the price 0."""
        heads["kind"], heads["flags"] = EventKind.BOOK_SNAPSHOT, 0
        count = self.mapping.levels or 0
        rows = np.repeat(heads, 2 * count).reshape(len(heads), 2, count)
        for side, pairs in zip((Side.BID, Side.ASK), self.mapping.level_columns(), strict=True):
            for at, (price, size) in enumerate(pairs):
                level = rows[:, int(side), at]
                level["side"] = side
                level["price_ticks"] = self.steps(columns, price, read_shown_price, listings, faults)
                level["qty_lots"] = self.steps(columns, size, read_shown_qty, listings, faults)
                for row in np.flatnonzero((level["price_ticks"] > 0) & (level["qty_lots"] == 0)).tolist():
                    faults.setdefault(row, f"{size} is 0 or missing beside a price")
        flat = rows.reshape(len(heads), 2 * count)
        shown = flat["price_ticks"] > 0
        for row in np.flatnonzero(~shown.any(axis=1)).tolist():
            faults.setdefault(row, "a book without a level")
        last = 2 * count - 1 - np.argmax(shown[:, ::-1], axis=1)
        flat["flags"][np.arange(len(heads)), last] = Flag.LAST
        symbols = list(self.session.context.table.listings)
        shown_depths = {symbols[index]: str(count) for index in np.unique(listings[listings >= 0]).tolist()}
        self.session.context.book_depths.update(shown_depths)
        return flat.reshape(-1)

    def fill_levels(self, rows: np.ndarray, columns: dict[str, pa.Array], listings: np.ndarray, faults: Faults) -> None:
        """Fill side, price and size."""
        mapping = self.mapping
        sides = {text: int(SIDE_WORDS[word]) for text, word in mapping.sides.items()}
        rows["side"] = self.words(columns, str(mapping.side), sides, faults)
        rows["price_ticks"] = self.steps(columns, str(mapping.price), read_price, listings, faults)
        rows["qty_lots"] = self.steps(columns, str(mapping.size), read_qty, listings, faults)

    def words(self, columns: dict[str, pa.Array], name: str, known: dict[str, int], faults: Faults) -> np.ndarray:
        """Return what the words of a column mean."""

        def read(text: object) -> int:
            value = known.get(text) if isinstance(text, str) else None
            if value is None:
                raise RefusedError(f"{name} {text!r} is none of {', '.join(map(repr, known))}")
            return value

        return np.maximum(Reader(read).column(columns[name], faults), 0)

    def steps(
        self,
        columns: dict[str, pa.Array],
        name: str,
        read: Callable[[object, Listing], int],
        listings: np.ndarray,
        faults: Faults,
    ) -> np.ndarray:
        """Return the ticks or lots of a column, each by the grid of its row's symbol."""
        values = np.full(len(listings), BAD, np.int64)
        for index in np.unique(listings[listings >= 0]).tolist():
            reader = self.readers.get((name, index))
            if reader is None:
                listing = list(self.session.context.table.listings.values())[index]
                reader = self.readers[name, index] = Reader(lambda text, of=listing: read(text, of))  # type: ignore[misc]
            rows = np.flatnonzero(listings == index)
            array = columns[name] if len(rows) == len(listings) else columns[name].take(pa.array(rows))
            own: Faults = {}
            values[rows] = reader.column(array, own)
            for row, reason in own.items():
                faults.setdefault(int(rows[row]), reason)
        return values

    def messages(self, rows: np.ndarray, bad: np.ndarray, *, is_end: bool) -> np.ndarray:
        """Return the whole messages of a book; the last waits for the rows that may follow, unless none do.

        Raises: ImportFailedError for a message without end.
        """
        rows, bad = np.concatenate([self.carry[0], rows]), np.concatenate([self.carry[1], bad])
        again = np.zeros(len(rows), bool)
        again[1:] = (rows[1:] == rows[:-1]) & ~bad[1:]
        if again.any():
            self.session.skipped[ROW_TWICE] += int(again.sum())
            rows, bad = rows[~again], bad[~again]
        starts = np.ones(len(rows), bool)
        starts[1:] = np.any([rows[name][1:] != rows[name][:-1] for name in MESSAGE], axis=0)
        begins = np.flatnonzero(starts)
        cut = len(rows) if is_end or not len(rows) else int(begins[-1])
        self.carry = (rows[cut:], bad[cut:])
        longest = int(np.diff([*begins.tolist(), len(rows)]).max(initial=0))
        if longest > EVENT_ROW_COUNT_MAX:
            what = f"{longest:,} rows of a book have one time, {EVENT_ROW_COUNT_MAX:,} at most are one message"
            raise ImportFailedError(what, "check which column is the time; nothing was written")
        return whole_messages(rows[:cut], bad[:cut], starts[:cut])


def whole_messages(rows: np.ndarray, bad: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return messages with bids before asks, those with a bad row as a BOOK_GAP."""
    if not len(rows):
        return rows
    groups = np.cumsum(starts) - 1
    rows = rows[np.lexsort((rows["side"], groups))]
    rows["flags"] = np.append(starts[1:], True) * np.uint16(Flag.LAST)
    is_gap = np.logical_or.reduceat(bad, np.flatnonzero(starts))[groups]
    gaps = is_gap & starts
    rows["kind"][gaps], rows["side"][gaps], rows["flags"][gaps] = EventKind.BOOK_GAP, Side.NONE, Flag.LAST
    rows["price_ticks"][gaps], rows["qty_lots"][gaps] = NO_PRICE_TICKS, 0
    return rows[~is_gap | starts]


def filled(times_ns: np.ndarray) -> np.ndarray:
    """Return times with those before in the place of bad ones: their rows are refused, and stand where they stood."""
    if not (times_ns == BAD).any():
        return times_ns
    at = np.maximum.accumulate(np.where(times_ns != BAD, np.arange(len(times_ns)), 0))
    return np.where(times_ns[at] == BAD, NO_TS_NS, times_ns[at])


def read_shown_price(text: object, listing: Listing) -> int:
    """Return the price of a level that may be absent, 0 then.

    Raises: RefusedError.
    """
    return 0 if text is None or text == "" else read_price(text, listing)


def read_shown_qty(text: object, listing: Listing) -> int:
    """Return the size of a level that may be absent, 0 then.

    Raises: RefusedError.
    """
    return 0 if text is None or text == "" else read_qty(text, listing)


def read_id(text: object) -> int:
    """Return 62 bits of a trade's id, the sentinel where it has none."""
    return trade_id_of(text) if isinstance(text, str) and text else NO_ORDER_ID
