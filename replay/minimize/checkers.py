"""The named checkers: what is never meant to happen, each one line in `CHECKERS`; must never change the state."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from mmfold.engine.codes import AlertCode, AuditKind, BookStatus, EventKind, Side
from mmfold.engine.records import NO_VALUE
from mmfold.replay.minimize.failure import ACCOUNT, Moment, PredicateError, Signature
from mmfold.replay.minimize.fields import (
    ANSWER_KINDS,
    BOOK_KINDS,
    MONEY_KINDS,
    POSITION_KINDS,
    Look,
    pnl_usd,
)
from mmfold.replay.minimize.folding import place_of

K = EventKind
Found = tuple[str, int] | None  # place, instrument
Check = Callable[["Memory", Moment, str], Found]


class Memory(dict):
    """What a check remembers within one run."""


class CheckerEntry(NamedTuple):
    """One named checker."""

    check: Check
    says: str
    kinds: frozenset[int] | None
    sees_effects: bool = False
    parse: Callable[[str], str] | None = None  # of what stands behind the colon


@dataclass(frozen=True)
class Checker:
    """A named checker as a predicate."""

    name: str
    entry: CheckerEntry
    argument: str
    symbols: list[str]
    when: Literal["any", "end"] = "any"
    is_outside: bool = False
    follows: bool = False

    @property
    def kinds(self) -> frozenset[int] | None:
        """The kinds of events behind which it looks."""
        return self.entry.kinds

    @property
    def sees_effects(self) -> bool:
        """Whether it reads what is decided."""
        return self.entry.sees_effects

    def watch(self) -> "CheckerWatch":
        """Return a new look."""
        return CheckerWatch(self)

    def raised(self, error: BaseException, role: str) -> Signature | None:
        """Return the failure that an exception of the core is."""
        if self.entry.check is not never:
            return None
        wanted, place = self.argument, place_of(error)
        if wanted and wanted not in (type(error).__name__, *place.split(" ")[0].split(":")):
            return None
        return Signature(self.name, place, role)


class CheckerWatch:
    """One run's look of a checker."""

    def __init__(self, checker: Checker) -> None:
        self.checker = checker
        self.memory = Memory()

    def see(self, moment: Moment) -> Signature | None:
        """Return the failure where there is one now."""
        found = self.checker.entry.check(self.memory, moment, self.checker.argument)
        if found is None:
            return None
        place, index = found
        return Signature(self.checker.name, place, self.checker.symbols[index] if index >= 0 else ACCOUNT)


def make_checker(text: str, word: str, argument: str | None, symbols: list[str]) -> Checker:
    """Return a named checker with what stands behind its colon.

    Raises: PredicateError.
    """
    entry = CHECKERS[word]
    if entry.parse is None and argument:
        raise PredicateError(f"--fails-if {text!r}: {word} takes nothing behind a colon")
    argument = entry.parse(argument or "") if entry.parse is not None else ""
    return Checker(text, entry, argument, symbols)


def kind_word(moment: Moment) -> str:
    """Return what the event is."""
    return EventKind(int(moment.rows["kind"][0])).name.lower()


def first_index(mask: np.ndarray) -> int:
    """Return the first instrument that is marked, -1 for none."""
    return int(np.argmax(mask)) if mask.any() else -1


def never(memory: Memory, moment: Moment, argument: str) -> Found:
    """Find nothing: what it waits for is raised."""
    return None


def check_crossed_book(memory: Memory, moment: Moment, argument: str) -> Found:
    """Find a book whose best prices reach each other."""
    status = moment.core.state.cells["book"]["status"]
    index = first_index((status == BookStatus.CROSSED) | (status == BookStatus.LOCKED))
    return None if index < 0 else (f"{kind_word(moment)} {BookStatus(int(status[index])).name.lower()}", index)


def check_position_limit(memory: Memory, moment: Moment, argument: str) -> Found:
    """Find a position beyond `position_lots_max`."""
    cells = moment.core.state.cells
    limit, held = cells["param"]["position_lots_max"], np.abs(cells["position"]["position_lots"])
    index = first_index((limit > 0) & (held > limit))
    return None if index < 0 else (kind_word(moment), index)


def check_notional_limit(memory: Memory, moment: Moment, argument: str) -> Found:
    """Find a position worth more than `inventory_micros_max`, or all of them than `total_notional_micros_max`."""
    state = moment.core.state
    limit, gross = state.cells["param"]["inventory_micros_max"], state.cells["position"]["gross_micros"]
    index = first_index((limit > 0) & (gross > limit))
    if index >= 0:
        return kind_word(moment), index
    total = state.cells["param"]["total_notional_micros_max"]
    return (
        (f"{kind_word(moment)} total", -1) if ((total > 0) & (state.clock[0]["gross_micros"] > total)).any() else None
    )


def check_quote_while_stale(memory: Memory, moment: Moment, argument: str) -> Found:
    """Find an order placed or amended on a book that is not live, or has not been heard of for `md_stale_ns`."""
    state = moment.core.state
    for row in moment.effects[np.isin(moment.effects["kind"], (K.PLACE, K.AMEND))]:
        index = int(row["instrument_index"])
        book, limit_ns = state.cells["book"][index], int(state.cells["param"]["md_stale_ns"][index])
        age_ns = int(state.clock[0]["ts_now_ns"]) - int(book["ts_receive_ns"])
        if book["status"] != BookStatus.LIVE or (limit_ns > 0 and age_ns > limit_ns):
            return f"{kind_word(moment)} {EventKind(int(row['kind'])).name.lower()}", index
    return None


