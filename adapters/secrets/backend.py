"""What every backend does, in four verbs, and what is built on them; must never know where the values are."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from mmfold.adapters.secrets.environment import SecretKey
from mmfold.adapters.secrets.errors import SecretError, SecretNotFound
from mmfold.adapters.secrets.value import Secret

ROTATE_AFTER = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Stored:
    """A secret as a backend has it; `saved_at` (UTC) is when this value came, None where the backend cannot know."""

    key: SecretKey
    value: Secret
    saved_at: datetime | None


@dataclass(frozen=True, slots=True)
class Listed:
    """A secret's name without its value."""

    key: SecretKey
    saved_at: datetime | None


class Backend(Protocol):
    """A place that keeps secrets. Every verb raises BackendFailed where the place itself fails."""

    name: str

    def check(self) -> None:
        """Find out whether the place can be used, as cheaply as it can be known."""

    def fetch(self, key: SecretKey) -> Stored:
        """Return one secret.

        Raises: SecretNotFound.
        """

    def write(self, key: SecretKey, value: Secret, now: datetime) -> None:
        """Keep a value, instead of the one that is there.

        Raises: NotWritable.
        """

    def names(self, secret_env: str) -> Iterable[Listed]:
        """Return the names of one environment, in any order."""


def save(backend: Backend, key: SecretKey, value: Secret, now: datetime) -> None:
    """Keep the first value of a key.

    Raises: SecretError where there is one already.
    """
    try:
        backend.fetch(key)
    except SecretNotFound:
        backend.write(key, value, now)
        return
    raise SecretError(f"{key.path} has a value already", f"mm secrets rotate {key.exchange} {key.field}")


def rotate(backend: Backend, key: SecretKey, value: Secret, now: datetime) -> None:
    """Keep a new value of a key that has one.

    Raises: SecretNotFound; SecretError for the value that is there.
    """
    if backend.fetch(key).value.is_same(value):
        raise SecretError(f"{key.path}: this is the value that it has", "make a new key at the venue first")
    backend.write(key, value, now)


def age_days(saved_at: datetime | None, now: datetime) -> int | None:
    """Return the age of a value in whole days, None where it is not known."""
    return None if saved_at is None else max(0, (now - saved_at).days)


def rotation_warning(key: SecretKey, saved_at: datetime | None, now: datetime) -> str:
    """Return what to say about a value that is as old as `ROTATE_AFTER`, or nothing."""
    if saved_at is None or now - saved_at < ROTATE_AFTER:
        return ""
    return f"{key.path} is {age_days(saved_at, now):,} days old: mm secrets rotate {key.exchange} {key.field}"
