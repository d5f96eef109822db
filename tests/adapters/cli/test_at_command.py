"""`mm at`: one moment, as text and as JSON; what is not there or not so is said with the right code."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mmfold.adapters.cli.main import run
from tests.conftest import REPO

DEMO = str(REPO / "fixtures" / "demo.mmj")


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Return a function that runs one command line and returns exit code, stdout and stderr."""

    def call(*words: object) -> tuple[int, str, str]:
        capfd.readouterr()
        code = run([str(word) for word in words])
        return code, *capfd.readouterr()

    return call


def test_a_moment_shows_event_decisions_book_orders_and_parameters(call: Callable[..., Any]) -> None:
    code, told, _ = call("at", "--events", DEMO, "--seq", 303, "--json")
    document = json.loads(told)
    assert code == 0 and document["seq"] == 302 and document["event"]["kind"] == "timer"
    assert [one["text"].split()[0] for one in document["effects"]] == ["AMEND"] * len(document["effects"])
    symbol = document["symbols"]["BTCUSDT"]
    assert symbol["orders"] and all("displayed" in order for order in symbol["orders"])
    level = next(one for one in symbol["params"] if one["key"] == "strategy.levels_per_side")
    assert (level["base"], level["effective"], level["by"]) == (2, 2, "operator")
    code, told, _ = call("at", "--events", DEMO, "--seq", 303)
    assert code == 0 and "seq 302" in told and "AMEND ETHUSDT" in told and "quoting" in told


def test_what_cannot_be_shown_is_said(call: Callable[..., Any], tmp_path: Path) -> None:
    code, _, said = call("at", "--events", DEMO, "--seq", 10**7)
    assert code == 1 and "has no event at seq 10,000,000" in said and "mm journal info" in said
    code, _, said = call("at", "--events", DEMO, "--seq", 1, "--time", "2026-01-01")
    assert code == 64 and "give one" in said
    code, _, said = call("at", "--events", tmp_path / "none", "--seq", 1)
    assert code != 0
