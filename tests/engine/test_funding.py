"""Funding, event by event: `input | effects | what holds then`, numbers by hand (language: tests/engine/rows.py)."""

import pytest

from tests.engine.rows import House
from tests.engine.test_scenarios import BOOK, Scenario

SCENARIOS = [
    # 2 x 10,000.5 x 0.1 %, rounded up; without any price the last fill's: 2 x 9,990.
    Scenario(
        "without a mark price the mid counts, and it is said",
        BOOK
        + """
        funding 1000000 | - | position.funding_micros=0
        fill #1 9990x2 maker | cancel #1 bid reprice; place #3 bid 9990 x 5
        funding 1000000 | alert funding_unmarked 20001000 | position.funding_micros=20001000
        gap | | book=stale
        funding -1000000 | alert funding_unmarked -19980000 | position.funding_micros=21000
        trade bid 10000x1 |
        funding 1000000 | alert funding_unmarked 20000000 | position.funding_micros=20021000
        """,
    ),
    Scenario(
        "a rate beyond 100 % is told and not paid",
        BOOK + "fill #2 10011x2 maker |\nfunding 1000000001 10000 | alert funding_refused 1000000001 | "
        "position.funding_micros=0\nmark 0 | -\nfunding 1000 | alert funding_unmarked -20001 |",
    ),
    Scenario(
        "what the venue says was paid counts, whatever is held by now",
        BOOK
        + """
        settled 1000000 10000 20000000 bid 2 | - | position.funding_micros=20000000 counter.settlement_count=1
        fill #1 9990x1 maker | | position.position_lots=1
        settled 1000000 10000 -20000001 ask 2 | - | position.funding_micros=-1 counter.funding_count=2
        settled -1000000 - -19999999 bid 2 | - | position.funding_micros=-20000000
        """,
    ),
    # The venue tells its rate and its coins rounded: 1 % or ten micros are no difference, more is.
    Scenario(
        "what differs from rate x mark x size is told",
        BOOK
        + """
        settled 1000000 10000 20200000 bid 2 | - | position.funding_micros=20200000
        settled 1000000 10000 20210000 bid 2 | alert funding_differs 210000 | position.funding_micros=40410000
        settled 1000000 10000 -20000000 bid 2 | alert funding_differs -40000000 | position.funding_micros=20410000
        settled 1000 1 12 bid 2 | - | position.funding_micros=20410012
        settled 1000 1 13 bid 2 | alert funding_differs 11 |
        settled 0 10000 0 ask 2 | - | position.funding_micros=20410025
        """,
    ),
    Scenario(
        "once an account's settlement is told the market's word alone pays nothing",
        BOOK
        + """
        fill #1 9990x2 maker | | position.position_lots=2
        funding 1000000 10000 | - | position.funding_micros=20000000
        settled 1000000 10000 20000000 bid 2 | - | position.funding_micros=40000000
        funding 1000000 10000 | - | position.funding_micros=40000000 counter.funding_count=3
        """,
    ),
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[scenario.name for scenario in SCENARIOS])
def test_scenario(scenario: Scenario) -> None:
    House(**scenario.params).play(scenario.text)
