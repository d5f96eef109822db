"""`mm replay`: run the core over a journal, compare, report; must never decide anything itself."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmfold.adapters.cli.errors import GateFailed
from mmfold.adapters.cli.interpreted import choose_mode
from mmfold.adapters.cli.moments import parse_moment
from mmfold.adapters.cli.output import emit_json, print_warnings, progress
from mmfold.adapters.cli.reports import (
    OF_REPLAY,
    asked_reports,
    check_places,
    open_writers,
    report_options,
    write_results,
)
from mmfold.adapters.cli.shared_options import AS_JSON, of_replay_or_path
from mmfold.reports.registry import reports_of
from mmfold.reports.seam import Feed

if TYPE_CHECKING:
    import numpy as np

    from mmfold.engine.core import DigestDiffers, WitnessDiffers
    from mmfold.engine.manifest import Manifest
    from mmfold.replay.result import ReplayResult
    from mmfold.replay.run import ReplayOptions

READ_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command(
    name="replay",
    epilog="Example: mm replay --events out/b --report out/report",
    short_help="Run the core over a journal and show what it decides.",
)
@of_replay_or_path
@click.option("--until", metavar="SEQ|TIME", help="Stop after this event; a time is ISO, or ns since 1970.")
@click.option("--from", "seq_from", metavar="SEQ", default=0, help="Start at the nearest checkpoint before this event.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Processes, two cores each.")
@report_options
@click.option("--check-audit", metavar="FILE", type=READ_FILE, help="Exit 2 unless FILE is the journal's audit log.")
@click.option("--strict", is_flag=True, help="Exit 2 where decisions of other rules differ from this build's.")
@click.option("--force", is_flag=True, help="Replace outputs that exist.")
@AS_JSON
def command(events: Path, as_json: bool, workers: int, strict: bool, **asked: Any) -> None:
    """Run the core over a journal and show what it decides.

    PATH is a journal directory, a segment, a .jsonl file, or demo for the bundled journal. Witnessed decisions are
    compared: the first that differs is printed with both sides, and the exit code is 2. Those of a journal of other
    rules are listed (mm docs rules).
    """
    prepare(events, workers, asked["strategy"])
    check_outputs(events, asked)
    result = replay_or_refuse(events, workers, asked)
    pages = write_results(asked, result)
    if as_json:
        checked = {} if asked["check_audit"] is None else {"audit_checked": sum(result.effect_counts.values())}
        emit_json({**result_document(result, pages), **checked})
    else:
        from mmfold.reports.summary import print_summary

        print_summary(result, pages)
        if asked.get("check_audit") is not None:
            click.echo(f"checked   {asked['check_audit']} is this journal's audit log, to the byte")
    if strict and result.comparison is not None and result.comparison.difference_count:
        raise GateFailed(f"{result.comparison.difference_count:,} decisions differ under these rules, and --strict")


def prepare(events: Path, workers: int, strategy_text: str | None) -> None:
    """Choose compiled or interpreted kernels and load a strategy file, before anything imports the kernels.

    Raises: StrategyRefused.
    """
    if strategy_text is None:
        choose_mode(events, workers)
        return
    from mmfold.replay.strategy.file import install_strategy, read_strategy

    strategy = read_strategy(strategy_text)  # first: whether its kernels are compiled depends on it
    choose_mode(events, workers)
    install_strategy(strategy)


def check_outputs(events: Path, asked: dict[str, Any]) -> None:
    """Check every output before the replay begins.

    Raises: OutputRefused.
    """
    strategy = (asked["strategy"] or "").partition(":")[0]
    inputs = [events, *(Path(path) for path in (asked["config_path"], asked["check_audit"], strategy) if path)]
    check_places(asked, inputs, asked["force"])


def replay_or_refuse(
    events: Path, workers: int, asked: dict[str, Any], *listeners: "Callable[[np.ndarray], None]"
) -> "ReplayResult":
    """Replay, and name the first decision that is not the witnessed one; `listeners` get the effects.

    Raises: GateFailed.
    """
    from mmfold.reports.audit_check import AuditDiffers

    try:
        with differences_told(events):
            return run_replay(events, workers, asked, *listeners)
    except AuditDiffers as error:
        raise GateFailed(str(error)) from None


@contextmanager
def differences_told(events: Path) -> Iterator[None]:
    """Tell a decision or a digest that is not the witnessed one as a gate that failed.

    Raises: GateFailed.
    """
    from mmfold.engine.core import DigestDiffers, WitnessDiffers

    try:
        yield
    except WitnessDiffers as error:
        raise GateFailed(difference_text(error, manifest_of(events))) from None
    except DigestDiffers as error:
        raise GateFailed(digest_text(error)) from None


def run_replay(
    events: Path, workers: int, asked: dict[str, Any], *listeners: "Callable[[np.ndarray], None]"
) -> "ReplayResult":
    """Replay with the outputs that were asked for open beside; `listeners` get the effects."""
    from mmfold.config.params import unused_settings
    from mmfold.replay.parallel import check_cores, replay_segments
    from mmfold.replay.run import Replay

    options = replay_options(asked, events)
    if asked.get("check_audit") is not None and (workers > 1 or asked["seq_from"]):
        raise click.UsageError("--check-audit compares every decision: it goes without --workers and --from")
    if workers > 1:
        one_pass = [report for report, _ in asked_reports(asked, *OF_REPLAY) if not report.of_state]
        if one_pass or asked["until"] or asked["seq_from"]:
            of_state = ", ".join(f"--{report.name}" for report in reports_of(Feed.RESULT) if report.of_state)
            raise click.UsageError(
                f"--workers verifies whole journals: it goes with --config, --set, {of_state}, --json"
            )
        check_cores(workers)
        return replay_segments(events, options, workers)
    with ExitStack() as outputs:
        run = Replay(events, options)
        if options.config is not None:
            print_warnings(unused_settings(options.config, run.manifest))
        run.writers = [*open_writers(asked, run.manifest, outputs), *listeners]
        if asked.get("check_audit") is not None:
            from mmfold.reports.audit_check import AuditCheck

            run.writers.append(outputs.enter_context(AuditCheck(asked["check_audit"], run.manifest)).write)
        run.on_progress = outputs.enter_context(progress(run.source.row_count, "replay", "rows"))
        return run.run()


def replay_options(asked: dict[str, Any], events: Path) -> "ReplayOptions":
    """Return the options of a replay of a journal from the command line's.

    Raises: ConfigError, click.BadParameter.
    """
    from mmfold.replay.run import ReplayOptions

    overrides, is_patch = tuple(asked["overrides"]), not (asked["config_path"] or asked["profile"])
    config = None
    base: tuple[str, ...] = ()
    if overrides or not is_patch:
        from mmfold.config.load import load_config
        from mmfold.replay.patch import base_of

        base = base_of(events, overrides) if is_patch else ()
        config = load_config(asked["config_path"], asked["profile"], (*base, *overrides))
        print_warnings(config.warnings)
    until_seq, until_ts_ns = parse_moment(asked["until"], "--until")
    return ReplayOptions(
        config=config,
        config_is_patch=is_patch,
        base=base,
        seq_from=asked["seq_from"],
        until_seq=until_seq,
        until_ts_ns=until_ts_ns,
        sample=any(report.sampled for report, _ in asked_reports(asked, Feed.RESULT)),
    )


def result_document(result: "ReplayResult", pages: dict[str, Path]) -> dict[str, Any]:
    """Return what --json prints."""
    from mmfold.reports.rules import promises_document
    from mmfold.reports.summary import symbols_json

    seconds = max(result.seconds, 1e-9)
    run: dict[str, Any] = {"rows_per_s": round(result.rows / seconds), "seconds": round(result.seconds, 6)}
    run["jit"] = os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0")
    run |= {name: str(page) for name, page in pages.items()}
    return {
        "effects": result.effect_counts,
        "effects_digest": result.effects_digest,
        "events": result.events,
        "fills": result.fills,
        "head": result.head,
        "promises": promises_document(result),
        "rows": result.rows,
        "run": run,
        "sealed": result.sealed,
        "state_digest": result.state_digest,
        "symbols": symbols_json(result),
        "witnessed": result.witnessed_count,
    }


def manifest_of(events: Path) -> "Manifest":
    """Return the manifest of a journal that was opened before."""
    from mmfold.replay.source import EventSource

    return EventSource(events).manifest


def difference_text(error: "WitnessDiffers", manifest: "Manifest") -> str:
    """Return the first difference between a witnessed and a computed decision, both sides."""
    from mmfold.engine.records import NO_TS_NS
    from mmfold.reports.audit import utc_text
    from mmfold.reports.decision import decision_text

    row = error.computed if error.computed is not None else error.witnessed
    assert row is not None, "one side has an effect"
    ts_ns = int(row["ts_receive_ns"])
    when = "" if ts_ns == NO_TS_NS else f" ({utc_text(ts_ns)})"
    return "\n".join(
        [
            f"decision differs at seq {error.seq:,}{when}",
            f"  witnessed  {decision_text(error.witnessed, manifest)}",
            f"  computed   {decision_text(error.computed, manifest)}",
        ]
    )


def digest_text(error: "DigestDiffers") -> str:
    """Return both digests of a state that is not the witnessed one."""
    return "\n".join(
        [
            f"state differs at seq {error.seq:,}",
            f"  witnessed  {error.witnessed}",
            f"  computed   {error.computed}",
        ]
    )
