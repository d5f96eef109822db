"""Events that the runner itself makes: time, connection, health, a former request without an outcome."""

import resource

import numpy as np

from mmfold.adapters.venues.ledger import EndReason, as_rows
from mmfold.engine.codes import ConnectionState, EventKind, Flag, RequestOutcome, Side
from mmfold.engine.records import NO_ORDER_ID, NO_PRICE_TICKS, NO_TS_NS, NO_VALUE


def plain_row(
    kind: EventKind, ts_ns: int, *, order_id: int = NO_ORDER_ID, aux: int = NO_VALUE, index: int = 0, code: int = 0
) -> np.ndarray:
    """Return a one-row event that we observed ourselves."""
    head = (0, NO_TS_NS, ts_ns, NO_PRICE_TICKS, 0, order_id, aux)
    return as_rows([(*head, kind, Side.NONE, Flag.LAST, index, code)])


def timer_row(ts_ns: int) -> np.ndarray:
    """Return a TIMER."""
    return plain_row(EventKind.TIMER, ts_ns)


def connection_row(state: ConnectionState, ts_ns: int) -> np.ndarray:
    """Return a CONNECTION."""
    return plain_row(EventKind.CONNECTION, ts_ns, code=state)


def health_row(ts_ns: int, loop_drift_ns: int) -> np.ndarray:
    """Return a HEALTH with the process's peak memory."""
    return plain_row(EventKind.HEALTH, ts_ns, order_id=loop_drift_ns, aux=resident_bytes())


def timeout_row(index: int, order_id: int, ts_ns: int) -> np.ndarray:
    """Return the REQUEST_RESULT of a request whose outcome a former process took with it."""
    return plain_row(EventKind.REQUEST_RESULT, ts_ns, order_id=order_id, index=index, code=RequestOutcome.TIMEOUT)


def lost_row(index: int, order_id: int, ts_ns: int) -> np.ndarray:
    """Return the CANCELED of an order that rested at a simulated venue, which ended with its process."""
    return plain_row(EventKind.CANCELED, ts_ns, order_id=order_id, index=index, code=EndReason.DISCONNECT)


def gap_rows(index: int, ts_receive_ns: int) -> np.ndarray:
    """Return the BOOK_GAP of an instrument whose messages are known to be missing: its connection was lost."""
    return plain_row(EventKind.BOOK_GAP, ts_receive_ns, index=index)


def resident_bytes() -> int:
    """Return the memory that the process holds now."""
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


def events_of(rows: np.ndarray) -> list[np.ndarray]:
    """Return the events of rows, each whole."""
    if len(rows) == 1:
        return [rows]
    ends = np.flatnonzero(rows["flags"] & 1) + 1
    return np.split(rows, ends[:-1])
