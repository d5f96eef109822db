"""The tables that we bring a mapping for, told by their columns; must never tell one by its place.

Source: docs.tardis.dev, "Downloadable CSV files, data types"; github.com/binance/binance-public-data, README. A table
of Binance's has the symbol in its file's name alone, and of times the venue's alone.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from mmfold.adapters.importers.outcome import ImportFailedError
from mmfold.adapters.importers.tabular.mapping import Mapping

TARDIS_HEAD = ("exchange", "symbol", "timestamp", "local_timestamp")


def tardis_depth(levels: int) -> tuple[tuple[str, ...], Mapping]:
    """Return the columns of a table of so many levels a side, and their mapping."""
    values = [(side, value) for side in ("asks", "bids") for value in ("price", "amount")]
    columns = [f"{side}[{at}].{value}" for at in range(levels) for side, value in values]
    mapping = Mapping(
        kind="depth", time="local_timestamp", exchange_time="timestamp", unit="us", symbol="symbol",
        exchange="exchange", levels=levels, bid_price="bids[{}].price", bid_size="bids[{}].amount",
        ask_price="asks[{}].price", ask_size="asks[{}].amount",
    )  # fmt: skip
    return (*TARDIS_HEAD, *columns), mapping


TARDIS: dict[tuple[str, ...], Mapping] = dict([tardis_depth(5), tardis_depth(25)]) | {
    (*TARDIS_HEAD, "is_snapshot", "side", "price", "amount"): Mapping(
        kind="book", time="local_timestamp", exchange_time="timestamp", unit="us", symbol="symbol", exchange="exchange",
        side="side", price="price", size="amount", snapshot="is_snapshot",
        sides={"bid": "buy", "ask": "sell"},
    ),
    (*TARDIS_HEAD, "id", "side", "price", "amount"): Mapping(
        kind="trade", time="local_timestamp", exchange_time="timestamp", unit="us", symbol="symbol",
        exchange="exchange", side="side", price="price", size="amount", id="id",
        sides={"buy": "buy", "sell": "sell", "unknown": "unknown", "": "unknown"},
    ),
    (*TARDIS_HEAD, "ask_amount", "ask_price", "bid_price", "bid_amount"): Mapping(
        kind="bbo", time="local_timestamp", exchange_time="timestamp", unit="us", symbol="symbol", exchange="exchange",
        bid_price="bid_price", bid_size="bid_amount", ask_price="ask_price", ask_size="ask_amount",
    ),
}  # fmt: skip
VISION_NAME = re.compile(r"([A-Z0-9_]+)-(trades|aggTrades|bookTicker)-[0-9-]+\.(?:zip|csv)(?:\.gz)?")
MAKER_SIDES = {"true": "sell", "True": "sell", "false": "buy", "False": "buy"}  # was the buyer the maker
VISION_COLUMNS = {
    "trades": ("id", "price", "qty", "quote_qty", "time", "is_buyer_maker", "is_best_match"),
    "aggTrades": (
        "agg_trade_id", "price", "quantity", "first_trade_id", "last_trade_id", "transact_time", "is_buyer_maker",
        "is_best_match",
    ),
    "bookTicker": (
        "update_id", "best_bid_price", "best_bid_qty", "best_ask_price", "best_ask_qty", "transaction_time",
        "event_time",
    ),
}  # fmt: skip
VISION = {
    "trades": {"kind": "trade", "time": "time", "size": "qty", "id": "id"},
    "aggTrades": {"kind": "trade", "time": "transact_time", "size": "quantity", "id": "agg_trade_id"},
    "bookTicker": {
        "kind": "bbo", "time": "event_time", "exchange_time": "transaction_time", "bid_price": "best_bid_price",
        "bid_size": "best_bid_qty", "ask_price": "best_ask_price", "ask_size": "best_ask_qty",
    },
}  # fmt: skip


def tardis_mapping(path: Path, columns: Sequence[str]) -> Mapping:
    """Return the mapping of a table of tardis.dev.

    Raises: ImportFailedError for columns that are none of its.
    """
    mapping = next((mapping for known, mapping in TARDIS.items() if set(known) == set(columns)), None)
    if mapping is not None:
        return mapping
    near = max(TARDIS, key=lambda known: len(set(known) & set(columns)))
    missing = [name for name in near if name not in columns]
    if len(columns) == 1:
        what = f"one column, {columns[0][:60]!r}: another delimiter than a comma, or no first line of names"
    elif missing and len(set(near) & set(columns)) > 1:
        lacking = ", ".join(missing)[:120]
        what = f"no column {lacking}, which {TARDIS[near].kind} tables have; found {', '.join(columns)[:200]}"
    else:
        what = f"columns {', '.join(columns)[:120]} are of no table that is known of tardis.dev"
    known = "incremental_book_L2, book_snapshot_5, book_snapshot_25, trades and quotes are read"
    hint = f"{known}; mm import table takes other tables; nothing was written"
    raise ImportFailedError(f"{path.name} line 1: {what}", hint)


def vision_mapping(path: Path, columns: Sequence[str]) -> Mapping:
    """Return the mapping of a table of Binance Vision, from its file's name and first line.

    Raises: ImportFailedError.
    """
    named = VISION_NAME.fullmatch(path.name)
    if named is None:
        what = f"{path.name}: the name is not SYMBOL-trades-DATE, SYMBOL-aggTrades-DATE or SYMBOL-bookTicker-DATE"
        raise ImportFailedError(what, "keep the name that the file was published under: it alone has the symbol")
    symbol, table = named.groups()
    is_named = any(name and not name[0].isdigit() for name in columns[:1])
    known = VISION_COLUMNS[table]
    names = tuple(columns) if is_named else known[: len(columns)]
    mapping = Mapping.model_validate(
        {
            **VISION[table],
            "symbol_is": symbol,
            "exchange_is": vision_exchange(symbol, table, names),
            "columns": () if is_named else names,
            **({} if table == "bookTicker" else {"side": "is_buyer_maker", "sides": MAKER_SIDES, "price": "price"}),
        }
    )
    missing = [name for name in mapping.used_columns() if name not in names]
    if missing:
        told = f"no column {', '.join(missing)} among {len(columns)}: {', '.join(columns)[:120]}"
        raise ImportFailedError(f"{path.name} line 1: {told}", "nothing was written")
    return mapping


def vision_exchange(symbol: str, table: str, names: Sequence[str]) -> str:
    """Return which of Binance's markets a table is of: of trades, those of spot alone tell the best match."""
    if "_" in symbol:
        return "binance-delivery"
    return "binance" if "is_best_match" in names and table != "bookTicker" else "binance-futures"
