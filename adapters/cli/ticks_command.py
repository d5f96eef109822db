"""`mm ticks`: the tick backtest of reference, as its contract has it; must never print but WROTE or ERROR to stdout."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmfold.adapters.cli.errors import GateFailed
from mmfold.adapters.cli.output import emit_json, progress
from mmfold.adapters.cli.places import tell_made

if TYPE_CHECKING:
    from mmfold.replay.ticks.tally import Figures

MODES = ("conservative", "queue_aware")
RULES = ("keep", "drop", "shared")
FILE = click.Path(path_type=Path)
TICKS = click.option("--ticks", required=True, type=FILE, metavar="FILE", help="JSON lines: ts_ms, bid, ask.")
MODE = click.option("--mode", required=True, type=click.Choice(MODES), help="The fill rule.")
OUT = click.option("--out", required=True, type=FILE, metavar="FILE", help="The report; its table goes beside it, .md.")
GATE = click.option("--gate", is_flag=True, help="Exit 2 unless the figures pass the acceptance thresholds.")
FORCE = click.option("--force", is_flag=True, help="Replace a report that exists.")
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of WROTE or ERROR.")


@click.group(name="ticks")
def command() -> None:
    """Run fill rules over best bid and ask: the reference, not the venue.

    No strategy and no core is in it: mm backtest is the real thing.

    \b
    Example:
      mm ticks run --ticks ticks.jsonl --mode queue_aware --out out/report.json
    """


@command.command(epilog="Example: mm ticks run --ticks ticks.jsonl --mode queue_aware --out out/report.json")
@TICKS
@MODE
@OUT
@GATE
@FORCE
@AS_JSON
def run(ticks: Path, mode: str, out: Path, gate: bool, force: bool, as_json: bool) -> None:
    """Buy at the bid and sell at the ask of every tick."""
    from mmfold.adapters.cli.runtime import read_runtime
    from mmfold.replay.ticks.load import read_ticks
    from mmfold.replay.ticks.model import FillMode, FillModel
    from mmfold.replay.ticks.walk import run_ticks
    from mmfold.reports.ticks import figures_markdown, run_document

    check_output(ticks, out)
    with failing("cli_run_failed", as_json):
        check_report_files(ticks, out, force)
        with reading(ticks) as report:
            result = run_ticks(read_ticks(ticks, report), FillModel(mode=FillMode(mode)))
        document = run_document(result.figures, read_runtime("backtest", result.ts_ms_max))
        write_and_tell(out, document, figures_markdown({"value": result.figures}, "key"), as_json)
    tell_figures(result.figures)
    if gate:
        check_gates(result.figures)


@command.command(
    epilog="Example: mm ticks wf --ticks ticks.jsonl --mode queue_aware --train 30 --test 10 --out out/wf.json"
)
@TICKS
@MODE
@click.option("--train", required=True, type=click.IntRange(1), help="Ticks before each test.")
@click.option("--test", required=True, type=click.IntRange(1), help="Ticks of each test; windows step by as many.")
@OUT
@FORCE
@AS_JSON
def wf(ticks: Path, mode: str, train: int, test: int, out: Path, force: bool, as_json: bool) -> None:
    """Walk forward: the same over windows of ticks, with mean and median."""
    from mmfold.adapters.cli.runtime import read_runtime
    from mmfold.replay.ticks.load import read_ticks
    from mmfold.replay.ticks.model import FillMode, FillModel
    from mmfold.replay.ticks.walk import walk_forward
    from mmfold.reports.ticks import figures_markdown, walk_document

    check_output(ticks, out)
    with failing("cli_wf_failed", as_json):
        check_report_files(ticks, out, force)
        with reading(ticks) as report:
            walk = walk_forward(read_ticks(ticks, report), FillModel(mode=FillMode(mode)), train, test)
        document = walk_document(walk, read_runtime("backtest", walk.ts_ms_max))
        write_and_tell(out, document, figures_markdown({"mean": walk.mean, "median": walk.median}, "key"), as_json)
    click.echo(f"{len(walk.windows):,} windows", err=True)


@command.command(epilog="Example: mm ticks sim --events orders.jsonl --out out/SIM_REPORT.json --gate")
@click.option("--events", required=True, type=FILE, metavar="FILE", help="JSON lines: book, place, replace, cancel.")
@click.option("--mode", default="queue_aware", show_default=True, type=click.Choice(MODES), help="The fill rule.")
@click.option(
    "--remainder",
    default="keep",
    show_default=True,
    type=click.Choice(RULES),
    help="What a partial fill leaves: it stays, is lost, or is lost with one queue position for all orders.",
)
@OUT
@GATE
@FORCE
@AS_JSON
def sim(events: Path, mode: str, remainder: str, out: Path, gate: bool, force: bool, as_json: bool) -> None:
    """Follow orders through their lives: each is offered to the book after every event."""
    from mmfold.adapters.cli.runtime import read_runtime
    from mmfold.replay.ticks.load import read_order_events
    from mmfold.replay.ticks.model import FillMode, FillModel
    from mmfold.replay.ticks.simulate import RemainderRule, simulate
    from mmfold.reports.ticks import figures_markdown, run_document

    check_output(events, out)
    with failing("cli_sim_failed", as_json):
        check_report_files(events, out, force)
        with reading(events) as report:
            stream = read_order_events(events, report)
            result = simulate(stream, FillModel(mode=FillMode(mode)), RemainderRule(remainder))
        document = run_document(result.figures, read_runtime("sim", result.ts_ms_max))
        markdown = figures_markdown({"value": result.figures}, "metric", "SIM REPORT")
        write_and_tell(out, document, markdown, as_json, {"orders": result.orders})
    tell_figures(result.figures)
    click.echo("orders " + "  ".join(f"{name} {count:,}" for name, count in result.orders.items()), err=True)
    if gate:
        check_gates(result.figures)


def check_output(source: Path, out: Path) -> None:
    """Refuse an output that would be its own table, or that would replace the input.

    Raises: click.UsageError.
    """
    from mmfold.reports.ticks import markdown_path

    if not out.name or markdown_path(out) == out:
        raise click.UsageError("--out is the JSON report; its table takes the name with .md")
    if source.resolve() in (out.resolve(), markdown_path(out).resolve()):
        raise click.UsageError(f"--out would replace {source}, which is read")


def check_report_files(source: Path, out: Path, force: bool) -> None:
    """Check that the report and its table may be written; the contract has it that their directory is made.

    Raises: OutputRefused.
    """
    from mmfold.journal.files.outputs import check_apart, check_files
    from mmfold.reports.ticks import markdown_path

    places = (out, markdown_path(out))
    if out.parent.exists():
        check_files(places, inputs=[source], force=force)
    for place in places:
        check_apart(place, [source])


@contextmanager
def failing(code: str, as_json: bool) -> Iterator[None]:
    """Print the contract's ERROR line before a failure is told in words; with --json, stdout stays empty."""
    try:
        yield
    except Exception:
        click.echo(f"ERROR:{code}", err=as_json)
        raise


