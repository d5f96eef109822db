"""`mm diff`: where two journals part, or one under two configurations; must never compare anything itself."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmfold.adapters.cli.errors import GateFailed
from mmfold.adapters.cli.interpreted import events_bytes
from mmfold.adapters.cli.journal_path import READ_JOURNAL
from mmfold.adapters.cli.output import emit_json, print_table, print_warnings, progress
from mmfold.adapters.cli.shared_options import AS_JSON

if TYPE_CHECKING:
    from mmfold.replay.debug.difference import Difference
    from mmfold.replay.debug.library import Library

SETTING_ROWS_MAX = 12  # on the terminal; --json has all


@click.command(
    name="diff",
    epilog="Example: mm diff out/bt --set strategy.skew_coeff=0.5",
    short_help="Show where two journals part, or one under two configurations.",
)
@click.argument("a", metavar="A", type=READ_JOURNAL)
@click.argument("b", metavar="[B]", type=READ_JOURNAL, required=False)
@click.option("--config", "config_path", metavar="FILE", type=click.Path(path_type=Path), help="Replaces B's.")
@click.option("--profile", metavar="NAME", help="A profile of config/profiles for B, such as grid.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one key of B's configuration.")
@click.option("--strategy", metavar="FILE:FUNCTION", help="The strategy file that the journals were made with.")
@AS_JSON
def command(a: Path, b: Path | None, as_json: bool, **asked: Any) -> None:
    """Show where two journals part, or one under two configurations.

    Without B it is A again, under what --config, --profile and --set lay over its configuration. Market events are
    aligned by what they say, not by seq. Named are the first decision and answer that differ, the state's fields that
    differ then, counts by instrument and kind, and both PnLs. The exit code is 2 when anything differs.
    """
    if b is None and not (asked["config_path"] or asked["profile"] or asked["overrides"]):
        raise click.UsageError("one journal under one configuration: give B, or --config, --profile or --set")
    from mmfold.adapters.cli.replay_command import prepare

    prepare(max(a, b or a, key=events_bytes), 1, asked["strategy"])
    from mmfold.reports.difference import difference_document

    difference = compare(*open_sides(a, b or a, asked))
    document = difference_document(difference)
    if as_json:
        emit_json(document)
    else:
        laid = [*asked["overrides"], *(str(asked[key]) for key in ("profile", "config_path") if asked[key])]
        print_difference(f"A {a}   B {b or a}{' under ' if laid else ''}{' '.join(laid)}", document)
    if difference.differs:
        raise GateFailed


def open_sides(a: Path, b: Path, asked: dict[str, Any]) -> "tuple[Library, Library]":
    """Open both sides, with what was asked for laid over B's configuration.

    Raises: ConfigError, JournalError.
    """
    from mmfold.adapters.cli.replay_command import replay_options
    from mmfold.config.params import unused_settings
    from mmfold.replay.debug.library import open_journal

    options = replay_options({**asked, "seq_from": 0, "until": None}, b)
    sides = open_journal(a), open_journal(b, options)
    if options.config is not None:
        print_warnings(unused_settings(options.config, sides[1].manifest))
    return sides


def compare(a: "Library", b: "Library") -> "Difference":
    """Compare both sides to their ends.

    Raises: GateFailed where a journal is not what its own core decides; NotComparable, JournalError.
    """
    from mmfold.adapters.cli.replay_command import difference_text, digest_text
    from mmfold.engine.core import WitnessDiffers
    from mmfold.replay.debug.told import NotItsOwn

    try:
        with progress(a.source.row_count, "diff", "rows") as report:
            return a.diff(b, report)
    except NotItsOwn as error:
        side = a if error.path == a.path else b
        cause = error.cause
        told = difference_text(cause, side.manifest) if isinstance(cause, WitnessDiffers) else digest_text(cause)
        raise GateFailed(f"{error.path} is not what its own core decides: {told}") from None


def print_difference(sides: str, document: dict[str, Any]) -> None:
    """Print the first difference, then the tables."""
    from mmfold.reports.difference import (
        COUNT_COLUMNS,
        PNL_COLUMNS,
        count_rows,
        difference_lines,
        pnl_rows,
        verdict_text,
    )

    market = document["market"]
    click.echo(f"mm diff  {sides}")
    click.echo(
        f"{verdict_text(document)}   {market['both']:,} market events aligned, only in A {market['a_only']:,}, "
        f"only in B {market['b_only']:,}"
    )
    for line in difference_lines(document):
        click.echo(line)
    settings = list(document["settings"].items())
    for name, (before, after) in settings[:SETTING_ROWS_MAX]:
        click.echo(f"  set  {name} {'-' if before is None else before} -> {'-' if after is None else after}")
    if len(settings) > SETTING_ROWS_MAX:
        click.echo(f"  set  and {len(settings) - SETTING_ROWS_MAX} more (--json)")
    for note in document["notes"]:
        click.echo(f"note: {note}")
    click.echo()
    print_table(("symbol", "kind", *COUNT_COLUMNS), count_rows(document), "Decisions and answers")
    print_table(("symbol", "currency", "of", *PNL_COLUMNS), pnl_rows(document), "PnL; fees and funding positive = paid")
