"""`mm minimize` of an event list: the older minimizer's files and words; must never write where the list passes."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmfold.adapters.cli.errors import GateFailed
from mmfold.adapters.cli.output import emit_json, print_warnings
from mmfold.adapters.cli.places import tell_made

if TYPE_CHECKING:
    from mmfold.replay.minimize.legacy import Reduced

Outs = tuple[Path | None, Path | None, Path | None]  # --out, --out-jsonl, --out-md
JSONL_NAME, PAGE_SUFFIX = "REPRO_MIN.jsonl", ".md"
ARTIFACTS_VARIABLE, ARTIFACTS_DEFAULT = "ARTIFACTS_DIR", "artifacts"


def reduce_list(events: Path, fails_if: str | None, outs: Outs, *, force: bool, as_json: bool) -> None:
    """Make an event list smaller for the same reason, write what is left and how.

    Raises: GateFailed where no guard tells a reason; OutputRefused, MinimizeError, click.UsageError.
    """
    from mmfold.journal.files.outputs import check_file, make_directory, write_file
    from mmfold.replay.minimize.legacy import NO_REASON, encode_events, page_of, reduce_case

    if fails_if is not None:
        raise click.UsageError("an event list fails by its guards' reasons, DRIFT or REG: leave --fails-if out")
    places = places_of(*outs)
    for place in places:
        if place.parent.is_dir():
            check_file(place, inputs=[events], force=force)
    if os.path.realpath(places[0]) == os.path.realpath(places[1]):
        raise click.UsageError("--out-jsonl and --out-md name one file")
    reduced = reduce_case(events)
    if reduced.reason == NO_REASON:
        if as_json:
            emit_json(document_of(reduced, events, None))
        raise GateFailed("" if as_json else f"{reduced.steps[0]}: no guard tells DRIFT or REG\nnothing was written")
    made = [one for place in places for one in make_directory(place.parent)]
    for place, data in zip(places, (encode_events(reduced.events), page_of(reduced)), strict=True):
        check_file(place, inputs=[events], force=force)
        write_file(place, data)
    tell_made(made)
    if as_json:
        emit_json(document_of(reduced, events, places))
    else:
        print_result(reduced, places)


def places_of(out: Path | None, out_jsonl: Path | None, out_md: Path | None) -> tuple[Path, Path]:
    """Return where the events go and where the page: what was said, else in --out, else with the artifacts."""
    directory = out or Path(os.environ.get(ARTIFACTS_VARIABLE) or ARTIFACTS_DEFAULT)
    events = out_jsonl or directory / JSONL_NAME
    return events, out_md or events.with_suffix(PAGE_SUFFIX)


def document_of(reduced: "Reduced", events: Path, places: tuple[Path, Path] | None) -> dict[str, Any]:
    """Return what --json prints."""
    return {
        "events": len(reduced.events),
        "lines_left_out": reduced.lines_left_out,
        "out_jsonl": str(places[0]) if places else None,
        "out_md": str(places[1]) if places else None,
        "parent_events": reduced.parent_events,
        "path": str(events),
        "reason": reduced.reason,
        "steps": reduced.steps,
    }


def print_result(reduced: "Reduced", places: tuple[Path, Path]) -> None:
    """Print the steps, the result, and where it is."""
    for step in reduced.steps:
        click.echo(step)
    click.echo(f"Result: events={len(reduced.events)}")
    if reduced.lines_left_out:
        print_warnings([f"{reduced.lines_left_out:,} lines are no events (type, whole ts_ms) and were left out"])
    click.echo(f"written   {places[0]} and {places[1]}")
