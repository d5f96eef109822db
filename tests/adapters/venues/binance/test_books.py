"""Which book waits for a snapshot: a table of what is told when, and a law over lossy streams: nobody waits whose book
the core has alive, and the core's book is the venue's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfold.adapters.venues.binance.books import RUN_ROW_COUNT_MAX
from mmfold.adapters.venues.binance.public import BinanceParser
from mmfold.adapters.venues.port import MalformedFrame, SnapshotDue, VenueError
from mmfold.engine.book import levels
from mmfold.engine.codes import BookStatus, EventKind
from mmfold.engine.continuity import apply_clear, apply_delta, apply_snapshot
from mmfold.engine.state import State, make_state
from tests.adapters.venues.binance.words import MANIFEST, TS, depth, public, snapshot

MS = 1_000_000


def due_of(parser: BinanceParser) -> list[int]:
    return [due.instrument_index for due in parser.snapshots_due()]


def play(parser: BinanceParser, text: str) -> list[str]:
    """`d12<9` a delta, `s10` the answer with a snapshot, `x` a refusal, `?` who is due, `-` the connection is lost;
    a stamp in ms follows `~`."""
    told = []
    for word in text.split():
        body, _, stamp = word.partition("~")
        at = {"T": int(stamp)} if stamp else {}
        if word == "?":
            told.append("due" if due_of(parser) else "-")
        elif word == "-":
            parser.forget_books()
        elif body[0] == "d":
            last, previous = map(int, body[1:].split("<"))
            parser.parse(depth(previous + 1, last, previous, [["99.9", "1"]], **at), TS)
        elif body[0] == "s":
            found = parser.parse_snapshot(parser.requests[0], snapshot(int(body[1:]), **at), 200, TS)
            told.append("taken" if len(found) else "left")
        else:
            with pytest.raises((VenueError, MalformedFrame)):
                parser.parse_snapshot(parser.requests[0], b"{}", 503 if word == "x" else 200, TS)
    return told


STORIES = [
    ("nothing is due before the first message", "? d12<9 ? ?", "- due -"),
    ("a snapshot within the first message", "d12<9 ? s11 ?", "due taken -"),
    ("just what the first message continues", "d12<9 ? s9 ?", "due taken -"),
    ("older: due again", "d12<9 ? s8 ? s12 ?", "due left due taken -"),
    ("ahead of the stream", "d12<9 ? s40 d41<12 ?", "due taken -"),
    ("messages before the answer go on", "d12<9 ? d15<12 d16<15 s13 ?", "due taken -"),
    ("nobody waits for it", "d12<9 ? s12 s13 ?", "due taken left -"),
    ("a gap of a live book", "d12<9 ? s12 d15<14 ? s13 ? s14 ?", "due taken due left due taken -"),
    ("a gap before the answer", "d12<9 ? d15<14 ? s12 ? s14 ?", "due - left due taken -"),
    ("told twice or late is no gap", "d12<9 ? s12 d15<12 d15<12 d12<9 d16<15 ?", "due taken -"),
    ("a refusal leaves it due", "d12<9 ? x ? y ? s12 ?", "due due due taken -"),
    ("another connection", "d12<9 ? s12 - ? d20<18 ? s17 ? s18 ?", "due taken - due left due taken -"),
    ("an answer of the former connection", "d12<9 ? - s12 ? d20<18 ? s12 ?", "due left - due left due"),
    (
        "the venue numbers anew",
        "d5003<5000~2 ? s5003~2 d1003<1000~3 ? s5003~2 ? s1003~3 ?",
        "due taken due left due taken -",
    ),
    (
        "without a later stamp: a second connection that is late",
        "d5003<5000~9 ? s5003~9 d10<9~9 d11<10~9 ? d12<11~9 ?",
        "due taken - -",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "told"), [story[1:] for story in STORIES], ids=[story[0] for story in STORIES])
def test_who_is_due(text: str, told: str) -> None:
    assert " ".join(play(public(), text)) == told


def test_each_book_is_its_own() -> None:
    parser = public()
    parser.parse(depth(5, 9, 4, symbol="B"), TS)
    (due,) = parser.snapshots_due()
    assert (due.instrument_index, due.request.target) == (1, "/fapi/v1/depth?symbol=B&limit=1000")
    parser.parse(depth(5, 9, 4), TS)
    assert due_of(parser) == [0]
    rows = parser.parse_snapshot(due, snapshot(9, [["7.5", "70"]], []), 200, TS)
    assert rows["instrument_index"].tolist() == [1] and rows["price_ticks"].tolist() == [15]


@pytest.mark.parametrize("more", [
    {"symbol": "B"}, {"symbol": 5}, {"lastUpdateId": None}, {"bids": None}, {"bids": [["100.05", "1"]]},
    {"bids": [["100.0", "0"]]}, {"T": "now"},
])  # fmt: skip
def test_a_snapshot_that_is_none(more: dict[str, object]) -> None:
    parser = public()
    parser.parse(depth(5, 9, 4), TS)
    (due,) = parser.snapshots_due()
    with pytest.raises(MalformedFrame):
        parser.parse_snapshot(due, snapshot(9, **more), 200, TS)
    assert due_of(parser) == [0], "it is due again"


def test_a_long_wait_asks_for_what_the_core_still_holds() -> None:
    parser, state = public(), make_state(MANIFEST)
    wide = [[f"{100 + n / 10:.1f}", "1"] for n in range(1_000)]
    number = 0
    for number in range(10, 40):
        rows = parser.parse(depth(number, number, number - 1, wide), TS)
        assert isinstance(rows, np.ndarray)
        apply_delta(state.cells[0], rows, 0, len(rows))
    (due,) = parser.snapshots_due()
    assert state.cells[0]["book"]["held_dropped_count"] > 0 and parser.books[0].run_row_count <= RUN_ROW_COUNT_MAX
    assert len(parser.parse_snapshot(due, snapshot(12), 200, TS)) == 0, "what follows it is gone from the hold"
    rows = parser.parse_snapshot(due, snapshot(number - 1, [["99.9", "1"]], []), 200, TS)
    apply_snapshot(state.cells[0], rows, 0, len(rows))
    assert state.cells[0]["book"]["venue_seq"] == number, "and this one leads to its end, without a hole"


def text_of(price: int, lots: int) -> tuple[str, str]:
    return f"{price / 10:.1f}", f"{lots / 1_000:.3f}"


class Lossy:
    """A venue with one book, a line that loses, repeats and swaps, and a client of parser and core behind it."""

    def __init__(self) -> None:
        self.book: dict[tuple[str, int], int] = {("b", 1_000): 5, ("a", 1_010): 5}
        self.number, self.ms = 1_000, 5
        self.on_way: list[bytes] = []
        self.answers: list[tuple[SnapshotDue, bytes]] = []
        self.parser = public()
        self.state: State = make_state(MANIFEST)

    def change(self, side: str, offset: int, lots: int) -> None:
        """One level changes and a message says so."""
        price = 1_000 - offset if side == "b" else 1_010 + offset
        self.book[side, price] = lots
        self.ms += 1
        before, self.number = self.number, self.number + 3
        changed = {side: [text_of(price, lots)]}
        times = {"E": self.ms, "T": self.ms}
        self.on_way.append(depth(before + 2, self.number, before, **times, **{"b": [], "a": []} | changed))  # type: ignore[arg-type]

    def renumber(self) -> None:
        """The venue restarts: it numbers from below."""
        self.number = 10 + self.number % 7
        self.ms += 1

    def ask(self) -> None:
        """What is due is asked, and answered with the book of now; the answer is on its way."""
        for due in self.parser.snapshots_due():
            held = [(side, *text_of(price, lots)) for (side, price), lots in self.book.items() if lots]
            sides = [[level[1:] for level in held if level[0] == side] for side in "ba"]
            self.answers.append((due, snapshot(self.number, *sides, E=self.ms, T=self.ms)))

    def answer(self) -> None:
        """The oldest answer comes."""
        if self.answers:
            self.fold(self.parser.parse_snapshot(*self.answers.pop(0), 200, TS + self.ms * MS))

    def deliver(self, frame: bytes) -> None:
        rows = self.parser.parse(frame, TS + self.ms * MS)
        assert isinstance(rows, np.ndarray)
        self.fold(rows)

    def lose_connection(self) -> None:
        self.on_way.clear()
        self.parser.forget_books()
        apply_clear(self.state.cells[0], True)

    def fold(self, rows: np.ndarray) -> None:
        if len(rows):
            apply = apply_snapshot if rows[0]["kind"] == EventKind.BOOK_SNAPSHOT else apply_delta
            apply(self.state.cells[0], rows, 0, len(rows))

    @property
    def is_live(self) -> bool:
        return bool(self.state.cells[0]["book"]["status"] == BookStatus.LIVE)

    def check(self) -> None:
        """A book is alive, or it waits, or nothing was heard of it."""
        watch, book = self.parser.books[0], self.state.cells[0]["book"]
        assert self.is_live == (not watch.waits and book["stream_seq"] >= 0 and book["snapshot_count"] > 0)

    def check_same(self) -> None:
        """The core has the venue's book."""
        assert self.is_live and self.state.cells[0]["book"]["venue_seq"] == self.number
        for side, name in enumerate("ba"):
            expected = {price: lots for (one, price), lots in self.book.items() if one == name and lots}
            assert dict(levels(self.state.cells[0], side)) == expected


