"""`mm import`: recorded market data to a journal; must never load an importer before it is asked for."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mmfold.adapters.importers import IMPORTERS, TABLES

if TYPE_CHECKING:
    from mmfold.adapters.importers.outcome import ImportRequest, ImportResult

USUAL_UNITS = {"receive": "ns", "exchange": "ms"}
MARKETS = ("linear", "inverse", "spot", "usdm", "coinm")
PLAIN_NUMBER = re.compile(r"[0-9]{1,32}(\.[0-9]{1,32})?")


def parse_steps(ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Return {symbol: number} of SYMBOL=NUMBER options."""
    steps = {}
    for value in values:
        symbol, equals, step = value.partition("=")
        if not symbol or not equals or not step:
            raise click.BadParameter(f"{value!r} is not SYMBOL=NUMBER, such as BTCUSDT=0.1", ctx, parameter)
        if not PLAIN_NUMBER.fullmatch(step):
            raise click.BadParameter(f"{value!r}: {step} is no plain decimal number", ctx, parameter)
        steps[symbol] = step
    return steps


def number_option(flag: str, name: str, help_text: str) -> "Callable[[Callable[..., None]], Callable[..., None]]":
    """Return an option that says a number of a symbol."""
    return click.option(flag, name, multiple=True, callback=parse_steps, metavar="SYMBOL=NUMBER", help=help_text)


def parse_symbols(ctx: click.Context, parameter: click.Parameter, value: str | None) -> frozenset[str]:
    """Return the symbols of a comma-separated list."""
    symbols = frozenset(part.strip() for part in (value or "").split(",") if part.strip())
    if value is not None and not symbols:
        raise click.BadParameter("no symbol given, such as BTCUSDT,ETHUSDT", ctx, parameter)
    return symbols


