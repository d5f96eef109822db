"""The queue of a channel: bounded, the most severe first, the oldest of the least severe goes."""

import random

import pytest

from mmfold.adapters.alerts.backlog import BACKLOG_COUNT_MAX, Backlog, Waiting
from mmfold.adapters.alerts.kinds import Severity

LETTERS = {"i": Severity.INFO, "w": Severity.WARNING, "c": Severity.CRITICAL}
# what comes, in order, into a queue of 3 | what is dropped | in which order the rest is told
TABLE = [
    ("i1 w2 c3", "", "c3 w2 i1"),
    ("i1 w2 c3 w4", "i1", "c3 w2 w4"),
    ("w1 i2 i3 c4", "i2", "c4 w1 i3"),
    ("c1 c2 c3 i4", "i4", "c1 c2 c3"),
    ("c1 c2 c3 c4", "c1", "c2 c3 c4"),
    ("w1 w2 w3 w4 w5", "w1 w2", "w3 w4 w5"),
    ("i1 c2 i3 c4 c5", "i1 i3", "c2 c4 c5"),
]


def waiting(word: str) -> Waiting:
    return Waiting(LETTERS[word[0]], {"kind": word})


@pytest.mark.parametrize(("come", "dropped", "told"), TABLE)
def test_what_goes_and_in_which_order(come: str, dropped: str, told: str) -> None:
    backlog = Backlog(3)
    gone = [one.document["kind"] for word in come.split() if (one := backlog.add(waiting(word))) is not None]
    left = []
    while (one := backlog.take()) is not None:
        left.append(one.document["kind"])
    assert (" ".join(gone), " ".join(left)) == (dropped, told)


def test_equal_alerts_are_told_as_often_as_they_came() -> None:
    backlog = Backlog(3)
    same = waiting("w1")
    assert [backlog.add(same) for _ in range(3)] == [None] * 3
    assert backlog.add(same) is not None and len(backlog) == 3


def test_it_never_grows_and_keeps_the_worst() -> None:
    dice, backlog = random.Random(3), Backlog()
    words = [dice.choice("iiiiwwc") + str(number) for number in range(2_000)]
    for word in words:
        backlog.add(waiting(word))
        assert len(backlog) <= BACKLOG_COUNT_MAX
    kept = [one.document["kind"] for one in backlog.drop_all()]
    assert kept == [word for word in words if word[0] == "c"][-BACKLOG_COUNT_MAX:]
    assert not backlog.has_critical() and len(backlog) == 0
