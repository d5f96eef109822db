"""A Secret and everything that may print, copy or serialise one."""

import copy
import json
import pickle
from dataclasses import asdict
from datetime import UTC, datetime

import orjson
import pytest
from rich.pretty import pretty_repr

from mmfold.adapters.secrets.backend import Stored
from mmfold.adapters.secrets.environment import SecretKey
from mmfold.adapters.secrets.errors import SecretError
from mmfold.adapters.secrets.value import VALUE_BYTES_MAX, Secret, mask

pytestmark = pytest.mark.usefixtures("guards")

CANARY = "canary of eighteen"
MASKED = "can...***"
KEY = SecretKey("dev", "bybit", "api_key")

MASKS = [("", "***"), ("a", "***"), ("abcdef", "***"), ("abcdefg", "abc...***"), (CANARY, MASKED)]


@pytest.mark.parametrize(("value", "shown"), MASKS)
def test_the_mask(value: str, shown: str) -> None:
    assert mask(value) == shown


def test_only_reveal_shows_it() -> None:
    secret = Secret(CANARY)
    stored = Stored(KEY, secret, datetime(2024, 8, 8, tzinfo=UTC))
    texts = [
        str(secret), repr(secret), f"{secret}", f"{secret:>40}", f"{secret!r:^40}", f"{[secret]}",
        repr({"a": secret}), repr(stored), str(asdict(stored)), pretty_repr(stored), json.dumps([secret], default=str),
        repr(orjson.dumps(secret, default=str)), repr(copy.deepcopy([secret])), ascii(secret), str(dir(secret)),
    ]  # fmt: skip
    assert not [text for text in texts if CANARY[3:] in text]
    assert str(secret) == MASKED and f"{secret:>12}" == f"   {MASKED}"
    assert secret.reveal() == CANARY


@pytest.mark.parametrize(
    "serialise", [pickle.dumps, json.dumps, orjson.dumps, vars, len, list, bytes, "".join, lambda one: one + "x"]
)
def test_nothing_else_takes_it(serialise) -> None:
    for given in (Secret(CANARY), [Secret(CANARY)], Stored(KEY, Secret(CANARY), None)):
        if serialise in (vars, len, list, bytes) and not isinstance(given, Secret):
            continue
        with pytest.raises(TypeError) as caught:
            serialise(given)
        assert CANARY not in str(caught.value)


def test_copies_are_itself() -> None:
    secret = Secret(CANARY)
    assert copy.copy(secret) is secret and copy.deepcopy({"a": secret})["a"] is secret
    assert secret.is_same(Secret(CANARY + "\r\n")) and not secret.is_same(Secret(CANARY + "x"))
    assert secret != Secret(CANARY) and secret != CANARY


REFUSED = ["", "\n", "   ", "a\0b", "a\x1b[0mb", "a\u200bb", "x" * (VALUE_BYTES_MAX + 1), "\ud800abcdef"]


@pytest.mark.parametrize("value", REFUSED, ids=range(len(REFUSED)))
def test_what_is_no_value_is_refused_without_being_told(value: str) -> None:
    with pytest.raises(SecretError) as caught:
        Secret(value)
    assert not value.strip() or value not in str(caught.value)


def test_a_key_of_many_lines_keeps_its_lines() -> None:
    assert Secret("one\n\ttwo\n").reveal() == "one\n\ttwo"
