"""What the columns of a row mean in each kind: named views of the same 64 bytes; must never change a byte.

`view_rows` gives a kind's rows under their own names, for everything outside of the kernels; a kernel, which is
compiled for EVENT rows alone, asks the functions below. docs/data.md 2 has the kinds.
"""

from typing import Any

import numpy as np

from mmfold.engine.codes import EFFECT_KIND_MAX, EFFECT_KIND_MIN, EventKind
from mmfold.engine.jit import kernel
from mmfold.engine.records import EVENT

_K = EventKind

# kind -> {column of EVENT: what it is there}; a column that is not named keeps its name.
MEANINGS: dict[EventKind, dict[str, str]] = {
    _K.BOOK_SNAPSHOT: {"aux": "venue_seq"},
    _K.BOOK_DELTA: {"aux": "venue_seq", "order_id": "venue_seq_prev"},
    _K.BBO: {"aux": "venue_seq"},
    _K.TRADE: {"aux": "trade_number"},
    _K.MARK: {"aux": "mark_price_e8", "order_id": "index_price_e8"},
    _K.FUNDING: {"aux": "rate_e9", "order_id": "mark_price_e8"},
    _K.BOOK_ORDER: {"aux": "venue_seq", "order_id": "market_order_id"},
    _K.REJECT: {"code": "venue_code"},
    _K.CANCELED: {"code": "venue_code"},
    _K.FILL: {"aux": "execution_number", "code": "fee_code"},
    _K.BALANCE: {"aux": "cash_micros"},
    _K.POSITION: {"aux": "average_price_e8", "order_id": "pnl_before_micros"},
    _K.CONNECTION: {"code": "state"},
    _K.REQUEST_RESULT: {"aux": "latency_ns", "code": "outcome"},
    _K.HEALTH: {"aux": "resident_bytes", "order_id": "loop_drift_ns"},
    _K.SCORE: {"aux": "score_e9"},
    _K.PLACE: {"code": "reason"},
    _K.AMEND: {"aux": "filled_lots", "code": "reason"},
    _K.CANCEL: {"code": "reason"},
    _K.AUDIT: {
        "aux": "reason", "code": "audit", "order_id": "subject", "price_ticks": "before", "qty_lots": "after",
    },
    _K.ALERT: {"aux": "detail", "code": "alert"},
    _K.NOTE: {
        "aux": "author_and_bytes", "code": "part", "price_ticks": "text_0", "qty_lots": "text_8", "order_id": "text_16",
    },
}  # fmt: skip
# The second row of a POSITION flagged OPENING.
OPENING_MEANINGS = {
    "aux": "fees_before_micros", "order_id": "funding_before_micros",
    "price_ticks": "day", "qty_lots": "day_start_micros",
}  # fmt: skip
# The second row of a FUNDING flagged PAID.
PAID_MEANINGS = {"aux": "paid_micros", "order_id": "execution_number"}


def view_dtype(meanings: dict[str, str]) -> np.dtype:
    """Return EVENT with some columns under other names."""
    assert EVENT.names is not None and set(meanings) <= set(EVENT.names)
    return np.dtype([(meanings.get(name, name), EVENT[name]) for name in EVENT.names])


VIEWS = {kind: view_dtype(MEANINGS.get(kind, {})) for kind in EventKind}
OPENING_VIEW = view_dtype(OPENING_MEANINGS)
PAID_VIEW = view_dtype(PAID_MEANINGS)
assert all(view.itemsize == EVENT.itemsize for view in (*VIEWS.values(), OPENING_VIEW, PAID_VIEW))


def is_effect(kinds: Any) -> Any:
    """Tell of kinds, an array or one, which are decisions and digests: witnesses where they stand in a journal."""
    return (kinds >= EFFECT_KIND_MIN) & (kinds <= EFFECT_KIND_MAX)


def view_rows(rows: np.ndarray, kind: EventKind) -> np.ndarray:
    """Return rows of one kind under the names that its columns have; the same memory."""
    return rows.view(VIEWS[kind])


@kernel
def venue_seq_of(row):
    """Return the venue's number of a book row: BOOK_SNAPSHOT, BOOK_DELTA, BBO, BOOK_ORDER."""
    return row["aux"]


@kernel
def venue_seq_prev_of(row):
    """Return the venue's number that a BOOK_DELTA continues."""
    return row["order_id"]


@kernel
def mark_price_e8_of(row):
    """Return the mark price of a MARK x 1e8."""
    return row["aux"]


@kernel
def funding_rate_e9_of(row):
    """Return the rate of a FUNDING x 1e9."""
    return row["aux"]


@kernel
def funding_mark_e8_of(row):
    """Return the mark price of a FUNDING x 1e8, or the sentinel."""
    return row["order_id"]


@kernel
def paid_micros_of(row):
    """Return what a settlement cost: the second row of a FUNDING flagged PAID."""
    return row["aux"]


@kernel
def cash_micros_of(row):
    """Return the cash of a BALANCE."""
    return row["aux"]


@kernel
def latency_ns_of(row):
    """Return how long the answer to a REQUEST_RESULT's request took, or the sentinel."""
    return row["aux"]


@kernel
def resident_bytes_of(row):
    """Return the memory of a HEALTH."""
    return row["aux"]


@kernel
def score_e9_of(row):
    """Return the score of a SCORE x 1e9."""
    return row["aux"]


@kernel
def average_price_e8_of(row):
    """Return the average price of a POSITION flagged OPENING x 1e8."""
    return row["aux"]


@kernel
def pnl_before_micros_of(row):
    """Return what the journals before had realised: a POSITION flagged OPENING, or the sentinel."""
    return row["order_id"]


@kernel
def fees_before_micros_of(row):
    """Return the fees that the journals before had paid: the second row of a POSITION flagged OPENING."""
    return row["aux"]


@kernel
def funding_before_micros_of(row):
    """Return the funding that the journals before had paid: the second row of a POSITION flagged OPENING."""
    return row["order_id"]


@kernel
def day_of(row):
    """Return the UTC day, counted from 1970, that the journals before were in: the second row of a POSITION flagged
    OPENING, or the sentinel.
    """
    return row["price_ticks"]


@kernel
def day_start_micros_of(row):
    """Return the PnL of all journals before when that day began: the second row of a POSITION flagged OPENING."""
    return row["qty_lots"]