@contextmanager
def reading(path: Path) -> Iterator[Callable[[int], None]]:
    """Yield what draws the progress through a file."""
    size = path.stat().st_size if path.is_file() else None
    with progress(size, "ticks", "bytes") as report:
        yield report


def write_and_tell(
    out: Path, document: Mapping[str, Any], markdown: bytes, as_json: bool, more: Mapping[str, Any] | None = None
) -> None:
    """Write a report, then say so the way the contract has it or as JSON.

    Raises: OSError.
    """
    from mmfold.journal.files.outputs import make_directory
    from mmfold.reports.ticks import markdown_path, write_report

    made = make_directory(out.parent)
    size = write_report(out, document, markdown)
    tell_made(made)
    if as_json:
        place = {"bytes": size, "markdown": str(markdown_path(out)), "path": str(out)}
        emit_json({**document, **(more or {}), "run": place})
    else:
        click.echo(f"WROTE:{out}:{size}")


def tell_figures(figures: "Figures") -> None:
    """Print the figures in a line of the error stream."""
    from mmfold.reports.money import fixed_text

    shown = {key: fixed_text(value, 0 if key == "fills_total" else 3) for key, value in figures.items()}
    click.echo("  ".join(f"{key} {text}" for key, text in shown.items()), err=True)


def check_gates(figures: "Figures") -> None:
    """Check the acceptance thresholds.

    Raises: GateFailed.
    """
    from mmfold.reports.ticks import failed_gates

    failed = failed_gates(figures)
    if failed:
        raise GateFailed("gate failed: " + "; ".join(failed))
