"""A journal's market as rows for hftbacktest, with the book's start put right; must never change a price or a size.

The peer knows no update ids: it applies what comes before a REST snapshot, then lays the older snapshot over it. Here
deltas that the snapshot holds already are emptied, and newer ones that came before it follow it (docs/data.md 7).
"""

import numpy as np

from mmfold.engine.codes import EventKind, Side
from mmfold.engine.manifest import Instrument
from mmfold.engine.records import EVENT

PEER_ROW = np.dtype(
    [
        ("ev", "<u8"),
        ("exch_ts", "<i8"),
        ("local_ts", "<i8"),
        ("px", "<f8"),
        ("qty", "<f8"),
        ("order_id", "<u8"),
        ("ival", "<i8"),
        ("fval", "<f8"),
    ]
)
# Source: hftbacktest 2.4.4, types: event kinds and the flags of the processor and the side.
PEER_KINDS = {EventKind.BOOK_DELTA: 1, EventKind.TRADE: 2, EventKind.BOOK_SNAPSHOT: 4}
AT_VENUE, AT_LOCAL, BUY, SELL = 1 << 31, 1 << 30, 1 << 29, 1 << 28


def peer_rows(rows: np.ndarray, instrument: Instrument) -> np.ndarray:
    """Return the books and trades of one instrument's journal as the peer's rows: each for the venue and for us."""
    rows = rows[np.isin(rows["kind"], list(PEER_KINDS)) & (rows["side"] != Side.NONE)]
    assert rows.dtype == EVENT and np.count_nonzero(np.diff(rows[rows["kind"] == EventKind.BOOK_SNAPSHOT]["seq"])) == 0
    snapshot = int(np.flatnonzero(rows["kind"] == EventKind.BOOK_SNAPSHOT)[0])
    snapshot_last = int(np.flatnonzero(rows["kind"] == EventKind.BOOK_SNAPSHOT)[-1])
    place = np.arange(len(rows), dtype=np.float64)
    delta = rows["kind"] == EventKind.BOOK_DELTA
    old = delta & (rows["aux"] <= rows["aux"][snapshot])
    held = delta & ~old & (place < snapshot)
    place[held] = snapshot_last + 0.5
    out = np.zeros(len(rows), PEER_ROW)
    out["ev"] = np.select([rows["kind"] == kind for kind in PEER_KINDS], list(PEER_KINDS.values()))
    out["ev"] |= np.where(rows["side"] == Side.BID, BUY, SELL).astype(np.uint64)
    out["px"] = decimals(rows["price_ticks"], instrument.tick_size)
    out["qty"] = np.where(old, 0.0, decimals(rows["qty_lots"], instrument.lot_size))
    out["exch_ts"], out["local_ts"] = rows["ts_exchange_ns"], rows["ts_receive_ns"]
    out["local_ts"] += max(0, -int((out["local_ts"] - out["exch_ts"]).min()))
    for name in ("exch_ts", "local_ts"):
        out[name][held] = np.maximum(out[name][held], out[name][snapshot])
    halves = []
    for name, flag in (("exch_ts", AT_VENUE), ("local_ts", AT_LOCAL)):
        half = out[np.lexsort((place, out[name]))]
        half["ev"] |= np.uint64(flag)
        halves.append(half)
    both = np.concatenate(halves)
    return both[np.argsort(np.concatenate([halves[0]["exch_ts"], halves[1]["local_ts"]]), kind="stable")]


def decimals(counts: np.ndarray, size: str) -> np.ndarray:
    """Return counts of a decimal size as the floats nearest to the exact products, as a parser of decimals gives."""
    digits = len(size.partition(".")[2])
    return counts * int(size.replace(".", "")) / 10**digits
