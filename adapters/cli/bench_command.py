"""`mm bench`: figures of this build on this machine, beside a peer if asked; must never assert a speed."""

from pathlib import Path
from typing import Any

import click

from mmfold.adapters.bench.against import FIGURES, ROUNDS, Asked
from mmfold.adapters.cli.bench_against import compare_builds
from mmfold.adapters.cli.journal_path import READ_JOURNAL
from mmfold.adapters.cli.live_command import parse_duration
from mmfold.adapters.cli.output import emit_json, format_number, print_table, progress
from mmfold.adapters.cli.places import check_journal_place
from mmfold.adapters.cli.shared_options import NumberRange

KINDS = ("import", "verify", "replay", "JSONL", "steps", "starts", "memory")
BUDGETS = {
    "verify_rows_per_s": "≥ 16,700,000 (1 GB/s)",
    "replay_rows_per_s": "≥ 18,000,000",
    "import_rows_per_s": "≥ 5 x peer (1,700,000)",
    "jsonl_events_per_s": "≥ 500,000",
    "step_us": "p50 ≤ 30 with I/O",
    "cold_start_s": "≤ 15",
    "warm_start_s": "≤ 1",
    "peak_rss_mb": "≤ 400",
    "backtest_rows_per_s": "≥ peer (vector book)",
    "backtest_journal_rows_per_s": "≥ 0.6 x peer",
}
LIVE_BUDGETS = {
    "live_tick_to_order_us_p50": "≤ 30",
    "live_tick_to_order_us_p99": "≤ 100",
    "live_loopback_ms_p50": "",
    "live_loopback_ms_p99": "",
}
LOOPBACK_S = 20.0


@click.command(
    name="bench",
    epilog="Example: mm bench --events out/n --peer /path/to/venv/bin/python",
    short_help="Measure this machine and print rates and ratios.",
)
@click.option("--events", metavar="PATH", type=READ_JOURNAL, help="Journal to measure on; demo: the bundled one.")
@click.option("--live", is_flag=True, help="Measure the live path instead, on a market of the emulator's making.")
@click.option("--soak", "soak_s", callback=parse_duration, metavar="30m",
              help="Run a session against an emulator for so long and measure what grows.")  # fmt: skip
@click.option("--speed", default=20.0, show_default=True, type=NumberRange(0.01, 1_000),
              help="Times real time of the soak's market.")  # fmt: skip
@click.option("--against", metavar="CHECKOUT", type=click.Path(path_type=Path),
              help="Compare with another build instead, in turns.")  # fmt: skip
@click.option("--rounds", type=click.IntRange(1, 100), help="Times each build takes its turn.  [default: 7]")
@click.option("--limit", "limit_pct", metavar="PCT", type=NumberRange(0, 1_000),
              help="Exit with 2 when this build is slower by more.")  # fmt: skip
@click.option("--figure", "figures", multiple=True, type=click.Choice(FIGURES),
              help="Compare this figure only; repeat it for several.")  # fmt: skip
@click.option("--out", metavar="DIR", type=click.Path(path_type=Path),
              help="Keep the soak's journal and logs here, or what --against compiled.")  # fmt: skip
