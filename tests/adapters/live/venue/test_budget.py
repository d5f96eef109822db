"""No rolling second of the venue sees more than its limit, however long requests and answers are on their way."""

import random

import pytest

from mmfold.adapters.live.venue.budget import LOST_S, ORDERS_PER_S, QUERIES_PER_S, WINDOW_S, Budget, Spent
from mmfold.adapters.venues.pending import RateLimit

ORDER_PATH = "/v5/order/"
CREATE, LIST = "/v5/order/create", "/v5/position/list"


class Played:
    """A budget on a clock of the test's."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.budget = Budget(lambda: self.now_s, ORDER_PATH)


def test_what_is_known_before_the_venue_has_told() -> None:
    played = Played()
    assert (played.budget.room(CREATE), played.budget.room(LIST)) == (ORDERS_PER_S, QUERIES_PER_S)
    played.budget.settle(LIST, played.budget.spend(LIST), RateLimit(50, 49, 0))
    assert played.budget.room(LIST) == 49 and played.budget.room(CREATE) == ORDERS_PER_S


def test_a_request_counts_until_a_second_after_its_answer() -> None:
    played = Played()
    one = played.budget.spend(CREATE, 10)
    played.now_s += LOST_S - 0.1
    assert played.budget.room(CREATE) == 0 and played.budget.wait_s(CREATE) > 0
    played.budget.settle(CREATE, one, None)
    played.now_s += WINDOW_S - 0.6
    assert played.budget.room(CREATE) == 0, "it may have arrived just before its answer"
    played.now_s += 0.6
    assert played.budget.room(CREATE) == 10
    one = played.budget.spend(CREATE, 4)
    played.budget.settle(CREATE, one, None)
    assert played.budget.room(CREATE) == 6
    played.now_s += WINDOW_S
    assert played.budget.room(CREATE) == 10


def test_others_on_the_account_are_counted() -> None:
    played = Played()
    played.budget.settle(CREATE, played.budget.spend(CREATE), RateLimit(10, 3, 0))
    assert played.budget.room(CREATE) == 3
    played.now_s += WINDOW_S
    assert played.budget.room(CREATE) == 10


@pytest.mark.parametrize("limit", [RateLimit(0, 0, 0), None])
def test_a_word_that_says_nothing_changes_nothing(limit: RateLimit | None) -> None:
    played = Played()
    played.budget.settle(CREATE, played.budget.spend(CREATE), limit)
    assert played.budget.limit_of(CREATE) == ORDERS_PER_S and played.budget.room(CREATE) == ORDERS_PER_S - 1


@pytest.mark.parametrize("seed", range(20))
def test_no_second_of_the_venue_sees_too_many(seed: int) -> None:
    chance, played = random.Random(seed), Played()
    arrivals: list[float] = []
    answers: list[tuple[float, Spent]] = []
    for _ in range(2_000):
        played.now_s += chance.expovariate(60)
        for due_s, one in [pair for pair in answers if pair[0] <= played.now_s]:
            played.budget.settle(CREATE, one, None)
            answers.remove((due_s, one))
        count = chance.randint(1, 4)
        if played.budget.room(CREATE) >= count:
            there_s = played.now_s + chance.choice((0.001, 0.2, 2.0)) * chance.random()
            arrivals += [there_s] * count
            answers.append(
                (there_s + chance.choice((0.001, 0.2, 2.0)) * chance.random(), played.budget.spend(CREATE, count))
            )
    arrivals.sort()
    assert len(arrivals) > 100, f"seed {seed}"
    for first, last in zip(arrivals, arrivals[ORDERS_PER_S:], strict=False):
        assert last - first >= WINDOW_S - 1e-9, f"seed {seed}: {ORDERS_PER_S + 1} in {last - first} s"
