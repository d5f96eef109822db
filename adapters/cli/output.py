"""What `mm` prints: one JSON object, tables, progress; must never write anything but results to stdout."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from mmfold.adapters.cli.interrupts import check_interrupts
from mmfold.engine.printable import printable

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from mmfold.config.aliases import AliasTable

PROGRESS_AFTER_S = 1.0
PIPE_WIDTH_CHARS = 160  # a pipe has no width: wide enough that no figure is cut


def emit_json(document: Any, names: "AliasTable | None" = None) -> None:
    """Write one machine-readable document to stdout: sorted keys, one line, LF; renamed keys under both names."""
    import orjson

    from mmfold.config.aliases import ALIASES

    context = click.get_current_context(silent=True)
    if context is not None:
        document = (names or ALIASES).with_old_keys(context.command_path, document)
    options = orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY
    sys.stdout.flush()
    sys.stdout.buffer.write(orjson.dumps(document, option=options))
    sys.stdout.buffer.flush()


def print_warnings(warnings: Iterable[str]) -> None:
    """Print each warning as one line of the error stream."""
    for line in warnings:
        click.echo(f"warning: {printable(line)}", err=True)


def format_number(value: int | float | str | Decimal, places: int | None = None) -> str:
    """Return a number with separators between thousands, exact unless `places` are asked for.

    Units: a decimal string keeps the digits it has.
    """
    number = Decimal(value) if isinstance(value, str) else value
    return f"{number:,}" if places is None else f"{number:,.{places}f}"


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> None:
    """Print a table to stdout, numbers flush right; a unit belongs in its column's header."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from mmfold.reports.fitted import print_fitted

    table = Table(title=title or None, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for index, column in enumerate(columns):
        is_numeric = bool(rows) and all(is_number(row[index]) for row in rows)
        table.add_column(column, justify="right" if is_numeric else "left", no_wrap=is_numeric)
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))  # Text: a symbol such as [PERP] is not markup
    width = None if sys.stdout.isatty() else PIPE_WIDTH_CHARS
    print_fitted(Console(file=sys.stdout, width=width, highlight=False), table)


def is_number(text: str) -> bool:
    """Tell whether a cell holds a number, or the dash that stands for none."""
    digits = text.replace(",", "").replace(".", "", 1).lstrip("+-").rstrip("%")
    return digits.isdigit() or text in ("", "-")


@contextmanager
def progress(total: int | None, label: str, unit: str) -> Iterator[Callable[[int], None]]:
    """Yield `report(done)`, which draws rate and time left on a terminal once the work has taken a second.

    It also ends the work when a signal asked for that.
    Units: `total` and `done` count `unit`s; a `total` of None means that the end is not known.
    """
    if not sys.stderr.isatty():
        yield lambda done: check_interrupts()
        return
    bar = ProgressBar(total, label, unit)
    try:
        yield bar.report
    finally:
        bar.stop()


class ProgressBar:
    """A bar on stderr that appears late, so that short work stays quiet."""

    def __init__(self, total: int | None, label: str, unit: str) -> None:
        self.total, self.label, self.unit = total, label, unit
        self.started_s = time.monotonic()
        self.drawn: tuple[Progress, TaskID] | None = None

    def report(self, done: int) -> None:
        """Show that `done` units are finished."""
        check_interrupts()
        elapsed_s = time.monotonic() - self.started_s
        if self.drawn is None and elapsed_s >= PROGRESS_AFTER_S:
            self.drawn = self.start()
        if self.drawn is not None:
            bar, task = self.drawn
            bar.update(task, completed=done, rate=f"{done / elapsed_s:,.0f} {self.unit}/s")

    def start(self) -> "tuple[Progress, TaskID]":
        """Draw the bar for the first time."""
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[rate]}"))
        bar = Progress(*columns, TimeRemainingColumn(), console=Console(file=sys.stderr), transient=True)
        bar.start()
        return bar, bar.add_task(self.label, total=self.total, rate="")

    def stop(self) -> None:
        """Take the bar off the terminal."""
        if self.drawn is not None:
            self.drawn[0].stop()
