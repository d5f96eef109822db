"""From `alerts.*` to channels: programs are found, secrets are read; must never put a secret into a message."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from mmfold.adapters.alerts.channel import Channel
from mmfold.adapters.alerts.program import Program
from mmfold.adapters.alerts.webhook import Webhook
from mmfold.adapters.redact import redact, remember
from mmfold.adapters.secrets.env import read_small, read_variable
from mmfold.adapters.secrets.errors import SecretError
from mmfold.adapters.secrets.file import check_private
from mmfold.adapters.secrets.value import Secret
from mmfold.config.alerts import ELSEWHERE, ENVIRONMENT, FILE, url_fault
from mmfold.config.errors import ConfigError
from mmfold.config.models import AlertsSection

PATH_CHARS_MIN = 16  # of a URL's path that may be a secret: a shorter one is a word that a log may hold


def open_channels(settings: AlertsSection, environ: Mapping[str, str]) -> tuple[Channel, ...]:
    """Return the channels that are set, none of them tried.

    Raises: ConfigError for a program that cannot be run or a URL that cannot be, SecretError for a secret that is not
        where it should be.
    """
    found: list[Channel] = []
    if settings.exec:
        found.append(open_program(settings, environ))
    if settings.webhook is not None:
        found.append(open_webhook(settings, settings.webhook, environ))
    return tuple(found)


def open_program(settings: AlertsSection, environ: Mapping[str, str]) -> Program:
    """Return the program with the path of its file, which stays the same if the session's directory changes."""
    name, *words = settings.exec
    path = shutil.which(name, path=environ.get("PATH"))
    if path is None:
        raise ConfigError(
            "E_CFG_INVARIANT", f"alerts.exec: there is no program {name} that can be run",
            hint="give its whole path, and chmod +x it; its first line names its interpreter",
        )  # fmt: skip
    return Program((str(Path(path).absolute()), *words), float(settings.exec_timeout_s))


def open_webhook(settings: AlertsSection, text: str, environ: Mapping[str, str]) -> Webhook:
    """Return the webhook with its secrets."""
    is_plain = not text.startswith((ENVIRONMENT, FILE))
    if is_plain and redact(text) != text:
        raise ConfigError("E_CFG_INVARIANT", f"alerts.webhook: looks as if it held a secret: {ELSEWHERE}")
    url = text if is_plain else read_place("alerts.webhook", text, environ)
    address = url if isinstance(url, str) else url.reveal()
    fault = url_fault(address)
    if fault:
        raise ConfigError("E_CFG_INVARIANT", f"alerts.webhook: what stands in {text} {fault}")
    path = address.partition("://")[2].partition("/")[2]
    if not is_plain and len(path) >= PATH_CHARS_MIN:
        remember(path)  # the part that is the secret, alone too
    token = None
    if settings.webhook_token is not None:
        token = read_place("alerts.webhook_token", settings.webhook_token, environ)
        if not token.reveal().isascii() or not token.reveal().isprintable():
            raise SecretError(f"alerts.webhook_token: what stands in {settings.webhook_token} is no token")
    return Webhook(url, token, float(settings.webhook_timeout_s))


def read_place(key: str, place: str, environ: Mapping[str, str]) -> Secret:
    """Return the secret that `env:NAME` or `file:PATH` stands for.

    Raises: SecretError.
    """
    if place.startswith(FILE):
        path = Path(place.removeprefix(FILE)).expanduser()
        try:
            check_private(path, path.stat())
        except OSError as error:
            raise SecretError(f"{key}: {path}: {error.strerror}", "write it there, readable by you alone") from None
        return Secret(read_small(path, key).text)
    name = place.removeprefix(ENVIRONMENT)
    found = read_variable(name, environ)
    if found is None:
        raise SecretError(f"{key}: {name} is not set", f"export {name}, or set {name}_FILE to a file that holds it")
    return Secret(found.text)
