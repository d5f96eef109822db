"""What waits for room at the venue: in which order it leaves, what is taken back, what is given up."""

import numpy as np
import pytest

from mmfold.adapters.live.venue.waiting import AMEND, CANCEL, PLACE, WAIT_S, Waiting
from mmfold.engine.codes import Reason
from tests.engine.rows import event

KIND_OF = {"place": PLACE, "amend": AMEND, "cancel": CANCEL, "pull": CANCEL}
CODE_OF = {"place": Reason.QUOTE, "amend": Reason.REPRICE, "cancel": Reason.REPRICE, "pull": Reason.FREEZE}


def effect(word: str) -> np.ndarray:
    what, order_id = word.split()
    return event(KIND_OF[what], order_id=int(order_id), code=CODE_OF[what])


@pytest.mark.parametrize(
    "asked, withdrawn, left",
    [
        ("place 1, place 2", [], "place 1, place 2"),
        ("place 1, pull 1", [1], ""),
        ("place 1, place 2, cancel 1", [1], "place 2"),
        ("amend 1, cancel 1", [], "cancel 1"),
        ("place 1, pull 2", [], "pull 2, place 1"),
        ("amend 3, place 1, cancel 2, pull 4", [], "pull 4, cancel 2, amend 3, place 1"),
        ("cancel 1, cancel 2, pull 3, pull 4", [], "pull 3, pull 4, cancel 1, cancel 2"),
    ],
)
def test_order_of_leaving(asked: str, withdrawn: list[int], left: str) -> None:
    waiting = Waiting()
    taken_back = waiting.add(np.concatenate([effect(word) for word in asked.split(", ")]), 0.0)
    assert [int(one["order_id"][0]) for one in taken_back] == withdrawn
    found = []
    for kind in (CANCEL, AMEND, PLACE):
        while order_ids := waiting.ready(kind, 0.0)[0]:
            rows = waiting.take(kind, order_ids[:1])
            names = [word for word in KIND_OF if KIND_OF[word] == kind and CODE_OF[word] == rows["code"][0]]
            found.append(f"{names[0]} {rows['order_id'][0]}")
    assert ", ".join(found) == left and not waiting


def test_an_old_price_is_not_sent_and_no_cancel_is_given_up() -> None:
    waiting = Waiting()
    waiting.add(np.concatenate([effect("place 1"), effect("cancel 2"), effect("amend 3")]), 0.0)
    waiting.add(effect("place 4"), WAIT_S / 2)
    assert waiting.overdue(WAIT_S * 0.99) == []
    assert [int(one.effect["order_id"][0]) for one in waiting.overdue(WAIT_S)] == [3, 1]
    assert waiting.ready(PLACE, WAIT_S)[0] == [4] and waiting.ready(CANCEL, 0.0) == ([2], False)
    assert waiting.ready(CANCEL, WAIT_S) == ([2], True), "by now as urgent as any"
