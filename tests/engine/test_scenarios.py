"""What each kind of event does: `input | effects | what holds then`, numbers by hand (language: tests/engine/rows.py).

The plain quoter stands 10 bps from the mid: mid 10000.5 gives floor(9990.4995) = 9990 and ceil(10010.5005) = 10011, and
51,000 USD a side are floor(51000 / 9990) = floor(51000 / 10011) = 5 lots.
"""

from typing import NamedTuple

import pytest

from mmfold.engine.codes import EventKind
from mmfold.engine.policy.registry import POLICIES
from mmfold.engine.policy.seam import Note, Policy
from tests.engine.noting import make_noter
from tests.engine.rows import House, check_counts, lines_of

BOOK = "book 10000x5 9999x3 / 10001x5 @10 | place #1 bid 9990 x 5; place #2 ask 10011 x 5\n"
LIVE = BOOK + "ack #1 | - | #1=accepted\nack #2 | - | #2=accepted\n"
SENT = {"mode": 1}
SHARES = Note("alloc", {"shares": [0.25, 0.75], "why": "seen"})


class Scenario(NamedTuple):
    """Some events and what they must lead to, with the PARAMS that differ from the plain ones."""

    name: str
    text: str
    params: dict[str, int | float] = {}  # noqa: RUF012
    policies: tuple[Policy, ...] = POLICIES  # others are switched on, to run each second


