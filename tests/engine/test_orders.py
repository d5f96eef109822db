"""Own orders: what the venue may answer, in any order, and what the book of own orders makes of it."""

import pytest

from mmfold.engine.codes import OrderEvent, OrderStatus
from mmfold.engine.orders import TRANSITIONS
from tests.engine.rows import House, check_counts, lines_of, make_manifest

BOOK = "book 10000x5 / 10001x5 @10 | place #1 bid 9990 x 5; place #2 ask 10011 x 5\n"
LIVE = BOOK + "ack #1 | - | #1=accepted\nack #2 | - | #2=accepted\n"
AMENDING = LIVE + "delta / 10001x0 10002x4 @11<10 | amend #2 ask 10012 x 5 reprice | #2=amending\n"
LOST = "guard none>order_unknown"

# The table of docs: what a row's status becomes. free and done never change; the rest is spelled out.
TABLE = """
              created     submitted   accepted    amending    cancelling  unknown
sent          submitted   submitted   accepted    amending    cancelling  unknown
ack           accepted    accepted    accepted    amending    cancelling  accepted
reject        done        done        accepted    accepted    unknown     unknown
amend         created     submitted   amending    amending    cancelling  unknown
amended       created     submitted   accepted    accepted    cancelling  accepted
cancel        cancelling  cancelling  cancelling  cancelling  cancelling  unknown
canceled      done        done        done        done        done        done
expired       done        done        done        done        done        done
fill_partial  accepted    accepted    accepted    amending    cancelling  accepted
fill_full     done        done        done        done        done        done
timeout       unknown     unknown     accepted    unknown     unknown     unknown
seen_open     accepted    accepted    accepted    amending    cancelling  accepted
seen_absent   created     submitted   unknown     unknown     done        done
"""

SENT = {
    "an answer to an order that is gone is counted": LIVE + """
        canceled #1 | place #3 bid 9990 x 5
        canceled #1 | - | counter.late_event_count=1
        ack #1 | - | counter.late_event_count=2 #3=created
        amended #1 9000x9 | - | counter.late_event_count=3 #3.price_ticks=9990
        """,
    "an answer to an order that never was": LIVE + "reject #9 | - | counter.late_event_count=1 #1=accepted #2=accepted",
    "a fill ends an order before its ack": BOOK + """
        fill #1 9990x5 maker | place #3 bid 9990 x 5 | position.position_lots=5 bid.open_lots=5
        ack #1 | - | counter.late_event_count=1 #3=created
        """,
    "a fill of more than was open": LIVE
    + "fill #1 9990x7 | place #3 bid 9990 x 5 | position.position_lots=7 bid.open_lots=5",
    "a fill and its cancel cross": LIVE + """
        config enabled=0 | param enabled 1>0 config; guard none>disabled; cancel #1 bid disabled; \
            cancel #2 ask disabled
        fill #1 9990x5 | - | position.position_lots=5 bid.open_lots=0
        canceled #1 | - | counter.late_event_count=1
        fill #2 10011x2 | - | #2=cancelling #2.qty_lots=3 ask.open_lots=3
        canceled #2 | - | ask.open_lots=0 ask.open_order_count=0
        """,
    "a refused amend leaves the order as it was": AMENDING + """
        reject #2 | amend #2 ask 10012 x 5 reprice | #2.pending_qty_lots=5 #2.amend_count=2
        """,
    "a refused amend of an order that was filled meanwhile": LIVE + """
        config target_micros=61000000000 |
        delta / 10001x0 10002x4 @11<10 | amend #2 ask 10012 x 6 reprice | #2=amending ask.open_lots=6
        fill #2 10011x5 | - | #2=amending #2.qty_lots=0 ask.open_lots=1
        reject #2 | place #3 ask 10012 x 6 | ask.open_lots=6 ask.open_order_count=1
        """,
    "an amend that could not be sent": LIVE + """
        config target_micros=61000000000 |
        delta / 10001x0 10002x4 @11<10 | amend #2 ask 10012 x 6 reprice | #2=amending ask.open_lots=6
        rate #2 rate_limited | amend #2 ask 10012 x 6 reprice | #2=amending ask.open_lots=6
        fill #2 10011x5 | - | #2.qty_lots=0
        rate #2 refused | place #3 ask 10012 x 6 | ask.open_lots=6
        """,
    "an amend to what is filled already ends the order": AMENDING + """
        fill #2 10011x2 | - | #2=amending #2.qty_lots=3 #2.pending_qty_lots=3
        amended #2 10012x0 | place #3 ask 10012 x 5 | ask.open_lots=5 ask.open_order_count=1
        """,
    "an amend without an answer is open at the greater size until the venue tells": LIVE + f"""
        config target_micros=61000000000 |
        delta / 10001x0 10002x4 @11<10 | amend #2 ask 10012 x 6 reprice
        rate #2 timeout | alert order_unknown #2; {LOST}; cancel #1 bid order_unknown | #2=unknown ask.open_lots=6
        fill #2 10011x1 | - | #2=unknown ask.open_lots=5 #2.qty_lots=4
        ack #2 | - | #2=unknown
        open #1 bid 9990x5, #2 ask 10012x5 | guard order_unknown>none | #2=accepted #2.qty_lots=5 #1=cancelling
        """,
    "a list that was made before an amend does not undo it": LIVE + """
        config target_micros=61000000000 |
        delta / 10001x0 10002x4 @11<10 | amend #2 ask 10012 x 6 reprice
        open #1 bid 9990x5, #2 ask 10011x5 | - | #2=amending #2.pending_qty_lots=6 ask.open_lots=6
        amended #2 10012x6 | - | #2=accepted ask.open_lots=6
        """,
    "a list with an order of size 0": LIVE
    + "open #1 bid 9990x0, #2 ask 10011x5 | place #3 bid 9990 x 5 | bid.open_lots=5",
    "a refused cancel is not known to have ended the order": LIVE + f"""
        config min_spread_bps=40.0 | param min_spread_bps 20>40 config; cancel #1 bid reprice; cancel #2 ask reprice
        reject #1 | alert order_unknown #1; {LOST} | #1=unknown #2=cancelling
        canceled #2 | -
        open none | guard order_unknown>none; place #3 bid 9980 x 5; place #4 ask 10021 x 5
        """,
    "a place and its cancel in doubt: a refusal may be that of either": BOOK + """
        config enabled=0 | param enabled 1>0 config; guard none>disabled; cancel #1 bid disabled; \
            cancel #2 ask disabled
        rate #1 timeout | alert order_unknown #1 | #1=unknown
        rate #1 rate_limited | - | #1=unknown bid.open_lots=5
        canceled #1 | - | bid.open_lots=0
        """,
    "an order that is new is not expected on the list": BOOK
    + "open none | - | #1=created #2=created\nrate #1 ok | -\nopen none | - | #1=submitted",
    "a server error is a timeout": BOOK
    + f"rate #2 server_error | alert order_unknown #2; {LOST}; cancel #1 bid order_unknown | #2=unknown",
    "an outcome of a request that nobody made": BOOK + "rate #9 timeout | - | #1=created quoter.unknown_order_count=0",
    "an outcome that comes late": LIVE
    + "canceled #1 | place #3 bid 9990 x 5\nrate #1 timeout | - | counter.request_timeout_count=0 #3=created",
    "an ack ends the doubt": BOOK + f"""
        rate #1 timeout | alert order_unknown #1; {LOST}; cancel #2 ask order_unknown
        canceled #2 | -
        ack #1 | guard order_unknown>none; place #3 ask 10011 x 5 | #1=accepted
        """,
    "expired while cancelling": LIVE + "command freeze |\nexpired #1 | - | bid.open_lots=0 #2=cancelling",
}  # fmt: skip