@click.command(
    name="import",
    epilog="Example: mm import bybit capture.jsonl.zst --out out/b",
    short_help="Turn venue captures or tables into a journal.",
)
@click.argument("source", type=click.Choice(sorted(IMPORTERS)))
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option("--out", metavar="DIR", type=click.Path(path_type=Path), help="The journal to write.")
@click.option("--map", "mapping", metavar="FILE", type=click.Path(path_type=Path), help="What a table's columns are.")
@click.option("--guess", is_flag=True, help="Write a mapping for a table, to --map or beside it, and import nothing.")
@click.option("--dry-run", is_flag=True, help="Say what is understood of tables, and import nothing.")
@click.option("--symbols", callback=parse_symbols, metavar="A,B", help="Take these symbols only.")
@click.option("--market", type=click.Choice(MARKETS), help="The market, where the content does not show it.")
@number_option("--tick", "ticks", "A price step.")
@number_option("--lot", "lots", "A size step.")
@number_option("--min-qty", "min_qtys", "A smallest order, in the size's unit.")
@number_option("--min-notional", "min_notionals", "A smallest order value, in quote currency.")
@number_option("--contract-value", "contract_values", "The quote value of an inverse contract.")
@click.option("--strict", is_flag=True, help="Stop at the first line that is refused, instead of setting it aside.")
@click.option("--salvage", is_flag=True, help="Take a compressed file that is cut short, up to the cut.")
@click.option("--force", is_flag=True, help="Replace an output that exists.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    source: str,
    files: tuple[Path, ...],
    out: Path | None,
    mapping: Path | None,
    guess: bool,
    dry_run: bool,
    symbols: frozenset[str],
    market: str | None,
    ticks: dict[str, str],
    lots: dict[str, str],
    min_qtys: dict[str, str],
    min_notionals: dict[str, str],
    contract_values: dict[str, str],
    strict: bool,
    salvage: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Turn raw captures of a venue, tables, or our own JSONL into a journal: all or nothing.

    Captures may be gzip, zstd or plain; their form is found from the content. Tables (tardis.dev, Binance Vision, one's
    own with --map) are CSV, plain or packed, or Parquet: mm docs import. Several files become one stream, merged by
    receive time where they overlap. What is refused goes to DIR.quarantine.jsonl with its reason and place.
    """
    import os
    import time

    from mmfold.adapters.cli.output import emit_json, progress
    from mmfold.adapters.importers import load_importer
    from mmfold.adapters.importers.outcome import ImportRequest
    from mmfold.adapters.importers.run import FAST_LANE_BYTES_MIN
    from mmfold.adapters.importers.tabular.files import found_files

    check_usage(source, out, mapping, guess=guess, dry_run=dry_run)
    files = found_files(files) if source in TABLES else files
    request = ImportRequest(
        files=files, out=out or Path(), mapping=mapping, symbols=symbols, market=market or "", ticks=ticks, lots=lots,
        min_qtys=min_qtys, min_notionals=min_notionals, contract_values=contract_values, strict=strict,
        salvage=salvage, force=force,
    )  # fmt: skip
    if guess or dry_run:
        print_understood(request, source, guess=guess, as_json=as_json)
        return
    started_s = time.perf_counter()
    total = sum(path.stat().st_size for path in files if path.is_file())
    if total < FAST_LANE_BYTES_MIN:  # done before the kernels are loaded: those that count its gaps are interpreted
        os.environ.setdefault("NUMBA_DISABLE_JIT", "1")
    with progress(total, "import", "bytes") as report:
        result = load_importer(source)(request, report)
    seconds = time.perf_counter() - started_s
    if as_json:
        run = {"seconds": round(seconds, 6), "rows_per_s": round(result.rows / seconds)}
        emit_json({**result.document(), "run": run})
    else:
        print_summary(result, seconds)


def check_usage(source: str, out: Path | None, mapping: Path | None, *, guess: bool, dry_run: bool) -> None:
    """Refuse options that do not go together.

    Raises: click.UsageError.
    """
    if guess and source != "table":
        raise click.UsageError("--guess is for tables of one's own: mm import table FILE --guess")
    if mapping is not None and source != "table":
        raise click.UsageError("--map is for tables of one's own: mm import table FILE --map FILE")
    if dry_run and source not in TABLES:
        raise click.UsageError(f"--dry-run is for tables: {', '.join(TABLES)}")
    if source == "table" and mapping is None and not guess:
        raise click.UsageError("a table of one's own needs --map FILE; --guess writes one to begin with")
    if out is None and not (guess or dry_run):
        raise click.UsageError("Missing option '--out'.")


def print_understood(request: "ImportRequest", source: str, *, guess: bool, as_json: bool) -> None:
    """Print a guessed mapping, or what is understood of tables."""
    from mmfold.adapters.cli.output import emit_json
    from mmfold.adapters.importers.tabular.guess import guess as guess_table
    from mmfold.adapters.importers.tabular.run import describe

    document = guess_table(request) if guess else describe(request, source)
    if as_json:
        emit_json(document)
        return
    if guess:
        click.echo(f"mm import  wrote {document['map']}")
        click.echo("".join(f"  {key}: {value}\n" for key, value in document["mapping"].items()), nl=False)
        click.echo(f"next      mm import table {request.files[0]} --map {document['map']} --dry-run")
        return
    for table in document["tables"]:
        mapping = table["mapping"]
        click.echo(f"{table['file']}   {mapping['kind']}   {', '.join(table['symbols'])}   times in {table['unit']}")
        click.echo("".join(f"  {key}: {value}\n" for key, value in mapping.items() if key != "kind"), nl=False)
        click.echo(f"  first     {table['first']}")
        if table["unused_columns"]:
            click.echo(f"  not read  {', '.join(table['unused_columns'])}")


def print_summary(result: "ImportResult", seconds: float) -> None:
    """Print what a person wants to know of an import."""
    events = "  ".join(f"{name} {count:,}" for name, count in sorted(result.events.items()))
    skipped = "  ".join(f"{what} {count:,}" for what, count in sorted(result.skipped.items()))
    event_count = sum(result.events.values())
    click.echo(
        f"mm import  {result.out}   {result.messages:,} messages  {event_count:,} events  {result.rows:,} rows   "
        f"head {result.head[:4]}…{result.head[-2:]}   {seconds:.1f} s"
    )
    click.echo(f"  {', '.join(result.symbols)}   {events}")
    click.echo(f"  gaps {result.gaps:,}   refused {result.rejected:,}   skipped: {skipped or 'nothing'}")
    for name, units in result.units.items():
        if units != USUAL_UNITS:
            click.echo(f"units     {name}: receive times in {units['receive']}, exchange times in {units['exchange']}")
    for note in result.notes:
        click.echo(f"note      {note}")
    if result.rejected:
        click.echo(f"refused   {result.out}.quarantine.jsonl")
    click.echo(f"next      mm replay --events {result.out}")
