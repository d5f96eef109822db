"""`mm freeze`: stop quoting one symbol, or all, of a running session; must never claim what was not said."""

from pathlib import Path

import click

from mmfold.adapters.cli.output import emit_json


@click.command(
    name="freeze",
    epilog="Example: mm freeze BTCUSDT --journal out/live",
    short_help="Stop quoting one symbol, or all, of a running session.",
)
@click.argument("symbol", required=False)
@click.option("--journal", required=True, metavar="DIR", type=click.Path(path_type=Path), help="What it writes to.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(symbol: str | None, journal: Path, as_json: bool) -> None:
    """Stop quoting one symbol, or all, of a running session.

    Its orders are cancelled, nothing is quoted until `mm unfreeze`, over restarts of the session too. The command is an
    event of the journal. A position is kept.
    """
    from mmfold.adapters.live.asking import ask_session

    answer = ask_session(journal, "freeze", symbol.upper() if symbol else None)
    if as_json:
        emit_json(answer)
    else:
        click.echo(f"frozen       {', '.join(answer['symbols'])}   event {answer['seq']:,} of {journal}")
