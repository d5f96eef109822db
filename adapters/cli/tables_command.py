"""`mm sql`, `mm orders`, `mm fills`: the tables of a journal on the terminal, as JSON and as CSV; decides nothing."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmfold.adapters.cli.journal_cat import parse_names
from mmfold.adapters.cli.journal_path import READ_JOURNAL
from mmfold.adapters.cli.output import emit_json, print_table, progress
from mmfold.adapters.cli.shared_options import AS_JSON, EVENTS

if TYPE_CHECKING:
    import pyarrow as pa

    from mmfold.reports.tables.journal import Tables

# What has room on a terminal; JSON has all columns.
ORDERS_SHOWN = (
    *("ts_placed", "order_id", "symbol", "side", "price", "qty", "filled", "status", "reason", "cancel_reason"),
    "ts_ended",
)
FILLS_SHOWN = (
    *("ts_receive", "order_id", "symbol", "side", "price", "qty", "liquidity", "fee", "realized_pnl", "currency"),
    "position",
)
ROW_COUNT_SHOWN = 50  # on a terminal; JSON and CSV have all
STRATEGY = click.option("--strategy", metavar="FILE:FUNCTION", help="The strategy file that the journal was made with.")
SYMBOLS = click.option("--symbol", "symbols", metavar="SYMBOL,...", callback=parse_names, help="Only those of these.")
LIMIT = click.option("--limit", metavar="N", type=click.IntRange(1), help="At most so many rows, the first ones.")


@click.command(
    name="sql",
    epilog='Example: mm sql out/bt "select symbol, count(*), sum(fee) from fills group by 1"',
    short_help="Ask a journal in SQL: its events, trades, orders, fills.",
)
@click.argument("path", type=READ_JOURNAL)
@click.argument("query")
@click.option("--exact", is_flag=True, help="Prices, sizes and money as decimals, not as floats.")
@LIMIT
@STRATEGY
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, with a header.")
@AS_JSON
def sql(
    path: Path, query: str, exact: bool, limit: int | None, strategy: str | None, as_csv: bool, as_json: bool
) -> None:
    """Ask a journal in SQL.

    Tables: events, trades, orders, fills, equity, markouts, audit, params, book, with real prices and sizes, currencies
    and UTC times; mm docs python lists their columns. One SELECT, which reads nothing but the journal. A terminal gets
    the first 50 rows.
    """
    if as_csv and as_json:
        raise click.UsageError("--csv and --json are two forms: give one")
    with opened(path, strategy, exact=exact) as tables:
        from mmfold.reports.tables.sql import query as ask

        found = ask(tables, query)
    print_rows(found, limit, as_json=as_json, as_csv=as_csv)


@click.command(
    name="orders",
    epilog="Example: mm orders --events demo --symbol BTCUSDT --limit 10",
    short_help="List own orders: what was asked, what was filled, how they ended.",
)
@EVENTS(required=True)
@SYMBOLS
@LIMIT
@STRATEGY
@AS_JSON
def orders(events: Path, symbols: tuple[str, ...], limit: int | None, strategy: str | None, as_json: bool) -> None:
    """List own orders: what was asked, what was filled, how they ended.

    An order_id can be given to mm why as it stands. A terminal gets the first 50 rows.
    """
    with opened(events, strategy) as tables:
        found = of_symbols(tables, tables.orders(), symbols)
    print_rows(found if as_json else found.select(ORDERS_SHOWN), limit, as_json=as_json)


@click.command(
    name="fills",
    epilog="Example: mm fills --events demo --symbol BTCUSDT --limit 10",
    short_help="List own fills, with fee, realised PnL and position.",
)
@EVENTS(required=True)
@SYMBOLS
@LIMIT
@STRATEGY
@AS_JSON
def fills(events: Path, symbols: tuple[str, ...], limit: int | None, strategy: str | None, as_json: bool) -> None:
    """List own fills, with fee, realised PnL and position.

    Fees are positive when paid; realised PnL is before them. A terminal gets the first 50 rows.
    """
    with opened(events, strategy) as tables:
        found = of_symbols(tables, tables.fills(), symbols)
    print_rows(found if as_json else found.select(FILLS_SHOWN), limit, as_json=as_json)


@contextmanager
def opened(path: Path, strategy: str | None, *, exact: bool = False) -> Iterator["Tables"]:
    """Yield a journal's tables, with progress while they are made.

    Raises: JournalError, StrategyError, GateFailed where a decision is not the witnessed one.
    """
    from mmfold.adapters.cli.replay_command import differences_told, prepare

    prepare(path, 1, strategy)
    from mmfold.reports.tables.journal import Tables

    tables = Tables(path, exact=exact)
    with differences_told(path), progress(None, "tables", "rows") as report:
        tables.on_progress = report
        yield tables


def of_symbols(tables: "Tables", table: "pa.Table", symbols: tuple[str, ...]) -> "pa.Table":
    """Return the rows of some symbols, all without any.

    Raises: click.BadParameter.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    from mmfold.journal.selection import UnknownName, check_known

    try:
        check_known(symbols, list(tables.manifest.symbol_index()), "symbol")
    except UnknownName as error:
        raise click.BadParameter(str(error), param_hint=f"--{error.what}") from error
    return table.filter(pc.is_in(table["symbol"], pa.array(symbols, pa.string()))) if symbols else table


def print_rows(table: "pa.Table", limit: int | None, *, as_json: bool, as_csv: bool = False) -> None:
    """Print a table: as one JSON object, as CSV, or so much of it as a person reads."""
    from mmfold.reports.tables.columns import with_times
    from mmfold.reports.tables.text import cell_text, plain_rows

    is_whole = as_json or as_csv
    shown = table.slice(0, limit or (len(table) if is_whole else ROW_COUNT_SHOWN))
    rows = plain_rows(shown if is_whole else with_times(shown, "ms"))
    if as_json:
        listed = [dict(zip(table.column_names, row, strict=True)) for row in rows]
        emit_json({"columns": table.column_names, "row_count": len(table), "rows": listed})
        return
    if as_csv:
        import csv

        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerows([table.column_names, *rows])
        return
    text: list[list[Any]] = [[cell_text(value) for value in row] for row in rows]
    print_table(table.column_names, text)
    if len(table) > len(shown):
        click.echo(f"and {len(table) - len(shown):,} more of {len(table):,} rows: --limit N, or --json for all")
    elif not len(table):
        click.echo("no rows")
