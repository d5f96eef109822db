"""`mm fork`: a journal from an event on under another configuration, beside what happened; must never decide itself."""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmfold.adapters.cli.assumptions import of_venue, read_assumptions
from mmfold.adapters.cli.errors import GateFailed
from mmfold.adapters.cli.grouped import GroupedCommand
from mmfold.adapters.cli.output import emit_json, print_table, print_warnings, progress
from mmfold.adapters.cli.own_strategy import load_strategy
from mmfold.adapters.cli.places import tell_made
from mmfold.adapters.cli.shared_options import AS_JSON, of_replay

if TYPE_CHECKING:
    from mmfold.engine.manifest import Manifest
    from mmfold.replay.assumptions import Assumptions
    from mmfold.replay.debug.fork import Forked, Plan

WHAT = "an earlier fork"
CHANGES_SHOWN_MAX = 12  # --json has all
SAYS_LATENCY = ("assumptions_path", "calibration", "latency", "latency_file")
GROUPS = {
    "Journal and change": ("events", "seq", "config_path", "profile", "overrides", "strategy"),
    "Assumptions about the venue": (
        "assumptions_path", "calibration", "latency", "latency_file", "queue_model", "partial_fills", "seed",
    ),
    "Output": ("out", "force", "as_json"),
}  # fmt: skip


@click.command(
    name="fork",
    cls=GroupedCommand,
    groups=GROUPS,
    epilog="Example: mm fork --events out/bt --at 8123 --set strategy.skew_coeff=0.5 --out out/fork",
    short_help="Go on from an event with other settings, beside what happened.",
)
@of_replay
@click.option(
    "--at", "seq", required=True, metavar="SEQ", type=click.IntRange(0), help="The last event kept as it was."
)
@of_venue
@click.option("--seed", type=click.IntRange(0), help="Of what is drawn.  [default: the journal's]")
@click.option("--out", required=True, metavar="DIR", type=click.Path(path_type=Path), help="The new journal.")
@click.option("--force", is_flag=True, help="Replace an earlier fork.")
@AS_JSON
def command(events: Path, seq: int, out: Path, force: bool, seed: int | None, as_json: bool, **asked: Any) -> None:
    """Go on from an event with other settings, beside what happened.

    The simulated venue answers from there on. DIR becomes a sealed journal that names its parent, with FORK.md and a
    picture. The market does not know of the fork's orders; how far the venue is to be trusted is measured on the
    journal before the fork. Assumptions that are not given are the journal's own where a backtest made it.
    """
    check_output(events, out, force, asked)
    if asked["strategy"] is not None:
        load_strategy(asked["strategy"])
    from mmfold.adapters.cli.replay_command import differences_told
    from mmfold.replay.debug.told import NotItsOwn

    started_s = time.perf_counter()
    plan = read_plan(events, seq, seed, asked)
    try:
        with differences_told(events):
            forked, document = run(events, plan, out)
        print_warnings(forked.warnings)
    except NotItsOwn as error:
        raise GateFailed(f"{error.path} is not what this build decides: {error.cause}\nnothing was written") from None
    if as_json:
        emit_json({**document, "out": str(out), "run": {"seconds": round(time.perf_counter() - started_s, 3)}})
    else:
        print_fork(forked, document, out, time.perf_counter() - started_s)


def check_output(events: Path, out: Path, force: bool, asked: dict[str, Any]) -> None:
    """Check that there is place for the output.

    Raises: OutputRefused, Locked.
    """
    from mmfold.journal.files.outputs import JOURNAL_NAMES, check_directory

    strategy = (asked["strategy"] or "").rpartition(":")[0]
    names = ("config_path", "assumptions_path", "calibration", "latency_file")
    inputs = [events, *(Path(path) for path in (*(asked[name] for name in names), strategy) if path)]
    check_directory(out, inputs=inputs, force=force, may_hold=JOURNAL_NAMES | {"FORK.md", "fork.svg"}, what=WHAT)


