"""A slice is a journal whose books are those of its parent from its first event on, and which says whose it is."""

from pathlib import Path

import numpy as np
import pytest

from mmfold.config.load import load_config
from mmfold.config.params import config_document
from mmfold.engine.book import levels
from mmfold.engine.codes import BookStatus, EventKind, Flag
from mmfold.engine.core import Core
from mmfold.engine.limits import E8
from mmfold.journal.errors import OutputRefused
from mmfold.journal.log.reader import Journal
from mmfold.journal.log.verify import verify
from mmfold.replay.assumptions import Assumptions
from mmfold.replay.backtest import Backtest
from mmfold.replay.run import ReplayOptions, replay
from mmfold.replay.slice import Cut, NoSlice, slice_journal
from mmfold.replay.span import untraded
from tests.engine.rows import T0_NS, book_event, event
from tests.replay.venue.market import config_of, make_instruments, market_events, rows_of, run, write_market
from tests.replay.venue.scenario import MS


class Fold:
    """A core that is fed a journal event by event, with nothing enabled."""

    def __init__(self, path: Path) -> None:
        manifest = Journal(path).manifest()
        self.core = Core(manifest)
        self.core.configure(untraded(config_document(load_config(None), manifest)))
        rows = rows_of(path)
        ends = np.flatnonzero(rows["flags"] & Flag.LAST) + 1
        self.events = np.split(rows, ends[:-1])

    def step(self, events: list[np.ndarray]) -> None:
        for one in events:
            self.core.feed(one)

    def books(self, symbols: list[str], deep: bool = True) -> list[tuple[object, ...]]:
        """What quoting may rest on: status, best prices or levels, the numbering; of an invalid book no levels."""
        index_of = self.core.manifest.symbol_index()
        found: list[tuple[object, ...]] = []
        for symbol in symbols:
            cell = self.core.state.cells[index_of[symbol]]
            book = cell["book"]
            status = BookStatus(int(book["status"]))
            valid = status in (BookStatus.LIVE, BookStatus.CROSSED, BookStatus.LOCKED)
            best = cell["sides"]["best_price_ticks"].tolist()
            shown = ([levels(cell, side) for side in range(2)] if deep else best) if valid else []
            numbers = [int(book[name]) for name in ("venue_seq", "stream_seq")] if valid else []
            is_invalid = status in (BookStatus.CROSSED, BookStatus.LOCKED)
            word = "invalid" if is_invalid else "none" if not valid else status.name
            found.append((word, shown, numbers, int(book["held_row_count"]) if not valid else 0))
        return found


def check_same_books(parent: Path, part: Path, seq_first: int, opening: int, symbols: list[str]) -> int:
    """After the opening, and after each event of the span, the books are the parent's; returns how many were live."""
    whole, cut = Fold(parent), Fold(part)
    whole.step(whole.events[:seq_first])
    cut.step(cut.events[: 1 + opening])
    live = 0
    rest = iter(cut.events[1 + opening :])
    kept = {symbol: Journal(parent).manifest().symbol_index()[symbol] for symbol in symbols}
    assert cut.books(symbols) == whole.books(symbols)
    for one in whole.events[seq_first:]:
        whole.step([one])
        if int(one["instrument_index"][0]) in kept.values():
            cut.step([next(rest)])
        live += whole.books(symbols, False)[0][0] == "LIVE"
        assert cut.books(symbols, False) == whole.books(symbols, False), int(one["seq"][0])
    assert next(rest, None) is None and cut.books(symbols) == whole.books(symbols)
    return live


@pytest.mark.parametrize("venue", ["bybit", "binance"])
@pytest.mark.parametrize("seed", [3, 4])
def test_books_are_the_parents_wherever_it_is_cut(tmp_path: Path, venue: str, seed: int) -> None:
    parent = write_market(tmp_path / "m", market_events(seed, 260, instruments=2), make_instruments(2, venue))
    live = 0
    for seq in range(20, 260, 79):
        found = slice_journal(parent, tmp_path / f"s{seq}", Cut(seq_from=seq))
        assert (found.seq_first, found.seq_last) == (seq, 260) and verify(tmp_path / f"s{seq}").sealed
        live += check_same_books(parent, tmp_path / f"s{seq}", seq, found.opening_events, ["XUSDT", "YUSDT"])
        replay(tmp_path / f"s{seq}", ReplayOptions(checkpoints=False))
    assert live > 30


