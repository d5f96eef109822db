"""A journal as Arrow tables: what `mmfold.open` gives and the commands `mm sql`, `mm orders`, `mm fills` are made of.

Tables of what the journal says (events, trades, audit) are read, its chain verified on the way. Those of what own
orders came to (orders, fills, equity, markouts) come from one replay, which compares every decision. Must never show a
figure that is not the journal's or the core's.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from mmfold.engine.records import EVENT
from mmfold.journal.selection import NO_TS_NS, TS_NS_MAX, Chooser, Selection
from mmfold.replay.debug.library import open_journal
from mmfold.replay.debug.moment import Moment
from mmfold.replay.source import EventSource
from mmfold.reports.audit import EPOCH
from mmfold.reports.tables.account import equity_table, fills_table, markouts_table
from mmfold.reports.tables.decisions import audit_table, book_table, params_table
from mmfold.reports.tables.fold import Folded, TablesFold
from mmfold.reports.tables.market import events_table, trades_table
from mmfold.reports.tables.orders import orders_table

NS_PER_US = 1_000
Time = datetime | str | int  # UTC unless it says, ISO, ns since 1970
Names = str | Sequence[str]


class Tables:
    """An open journal.

    Units: prices and sizes as the venue has them, in float64, with `exact` in decimal128; times in UTC.
    Raises: JournalError, JsonlError; each table also while it is made, of a journal that does not verify.
    """

    def __init__(self, path: Path, *, exact: bool = False) -> None:
        self.path = path
        self.exact = exact
        self.manifest = EventSource(path).manifest
        self.on_progress: Callable[[int], None] = lambda rows: None

    def __repr__(self) -> str:
        return f"<journal {self.path}: {', '.join(one.symbol for one in self.manifest.instruments)}>"

    def events(
        self, kind: Names = (), symbols: Names = (), time: tuple[Time | None, Time | None] = (None, None)
    ) -> pa.Table:
        """Return the journal's rows: of some kinds, about some symbols, within a span of receive time, or all.

        Shape: a row per journal row; a book event has one per level.
        Raises: UnknownName.
        """
        chosen = self.chosen(selection_of(kind, symbols, time))
        return self.joined(chosen, lambda rows: events_table(rows, self.manifest, self.exact))

    def trades(self, symbols: Names = (), time: tuple[Time | None, Time | None] = (None, None)) -> pa.Table:
        """Return the market's trades, those of a symbol and a span of receive time, or all.

        Raises: UnknownName.
        """
        chosen = self.chosen(selection_of("trade", symbols, time))
        return self.joined(chosen, lambda rows: trades_table(rows, self.manifest, self.exact))

    def orders(self) -> pa.Table:
        """Return every own order: what it asked for, what was filled, why it was placed and how it ended.

        Raises: WitnessDiffers, DigestDiffers, StrategyError.
        """
        return orders_table(self.folded.lives, self.manifest, self.exact)

    def fills(self) -> pa.Table:
        """Return every own fill, with fee, realised PnL and the position after it.

        Raises: WitnessDiffers, DigestDiffers, StrategyError.
        """
        return fills_table(self.folded.sheet, self.exact)

    def equity(self) -> pa.Table:
        """Return the net PnL of each symbol at the end of the seconds in which it changed.

        Raises: WitnessDiffers, DigestDiffers, StrategyError.
        """
        return equity_table(self.folded.sheet, self.exact)

    def markouts(self) -> pa.Table:
        """Return where the mid stood after each fill, by horizon.

        Raises: WitnessDiffers, DigestDiffers, StrategyError.
        """
        return markouts_table(self.folded.sheet, self.exact)

    def audit(self) -> pa.Table:
        """Return every decision that the journal holds, with its reason and its figures."""
        return audit_table(self.chosen(Selection()), self.manifest)

    def params(self, at: datetime | str | int | None = None) -> pa.Table:
        """Return the parameters in force after an event, and by whom: `at` is a seq or a time, None the last event.

        Raises: NoSuchEvent, WitnessDiffers, DigestDiffers, StrategyError.
        """
        return params_table(self.moment(at))

    def book(self, at: datetime | str | int | None = None) -> pa.Table:
        """Return the books after an event: `at` is a seq or a time, None the last event.

        Raises: NoSuchEvent, WitnessDiffers, DigestDiffers, StrategyError.
        """
        return book_table(self.moment(at), self.exact)

    @cached_property
    def folded(self) -> Folded:
        """The one replay that the account's tables share."""
        return TablesFold(self.path, self.on_progress).folded()

    def moment(self, at: datetime | str | int | None) -> Moment:
        """Return the moment after an event; of a directory the nearest checkpoint helps, and others are left."""
        library = open_journal(self.path)
        return library.at(at) if at is None or isinstance(at, int) else library.at(ts_ns=time_ns(at))

    def chosen(self, selection: Selection) -> Iterator[np.ndarray]:
        """Yield the rows of some events, verified before they are handed out."""
        chooser, row_count = Chooser(self.manifest, selection), 0
        for rows in EventSource(self.path).chunks():
            row_count += len(rows)
            yield rows if selection.is_everything else chooser.chosen(rows)
            self.on_progress(row_count)

    def joined(self, chunks: Iterator[np.ndarray], table_of: Callable[[np.ndarray], pa.Table]) -> pa.Table:
        """Return the tables of chunks as one; without rows it has its columns all the same."""
        return pa.concat_tables([table_of(np.zeros(0, EVENT)), *(table_of(rows) for rows in chunks if len(rows))])


TABLES: dict[str, Callable[[Tables], pa.Table]] = {
    "events": Tables.events,
    "trades": Tables.trades,
    "orders": Tables.orders,
    "fills": Tables.fills,
    "equity": Tables.equity,
    "markouts": Tables.markouts,
    "audit": Tables.audit,
    "params": Tables.params,
    "book": Tables.book,
}


def selection_of(kinds: Names, symbols: Names, time: tuple[Time | None, Time | None]) -> Selection:
    """Return what was asked for; one name may stand by itself."""
    first, last = time
    return Selection(
        kinds=(kinds,) if isinstance(kinds, str) else tuple(kinds),
        symbols=(symbols,) if isinstance(symbols, str) else tuple(symbols),
        ts_from_ns=NO_TS_NS if first is None else time_ns(first),
        ts_until_ns=TS_NS_MAX if last is None else time_ns(last),
    )


def time_ns(time: Time) -> int:
    """Return a time in ns since 1970.

    Raises: ValueError for text that is no ISO time.
    """
    if isinstance(time, int):
        return time
    moment = datetime.fromisoformat(time) if isinstance(time, str) else time
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return (moment - EPOCH) // timedelta(microseconds=1) * NS_PER_US
