"""A journal that a command only reads, by its path or by the word for the bundled one; must never name an output."""

from pathlib import Path
from typing import Any

import click

from mmfold.adapters.bundled import WORD, journal_named


class JournalPath(click.Path):
    """A path of a journal in any form; `demo` is the bundled journal where nothing of that name exists."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path that was meant."""
        path = super().convert(value, param, ctx)
        return journal_named(WORD) if value == WORD else path


READ_JOURNAL = JournalPath()
