"""`mm portfolio preview`: weights and targets of each mode, from figures and from a journal, and what it refuses."""

import json
from collections.abc import Callable
from typing import Any

import pytest

Call = Callable[..., tuple[int, str, str]]
VOLA = "BTCUSDT=4,ETHUSDT=8,SOLUSDT=8"


def preview(call: Call, *words: str) -> dict[str, Any]:
    """Return the document of a preview, {symbol: values} in it."""
    code, said, error = call("portfolio", "preview", *words, "--json")
    assert code == 0, error
    document: dict[str, Any] = json.loads(said)
    document["symbols"] = {one.pop("symbol"): one for one in document["symbols"]}
    return document


@pytest.mark.parametrize(
    ("words", "targets"),
    [
        (("--mode", "inverse_vol", "--vola", VOLA), {"BTCUSDT": 5000.0, "ETHUSDT": 2500.0, "SOLUSDT": 2500.0}),
        (("--mode", "risk_parity", "--vola", VOLA), {"BTCUSDT": 5000.0, "ETHUSDT": 2500.0, "SOLUSDT": 2500.0}),
        (("--weights", "A=6,B=3,C=1", "--max-weight", "1", "--budget-usd", "1"), {"A": 0.6, "B": 0.3, "C": 0.1}),
        (("--weights", "A=1,B=1,C=1", "--budget-usd", "1"), {"A": 0.333334, "B": 0.333333, "C": 0.333333}),
        (("--vola", "A=0,B=0", "--mode", "inverse_vol"), {"A": 5000.0, "B": 5000.0}),
        (
            ("--weights", "A=1,B=1", "--before", "A=1", "--alpha", "0.5", "--max-weight", "1"),
            {"A": 7500.0, "B": 2500.0},
        ),
    ],
)
def test_targets_sum_to_the_budget(call: Call, words: tuple[str, ...], targets: dict[str, float]) -> None:
    document = preview(call, *words)
    assert {symbol: one["target_usd"] for symbol, one in document["symbols"].items()} == targets
    assert sum(targets.values()) == pytest.approx(document["budget_usd"], abs=1e-9)


def test_a_journal_brings_its_volatilities(call: Call) -> None:
    """Its symbols and the last estimate of each mid; one that is given stands for the journal's."""
    found = preview(call, "--events", "demo", "--mode", "inverse_vol", "--max-weight", "1")["symbols"]
    calm, wild = found["BTCUSDT"], found["ETHUSDT"]
    assert 0 < calm["volatility"] < wild["volatility"] and calm["weight"] > wild["weight"]
    assert calm["weight"] * calm["volatility"] == pytest.approx(wild["weight"] * wild["volatility"])
    given = preview(call, "--events", "demo", "--mode", "inverse_vol", "--vola", "ETHUSDT=1000", "--max-weight", "1")
    assert given["symbols"]["ETHUSDT"] == {
        "max_levels": 1, "target_usd": 200.0, "volatility": 1000.0, "weight": pytest.approx(0.02),
    }  # fmt: skip


def test_without_symbols_the_bundled_journal_has_some(call: Call) -> None:
    code, said, warning = call("portfolio", "preview", "--mode", "risk_parity", "--budget-usd", "50000", "--json")
    assert code == 0 and "the symbols of the bundled journal" in warning
    assert [one["symbol"] for one in json.loads(said)["symbols"]] == ["BTCUSDT", "ETHUSDT"]


def test_the_table_says_what_was_not_known(call: Call) -> None:
    code, said, _ = call("portfolio", "preview", "--mode", "risk_parity", "--vola", "A=2,B=0")
    assert code == 0 and "volatility not known, counted as 1: B" in said and "10,000.00 USD" in said
    assert "not known" not in call("portfolio", "preview", "--weights", "A=1")[1]


@pytest.mark.parametrize(
    ("words", "word"),
    [
        (("--weights", "A=0"), "cannot sum to 1"),
        (("--weights", "A=-1"), "'--weights': -1.0 is not in the range"),
        (("--weights", "A=nan"), "nan is not in the range"),
        (("--weights", "A=1,A=2"), "A stands twice"),
        (("--weights", "A"), "expected SYMBOL=NUMBER"),
        (("--weights", "A=1", "--max-weight", "0.01"), "--min-weight 0.02 is above --max-weight 0.01"),
        (("--weights", "A=1", "--budget-usd", "0"), "'--budget-usd'"),
        (("--events", "demo", "--weights", "X=1"), "the journal has no X; it has BTCUSDT, ETHUSDT"),
        (("--vola", ",".join(f"S{n}=1" for n in range(257))), "257 symbols, at most 256"),
    ],
)
def test_what_cannot_be_is_refused(call: Call, words: tuple[str, ...], word: str) -> None:
    code, said, error = call("portfolio", "preview", *words)
    assert (code, said) == (64, "") and word in error
