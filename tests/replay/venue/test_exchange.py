"""What the simulated venue answers, line by line: `what happens | answers`, 10 ms apart, requests at their arrival."""

from dataclasses import replace

import pytest

from mmfold.engine.codes import EventKind, Side
from mmfold.engine.orders import SLOTS_PER_SIDE
from mmfold.replay.venue.queue import QueueModel
from tests.engine.rows import T0_NS, lines_of, make_manifest, parse_levels
from tests.replay.venue.scenario import MS, PLAIN, Happening, Request, Scenario, play

STEP_NS = 10 * MS
QUEUE = """
    book 100x5 / 102x5
    place #1 bid 100x3             | ack #1
    trade ask 100x4                |
    trade ask 100x1                |
    trade ask 100x1                | fill #1 100x1
    trade ask 100x9                | fill #1 100x2
    trade ask 100x9                |
"""
SCENARIOS = {
    "the queue ahead is first": QUEUE,
    "asks queue like bids": """
        book 100x5 / 102x5
        place #33 ask 102x3        | ack #33
        trade bid 102x5            |
        trade bid 102x2            | fill #33 102x2
        trade bid 103x1            | fill #33 102x1
    """,
    "a trade takes one side": """
        book 100x5 / 103x5
        place #1 bid 101x3         | ack #1
        place #33 ask 102x3        | ack #33
        trade ask 101x1            | fill #1 101x1
        trade bid 102x2            | fill #33 102x2
    """,
    "a trade through the price has nothing ahead any more": """
        book 100x5 / 102x5
        place #1 bid 100x30        | ack #1
        trade ask 99x2             | fill #1 100x2
        trade ask 100x3            | fill #1 100x3
    """,
    "own orders at one price share a trade in order of arrival": """
        book 100x5 / 102x5
        place #3 bid 100x10        | ack #3
        place #1 bid 100x10        | ack #1
        place #2 bid 100x10        | ack #2
        trade ask 100x17           | fill #3 100x10; fill #1 100x2
        trade ask 100x9            | fill #1 100x8; fill #2 100x1
        trade ask 100x30           | fill #2 100x9
    """,
    "own orders at better prices come first": """
        book 98x4 / 105x5
        place #1 bid 98x3          | ack #1
        place #2 bid 100x3         | ack #2
        place #3 bid 99x3          | ack #3
        trade ask 99x5             | fill #2 100x3; fill #3 99x2
        trade ask 98x6             | fill #3 99x1; fill #1 98x1
        trade ask 98x1             | fill #1 98x1
        trade ask 97x9             | fill #1 98x1
    """,
    "asks share like bids": """
        book 100x5 / 102x1
        place #35 ask 102x2        | ack #35
        place #33 ask 102x2        | ack #33
        place #34 ask 101x2        | ack #34
        trade bid 102x6            | fill #34 101x2; fill #35 102x2; fill #33 102x1
    """,
    "an amend to the end of the queue gives the turn away": """
        book 99x5 / 102x5
        place #1 bid 100x2         | ack #1
        place #2 bid 100x2         | ack #2
        amend #1 100x3             | amended #1 100x3
        trade ask 100x3            | fill #2 100x2; fill #1 100x1
    """,
    "who joins between own orders is between them": """
        book 100x2 / 102x5
        place #1 bid 100x3         | ack #1
        delta 100x6 /              |
        place #2 bid 100x3         | ack #2
        trade ask 100x4            | fill #1 100x2
        trade ask 100x3            | fill #1 100x1
        trade ask 100x3            | fill #2 100x1
    """,
    "a block trade is off the book": """
        book 100x5 / 102x5
        place #1 bid 100x3         | ack #1
        trade ask 100x50 block     |
        trade ask 99x50 block      |
        trade ask 100x6            | fill #1 100x1
    """,
    "the other side's level reaches the price": """
        book 100x5 / 102x5
        place #1 bid 101x3         | ack #1
        place #2 bid 100x3         | ack #2
        delta / 101x1              | fill #1 101x1
        delta 100x0 / 100x1        | fill #1 101x1
        delta / 100x1              |
        delta / 100x4 101x0        | fill #1 101x1; fill #2 100x2
        delta / 101x7              |
        delta / 99x9               | fill #2 100x1
    """,
    "every level that reaches own orders brings its lots": """
        book 100x5 / 104x5
        place #1 bid 102x2         | ack #1
        place #2 bid 101x9         | ack #2
        place #3 bid 101x9         | ack #3
        delta 100x0 / 101x8 102x4  | fill #1 102x2; fill #2 101x6
        delta / 101x12             | fill #2 101x3; fill #3 101x1
    """,
    "a level behind the best reaches nothing": """
        book 100x5 / 102x5
        place #1 bid 101x3         | ack #1
        delta / 103x9              |
        delta / 102x0              |
    """,
    "post-only": """
        book 100x5 / 102x5
        place #1 bid 102x3         | expired #1
        place #2 bid 103x3         | expired #2
        place #33 ask 100x3        | expired #33
        place #3 bid 101x3         | ack #3
        amend #3 102x3             | reject #3
        amend #3 101x2             | amended #3 101x2
        delta / 102x0 103x1        |
        place #4 bid 103x3         | expired #4
        place #5 bid 102x3         | ack #5
    """,
    "a whole side gone cannot be crossed": """
        book 100x5 / 102x5
        delta / 102x0
        place #1 bid 150x3         | ack #1
    """,
    "repeats and unknown ids": """
        book 100x5 / 102x5
        place #1 bid 100x3         | ack #1
        place #1 bid 100x3         | reject #1
        cancel #2                  | reject #2
        amend #2 100x3             | reject #2
        cancel #1                  | canceled #1
        cancel #1                  | reject #1
        amend #1 99x3              | reject #1
        place #1 bid 100x3         | reject #1
    """,
    "too small": """
        book 100x5 / 102x5
        place #1 bid 100x1         | reject #1
        place #2 bid 100x2         | ack #2
    """,
    "a cancel after the fill": """
        book 100x0 101x5 / 102x5
        place #1 bid 100x3         | ack #1
        trade ask 100x3            | fill #1 100x3
        cancel #1                  | reject #1
        amend #1 99x3              | reject #1
    """,
    "the same or a smaller size keeps its place": """
        book 100x5 / 102x5
        place #1 bid 100x5         | ack #1
        trade ask 100x5            |
        amend #1 100x5             | amended #1 100x5
        amend #1 100x2             | amended #1 100x2
        trade ask 100x1            | fill #1 100x1
    """,
    "a greater size or another price goes to the end": """
        book 100x5 99x7 / 102x5
        place #1 bid 100x2         | ack #1
        trade ask 100x5            |
        amend #1 100x3             | amended #1 100x3
        trade ask 100x5            |
        amend #1 99x3              | amended #1 99x3
        amend #1 100x3             | amended #1 100x3
        trade ask 100x5            |
        trade ask 100x1            | fill #1 100x1
    """,
    "an amend names the whole size": """
        book 99x5 / 102x5
        place #1 bid 100x5         | ack #1
        trade ask 100x2            | fill #1 100x2
        amend #1 100x5             | amended #1 100x3
        amend #1 100x2 filled 2    | amended #1 100x2
        trade ask 100x1            | fill #1 100x1
        amend #1 100x1 filled 2    | reject #1
        trade ask 100x9            | fill #1 100x1
    """,
    "without a valid book": """
        place #1 bid 100x3         | reject #1
        book 100x5 / 102x5
        place #2 bid 100x3         | ack #2
        lost 99x1 / 103x1
        place #3 bid 100x3         | reject #3
        amend #2 99x3              | reject #2
        trade ask 100x6            | fill #2 100x1
        cancel #2                  | canceled #2
        book 100x5 / 102x5
        place #4 bid 100x3         | ack #4
    """,
    "a snapshot moves the queue": """
        book 100x5 / 102x5
        place #1 bid 100x3         | ack #1
        lost 99x1 / 103x1
        book 100x1 / 102x5
        trade ask 100x2            | fill #1 100x1
    """,
    "a snapshot that reaches an order fills it": """
        book 100x5 / 102x5
        place #1 bid 100x3         | ack #1
        place #33 ask 103x3        | ack #33
        lost 99x1 / 103x1
        book 97x5 / 99x5           | fill #1 100x3
        book 104x5 / 105x5         | fill #33 103x3
    """,
    "a snapshot brings what reached nobody before": """
        book 100x5 / 102x5
        place #1 bid 100x9         | ack #1
        place #2 bid 100x9         | ack #2
        lost 99x1 / 103x1
        book 97x5 / 99x5 100x5     | fill #1 100x5; fill #1 100x4; fill #2 100x1
        lost 99x1 / 103x1
        book 97x5 / 99x5 100x8     | fill #2 100x3
    """,
    "a crossed book takes no orders until a snapshot": """
        book 100x5 / 102x5
        delta 103x1 / 103x1
        place #1 bid 90x3          | reject #1
        delta 103x0 / 103x0
        place #2 bid 90x3          | reject #2
        book 100x5 / 102x5
        place #3 bid 90x3          | ack #3
    """,
}


