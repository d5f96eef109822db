"""Which symbol has which index and which exact grid; must never invent a grid."""

from dataclasses import dataclass, field, replace
from decimal import Decimal

import numpy as np

from mmfold.adapters.importers.outcome import ImportFailedError, PassedOverError, RefusedError
from mmfold.config.instruments import CONTRACT_OF_MARKET, find_instrument
from mmfold.engine.limits import INSTRUMENT_COUNT_MAX, NS_PER_MS, PRICE_TICKS_MAX, QTY_LOTS_MAX
from mmfold.engine.manifest import Instrument, ManifestError
from mmfold.engine.records import I8, NO_SEQ, NO_VALUE, record
from mmfold.journal.decimals import Grid, grid_of, units_max
from mmfold.journal.told import Told, no_trades, told_again

SYMBOL_BYTES_MAX = 32
SINGLE_TRADES, AGGREGATE_TRADES = 1, 2  # streams of the same trades; 0: none was seen
TRADE_STREAMS = ("", "trade", "aggTrade")  # as the venue names them
TOLD_TWICE = "trade told twice"

SYMBOL = record(
    152,
    [
        ("name", "u1", (SYMBOL_BYTES_MAX,)),
        ("name_bytes", I8),
        ("tick_mantissa", I8),
        ("tick_exponent", I8),
        ("lot_mantissa", I8),
        ("lot_exponent", I8),
        ("price_ticks_max", I8),
        ("qty_lots_max", I8),
        ("venue_seq", I8),  # of the last book message; NO_SEQ before the first
        ("gap_count", I8),
        ("event_count", I8),
        ("mark_e8", I8),  # last mark price that the stream said
        ("book_depth", I8),  # of the book that is taken, and of the one beside it, where they are plain numbers
        ("beside_depth", I8),
        ("beside_count", I8),  # messages of that other depth that a fast lane passed over and that are not counted yet
        ("trade_stream", I8),  # which of a venue's two streams of trades is taken: the first that was seen
    ],
)


@dataclass(frozen=True, slots=True)
class Listing:
    """One symbol of an import, with the index that its rows carry until the end of the import."""

    symbol: str
    index: int
    tick: Grid
    lot: Grid
    price_ticks_max: int
    qty_lots_max: int
    instrument: Instrument


