"""What an import is asked for and what came of it; must never hold market data.

Errors:
    RefusedError      one message cannot be understood: it is set aside, the import goes on
    PassedOverError   one message is understood and not needed: it is counted
    UnknownSymbolError  one message is of an instrument that nothing describes: the end of the import decides
    UnnamedSnapshotError  one snapshot does not name its symbol: the end of the import finds it
    ImportFailedError the whole import ends, nothing is written
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


class RefusedError(Exception):
    """One message that cannot be understood; the text is the reason."""


class PassedOverError(Exception):
    """One message that is understood and carries no event; the text says what it is."""


class UnknownSymbolError(PassedOverError):
    """One message of an instrument that nothing describes; `missing` names what of it, nothing for an option."""

    def __init__(self, symbol: str, market: str, missing: tuple[str, ...] = ()) -> None:
        super().__init__(f"unknown symbol {symbol}")
        self.symbol, self.market, self.missing = symbol, market, missing


class UnnamedSnapshotError(Exception):
    """A book snapshot that does not say whose it is: the stream around its number shows it at the end."""


class ImportFailedError(Exception):
    """The import cannot go on and wrote nothing; the text says where and what, the hint what to do next."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class Place:
    """Where a line stands."""

    path: Path
    line: int
    byte: int

    def __str__(self) -> str:
        return f"{self.path.name} line {self.line:,} (byte {self.byte:,})"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A parser's answer to bytes it cannot turn into rows."""

    reason: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """A parser's answer to a message without an event in it."""

    what: str


Parsed = np.ndarray | Skipped | Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRequest:
    """One call of an importer.

    Units: what is said of instruments are decimal strings by symbol, in the venue's units.
    """

    files: tuple[Path, ...]
    out: Path
    symbols: frozenset[str] = frozenset()  # none: all
    market: str = ""  # none: found from the content
    ticks: dict[str, str] = field(default_factory=dict)
    lots: dict[str, str] = field(default_factory=dict)
    min_qtys: dict[str, str] = field(default_factory=dict)
    min_notionals: dict[str, str] = field(default_factory=dict)
    contract_values: dict[str, str] = field(default_factory=dict)
    strict: bool = False
    salvage: bool = False  # take a compressed file that is cut short, up to the cut
    force: bool = False
    mapping: Path | None = None  # of a table of one's own


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult:
    """What an import wrote; book counts are messages, `trade` and what was told twice single trades."""

    messages: int
    events: dict[str, int]
    rows: int
    gaps: int
    rejected: int
    skipped: dict[str, int]
    head: str
    symbols: tuple[str, ...]
    out: str
    units: dict[str, dict[str, str]] = field(default_factory=dict)  # of receive and exchange times, by file
    notes: tuple[str, ...] = ()  # what was taken, left out or assumed, one sentence each

    def document(self) -> dict[str, Any]:
        """Return the result as plain JSON values."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**values, "symbols": list(self.symbols), "notes": list(self.notes)}