class Tape:
    """Lines to market events and requests."""

    def __init__(self) -> None:
        self.market: list[Happening] = []
        self.requests: list[Request] = []
        self.placed: dict[str, int] = {}
        self.seq = 0

    def take(self, text: str, ts_ns: int) -> None:
        word, *words = text.split()
        at = {"exchange_ns": ts_ns, "receive_ns": ts_ns + MS}
        if word in ("book", "delta", "lost"):
            levels = parse_levels(words)
            both = [(side, *level) for side, part in zip((Side.BID, Side.ASK), levels, strict=True) for level in part]
            kind = EventKind.BOOK_SNAPSHOT if word == "book" else EventKind.BOOK_DELTA
            prev, self.seq = self.seq + (word == "lost"), self.seq + 2
            kept = tuple(one for one in both if one[2] or word != "book")
            self.market.append(Happening(kind=kind, levels=kept, seq=self.seq, prev=prev, **at))
        elif word == "order":
            price, qty = map(int, words[1].split("x"))
            order = {"aggressor": Side[words[0].upper()], "price": price, "qty": qty, "number": int(words[2])}
            self.market.append(Happening(kind=EventKind.BOOK_ORDER, seq=self.seq + 2, **order, **at))
        elif word == "trade":
            price, qty = map(int, words[1].split("x"))
            side, block = Side[words[0].upper()], "block" in words
            self.market.append(Happening(kind=EventKind.TRADE, aggressor=side, price=price, qty=qty, block=block, **at))
        else:
            number = int(words[0].removeprefix("#"))
            price, qty = map(int, next((one for one in words if "x" in one), "0x0").split("x"))
            filled = int(words[-1]) if "filled" in words else 0
            kind = EventKind[word.upper()]
            order_id = (1 << 16) | number
            assert word != "place" or (words[1] == "ask") == (number >= SLOTS_PER_SIDE)
            self.requests.append(
                Request(ts_ns=ts_ns, kind=kind, order_id=order_id, price=price, qty=qty, filled=filled)
            )


