"""Which symbol has which index and which exact grid; must never invent a grid."""

import re
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction

import numpy as np

from mmfold.adapters.importers.outcome import ImportFailedError, PassedOverError, RefusedError, UnknownSymbolError
from mmfold.config.instruments import CONTRACT_OF_MARKET, CONTRACT_VALUE_OF_VENUE, find_instrument
from mmfold.engine.limits import INSTRUMENT_COUNT_MAX, MICROS_PER_UNIT, NS_PER_MS, PRICE_TICKS_MAX, QTY_LOTS_MAX
from mmfold.engine.manifest import Instrument
from mmfold.engine.records import I8, NO_VALUE, record
from mmfold.journal.jsonl.decimals import FieldError, Grid, grid_of, units_max
from mmfold.journal.told import Told, no_trades, told_again

SYMBOL_BYTES_MAX = 32
VENUE_SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9_.-]*")
# BTC-27DEC24-100000-C, BTC-3JAN26-100000-C-USDT, BTC-240927-60000-P
OPTION_SYMBOL = re.compile(r"[A-Z0-9]+-[0-9A-Z]{5,7}-[0-9.]+-[CP](-[A-Z]+)?")
SINGLE_TRADES, AGGREGATE_TRADES = 1, 2  # streams of the same trades; 0: none was seen
TRADE_STREAMS = ("", "trade", "aggTrade")  # as the venue names them
TOLD_TWICE = "trade told twice"

