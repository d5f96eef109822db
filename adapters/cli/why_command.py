"""`mm why`: the causal chain of an event, an effect or an order, backwards and forwards; decides nothing."""

from pathlib import Path
from typing import Any

import click

from mmfold.adapters.cli.at_command import open_library
from mmfold.adapters.cli.output import emit_json
from mmfold.adapters.cli.shared_options import AS_JSON, of_replay

WIDTH = 110


@click.command(
    name="why",
    epilog="Example: mm why --events demo 303",
    short_help="Say why something was decided, and what came of it.",
)
@of_replay
@click.argument("target", metavar="SEQ|ORDER_ID", type=click.IntRange(0))
@click.option("--order", "is_order", is_flag=True, help="The number is an order id, whatever seqs there are.")
@AS_JSON
def command(events: Path, target: int, is_order: bool, as_json: bool, **asked: Any) -> None:
    """Say why something was decided, and what came of it.

    SEQ is an event or one of its effects. Backwards: the event, what the core saw, each gate with its figures, the
    parameters in force, since when and by whom. Forwards: answers, fills and markouts of the order. A number that no
    event has is an order's id.
    """
    library = open_library(events, asked)
    from mmfold.adapters.cli.replay_command import differences_told
    from mmfold.reports.parameters import parameters_in_force
    from mmfold.reports.why import story_document

    with differences_told(events):
        story = library.why(target, is_order=is_order, strategy=asked["strategy"] or "")
        params = parameters_in_force(library.manifest, library.at(story.seq).state)
    document = story_document(story, library.manifest, params)
    if as_json:
        emit_json(document)
    else:
        print_story(document["text"])


def print_story(lines: list[str]) -> None:
    """Print paragraphs; the steps of an order's life stay lines."""
    from textwrap import fill

    from mmfold.engine.printable import printable

    for line in map(printable, lines):
        click.echo(line if line.startswith(" ") else fill(line, WIDTH, break_long_words=False))
