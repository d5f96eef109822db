"""The words of the language: what can be asked of the state, and which events change it; must never change the state.

A field is read for one instrument or for the account; None stands for what is not there yet.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mmfold.engine.codes import BookStatus, ConnectionState, EventKind, Side
from mmfold.engine.limits import MICROS_PER_UNIT
from mmfold.engine.records import NO_PRICE_TICKS, NO_VALUE
from mmfold.replay.result import SAMPLE
from mmfold.replay.sampling import write_samples

if TYPE_CHECKING:
    from mmfold.engine.core import Core

Value = float | int | str | None

K = EventKind
BOOK_KINDS = frozenset((K.BOOK_SNAPSHOT, K.BOOK_DELTA, K.BOOK_CLEAR, K.BOOK_GAP))
POSITION_KINDS = frozenset((K.FILL, K.POSITION))
ANSWER_KINDS = frozenset((K.ACK, K.REJECT, K.AMENDED, K.CANCELED, K.EXPIRED, K.FILL, K.REQUEST_RESULT, K.OPEN_ORDERS))
MONEY_KINDS = BOOK_KINDS | POSITION_KINDS | {K.FUNDING}
EVERY_KIND = None


class Look:
    """One instrument of a core, as an expression reads it behind an event."""

    __slots__ = ("core", "counts", "index", "kind")

    def __init__(self, core: "Core", counts: dict[tuple[int, int, int], int]) -> None:
        self.core, self.counts = core, counts
        self.index = self.kind = 0


Read = Callable[[Any], Value]


class FieldWord(NamedTuple):
    """One name: how it is read, what it means, behind which kinds of events it may be another value."""

    read: Read
    says: str
    kinds: frozenset[int] | None
    sees_effects: bool = False
    of_account: bool = False
    words: tuple[str, ...] = ()  # of a field that is one of some words


def present(value: int, absent: int) -> int | None:
    """Return a value, None for the sentinel."""
    return None if value == absent else value


def of_position(name: str) -> Read:
    """Return a reader of a whole number of the position record."""
    return lambda look: int(look.core.state.cells["position"][name][look.index])


def of_book(name: str) -> Read:
    """Return a reader of a whole number of the book record."""
    return lambda look: int(look.core.state.cells["book"][name][look.index])


def of_counter(name: str) -> Read:
    """Return a reader of an instrument's counter."""
    return lambda look: int(look.core.state.cells["counter"][name][look.index])


def of_clock(name: str, absent: int = NO_VALUE) -> Read:
    """Return a reader of a whole number of the clock."""
    return lambda look: present(int(look.core.state.clock[name][0]), absent)


def money_of_position(name: str) -> Read:
    """Return a reader of an amount of the position record."""
    return lambda look: int(look.core.state.cells["position"][name][look.index]) / MICROS_PER_UNIT


def money_of_clock(name: str) -> Read:
    """Return a reader of an amount of the clock."""

    def read(look: Look) -> Value:
        micros = int(look.core.state.clock[name][0])
        return None if micros == NO_VALUE else micros / MICROS_PER_UNIT

    return read


def best(side: Side) -> Read:
    """Return a reader of a side's best price."""
    return lambda look: present(
        int(look.core.state.cells["sides"]["best_price_ticks"][look.index, side]), NO_PRICE_TICKS
    )


def mid_ticks(look: Look) -> Value:
    """Return the mid in ticks."""
    half = int(look.core.state.cells["signal"]["mid_half_ticks"][look.index])
    return None if half == NO_PRICE_TICKS else half / 2


def spread_ticks(look: Look) -> Value:
    """Return best ask less best bid."""
    bid, ask = BEST_BID(look), BEST_ASK(look)
    return None if bid is None or ask is None else ask - bid  # type: ignore[operator]


def pnl_usd(look: Look) -> Value:
    """Return realised + unrealised - fees - funding, as the core counts it."""
    state = look.core.state
    samples = np.zeros(len(state.cells), SAMPLE)
    write_samples(state.clock, state.cells, samples)
    return int(samples["pnl_micros"][look.index]) / MICROS_PER_UNIT


def orders_open(look: Look) -> Value:
    """Return how many own orders may still be filled."""
    return int(look.core.state.cells["quote_sides"]["open_order_count"][look.index].sum())


def open_lots(side: Side) -> Read:
    """Return a reader of what a side's own orders may still fill."""
    return lambda look: int(look.core.state.cells["quote_sides"]["open_lots"][look.index, side])


def book_status(look: Look) -> Value:
    """Return whether the book may be quoted on."""
    return BookStatus(int(look.core.state.cells["book"]["status"][look.index])).name.lower()


