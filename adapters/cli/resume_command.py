"""`mm resume`: lift the stop of an account, or list those there are; must never lift one that was not named."""

from dataclasses import asdict

import click

from mmfold.adapters.cli.output import emit_json


@click.command(
    name="resume",
    epilog="Example: mm resume, then mm resume 3f9c2a7be1d04c55",
    short_help="Lift the stop of an account, or list those that are stopped.",
)
@click.argument("account", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(account: str | None, as_json: bool) -> None:
    """Lift the stop of an account, or list those that are stopped.

    A kill switch that was pulled (mm stop --now, SIGUSR1), or the limit of a day's loss, stops its account: no session
    of it starts any more, in any journal, until the stop is lifted here. Without ACCOUNT the stops are listed and
    nothing is changed.
    """
    from mmfold.adapters.live.account.account_stop import describe_stop, lift_stop, list_stops

    if account is None:
        stops = list(list_stops())
        if as_json:
            emit_json({"stopped": [asdict(stop) for stop in stops]})
            return
        for stop in stops:
            click.echo(f"{stop.account}  {describe_stop(stop)}")
        if not stops:
            click.echo("no account is stopped")
        return
    lifted = lift_stop(account)
    if lifted is None:
        raise click.UsageError(f"no account {account!r} is stopped: mm resume lists those that are")
    if as_json:
        emit_json({"lifted": asdict(lifted)})
    else:
        click.echo(f"lifted    {describe_stop(lifted)}")