K = EventKind
SCENARIOS: dict[EventKind, list[Scenario]] = {
    K.MANIFEST: [
        Scenario("counts, decides nothing", "timer | guard none>book_invalid | clock.event_count=2 clock.seq_last=1")
    ],
    K.CONFIG: [
        # 14 bps: 10000.5 x 0.9986 = 9986.4993, x 1.0014 = 10014.5007; 4 ticks are 4.004 bps, within the 5 of an amend.
        Scenario(
            "a param changes through audit and is quoted at once",
            BOOK + "config min_spread_bps=28.0 | param min_spread_bps 20>28 config; "
            "amend #1 bid 9986 x 5 reprice; amend #2 ask 10015 x 5 reprice | param.min_spread_bps=28",
        ),
        Scenario("the value that it has is no change", BOOK + "config min_spread_bps=20.0 levels_per_side=1 | -"),
        Scenario(
            "switched off",
            BOOK + "config enabled=0 | param enabled 1>0 config; guard none>disabled; "
            "cancel #1 bid disabled; cancel #2 ask disabled\nconfig enabled=1 | param enabled 0>1 config; "
            "guard disabled>none; place #3 bid 9990 x 5; place #4 ask 10011 x 5",
        ),
    ],
    K.COMMAND: [
        Scenario(
            "freeze pulls, only unfreeze ends it",
            BOOK
            + """
            command freeze | frozen 0>1; guard none>freeze; cancel #1 bid freeze; cancel #2 ask freeze | \
                blocked.freeze=1
            book 10000x5 / 10001x5 @12 | -
            timer | - | quoter.frozen=1
            command unfreeze X | frozen 1>0; guard freeze>none; place #3 bid 9990 x 5; place #4 ask 10011 x 5
            """,
        )
    ],
    K.TIMER: [
        Scenario(
            "a silent market is pulled after 3 s",
            BOOK
            + """
            +3000 timer | - | bid.open_order_count=1 clock.policy_run_count=0
            +1 timer | guard none>md_stale; cancel #1 bid md_stale; cancel #2 ask md_stale | bid.open_order_count=0
            +1 timer | - | blocked.md_stale=1 bid.open_order_count=0
            delta 9999x4 / @11<10 | guard md_stale>none; place #3 bid 9990 x 5; place #4 ask 10011 x 5
            """,
        )
    ],
    K.BOOK_SNAPSHOT: [
        Scenario(
            "replaces the whole book",
            BOOK + "book 10000x7 / 10001x1 10003x2 @8 | - | bids=10000x7 asks=10001x1,10003x2 book.snapshot_count=2 "
            "book.venue_seq=8",
        )
    ],
    K.BOOK_DELTA: [
        # Mid 10001: 10001 x 1.001 = 10011.001, so the ask moves to 10012; 10001 x 0.999 = 9990.999: the bid stays.
        Scenario(
            "adds, changes and removes levels",
            BOOK + "delta 9998x2 9999x4 / 10001x0 10002x4 @11<10 | amend #2 ask 10012 x 5 reprice | "
            "bids=10000x5,9999x4,9998x2 asks=10002x4 book.delta_count=1 signal.mid_half_ticks=20002",
        ),
        Scenario("without levels only the number moves", BOOK + "delta / @11<10 | - | book.venue_seq=11 book=live"),
    ],
    K.BOOK_CLEAR: [
        Scenario(
            "the book is empty until the next snapshot",
            BOOK
            + """
            clear | guard none>book_invalid; cancel #1 bid book_invalid; cancel #2 ask book_invalid | \
                book=empty bids=none
            delta 10000x5 / 10001x5 @1 | - | book=empty bids=none book.ignored_count=1
            book 10000x5 / 10001x5 @1 | guard book_invalid>none; place #3 bid 9990 x 5; place #4 ask 10011 x 5 | \
                book=live
            """,
        )
    ],
    K.BOOK_GAP: [
        Scenario(
            "the book is stale until the next snapshot",
            BOOK
            + """
            gap | alert book_gap 10; guard none>book_invalid; cancel #1 bid book_invalid; \
                cancel #2 ask book_invalid | book=stale
            delta 9999x9 / @11<10 | - | book=stale book.ignored_count=1 signal.mid_half_ticks=-4611686018427387904
            book 10000x5 / 10001x5 @20 | guard book_invalid>none; place #3 bid 9990 x 5; place #4 ask 10011 x 5 | \
                book=live
            """,
        )
    ],
    K.BBO: [
        Scenario(
            "stands beside the book",
            BOOK
            + "bbo 9999x3 / 10000x4 @77 | - | bid.bbo_price_ticks=9999 bid.bbo_qty_lots=3 ask.bbo_price_ticks=10000 "
            "ask.bbo_venue_seq=77 signal.mid_half_ticks=20001",
        )
    ],
    K.BOOK_ORDER: [
        # At a price inside the spread, and so late that another event would pull the quotes: the core only counts it.
        Scenario(
            "is counted, decides nothing and is not in the book",
            BOOK
            + """
            +3001 order bid 10000x7 501 @11 | - | bids=10000x5,9999x3 book.venue_seq=10 book.delta_count=0 \
                clock.event_count=3 clock.kind_now=18
            order ask 10001x0 502 @11 | - | asks=10001x5 bid.open_order_count=1
            timer | guard none>md_stale; cancel #1 bid md_stale; cancel #2 ask md_stale
            """,
        )
    ],
    K.TRADE: [
        Scenario(
            "is remembered",
            BOOK + "trade ask 10000x2 | - | book.trade_count=1 book.trade_price_ticks=10000 position.position_lots=0",
        )
    ],
    K.MARK: [Scenario("is remembered", BOOK + "mark 1000050000000 | - | book.mark_price_e8=1000050000000")],
    K.FUNDING: [
        # 2 lots x 10,000 x 0.1 % = 20 USD, paid by the long; a negative rate pays it back.
        Scenario(
            "a long pays a positive rate",
            BOOK
            + """
            fill #1 9990x2 maker | cancel #1 bid reprice; place #3 bid 9990 x 5
            funding 1000000 10000 | - | position.funding_micros=20000000
            funding -1000000 10000 | - | position.funding_micros=0
            mark 1000000000000 | -
            funding 1000000 | - | position.funding_micros=20000000
            """,
        ),
        Scenario(
            "a short is paid",
            BOOK + "fill #2 10011x2 maker |\nfunding 1000000 10000 | - | position.funding_micros=-20000000",
        ),
    ],
    K.ACK: [
        Scenario(
            "created, submitted, accepted",
            BOOK
            + "rate #1 ok | - | #1=submitted #2=created\nack #1 | - | #1=accepted counter.acked_count=1\n"
            + "ack #2 | - | #2=accepted",
            SENT,
        )
    ],
    K.REJECT: [
        Scenario(
            "frees the level, which is quoted again",
            BOOK
            + "reject #2 | place #3 ask 10011 x 5 | counter.rejected_count=1 ask.open_lots=5 ask.open_order_count=1",
            SENT,
        )
    ],
    K.AMENDED: [
        Scenario(
            "the venue's price and size stand",
            LIVE
            + "delta / 10001x0 10002x4 @11<10 | amend #2 ask 10012 x 5 reprice | #2=amending #2.price_ticks=10011\n"
            "amended #2 10012x5 | - | #2=accepted #2.price_ticks=10012 #2.pending_qty_lots=0",
            SENT,
        )
    ],
    K.CANCELED: [
        Scenario("unasked, it is quoted again", LIVE + "canceled #1 | place #3 bid 9990 x 5 | bid.open_lots=5", SENT),
        Scenario(
            "a level waits until its old order is gone",
            LIVE
            + """
            config min_spread_bps=40.0 | param min_spread_bps 20>40 config; cancel #1 bid reprice; \
                cancel #2 ask reprice | #1=cancelling
            timer | -
            canceled #1 | place #3 bid 9980 x 5 | #2=cancelling
            canceled #2 | place #4 ask 10021 x 5
            """,
            SENT,
        ),
    ],
    K.EXPIRED: [Scenario("as a cancel", LIVE + "expired #1 | place #3 bid 9990 x 5 | counter.expired_count=1", SENT)],
    K.FILL: [
        Scenario(
            "moves the position and the order",
            LIVE
            + """
            fill #1 9990x1 maker | - | position.position_lots=1 position.cost_ticklots=9990 #1=accepted #1.qty_lots=4 \
                bid.open_lots=4
            fill #1 9990x4 | place #3 bid 9990 x 5 | \
                position.position_lots=5 position.maker_fill_count=1 position.fill_count=2
            fill #2 10011x5 maker | place #4 ask 10011 x 5 | position.position_lots=0 position.realized_ticklots=105
            """,
            {**SENT, "amend_size_threshold": 0.25},
        ),
        Scenario(
            "of an order that is gone moves the position all the same",
            LIVE + "canceled #1 | place #3 bid 9990 x 5\nfill #1 bid 9990x2 | alert fill_unknown_order 2 | "
            "position.position_lots=2 counter.late_event_count=1 bid.open_lots=5 #3.qty_lots=5",
            SENT,
        ),
    ],
    K.BALANCE: [Scenario("is remembered", BOOK + "balance 123456 | - | clock.cash_micros=123456")],
    K.POSITION: [
        Scenario(
            "a difference is told, not taken over",
            BOOK + "position 0 | -\nposition -3 | alert position_differs -3 | position.venue_position_lots=-3 "
            "position.position_lots=0 counter.alert_count=1",
        ),
        Scenario(
            "an opening is taken over: its gain up to the first mid is its own, what comes after is the journal's",
            "opening 4@9990 500 20 -3 | guard none>book_invalid | position.position_lots=4 position.opening_lots=4 "
            "position.cost_ticklots=39960 position.venue_position_lots=4 position.opening_pnl_micros=500 "
            "position.opening_fees_micros=20 position.opening_funding_micros=-3 position.fees_micros=0\n"
            "book 10000x5 / 10001x5 @1 | guard book_invalid>none; place #1 bid 9990 x 5; place #2 ask 10011 x 5 | "
            "position.opening_unrealized_micros=42000000 position.gross_micros=40002000000 position.fill_count=0",
        ),
        Scenario(
            "with a book there is a mid at once",
            BOOK + "opening -2@10002.5 0 0 0 | - | position.cost_ticklots=-20005 "
            "position.opening_unrealized_micros=4000000",
        ),
        Scenario(
            "an opening behind a fill, or a second one, is told and left",
            BOOK
            + "opening 4@9990 0 0 0 | - \nopening 5@9990 0 0 0 | alert position_differs 1 | position.position_lots=4",
        ),
        Scenario(
            "an opening without a price is told and left",
            BOOK + "opening 4 0 0 0 | alert position_differs 4 | position.position_lots=0 position.opening_lots=0",
        ),
        Scenario(
            "flat before: only the money of before",
            BOOK + "opening 0 7 1 2 | - | position.opening_pnl_micros=7 position.opening_unrealized_micros=0",
        ),
    ],
    K.OPEN_ORDERS: [
        Scenario(
            "a live order that is not listed twice is gone",
            LIVE
            + """
            open #2 ask 10011x5 | alert order_unknown #1; guard none>order_unknown; \
                cancel #2 ask order_unknown | #1=unknown
            canceled #2 | - | quoter.unknown_order_count=1
            open none | guard order_unknown>none; place #3 bid 9990 x 5; place #4 ask 10011 x 5 | \
                quoter.unknown_order_count=0
            """,
            SENT,
        ),
        Scenario(
            "the listed size is the size",
            LIVE + "open #1 bid 9990x4, #2 ask 10011x5 | - | #1=accepted #1.qty_lots=4 bid.open_lots=4",
            {**SENT, "amend_size_threshold": 0.25},
        ),
    ],
    K.CONNECTION: [
        Scenario(
            "down pulls, up quotes",
            LIVE
            + """
            connection down | guard none>connection_down; cancel #1 bid connection_down; cancel #2 ask connection_down
            canceled #1 | - | clock.connection_state=0
            canceled #2 | -
            connection up | guard connection_down>none; place #3 bid 9990 x 5; place #4 ask 10011 x 5
            """,
            SENT,
        ),
        Scenario("means nothing where nothing is sent", BOOK + "connection down | - | #1=accepted"),
    ],
    K.REQUEST_RESULT: [
        Scenario(
            "a request without an answer stops quoting until the venue lists its orders",
            BOOK
            + """
            rate #1 timeout | alert order_unknown #1; guard none>order_unknown; cancel #2 ask order_unknown | \
                #1=unknown
            book 10000x5 / 10001x5 @11 | - | counter.request_timeout_count=1 bid.open_lots=5
            open #1 bid 9990x5 | guard order_unknown>none; place #3 ask 10011 x 5 | #1=accepted
            """,
            SENT,
        ),
        Scenario(
            "refused is rejected", BOOK + "rate #1 refused | place #3 bid 9990 x 5 | bid.open_order_count=1", SENT
        ),
    ],
    K.HEALTH: [Scenario("is remembered", BOOK + "health 99 | - | clock.rss_bytes=99")],
    K.SCORE: [Scenario("is remembered", BOOK + "score -5 | - | book.score_e9=-5")],
    # 25,500 USD a level are 2 lots; spacing 0.5 of 20 bps: level 1 at 10 + 10, level 2 at 10 + 20 bps of 10000.5.
    K.PLACE: [
        Scenario(
            "a ladder, bids first",
            "book 10000x5 / 10001x5 @10 | place #1 bid 9980 x 2; place #2 bid 9970 x 2; place #3 ask 10021 x 2; "
            "place #4 ask 10031 x 2 | quoter.quote_count=1 counter.placed_count=4 bid.open_lots=4 #1=accepted",
            {"levels_per_side": 2, "level_spacing_coeff": 0.5},
        )
    ],
    K.AMEND: [
        # 4 ticks of 10,000 are within the 5 bps of an amend, 6 lots for 5 within its 20 %: both change in one amend.
        Scenario(
            "price and size together",
            BOOK
            + """
            config target_micros=61000000000 | | #1.qty_lots=5 #2.qty_lots=5
            delta / 10001x0 10009x4 @11<10 | amend #1 bid 9994 x 6 reprice; amend #2 ask 10015 x 6 reprice | \
                #1.amend_count=1
            """,
        ),
        Scenario(
            "not before its time in the book",
            BOOK
            + """
            delta / 10001x0 10002x4 @11<10 | - | #2.price_ticks=10011 blocked.min_time_in_book=1
            +100 timer | amend #2 ask 10012 x 5 reprice
            """,
            {"min_time_in_book_ns": 50_000_000},
        ),
    ],
    K.CANCEL: [
        Scenario(
            "beyond the size threshold",
            BOOK + "config target_micros=71000000000 | | #3.qty_lots=7 #4.qty_lots=7 counter.amended_count=0",
        ),
        Scenario(
            "beyond the price threshold",
            BOOK + "config min_spread_bps=40.0 | param min_spread_bps 20>40 config; cancel #1 bid reprice; "
            "place #3 bid 9980 x 5; cancel #2 ask reprice; place #4 ask 10021 x 5 | counter.cancelled_count=2",
        ),
    ],
    K.AUDIT: [
        Scenario(
            "every gate's change, once",
            "timer | guard none>book_invalid; block book_invalid 0/1 code | counter.audit_count=2\ntimer | -\n"
            "book 10000x5 / 10001x5 @1 | guard book_invalid>none; place #1 bid 9990 x 5; place #2 ask 10011 x 5",
        )
    ],
    K.ALERT: [
        Scenario("before what follows from it", "gap | alert book_gap -4611686018427387904; guard none>book_invalid")
    ],
    K.NOTE: [
        Scenario(
            "a policy's, in parts, before what is decided",
            """
            timer | note 0 {"alloc":{"shares":[0.25; note 1 ,0.75],"why":"seen"}}; guard none>book_invalid
            +1 timer | - | clock.effect_count=4
            """,
            policies=(make_noter(lambda settings, memory: [SHARES]),),
        )
    ],
    K.DIGEST: [Scenario("is no event of the core", BOOK + "digest wrong | - | clock.event_count=2")],
}
CASES = [
    pytest.param(kind, scenario, id=f"{kind.name}: {scenario.name}")
    for kind, scenarios in SCENARIOS.items()
    for scenario in scenarios
]


@pytest.mark.parametrize(("kind", "scenario"), CASES)
def test_scenario(kind: EventKind, scenario: Scenario) -> None:
    house = House(policies=scenario.policies, **scenario.params)
    if scenario.policies is not POLICIES:
        on = {"enabled": 1, "interval_s": 1.0}
        house.core.configure({"policies": {one.name: on for one in scenario.policies}})
    seen: set[int] = {EventKind.MANIFEST}
    for line in lines_of(scenario.text):
        house.play(line)
        check_counts(house)
        seen |= {int(house.rows[-1]["kind"][0])} | {int(effect["kind"]) for effect in house.taken}
    assert kind in seen
