"""The first difference and the matched lots of two sessions, as tables; exchanging the two exchanges what is found."""

from random import Random

import pytest

from mmfold.engine.codes import EventKind
from mmfold.replay.parity.compare import Difference, find_differences, match_sessions
from mmfold.replay.parity.session import OwnEvent
from tests.replay.parity.written import written

PLAIN = "5 place #1 bid 100x4; 7 ack #1; 9 fill #1 100x4 maker"
AMENDED = "5 place #1 bid 100x4; 7 ack #1; 9 amend #1 101x4; 11 amended #1 101x4; 15 fill #1 101x4 maker"
DIFFERENCES = [
    # what, A, B, place in the market, A's kind, B's kind
    ("nothing", PLAIN, PLAIN, None, None, None),
    ("nothing at all", "", "", None, None, None),
    ("ids and seqs do not count", PLAIN, "5 place #3 bid 100x4; 7 ack #3; 9 fill #3 100x4 maker", None, None, None),
    ("an answer told later is time alone", PLAIN, PLAIN.replace("9 fill", "30 fill"), None, None, None),
    ("a price", PLAIN, PLAIN.replace("100x4", "101x4"), 5, "PLACE", "PLACE"),
    ("a size", PLAIN, PLAIN.replace("100x4", "100x3"), 5, "PLACE", "PLACE"),
    ("a decision's place", PLAIN, PLAIN.replace("5 place", "6 place"), 5, "PLACE", "PLACE"),
    ("a side", PLAIN, PLAIN.replace("bid", "ask"), 5, "PLACE", None),
    ("a symbol", PLAIN, PLAIN.replace("bid", "bid Y"), 5, "PLACE", None),
    ("a refusal", PLAIN, PLAIN.replace("7 ack", "7 reject"), 7, "ACK", "REJECT"),
    ("an expiry", PLAIN, "5 place #1 bid 100x4; 8 expired #1", 7, "ACK", "EXPIRED"),
    ("no fill", PLAIN, "5 place #1 bid 100x4; 7 ack #1", 9, "FILL", None),
    ("a fill instead of a cancel", PLAIN, "5 place #1 bid 100x4; 7 ack #1; 20 canceled #1", 9, "FILL", "CANCELED"),
    ("a fill in parts", PLAIN, PLAIN.replace("9 fill #1 100x4", "9 fill #1 100x1"), 9, "FILL", "FILL"),
    ("a taker", PLAIN, PLAIN.replace(" maker", ""), 9, "FILL", "FILL"),
    ("an amend's price", AMENDED, AMENDED.replace("101", "102"), 9, "AMEND", "AMEND"),
    ("an amend's place", AMENDED, AMENDED.replace("9 amend #1", "10 amend #1"), 9, "AMEND", "AMEND"),
    ("what the venue made of an amend", AMENDED, AMENDED.replace("amended #1 101x4", "reject #1"), 11,
     "AMENDED", "REJECT"),
    ("one more order", PLAIN, PLAIN + "; 12 place #2 bid 99x1", 12, None, "PLACE"),
    ("the other order is cancelled", "1 place #1 bid 9x1; 1 place #2 bid 8x1; 5 cancel #1",
     "1 place #1 bid 9x1; 1 place #2 bid 8x1; 5 cancel #2", 5, "CANCEL", "CANCEL"),
    ("the earliest of several", PLAIN + "; 12 place #2 ask 99x1", PLAIN.replace("9 fill #1 100x4", "40 fill #1 100x3")
     + "; 12 place #2 ask 98x1", 9, "FILL", "FILL"),
    ("what follows another order is not its answer", PLAIN, "5 place #1 bid 99x4; 6 reject #1", 5, "PLACE", "PLACE"),
    ("an order of an earlier run", PLAIN, PLAIN + "; 11 fill #7 99x1", 11, None, "FILL"),
    ("an answer before a decision at one place", "5 place #1 bid 9x1; 6 ack #1; 6 place #2 bid 8x1",
     "5 place #1 bid 9x1; 6 reject #1; 6 place #2 bid 7x1", 6, "ACK", "REJECT"),
]  # fmt: skip