def play_lines(text: str, instrument: dict[str, object] | None = None, **settings: object) -> list[tuple[str, str]]:
    """Return (line, answers as text) of a scenario."""
    tape, lines = Tape(), [line.partition("|")[0].strip() for line in lines_of(text)]
    for number, line in enumerate(lines):
        tape.take(line, T0_NS + number * STEP_NS)
    scenario = Scenario(
        manifest=make_manifest(**{"min_qty_lots": 2, **(instrument or {})}),
        market=tuple(tape.market),
        requests=tuple(tape.requests),
        assumptions=replace(PLAIN, **settings),  # type: ignore[arg-type]
    )
    inputs = play(scenario).inputs
    answers: list[list[str]] = [[] for _ in lines]
    for row in inputs[inputs["kind"] >= EventKind.ACK]:
        kind, number = EventKind(row["kind"]), (int(row["ts_exchange_ns"]) - T0_NS) // STEP_NS
        told = f" {row['price_ticks']}x{row['qty_lots']}" if kind in (EventKind.FILL, EventKind.AMENDED) else ""
        answers[number].append(f"{kind.name.lower()} #{int(row['order_id']) & 63}{told}")
    return [(line, "; ".join(found)) for line, found in zip(lines, answers, strict=True)]


def expected_of(text: str) -> list[tuple[str, str]]:
    return [(line.partition("|")[0].strip(), line.partition("|")[2].strip()) for line in lines_of(text)]


@pytest.mark.parametrize("text", SCENARIOS.values(), ids=SCENARIOS)
def test_scenario(text: str) -> None:
    assert play_lines(text) == expected_of(text)


