"""`mm freeze`, `mm unfreeze`: pause and quote one symbol of a running session; must never claim what was not said."""

from pathlib import Path

import click

from mmfold.adapters.cli.output import emit_json
from mmfold.adapters.cli.shared_options import AS_JSON, OF_SESSION


def ask(command: str, said: str, symbol: str | None, journal: Path, *, as_json: bool) -> None:
    """Have the session carry out a command and say what it said."""
    from mmfold.adapters.live.operator.asking import ask_session

    answer = ask_session(journal, command, symbol.upper() if symbol else None)
    if as_json:
        emit_json(answer)
    else:
        click.echo(f"{said:13}{', '.join(answer['symbols'])}   event {answer['seq']:,} of {journal}")


@click.command(
    epilog="Example: mm freeze BTCUSDT --journal out/live",
    short_help="Stop quoting one symbol, or all, of a running session.",
)
@click.argument("symbol", required=False)
@OF_SESSION
@AS_JSON
def freeze(symbol: str | None, journal: Path, as_json: bool) -> None:
    """Stop quoting one symbol, or all, of a running session.

    Its orders are cancelled, nothing is quoted until `mm unfreeze`, over restarts of the session too. The command is an
    event of the journal. A position is kept.
    """
    ask("freeze", "frozen", symbol, journal, as_json=as_json)


@click.command(
    epilog="Example: mm unfreeze BTCUSDT --journal out/live",
    short_help="Quote one symbol, or all, of a running session again.",
)
@click.argument("symbol", required=False)
@OF_SESSION
@AS_JSON
def unfreeze(symbol: str | None, journal: Path, as_json: bool) -> None:
    """Quote one symbol, or all, of a running session again.

    Lifts what `mm freeze` asked for. A symbol that is kept flat because the venue's position is not explained is not
    lifted. The command is an event of the journal.
    """
    ask("unfreeze", "quoted again", symbol, journal, as_json=as_json)
