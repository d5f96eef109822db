"""`mm import`: recorded market data to a journal; must never load an importer before it is asked for."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mmfold.adapters.importers import IMPORTERS

if TYPE_CHECKING:
    from mmfold.adapters.importers.outcome import ImportResult

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
    short_help="Turn raw venue captures into a journal.",
)
@click.argument("source", type=click.Choice(sorted(IMPORTERS)))
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option("--out", required=True, metavar="DIR", type=click.Path(path_type=Path), help="The journal to write.")
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
    out: Path,
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
    """Turn raw captures of a venue, or our own JSONL, into a journal: all or nothing.

    Captures may be gzip, zstd or plain; their form is found from the content. Several files become one stream, merged
    by receive time where they overlap. What is refused goes to DIR.quarantine.jsonl with its reason and place.
    """
    import os
    import time

    from mmfold.adapters.cli.output import emit_json, progress
    from mmfold.adapters.importers import load_importer
    from mmfold.adapters.importers.outcome import ImportRequest
    from mmfold.adapters.importers.run import FAST_LANE_BYTES_MIN

    request = ImportRequest(
        files=files, out=out, symbols=symbols, market=market or "", ticks=ticks, lots=lots, min_qtys=min_qtys,
        min_notionals=min_notionals, contract_values=contract_values, strict=strict, salvage=salvage, force=force,
    )  # fmt: skip
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
