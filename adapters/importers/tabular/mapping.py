"""Which column of a table is what, as data; must never read a table.

A mapping file is YAML with the same keys: docs/import.md.
"""

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mmfold.adapters.importers.outcome import ImportFailedError
from mmfold.engine.codes import Side

SIDE_WORDS = {"buy": Side.BID, "sell": Side.ASK, "unknown": Side.NONE}
USUAL_SIDES: dict[str, Literal["buy", "sell", "unknown"]] = {
    "buy": "buy", "Buy": "buy", "BUY": "buy", "bid": "buy", "b": "buy", "B": "buy",
    "sell": "sell", "Sell": "sell", "SELL": "sell", "ask": "sell", "a": "sell", "A": "sell", "s": "sell", "S": "sell",
}  # fmt: skip
NEEDED = {
    "book": ("side", "price", "size", "snapshot"),
    "trade": ("side", "price", "size"),
    "bbo": ("bid_price", "bid_size", "ask_price", "ask_size"),
    "depth": ("bid_price", "bid_size", "ask_price", "ask_size", "levels"),
}
UNUSED = {
    "book": ("id", "bid_price", "bid_size", "ask_price", "ask_size", "levels"),
    "trade": ("snapshot", "bid_price", "bid_size", "ask_price", "ask_size", "levels"),
    "bbo": ("side", "price", "size", "snapshot", "id", "levels"),
    "depth": ("side", "price", "size", "snapshot", "id"),
}
FIX = "correct the mapping (mm docs import), or start from one that --guess writes; nothing was written"


class Mapping(BaseModel):
    """What a table's columns are.

    Units: `unit` is that of both times, found from their digits where it is not given.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["book", "trade", "bbo", "depth"]
    time: str  # column of the time of receipt, or of the only time there is
    exchange_time: str | None = None
    unit: Literal["s", "ms", "us", "ns"] | None = None
    symbol: str | None = None  # column
    symbol_is: str | None = None  # the one symbol of the table
    exchange: str | None = None  # column that names the venue and market as tardis.dev does, such as binance-futures
    exchange_is: str | None = None  # the one such name of the table
    side: str | None = None
    sides: dict[str, Literal["buy", "sell", "unknown"]] = Field(default_factory=lambda: dict(USUAL_SIDES))
    price: str | None = None
    size: str | None = None
    id: str | None = None  # column of the venue's id of a trade
    snapshot: str | bool | None = None  # column that is true in snapshots, or the same for all rows
    bid_price: str | None = None
    bid_size: str | None = None
    ask_price: str | None = None
    ask_size: str | None = None
    levels: int | None = Field(default=None, ge=1, le=1_000)  # of a side in a row of depth; {} in a name is its number
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    columns: tuple[str, ...] = ()  # names, where a CSV has no first line of names

    def used_columns(self) -> list[str]:
        """Return the columns that are read, each once."""
        found = [self.time, self.exchange_time, self.symbol, self.exchange, *self.values()]
        return list(dict.fromkeys(name for name in found if isinstance(name, str)))

    def values(self) -> list[str | bool | None]:
        """Return the columns that the kind needs, and a trade's id."""
        if self.kind == "depth":
            return [name for side in self.level_columns() for pair in side for name in pair]
        names = NEEDED[self.kind] + (("id",) if self.kind == "trade" else ())
        return [getattr(self, name) for name in names]

    def level_columns(self) -> list[list[tuple[str, str]]]:
        """Return the columns of price and size of each level of a row of depth, from the best on: bids, asks."""
        sides = ((self.bid_price, self.bid_size), (self.ask_price, self.ask_size))
        numbers = range(self.levels or 0)
        return [
            [(str(price).replace("{}", str(at)), str(size).replace("{}", str(at))) for at in numbers]
            for price, size in sides
        ]

    def fault(self) -> str:
        """Return what is missing or too much, nothing for a mapping that is whole."""
        missing = [name for name in NEEDED[self.kind] if getattr(self, name) is None]
        if missing:
            why = ": a column, or true where the rows of one time are the whole book" if missing == ["snapshot"] else ""
            return f"a {self.kind} mapping needs {', '.join(missing)}{why}"
        if unused := [name for name in UNUSED[self.kind] if getattr(self, name) is not None]:
            return f"a {self.kind} mapping has no {', '.join(unused)}"
        if (self.symbol is None) == (self.symbol_is is None):
            return "it needs symbol, a column, or symbol_is, the one symbol of the table, and not both"
        return ""


def read_mapping(path: Path) -> Mapping:
    """Read a mapping file.

    Raises: ImportFailedError with the file, and the line or the key.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ImportFailedError(f"{path}: {error.strerror or error}", "check --map") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" line {mark.line + 1}" if mark else ""
        raise ImportFailedError(f"{path.name}{place}: not YAML: {getattr(error, 'problem', error)}", FIX) from error
    if not isinstance(document, dict):
        raise ImportFailedError(f"{path.name}: a mapping is keys and values, such as time: timestamp", FIX)
    try:
        mapping = Mapping.model_validate(document)
    except ValidationError as error:
        raise ImportFailedError(f"{path.name}: {told(error.errors()[0])}", FIX) from error
    if fault := mapping.fault():
        raise ImportFailedError(f"{path.name}: {fault}", FIX)
    return mapping


def told(error: Any) -> str:
    """Return one line of what pydantic found."""
    key = ".".join(str(part) for part in error["loc"])
    if error["type"] == "missing":
        which = ", the column of the receive time" if key == "time" else ""
        return f"the mapping names no {key}{which}"
    return f"{key}: {error['msg']}"


def write_mapping(mapping: Mapping) -> str:
    """Return a mapping as the text of its file."""
    document = mapping.model_dump(exclude_none=True, exclude_defaults=True, mode="json")
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=False)
