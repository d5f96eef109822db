"""The UTC days of events, which segments are cut by; must never take a payload's bytes for a time.

Units: days since 1970-01-01.
"""

import numpy as np

from mmfold.engine.codes import PAYLOAD_KINDS
from mmfold.engine.limits import NS_PER_S
from mmfold.engine.records import NO_TS_NS

NS_PER_DAY = 86_400 * NS_PER_S
HAS_TIME = np.ones(256, bool)  # by kind; payload rows hold bytes where others hold times
HAS_TIME[list(PAYLOAD_KINDS)] = False


def day_of(rows: np.ndarray, row: int) -> int | None:
    """Return the day of one row, None where its receive time is not known."""
    ts_ns: int = rows["ts_receive_ns"].item(row)
    return None if ts_ns == NO_TS_NS or rows["kind"].item(row) in PAYLOAD_KINDS else ts_ns // NS_PER_DAY


def first_day(rows: np.ndarray) -> int | None:
    """Return the day of the first row whose receive time is known."""
    stamped = (rows["ts_receive_ns"] != NO_TS_NS) & HAS_TIME[rows["kind"]]
    first = int(np.argmax(stamped))
    return day_of(rows, first) if stamped[first] else None
