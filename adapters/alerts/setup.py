"""Channels from what their `setup` says, for the courier: it has no configuration and needs none."""

from collections.abc import Mapping
from typing import Any

from mmfold.adapters.alerts.channel import Channel
from mmfold.adapters.alerts.program import Program
from mmfold.adapters.alerts.webhook import Webhook
from mmfold.adapters.secrets.value import Secret


def from_setup(setup: Mapping[str, Mapping[str, Any]]) -> dict[str, Channel]:
    """Return channels by name from what their `setup` said."""
    found: dict[str, Channel] = {}
    if (one := setup.get(Program.name)) is not None:
        found[Program.name] = Program(tuple(one["words"]), one["timeout_s"])
    if (one := setup.get(Webhook.name)) is not None:
        token = None if one["token"] is None else Secret(one["token"])
        found[Webhook.name] = Webhook(Secret(one["url"]), token, one["timeout_s"])
    return found