SYMBOL = record(
    136,
    [
        ("name", "u1", (SYMBOL_BYTES_MAX,)),
        ("name_bytes", I8),
        ("tick_mantissa", I8),
        ("tick_exponent", I8),
        ("lot_mantissa", I8),
        ("lot_exponent", I8),
        ("price_ticks_max", I8),
        ("qty_lots_max", I8),
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

    What an instrument is comes from the flags, else from the list that the capture brings, wherever it stands in it,
    else from config/instruments.yaml; never from nothing.
    """

    venue: str
    wanted: frozenset[str] = frozenset()
    ticks: dict[str, str] = field(default_factory=dict)
    lots: dict[str, str] = field(default_factory=dict)
    min_qtys: dict[str, str] = field(default_factory=dict)
    min_notionals: dict[str, str] = field(default_factory=dict)
    contract_values: dict[str, str] = field(default_factory=dict)
    offered: dict[tuple[str, str], Instrument] = field(default_factory=dict)
    odd: dict[str, str] = field(default_factory=dict)  # rows of the capture's lists that were left out, and why
    changed: dict[str, None] = field(default_factory=dict)  # symbols that a later list describes otherwise
    assumed: dict[str, None] = field(default_factory=dict)  # what nothing said, one sentence each
    has_late_list: bool = False  # a symbol was listed before the capture said what it is: the import starts over
    listings: dict[str, Listing] = field(default_factory=dict)
    records: np.ndarray = field(default_factory=lambda: np.zeros(INSTRUMENT_COUNT_MAX, SYMBOL))
    told: Told = field(default_factory=no_trades)

    def resolve(self, symbol: object, market: str) -> Listing:
        """Return the listing of a symbol, making it at its first appearance.

        Raises: RefusedError for what is no symbol, PassedOverError for one that is not wanted, UnknownSymbolError for
            one that nothing describes.
        """
        if not isinstance(symbol, str) or not symbol.isascii() or not 0 < len(symbol) <= SYMBOL_BYTES_MAX:
            raise RefusedError("symbol is missing or not 1 to 32 ASCII characters")
        listing = self.listings.get(symbol)
        if listing is not None:
            return listing
        if self.wanted and symbol not in self.wanted:
            if any(is_one_bit_off(symbol, wanted) for wanted in self.wanted):
                raise UnknownSymbolError(symbol, market)
            raise PassedOverError("other symbol")
        if OPTION_SYMBOL.fullmatch(symbol):
            raise UnknownSymbolError(symbol, market)
        return self.list_instrument(self.find(symbol, market))

    def offer(self, instrument: Instrument, market: str) -> None:
        """Take one row of the capture's own list; of several for a symbol the first counts."""
        try:
            check_grids(instrument)
        except FieldError as error:
            self.leave_out(instrument.symbol, f"instrument {instrument.symbol} of the instruments list: {error}")
            return
        known = self.offered.setdefault((market, instrument.symbol), instrument)
        if known is not instrument:
            self.changed.update(dict.fromkeys([instrument.symbol] if known != instrument else []))
            return
        listing = self.listings.get(instrument.symbol)
        if listing is not None and listing.instrument != self.find(instrument.symbol, market):
            self.has_late_list = True

    def leave_out(self, symbol: object, reason: str) -> None:
        """Note a row of the capture's own list that cannot be taken; the rows after it count."""
        self.odd.setdefault(ascii(symbol), reason)

    def find(self, symbol: str, market: str) -> Instrument:
        """Return the instrument of a symbol, flags first.

        Raises: UnknownSymbolError, ImportFailedError for flags that no instrument can have.
        """
        known = self.offered.get((market, symbol)) or find_instrument(self.venue, market, symbol)
        contract = CONTRACT_OF_MARKET[market]
        tick_size = self.ticks.get(symbol, known.tick_size if known else None)
        lot_size = self.lots.get(symbol, known.lot_size if known else None)
        value: str | None = "1"
        if contract == "inverse":
            venue_value = known.contract_value if known else CONTRACT_VALUE_OF_VENUE.get(self.venue)
            value = self.contract_values.get(symbol, venue_value)
        elif symbol in self.contract_values:
            raise ImportFailedError(f"--contract-value {symbol}: {market} is not inverse", "leave it out")
        if tick_size is None or lot_size is None or value is None:
            if not VENUE_SYMBOL.fullmatch(symbol):
                raise RefusedError(f"symbol {symbol!r} is no symbol of a venue")
            told = {"tick_size": tick_size, "lot_size": lot_size, "contract_value": value}
            raise UnknownSymbolError(symbol, market, tuple(key for key, text in told.items() if text is None))
        if known is None and contract != "inverse" and symbol not in self.min_notionals:
            self.assumed[f"{symbol}: no minimum notional is known, none is kept (--min-notional)"] = None
        try:
            known = known or Instrument(
                symbol=symbol, venue=self.venue, contract=contract, tick_size=tick_size, lot_size=lot_size,
                contract_value=value,
            )  # fmt: skip
            instrument = replace(known, tick_size=tick_size, lot_size=lot_size, contract_value=value)
            instrument = self.with_minimums(instrument, known)
            check_grids(instrument)
        except ValueError as error:  # a ManifestError, a FieldError, or a flag that is no number
            raise ImportFailedError(f"{symbol}: {error}", "correct the flags; nothing was written") from error
        return instrument

    def with_minimums(self, instrument: Instrument, known: Instrument) -> Instrument:
        """Return an instrument with its smallest order in lots and in money; another lot leaves that what it was."""
        min_qty = Fraction(self.min_qtys.get(known.symbol, known.min_qty_lots * Fraction(known.lot_size)))
        min_notional_micros = known.min_notional_micros
        if known.symbol in self.min_notionals:
            min_notional_micros = int(Fraction(self.min_notionals[known.symbol]) * MICROS_PER_UNIT)
        min_qty_lots = max(1, -(-min_qty // Fraction(instrument.lot_size)))
        return replace(instrument, min_qty_lots=min_qty_lots, min_notional_micros=min_notional_micros)

    def list_instrument(self, instrument: Instrument) -> Listing:
        """Append an instrument to the table and return its listing.

        Raises: ImportFailedError when the table is full.
        """
        index = len(self.listings)
        if index == INSTRUMENT_COUNT_MAX:
            raise ImportFailedError(
                f"more than {INSTRUMENT_COUNT_MAX} symbols", "choose with --symbols A,B; nothing was written"
            )
        tick, lot = check_grids(instrument)
        price_ticks_max, qty_lots_max = units_max(tick, PRICE_TICKS_MAX), units_max(lot, QTY_LOTS_MAX)
        listing = Listing(instrument.symbol, index, tick, lot, price_ticks_max, qty_lots_max, instrument)
        row = self.records[index]
        name = instrument.symbol.encode("ascii")
        row["name"][: len(name)] = np.frombuffer(name, np.uint8)
        row["name_bytes"] = len(name)
        row["tick_mantissa"], row["tick_exponent"] = tick
        row["lot_mantissa"], row["lot_exponent"] = lot
        row["price_ticks_max"], row["qty_lots_max"] = price_ticks_max, qty_lots_max
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


def is_one_bit_off(text: str, other: str) -> bool:
    """Tell whether two texts differ in exactly one bit of their characters."""
    if len(text) != len(other):
        return False
    return sum((ord(a) ^ ord(b)).bit_count() for a, b in zip(text, other, strict=True)) == 1


def check_grids(instrument: Instrument) -> tuple[Grid, Grid]:
    """Return the steps of prices and sizes.

    Raises: journal.decimals.FieldError for a step that no row can count in.
    """
    return grid_of(Decimal(instrument.tick_size)), grid_of(Decimal(instrument.lot_size))


@dataclass(slots=True, kw_only=True)
class Context:
    """What a parser may know besides the message: the symbols, and what the stream said before."""

    table: SymbolTable
    market: str = ""  # empty until the content shows it
    market_forced: bool = False
    symbol_hint: str = ""  # whose a snapshot is taken for that does not name its symbol
    url: str = ""  # of the HTTP response that is being parsed
    exchange_unit_ns: int = NS_PER_MS  # of the venue's times in this file
    named: str = ""  # the symbol that the envelope of the message being parsed names
    book_depths: dict[str, str] = field(default_factory=dict)
    foreign: str = ""  # another venue, of which there was a message

    def resolve(self, symbol: object, market: str) -> Listing:
        """Return the listing of a message's symbol, which its envelope must not contradict where nothing else knows it.

        Raises: RefusedError, PassedOverError, UnknownSymbolError.
        """
        try:
            return self.table.resolve(symbol, market)
        except UnknownSymbolError:
            if self.named in ("", symbol):
                raise
        except PassedOverError:
            if symbol == self.named or self.named not in self.table.wanted:
                raise
        raise RefusedError(f"a message of {symbol} in the stream of {self.named}")


def depth_number(depth: str) -> int:
    """Return a book's depth as the kernels read it, or `NO_VALUE` for one they do not."""
    plain = depth.isascii() and depth.isdigit() and len(depth) <= 9 and (depth == "0" or depth[0] != "0")
    return int(depth) if plain else NO_VALUE