FAULTS = ("drop", "twice", "swap", "cut", "renumber")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["change", "deliver", "change", "deliver", "change", "deliver", "ask", "answer", *FAULTS]),
        st.sampled_from("ba"), st.integers(0, 4), st.integers(0, 3),
    ),
    max_size=60,
)  # fmt: skip


@given(STEPS)
def test_over_a_lossy_line_the_book_comes_back(steps: list[tuple[str, str, int, int]]) -> None:
    line = Lossy()
    line.change("b", 0, 7)
    line.deliver(line.on_way.pop(0))
    line.ask()
    line.answer()
    line.check_same()
    for step, side, offset, lots in steps:
        if step == "change":
            line.change(side, offset, lots)
        elif step == "deliver" and line.on_way:
            line.deliver(line.on_way.pop(0))
        elif step == "drop" and line.on_way:
            line.on_way.pop(0)
        elif step == "twice" and line.on_way:
            line.on_way.insert(0, line.on_way[0])
        elif step == "swap" and len(line.on_way) > 1:
            line.on_way[:2] = line.on_way[1::-1]
        elif step == "ask":
            line.ask()
        elif step == "answer":
            line.answer()
        elif step == "cut":
            line.lose_connection()
        elif step == "renumber":
            line.renumber()
        line.check()
    for turn in range(8):
        line.change("b", turn, 1)
        while line.on_way:
            line.deliver(line.on_way.pop(0))
        line.ask()
        while line.answers:
            line.answer()
        line.check()
    line.check_same()
