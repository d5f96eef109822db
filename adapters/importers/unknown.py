"""Messages of symbols that nothing describes, until the last line is read; must never take one for another's.

A capture's own list may stand behind its first messages, and one flipped bit makes a symbol that no venue has: only the
end of the import knows which it was.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from mmfold.adapters.importers.outcome import ImportFailedError, Place, UnknownSymbolError
from mmfold.adapters.importers.table import SymbolTable, is_one_bit_off

KEPT_LINE_COUNT_MAX = 8
EVENTS_PER_FLIP = 1_000  # of a symbol, for each message of its flipped one
WORDS = {"tick_size": "tick", "lot_size": "lot", "contract_value": "contract value"}


@dataclass(slots=True)
class Unknown:
    """What was met of one symbol."""

    market: str
    missing: tuple[str, ...]
    count: int = 0
    lines: list[tuple[Place, bytes]] = field(default_factory=list)  # the first of them

    @property
    def what(self) -> str:
        """Name what is not known of it."""
        if not self.missing:
            return "an option"
        *words, last = [WORDS[key] for key in self.missing]
        size = " size" if last != WORDS["contract_value"] else ""
        return f"{', '.join(words)} and {last}{size} unknown" if words else f"{last}{size} unknown"


@dataclass(slots=True)
class UnknownSymbols:
    """The unknown symbols of one import, in order of appearance."""

    found: dict[str, Unknown] = field(default_factory=dict)

    def note(self, error: UnknownSymbolError, place: Place, line: bytes) -> None:
        """Take one message."""
        unknown = self.found.setdefault(error.symbol, Unknown(error.market, error.missing))
        unknown.count += 1
        if len(unknown.lines) < KEPT_LINE_COUNT_MAX:
            unknown.lines.append((place, line))

    def take_flipped(self, table: SymbolTable) -> Iterator[tuple[Place, str, bytes]]:
        """Remove the symbols that are one bit off one of the capture, and yield their lines, each with the reason."""
        for symbol, unknown in list(self.found.items()):
            for other in table.listings.values():
                event_count = int(table.records["event_count"][other.index])
                is_rare = unknown.count <= max(1, min(KEPT_LINE_COUNT_MAX, event_count // EVENTS_PER_FLIP))
                if is_rare and event_count > unknown.count and is_one_bit_off(symbol, other.symbol):
                    del self.found[symbol]
                    for place, line in unknown.lines:
                        yield place, f"symbol {symbol} is one bit off {other.symbol}", line
                    break

    def take_unwanted(self, table: SymbolTable) -> int:
        """Remove the symbols that nobody asked for after all, and return how many messages they had."""
        unwanted = [symbol for symbol in self.found if table.wanted and symbol not in table.wanted]
        return sum(self.found.pop(symbol).count for symbol in unwanted)

    def check(self, table: SymbolTable) -> None:
        """Refuse an import with symbols that nothing describes, all of them at once.

        Raises: ImportFailedError with what can be pasted once the numbers are in it.
        """
        if not self.found:
            return
        first = next(iter(self.found.values()))
        place = first.lines[0][0]
        if len(self.found) == 1:
            symbol = next(iter(self.found))
            message = f"{place}: {table.venue} {first.market} {symbol}: {first.what}{odd_text(table, symbol)}"
        else:
            names = [f"{symbol} ({one.what}{odd_text(table, symbol)})" for symbol, one in self.found.items()]
            markets = "/".join(sorted({one.market for one in self.found.values()}))
            message = f"{place}: {len(names)} symbols of {table.venue} {markets} unknown: {', '.join(names)}"
        raise ImportFailedError(message, self.hint(table))

    def hint(self, table: SymbolTable) -> str:
        """Return the ways to describe every symbol that is missing."""
        wanted = {symbol: one for symbol, one in self.found.items() if one.missing}
        choose = "choose others with --symbols; nothing was written"
        if not wanted:
            return f"options are not imported: {choose}"
        flags = " ".join(flag for symbol, one in wanted.items() for flag in flags_of(symbol, one.missing))
        markets = sorted({one.market for one in wanted.values()})
        listed = {
            market: ", ".join(row_of(symbol, one) for symbol, one in wanted.items() if one.market == market)
            for market in markets
        }
        rows = "; ".join(f"{table.venue}.{market}: {{{text}}}" for market, text in listed.items())
        market = f"--market {markets[0]} " if len(markets) == 1 else ""
        return (
            "import a capture that holds the venue's instruments list, or give the venue's numbers for the words in "
            f"capitals: {market}{flags}, or the same in config/instruments.yaml as {rows}, or {choose}"
        )


def flags_of(symbol: str, missing: tuple[str, ...]) -> list[str]:
    """Return the flags that describe an instrument."""
    flags = [f"--tick {symbol}=TICK", f"--lot {symbol}=LOT"]
    if "contract_value" in missing:
        flags.append(f"--contract-value {symbol}=VALUE")
    return [*flags, f"--min-notional {symbol}=NOTIONAL"]


def row_of(symbol: str, unknown: Unknown) -> str:
    """Return the row of the table that describes an instrument."""
    value = ', contract_value: "VALUE"' if "contract_value" in unknown.missing else ""
    return f'{symbol}: {{tick_size: "TICK", lot_size: "LOT", min_qty: "LOT", min_notional: "NOTIONAL"{value}}}'


def odd_text(table: SymbolTable, symbol: str) -> str:
    """Return why the capture's own list does not describe a symbol, nothing where it has no such row."""
    reason = table.odd.get(ascii(symbol))
    return f"; its row of the list was left out: {reason}" if reason else ""
