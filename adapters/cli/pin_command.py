"""`mm pin`, `mm unpin`: keep a parameter of a running session at a value; must never claim what was not said."""

from pathlib import Path

import click

from mmfold.adapters.cli.output import emit_json
from mmfold.adapters.cli.shared_options import AS_JSON, OF_SESSION


@click.command(
    epilog="Example: mm pin BTCUSDT strategy.levels_per_side=1 --journal out/live",
    short_help="Keep settings of one symbol at a value, whatever policies say.",
)
@click.argument("symbol")
@click.argument("settings", nargs=-1, required=True, metavar="KEY=VALUE...")
@OF_SESSION
@AS_JSON
def pin(symbol: str, settings: tuple[str, ...], journal: Path, as_json: bool) -> None:
    """Keep settings of one symbol at a value, whatever policies say.

    A pin beats every policy and later configurations until `mm unpin`, over restarts of the session too; never a
    freeze, a kill or a hard cap. The command is an event of the journal.
    """
    from mmfold.adapters.live.operator.asking import ask_session

    answer = ask_session(journal, "pin", symbol.upper(), settings=list(settings))
    if as_json:
        emit_json(answer)
        return
    click.echo(f"pinned       {answer['symbol']}  {', '.join(settings)}   event {answer['seq']:,} of {journal}")


@click.command(
    epilog="Example: mm unpin BTCUSDT strategy.levels_per_side --journal out/live",
    short_help="Release pins of one symbol, those of some keys or all.",
)
@click.argument("symbol")
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@OF_SESSION
@AS_JSON
def unpin(symbol: str, keys: tuple[str, ...], journal: Path, as_json: bool) -> None:
    """Release pins of one symbol, those of some keys or all.

    What policies say counts again, over the configuration as it is by now. The command is an event of the journal.
    """
    from mmfold.adapters.live.operator.asking import ask_session

    answer = ask_session(journal, "unpin", symbol.upper(), keys=list(keys))
    if as_json:
        emit_json(answer)
        return
    names = ", ".join(keys) or "all"
    click.echo(f"released     {answer['symbol']}  {names}   event {answer['seq']:,} of {journal}")
