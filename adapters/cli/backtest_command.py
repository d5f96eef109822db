"""`mm backtest`: the core against the simulated venue on a recorded market; must never decide anything itself."""

import dataclasses
import os
import shutil
import signal
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmfold.adapters.cli.assumptions import BAND_TEXT, band_of, of_venue, read_assumptions
from mmfold.adapters.cli.errors import is_user_error
from mmfold.adapters.cli.grouped import GroupedCommand
from mmfold.adapters.cli.journal_path import READ_JOURNAL
from mmfold.adapters.cli.moments import parse_span
from mmfold.adapters.cli.output import emit_json, print_warnings, progress
from mmfold.adapters.cli.own_strategy import load_strategy
from mmfold.adapters.cli.places import tell_made
from mmfold.reports.registry import reports_of
from mmfold.reports.seam import Feed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mmfold.config.models import Config
    from mmfold.replay.assumptions import Assumptions
    from mmfold.replay.backtest import Backtest, BacktestResult
    from mmfold.replay.result import ReplayResult

CASE_NAMES = frozenset(("pessimistic", "base", "optimistic"))
GROUPS = {
    "Market and strategy": ("events", "first", "last", "funding", "config_path", "profile", "strategy", "overrides"),
    "Assumptions about the venue": (
        "assumptions_path", "calibration", "latency", "latency_file", "queue_model", "partial_fills", "timer_ms",
        "band", "seed",
    ),
    "Output": ("out", "no_journal", "force", "as_json"),
}  # fmt: skip
FILE = click.Path(path_type=Path)


@click.command(
    name="backtest",
    cls=GroupedCommand,
    groups=GROUPS,
    epilog="Example: mm backtest --events out/n --strategy grid --queue-model power --out out/bt",
    short_help="Run the core against a simulated venue on a recorded market.",
)
@click.option(
    "--events",
    required=True,
    multiple=True,
    metavar="PATH",
    type=READ_JOURNAL,
    help="Recorded market, demo for the bundled one; repeat it to merge several.",
)
@click.option("--from", "first", metavar="TIME", help="Trade from then on; before, the market is folded.")
@click.option("--until", "last", metavar="TIME", help="End there; times are ISO, UTC, or ns since 1970.")
@click.option("--funding", metavar="FILE", type=FILE, help="History of funding rates, CSV or JSON: mm docs backtest.")
@click.option("--config", "config_path", metavar="FILE", type=click.Path(path_type=Path), help="Configuration.")
@click.option("--profile", metavar="NAME", help="A profile of config/profiles; by default the strategy's own.")
@click.option("--strategy", metavar="NAME|FILE:FUNCTION", help="ladder, grid, avellaneda, glft, or FILE:FUNCTION.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one configuration key.")
@of_venue
@click.option("--timer-ms", type=click.IntRange(1, 60_000), help="Pace of TIMER events.  [default: 100]")
@click.option("--band", is_flag=True, help="Also run pessimistic and optimistic queues and latencies.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Goes into the run id.")
@click.option("--out", metavar="DIR", type=click.Path(path_type=Path), help="The new journal and its report.")
@click.option("--no-journal", is_flag=True, help="Write nothing: digests and results only.")
@click.option("--force", is_flag=True, help="Replace an output that exists.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    events: tuple[Path, ...], out: Path | None, no_journal: bool, force: bool, as_json: bool, **asked: Any
) -> None:
    """Run the core against a simulated venue on a recorded market.

    The new journal in DIR holds the market, the venue's answers and every decision: mm replay of it gives the same
    digests. Ctrl-C leaves what is done as a valid journal; an error leaves nothing. The report prints every assumption;
    an option wins over a file: mm docs backtest. A strategy of your own is one file: mm docs strategies.
    """
    if no_journal == (out is not None):
        raise click.UsageError("give either --out DIR or --no-journal")
    asked["strategy_file"] = None
    if ":" in (asked["strategy"] or ""):
        load_strategy(asked["strategy"])
        asked["strategy_file"], asked["strategy"] = asked["strategy"], "user"
    asked["span"] = parse_span(asked["first"], asked["last"])
    config, assumptions = read_config(asked), read_assumptions(asked)
    cases = band_of(assumptions) if asked["band"] else {"base": assumptions}
    if out is not None:
        check_output(out, [*events, *input_files(asked)], force)
    results, stopped = run_cases(events, config, cases, asked, out)
    if out is not None:
        pages, shown = write_pages(out, results)
    else:
        names = " + ".join(str(path) for path in events)
        pages, shown = {}, {name: as_replay(result, names) for name, (_, result) in results.items()}
    if as_json:
        band = {key: figures(case) for key, (_, case) in results.items()}
        emit_json({**result_document(main_result(results), pages), **({"band": band} if asked["band"] else {})})
    else:
        print_results(results, shown[main_name(results)], pages, is_one_journal=out is not None or len(events) == 1)
    if stopped:
        raise KeyboardInterrupt


