"""`mm unfreeze`: quote one symbol, or all, of a running session again; must never claim what was not said."""

from pathlib import Path

import click

from mmfold.adapters.cli.output import emit_json


@click.command(
    name="unfreeze",
    epilog="Example: mm unfreeze BTCUSDT --journal out/live",
    short_help="Quote one symbol, or all, of a running session again.",
)
@click.argument("symbol", required=False)
@click.option("--journal", required=True, metavar="DIR", type=click.Path(path_type=Path), help="What it writes to.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(symbol: str | None, journal: Path, as_json: bool) -> None:
    """Quote one symbol, or all, of a running session again.

    Lifts what `mm freeze` asked for. A symbol that is kept flat because the venue's position is not explained is not
    lifted. The command is an event of the journal.
    """
    from mmfold.adapters.live.asking import ask_session

    answer = ask_session(journal, "unfreeze", symbol.upper() if symbol else None)
    if as_json:
        emit_json(answer)
    else:
        click.echo(f"quoted again {', '.join(answer['symbols'])}   event {answer['seq']:,} of {journal}")
