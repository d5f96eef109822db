"""`mm why`: paragraphs for a person, figures for a program."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.adapters.cli.test_at_command import DEMO, call

__all__ = ["call"]


def test_it_reads_like_a_post_mortem(call: Callable[..., Any]) -> None:
    code, told, _ = call("why", "--events", DEMO, 303)
    assert code == 0
    for words in (
        "AMEND ETHUSDT bid 1920.29",
        "It followed event 302: timer.",
        "Seen of ETHUSDT: book live",
        "Gates passed: enabled, frozen",
        "as the configuration of event 1 set them",
        "What became of order 5767233, placed by event 88:",
        "Markout of fill 1,185 after 200 ms:",
    ):
        assert words in told.replace("\n", " ")


def test_a_program_gets_the_figures(call: Callable[..., Any]) -> None:
    code, told, _ = call("why", "--events", DEMO, 141, "--json")
    document = json.loads(told)
    assert code == 0 and document["seq"] == 141 and document["symbol"] == "BTCUSDT"
    (refused,) = [one for one in document["gates"] if not one["passed"] and one["symbol"] == "BTCUSDT"][:1]
    assert (refused["gate"], refused["limit"], refused["unit"]) == ("min_time_in_book", 500_000_000, "ns")
    assert document["life"][0]["text"].startswith("fill, execution 2")
    assert {one["key"] for one in document["params"]} >= {"strategy.skew_coeff", "strategy.target_usd"}


@pytest.mark.parametrize("words", [("10000000",), ("7", "--order")])
def test_what_is_nothing_is_said(call: Callable[..., Any], words: tuple[str, ...]) -> None:
    code, _, said = call("why", "--events", DEMO, *words)
    assert code == 1 and "has n" in said and "mm journal info" in said
