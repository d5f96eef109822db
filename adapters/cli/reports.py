"""The reports of the registry as commands have them: options, places, files; must never know one by name."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmfold.adapters.cli.places import check_report, new_directory
from mmfold.reports.registry import reports_of
from mmfold.reports.seam import EffectsReport, Feed, Report

if TYPE_CHECKING:
    import numpy as np

    from mmfold.engine.manifest import Manifest
    from mmfold.replay.result import ReplayResult

OF_REPLAY = (Feed.EFFECTS, Feed.RESULT)
PATH = click.Path(path_type=Path)


def report_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command an option for each report that a replay can make."""
    for report in reversed(reports_of(*OF_REPLAY)):
        metavar = "DIR" if report.files else "FILE"
        command = click.option(f"--{report.name}", metavar=metavar, type=PATH, help=report.help)(command)
    return command


def asked_reports(asked: Mapping[str, Any], *feeds: Feed) -> Iterator[tuple[Report, Path]]:
    """Yield the reports that were asked for, each with its place; a command need not know them all."""
    return ((report, asked[report.name]) for report in reports_of(*feeds) if asked.get(report.name) is not None)


def check_places(asked: Mapping[str, Any], inputs: Iterable[Path], force: bool) -> None:
    """Check that every report may be written where it was asked for.

    Raises: OutputRefused.
    """
    from mmfold.journal.files.outputs import check_files

    inputs, reports = tuple(inputs), list(asked_reports(asked, *OF_REPLAY))
    check_files([place for report, place in reports if not report.files], inputs=inputs, force=force)
    for report, place in reports:
        if report.files:
            check_report(place, report.files, inputs=inputs, force=force)


def open_writers(
    asked: Mapping[str, Any], manifest: "Manifest", outputs: ExitStack
) -> "list[Callable[[np.ndarray], None]]":
    """Begin the reports that are made while the replay runs, and return what takes its effects."""
    writers: list[Callable[[np.ndarray], None]] = []
    for report, place in asked_reports(asked, Feed.EFFECTS):
        begun: EffectsReport = report.load()(place, manifest)
        writers.append(outputs.enter_context(begun).write)
    return writers


def write_results(asked: Mapping[str, Any], result: "ReplayResult") -> dict[str, Path]:
    """Write the reports of a finished replay; returns the page to look at of those that are a directory, by name.

    Raises: OSError.
    """
    pages: dict[str, Path] = {}
    for report, place in asked_reports(asked, Feed.RESULT):
        make = partial(report.load(), result)
        if report.files:
            pages[report.name] = new_directory(place, make)
        else:
            make(place)
    return pages
