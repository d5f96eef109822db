"""Directories that a command makes for its outputs; must never make one without saying so."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import click

T = TypeVar("T")


def check_report(directory: Path, names: Iterable[str], *, inputs: Iterable[Path], force: bool) -> None:
    """Check that the files of a report may be written to a directory, which need not be there yet.

    Raises: OutputRefused.
    """
    from mmfold.journal.errors import OutputRefused
    from mmfold.journal.files.outputs import CHOOSE, check_apart, check_files, is_journal

    inputs = tuple(inputs)
    if directory.exists() and not directory.is_dir():
        raise OutputRefused(directory, "expected a place for a directory, found a file", hint=CHOOSE)
    if is_journal(directory):
        raise OutputRefused(directory, "is a journal", hint="choose a place outside of it")
    check_apart(directory / "report", inputs)
    if directory.exists():
        check_files([directory / name for name in names], inputs=inputs, force=force)


def new_directory(directory: Path, work: Callable[[Path], T]) -> T:
    """Make a directory with its parents, work in it, and say on stderr which parents were made.

    Raises: OSError.
    """
    from mmfold.journal.files.outputs import make_directory

    made = make_directory(directory)
    result = work(directory)
    tell_made(made[:-1])
    return result


def tell_made(made: list[Path]) -> None:
    """Say which directories were made on the way to the one that was asked for."""
    if made:
        click.echo(f"made      {made[-1]}, which was not there", err=True)


def keep_private() -> None:
    """Let what this command makes from here on be the user's alone: files 0600, directories 0700."""
    before = os.umask(0o077)
    click.get_current_context().call_on_close(lambda: os.umask(before))


def check_journal_place(path: Path) -> None:
    """Check that a session may write its journal there, and say which directories it makes on the way.

    Raises: OutputRefused, OSError.
    """
    from mmfold.journal.errors import OutputRefused
    from mmfold.journal.files.outputs import CHOOSE, check_apart, make_directory

    check_apart(path, ())
    if path.exists() and not path.is_dir():
        raise OutputRefused(path, "expected a place for a journal directory, found a file", hint=CHOOSE)
    tell_made(make_directory(path.parent))
