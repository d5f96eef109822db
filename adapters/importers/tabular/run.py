"""Tables to a journal: all of them read as one stream; must never write anything before the last row is read.

An instrument of a table is of the venue `generic`: its books carry no numbers, so a gap in them cannot be seen.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mmfold.adapters.importers.captures import Captures
from mmfold.adapters.importers.outcome import ImportFailedError, ImportRequest, ImportResult, Parsed, Place, Refusal
from mmfold.adapters.importers.output import check_out
from mmfold.adapters.importers.quarantine import Quarantine
from mmfold.adapters.importers.run import OnProgress, import_whole, look_for_signals, open_table
from mmfold.adapters.importers.session import Session
from mmfold.adapters.importers.spool import BUFFER_ROW_COUNT, Spool
from mmfold.adapters.importers.streams import LinesHash
from mmfold.adapters.importers.table import TOLD_TWICE, Context, Listing
from mmfold.adapters.importers.tabular.known import tardis_mapping, vision_mapping
from mmfold.adapters.importers.tabular.mapping import Mapping, read_mapping
from mmfold.adapters.importers.tabular.merge import RowFeed, merge_rows
from mmfold.adapters.importers.tabular.rows import Rows
from mmfold.adapters.importers.tabular.source import Part, Table
from mmfold.adapters.importers.tabular.values import MixedUnitsError, distinct, times_of, unit_of_column
from mmfold.adapters.importers.units import UNITS, Units
from mmfold.config.instruments import CONTRACT_OF_MARKET, find_instrument
from mmfold.engine.codes import EventKind, Flag

GENERIC = "generic"
MARKET_OF_EXCHANGE = {
    "binance": ("binance", "spot"),
    "binance-futures": ("binance", "usdm"),
    "binance-delivery": ("binance", "coinm"),
    "bybit": ("bybit", "linear"),
    "bybit-spot": ("bybit", "spot"),
}  # as tardis.dev names them


def no_message(raw: bytes, ts_receive_ns: int, context: Context) -> Parsed:
    """Refuse: a table has rows, no messages."""
    return Refusal("no row of a table")


TABLES = Captures(
    venue=GENERIC, markets=tuple(CONTRACT_OF_MARKET), parse_message=no_message, scanner="", shown_depth=int
)


@dataclass(frozen=True, slots=True)
class Opened:
    """A table, what its columns are, and what its first row shows.

    Units: first_ns = receive time of the first row.
    """

    table: Table
    mapping: Mapping
    unit_ns: int
    first_ns: int
    start: str

    @property
    def path(self) -> Path:
        """The file."""
        return self.table.path

    @property
    def units(self) -> Units:
        """What its times are told in."""
        return Units(receive_ns=self.unit_ns, exchange_ns=self.unit_ns)


def import_tables(request: ImportRequest, on_progress: OnProgress, source: str) -> ImportResult:
    """Import tables of a source, all or nothing; refused rows go to a quarantine file beside the output.

    Units:  on_progress gets the number of input bytes read so far.
    Raises: ImportFailedError.
    """
    check_out(request)
    opened = open_tables(request, source)

    def read(quarantine: Quarantine, spool: Spool) -> tuple[Session, str]:
        return read_tables(opened, request, on_progress, quarantine, spool)

    return import_whole(request, opened, read)


def open_tables(request: ImportRequest, source: str) -> list[Opened]:
    """Look at the start of all tables and return them in the order of their first rows.

    Raises: ImportFailedError.
    """
    own = read_mapping(request.mapping) if request.mapping is not None else None
    opened = [open_one(Table(path), own, source) for path in request.files]
    return sorted(opened, key=lambda one: (one.first_ns, one.mapping.kind, one.start))


def open_one(table: Table, own: Mapping | None, source: str) -> Opened:
    """Return a table with its mapping and its units.

    Raises: ImportFailedError.
    """
    if own is not None:
        mapping = own
    elif table.is_parquet:
        raise ImportFailedError(f"{table.path.name}: Parquet, {source} is CSV", "mm import table reads it")
    else:
        find = tardis_mapping if source == "tardis" else vision_mapping
        mapping = find(table.path, table.names(","))
    table.check(mapping)
    part = first_part(table, mapping)
    if part is None:
        raise ImportFailedError(f"{table.path.name}: no row", "nothing was written")
    times = part.columns[mapping.time]
    unit_ns = UNITS[mapping.unit] if mapping.unit else unit_of_column(times)
    if not unit_ns:
        told = f"{part.place(0)}: {mapping.time} {times[0].as_py()!r} is a time since 2001 in none of s, ms, us and ns"
        raise ImportFailedError(told, "check the mapping's time column; nothing was written")
    if mapping.unit is None and str(times.type).startswith("timestamp"):
        mapping = mapping.model_copy(update={"unit": "ns"})
    first_ns = 0  # of a time that is refused when it is read
    with suppress(MixedUnitsError):
        first_ns = max(int(times_of(times[:1], unit_ns, "time", {})[0]), 0)
    return Opened(table, mapping, unit_ns, first_ns, str({name: str(part.columns[name][0]) for name in part.columns}))


def first_part(table: Table, mapping: Mapping) -> Part | None:
    """Return the first rows of a table, None for one without any."""
    with closing(table.parts(mapping, lambda _: None, None, lambda *_: None)) as parts:
        part = next((part for part in parts if len(part.numbers)), None)
    table.hash = LinesHash()
    return part


class Resolver:
    """Finds listings: an exchange that is known brings the market and the grid of what it lists."""

    def __init__(self, session: Session, market: str) -> None:
        self.session = session
        self.asked = market
        self.exchange: str | None = None

    def resolve(self, exchange: str, symbol: str) -> Listing:
        """Return a symbol's listing.

        Raises: RefusedError, PassedOverError, UnknownSymbolError, ImportFailedError for a second exchange.
        """
        table, context = self.session.context.table, self.session.context
        if self.exchange not in (None, exchange):
            raise ImportFailedError(f"rows of {exchange} beside rows of {self.exchange}", "import each by itself")
        self.exchange = exchange
        venue, market = MARKET_OF_EXCHANGE.get(exchange, ("", ""))
        if exchange == "bybit" and symbol.endswith("USD"):
            market = "inverse"
        if not self.asked and not market:
            table.assumed[f"{symbol}: taken for a linear contract (--market)"] = None
        market = context.market = self.asked or market or "linear"
        known = find_instrument(venue, market, symbol)
        if known is not None and symbol not in table.listings:
            table.offer(replace(known, venue=GENERIC), market)
        return table.resolve(symbol, market)


def read_tables(
    opened: Sequence[Opened], request: ImportRequest, on_progress: OnProgress, quarantine: Quarantine, spool: Spool
) -> tuple[Session, str]:
    """Read all tables into a session to its end, and return it and the run id.

    Raises: ImportFailedError.
    """
    context = Context(table=open_table(TABLES, request, {}), market=request.market, market_forced=bool(request.market))
    session = Session(
        captures=TABLES, context=context, spool=spool, quarantine=quarantine, fast_lane=None, strict=request.strict
    )
    resolver, done, cuts = Resolver(session, request.market), 0, list[str]()

    def on_read(count: int) -> None:
        nonlocal done
        done += count
        on_progress(done)

    def feed(one: Opened) -> RowFeed:
        rows = Rows(one.mapping, one.unit_ns, session, resolver.resolve)
        parts = one.table.parts(one.mapping, on_read, cuts.append if request.salvage else None, refuse)
        return RowFeed(one.first_ns, rows.events(parts))

    def refuse(place: Place, reason: str, raw: bytes) -> None:
        session.message_count += 1
        session.refuse(place, reason, raw)

    for rows in merge_rows([feed(one) for one in opened]):
        take(session, rows)
        look_for_signals()
    session.finish()
    context.table.assumed.update(dict.fromkeys(sorted(cuts)))
    if any(one.mapping.exchange_time is None for one in opened):
        context.table.assumed["tables with one time: it counts as that of receipt too"] = None
    ids = LinesHash()
    for one in opened:
        ids.update(one.table.hash.run_id().encode())
    return session, (opened[0].table.hash if len(opened) == 1 else ids).run_id()


def take(session: Session, rows: np.ndarray) -> None:
    """Number whole events, count them and put them into the spool; trades told twice are left out and counted."""
    told = session.context.table.told
    numbered = np.flatnonzero((rows["kind"] == EventKind.TRADE) & (rows["order_id"] >= 0))
    if len(numbered):
        from mmfold.adapters.importers.tabular.told_kernel import note_told  # only here: it loads numba

        again = np.zeros(len(numbered), bool)
        note_told(told.keys, told.place, rows[numbered], again)
        if again.any():
            session.skipped[TOLD_TWICE] += int(again.sum())
            rows = np.delete(rows, numbered[again])
    last = (rows["flags"] & Flag.LAST) != 0
    ends = np.flatnonzero(last) + 1
    rows["seq"] = session.seq + np.cumsum(last) - last
    session.seq += len(ends)
    kinds = np.bincount(rows["kind"][last])
    for kind in np.flatnonzero(kinds).tolist():
        session.events[EventKind(kind).name.lower()] += int(kinds[kind])
    records = session.context.table.records["event_count"]
    records += np.bincount(rows["instrument_index"][last], minlength=len(records))
    for part in fitting(rows, ends):
        session.spool.append(part)


def fitting(rows: np.ndarray, ends: np.ndarray) -> Iterator[np.ndarray]:
    """Yield rows in parts of whole events that the spool takes."""
    start = 0
    while start < len(rows):
        end = int(ends[np.searchsorted(ends, start + BUFFER_ROW_COUNT, "right") - 1])
        yield rows[start:end]
        start = end


def describe(request: ImportRequest, source: str) -> dict[str, Any]:
    """Return what is understood of some tables, without reading on: of each its kind, columns, unit and symbols.

    Raises: ImportFailedError.
    """
    from mmfold.replay.feeds import utc_text  # only here: an import has no need of it

    tables = []
    for one in open_tables(request, source):
        names = list(one.mapping.columns) or one.table.names(one.mapping.delimiter)
        unused = [name for name in names if name not in one.mapping.used_columns()]
        tables.append(
            {
                "file": one.path.name,
                "mapping": one.mapping.model_dump(exclude_none=True, exclude_defaults=True, mode="json"),
                "unit": one.units.names()["receive"],
                "first": utc_text(one.first_ns),
                "unused_columns": unused,
                "symbols": first_symbols(one),
            }
        )
    return {"tables": tables}


def first_symbols(one: Opened) -> list[str]:
    """Return the symbols of a table's first rows."""
    if one.mapping.symbol is None:
        return [str(one.mapping.symbol_is)]
    part = first_part(one.table, one.mapping)
    assert part is not None, "it was opened"
    return sorted(str(text) for text in distinct(part.columns[one.mapping.symbol])[1])