def connection(look: Look) -> Value:
    """Return the state of the venue's connection."""
    return ConnectionState(int(look.core.state.clock["connection_state"][0])).name.lower()


def words_of(codes: type[BookStatus] | type[ConnectionState]) -> tuple[str, ...]:
    """Return the words of an enumeration."""
    return tuple(code.name.lower() for code in codes)


BEST_BID, BEST_ASK = best(Side.BID), best(Side.ASK)
INPUT_WORDS = tuple(kind.name.lower() for kind in EventKind if kind < EventKind.PLACE)
ORDER_KINDS = ANSWER_KINDS | {K.TIMER}

FIELDS = {
    "position_lots": FieldWord(of_position("position_lots"), "position, short negative", POSITION_KINDS),
    "pnl_usd": FieldWord(pnl_usd, "net PnL in the settlement currency", MONEY_KINDS),
    "fees_usd": FieldWord(money_of_position("fees_micros"), "fees paid", POSITION_KINDS),
    "funding_usd": FieldWord(money_of_position("funding_micros"), "funding paid", frozenset((K.FUNDING,))),
    "fills": FieldWord(of_position("fill_count"), "executions so far", POSITION_KINDS),
    "bought_lots": FieldWord(of_position("bought_lots"), "lots bought so far", POSITION_KINDS),
    "sold_lots": FieldWord(of_position("sold_lots"), "lots sold so far", POSITION_KINDS),
    "orders_open": FieldWord(orders_open, "own orders that may still be filled", ORDER_KINDS, sees_effects=True),
    "bid_open_lots": FieldWord(open_lots(Side.BID), "lots of own open bids", ORDER_KINDS, sees_effects=True),
    "ask_open_lots": FieldWord(open_lots(Side.ASK), "lots of own open asks", ORDER_KINDS, sees_effects=True),
    "placed": FieldWord(of_counter("placed_count"), "orders placed so far", frozenset(), sees_effects=True),
    "amended": FieldWord(of_counter("amended_count"), "orders amended so far", frozenset(), sees_effects=True),
    "cancelled": FieldWord(of_counter("cancelled_count"), "orders cancelled so far", frozenset(), sees_effects=True),
    "alerts": FieldWord(of_counter("alert_count"), "alerts so far", frozenset(), sees_effects=True),
    "rejected": FieldWord(of_counter("rejected_count"), "refusals of the venue so far", ANSWER_KINDS),
    "late_answers": FieldWord(of_counter("late_event_count"), "answers for no open order", ANSWER_KINDS),
    "guard_trips": FieldWord(of_counter("guard_trip_count"), "pauses of a guard so far", EVERY_KIND),
    "book_status": FieldWord(book_status, "the book's status", BOOK_KINDS, words=words_of(BookStatus)),
    "bid_ticks": FieldWord(BEST_BID, "best bid of the book", BOOK_KINDS),
    "ask_ticks": FieldWord(BEST_ASK, "best ask of the book", BOOK_KINDS),
    "mid_ticks": FieldWord(mid_ticks, "mid of the book", BOOK_KINDS),
    "spread_ticks": FieldWord(spread_ticks, "best ask less best bid", BOOK_KINDS),
    "gaps": FieldWord(of_book("gap_count"), "breaks of the book's numbering so far", BOOK_KINDS),
    "trades": FieldWord(of_book("trade_count"), "trades of the market so far", frozenset((K.TRADE,))),
    "seq": FieldWord(of_clock("seq_last"), "number of the event", EVERY_KIND, of_account=True),
    "events": FieldWord(of_clock("event_count"), "inputs so far", EVERY_KIND, of_account=True),
    "kind": FieldWord(
        lambda look: EventKind(look.kind).name.lower(), "what the event is", EVERY_KIND, of_account=True,
        words=INPUT_WORDS,
    ),
    "ts_ns": FieldWord(of_clock("ts_now_ns"), "the core's clock", EVERY_KIND, of_account=True),
    "day_pnl_usd": FieldWord(
        money_of_clock("day_pnl_micros"), "made by all since the UTC day began", EVERY_KIND, of_account=True
    ),
    "gross_usd": FieldWord(money_of_clock("gross_micros"), "|position| x mid of all", MONEY_KINDS, of_account=True),
    "cash_usd": FieldWord(
        money_of_clock("cash_micros"), "cash as the venue told it", frozenset((K.BALANCE,)), of_account=True
    ),
    "connection": FieldWord(
        connection, "the venue's connection", frozenset((K.CONNECTION,)), of_account=True,
        words=words_of(ConnectionState),
    ),
}  # fmt: skip
