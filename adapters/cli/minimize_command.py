"""`mm minimize`: shrink a failing journal, write what is left; must never write where the journal passes."""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmfold.adapters.cli.errors import GateFailed
from mmfold.adapters.cli.interpreted import choose_mode
from mmfold.adapters.cli.output import emit_json, print_warnings, progress
from mmfold.adapters.cli.places import tell_made
from mmfold.adapters.cli.shared_options import AS_JSON, of_replay_or_path

if TYPE_CHECKING:
    from mmfold.replay.minimize.recording import Recording
    from mmfold.replay.minimize.session import Session
    from mmfold.replay.minimize.shrink import Minimized

BUDGET = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)?")
UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}
WHAT = "an earlier minimization"
LEFT_BY_PYTEST = frozenset(("__pycache__", ".pytest_cache"))


def parse_budget(ctx: click.Context, parameter: click.Parameter, value: str) -> float:
    """Return the seconds of a budget such as 60s, 2m or 90."""
    found = BUDGET.fullmatch(value.strip())
    if found is None or float(found[1]) <= 0:
        raise click.BadParameter(f"{value!r} is no time such as 60s or 5m", ctx, parameter)
    return float(found[1]) * UNIT_SECONDS[found[2]]


@click.command(
    name="minimize",
    epilog="Example: mm minimize --events out/bt --fails-if 'position_lots > 5' --out out/min",
    short_help="Shrink a failing journal to a small one that fails alike.",
)
@of_replay_or_path
@click.option("--fails-if", metavar="PREDICATE", help="What is wrong: mm docs minimize lists all.")
@click.option("--out", metavar="DIR", type=click.Path(path_type=Path), help="The smaller journal.")
@click.option("--out-jsonl", metavar="FILE", type=click.Path(path_type=Path), help="Of an event list: what is left.")
@click.option("--out-md", metavar="FILE", type=click.Path(path_type=Path), help="Of an event list: its steps.")
@click.option(
    "--budget", default="60s", show_default=True, metavar="TIME", callback=parse_budget, help="Best so far after it."
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Another order of trying.")
@click.option("--workers", type=click.IntRange(1, 64), help="Runs at once; never changes the result.")
@click.option("--force", is_flag=True, help="Replace an earlier minimization.")
@AS_JSON
def command(
    events: Path, fails_if: str | None, out: Path | None, out_jsonl: Path | None, out_md: Path | None, budget: float,
    seed: int, workers: int | None, force: bool, as_json: bool, **asked: Any,
) -> None:  # fmt: skip
    """Shrink a failing journal to a small one that fails alike.

    Fails if: a condition such as 'position_lots > 5', a named check such as crossed_book, FILE:FUNCTION, or
    'command: WORDS'. DIR becomes a sealed journal that names its parent, with the same events as x.jsonl, MINIMIZE.md,
    a picture and a test that fails. A journal that does not fail: exit code 2, nothing is written. Ctrl-C and the
    budget leave the smallest found so far. An event list with guards (mm docs minimize) needs no --fails-if.
    """
    from mmfold.replay.minimize.legacy import is_event_list

    if is_event_list(events):
        from mmfold.adapters.cli.minimize_list import reduce_list

        return reduce_list(events, fails_if, (out, out_jsonl, out_md), force=force, as_json=as_json)
    if fails_if is None or out is None or out_jsonl or out_md:
        raise click.UsageError("a journal needs --fails-if and --out; --out-jsonl and --out-md are of an event list")
    if asked["strategy"] is None:
        choose_mode(events, 1)
    else:
        from mmfold.adapters.cli.own_strategy import load_strategy

        load_strategy(asked["strategy"])
    check_output(events, out, force, asked)
    from mmfold.replay.minimize.failure import DoesNotFail

    try:
        minimized, stopped = run(events, fails_if, budget, seed, workers, asked)
    except DoesNotFail as error:
        raise GateFailed(f"{error}\nnothing was written") from None
    head = write(minimized, out, asked["strategy"])
    if as_json:
        emit_json(result_document(minimized, head, out))
    else:
        print_result(minimized, head, out)
    if stopped:
        raise KeyboardInterrupt


def check_output(events: Path, out: Path, force: bool, asked: dict[str, Any]) -> None:
    """Check that there is place for the output.

    Raises: OutputRefused, Locked.
    """
    from mmfold.journal.files.outputs import JOURNAL_NAMES, check_directory
    from mmfold.reports.minimized import ALL_NAMES

    strategy = (asked["strategy"] or "").rpartition(":")[0]
    inputs = [events, *(Path(path) for path in (asked["config_path"], strategy) if path)]
    check_directory(out, inputs=inputs, force=force, may_hold=JOURNAL_NAMES | ALL_NAMES | LEFT_BY_PYTEST, what=WHAT)


def run(
    events: Path, fails_if: str, budget_s: float, seed: int, workers: int | None, asked: dict[str, Any]
) -> "tuple[Minimized, bool]":
    """Read the journal and shrink it; tells whether a person ended the work."""
    from mmfold.adapters.cli.replay_command import replay_options
    from mmfold.replay.minimize.predicate import parse_predicate
    from mmfold.replay.minimize.shrink import default_workers, minimize

    recording = read(events, fails_if, replay_options({**asked, "until": None, "seq_from": 0, "report": None}, events))
    predicate = parse_predicate(fails_if, recording.manifest)
    with stopping() as holder, progress(None, "minimize", "rows") as report:
        minimized = minimize(
            recording, predicate, budget_s=budget_s, seed=seed, workers=workers or default_workers(), on_rows=report,
            on_session=holder.append,
        )  # fmt: skip
    stopped = bool(holder) and holder[0].stop_requested
    return minimized, stopped


def read(events: Path, fails_if: str, options: Any) -> "Recording":
    """Read and verify the journal."""
    from mmfold.replay.minimize.recording import read_recording

    with progress(None, "read", "rows") as report:
        return read_recording(
            events,
            options.config,
            is_patch=options.config_is_patch,
            base=options.base,
            fails_if=fails_if,
            on_rows=report,
        )


@contextmanager
def stopping() -> "Iterator[list[Session]]":
    """Have Ctrl-C and SIGTERM end the work after the run under way; before there is a best, they end the command."""
    sessions: list[Session] = []
    before: dict[int, Any] = {}

    def stop(number: int, frame: Any) -> None:
        if sessions:
            sessions[0].stop_requested = True
        elif callable(before[number]):
            before[number](number, frame)

    for number in (signal.SIGINT, signal.SIGTERM):
        before[int(number)] = signal.signal(number, stop)
    try:
        yield sessions
    finally:
        for ended, handler in before.items():
            signal.signal(ended, handler)


def write(minimized: "Minimized", out: Path, strategy: str | None) -> str:
    """Write everything, whole or not at all; returns the head."""
    from mmfold.journal.files.outputs import make_directory, write_file
    from mmfold.journal.files.publish import publishing
    from mmfold.replay.minimize.output import write_output
    from mmfold.reports.minimized import PAGE_NAME, PICTURE_NAME, page_text, picture

    made = make_directory(Path(os.path.realpath(out)).parent)
    with publishing(out) as part:
        head = write_output(minimized, part, out, strategy)
        write_file(part / PAGE_NAME, page_text(minimized, head).encode())
        write_file(part / PICTURE_NAME, picture(minimized).encode())
    tell_made(made)
    return head


def result_document(minimized: "Minimized", head: str, out: Path) -> dict[str, Any]:
    """Return what --json prints."""
    recording, result = minimized.recording, minimized.result
    seconds = max(minimized.seconds, 1e-9)
    return {
        "effects": sum(map(len, result.decided)),
        "events": len(result.inputs),
        "events_with_effects": result.count(),
        "fell_back": minimized.fell_back,
        "flaky": minimized.flaky_count,
        "head": head,
        "invalid": minimized.invalid_count,
        "one_minimal": minimized.is_whole,
        "out": str(out),
        "parent_events": len(recording.inputs),
        "parent_failing_seq": minimized.failing_seq,
        "parent_head": recording.head,
        "parent_run": recording.parent.run_id,
        "predicate": minimized.predicate.name,
        "rows": len(result.inputs.rows),
        "rows_replayed": minimized.rows_replayed,
        "run": {"rows_per_s": round(minimized.rows_replayed / seconds), "seconds": round(seconds, 3)},
        "run_id": recording.manifest.run_id,
        "runs": minimized.runs,
        "signature": minimized.signature._asdict(),
        "steps": [step._asdict() for step in minimized.steps],
    }  # fmt: skip


def print_result(minimized: "Minimized", head: str, out: Path) -> None:
    """Print how the journal shrank, and what to do with it."""
    from mmfold.engine.printable import printable
    from mmfold.replay.minimize.output import TEST_NAME
    from mmfold.replay.minimize.shrink import size_words

    result = minimized.result
    sizes = size_words(minimized.steps, len(result.inputs))
    click.echo(f"mm minimize  {minimized.recording.path} -> {out}   head {head}")
    click.echo(f"  {sizes} events ({minimized.seconds:.0f} s, {minimized.runs:,} runs, same failure)")
    click.echo(f"  {printable(str(minimized.signature))}")
    click.echo(
        f"  {minimized.rows_replayed:,} rows replayed   {result.count():,} events with decisions   "
        f"parent {minimized.recording.parent.run_id}, seq {minimized.failing_seq:,}, head {minimized.recording.head}"
    )
    notes = []
    if not minimized.is_whole:
        notes.append("ended before it was through: a smaller journal may fail as well (--budget)")
    if minimized.flaky_count:
        notes.append(f"{minimized.predicate.name} answered otherwise when asked again, {minimized.flaky_count:,} times")
    print_warnings(notes)
    click.echo(f"next      pytest {out / TEST_NAME}   fails until the fault is mended")
    click.echo(f"          mm replay --events {out}")