@dataclass(slots=True, kw_only=True)
class SymbolTable:
    """The symbols met so far, in order of appearance; `records` is the same for the kernels.

    An instrument's grid comes from the flags, else from what the capture brings, else from config/instruments.yaml.
    """

    venue: str
    wanted: frozenset[str] = frozenset()
    ticks: dict[str, str] = field(default_factory=dict)
    lots: dict[str, str] = field(default_factory=dict)
    offered: dict[tuple[str, str], Instrument] = field(default_factory=dict)
    listings: dict[str, Listing] = field(default_factory=dict)
    records: np.ndarray = field(default_factory=lambda: np.zeros(INSTRUMENT_COUNT_MAX, SYMBOL))
    told: Told = field(default_factory=no_trades)

    def resolve(self, symbol: object, market: str) -> Listing:
        """Return the listing of a symbol, making it at its first appearance.

        Raises: RefusedError for what is no symbol, PassedOverError for one that is not wanted, ImportFailedError for
            one without a grid.
        """
        if not isinstance(symbol, str) or not symbol.isascii() or not 0 < len(symbol) <= SYMBOL_BYTES_MAX:
            raise RefusedError("symbol is missing or not 1 to 32 ASCII characters")
        listing = self.listings.get(symbol)
        if listing is not None:
            return listing
        if self.wanted and symbol not in self.wanted:
            raise PassedOverError("other symbol")
        return self.list_instrument(self.find(symbol, market))

    def find(self, symbol: str, market: str) -> Instrument:
        """Return the instrument of a symbol, flags first.

        Raises: ImportFailedError naming the three ways to give a grid.
        """
        known = self.offered.get((market, symbol)) or find_instrument(self.venue, market, symbol)
        tick_size = self.ticks.get(symbol, known.tick_size if known else None)
        lot_size = self.lots.get(symbol, known.lot_size if known else None)
        if tick_size is None or lot_size is None:
            missing = "lot size" if tick_size else "tick size" if lot_size else "tick and lot size"
            raise ImportFailedError(
                f"{self.venue} {market} {symbol}: {missing} unknown",
                "import a capture that holds the venue's instruments list, or add the symbol to "
                f"config/instruments.yaml under {self.venue}.{market}, or give --tick {symbol}=0.1 "
                f"--lot {symbol}=0.001; nothing was written",
            )
        try:
            if known is not None and known.lot_size == lot_size:
                return replace(known, tick_size=tick_size)
            contract = CONTRACT_OF_MARKET[market]
            return Instrument(
                symbol=symbol, venue=self.venue, contract=contract, tick_size=tick_size, lot_size=lot_size,
                contract_value=known.contract_value if known else "1",
            )  # fmt: skip
        except ManifestError as error:
            raise ImportFailedError(str(error)) from error

    def list_instrument(self, instrument: Instrument) -> Listing:
        """Append an instrument to the table and return its listing.

        Raises: ImportFailedError when the table is full.
        """
        index = len(self.listings)
        if index == INSTRUMENT_COUNT_MAX:
            raise ImportFailedError(
                f"more than {INSTRUMENT_COUNT_MAX} symbols", "choose with --symbols A,B; nothing was written"
            )
        tick, lot = grid_of(Decimal(instrument.tick_size)), grid_of(Decimal(instrument.lot_size))
        price_ticks_max, qty_lots_max = units_max(tick, PRICE_TICKS_MAX), units_max(lot, QTY_LOTS_MAX)
        listing = Listing(instrument.symbol, index, tick, lot, price_ticks_max, qty_lots_max, instrument)
        row = self.records[index]
        name = instrument.symbol.encode("ascii")
        row["name"][: len(name)] = np.frombuffer(name, np.uint8)
        row["name_bytes"] = len(name)
        row["tick_mantissa"], row["tick_exponent"] = tick
        row["lot_mantissa"], row["lot_exponent"] = lot
        row["price_ticks_max"], row["qty_lots_max"] = price_ticks_max, qty_lots_max
        row["venue_seq"] = NO_SEQ
        row["mark_e8"] = row["book_depth"] = row["beside_depth"] = NO_VALUE
        self.listings[instrument.symbol] = listing
        return listing

    def new_trades(self, rows: np.ndarray) -> np.ndarray:
        """Return the trades that were not told before, known by the venue's own id; one without an id is new."""
        return rows[~told_again(self.told, rows, rows["aux" if self.venue == "binance" else "order_id"])]


def choose_trades(record: np.void, stream: int) -> None:
    """Take a symbol's trades from the first stream of them that is seen: the other tells the same trades.

    Raises: PassedOverError for a message of the other one.
    """
    taken = int(record["trade_stream"]) or stream
    record["trade_stream"] = taken
    if taken != stream:
        raise PassedOverError(beside_text(stream, taken))


def beside_text(stream: int, taken: int) -> str:
    """Return how trades of the stream that is not taken are counted."""
    return f"{TRADE_STREAMS[stream]} beside {TRADE_STREAMS[taken]}"


@dataclass(slots=True, kw_only=True)
class Context:
    """What a parser may know besides the message: the symbols, and what the stream said before."""

    table: SymbolTable
    market: str = ""  # empty until the content shows it
    market_forced: bool = False
    symbol_hint: str = ""  # the only symbol of the file, for messages that do not name theirs
    url: str = ""  # of the HTTP response that is being parsed
    exchange_unit_ns: int = NS_PER_MS  # of the venue's times in this file
    book_depths: dict[str, str] = field(default_factory=dict)


def depth_number(depth: str) -> int:
    """Return a book's depth as the kernels read it, or `NO_VALUE` for one they do not."""
    plain = depth.isascii() and depth.isdigit() and len(depth) <= 9 and (depth == "0" or depth[0] != "0")
    return int(depth) if plain else NO_VALUE
