"""Why something was decided, and what came of it: the causal chain of one event, backwards and forwards; must never
guess: what the journal does not hold is left out.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mmfold.engine.codes import AuditKind, EventKind
from mmfold.engine.limits import AUTHOR_SHIFT, MARKOUT_HORIZONS_MS, NS_PER_MS
from mmfold.engine.limits import ORDER_ID_SEQ_SHIFT as SEQ_SHIFT
from mmfold.engine.records import EVENT, NO_PRICE_TICKS, NO_TS_NS
from mmfold.engine.state import State, make_state
from mmfold.engine.views import is_effect
from mmfold.replay.debug.moment import Moment, NoSuchEvent, input_seqs
from mmfold.replay.debug.trace import Asked, trace

if TYPE_CHECKING:
    from mmfold.replay.debug.library import Library

ORDER_KINDS = (
    EventKind.PLACE, EventKind.AMEND, EventKind.CANCEL, EventKind.ACK, EventKind.REJECT, EventKind.AMENDED,
    EventKind.CANCELED, EventKind.EXPIRED, EventKind.FILL, EventKind.REQUEST_RESULT,
)  # fmt: skip
MARKED_FILL_COUNT_MAX = 3  # fills of an order whose markouts are looked up


class ParamSet(NamedTuple):
    """When a PARAM of a symbol got the value that it has: the AUDIT row that tells, and the event it followed."""

    seq: int  # of the AUDIT row
    cause_seq: int
    author: int  # policy id, 0 = the operator


class Markout(NamedTuple):
    """How far the mid was from a fill's price a while later, in the fill's favour.

    Units: half ticks.
    """

    fill_seq: int
    horizon_ms: int
    half_ticks: int


class Figures(NamedTuple):
    """What the core saw of a symbol.

    Units: prices in half ticks and ticks, absent as the sentinel.
    """

    mid_half_ticks: int
    microprice_ticks: float
    spread_bps: float
    imbalance: float
    vola_bps: float
    position_lots: int
    book_status: int
    block_reason: int


@dataclass(frozen=True, kw_only=True)
class Story:
    """The chain of one event.

    Shape: `event` the input event's rows, `effects` what it decided, `asked` what the gates said, in order; `life`
        every row from there on of the order that the story is about, none where it is about no order; `since`
        {(instrument_index, param_id): ParamSet} as of the event.
    """

    seq: int  # of the event
    target: int  # what was asked for: the seq of the event or of an effect
    order_id: int | None
    event: np.ndarray
    effects: np.ndarray
    before: dict[int, Figures]
    after: dict[int, Figures]
    asked: list[Asked]
    since: dict[tuple[int, int], ParamSet]
    life: np.ndarray
    markouts: list[Markout]
    ended: bool  # whether the order's end is in the journal


def figures_of(state: State) -> dict[int, Figures]:
    """Return the figures of every symbol, by instrument_index."""
    found = {}
    for index in range(len(state.cells)):
        signal, quoter = state.signals[index], state.quoters[index]
        found[index] = Figures(
            mid_half_ticks=int(signal["mid_half_ticks"]),
            microprice_ticks=float(signal["microprice_ticks"]),
            spread_bps=float(signal["spread_bps"]),
            imbalance=float(signal["imbalance"]),
            vola_bps=float(signal["vola_bps"]),
            position_lots=int(state.positions[index]["position_lots"]),
            book_status=int(state.books[index]["status"]),
            block_reason=int(quoter["block_reason"]),
        )
    return found


def why(library: "Library", target: int, *, is_order: bool = False, strategy: str = "") -> Story:
    """Return the chain of an event, of an effect, or of an order by its id; a number beyond the last seq is an order's.

    `strategy` names the strategy file that the journal was made with.
    Raises: NoSuchEvent, TraceFailed, JournalError, WitnessDiffers.
    """
    seq, order_id = find_target(library, target, is_order)
    moment = library.at(seq)
    former = None if seq == 0 else library.at(library.cause_of(seq))
    asked: list[Asked] = []
    if former is not None:
        core = former.core
        asked = trace(library.manifest, core.dump(), core.document, moment.event, strategy)
    life, markouts, ended = follow_order(library, seq, order_id, moment)
    return Story(
        seq=seq, target=target, order_id=order_id, event=moment.event, effects=moment.effects,
        before=figures_of(make_state(library.manifest) if former is None else former.state),
        after=figures_of(moment.state), asked=asked, since=params_since(library, seq), life=life, markouts=markouts,
        ended=ended,
    )  # fmt: skip


def find_target(library: "Library", target: int, is_order: bool) -> tuple[int, int | None]:
    """Return the seq of the event that a number leads to, and the order that it is about.

    Raises: NoSuchEvent.
    """
    if not is_order:
        try:
            row = library.event_at(target)[0]
        except NoSuchEvent:
            if target < 1 << SEQ_SHIFT:
                raise
        else:
            is_of_order = int(row["kind"]) in ORDER_KINDS and int(row["order_id"]) > 0
            order_id = int(row["order_id"]) if is_of_order else None
            return (library.cause_of(target) if is_effect(row["kind"]) else target), order_id
    seq = target >> SEQ_SHIFT
    try:
        placed = library.at(seq).effects
    except NoSuchEvent:
        placed = np.zeros(0, EVENT)
    if target not in placed["order_id"][placed["kind"] == EventKind.PLACE].tolist():
        raise NoSuchEvent(f"{library.path} has neither an event nor an order {target:,}")
    return seq, target


def follow_order(
    library: "Library", seq: int, order_id: int | None, moment: Moment
) -> tuple[np.ndarray, list[Markout], bool]:
    """Return the rows of an order from an event on, the markouts of its first fills, and whether it ended."""
    if order_id is None:
        return np.zeros(0, EVENT), [], False
    own = moment.effects[moment.effects["order_id"] == order_id]
    found, due = [own[np.isin(own["kind"], ORDER_KINDS)]], list[tuple[np.void, int, int]]()
    told: list[Markout] = []
    ended = False
    for rows in library.verified_chunks(seq):
        times = np.maximum.accumulate(np.where(rows["kind"] > EventKind.COMMAND, rows["ts_receive_ns"], NO_TS_NS))
        mine = rows[(rows["order_id"] == order_id) & np.isin(rows["kind"], ORDER_KINDS)]
        mine = mine[~np.isin(mine["seq"], found[0]["seq"])]
        found.append(mine.copy())
        for fill in mine[mine["kind"] == EventKind.FILL]:
            if len(due) + len(told) < MARKED_FILL_COUNT_MAX * len(MARKOUT_HORIZONS_MS):
                due += [(fill, ms, int(fill["ts_receive_ns"]) + ms * NS_PER_MS) for ms in MARKOUT_HORIZONS_MS]
        for each in list(due):
            late = int(np.searchsorted(times, each[2], side="right"))
            if late < len(rows):
                due.remove(each)
                told.append(markout(library, each[0], each[1], int(rows[late]["seq"])))
        ended = is_ended(np.concatenate(found))
        if ended and not due:
            break
    return np.concatenate(found), sorted(told), ended


def is_ended(life: np.ndarray) -> bool:
    """Tell whether an order has ended: cancelled, expired, refused before it rested, or filled."""
    left, ended, rests = 0, False, False
    for row in life:
        kind, qty = int(row["kind"]), int(row["qty_lots"])
        if kind in (EventKind.PLACE, EventKind.AMENDED):
            left = qty
        elif kind == EventKind.FILL:
            left -= qty
        rests = rests or kind in (EventKind.ACK, EventKind.AMENDED, EventKind.FILL)
        ended = ended or kind in (EventKind.CANCELED, EventKind.EXPIRED)
        ended = ended or (kind == EventKind.FILL and left <= 0) or (kind == EventKind.REJECT and not rests)
    return ended


def markout(library: "Library", fill: np.void, horizon_ms: int, seq_after: int) -> Markout:
    """Return the markout of a fill by the mid before the event at `seq_after`."""
    state = library.at(library.cause_of(seq_after)).state
    mid = int(state.signals[int(fill["instrument_index"])]["mid_half_ticks"])
    sign = 1 if fill["side"] == 0 else -1
    moved = sign * (mid - 2 * int(fill["price_ticks"])) if mid != NO_PRICE_TICKS else 0
    return Markout(int(fill["seq"]), horizon_ms, moved)


def params_since(library: "Library", seq: int) -> dict[tuple[int, int], ParamSet]:
    """Return when each PARAM got its value, by the AUDIT rows up to an event's effects."""
    found: dict[tuple[int, int], ParamSet] = {}
    last_input = 0
    for rows in library.source.unverified_chunks():
        rows = rows[rows["seq"] <= seq]
        told = rows[(rows["kind"] == EventKind.AUDIT) & (rows["code"] == AuditKind.PARAM)]
        inputs = np.append(last_input, input_seqs(rows))
        causes = inputs[np.searchsorted(inputs, told["seq"]) - 1]
        for row, cause in zip(told, causes.tolist(), strict=True):
            key = int(row["instrument_index"]), int(row["order_id"])
            found[key] = ParamSet(int(row["seq"]), cause, int(row["aux"]) >> AUTHOR_SHIFT)
        if not len(rows):
            break
        last_input = int(inputs[-1])
    return found
