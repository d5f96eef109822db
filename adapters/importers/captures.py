"""What is particular to the captures of one venue, as data; must never know a venue by name."""

from collections.abc import Callable
from dataclasses import dataclass

from mmfold.adapters.importers.outcome import Parsed
from mmfold.adapters.importers.table import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class Captures:
    """How the captures of one venue are read.

    Units: shown_depth turns the depth that a book's topic names into levels a side, 0 where it does not tell; None
        where topics name none and a book is told whole.
    """

    venue: str
    markets: tuple[str, ...]
    parse_message: Callable[[bytes, int, Context], Parsed]
    scanner: str  # of its fast lane, `module:function`
    shown_depth: Callable[[str], int] | None = None
