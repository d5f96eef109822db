"""A question on the figures of a replay: what may be asked, what it answers, what a build does not tell."""

from typing import Any

import pytest

from mmfold.replay.debug.figures import FIGURES, NoFigure, parse_question
from mmfold.replay.minimize.failure import PredicateError

SYMBOLS = ["A", "B"]


def document(**of_b: Any) -> dict[str, Any]:
    of_a = {"net_pnl": "-3.5", "placed": 7, "mid": None, "book": {"gaps": 2}}
    return {"effects": {"alert": 4}, "events": 10, "symbols": {"A": of_a, "B": {**of_a, **of_b}}}


@pytest.mark.parametrize(
    ("text", "fails"),
    [
        ("pnl_usd < -5", False),
        ("end: pnl_usd < -3", True),
        ("pnl_usd[B] < -3", False),
        ("placed > 7", True),
        ("placed[A] > 7 or placed[B] > 7", True),
        ("mid > 0", False),
        ("not mid > 0", True),
        ("gaps == 2 and alerts == 4", True),
        ("abs(pnl_usd[A] + 3.5) < 0.01", True),
        ("events != 10", False),
    ],
)
def test_what_a_question_answers(text: str, fails: bool) -> None:
    assert parse_question(text, SYMBOLS).fails(document(net_pnl="1.25", placed=8)) is fails


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected a value"),
        ("pnl_usd", "expected a condition"),
        ("pnl < 0", "'pnl' is no name"),
        ("position_lots > 5", "one of pnl_usd"),
        ("count(place) > 5", "'count' is no name"),
        ("placed[C] > 1", "no instrument 'C'"),
        ("placed > 1 end", "expected the end"),
    ],
)
def test_what_cannot_be_asked(text: str, said: str) -> None:
    with pytest.raises(PredicateError) as caught:
        parse_question(text, SYMBOLS)
    assert said in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize("given", [{"placed": "many"}, {"placed": [1]}, {"placed": True}])
def test_a_build_that_tells_no_figure_is_no_answer(given: dict[str, Any]) -> None:
    question = parse_question("placed[B] > 1", SYMBOLS)
    if given["placed"] is True:
        assert not question.fails(document(**given)), "a word that float takes"
    else:
        with pytest.raises(NoFigure, match="as placed"):
            question.fails(document(**given))
    with pytest.raises(NoFigure, match=r"tells no symbols\.B\.rejected"):
        parse_question("rejected[B] > 1", SYMBOLS).fails(document())


def test_every_figure_is_told_by_this_build() -> None:
    from mmfold.adapters.bundled import DEMO
    from mmfold.adapters.cli.replay_command import result_document
    from mmfold.replay.run import ReplayOptions, replay

    result = result_document(replay(DEMO, ReplayOptions(checkpoints=False)), {})
    symbols = list(result["symbols"])
    for name in FIGURES:
        parse_question(f"{name} == 0", symbols).fails(result)
