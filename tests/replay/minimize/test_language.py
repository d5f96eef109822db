"""The language of --fails-if: what it reads, in which order it works, and where it says that it does not understand."""

import re

import pytest

from mmfold.engine.codes import EventKind, Side
from mmfold.replay.minimize.failure import PredicateError
from mmfold.replay.minimize.fields import FIELDS, Look
from mmfold.replay.minimize.language import ANY_CODE, parse_expression
from mmfold.replay.minimize.predicate import parse_predicate
from tests.engine.rows import House, book_event, event, make_manifest

SYMBOLS = ["BTC/USDT", "X"]


def told(text: str) -> bool:
    """Work out an expression behind a book 100 x 5 | 103 x 2, a fill of 3 lots and a cancel, of X."""
    house = House(make_manifest(*SYMBOLS), enabled=0)
    house.feed(book_event(EventKind.BOOK_SNAPSHOT, [(100, 5)], [(103, 2)], instrument_index=1))
    house.feed(event(EventKind.FILL, side=Side.BID, price_ticks=100, qty_lots=3, order_id=77, instrument_index=1))
    look = Look(house.core, {(1, EventKind.CANCEL, ANY_CODE): 2, (1, EventKind.CANCEL, 2): 1})
    look.index, look.kind = 1, int(EventKind.FILL)
    return bool(parse_expression(text, SYMBOLS).run(look))


@pytest.mark.parametrize(
    ("text", "is_true"),
    [
        ("position_lots == 3", True),
        ("position_lots[X] == 3", True),
        ("position_lots['BTC/USDT'] == 0", True),
        ('position_lots["BTC/USDT"] != 0', False),
        ("1 + 2 * 3 == 7", True),
        ("(1 + 2) * 3 == 9", True),
        ("10 - 4 - 3 == 3", True),
        ("8 / 4 / 2 == 1", True),
        ("-position_lots < -2", True),
        ("- -1 == 1", True),
        ("1 == 1 or 1 == 2 and 1 == 2", True),  # and binds closer
        ("(1 == 1 or 1 == 2) and 1 == 2", False),
        ("not 1 == 2 and 1 == 1", True),
        ("not (1 == 2 and 1 == 1)", True),
        ("abs(-3) == max(position_lots, 2) and min(1, 2) == 1", True),
        ("book_status == 'live'", True),
        ("book_status != \"live\"", False),
        ("book_status['BTC/USDT'] == 'empty'", True),
        ("kind == 'fill'", True),
        ("bid_ticks == 100 and ask_ticks == 103 and mid_ticks == 101.5 and spread_ticks == 3", True),
        ("bid_ticks['BTC/USDT'] < 1e9", False),  # what is not there compares to nothing
        ("bid_ticks['BTC/USDT'] >= 0 or bid_ticks['BTC/USDT'] < 0", False),
        ("not bid_ticks['BTC/USDT'] > 0", True),
        ("1 / 0 == 1 or 1 / 0 != 1", False),
        ("count(cancel) == 2 and count(cancel, reprice) == 1 and count('place') == 0", True),
        ("count(cancel)['BTC/USDT'] == 0", True),
        ("pnl_usd > 4.4 and pnl_usd < 4.6", True),
        ("1_000 == 1e3", True),
    ],
)  # fmt: skip
def test_an_expression_is_worked_out(text: str, is_true: bool) -> None:
    assert told(text) is is_true


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("", None, "empty"),
        ("position_lots", 1, "expected a condition, found a number"),
        ("posiion_lots > 1", 1, "no name"),
        ("position_lots >", 16, "expected a value"),
        ("position_lots > 5 and", 22, "expected a value"),
        ("position_lots > 5 6", 19, "expected the end"),
        ("position_lots > $", 17, "means nothing"),
        ("(1 == 1", 8, "expected ')'"),
        ("1 < 2 < 3", 7, "do not chain"),
        ("position_lots[Y] > 1", 15, "no instrument 'Y'"),
        ("position_lots[ > 1", 15, "expected a symbol"),
        ("book_status == 'alive'", 16, "none of empty, live"),
        ("book_status > 'live'", 13, "no order"),
        ("book_status == 1", 13, "a word == a number"),
        ("position_lots + 'a' > 1", 17, "expected a number, found a word"),
        ("count(fill) > 1", 7, "none of place"),
        ("count(place, nothing) > 1", 14, "none of none"),
        ("abs() > 1", 5, "expected a value"),
        ("(" * 80 + "1 == 1" + ")" * 80, 66, "inside of each other"),
        ("1 == 1" + " or 1 == 1" * 1000, None, "at most 4,096"),
        ("__import__('os').system('true') == 0", 1, "no name"),
    ],
)
def test_what_is_not_understood_is_pointed_at(text: str, column: int | None, said: str) -> None:
    with pytest.raises(PredicateError, match=re.escape(said)) as raised:
        parse_predicate(text, make_manifest(*SYMBOLS))
    assert column is None or f"column {column}:" in str(raised.value)
    assert raised.value.hint


@pytest.mark.parametrize("text", ["crossed_bok: 1", "crossed_book: 1", "pnl_below: low", "pnl_below", "alert: smoke"])
def test_a_checker_is_asked_as_it_can_be(text: str) -> None:
    with pytest.raises(PredicateError):
        parse_predicate(text, make_manifest())


@pytest.mark.parametrize("name", FIELDS)
def test_every_name_reads_what_it_says(name: str) -> None:
    house = House(make_manifest(*SYMBOLS))
    look = Look(house.core, {})
    look.kind = int(EventKind.TIMER)
    value = FIELDS[name].read(look)
    words = FIELDS[name].words
    assert value in words if words else value is None or isinstance(value, int | float)


def test_only_what_may_change_an_answer_is_looked_behind() -> None:
    manifest = make_manifest()
    assert parse_predicate("position_lots > 5", manifest).kinds == {EventKind.FILL, EventKind.POSITION}
    assert parse_predicate("seq > 5", manifest).kinds is None
    assert parse_predicate("placed > 5", manifest).sees_effects
    assert not parse_predicate("position_lots > 5", manifest).sees_effects
    assert parse_predicate("end: seq > 5", manifest).when == "end"