@click.option(
    "--repeat", default=20, show_default=True, type=click.IntRange(1, 1000), help="Times the feed is repeated."
)
@click.option("--capture", metavar="FILE", type=click.Path(path_type=Path), help="Raw Binance USD-M capture to import.")
@click.option("--peer", metavar="PYTHON", type=click.Path(path_type=Path), help="An interpreter that has hftbacktest.")
@click.option("--peer-program", metavar="FILE", type=click.Path(path_type=Path), help="The peer's program.")
@click.option("--backtest", is_flag=True, help="Measure backtests of the grid rule as well.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    events: Path | None,
    live: bool,
    soak_s: float | None,
    speed: float,
    against: Path | None,
    rounds: int | None,
    limit_pct: float | None,
    figures: tuple[str, ...],
    out: Path | None,
    repeat: int,
    capture: Path | None,
    peer: Path | None,
    peer_program: Path | None,
    backtest: bool,
    as_json: bool,
) -> None:
    """Measure this machine and print rates and ratios.

    The feed of PATH is turned into a raw capture to import (unless --capture gives one) and into a long journal with
    the decisions of a shadow session, which is verified and replayed. Best of three runs each; only ratios travel.

    --live times the way from a frame's bytes to a request's, in one process and over loopback; --soak runs a session
    and an emulator as two processes and watches memory, descriptors and the loop (mm docs soak).

    --against runs this build and the one of another checkout in turns, on PATH or a made-up market (mm docs bench).
    """
    import tempfile

    if against is not None:
        if soak_s is not None or backtest or (capture or peer or peer_program) is not None:
            raise click.UsageError("--against goes with --events, --repeat, --live and what is its own")
        if live and (events is not None or figures):
            raise click.UsageError("--live compares the tick to order alone: it takes neither --events nor --figure")
        chosen = ("tick",) if live else tuple(dict.fromkeys(figures)) or FIGURES
        compare_builds(against, Asked(events, chosen, repeat, rounds or ROUNDS, limit_pct), out, as_json)
        return
    if figures or rounds is not None or limit_pct is not None:
        raise click.UsageError("--figure, --rounds and --limit go with --against")
    if [events is not None, live, soak_s is not None].count(True) != 1:
        raise click.UsageError("give one of --events PATH, --live and --soak TIME")
    with tempfile.TemporaryDirectory(prefix="mm-bench-") as name:
        if events is not None:
            kinds = (*KINDS, "backtest") if backtest else KINDS
            document = measure(events, repeat, capture, Path(name), (peer, peer_program), kinds)
            show = print_figures
        elif live:
            document, show = measure_live(Path(name)), print_live_figures
        else:
            assert soak_s is not None
            document, show = measure_soak(out or Path(name), soak_s, speed), print_soak_figures
    if as_json:
        emit_json(document)
    else:
        show(document)


def measure_live(work: Path) -> dict[str, Any]:
    """Return the figures of the live path."""
    from mmfold.adapters.bench import latency, loopback, machine

    document: dict[str, Any] = {"hardware": machine.describe_machine()}
    click.echo("measuring tick to order in one process ...", err=True)
    document |= latency.measure_tick_to_order(work / "session")
    click.echo("measuring tick to order over loopback ...", err=True)
    return document | loopback.measure_loopback(work / "loopback", LOOPBACK_S)


def measure_soak(directory: Path, duration_s: float, speed: float) -> dict[str, Any]:
    """Return the figures of a long session.

    Raises: click.UsageError for a directory that holds something.
    """
    from mmfold.adapters.bench import machine
    from mmfold.adapters.bench.soak import run_soak

    if directory.exists() and any(directory.iterdir()):
        raise click.UsageError(f"{directory} is not empty: a soak begins anew")
    check_journal_place(directory)
    hardware = machine.describe_machine()
    with progress(round(duration_s), "soak", "s") as report:
        figures = run_soak(directory, duration_s, speed, 7, lambda sample: report(round(sample.elapsed_s)))
    return {"hardware": hardware, **figures}


def print_live_figures(document: dict[str, Any]) -> None:
    """Print the figures of the live path and their budgets."""
    print_machine(document["hardware"])
    print_table(
        ("figure", "measured", "budget"),
        [(name, format_number(document[name]), budget) for name, budget in LIVE_BUDGETS.items()],
    )
    parts = [(name, format_number(part["p50"]), format_number(part["p99"])) for name, part in document["parts"].items()]
    print_table(("part (us)", "p50", "p99"), parts)


def print_soak_figures(document: dict[str, Any]) -> None:
    """Print what grew and what did not."""
    print_machine(document["hardware"])
    for name, value in document.items():
        if name != "hardware":
            click.echo(f"{name:<24} {value}")


def print_machine(hardware: dict[str, Any]) -> None:
    """Print what it was measured on."""
    click.echo(
        f"mm bench   {hardware['processor']}, {hardware['cores']} cores, {hardware['memory_gb']} GB   "
        f"Python {hardware['python']}  numba {hardware['numba']}   load {hardware['load_1min']}"
    )


