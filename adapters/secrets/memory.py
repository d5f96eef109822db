"""Backend `memory`: fakes from MM_FAKE_SECRETS_JSON, for tests and dry runs; must never write anywhere."""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime

from mmfold.adapters.secrets.backend import Listed, Stored
from mmfold.adapters.secrets.environment import SecretKey, parse_path
from mmfold.adapters.secrets.errors import BackendFailed, SecretError, SecretNotFound
from mmfold.adapters.secrets.value import Secret

VARIABLE = "MM_FAKE_SECRETS_JSON"
EXAMPLE = f'for example: {VARIABLE}=\'{{"mm-bot/dev/bybit/api_key": "..."}}\''


class MemoryBackend:
    """Secrets of this process; what is written is gone with it."""

    name = "memory"

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Read the fakes.

        Raises: BackendFailed for a document that is no mapping of keys to texts.
        """
        self.stored = {key: Stored(key, value, None) for key, value in parse_fakes(environ.get(VARIABLE, "")).items()}

    def check(self) -> None:
        """Do nothing: what was to be found out is known since it was made."""

    def fetch(self, key: SecretKey) -> Stored:
        """Return one secret."""
        if key not in self.stored:
            raise SecretNotFound(f"{key.path} is not in {VARIABLE}", EXAMPLE)
        return self.stored[key]

    def write(self, key: SecretKey, value: Secret, now: datetime) -> None:
        """Keep a value until the process ends."""
        self.stored[key] = Stored(key, value, now)

    def names(self, secret_env: str) -> Iterable[Listed]:
        """Return the names of one environment."""
        return [Listed(key, one.saved_at) for key, one in self.stored.items() if key.secret_env == secret_env]


def parse_fakes(text: str) -> dict[SecretKey, Secret]:
    """Return the secrets of the document; its own text, which holds them, is in no error."""
    if not text:
        return {}
    document = None
    with suppress(ValueError, RecursionError):  # raised from in there, ours would carry the document along
        document = json.loads(text)
    if not isinstance(document, dict):
        raise BackendFailed(f"{VARIABLE} is no JSON object", EXAMPLE)
    found = {}
    for number, (path, value) in enumerate(document.items(), start=1):
        key = parse_path(path)
        if key is None or not isinstance(value, str):
            what = "is no text" if key else "has a name that is none of ours"
            raise BackendFailed(f"{VARIABLE}: entry {number} {what}", EXAMPLE)
        try:
            found[key] = Secret(value)
        except SecretError as error:
            raise BackendFailed(f"{VARIABLE}: {key.path}: {error}") from None
    return found
