"""Recorded feeds: every USD-M frame and snapshot gives live the rows that the import made of it."""

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmfold.adapters.importers import load_importer
from mmfold.adapters.importers.outcome import ImportRequest
from mmfold.adapters.venues.binance.public import BinanceParser
from mmfold.adapters.venues.port import Ignored, MalformedFrame
from mmfold.engine.codes import BookStatus, EventKind
from mmfold.engine.continuity import apply_delta, apply_snapshot
from mmfold.engine.state import make_state
from mmfold.journal.log.reader import Journal

BOOKS = (EventKind.BOOK_SNAPSHOT, EventKind.BOOK_DELTA)


def of_import(files: tuple[Path, ...], out: Path) -> tuple[BinanceParser, np.ndarray]:
    """A parser of an import's instruments, and the import's market rows."""
    load_importer("binance")(ImportRequest(files=files, out=out, market="usdm"), lambda _: None)
    journal = Journal(out)
    rows = np.concatenate(list(journal.chunks()))
    rows = rows[(rows["kind"] >= EventKind.BOOK_SNAPSHOT) & (rows["kind"] <= EventKind.FUNDING)].copy()
    rows["seq"] = 0
    return BinanceParser(journal.manifest()), rows


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["usdm_btcusdt_20240808", "usdm_ethusdt_20240808"])
def test_frames_and_snapshot_give_the_rows_of_the_import(shared_data: Path, tmp_path: Path, name: str) -> None:
    path = shared_data / "binance_raw_ws" / f"{name}.gz"
    if not path.is_file():
        pytest.skip(f"no recorded feed {path.name}")
    parser, imported = of_import((path,), tmp_path / "journal")
    found, ignored, taken = [], set(), 0
    for line in gzip.decompress(path.read_bytes()).splitlines():
        stamp, _, frame = line.partition(b" ")
        try:
            told = parser.parse(frame, int(stamp))
        except MalformedFrame:  # the answer of REST has no envelope
            assert frame.startswith(b'{"lastUpdateId":')
            (due,) = parser.snapshots_due()
            told = parser.parse_snapshot(due, frame, 200, int(stamp))
            taken += len(told) > 0
        if isinstance(told, np.ndarray):
            found.append(told)
        else:
            assert isinstance(told, Ignored)
            ignored.add(told.what)
    rows = np.concatenate(found)
    assert rows.tobytes() == imported.tobytes() and taken == 1
    assert ignored <= {"trade beside the book"} and not parser.books[0].waits
    state = make_state(replace(Journal(tmp_path / "journal").manifest(), witnessed=False))
    for event in found:
        if event["kind"][0] in BOOKS:
            apply = apply_snapshot if event["kind"][0] == EventKind.BOOK_SNAPSHOT else apply_delta
            apply(state.cells[0], event, 0, len(event))
    book = state.cells[0]["book"]
    assert book["status"] == BookStatus.LIVE and book["gap_count"] == 0 and book["delta_count"] > 1_000


@pytest.mark.realdata
def test_many_symbols_on_one_connection(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "binance_multisymbol"
    streams = folder / "binance_usdm_ws_20210722.cryptofeed-v2.txt"
    if not streams.is_file():
        pytest.skip(f"no recorded feed {streams.name}")
    parser, imported = of_import((streams,), tmp_path / "journal")
    found, ignored = [], set()
    for line in streams.read_bytes().splitlines():
        stamp, colon, frame = line.partition(b": ")
        if not colon or not frame.startswith(b"{") or b" " in stamp:
            continue
        told = parser.parse(frame, 0)
        if isinstance(told, np.ndarray):
            found.append(told)
        else:
            ignored.add(told.what if isinstance(told, Ignored) else told.kind.value)
    rows = np.concatenate(found)
    rows["ts_receive_ns"] = imported["ts_receive_ns"]  # the clock's digits are the capture's affair
    assert rows.tobytes() == imported.tobytes() and ignored <= {"kline", "subscribe"}
    assert len(set(rows["instrument_index"].tolist())) == 4
    assert [due.instrument_index for due in parser.snapshots_due()] == [0, 1, 2, 3]
