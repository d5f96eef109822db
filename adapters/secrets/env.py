"""Backend `env`: files that an orchestrator mounts, then variables; must never be written, its owner is outside.

A variable is looked for in this order (spec/control.md 25): the file that `<VAR>_FILE` names, `/run/secrets/<var>` in
small letters, the variable itself, a default. Better a file than a variable: children inherit those.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from mmfold.adapters.secrets.backend import Listed, Stored
from mmfold.adapters.secrets.environment import EXCHANGE, FIELDS, SecretKey
from mmfold.adapters.secrets.errors import BackendFailed, NotWritable, SecretNotFound
from mmfold.adapters.secrets.value import VALUE_BYTES_MAX, Secret, decode_value

RUN_SECRETS = Path("/run/secrets")
PLAIN_EXCHANGES = ("binance", "bybit")  # whose variables may also stand without MM_
NAME = re.compile(rf"(?:MM_)?(?P<exchange>[A-Z][A-Z0-9_]*?)_(?P<field>{'|'.join(FIELDS).upper()})(?:_FILE)?")


class Found(NamedTuple):
    """A variable's text, and when it came if a file can tell."""

    text: str
    saved_at: datetime | None


def read_variable(
    variable: str, environ: Mapping[str, str], run_secrets: Path = RUN_SECRETS, default: str | None = None
) -> Found | None:
    """Return what a variable stands for, or None where nobody set it and there is no default.

    Raises: BackendFailed for a named file that cannot be read: falling back would hide the mistake.
    """
    named = environ.get(f"{variable}_FILE")
    if named:
        return read_small(Path(named), f"{variable}_FILE")
    mounted = run_secrets / variable.lower()
    if mounted.is_file():
        return read_small(mounted, variable)
    if environ.get(variable):
        return Found(environ[variable], None)
    return None if default is None else Found(default, None)


def read_small(path: Path, variable: str) -> Found:
    """Return the text of a file of at most VALUE_BYTES_MAX."""
    try:
        with path.open("rb") as file:
            data = file.read(VALUE_BYTES_MAX + 1)
            modified_s = os.fstat(file.fileno()).st_mtime
    except OSError as error:
        raise BackendFailed(f"{variable}: {path}: {error.strerror}", "check the mount and its permissions") from None
    if len(data) > VALUE_BYTES_MAX:
        raise BackendFailed(f"{variable}: {path}: longer than {VALUE_BYTES_MAX:,} bytes")
    return Found(decode_value(data), datetime.fromtimestamp(modified_s, UTC))


class EnvBackend:
    """Secrets that whoever started the process gave to it; the same ones whatever EXCHANGE_ENV says."""

    name = "env"

    def __init__(self, environ: Mapping[str, str], run_secrets: Path = RUN_SECRETS) -> None:
        self.environ, self.run_secrets = environ, run_secrets

    def check(self) -> None:
        """Read what is set.

        Raises: BackendFailed for a named file that cannot be read.
        """
        for variable in self.variables():
            read_variable(variable, self.environ, self.run_secrets)

    def fetch(self, key: SecretKey) -> Stored:
        """Return one secret."""
        names = variables_of(key.exchange, key.field)
        for variable in names:
            found = read_variable(variable, self.environ, self.run_secrets)
            if found is not None:
                return Stored(key, Secret(found.text), found.saved_at)
        raise SecretNotFound(f"{key.path}: {names[0]} is not set", f"set {names[0]}_FILE to a file that holds it")

    def write(self, key: SecretKey, value: Secret, now: datetime) -> None:
        """Refuse.

        Raises: NotWritable.
        """
        variable = variables_of(key.exchange, key.field)[0]
        raise NotWritable(
            f"{key.path}: the env backend can only be read", f"change the file that {variable}_FILE names"
        )

    def names(self, secret_env: str) -> Iterable[Listed]:
        """Return the names of what is set; the environment is that of the process."""
        found: dict[SecretKey, Listed] = {}
        for variable in self.variables():
            match = NAME.fullmatch(variable)
            one = read_variable(variable, self.environ, self.run_secrets)
            if match and one:
                key = SecretKey(secret_env, match["exchange"].lower(), match["field"].lower())
                found.setdefault(key, Listed(key, one.saved_at))
        return found.values()

    def variables(self) -> Iterator[str]:
        """Yield the variables of ours that are set in any way, MM_ before plain ones."""
        mounted = [path.name.upper() for path in self.run_secrets.iterdir()] if self.run_secrets.is_dir() else []
        for name in sorted({*self.environ, *mounted}, key=lambda name: (not name.startswith("MM_"), name)):
            match = NAME.fullmatch(name)
            if match is None or not EXCHANGE.fullmatch(match["exchange"].lower()):
                continue
            if name.startswith("MM_") or match["exchange"].lower() in PLAIN_EXCHANGES:
                yield name.removesuffix("_FILE")


def variables_of(exchange: str, field: str) -> tuple[str, ...]:
    """Return the variables that may hold a secret, in the order they are asked for."""
    plain = f"{exchange}_{field}".upper()
    return (f"MM_{plain}", plain) if exchange in PLAIN_EXCHANGES else (f"MM_{plain}",)
