"""A recorded capture with a settlement, a silence and a restart of the venue worked in, and a backtest on it.

What happens is the capture's own: some of its book messages are taken out, those behind the restart are numbered anew,
and where a venue would have been asked for a snapshot, one is put in as the book stood there.
"""

from pathlib import Path

import numpy as np

from mmfold.adapters.importers import load_importer
from mmfold.adapters.importers.outcome import ImportRequest
from mmfold.engine.codes import EventKind, Flag
from mmfold.engine.core import Core
from mmfold.engine.limits import E8, NS_PER_S
from mmfold.engine.manifest import Manifest
from mmfold.engine.records import EVENT, NO_ORDER_ID
from mmfold.journal.log.reader import Journal
from mmfold.replay.minimize.snapshots import snapshot_of
from tests.planted.market import blank, write_rows

CAPTURE = "binance_raw_ws/usdm_btcusdt_20240808.gz"
DEPTH = 2_000
FUNDING_AT, SILENCE_AT, RESTART_AT = 0.35, 0.55, 0.8  # of all book messages
SILENCE_NS = 8 * NS_PER_S
LOST_NS = 20 * NS_PER_S  # before the restart
UNHEARD_COUNT = 12  # messages behind the restart before its snapshot
NUMBER_FIRST = 100
TRADING = (
    "mode=sent", "strategy.levels_per_side=2", "strategy.quote_refresh_ms=100", "maker.post_only_offset_bps=0",
    "strategy.min_spread_bps=0.05", "strategy.k_vola_spread=0.01", "strategy.min_time_in_book_ms=100",
    "strategy.target_usd=20000", "risk.max_inv_usd_per_symbol=100000", "risk.max_total_notional_usd=100000",
    "strategy.enable_adverse_guard=false", "strategy.replace_threshold_bps=0.3",
    "strategy.amend_price_threshold_bps=0.1",
)  # fmt: skip


def import_capture(path: Path, out: Path) -> tuple[Manifest, np.ndarray]:
    """Import a capture and return its manifest and the rows behind it."""
    load_importer("binance")(ImportRequest(files=(path,), out=out, market="usdm"), lambda _: None)
    journal = Journal(out)
    rows = np.concatenate([chunk.copy() for chunk in journal.chunks()])
    return journal.manifest(), rows[rows["kind"] != EventKind.MANIFEST]


def worked_in(manifest: Manifest, rows: np.ndarray) -> np.ndarray:
    """Return the rows with a settlement, a silence and a restart."""
    is_book = rows["kind"] == EventKind.BOOK_DELTA
    is_last = (rows["flags"] & Flag.LAST) != 0
    ends = np.flatnonzero(is_book & is_last) + 1  # behind each book message
    funding, silence, restart = (int(ends[round(len(ends) * share)]) for share in (FUNDING_AT, SILENCE_AT, RESTART_AT))
    received = rows["ts_receive_ns"]
    heard = first_message(rows, ends, int(received[silence]) + SILENCE_NS)
    lost = first_message(rows, ends, int(received[restart]) - LOST_NS)
    answered = int(ends[np.searchsorted(ends, restart) + UNHEARD_COUNT])
    keep = np.ones(len(rows), bool)
    keep[silence:heard] = keep[lost:restart] = False
    keep |= ~is_book
    rows = rows.copy()
    base = int(rows["order_id"][restart:][is_book[restart:]][0]) - NUMBER_FIRST
    numbered = np.flatnonzero(is_book[restart:]) + restart
    put_in = {
        funding: settlement(rows[funding], *books_at(manifest, rows, [funding])),
        heard: books_at(manifest, rows, [heard])[0],
        answered: books_at(manifest, rows, [answered])[0],
    }
    rows["aux"][numbered] -= base
    rows["order_id"][numbered] -= base
    put_in[answered]["aux"] -= base
    parts, start = [], 0
    for place in sorted(put_in):
        parts += [rows[start:place][keep[start:place]], put_in[place]]
        start = place
    return np.concatenate([*parts, rows[start:][keep[start:]]])


def first_message(rows: np.ndarray, ends: np.ndarray, ts_ns: int) -> int:
    """Return the row that the first book message received from a time on begins behind."""
    return int(ends[np.searchsorted(rows["ts_receive_ns"][ends - 1], ts_ns)])


def books_at(manifest: Manifest, rows: np.ndarray, places: list[int]) -> list[np.ndarray]:
    """Return the book as it stands before some rows, each as a snapshot."""
    core, found, start = Core(manifest), [], 0
    for place in places:
        core.feed(rows[:place], start)
        core.drain()
        book = snapshot_of(core, rows[place - 1], 0, DEPTH)
        assert book is not None, f"no live book at row {place:,}"
        found.append(book)
        start = place
    return found


def settlement(row: np.void, book: np.ndarray) -> np.ndarray:
    """Return a funding at a positive rate and the best bid."""
    found = blank(1, np.array([row["ts_exchange_ns"]]), EventKind.FUNDING)
    found["ts_receive_ns"], found["flags"], found["aux"] = row["ts_receive_ns"], Flag.LAST, 100_000
    found["order_id"] = book["price_ticks"][0] * E8 // 10
    assert found.dtype == EVENT and found["order_id"][0] != NO_ORDER_ID
    return found


def make_market(shared_data: Path, place: Path) -> Path:
    """Write the capture with what is worked in."""
    manifest, rows = import_capture(shared_data / CAPTURE, place / "imported")
    return write_rows(place / "capture-market", manifest.instruments, worked_in(manifest, rows))