# What is in force of a book at the cut, told event by event; a delta is (seq, seq before, bids, asks).
def told(kind: EventKind, seq: int, bids: list[tuple[int, int]], asks: list[tuple[int, int]], at: int) -> np.ndarray:
    times = {"ts_exchange_ns": T0_NS + at * MS, "ts_receive_ns": T0_NS + (at + 2) * MS}
    return book_event(kind, bids, asks, aux=seq, **times)


def delta(seq: int, prev: int, bids: list[tuple[int, int]], asks: list[tuple[int, int]], at: int) -> np.ndarray:
    rows = told(EventKind.BOOK_DELTA, seq, bids, asks, at)
    rows["order_id"] = prev
    return rows


def snapshot(seq: int, bids: list[tuple[int, int]], asks: list[tuple[int, int]], at: int) -> np.ndarray:
    return told(EventKind.BOOK_SNAPSHOT, seq, bids, asks, at)


BIDS, ASKS = [(100, 5), (99, 7)], [(102, 4), (90_000_000, 3)]
STORIES = {
    "crossed and gone again": [
        snapshot(5, BIDS, ASKS, 1), delta(6, 5, [(103, 1)], [], 2), delta(7, 6, [(103, 0)], [], 3),
        delta(8, 7, [(98, 1)], [], 4), snapshot(9, BIDS, ASKS, 5), delta(10, 9, [(98, 2)], [], 6),
    ],
    "deltas wait for a snapshot": [
        delta(6, 5, [(98, 1)], [], 1), delta(7, 6, [(97, 1)], [], 2), snapshot(6, BIDS, ASKS, 3),
        delta(8, 7, [(96, 1)], [], 4), delta(12, 11, [], [(101, 1)], 5), delta(13, 12, [], [(101, 2)], 6),
        snapshot(12, BIDS, ASKS, 7), delta(14, 13, [(95, 1)], [], 8),
    ],
    "the snapshot is ahead of the stream": [
        delta(6, 5, [(98, 1)], [], 1), snapshot(9, BIDS, ASKS, 2), delta(7, 6, [(97, 1)], [], 3),
        delta(8, 7, [(97, 3)], [], 4), delta(11, 8, [(96, 1)], [], 5), delta(12, 11, [(95, 1)], [], 6),
    ],
    "one side is empty": [
        snapshot(5, BIDS, [], 1), delta(6, 5, [], ASKS, 2), delta(7, 6, [(100, 0), (99, 0)], [], 3),
        delta(8, 7, [(99, 1)], [], 4),
    ],
    "a repeat and a restart": [
        snapshot(50, BIDS, ASKS, 1), delta(51, 50, [(98, 1)], [], 2), delta(51, 50, [(98, 1)], [], 3),
        delta(3, 2, [(97, 1)], [], 9), delta(4, 3, [(97, 2)], [], 10), snapshot(4, BIDS, ASKS, 11),
        delta(5, 4, [(96, 1)], [], 12),
    ],
}  # fmt: skip


@pytest.mark.parametrize("venue", ["bybit", "binance"])
@pytest.mark.parametrize("story", STORIES)
def test_every_state_of_a_book_is_made_anew(tmp_path: Path, venue: str, story: str) -> None:
    events = [one.copy() for one in STORIES[story]]
    parent = write_market(tmp_path / "m", events, make_instruments(1, venue))
    for seq in range(1, len(events) + 1):
        found = slice_journal(parent, tmp_path / f"s{seq}", Cut(seq_from=seq))
        check_same_books(parent, tmp_path / f"s{seq}", seq, found.opening_events, ["XUSDT"])


