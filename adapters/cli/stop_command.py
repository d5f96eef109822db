"""`mm stop`: end a running session or recording, gently or at once; must never claim an end that it has not seen."""

from dataclasses import asdict
from pathlib import Path

import click

from mmfold.adapters.cli.errors import GateFailed
from mmfold.adapters.cli.output import emit_json


@click.command(
    name="stop",
    epilog="Example: mm stop --journal out/live",
    short_help="Stop a running mm live or mm record, gently or at once.",
)
@click.option("--journal", required=True, metavar="DIR", type=click.Path(path_type=Path), help="What it writes to.")
@click.option("--now", is_flag=True, help="Kill switch: cancel every order at once, by order entry and by REST.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(journal: Path, now: bool, as_json: bool) -> None:
    """Stop a running mm live or mm record, gently or at once.

    Waits until the process has ended, at most 35 s. Exit codes: 0 it ended and its journal is sealed, 1 nothing runs
    there, 2 it still runs or left no seal.
    """
    from mmfold.adapters.live.operator.stopping import stop_writer

    found = stop_writer(journal, now=now)
    if as_json:
        how = "now" if now else "graceful"
        run = {"seconds": round(found.seconds, 3)}
        emit_json({key: value for key, value in asdict(found).items() if key != "seconds"} | {"how": how, "run": run})
    elif found.sealed:
        click.echo(f"mm {found.command} (process {found.pid}) ended after {found.seconds:.1f} s, {journal} is sealed")
    if not found.ended:
        hint = "" if now else ", mm stop --now cancels at once"
        raise GateFailed(f"process {found.pid} still runs after {found.seconds:.0f} s{hint}")
    if not found.sealed:
        raise GateFailed(f"process {found.pid} ended, {journal} has no seal: look at its log, check the venue's orders")
