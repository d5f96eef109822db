"""What holds for every session, whatever went wrong: read off its journal and the venue's books, not off the core."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from mmfold.adapters.emulator.bybit.account import Account
from mmfold.adapters.venues.link_ids import encode_link_id, execution_number, run_tag
from mmfold.engine.codes import ConnectionState, EventKind, Flag, RequestOutcome
from mmfold.engine.manifest import Manifest, parse_manifest
from mmfold.engine.payload import payload_bytes
from mmfold.journal.log.reader import Journal
from mmfold.replay.result import ReplayResult
from mmfold.replay.run import ReplayOptions, replay
from tests.live.stage import INVENTORY_USD

LOT_USD = 60  # of 0.001 BTC, about
WORDS = (EventKind.ACK, EventKind.AMENDED, EventKind.CANCELED, EventKind.EXPIRED, EventKind.REJECT, EventKind.FILL)
ENDS = (EventKind.CANCELED, EventKind.EXPIRED)
REQUESTS = (EventKind.PLACE, EventKind.AMEND, EventKind.CANCEL)
LOST = (RequestOutcome.TIMEOUT, RequestOutcome.SERVER_ERROR)


def read_rows(path: Path) -> np.ndarray:
    """Return a whole journal."""
    return np.concatenate([rows.copy() for rows in Journal(path).chunks()])


def manifest_of(rows: np.ndarray) -> Manifest:
    """Return a journal's manifest."""
    return parse_manifest(payload_bytes(rows[rows["seq"] == 0]))


@dataclass
class Walk:
    """What an operator who reads the journal line by line would know; one instrument."""

    up: bool = True  # a journal without CONNECTION rows is of no connection
    book_number: int | None = None  # of the last message, None while the book cannot be trusted
    frozen: bool = False
    asked: dict[int, EventKind] = field(default_factory=dict)  # last request of each order without a word since
    unknown: set[int] = field(default_factory=set)  # orders whose request was lost without a word since
    ended: set[int] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)

    def see(self, rows: np.ndarray) -> None:
        """Look at one event."""
        row = rows[0]
        kind, order_id = EventKind(int(row["kind"])), int(row["order_id"])
        if kind == EventKind.PLACE:
            self.check_place(row)
        if kind in REQUESTS:
            self.asked[order_id] = kind
        elif kind == EventKind.CONNECTION:
            self.up = row["code"] == ConnectionState.UP
        elif kind == EventKind.COMMAND:
            said = orjson.loads(payload_bytes(rows))["command"]
            self.frozen = {"freeze": True, "unfreeze": False}.get(said, self.frozen)
        elif kind == EventKind.BOOK_SNAPSHOT:
            self.book_number = int(row["aux"])
        elif kind in (EventKind.BOOK_GAP, EventKind.BOOK_CLEAR):
            self.book_number = None
        elif kind == EventKind.BOOK_DELTA and self.book_number is not None:
            number, before = int(row["aux"]), order_id
            if number > self.book_number:
                self.book_number = number if before == self.book_number else None
        elif (
            kind == EventKind.REQUEST_RESULT
            and row["code"] in LOST
            and order_id in self.asked
            and order_id not in self.ended
        ):
            self.unknown.add(order_id)
        elif kind == EventKind.OPEN_ORDERS:
            self.see_list(set(rows["order_id"].tolist()))
        elif kind in WORDS:
            self.unknown.discard(order_id)
            self.asked.pop(order_id, None)
            if kind in ENDS:
                self.ended.add(order_id)

    def see_list(self, listed: set[int]) -> None:
        """Take the venue's list: who was in doubt or was to be cancelled and is not in it has ended."""
        leaving = {order_id for order_id, kind in self.asked.items() if kind == EventKind.CANCEL}
        self.ended |= (self.unknown | leaving) - listed
        for order_id in self.unknown:
            self.asked.pop(order_id, None)
        self.unknown.clear()

    def check_place(self, row: np.void) -> None:
        """Note what speaks against an order."""
        against = {
            "the connection is down": not self.up,
            "the book is not whole": self.book_number is None,
            "an order is unknown": bool(self.unknown),
            "frozen": self.frozen,
        }
        self.faults += [f"seq {row['seq']}: placed while {what}" for what, holds in against.items() if holds]


def check_journal(rows: np.ndarray) -> None:
    """Check that no order was placed that had something against it, and none twice."""
    walk = Walk()
    ends = np.flatnonzero(rows["flags"] & Flag.LAST) + 1
    for start, end in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True):
        walk.see(rows[start:end])
    assert not walk.faults, walk.faults
    placed = rows["order_id"][rows["kind"] == EventKind.PLACE].tolist()
    assert len(placed) == len(set(placed)), "an order was decided twice"
    fills = rows["aux"][rows["kind"] == EventKind.FILL].tolist()
    assert len(fills) == len(set(fills)), "an execution was journaled twice"


def check_against_venue(rows: np.ndarray, account: Account) -> None:
    """Check that the venue had no order that is not journaled, and the journal every execution of the venue."""
    tag = run_tag(manifest_of(rows).run_id)
    places = rows[rows["kind"] == EventKind.PLACE]
    journaled = {encode_link_id(tag, int(row["order_id"])): row for row in places}
    orders = [*account.open.values(), *account.closed]
    assert max(Counter(order.link_id for order in orders).values(), default=1) == 1, "the venue has an order twice"
    assert {order.link_id for order in orders} <= journaled.keys(), "the venue has an order that is not journaled"
    for order in orders:
        assert int(order.side) == int(journaled[order.link_id]["side"]), f"{order.link_id} is on the other side"
    executions = {execution_number(execution.payload()["execId"]): execution for execution in account.executions}
    fills = {int(row["aux"]): row for row in rows[rows["kind"] == EventKind.FILL]}
    assert fills.keys() == executions.keys(), f"{len(executions)} executions, {len(fills)} fills"
    signs = np.where(rows["side"] == 0, 1, -1)
    held = int((rows["qty_lots"] * signs)[rows["kind"] == EventKind.FILL].sum())
    assert held == account.positions["BTCUSDT"].lots, "the fills do not come to the venue's position"


def check_end(rows: np.ndarray, account: Account) -> None:
    """Check a session that was stopped gracefully: nothing rests, nothing is believed to."""
    left = [order.link_id for order in account.open.values()]
    assert not left, f"orders rest at the venue: {left}"
    last = rows[rows["kind"] == EventKind.DIGEST]
    assert len(last) and last[-1]["seq"] == rows[-1]["seq"], "the journal does not end with its digest"


def check_exposure(worst: dict[Any, int]) -> None:
    """Check that the venue never saw more than the limit; a lot of tolerance, because the price moves."""
    assert max(worst.values()) <= INVENTORY_USD // LOT_USD + 1, worst


def check_replay(path: Path) -> ReplayResult:
    """Replay a journal: witnesses and digest are compared on the way."""
    result = replay(path, ReplayOptions(checkpoints=False))
    decided = sum(result.effect_counts.values())
    assert result.witnessed_count == decided, f"{result.witnessed_count} of {decided} decisions are witnessed"
    return result


def check_all(path: Path, account: Account, worst: dict[Any, int]) -> np.ndarray:
    """Check everything of a session that was stopped gracefully; returns its journal."""
    rows = read_rows(path)
    check_journal(rows)
    check_against_venue(rows, account)
    check_end(rows, account)
    check_exposure(worst)
    check_replay(path)
    return rows