def kind_of(event: OwnEvent | None) -> str | None:
    return None if event is None else EventKind(event.kind).name


def turned(difference: Difference | None) -> Difference | None:
    return None if difference is None else Difference(difference.b, difference.a)


@pytest.mark.parametrize(("a", "b", "place", "kind_a", "kind_b"), [row[1:] for row in DIFFERENCES],
                         ids=[row[0] for row in DIFFERENCES])  # fmt: skip
def test_the_first_difference(a: str, b: str, place: int | None, kind_a: str | None, kind_b: str | None) -> None:
    first = find_differences(written(a), written(b)).first
    if place is None:
        assert first is None
    else:
        assert first is not None
        assert (first.at[0], kind_of(first.a), kind_of(first.b)) == (place, kind_a, kind_b)
    back = find_differences(written(b), written(a)).first
    assert back == turned(first)


def test_answers_told_elsewhere_are_counted_not_compared() -> None:
    found = find_differences(written(PLAIN), written(PLAIN.replace("7 ack", "8 ack").replace("9 fill", "30 fill")))
    assert (found.first, found.same_answer_count, found.moved_answer_count) == (None, 2, 2)
    assert found.first_moved is not None and found.first_moved.at[0] == 7
    parted = find_differences(written(PLAIN), written(PLAIN.replace("7 ack", "8 reject")))
    assert (parted.same_answer_count, parted.first_moved) == (0, None)


BID, ASK = "5 place #1 bid 100x4", "5 place #1 ask 100x4"
MATCHES = [
    # what, A, B, orders the same, orders moved, lots filled in both, latency in half ticklots
    ("the same fill", BID + "; 9 fill #1 100x4", BID + "; 30 fill #1 100x4", 1, 0, 4, 0),
    ("filled in one", BID + "; 9 fill #1 100x4", BID + "; 30 canceled #1", 1, 0, 0, 0),
    ("in parts", BID + "; 9 fill #1 100x4", BID + "; 9 fill #1 100x1; 10 fill #1 100x2", 1, 0, 3, 0),
    ("amended dearer: B pays 2 ticks more for 4 lots", BID + "; 9 fill #1 100x4", BID + "; 9 fill #1 102x4", 1, 0, 4,
     -16),
    ("sold dearer", ASK + "; 9 fill #1 100x4", ASK + "; 9 fill #1 102x4", 1, 0, 4, 16),
    ("first with first", BID + "; 9 fill #1 100x1; 9 fill #1 103x3", BID + "; 9 fill #1 100x2; 9 fill #1 101x2", 1, 0,
     4, 2 * (3 + 2 * 2)),
    ("decided later, both wanted", BID + "; 9 fill #1 100x4", "6 place #1 bid 101x3; 9 fill #1 101x3", 0, 1, 3, -6),
    ("decided after the other's end", BID + "; 9 fill #1 100x4", "9 place #1 bid 101x3; 12 fill #1 101x3", 0, 0, 0, 0),
    ("decided after the other was given up", BID + "; 8 cancel #1; 12 fill #1 100x4",
     "9 place #1 bid 100x4; 11 fill #1 100x4", 0, 0, 0, 0),
    ("a refused order never stood", BID + "; 5 reject #1", "6 place #1 bid 101x3", 0, 0, 0, 0),
    ("a refused amend leaves it", BID + "; 6 ack #1; 7 reject #1; 9 fill #1 100x4", "8 place #1 bid 101x3", 0, 1, 0, 0),
    ("an amend of the size moves the end", BID + "; 6 amended #1 100x8; 7 fill #1 100x4",
     "8 place #1 bid 101x3", 0, 1, 0, 0),
    ("another level", BID + "; 9 fill #1 100x4", "6 place #11 bid 101x3; 9 fill #11 101x3", 0, 0, 0, 0),
    ("another side", BID + "; 9 fill #1 100x4", "5 place #1 ask 100x4; 9 fill #1 100x4", 0, 0, 0, 0),
    ("alike first, whatever stands before", BID, "4 place #2 bid 99x1; " + BID + "; 7 fill #1 100x4", 1, 0, 0, 0),
    ("the n-th of orders alike", BID + "; 5 place #2 bid 100x4; 9 fill #2 100x4",
     BID + "; 5 place #2 bid 100x4; 9 fill #1 100x4", 2, 0, 0, 0),
    ("each once, in order", "1 place #1 bid 9x1; 3 cancel #1; 3 place #2 bid 8x1; 6 cancel #2",
     "2 place #1 bid 7x1; 4 cancel #1; 4 place #2 bid 6x1; 6 cancel #2", 0, 2, 0, 0),
    ("one that has gone does not hold up the rest", "1 place #1 bid 9x1; 2 cancel #1; 3 place #2 bid 8x1",
     "3 place #1 bid 7x1", 0, 1, 0, 0),
    ("given up where it was placed", "4 place #1 bid 9x1; 4 cancel #1; 5 place #2 bid 8x1; 9 fill #2 8x1",
     "4 place #1 bid 8x1; 4 cancel #1; 5 place #2 bid 7x1; 9 fill #2 7x1", 0, 1, 1, 2),
    ("an order of an earlier run is nobody's match", "9 fill #7 99x1", "9 fill #7 99x1", 0, 0, 0, 0),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b", "expected"), [(row[1], row[2], row[3:]) for row in MATCHES],
                         ids=[row[0] for row in MATCHES])  # fmt: skip
