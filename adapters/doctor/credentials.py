"""The keys of a venue in the preflight: are they there, how old, does the venue take them; must never show a value."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from mmfold.adapters.doctor.check import Check, Status, fail, ok, warn
from mmfold.adapters.doctor.venue import Endpoint, SignedDoor, check_accepted, check_one_way
from mmfold.adapters.requirements import missing_requirement
from mmfold.adapters.secrets.backend import Stored, rotation_warning
from mmfold.adapters.secrets.environment import FIELDS, PREFIX, make_key, resolve_environment
from mmfold.adapters.secrets.errors import SecretError, SecretNotFound
from mmfold.adapters.secrets.registry import open_backend
from mmfold.adapters.venues.order_port import with_orders
from mmfold.adapters.venues.port import Credentials, NativeVenue

MODES_THAT_TRADE = ("testnet", "live")


class Door(NamedTuple):
    """Where keys are tried, for which symbols; without an offset the venue does not answer."""

    venue: NativeVenue
    endpoint: Endpoint
    offset_ns: int | None
    symbols: Sequence[str]


def check_credentials(mode: str, environ: Mapping[str, str], door: Door, now: datetime) -> list[Check]:
    """Look for the keys and try them; a mode that sends nothing is only warned of what is wrong with them."""
    venue = door.venue.name
    if not door.venue.capabilities.order_entry:
        return [check_unneeded(mode, venue)]
    secret_env = resolve_environment(environ).secret_env
    path = f"{PREFIX}/{secret_env}/{venue}"
    stored: dict[str, Stored] = {}
    found: list[Check] = []
    try:
        backend = open_backend(environ)
        for field in FIELDS:
            try:
                stored[field] = backend.fetch(make_key(secret_env, venue, field))
            except SecretNotFound as error:
                hint = f"mm secrets save {venue} {field}, and SECRETS_BACKEND as it was then"
                found.append(fail("credentials", f"missing_secret:{field}", str(error), hint))
    except SecretError as error:
        hint = error.hint or "mm secrets whoami says more"
        found = [fail("credentials", "secrets_backend", str(error), hint)]
    except ModuleNotFoundError as error:
        requirement = missing_requirement(error)
        if requirement is None:
            raise
        text = f"the backend needs {requirement.name}, which is not installed"
        found = [fail("credentials", "secrets_backend", text, requirement.install)]
    if mode not in MODES_THAT_TRADE and not stored and all(one.token.startswith("missing_secret") for one in found):
        return [ok("credentials", f"{path}: none kept, and none needed: mode {mode} sends nothing")]
    if len(stored) == len(FIELDS):
        for one in stored.values():
            if line := rotation_warning(one.key, one.saved_at, now):
                found.append(warn("credentials", f"rotation_due:{one.key.field}", line, "make a new key at the venue"))
        if door.offset_ns is None:
            found.append(ok("credentials", f"{path}: kept, not tried: the venue does not answer"))
        else:
            keys = Credentials(stored["api_key"].value, stored["api_secret"].value)
            signed = SignedDoor(with_orders(door.venue), door.endpoint, keys, door.offset_ns)
            accepted = check_accepted(signed, path)
            found.append(accepted)
            if accepted.status is Status.OK:
                found += check_one_way(signed, door.symbols)
    return found if mode in MODES_THAT_TRADE else [soften(one) for one in found]


def check_unneeded(mode: str, venue: str) -> Check:
    """Judge a mode at a venue that mm has the market of alone."""
    if mode in MODES_THAT_TRADE:
        text = f"mode {mode}, but mm sends no orders to {venue}"
        return fail("credentials", f"no_order_entry:{venue}", text, "use --mode paper or shadow")
    return ok("credentials", f"not needed for this venue: mm has the market of {venue}, and no order entry")


def soften(check: Check) -> Check:
    """Return a fault as a warning."""
    return replace(check, status=Status.WARN) if check.status is Status.FAIL else check