def test_a_span_of_time_and_of_symbols_names_its_parent(tmp_path: Path) -> None:
    parent = write_market(tmp_path / "m", market_events(3, 300, instruments=2), make_instruments(2))
    first_ns, last_ns = T0_NS + 1_000 * MS, T0_NS + 3_000 * MS
    cut = Cut(ts_from_ns=first_ns, ts_until_ns=last_ns, symbols=("YUSDT",))
    found = slice_journal(parent, tmp_path / "s", cut)
    manifest, rows = Journal(tmp_path / "s").manifest(), rows_of(tmp_path / "s")
    assert [one.symbol for one in manifest.instruments] == ["YUSDT"] and manifest.parent_run == "synthetic"
    assert manifest.extra == {
        "parent_head": verify(parent).head,
        "parent_seq_first": str(found.seq_first),
        "parent_seq_last": str(found.seq_last),
    }
    # The span itself, row for row, but for the numbers.
    whole = rows_of(parent)
    clock_ns = np.maximum.accumulate(np.where(whole["seq"] > 0, whole["ts_receive_ns"], 0))
    inside = whole[(clock_ns >= first_ns) & (clock_ns <= last_ns) & (whole["instrument_index"] == 1)]
    kept = rows[rows["seq"] > found.opening_events]
    names = [name for name in whole.dtype.names or () if name not in ("seq", "instrument_index")]
    assert len(inside) > 30 and (kept[names] == inside[names]).all()
    one, part = Fold(parent), Fold(tmp_path / "s")
    one.step(one.events[: found.seq_first])
    part.step(part.events[: 1 + found.opening_events])
    assert part.books(["YUSDT"]) == one.books(["YUSDT"])
    assert slice_journal(parent, tmp_path / "s", cut, force=True) == found


def test_marks_in_force_come_first_and_no_settlement_again(tmp_path: Path) -> None:
    times = {"ts_receive_ns": T0_NS, "ts_exchange_ns": T0_NS}
    marks = [event(EventKind.MARK, aux=price * E8, order_id=7 * E8, **times) for price in (1_000, 1_001)]
    settled = event(EventKind.FUNDING, aux=5, order_id=E8, **times)
    events = [*marks, settled, snapshot(5, BIDS, ASKS, 1)]
    parent = write_market(tmp_path / "m", events, make_instruments(1))
    found = slice_journal(parent, tmp_path / "s", Cut(seq_from=4))
    rows = rows_of(tmp_path / "s")
    opening = rows[(rows["seq"] > 0) & (rows["seq"] <= found.opening_events)]
    assert opening["kind"].tolist() == [EventKind.MARK] and opening["aux"].tolist() == [1_001 * E8]
    assert EventKind.FUNDING not in rows["kind"].tolist()


def test_a_session_gives_its_market_alone(tmp_path: Path) -> None:
    parent = write_market(tmp_path / "m", market_events(5, 600, faults=False), make_instruments(1))
    run(parent, tmp_path / "bt", "grid", Assumptions())
    with pytest.raises(NoSlice, match="a session's own") as refused:
        slice_journal(tmp_path / "bt", tmp_path / "s", Cut(seq_from=300))
    assert "--market-only" in refused.value.hint and not (tmp_path / "s").exists()
    found = slice_journal(tmp_path / "bt", tmp_path / "s", Cut(seq_from=300, market_only=True))
    manifest = Journal(tmp_path / "s").manifest()
    assert not manifest.witnessed and "queue_model" not in manifest.extra and found.opening_events
    assert set(rows_of(tmp_path / "s")["kind"].tolist()) <= {1, *range(10, 19)}
    result = Backtest(tmp_path / "s", config_of("grid"), Assumptions()).run()
    assert result.effect_counts["place"] > 0


def test_what_cannot_be_cut_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    parent = write_market(tmp_path / "m", market_events(5, 60), make_instruments(1))
    with pytest.raises(NoSlice, match="holds no event of the span"):
        slice_journal(parent, tmp_path / "s", Cut(seq_from=61))
    with pytest.raises(NoSlice, match="has no ZUSDT"):
        slice_journal(parent, tmp_path / "s", Cut(symbols=("ZUSDT",)))
    with pytest.raises(OutputRefused, match="which is read"):
        slice_journal(parent, parent, Cut(seq_from=5), force=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m"]
    slice_journal(parent, tmp_path / "s", Cut(seq_from=5))
    with pytest.raises(OutputRefused, match="exists already"):
        slice_journal(parent, tmp_path / "s", Cut(seq_from=5))
