"""Which secrets this process is for, and what they are called; must never guess towards the real venue."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from mmfold.adapters.secrets.errors import SecretError

PREFIX = "mm-bot"
FIELDS = ("api_key", "api_secret")
SECRET_ENV_BY_EXCHANGE_ENV = {"shadow": "dev", "testnet": "testnet", "live": "prod"}
EXCHANGE_ENV_DEFAULT = "shadow"
EXCHANGE_TEXT = r"[a-z](?:[a-z0-9_]{0,30}[a-z0-9])?"
EXCHANGE = re.compile(EXCHANGE_TEXT)
PATH = re.compile(rf"{PREFIX}/({'|'.join(SECRET_ENV_BY_EXCHANGE_ENV.values())})/({EXCHANGE_TEXT})/({'|'.join(FIELDS)})")


class Environment(NamedTuple):
    """`EXCHANGE_ENV`, the part of a key's path that it stands for, and what was wrong with it."""

    exchange_env: str
    secret_env: str
    warnings: tuple[str, ...] = ()


class SecretKey(NamedTuple):
    """The name of one secret."""

    secret_env: str
    exchange: str
    field: str

    @property
    def path(self) -> str:
        """Return the name as backends have it."""
        return f"{PREFIX}/{self.secret_env}/{self.exchange}/{self.field}"


def resolve_environment(environ: Mapping[str, str]) -> Environment:
    """Return what EXCHANGE_ENV asks for, to the letter; anything else is shadow, with a warning."""
    given = environ.get("EXCHANGE_ENV", "")
    if given in SECRET_ENV_BY_EXCHANGE_ENV:
        return Environment(given, SECRET_ENV_BY_EXCHANGE_ENV[given])
    fallback = Environment(EXCHANGE_ENV_DEFAULT, SECRET_ENV_BY_EXCHANGE_ENV[EXCHANGE_ENV_DEFAULT])
    if not given:
        return fallback
    known = ", ".join(SECRET_ENV_BY_EXCHANGE_ENV)
    shown = given if given.lower() in SECRET_ENV_BY_EXCHANGE_ENV else "what it is set to"
    return fallback._replace(
        warnings=(f"EXCHANGE_ENV: {shown} is none of {known} (case matters); taken as {EXCHANGE_ENV_DEFAULT}",)
    )


def make_key(secret_env: str, exchange: str, field: str) -> SecretKey:
    """Return a key.

    Raises: SecretError for a word that cannot be part of one; it is not told: a value may stand there.
    """
    if not EXCHANGE.fullmatch(exchange):
        raise SecretError("EXCHANGE is a venue's name in small letters", "for example: bybit")
    if field not in FIELDS:
        raise SecretError(f"FIELD is {' or '.join(FIELDS)}", "the value itself is asked for, or read from stdin")
    return SecretKey(secret_env, exchange, field)


def parse_path(path: str) -> SecretKey | None:
    """Return the key that a backend's name stands for, or None for a name that is not ours."""
    found = PATH.fullmatch(path)
    return SecretKey(*found.groups()) if found else None
