"""Journals written by hand: a market of one book, and what the venue answers to the core's first bid.

One tick and one lot are 1; the mid stands at 10,000, the core's bid of 5 lots at 9,990.
"""

from pathlib import Path

import numpy as np

from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.limits import E8
from mmfold.engine.manifest import Manifest
from mmfold.engine.records import EVENT
from mmfold.journal.log.reader import Journal
from mmfold.journal.log.writer import Writer
from mmfold.replay.parity.session import Session, SessionReplay
from mmfold.replay.record import Recorder
from tests.engine.rows import PLAIN, T0_NS, book_event, event, make_manifest

MARK_PRICE = 10_000
LEVELS = ([(9_999, 40)], [(10_001, 40)])


def fees_manifest(**fields: str) -> Manifest:
    """Return the manifest of instrument X with the default fees: maker 100, taker 500 ppm."""
    return make_manifest("X", **{"maker_fee_ppm": 100, "taker_fee_ppm": 500, **fields})


def event_of(step: str, order_id: int) -> np.ndarray:
    """Return the event of `book`, `gap`, `funding RATE_E9`, `ack` or `fill PRICExLOTS [taker]`."""
    word, *words = step.split()
    if word == "book":
        return book_event(EventKind.BOOK_SNAPSHOT, *LEVELS, aux=1)
    if word == "gap":
        return event(EventKind.BOOK_GAP)
    if word == "funding":
        return event(EventKind.FUNDING, aux=int(words[0]), order_id=MARK_PRICE * E8)
    if word == "ack":
        return event(EventKind.ACK, order_id=order_id)
    assert word == "fill", step
    price_ticks, qty_lots = map(int, words[0].split("x"))
    fields = {"price_ticks": price_ticks, "qty_lots": qty_lots, "order_id": order_id, "aux": 1, "side": Side.BID}
    return event(EventKind.FILL, **fields, flags=0 if "taker" in words else Flag.MAKER)


def record_steps(path: Path, steps: str, manifest: Manifest | None = None) -> Path:
    """Write the journal of a core that lives through the steps, a second apart; returns its path."""
    order_id = 0
    with Writer(path) as writer:
        recorder = Recorder(writer, manifest or fees_manifest(), {"params": {"X": {**PLAIN, "mode": 1}}})
        for second, step in enumerate(steps.split(", ")):
            rows = event_of(step, order_id)
            rows["ts_receive_ns"] = T0_NS + second * 1_000_000_000
            recorder.append(rows)
            writer.commit()
            placed = all_rows(path)
            placed = placed[(placed["kind"] == EventKind.PLACE) & (placed["side"] == Side.BID)]
            order_id = int(placed["order_id"][0]) if len(placed) else 0
        recorder.finish()
    return path


def all_rows(path: Path) -> np.ndarray:
    """Return all rows of a journal."""
    return np.concatenate([np.zeros(0, EVENT), *(chunk.copy() for chunk in Journal(path).chunks())])


def session_of(path: Path) -> Session:
    """Return what a journal holds of ours."""
    return SessionReplay(path).session()
