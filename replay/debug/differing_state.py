"""Two states field by field; must never name a difference of numbering, which two journals of one market may have."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from mmfold.engine.records import CELL
from mmfold.engine.state import State

FIELD_COUNT_MAX = 100  # of one comparison: the first ones tell, the rest follows from them
# As a cause comes before what follows from it: what is known, what is set, what is decided.
CELL_NAMES = {
    "position": "positions", "book": "books", "sides": "book_sides", "signal": "signals", "features": "features",
    "memory": "memory", "param": "params", "quoter": "quoters", "quote_sides": "quote_sides", "throttle": "throttle",
    "targets": "targets", "orders": "orders", "counter": "counters", "blocked_counts": "blocked_counts",
    "window_qty_lots": "window_qty_lots", "far_levels": "far_levels",
}  # fmt: skip
SETTINGS = ("param",)  # in force: what the operator set, with what policies made of it
CLOCK_FIELDS = ("connection_state", "cash_micros", "gross_micros", "day_pnl_micros", "day_end_ns", "day_stopped")
NUMBERING = ("order_id",)  # holds the seq
assert CELL.names is not None and set(CELL_NAMES) <= set(CELL.names)


class FieldDifference(NamedTuple):
    """One field of the state that differs; `path` as in `positions[BTCUSDT].position_lots`."""

    path: str
    a: int | float
    b: int | float


def differing_fields(
    a: State, b: State, symbols: Sequence[tuple[str, int, int]], *, with_settings: bool
) -> tuple[FieldDifference, ...]:
    """Return the first fields that differ, causes before what follows from them.

    Shape: symbols are (symbol, index in A, index in B).
    """
    return tuple(islice(walk_states(a, b, symbols, with_settings), FIELD_COUNT_MAX))


def walk_states(
    a: State, b: State, symbols: Sequence[tuple[str, int, int]], with_settings: bool
) -> Iterator[FieldDifference]:
    """Yield the fields that differ, of each record for all symbols before the next."""
    for field, name in CELL_NAMES.items():
        if field in SETTINGS and not with_settings:
            continue
        for symbol, at_a, at_b in symbols:
            yield from walk(f"{name}[{symbol}]", a.cells[field][at_a], b.cells[field][at_b])
    for field in CLOCK_FIELDS:
        yield from walk(f"clock.{field}", a.clock[field][0], b.clock[field][0])


def walk(path: str, a: Any, b: Any) -> Iterator[FieldDifference]:
    """Yield what differs of a record, an array or a number."""
    if a.tobytes() == b.tobytes():
        return
    if a.dtype.names is None and not a.shape:
        yield FieldDifference(path, a.item(), b.item())
    elif a.shape:
        for index in range(len(a)):
            yield from walk(f"{path}[{index}]", a[index], b[index])
    else:
        for name in a.dtype.names:
            if name not in NUMBERING:
                yield from walk(f"{path}.{name}", a[name], b[name])