def test_what_both_did(a: str, b: str, expected: tuple[int, ...]) -> None:
    found, _ = match_sessions(written(a), written(b))
    got = (found.same_order_count, found.moved_order_count, found.lots, found.latency_half_ticklots)
    assert got == expected
    back, _ = match_sessions(written(b), written(a))
    assert (back.same_order_count, back.moved_order_count, back.lots) == expected[:3]
    assert back.latency_half_ticklots == -expected[3]


def random_text(random: Random) -> str:
    """Return a session of both symbols, sides and two levels that is long enough to part from another one."""
    lines: list[tuple[int, str]] = []
    for number in range(1, 20):
        at, price, lots = random.randrange(12), random.randrange(95, 98), random.randrange(1, 4)
        side, symbol = random.choice(("bid", "ask")), random.choice(("", " Y"))
        lines.append((at, f"place #{number} {side} {price}x{lots}{symbol}"))
        for _ in range(random.randrange(3)):
            at += random.randrange(4)
            what = random.choice(("ack", "cancel", "canceled", "reject", f"fill {price + random.randrange(3)}x1"))
            kind, _, filled = what.partition(" ")
            lines.append((at, f"{kind} #{number} {filled}{symbol}"))
    return "\n".join(f"{at} {line}" for at, line in sorted(lines, key=lambda line: line[0]))


def test_exchanging_the_sessions_negates_what_is_found() -> None:
    latencies = []
    for seed in range(200):
        random = Random(seed)
        a, b = written(random_text(random)), written(random_text(random))
        there, back = find_differences(a, b), find_differences(b, a)
        assert back.first == turned(there.first) is not None, seed
        assert (back.same_answer_count, back.moved_answer_count) == (there.same_answer_count, there.moved_answer_count)
        for found, other in zip(match_sessions(a, b), match_sessions(b, a), strict=True):
            assert found.lots == other.lots and found.moved_order_count == other.moved_order_count, seed
            assert found.latency_half_ticklots == -other.latency_half_ticklots, seed
            latencies.append(found.latency_half_ticklots)
        for session in (a, b):
            assert find_differences(session, session).first is None
            assert not any(found.latency_half_ticklots for found in match_sessions(session, session))
    assert min(latencies) < 0 < max(latencies)
