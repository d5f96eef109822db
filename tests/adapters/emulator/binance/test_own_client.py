"""mm's own Binance meets the emulator: two readings of the venue's pages, written apart, agree on the wire.

The law: over a line with faults, the core's book is the emulator's at the same number.
"""

import time
from typing import Any

import numpy as np
import pytest

from mmfold.adapters.venues.binance.venue import BinanceVenue
from mmfold.adapters.venues.port import Control, MalformedFrame, NativeVenue, VenueError
from mmfold.engine.book import levels
from mmfold.engine.codes import BookStatus, EventKind, Side
from mmfold.engine.continuity import apply_clear, apply_delta, apply_snapshot
from mmfold.engine.manifest import Manifest
from mmfold.engine.state import make_state
from tests.adapters.emulator.binance.running import RunningBinance, Socket

VENUE: NativeVenue = BinanceVenue()
BOOKS = {EventKind.BOOK_SNAPSHOT: apply_snapshot, EventKind.BOOK_DELTA: apply_delta}


class Client:
    """Parser and core on a socket, and what the emulator's book was at each number."""

    def __init__(self, binance: RunningBinance) -> None:
        self.binance = binance
        body = binance.ask(VENUE.request_instruments("BTCUSDT").target).body
        found = [one for one in VENUE.parse_instruments(body, 200)[0] if one.symbol == "BTCUSDT"]
        self.manifest = Manifest(run_id="own", instruments=tuple(found))
        self.parser, self.state = VENUE.market_parser(self.manifest), make_state(self.manifest)
        self.kinds: dict[EventKind, int] = {}
        self.refused = self.snapshots = 0
        plan = VENUE.market_sockets(f"ws://127.0.0.1:{binance.server.port}", self.manifest)
        self.sockets = [self.connect(each.url, each.topics) for each in (plan, *plan.beside)]

    def connect(self, url: str, topics: tuple[str, ...]) -> Socket:
        socket = Socket(url)
        socket.socket.send(VENUE.talk.subscribe(topics, "sub0").decode())
        answer = socket.socket.recv(5, decode=False)
        assert VENUE.talk.control(answer) == Control(kind=VENUE.talk.control(answer).kind, ok=True, request_id="0")  # type: ignore[union-attr]
        return socket

    def fold(self, rows: np.ndarray) -> None:
        kind = EventKind(int(rows[0]["kind"]))
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        if kind in BOOKS:
            BOOKS[kind](self.state.cells[0], rows, 0, len(rows))

    def step(self) -> None:
        """Take the next frame, and ask for what is due."""
        frame = self.sockets[0].socket.recv(5, decode=False)
        try:
            rows = self.parser.parse(frame, time.time_ns())
            if isinstance(rows, np.ndarray):
                self.fold(rows)
        except MalformedFrame:
            self.refused += 1
        for due in self.parser.snapshots_due():
            answer = self.binance.ask(due.request.target)
            self.snapshots += 1
            try:
                rows = self.parser.parse_snapshot(due, answer.body, answer.status, time.time_ns())
            except (VenueError, MalformedFrame):
                self.refused += 1
                continue
            if len(rows):
                self.fold(rows)

    @property
    def book(self) -> Any:
        return self.state.cells[0]["book"]

    def compare(self) -> None:
        """Take messages until the core stands at the emulator's present number, and compare the books there."""
        symbol = self.binance.venue.symbols["BTCUSDT"]
        for _ in range(400):
            number, sides = self.binance.call(
                lambda: (symbol.number(symbol.market.update_id), [side.top() for side in symbol.market.sides])
            )
            for _ in range(60):
                if self.book["status"] == BookStatus.LIVE and self.book["venue_seq"] >= number:
                    break
                self.step()
            if self.book["venue_seq"] == number:
                for side in (Side.BID, Side.ASK):
                    assert dict(levels(self.state.cells[0], side)) == sides[side]
                return
        raise AssertionError("the core never stood where the emulator was")

    def close(self) -> None:
        for socket in self.sockets:
            socket.stack.close()


@pytest.fixture(scope="module", autouse=True)
def compiled(binance: RunningBinance) -> None:
    """Follow the book once, so that no compiler makes a client miss what goes wrong."""
    client = Client(binance)
    try:
        client.compare()
    finally:
        client.close()


RULES: list[dict[str, Any]] = [
    {"fault": "drop", "after": 5, "every": 9, "count": 3},
    {"fault": "duplicate", "after": 3, "every": 4, "count": None},
    {"fault": "reorder", "after": 4, "every": 7, "count": 3},
    {"fault": "malformed", "after": 5, "every": 9, "count": 2},
    {"fault": "stale", "after": 5, "duration_ms": 400},
    {"fault": "restart", "after": 6, "every": 12, "count": 2},
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["fault"]))
@pytest.mark.parametrize("rest", [None, "rate_limited", "malformed", "ack_delayed"])
def test_over_a_line_with_faults_the_book_is_the_venues(
    binance: RunningBinance, rule: dict[str, Any], rest: str | None
) -> None:
    slow = [{"fault": rest, "at": "rest:/fapi/v1/depth", "count": 2, "duration_ms": 300}] if rest else []
    binance.set_faults({"at": "public:*@depth@100ms"} | rule, *slow)
    client = Client(binance)
    try:
        for _ in range(250):
            client.step()
        fired = [one["fired"] for one in binance.call(binance.venue.faults.report)]
        assert all(fired), fired
        binance.set_faults()
        client.compare()
        if rule["fault"] in ("drop", "malformed", "restart"):
            assert client.snapshots > 1 and client.book["gap_count"] > 0
    finally:
        client.close()


def test_all_that_is_subscribed_comes(binance: RunningBinance) -> None:
    client = Client(binance)
    try:
        for _ in range(60):
            client.step()
        client.compare()
        marks = VENUE.market_parser(client.manifest).parse(client.sockets[1].socket.recv(5, decode=False), 5)
        assert isinstance(marks, np.ndarray) and marks["kind"].tolist() == [EventKind.MARK]
    finally:
        client.close()
    told = {EventKind.BOOK_SNAPSHOT, EventKind.BOOK_DELTA, EventKind.TRADE, EventKind.BBO}
    assert told <= set(client.kinds) and client.refused == 0 and client.snapshots == 1


def test_a_lost_connection(binance: RunningBinance) -> None:
    first = Client(binance)
    for _ in range(30):
        first.step()
    first.close()
    first.parser.forget_books()
    apply_clear(first.state.cells[0], True)
    second = Client(binance)
    second.parser, second.state = first.parser, first.state
    try:
        for _ in range(30):
            second.step()
        second.compare()
    finally:
        second.close()
    assert abs(VENUE.parse_time(binance.ask(VENUE.request_time().target).body, 200) - time.time_ns()) < 5e9
