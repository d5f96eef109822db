"""What the gates refuse is in the log: the first of a reason with its figures, later ones as counts."""

import logging
from typing import Any

import numpy as np
import pytest

from mmfold.adapters.live.operator.blocks import BlockLog
from tests.engine.rows import House, make_manifest

BOOK = "book 10000x5 / 10001x5 @10"


def said(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """Return the fields of the events since the last look."""
    found = [record.fields for record in caplog.records if record.getMessage() == "order_blocked"]
    caplog.clear()
    return found


def play(house: House, log: BlockLog, text: str) -> None:
    """Play some lines and hand the log what they decided, as the runner does."""
    for line in text.splitlines():
        house.play(line)
        if house.taken:
            log.note(np.array(house.taken))


def test_the_first_is_told_at_once_and_later_ones_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    house = House(make_manifest("A"), active_per_symbol_max=1)
    log = BlockLog(house.manifest, house.core.state)
    play(house, log, BOOK)
    first = {"symbol": "A", "reason": "order_cap", "value": 1, "limit": 1, "unit": "count", "count": 1, "side": "ask"}
    assert said(caplog) == [first]
    log.tell_counts()
    assert said(caplog) == []
    play(house, log, "timer\ntimer\ntimer")
    assert said(caplog) == []
    log.tell_counts()
    assert said(caplog) == [{"symbol": "A", "reason": "order_cap", "count": 3}]
    log.tell_counts()
    assert said(caplog) == []


def test_what_a_former_process_told_is_not_told_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    house = House(make_manifest("A"), active_per_symbol_max=1)
    house.play(BOOK)
    log = BlockLog(house.manifest, house.core.state)
    log.tell_counts()
    play(house, log, "timer")
    log.tell_counts()
    assert [fields["count"] for fields in said(caplog)] == [1]
