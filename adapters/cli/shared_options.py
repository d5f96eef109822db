"""Options that several commands have alike: one spelling, one help text; must never import more than click."""

import math
from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from typing import Any

import click

from mmfold.adapters.cli.journal_path import READ_JOURNAL


class NumberRange(click.FloatRange):
    """A range of numbers; click's own lets nan through, which is in no range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number, or fail with the range."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is not in the range {self._describe_range()}.", param, ctx)
        return number


AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
EVENTS = partial(click.option, "--events", metavar="PATH", type=READ_JOURNAL, help="Journal, any form; demo: bundled.")
OF_SESSION = click.option(
    "--journal", required=True, metavar="DIR", type=click.Path(path_type=Path), help="Where the session writes."
)


def of_replay(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command what a replay is of: a journal, and what is laid over its configuration."""
    return laid_over(EVENTS(required=True)(command))


def of_replay_or_path(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the same, its journal by --events or as the only argument."""

    @wraps(command)
    def call(*, events: Path | None, path: Path | None, **asked: Any) -> Any:
        if (events is None) == (path is None):
            raise click.UsageError("give one journal: --events PATH")
        return command(events=events or path, **asked)

    return laid_over(EVENTS()(click.argument("path", required=False, type=READ_JOURNAL)(call)))


def laid_over(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command what is laid over a journal's configuration."""
    for option in reversed(
        (
            click.option(
                "--config",
                "config_path",
                metavar="FILE",
                type=click.Path(path_type=Path),
                help="Replaces the journal's.",
            ),
            click.option("--profile", metavar="NAME", help="A profile of config/profiles, such as grid."),
            click.option(
                "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one configuration key."
            ),
            click.option(
                "--strategy", metavar="FILE:FUNCTION", help="The strategy file that the journal was made with."
            ),
        )
    ):
        command = option(command)
    return command