OVERLAP = {
    # Both cancels were refused for want of request budget: both orders still rest, and only one may stay.
    "of two orders on one level one goes": BOOK + """
        ack #1 | -
        ack #2 | -
        config min_spread_bps=40.0 | param min_spread_bps 20>40 config; cancel #1 bid reprice; \
            place #3 bid 9980 x 5; cancel #2 ask reprice; place #4 ask 10021 x 5
        ack #3 | -
        rate #1 rate_limited | alert order_unknown #1; guard none>order_unknown; cancel #3 bid order_unknown; \
            cancel #4 ask order_unknown
        rate #3 rate_limited | alert order_unknown #3 | quoter.unknown_order_count=2
        canceled #2 | -
        canceled #4 | -
        open #1 bid 9990x5, #3 bid 9980x5 | guard order_unknown>none; cancel #1 bid level_dropped; \
            place #5 ask 10021 x 5 | #3=accepted #1=cancelling
        """,
}  # fmt: skip


def test_table() -> None:
    statuses, *lines = (line.split() for line in TABLE.strip().splitlines())
    found = {
        OrderEvent(column).name.lower(): [OrderStatus(status).name.lower() for status in TRANSITIONS[:, column]]
        for column in OrderEvent
    }
    assert statuses == [
        status.name.lower() for status in OrderStatus if status not in (OrderStatus.FREE, OrderStatus.DONE)
    ]
    assert found == {event: ["free", *cells, "done"] for event, *cells in lines}


def play(text: str, **params: int | float) -> House:
    house = House(make_manifest(), **params)
    for line in lines_of(text):
        house.play(line)
        check_counts(house)
    return house


@pytest.mark.parametrize("name", SENT)
def test_answers(name: str) -> None:
    play(SENT[name], mode=1, amend_size_threshold=0.25)


@pytest.mark.parametrize("name", OVERLAP)
def test_overlap(name: str) -> None:
    play(OVERLAP[name], mode=1, replace_overlap=1)


def test_order_ids_name_event_instrument_and_slot() -> None:
    house = play(BOOK)
    # seq 1, instrument 0: the bid's slot is the second place of level 0, the ask's that of its own half.
    assert house.names == [1 << 16 | 1, 1 << 16 | 33]