def read_plan(events: Path, seq: int, seed: int | None, asked: dict[str, Any]) -> "Plan":
    """Return where to fork and with what.

    Raises: ConfigError, BadAssumption, JournalError.
    """
    from mmfold.adapters.cli.replay_command import manifest_of
    from mmfold.replay.debug.fork import Plan
    from mmfold.replay.debug.fork_config import Change

    change = Change(
        config_path=asked["config_path"], profile=asked["profile"], overrides=tuple(asked["overrides"])
    )  # fmt: skip
    return Plan(seq=seq, assumptions=assumptions_of(manifest_of(events), asked), change=change, seed=seed)


def assumptions_of(manifest: "Manifest", asked: dict[str, Any]) -> "Assumptions":
    """Return what the venue is taken for: what is asked for, else as the journal's own backtest had it.

    Raises: click.UsageError, ConfigError, BadAssumption, LatencyFileError, OSError.
    """
    from mmfold.replay.assumptions import recorded_assumptions

    if "latency_samples" in manifest.extra and not any(asked[name] for name in SAYS_LATENCY):
        raise click.UsageError(
            "the journal's backtest had measured latencies, of which it holds a hash: give --latency-file or --latency"
        )
    return read_assumptions({**asked, "timer_ms": None}, recorded_assumptions(manifest.extra))


def run(events: Path, plan: "Plan", out: Path) -> "tuple[Forked, dict[str, Any]]":
    """Fork, and write everything, whole or not at all."""
    from mmfold.journal.files.outputs import make_directory, write_file
    from mmfold.journal.files.publish import publishing
    from mmfold.replay.debug.fork import Fork
    from mmfold.reports.fork import PAGE_NAME, PICTURE_NAME, fork_document, page_text, picture

    made = make_directory(Path(os.path.realpath(out)).parent)
    with publishing(out) as part, progress(None, "fork", "rows") as report:
        forked = Fork(events, plan, report).run(part)
        document = fork_document(forked)
        write_file(part / PAGE_NAME, page_text(forked, document).encode())
        write_file(part / PICTURE_NAME, picture(forked, document).encode())
    tell_made(made)
    return forked, document


def print_fork(forked: "Forked", document: dict[str, Any], out: Path, seconds: float) -> None:
    """Print the caveat, how far to trust it, then what is otherwise."""
    from mmfold.reports.difference import COUNT_COLUMNS, PNL_COLUMNS, count_rows, difference_lines, pnl_rows
    from mmfold.reports.fork import PAGE_NAME, TRUST_COLUMNS, change_lines, trust_rows, trust_text

    difference = document["difference"]
    click.echo(f"mm fork  {forked.parent_path} from seq {document['seq']:,} -> {out}   head {document['head']}")
    click.echo(
        f"  {document['events']:,} events, {document['events_of_parent']:,} of them the parent's   "
        f"orders at rest {document['resting']:,}, requests on their way {document['in_flight']:,}   {seconds:.1f} s"
    )
    changes = change_lines(document)
    for line in changes[:CHANGES_SHOWN_MAX]:
        click.echo(f"  set  {line}")
    if len(changes) > CHANGES_SHOWN_MAX:
        click.echo(f"  set  and {len(changes) - CHANGES_SHOWN_MAX} more (--json)")
    click.echo(f"caveat    {document['caveat']}")
    for note in document["notes"]:
        click.echo(f"note: {note}")
    click.echo(f"trust     {trust_text(document)}")
    click.echo()
    if document["trust"] is not None:
        print_table(("symbol", "currency", "", *TRUST_COLUMNS), trust_rows(forked, document), "Before the fork")
    for line in difference_lines(difference):
        click.echo(line)
    click.echo()
    print_table(("symbol", "kind", *COUNT_COLUMNS), count_rows(difference), "A is what happened, B the fork")
    print_table(
        ("symbol", "currency", "of", *PNL_COLUMNS), pnl_rows(difference), "PnL; fees and funding positive = paid"
    )
    click.echo(f"next      {out / PAGE_NAME}   mm diff {forked.parent_path} {out}   mm replay --events {out}")
