"""The requests under way and what they came to, as rows; must never call a request settled that the venue may still
carry out.

    the venue says               rows
    yes                          REQUEST_RESULT OK with the latency
    no                           REJECT with the low 16 bits of its code
    too many requests            REQUEST_RESULT RATE_LIMITED
    it failed                    REQUEST_RESULT SERVER_ERROR
    nothing in time, a duplicate REQUEST_RESULT TIMEOUT: the order may be there, the streams or a reconciliation tell

An answer to a yes is only that the venue took the request: ACK, AMENDED and CANCELED come by the private stream.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mmfold.adapters.importers.rows import Row
from mmfold.adapters.venues.ledger import OrderLedger, as_rows
from mmfold.adapters.venues.port import Control, Ignored, Verdict
from mmfold.engine.codes import EventKind, Flag, RequestOutcome, Side
from mmfold.engine.records import NO_ORDER_ID, NO_PRICE_TICKS, NO_TS_NS, NO_VALUE
from mmfold.journal.log.rows import plain_rows

CODE_BITS = 0xFFFF  # a row's `code` holds the low 16 bits (docs/data.md, REJECT)
OUTCOMES = {
    Verdict.DONE: RequestOutcome.OK,
    Verdict.RATE_LIMITED: RequestOutcome.RATE_LIMITED,
    Verdict.SERVER_ERROR: RequestOutcome.SERVER_ERROR,
    Verdict.UNKNOWN: RequestOutcome.TIMEOUT,
}


class Pending(NamedTuple):
    """One request under way, with the effects that it asks for; none for a cancel-all."""

    effects: np.ndarray
    ts_sent_ns: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What the venue said of one order of a request."""

    order_id: int
    verdict: Verdict
    code: int
    message: str


@dataclass(frozen=True, slots=True)
class RateLimit:
    """What is left of the account's rate limit for this operation."""

    requests_max: int
    requests_left: int
    reset_ms: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """One answered request: its rows, and what was said of each of its orders.

    A verdict GONE asks for the open orders: the end of the order may have been missed.
    """

    rows: np.ndarray
    answers: tuple[Answer, ...]
    limit: RateLimit | None = None
    request_id: str = ""


class PendingRequests(ABC):
    """The requests under way by request id; REST requests have one too, of the caller's making."""

    clock_codes: frozenset[int] = frozenset()  # the venue's codes for a request whose time is not its own

    def __init__(self, ledger: OrderLedger) -> None:
        self.ledger = ledger
        self.pending: dict[str, Pending] = {}

    @abstractmethod
    def parse_socket(self, frame: bytes, ts_receive_ns: int) -> Outcome | Control | Ignored:
        """Return what a frame of the order-entry stream says.

        Raises: MalformedFrame.
        """

    @abstractmethod
    def parse_rest(
        self, request_id: str, status: int, headers: dict[str, str], body: bytes, ts_receive_ns: int
    ) -> Outcome:
        """Return what the answer to a REST request says.

        Raises: MalformedFrame: the request stays under way, and times out.
        """

    def note_sent(self, request_id: str, effects: np.ndarray, ts_sent_ns: int) -> None:
        """Note a request that leaves now, with what it asks for; that is nothing for a cancel-all."""
        assert request_id not in self.pending, "a request id is used once"
        self.pending[request_id] = Pending(effects, ts_sent_ns)

    def settled_orders(self, rows: np.ndarray) -> frozenset[int]:
        """Return the orders of answers that the rate limit refused and of which nothing may still arrive.

        The venue has surely not carried the request out, the stream has confirmed the order, and no other request of it
        is under way.
        """
        limited = rows[(rows["kind"] == EventKind.REQUEST_RESULT) & (rows["code"] == RequestOutcome.RATE_LIMITED)]
        return frozenset(order_id for order_id in limited["order_id"].tolist() if not self.is_under_way(order_id))

    def is_under_way(self, order_id: int) -> bool:
        """Tell whether an order's placing was not confirmed by the stream, or a request for it was not answered yet."""
        known = self.ledger.known.get(order_id)
        is_confirmed = known is not None and known.acked
        return not is_confirmed or any(order_id in sent.effects["order_id"] for sent in self.pending.values())

    def orders_of(self, request_id: str) -> list[tuple[int, int, int]]:
        """Return (kind, instrument_index, order_id) of a request's orders; a cancel-all counts as one without an id."""
        effects = plain_rows(self.pending[request_id].effects)
        orders = [(effect.kind, effect.instrument_index, effect.order_id) for effect in effects]
        return orders or [(EventKind.CANCEL, 0, NO_ORDER_ID)]

    def outcome(self, request_id: str, answers: list[Answer], ts_receive_ns: int, limit: RateLimit | None) -> Outcome:
        """Close a request and return its rows."""
        orders, sent = self.orders_of(request_id), self.pending.pop(request_id)
        latency_ns = max(0, ts_receive_ns - sent.ts_sent_ns)
        rows: list[Row] = []
        for (kind, index, order_id), answer in zip(orders, answers, strict=True):
            if answer.verdict in OUTCOMES:
                rows.append(rate_row(index, order_id, OUTCOMES[answer.verdict], ts_receive_ns, latency_ns))
            elif order_id == NO_ORDER_ID:
                rows.append(rate_row(index, order_id, RequestOutcome.REFUSED, ts_receive_ns, latency_ns))
            else:
                rows.append(reject_row(index, order_id, answer.code, ts_receive_ns))
            if kind == EventKind.PLACE and answer.verdict in (Verdict.REFUSED, Verdict.RATE_LIMITED):
                self.ledger.note_refused(order_id)
        return Outcome(as_rows(rows), tuple(answers), limit, request_id)

    def expire(self, ts_now_ns: int, timeout_ns: int) -> np.ndarray:
        """Close the requests that were sent `timeout_ns` or longer ago and return their REQUEST_RESULT TIMEOUT rows."""
        late = [key for key, sent in self.pending.items() if ts_now_ns - sent.ts_sent_ns >= timeout_ns]
        return self.give_up(late, ts_now_ns)

    def give_up(self, request_ids: list[str], ts_now_ns: int) -> np.ndarray:
        """Close requests whose answers will not come, as of a lost connection; REQUEST_RESULT TIMEOUT rows."""
        outcomes = []
        for request_id in request_ids:
            answers = [Answer(order_id, Verdict.UNKNOWN, 0, "") for _, _, order_id in self.orders_of(request_id)]
            outcomes.append(self.outcome(request_id, answers, ts_now_ns, None).rows)
        return np.concatenate(outcomes) if outcomes else as_rows([])


def rate_row(index: int, order_id: int, outcome: RequestOutcome, ts_receive_ns: int, latency_ns: int) -> Row:
    """Return the REQUEST_RESULT of a request."""
    head = (0, NO_TS_NS, ts_receive_ns, NO_PRICE_TICKS, 0, order_id, latency_ns)
    return (*head, EventKind.REQUEST_RESULT, Side.NONE, Flag.LAST, index, outcome)


def reject_row(index: int, order_id: int, code: int, ts_receive_ns: int) -> Row:
    """Return the REJECT of a request."""
    head = (0, NO_TS_NS, ts_receive_ns, NO_PRICE_TICKS, 0, order_id, NO_VALUE)
    return (*head, EventKind.REJECT, Side.NONE, Flag.LAST, index, code & CODE_BITS)
