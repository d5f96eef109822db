"""The port: what every backend does, whichever it is."""

from datetime import UTC, datetime, timedelta

import pytest

from mmfold.adapters.secrets.backend import ROTATE_AFTER, Backend, age_days, rotate, rotation_warning, save
from mmfold.adapters.secrets.environment import SecretKey
from mmfold.adapters.secrets.errors import SecretError, SecretNotFound
from mmfold.adapters.secrets.registry import BACKENDS, open_backend
from mmfold.adapters.secrets.value import Secret

pytestmark = pytest.mark.usefixtures("guards")

KEY = SecretKey("dev", "bybit", "api_key")
NOW = datetime.now(UTC).replace(microsecond=0)


def test_what_is_saved_is_fetched_and_rotated(backend: Backend) -> None:
    backend.check()
    with pytest.raises(SecretNotFound, match=KEY.path):
        backend.fetch(KEY)
    with pytest.raises(SecretNotFound):
        rotate(backend, KEY, Secret("first value"), NOW)
    save(backend, KEY, Secret("first value"), NOW)
    assert backend.fetch(KEY).value.reveal() == "first value"
    with pytest.raises(SecretError, match="has a value already"):
        save(backend, KEY, Secret("second value"), NOW)
    with pytest.raises(SecretError, match="this is the value that it has"):
        rotate(backend, KEY, Secret("first value"), NOW)
    rotate(backend, KEY, Secret("second: 'välue'\nof \"two\" lines"), NOW)
    stored = backend.fetch(KEY)
    assert stored.value.reveal() == "second: 'välue'\nof \"two\" lines"
    assert stored.saved_at is not None and abs(stored.saved_at - datetime.now(UTC)) < timedelta(minutes=30)


def test_one_environment_does_not_see_another(backend: Backend) -> None:
    keys = [KEY, KEY._replace(field="api_secret"), KEY._replace(secret_env="prod"), KEY._replace(exchange="okx")]
    for key in keys:
        save(backend, key, Secret(f"value of {key.path}"), NOW)
    assert sorted(one.key for one in backend.names("dev")) == sorted([keys[0], keys[1], keys[3]])
    assert [one.key for one in backend.names("prod")] == [keys[2]]
    assert list(backend.names("testnet")) == []
    assert [backend.fetch(key).value.reveal() for key in keys] == [f"value of {key.path}" for key in keys]


AGES = [
    (None, None, False),
    (timedelta(0), 0, False),
    (timedelta(days=-3), 0, False),
    (ROTATE_AFTER - timedelta(seconds=1), 89, False),
    (ROTATE_AFTER, 90, True),
    (timedelta(days=400), 400, True),
]


@pytest.mark.parametrize(("age", "days", "due"), AGES)
def test_rotation_is_due_after_ninety_days(age: timedelta | None, days: int | None, due: bool) -> None:
    saved_at = None if age is None else NOW - age
    assert age_days(saved_at, NOW) == days
    assert bool(rotation_warning(KEY, saved_at, NOW)) == due


def test_the_backend_is_chosen_by_name() -> None:
    assert open_backend({}).name == "memory"
    assert {open_backend({"SECRETS_BACKEND": name}).name for name in BACKENDS} == set(BACKENDS)
    with pytest.raises(SecretError, match="none of aws, env, file, memory"):
        open_backend({"SECRETS_BACKEND": "AWS"})