def input_files(asked: dict[str, Any]) -> list[Path]:
    """Return the files that a backtest reads beside its recordings."""
    names = ("config_path", "assumptions_path", "calibration", "latency_file", "funding")
    strategy = (asked["strategy_file"] or "").partition(":")[0]
    return [Path(path) for path in (*(asked[name] for name in names), strategy) if path]


def check_output(out: Path, inputs: list[Path], force: bool) -> None:
    """Check that there is place for an output; what a backtest did not write is never removed.

    Raises: OutputRefused when there is something and --force was not given, or something else; Locked.
    """
    from mmfold.journal.files.outputs import JOURNAL_NAMES, check_directory

    what = "an earlier backtest"
    report_names = {name for report in reports_of(Feed.SHEETS) for name in report.files}
    check_directory(out, inputs=inputs, force=force, may_hold=JOURNAL_NAMES | report_names | CASE_NAMES, what=what)
    for case in CASE_NAMES:
        if (out / case).exists():
            check_directory(out / case, force=force, may_hold=JOURNAL_NAMES, what=what)


@contextmanager
def replaced_output(out: Path) -> "Iterator[None]":
    """Make place for an output; an error of the user's or the machine's leaves nothing of it."""
    from mmfold.journal.files.outputs import make_directory

    real = Path(os.path.realpath(out))
    if real.exists():
        shutil.rmtree(real)
    made = make_directory(real.parent)
    try:
        yield
        tell_made(made)
    except Exception as error:
        if real.exists() and is_user_error(error):  # a fault of ours leaves its traces
            shutil.rmtree(real, ignore_errors=True)
            click.echo(f"nothing is kept of the backtest: {out} is removed", err=True)
        raise


def run_cases(
    events: tuple[Path, ...], config: "Config", cases: "dict[str, Assumptions]", asked: dict[str, Any], out: Path | None
) -> "tuple[dict[str, tuple[Path, BacktestResult]], bool]":
    """Run the cases until one is stopped; tells whether one was. An output is replaced once nothing was refused."""
    from mmfold.config.params import unused_settings

    results: dict[str, tuple[Path, BacktestResult]] = {}
    with ExitStack() as stack:
        for name, case in cases.items():
            backtest = prepare_case(events, config, case, asked)
            if not results:
                print_warnings(unused_settings(config, backtest.manifest))
            if out is not None and not results:
                stack.enter_context(replaced_output(out))
            journal = None if out is None else out / name if asked["band"] else out
            results[name] = (journal or events[0], run_case(backtest, journal))
            if backtest.stop_requested:
                return results, True
    return results, False