def test_without_partial_fills_an_order_that_is_reached_is_filled_whole() -> None:
    whole = QUEUE.replace("100x1\n    trade ask 100x9                | fill #1 100x2", "100x3\n    trade ask 100x9 |")
    assert play_lines(whole, partial_fills=False) == expected_of(whole)


def test_without_partial_fills_the_next_order_gets_what_remains() -> None:
    text = """
        book 100x5 / 105x5
        place #1 bid 100x10        | ack #1
        place #2 bid 100x10        | ack #2
        place #3 bid 101x2         | ack #3
        trade ask 100x4            | fill #3 101x2
        trade ask 100x4            | fill #1 100x10
        trade ask 100x1            | fill #2 100x10
        place #4 bid 100x10        | ack #4
        place #5 bid 100x10        | ack #5
        place #6 bid 100x10        | ack #6
        trade ask 100x18           | fill #4 100x10; fill #5 100x3
        delta / 100x12             | fill #5 100x7; fill #6 100x5
        delta / 99x1               | fill #6 100x5
    """
    assert play_lines(text, partial_fills=False) == expected_of(text)


@pytest.mark.parametrize("model", QueueModel)
@pytest.mark.parametrize("ahead", [600, 10])
def test_a_decrease_fills_nothing(model: QueueModel, ahead: int) -> None:
    # All of those ahead and behind leave: nothing is ahead then, but nobody has traded with the order either.
    text = f"""
        book 100x{ahead} / 102x5
        place #1 bid 100x200       | ack #1
        delta 100x1000 /           |
        delta 100x0 /              |
        trade ask 100x1            | fill #1 100x1
        trade ask 100x2            | fill #1 100x2
    """
    assert play_lines(text, queue_model=model) == expected_of(text)


def test_a_request_comes_behind_what_happens_at_its_time() -> None:
    market = [
        Happening(kind=EventKind.BOOK_SNAPSHOT, levels=((0, 100, 1), (1, 102, 1)), exchange_ns=T0_NS, receive_ns=T0_NS),
        *(
            Happening(
                kind=EventKind.TRADE, aggressor=Side.ASK, price=99, qty=9, exchange_ns=ts_ns, receive_ns=ts_ns + MS
            )
            for ts_ns in (T0_NS + MS, T0_NS + 2 * MS)
        ),
    ]
    place = Request(ts_ns=T0_NS + MS, kind=EventKind.PLACE, order_id=1 << 16, price=100, qty=2)
    cancel = Request(ts_ns=T0_NS + 2 * MS, kind=EventKind.CANCEL, order_id=1 << 16)
    scenario = Scenario(manifest=make_manifest(), market=tuple(market), requests=(place, cancel))
    found = play(scenario).inputs
    answers = [(EventKind(row["kind"]), int(row["ts_exchange_ns"])) for row in found if row["kind"] >= EventKind.ACK]
    assert answers == [
        (EventKind.ACK, T0_NS + MS),
        (EventKind.FILL, T0_NS + 2 * MS),
        (EventKind.REJECT, T0_NS + 2 * MS),
    ]


@pytest.mark.parametrize("cuts", [(), (2,), (1, 2)])
def test_the_venue_waits_for_what_a_receive_clock_that_steps_back_still_brings(cuts: tuple[int, ...]) -> None:
    levels = ((Side.BID, 100, 1), (Side.ASK, 102, 1))
    at = [T0_NS + number * 50 * MS for number in range(3)]
    sold = {"kind": EventKind.TRADE, "aggressor": Side.ASK, "price": 100, "qty": 9}
    market = (
        Happening(kind=EventKind.BOOK_SNAPSHOT, levels=levels, exchange_ns=at[0], receive_ns=at[0]),
        Happening(kind=EventKind.TRADE, aggressor=Side.BID, price=103, qty=9, exchange_ns=at[2], receive_ns=at[2]),
        Happening(exchange_ns=at[1], receive_ns=at[1], **sold),
    )
    place = Request(ts_ns=at[1] + 10 * MS, kind=EventKind.PLACE, order_id=1 << 16, price=100, qty=2)
    scenario = Scenario(manifest=make_manifest(), market=market, requests=(place,), cuts=cuts)
    answers = play(scenario).inputs
    assert list(answers["kind"][answers["kind"] >= EventKind.ACK]) == [EventKind.ACK]  # the sale was before it
