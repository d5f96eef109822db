"""Recorded captures end to end: import, chain, books against the venue's own best bid and offer (../shared/data)."""

from pathlib import Path

import numpy as np
import pytest

from mmfold.adapters.importers import load_importer
from mmfold.adapters.importers.outcome import ImportRequest, ImportResult
from mmfold.engine.codes import BookStatus, EventKind, Flag, Side
from mmfold.engine.core import Core
from mmfold.journal.log.reader import Journal
from mmfold.replay.run import ReplayOptions, replay

pytestmark = pytest.mark.realdata

BYBIT_L2 = "bybit_v5_l2_trades/bybit_v5_linear_BTCUSDT_ETHUSDT.jsonl.zst"
# files, market, symbol, comparisons where a depth message and a bookTicker carry the same update id (data README)
ORACLES = [
    (("usdm_btcusdt_20240808",), "usdm", "BTCUSDT", 629),
    (("usdm_ethusdt_20240808",), "usdm", "ETHUSDT", 551),
    (("cm_btcusd_perp_20240808", "cm_btcusd_perp_20240809"), "coinm", "BTCUSD_PERP", 1_885),
    (("spot_btcusdt_20240808", "spot_btcusdt_20240809"), "spot", "BTCUSDT", 1_072),
]


def import_files(source: str, files: list[Path], out: Path, market: str = "") -> ImportResult:
    """Import captures and return the result."""
    return load_importer(source)(ImportRequest(files=tuple(files), out=out, market=market), lambda _: None)


def venue_tops(rows: np.ndarray) -> dict[int, tuple[int, int, int, int]]:
    """Return {update id: (bid, bid qty, ask, ask qty)} of every bookTicker."""
    bbo = rows[rows["kind"] == EventKind.BBO]
    bids, asks = bbo[bbo["side"] == Side.BID], bbo[bbo["side"] == Side.ASK]
    columns = (bids["aux"], bids["price_ticks"], bids["qty_lots"], asks["price_ticks"], asks["qty_lots"])
    return {seq: top for seq, *top in zip(*(column.tolist() for column in columns), strict=True)}


@pytest.mark.parametrize(("files", "market", "symbol", "comparisons"), ORACLES, ids=[o[0][0] for o in ORACLES])
def test_books_equal_the_venues_own_top(
    shared_data: Path, tmp_path: Path, files: tuple[str, ...], market: str, symbol: str, comparisons: int
) -> None:
    paths = [shared_data / "binance_raw_ws" / f"{name}.gz" for name in files]
    result = import_files("binance", paths, tmp_path / "journal", market)
    assert (result.gaps, result.rejected, list(result.symbols)) == (0, 0, [symbol])
    journal = Journal(tmp_path / "journal")
    rows = np.concatenate(list(journal.chunks()))
    tops = venue_tops(rows)
    core = Core(journal.manifest())
    ends = (np.flatnonzero(rows["flags"] & Flag.LAST) + 1).tolist()
    kinds, seqs = rows["kind"].tolist(), rows["aux"].tolist()
    compared = 0
    start = fed = 0
    for end in ends:
        if kinds[start] == EventKind.BOOK_DELTA and seqs[start] in tops:
            core.feed(rows[fed:end])
            fed = end
            if core.state.books[0]["venue_seq"] == seqs[start]:
                assert own_top(core) == tops[seqs[start]], f"books differ at update id {seqs[start]}"
                compared += 1
        start = end
    core.feed(rows[fed:])
    book = core.state.books[0]
    assert compared == comparisons
    assert (book["status"], book["gap_count"], book["crossed_count"]) == (BookStatus.LIVE, 0, 0)


def own_top(core: Core) -> list[int]:
    """Return (bid, bid qty, ask, ask qty) of the core's book."""
    from mmfold.engine.book import levels

    found: list[int] = []
    for side in (Side.BID, Side.ASK):
        found += levels(core.state.cells[0], side)[0]
    return found


def test_bybit_capture_counts_and_books(shared_data: Path, tmp_path: Path) -> None:
    result = import_files("bybit", [shared_data / BYBIT_L2], tmp_path / "journal")
    events = result.events
    assert events["book_snapshot"] + events["book_delta"] == 835 and events["book_snapshot"] == 2
    assert (events["trade"], result.gaps, result.rejected) == (79, 0, 0)
    replayed = replay(tmp_path / "journal", ReplayOptions())
    for index in range(2):
        book = replayed.state.books[index]
        assert (book["status"], book["gap_count"], book["crossed_count"]) == (BookStatus.LIVE, 0, 0)
        assert (book["snapshot_count"], book["ignored_count"]) == (1, 0)
        for side in range(2):
            sides = replayed.state.book_sides[index, side]
            assert sides["window_level_count"] + sides["far_level_count"] == 200
    assert replayed.head == result.head


def test_depth_one_repeats_are_neither_gaps_nor_refused(shared_data: Path, tmp_path: Path) -> None:
    capture = shared_data / "bybit_v5_l1" / "bybit_v5_linear_orderbook1.cryptofeed-v2.txt"
    result = import_files("bybit", [capture], tmp_path / "journal")
    assert (result.events["book_snapshot"], result.gaps, result.rejected) == (198, 0, 0)
    replayed = replay(tmp_path / "journal", ReplayOptions())
    assert int(replayed.state.books["snapshot_count"].sum()) == 198
    assert int(replayed.state.books["ignored_count"].sum()) == 0
