"""A mapping for a table of one's own, guessed from its names and first rows; must never guess what it cannot show.

What it writes is a beginning: a person reads it, `--dry-run` shows what is understood by it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmfold.adapters.importers.outcome import ImportFailedError, ImportRequest
from mmfold.adapters.importers.tabular.known import MAKER_SIDES
from mmfold.adapters.importers.tabular.mapping import FIX, USUAL_SIDES, Mapping, write_mapping
from mmfold.adapters.importers.tabular.run import first_part
from mmfold.adapters.importers.tabular.source import Table
from mmfold.adapters.importers.tabular.values import UNIT_NAMES, distinct, unit_of_column
from mmfold.journal.errors import JournalError
from mmfold.journal.files.outputs import check_file
from mmfold.journal.files.work import finished_file

DELIMITERS = (",", ";", "\t", "|")
SUFFIXES = (".gz", ".zst", ".zip", ".csv", ".tsv", ".txt", ".parquet")
NAMES = {
    "time": ("local_timestamp", "ts_receive", "receive_time", "ts_recv", "received_at", "timestamp", "time", "ts", "t",
             "transact_time", "event_time", "datetime", "date"),
    "exchange_time": ("exchange_time", "ts_exchange", "exch_time", "transaction_time", "timestamp", "event_time"),
    "symbol": ("symbol", "instrument", "ticker", "pair", "market"),
    "exchange": ("exchange",),
    "id": ("trade_id", "id", "tid", "agg_trade_id"),
    "side": ("side", "aggressor", "taker_side", "direction", "is_buyer_maker", "buyer_maker"),
    "price": ("price", "px", "p"),
    "size": ("amount", "size", "qty", "quantity", "volume", "q"),
    "snapshot": ("is_snapshot", "snapshot"),
    "bid_price": ("bid_price", "best_bid_price", "bid_px", "bid"),
    "bid_size": ("bid_size", "bid_amount", "bid_qty", "best_bid_qty", "bid_sz"),
    "ask_price": ("ask_price", "best_ask_price", "ask_px", "ask"),
    "ask_size": ("ask_size", "ask_amount", "ask_qty", "best_ask_qty", "ask_sz"),
}  # fmt: skip
COMMON = ("time", "exchange_time", "symbol", "exchange")
KEYS = {
    "bbo": ("bid_price", "bid_size", "ask_price", "ask_size"),
    "book": ("side", "price", "size", "snapshot"),
    "trade": ("id", "side", "price", "size"),
}
HEAD = """\
# What the columns of {name} are, guessed from their names: read it, then
#   mm import table {name} --map {map} --dry-run
# Keys: mm docs import.
"""


def guess(request: ImportRequest) -> dict[str, Any]:
    """Write a mapping of the first file and return where and what.

    Raises: ImportFailedError.
    """
    path = request.files[0]
    if len(request.files) != 1:
        raise ImportFailedError("--guess looks at one file", "tables alike have one mapping: name one of them")
    out = request.mapping or path.with_name(f"{bare(path)}.map.yaml")
    try:
        check_file(out, inputs=request.files, force=request.force)
    except JournalError as error:
        raise ImportFailedError(str(error), error.hint) from error
    mapping = guess_mapping(Table(path), sorted(request.symbols))
    text = HEAD.format(name=path.name, map=out) + write_mapping(mapping)
    with finished_file(out) as file:
        file.write(text.encode("ascii"))
    return {"map": str(out), "mapping": mapping.model_dump(exclude_none=True, exclude_defaults=True, mode="json")}


def bare(path: Path) -> str:
    """Return a file's name without what says how it is packed."""
    name = path.name
    while name.endswith(SUFFIXES):
        name = name.rpartition(".")[0]
    return name


def guess_mapping(table: Table, symbols: Sequence[str]) -> Mapping:
    """Return a mapping that fits a table's columns.

    Raises: ImportFailedError for columns that show no time, or no kind of table.
    """
    delimiter = "," if table.is_parquet else max(DELIMITERS, key=table.first_line.count)
    names = table.names(delimiter)
    found = {key: name for key in NAMES if (name := first_of(NAMES[key], names))}
    place = f"{table.path.name}: {', '.join(names)[:200]}"
    if "time" not in found:
        raise ImportFailedError(f"{place}: no column is called as a time is", FIX)
    kind = kind_of(found)
    if not kind:
        what = "neither bid and ask with sizes, nor side, price and size"
        raise ImportFailedError(f"{place}: {what}", FIX)
    keys = {key: found[key] for key in (*COMMON, *KEYS[kind]) if key in found}
    if keys.get("exchange_time") == keys["time"]:
        del keys["exchange_time"]
    if "symbol" not in keys:
        keys["symbol_is"] = symbols[0] if symbols else bare(table.path).upper()[:32]
    if delimiter != ",":
        keys["delimiter"] = delimiter
    mapping = Mapping.model_validate({"kind": kind, **keys})
    part = first_part(table, mapping)
    if part is None:
        raise ImportFailedError(f"{table.path.name}: no row", "nothing was written")
    update: dict[str, Any] = {}
    if unit := UNIT_NAMES.get(unit_of_column(part.columns[mapping.time])):
        update["unit"] = unit
    if mapping.side is not None:
        update["sides"] = sides_of(table.path, mapping.side, distinct(part.columns[mapping.side])[1])
    return mapping.model_copy(update=update)


def first_of(wanted: Sequence[str], names: Sequence[str]) -> str:
    """Return the first wanted name that a column has, whatever its case; nothing where none has."""
    lower = {name.lower(): name for name in reversed(names)}
    return next((lower[name] for name in wanted if name in lower), "")


def kind_of(found: dict[str, str]) -> str:
    """Return the kind of table that has such columns, nothing for none."""
    if found.keys() >= set(KEYS["bbo"]):
        return "bbo"
    if found.keys() >= {"side", "price", "size"}:
        return "book" if "snapshot" in found else "trade"
    return ""


def sides_of(path: Path, column: str, words: Sequence[str | None]) -> dict[str, str]:
    """Return what the words of a side column mean.

    Raises: ImportFailedError for a word that says no side.
    """
    known = MAKER_SIDES if column.lower().endswith("buyer_maker") else USUAL_SIDES
    told = sorted({word or "" for word in words})
    if odd := [word for word in told if word not in known and word not in ("", "unknown")]:
        raise ImportFailedError(f"{path.name}: {column} has {odd[0]!r}, which is no side that is known", FIX)
    return {word: known.get(word, "unknown") for word in told}