def measure(
    events: Path,
    repeat: int,
    capture: Path | None,
    work: Path,
    peer: tuple[Path | None, Path | None],
    kinds: tuple[str, ...],
) -> dict[str, Any]:
    """Return every figure of one sitting."""
    from mmfold.adapters.bench import feed, machine
    from mmfold.adapters.bench import measure as figures
    from mmfold.adapters.bench.peer import find_program, run_peer

    program = None if peer[0] is None else find_program(peer[1])
    manifest, rows = feed.read_market(events)
    if not len(rows):
        raise click.UsageError(f"{events} holds no market events to measure on")
    instrument, busiest = feed.busiest_rows(manifest, rows)
    click.echo("preparing the feed ...", err=True)
    if capture is None:
        capture = work / "capture.gz"
        feed.write_capture(capture, instrument, busiest)
    feed.write_long_journal(work / "long", manifest, rows, repeat)
    feed.write_long_journal(work / "once", manifest, rows, 1)
    document: dict[str, Any] = {"hardware": machine.describe_machine()}
    document["feed"] = {"rows": len(rows) * repeat, "rows_once": len(rows), "repeat": repeat}
    for name in kinds:
        click.echo(f"measuring {name} ...", err=True)
        document |= measure_one(name, figures, (capture, instrument), work, (manifest, rows))
    if peer[0] is not None and program is not None:
        click.echo("running the peer ...", err=True)
        found = run_peer(peer[0], program, capture, repeat)
        document["peer"] = found
        document["ratios"] = ratios(document, found)
    return document


def measure_one(name: str, figures: Any, source: tuple[Path, Any], work: Path, feed: tuple[Any, Any]) -> dict[str, Any]:
    """Return the figures of one kind of work."""
    if name == "import":
        rate, rows = figures.measure_import(*source, work)
        return {"import_rows_per_s": round(rate), "import_rows": rows}
    if name == "verify":
        return {"verify_rows_per_s": round(figures.measure_verify(work / "long"))}
    if name == "replay":
        rate, compared = figures.measure_replay(work / "long")
        return {"replay_rows_per_s": round(rate), "effects_compared": compared}
    if name == "JSONL":
        replayed, read = figures.measure_jsonl(work / "once", work)
        return {"jsonl_events_per_s": round(replayed), "jsonl_read_events_per_s": round(read)}
    if name == "steps":
        return {"step_us": figures.measure_steps(*feed)}
    if name == "starts":
        cold_s, warm_s = figures.measure_starts(work / "once")
        return {"cold_start_s": round(cold_s, 2), "warm_start_s": round(warm_s, 2)}
    if name == "backtest":
        plain, journaled = figures.measure_backtest(work / "long", work)
        return {"backtest_rows_per_s": round(plain), "backtest_journal_rows_per_s": round(journaled)}
    assert name == "memory"
    figures.run_replay_process(work / "once", None)  # compiles where nothing is compiled: that is not a replay's memory
    return {"peak_rss_mb": round(figures.run_replay_process(work / "long", None)[1])}


def ratios(document: dict[str, Any], peer: dict[str, Any]) -> dict[str, float]:
    """Return this build's rates over the peer's; `feed_time` compares the seconds that one repeat of the feed takes.

    The two count rows differently (the peer leaves best-bid-offer rows out), so both are shown.
    """
    found = {"import_vs_converter": document["import_rows_per_s"] / peer["convert_rows_per_s"]}
    own_s = document["feed"]["rows"] / document["replay_rows_per_s"]
    for name in ("hash_map", "roi_vector"):
        found[f"replay_vs_{name}"] = document["replay_rows_per_s"] / peer[name]["rows_per_s"]
        found[f"feed_time_vs_{name}"] = peer[name]["run_s"] / own_s
    for name in ("backtest_rows_per_s", "backtest_journal_rows_per_s"):
        if name in document:
            found[f"{name.removesuffix('_rows_per_s')}_vs_roi_vector"] = (
                document[name] / peer["roi_vector"]["rows_per_s"]
            )
    return {name: round(value, 2) for name, value in sorted(found.items())}


def print_figures(document: dict[str, Any]) -> None:
    """Print the figures, their budgets and the ratios."""
    print_machine(document["hardware"])
    feed = document["feed"]
    click.echo(f"feed       {feed['rows_once']:,} rows x {feed['repeat']} = {feed['rows']:,} rows")
    rows = []
    for name, budget in BUDGETS.items():
        if name not in document:
            continue
        value = document[name]
        shown = f"p50 {value['p50']}  p99 {value['p99']}" if name == "step_us" else format_number(value)
        rows.append((name, shown, budget))
    print_table(("figure", "measured", "budget"), rows)
    if "ratios" in document:
        peer_rows = [(name, format_number(value, 2)) for name, value in document["ratios"].items()]
        print_table(("ratio to the peer", "times"), peer_rows)
