"""`mm alerts`: find out whether alerts reach a person, and list what there is to hear; must never print a secret."""

import asyncio
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmfold.adapters.cli.errors import EXIT_ERROR
from mmfold.adapters.cli.output import emit_json, print_table, print_warnings
from mmfold.adapters.cli.shared_options import AS_JSON

if TYPE_CHECKING:
    from mmfold.adapters.alerts.channel import Channel, Outcome


class NoChannel(Exception):
    """There is no way for an alert to go."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@click.group(name="alerts", help="Try the way that alerts take to you; list their kinds.")
def command() -> None:
    """Guard the process before anything is read."""
    from mmfold.adapters.crash import forbid_core_dumps
    from mmfold.adapters.logs import LEVELS, setup_logs

    level = os.environ.get("LOG_LEVEL", "")
    setup_logs(level if level in LEVELS else "WARNING")
    forbid_core_dumps()


@command.command(epilog="Example: mm alerts test --config mm.yaml")
@click.option("--config", "config_path", metavar="FILE", type=click.Path(path_type=Path), help="Configuration.")
@click.option("--profile", metavar="NAME", help="A profile of config/profiles.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one configuration key.")
@AS_JSON
def test(config_path: Path | None, profile: str | None, overrides: tuple[str, ...], as_json: bool) -> int:
    """Send one alert through every channel of a configuration, and say what came of each.

    Whatever alerts.min_severity is, it goes out, tried as often as in a session. Exit 1: a channel has failed, or there
    is none.
    """
    from mmfold.adapters.alerts.opening import open_channels
    from mmfold.config.load import load_config

    config = load_config(config_path, profile, overrides)
    print_warnings(config.warnings)
    channels = open_channels(config.alerts, os.environ)
    if not channels:
        raise NoChannel("no channel is set: neither alerts.exec nor alerts.webhook", "mm docs alerts")
    document, outcomes = asyncio.run(send_test(channels))
    if as_json:
        emit_json({"alert": document, "channels": [one.document() for one in outcomes]})
    else:
        print_outcomes(outcomes)
    return 0 if all(one.is_sent for one in outcomes) else EXIT_ERROR


async def send_test(channels: "tuple[Channel, ...]") -> "tuple[dict[str, Any], list[Outcome]]":
    """Send a test through all channels at the same time; returns it and what came of each."""
    from mmfold.adapters.alerts.channel import deliver
    from mmfold.adapters.alerts.document import Alert, Origin, encode, make_document
    from mmfold.adapters.alerts.kinds import KIND_OF, Happening

    alert = Alert(kind=KIND_OF[Happening.ALERT_TEST], ts_ns=time.time_ns())
    document = make_document(alert, Origin())
    outcomes = await asyncio.gather(*(deliver(channel, encode(document)) for channel in channels))
    return document, list(outcomes)


def print_outcomes(outcomes: "list[Outcome]") -> None:
    """Print what came of an alert on each channel."""
    rows = []
    for one in outcomes:
        result = "sent" if one.is_sent else "failed"
        rows.append((one.channel, result, str(one.attempts), f"{one.seconds:.2f}", one.reason or "-"))
    print_table(("channel", "outcome", "attempts", "s", "reason"), rows)


@command.command(name="list", epilog="Example: mm alerts list --json")
@AS_JSON
def list_command(as_json: bool) -> None:
    """List every kind of alert with its severity and what it says."""
    from mmfold.adapters.alerts.kinds import KINDS

    rows = [{"kind": one.name, "severity": one.severity.name.lower(), "text": one.text} for one in KINDS]
    if as_json:
        emit_json({"kinds": rows})
    else:
        print_table(("kind", "severity", "text"), [(one["kind"], one["severity"], one["text"]) for one in rows])
