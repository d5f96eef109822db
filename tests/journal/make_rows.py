"""Rows and journals for the tests of the binary journal."""

from collections.abc import Iterable
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.manifest import Instrument, Manifest, encode_manifest
from mmfold.engine.payload import payload_rows
from mmfold.engine.records import EVENT, NO_ORDER_ID, NO_TS_NS, NO_VALUE
from mmfold.journal.log.chain import GENESIS_BASE, Chain
from mmfold.journal.log.segment import (
    SegmentFile,
    SegmentHeader,
    encode_frame_header,
    encode_segment_header,
    segment_paths,
)
from mmfold.journal.log.writer import Writer

MANIFEST = Manifest(run_id="test", instruments=(Instrument(symbol="BTCUSDT", tick_size="0.1", lot_size="0.001"),))
TS_NS = 1_723_161_259_000_000_000  # 2024-08-08T23:54:19Z


def book_rows(
    row_counts: Iterable[int], seq_first: int = 0, ts_ns: int = TS_NS, step_ns: int = 1_000_000
) -> np.ndarray:
    """Return one book delta per count, of that many rows."""
    counts = np.array(list(row_counts), np.int64)
    rows = np.zeros(int(counts.sum()), EVENT)
    event = np.repeat(np.arange(len(counts)), counts)
    rows["seq"] = seq_first + event
    rows["ts_exchange_ns"] = NO_TS_NS
    rows["ts_receive_ns"] = ts_ns + event * step_ns
    rows["price_ticks"] = 617_000 + np.arange(len(rows)) % 97
    rows["qty_lots"] = np.arange(len(rows)) % 89
    rows["kind"], rows["side"] = EventKind.BOOK_DELTA, Side.BID
    rows["flags"][np.cumsum(counts) - 1] = Flag.LAST
    return rows


def journal_rows(event_count: int, row_counts: Iterable[int] = (1, 3, 2)) -> np.ndarray:
    """Return a manifest and book deltas, `event_count` events in all."""
    manifest = payload_rows(EventKind.MANIFEST, 0, encode_manifest(MANIFEST))
    return np.concatenate([manifest, book_rows(islice(cycle(row_counts), event_count - 1), 1)])


def canonical_rows(event_count: int) -> np.ndarray:
    """Return the same events with unused fields empty, so that text can hold them."""
    rows = journal_rows(event_count)
    is_delta = rows["kind"] == EventKind.BOOK_DELTA
    rows["order_id"][is_delta], rows["aux"][is_delta] = NO_ORDER_ID, NO_VALUE
    return rows


def events_of(rows: np.ndarray) -> list[np.ndarray]:
    """Return the rows of each event."""
    return np.split(rows, np.flatnonzero(rows["flags"] & Flag.LAST)[:-1] + 1)


def write_journal(
    directory: Path,
    rows: np.ndarray,
    frame_event_count: int = 50,
    *,
    seal: bool = True,
    segment_bytes_max: int = 1 << 28,
) -> Path:
    """Write rows in commits of so many events and return the directory."""
    writer = Writer(directory, segment_bytes_max=segment_bytes_max)
    events = events_of(rows)
    for start in range(0, len(events), frame_event_count):
        writer.append(np.concatenate(events[start : start + frame_event_count]))
        writer.commit()
    writer.close(seal=seal)
    return directory


def forge_journal(directory: Path, rows: np.ndarray) -> Path:
    """Write one segment of one frame whose digests are right, whatever the rows are, and return the directory."""
    chain = Chain()
    chain.update(rows)
    header = encode_segment_header(SegmentHeader(0, 0, GENESIS_BASE, NO_VALUE))
    frame = encode_frame_header(chain.head, 0, chain.seq_next - 1, len(rows))
    directory.mkdir(exist_ok=True)
    (directory / "000000.mmj").write_bytes(header + frame + rows.tobytes())
    return directory


def frame_ends(directory: Path) -> list[tuple[int, int]]:
    """Return (offset after the frame, events up to there) of each frame of the last segment."""
    return [(mark.end, mark.seq_last + 1) for mark in SegmentFile(segment_paths(directory)[-1]).marks()]


def files_of(directory: Path) -> dict[str, bytes]:
    """Return every file under a directory with its bytes."""
    return {str(p.relative_to(directory)): p.read_bytes() for p in sorted(directory.rglob("*")) if p.is_file()}