def check_double_fill(memory: Memory, moment: Moment, argument: str) -> Found:
    """Find an execution told twice, or a fill of an order that was filled already."""
    row = moment.rows[0]
    index, late = int(row["instrument_index"]), moment.core.state.cells["counter"]["late_event_count"].copy()
    before, memory["late"] = memory.get("late", np.zeros(len(late), np.int64)), late
    if row["kind"] != K.FILL:
        return None
    if row["aux"] != NO_VALUE:
        execution = (index, int(row["aux"]), int(row["order_id"]))
        if execution in memory:
            return "fill told twice", index
        memory[execution] = True
    order = (index, int(row["order_id"]))
    was_filled, memory[order] = order in memory, True
    return ("fill of a done order", index) if was_filled and late[index] > before[index] else None


def check_orphan_order(memory: Memory, moment: Moment, argument: str) -> Found:
    """Find an answer of the venue for an order that the core does not hold open."""
    counts = moment.core.state.cells["counter"]["late_event_count"]
    before = memory.get("late", np.zeros(len(counts), np.int64))
    memory["late"] = counts.copy()
    index = first_index(counts > before)
    return None if index < 0 else (kind_word(moment), index)


def check_cash_identity(memory: Memory, moment: Moment, argument: str) -> Found:
    """Find accounts that do not add up: lots that are lost, a fill whose cash is not what PnL and cost changed by."""
    positions = moment.core.state.cells["position"]
    held = positions["opening_lots"] + positions["bought_lots"] - positions["sold_lots"]
    index = first_index(held != positions["position_lots"])
    if index >= 0:
        return f"{kind_word(moment)} lots", index
    row = moment.rows[0]
    index = int(row["instrument_index"])
    is_linear = moment.core.manifest.instruments[index].contract != "inverse"
    if row["kind"] == K.FILL and is_linear:
        position = positions[index]
        sign = 1 if row["side"] == Side.BID else -1
        cash = -sign * int(row["price_ticks"]) * int(row["qty_lots"])
        total = int(position["realized_ticklots"]) - int(position["cost_ticklots"])
        before = memory.get(index)
        memory[index] = total
        if before is not None and total - before != cash:
            return "fill cash", index
    else:
        for one, position in enumerate(positions):
            memory[one] = int(position["realized_ticklots"]) - int(position["cost_ticklots"])
    return None


def check_pnl_below(memory: Memory, moment: Moment, argument: str) -> Found:
    """Find an instrument whose net PnL is below a figure."""
    look = Look(moment.core, {})
    for look.index in range(len(moment.core.state.cells)):
        value = pnl_usd(look)
        if isinstance(value, float) and value < float(argument):
            return kind_word(moment), look.index
    return None


def check_alert(memory: Memory, moment: Moment, argument: str) -> Found:
    """Find an alert, of one code or of any."""
    for row in moment.effects[moment.effects["kind"] == K.ALERT]:
        word = AlertCode(int(row["code"])).name.lower()
        if argument in ("", word):
            return f"{kind_word(moment)} {word}", int(row["instrument_index"])
    return None


def check_guard(memory: Memory, moment: Moment, argument: str) -> Found:
    """Find a guard that stops what was quoted before, or pauses a side; its AUDIT row tells from what to what."""
    for row in moment.effects[(moment.effects["kind"] == K.AUDIT) & (moment.effects["code"] == AuditKind.GUARD)]:
        index = int(row["instrument_index"])
        if row["qty_lots"] == 0:
            memory[index] = True
        elif index in memory or row["side"] != Side.NONE:
            return f"{kind_word(moment)} guard", index
    return None


def parse_figure(text: str) -> str:
    """Return a number's text.

    Raises: PredicateError.
    """
    try:
        float(text)
    except ValueError:
        raise PredicateError(f"--fails-if pnl_below: {text!r} is not a number", "as in pnl_below: -3.5") from None
    return text


def parse_alert(text: str) -> str:
    """Return an alert's word.

    Raises: PredicateError.
    """
    words = [code.name.lower() for code in AlertCode]
    if text and text not in words:
        raise PredicateError(f"--fails-if alert: {text!r} is no alert", f"one of {', '.join(words)}")
    return text


CHECKERS = {
    "crossed_book": CheckerEntry(check_crossed_book, "best bid at or above best ask", BOOK_KINDS),
    "position_limit": CheckerEntry(check_position_limit, "|position| beyond position_lots_max", POSITION_KINDS),
    "notional_limit": CheckerEntry(
        check_notional_limit, "position worth more than its limit, or all of them", MONEY_KINDS
    ),
    "quote_while_stale": CheckerEntry(
        check_quote_while_stale, "an order placed or amended on a book that is not live or too old", frozenset(),
        sees_effects=True,
    ),
    "double_fill": CheckerEntry(check_double_fill, "an execution told twice, or of a done order", ANSWER_KINDS),
    "orphan_order": CheckerEntry(check_orphan_order, "an answer for an order that is not open", ANSWER_KINDS),
    "cash_identity": CheckerEntry(check_cash_identity, "lots or cash that do not add up", POSITION_KINDS),
    "pnl_below": CheckerEntry(
        check_pnl_below, "net PnL of an instrument below a figure", MONEY_KINDS, parse=parse_figure
    ),
    "alert": CheckerEntry(check_alert, "an alert, or one of a code", frozenset(), sees_effects=True, parse=parse_alert),
    "guard": CheckerEntry(check_guard, "a guard stops or pauses quoting", frozenset(), sees_effects=True),
    "exception": CheckerEntry(
        never, "the core raises; behind the colon a type, a file or a function", frozenset(), parse=str
    ),
}  # fmt: skip