def prepare_case(
    events: tuple[Path, ...], config: "Config", assumptions: "Assumptions", asked: dict[str, Any]
) -> "Backtest":
    """Return a backtest whose input was looked through; nothing is written yet.

    Raises: FeedsConflict, NoMarket, JournalError, ConfigError, SamplesBeside, FundingFileError.
    """
    from mmfold.replay.backtest import Backtest, SamplesBeside
    from mmfold.replay.funding_file import read_funding

    funding = None if asked["funding"] is None else read_funding(asked["funding"])
    backtest = Backtest(events, config, assumptions, seed=asked["seed"], funding=funding, span=asked["span"])
    try:
        backtest.measure()
    except SamplesBeside as error:
        raise SamplesBeside(f"{asked['latency_file']}: {error}") from error
    return backtest


def run_case(backtest: "Backtest", journal: Path | None) -> "BacktestResult":
    """Run one backtest, journaled if there is a place for it."""
    from mmfold.journal.log.writer import Writer

    if journal is None:
        return run_backtest(backtest)
    journal.parent.mkdir(parents=True, exist_ok=True)
    with Writer(Path(os.path.realpath(journal))) as writer:
        backtest.writer = writer
        return run_backtest(backtest)


def print_results(
    results: "dict[str, tuple[Path, BacktestResult]]",
    shown: "ReplayResult",
    pages: dict[str, Path],
    *,
    is_one_journal: bool,
) -> None:
    """Print the base case, or the one there is, and the others beside it."""
    from mmfold.adapters.cli.output import print_table
    from mmfold.reports.funding import funding_notes
    from mmfold.reports.summary import print_summary
    from mmfold.reports.venue import venue_notes

    print_summary(shown, pages, command="backtest", is_one_journal=is_one_journal)
    notes = [*venue_notes(shown.manifest), *funding_notes(shown), *run_notes(main_result(results))]
    for label, note in zip(("assumed", *[""] * len(notes)), notes, strict=False):
        click.echo(f"{label:10}{note}")
    if len(results) > 1:
        columns = figures(next(iter(results.values()))[1])
        rows = [(key, *map(str, figures(case).values())) for key, (_, case) in results.items()]
        print_table(("fills are", *columns), rows, "band")
        click.echo(BAND_TEXT)


def figures(result: "BacktestResult") -> dict[str, Any]:
    """Return what is compared across a band."""
    document = result_document(result, {})
    money = {currency: values["total"] for currency, values in document["pnl"].items()}
    return {"orders": document["orders"], "fills": result.fills, **{f"pnl {key}": money[key] for key in money}}


def read_config(asked: dict[str, Any]) -> "Config":
    """Return the configuration: orders are sent, and a strategy has the profile of its name if it has one.

    Raises: ConfigError.
    """
    from mmfold.config.load import load_config, profile_names

    overrides = list(asked["overrides"])
    profile = asked["profile"]
    if asked["strategy"] is not None:
        overrides.insert(0, f"strategy.name={asked['strategy']}")
        if profile is None and asked["strategy"] in profile_names():
            profile = asked["strategy"]
    config = load_config(asked["config_path"], profile, ["mode=sent", *overrides])
    if config.strategy.name == "grid":
        config = load_config(asked["config_path"], profile, ["mode=sent", "strategy.quote_on_timer=true", *overrides])
    print_warnings(config.warnings)
    return config


def run_backtest(backtest: "Backtest") -> "BacktestResult":
    """Run with a progress bar; Ctrl-C ends it after the window under way, with everything so far whole."""

    def stop(*_: object) -> None:
        backtest.stop_requested = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with progress(backtest.source.row_count, "backtest", "rows") as report:
            backtest.on_progress = report
            return backtest.run()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def write_pages(
    out: Path, results: "dict[str, tuple[Path, BacktestResult]]"
) -> "tuple[dict[str, Path], dict[str, ReplayResult]]":
    """Replay the new journals, which proves them, and write what is reported of them beside the segments.

    Raises: AssertionError when the replay is not the backtest.
    """
    from mmfold.reports.tearsheet.fold import fold_backtest

    sheets = {}
    for name, (journal, result) in results.items():
        sheets[name] = fold_backtest(journal)
        replayed = sheets[name].result
        same = (replayed.state_digest, replayed.effects_digest) == (result.state_digest, result.effects_digest)
        assert same, f"the replay of {journal} is not the backtest that wrote it"
    notes = {name: run_notes(result) for name, (_, result) in results.items()}
    pages = {report.name: report.load()(out, sheets, notes) for report in reports_of(Feed.SHEETS)}
    return pages, {name: sheet.result for name, sheet in sheets.items()}


