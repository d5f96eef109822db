"""`mm at`: the state of a journal right after one event; decides nothing."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmfold.adapters.cli.moments import parse_time
from mmfold.adapters.cli.output import emit_json, format_number, print_table
from mmfold.adapters.cli.shared_options import AS_JSON, of_replay

if TYPE_CHECKING:
    from mmfold.replay.debug.library import Library

WIDTH = 110
ORDER_LINE_MAX = 64
EFFECT_LINE_MAX = 20


@click.command(
    name="at",
    epilog="Example: mm at --events demo --seq 300",
    short_help="Show the state of a journal right after one event.",
)
@of_replay
@click.option("--seq", metavar="N", type=click.IntRange(0), help="This event, or the one that decided this effect.")
@click.option("--time", "time_text", metavar="TIME", help="The last event received by then; ISO, or ns since 1970.")
@AS_JSON
def command(events: Path, seq: int | None, time_text: str | None, as_json: bool, **asked: Any) -> None:
    """Show the state of a journal right after one event.

    Book with own orders, position, PnL, what keeps quotes off, parameters in force and by whom; without --seq and
    --time the last event. The journal is replayed from the nearest checkpoint, verified and compared on the way, and
    leaves checkpoints in its directory.
    """
    if seq is not None and time_text is not None:
        raise click.UsageError("--seq and --time both name a moment: give one")
    ts_ns = parse_time(time_text, "--time")
    library = open_library(events, asked)
    from mmfold.adapters.cli.replay_command import differences_told
    from mmfold.reports.moment import moment_document

    with differences_told(events):
        moment = library.at(seq, ts_ns)

    document = moment_document(moment)
    if as_json:
        emit_json(document)
    else:
        print_moment(document)


def open_library(events: Path, asked: dict[str, Any]) -> "Library":
    """Open a journal to be looked into, with what was asked for laid over its configuration.

    Raises: StrategyRefused, ConfigError, JournalError.
    """
    from mmfold.adapters.cli.replay_command import prepare, replay_options

    prepare(events, 1, asked["strategy"])
    from mmfold.replay.debug.library import open_journal

    return open_journal(events, replay_options({**asked, "seq_from": 0, "until": None}, events))


def print_moment(document: dict[str, Any]) -> None:
    """Print the event, what it decided, and each symbol."""
    from rich.console import Console

    from mmfold.reports.moment import event_text
    from mmfold.reports.top.lines import symbol_lines

    console = Console(highlight=False, width=WIDTH)
    event = document["event"]
    click.echo(f"seq {document['seq']:,}  {document['ts'] or '-'}  {event_text(event)}")
    for effect in document["effects"][:EFFECT_LINE_MAX]:
        click.echo(f"  {effect['seq']:>12,}  {effect['text']}")
    more = len(document["effects"]) - EFFECT_LINE_MAX
    if more > 0:
        click.echo(f"  and {more:,} more: --json has them all")
    elif not document["effects"]:
        click.echo("  decided nothing")
    for name, symbol in document["symbols"].items():
        for line in symbol_lines(name, symbol, WIDTH, ORDER_LINE_MAX):
            console.print(line, no_wrap=True, crop=False)
        changed = [one for one in symbol["params"] if one["base"] != one["effective"]]
        if changed:
            rows = [(one["key"], *map(format_number, (one["base"], one["effective"])), one["by"]) for one in changed]
            print_table(("parameter", "base", "in force", "by"), rows, "parameters that are not the operator's")
