"""`mm theory`: what it prints of the papers' worlds, and what it refuses."""

import json
from collections.abc import Callable

import pytest

Call = Callable[..., tuple[int, str, str]]


def test_avellaneda_prints_both_rules_of_every_gamma(call: Call) -> None:
    """A table for people; the same figures with --json, the same again for the same seed."""
    asked = ("theory", "avellaneda", "--paths", "200")
    code, said, _ = call(*asked)
    assert code == 0 and "200 paths" in said
    assert [line.split()[:3] for line in said.splitlines() if "inventory" in line] == [
        ["0.1", "inventory", "1.49"], ["0.01", "inventory", "1.35"], ["1", "inventory", "3.02"],
    ]  # fmt: skip
    _, first, _ = call(*asked, "--json")
    assert first == call(*asked, "--json")[1] != call(*asked, "--seed", "8", "--json")[1]
    document = json.loads(first)
    assert [rule["rule"] for rule in document["rules"]] == ["inventory", "symmetric"] * 3
    inventory, symmetric = document["rules"][:2]
    assert inventory["profit"]["std"] < symmetric["profit"]["std"] and inventory["q"]["std"] < symmetric["q"]["std"]


def test_glft_prints_both_forms(call: Call) -> None:
    """One row a position, the closed form beside the exact one, and how far it is off in the middle."""
    code, said, _ = call("theory", "glft")
    assert code == 0 and "off by at most 0.00469" in said
    quotes = json.loads(call("theory", "glft", "--json")[1])["quotes"]
    assert [one["q"] for one in quotes] == list(range(-30, 30))
    assert all(abs(one["exact"] - one["closed_form"]) <= 0.005 for one in quotes if abs(one["q"]) <= 20)


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        (("avellaneda", "--sigma", "0"), "'--sigma'"),
        (("avellaneda", "--gamma", "0"), "'--gamma'"),
        (("avellaneda", "--k", "-1"), "'--k'"),
        (("avellaneda", "--A", "nan"), "'--A'"),
        (("avellaneda", "--paths", "1"), "'--paths'"),
        (("avellaneda", "--dt", "1e-9"), "1,000,000,000 steps"),
        (("avellaneda", "--dt", "3"), "0 steps"),
        (("glft", "--sigma", "50"), "smaller --q-max"),
        (("glft", "--q-max", "0"), "'--q-max'"),
        (("glft", "--horizon", "inf"), "'--horizon'"),
    ],
)
def test_what_cannot_be_is_refused(call: Call, asked: tuple[str, ...], word: str) -> None:
    """One line that names the option and its range."""
    code, _, error = call("theory", *asked)
    assert code == 64 and word in error and error.count("\n") == 2