def main_name(results: "dict[str, tuple[Path, BacktestResult]]") -> str:
    """Return the case that is told first: base, or the one there is."""
    return "base" if "base" in results else next(iter(results))


def main_result(results: "dict[str, tuple[Path, BacktestResult]]") -> "BacktestResult":
    """Return the result of the case that is told first."""
    return results[main_name(results)][1]


def run_notes(result: "BacktestResult") -> tuple[str, ...]:
    """Return the assumptions that a run knew and its journal does not tell."""
    from mmfold.reports.funding import history_notes
    from mmfold.reports.recording import recording_notes
    from mmfold.reports.venue import shown_notes

    shown = shown_notes(result.manifest, result.outside_counts, result.effect_counts["place"])
    return (*recording_notes(result), *history_notes(result), *shown)


def as_replay(result: "BacktestResult", source: str) -> "ReplayResult":
    """Return a backtest's result in the form that the summary prints."""
    import numpy as np

    from mmfold.engine.records import EVENT
    from mmfold.replay.result import SAMPLE, ReplayResult

    return ReplayResult(
        manifest=result.manifest,
        state=result.state,
        events=result.events,
        rows=result.rows,
        head=result.head,
        sealed=bool(result.head),
        state_digest=result.state_digest,
        effects_digest=result.effects_digest,
        effect_counts=result.effect_counts,
        fills=result.fills,
        witnessed_count=None,
        samples=np.zeros(0, SAMPLE),
        fill_rows=np.zeros(0, EVENT),
        params=result.params,
        source=source,
        seconds=result.seconds,
    )


def result_document(result: "BacktestResult", pages: dict[str, Path]) -> dict[str, Any]:
    """Return what --json prints."""
    from mmfold.reports.funding import history_document
    from mmfold.reports.recording import clock_document
    from mmfold.reports.summary import build_report

    report = build_report(as_replay(result, "backtest"))
    symbols = report["symbols"]
    names = {"total": "net_pnl", "spread": "spread_pnl", "inventory": "inventory_pnl"}
    names |= {"fees": "fees", "funding": "funding"}
    run: dict[str, Any] = {
        "rows_per_s": round(result.rows / max(result.seconds, 1e-9)),
        "seconds": round(result.seconds, 6),
    }
    run |= {name: str(page) for name, page in pages.items()}
    return {
        "assumptions": report["assumptions"],
        "effects": result.effect_counts,
        "effects_digest": result.effects_digest,
        "events": result.events,
        "feed": {
            **dataclasses.asdict(result.feed),
            "clocks": [clock_document(clock) for clock in result.clocks],
            "settlements_told_twice": result.settlements_told_twice,
            "shifts_ns": list(result.shifts_ns),
            "timers_left_out": result.timers_left_out,
            "trades_told_twice": result.trades_told_twice,
        },
        "fills": result.fills,
        "funding": history_document(result),
        "head": result.head,
        "orders": result.effect_counts["place"],
        "pnl": {
            currency: {name: values[key] for name, key in names.items()}
            for currency, values in report["totals"]["money"].items()
        },
        "position": {symbol: row["position"] for symbol, row in symbols.items()},
        "rows": result.rows,
        "run": run,
        "run_id": result.manifest.run_id,
        "span": {"from_ns": result.span.from_ns, "until_ns": result.span.until_ns},
        "shown_depth": {
            one.symbol: {"levels": one.book_depth, "orders_outside": result.outside_counts[one.symbol]}
            for one in result.manifest.instruments
        },
        "state_digest": result.state_digest,
        "symbols": symbols,
        "venue": report["venue"],
    }
