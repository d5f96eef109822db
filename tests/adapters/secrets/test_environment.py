"""EXCHANGE_ENV and the names of keys, as tables."""

import pytest

from mmfold.adapters.secrets.environment import make_key, parse_path, resolve_environment
from mmfold.adapters.secrets.errors import SecretError

ENVIRONMENTS = [
    # EXCHANGE_ENV, exchange_env, secret_env, warned
    (None, "shadow", "dev", False),
    ("", "shadow", "dev", False),
    ("shadow", "shadow", "dev", False),
    ("testnet", "testnet", "testnet", False),
    ("live", "live", "prod", False),
    ("Live", "shadow", "dev", True),
    ("LIVE", "shadow", "dev", True),
    (" live", "shadow", "dev", True),
    ("prod", "shadow", "dev", True),
    ("dev", "shadow", "dev", True),
]


@pytest.mark.parametrize(("given", "exchange_env", "secret_env", "warned"), ENVIRONMENTS)
def test_the_mapping(given: str | None, exchange_env: str, secret_env: str, warned: bool) -> None:
    found = resolve_environment({} if given is None else {"EXCHANGE_ENV": given})
    assert found[:2] == (exchange_env, secret_env)
    assert bool(found.warnings) == warned


def test_a_key_has_a_path_and_back() -> None:
    key = make_key("prod", "bybit", "api_secret")
    assert key.path == "mm-bot/prod/bybit/api_secret"
    assert parse_path(key.path) == key


BAD_PATHS = ["mm-bot/live/bybit/api_key", "mm-bot/dev/Bybit/api_key", "dev/bybit/api", "mm-bot/dev/bybit/api_key/", ""]


@pytest.mark.parametrize("path", BAD_PATHS)
def test_other_names_are_not_ours(path: str) -> None:
    assert parse_path(path) is None


@pytest.mark.parametrize(("exchange", "field"), [("By bit", "api_key"), ("../x", "api_key"), ("bybit", "hunter2value")])
def test_a_word_in_the_wrong_place_is_not_repeated(exchange: str, field: str) -> None:
    with pytest.raises(SecretError) as caught:
        make_key("dev", exchange, field)
    told = f"{caught.value} {caught.value.hint}"
    assert "hunter2value" not in told and "../x" not in told
