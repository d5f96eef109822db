"""Several recordings are one market: each keeps its order, time alone mixes them, and none changes another's orders."""

from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mmfold.replay.feeds as feeds_module
import mmfold.replay.source as source_module
from mmfold.adapters.importers import load_importer
from mmfold.adapters.importers.outcome import ImportRequest
from mmfold.config.load import load_config
from mmfold.config.models import Config
from mmfold.engine.codes import EventKind, Flag
from mmfold.engine.manifest import Instrument, ManifestError
from mmfold.engine.records import NO_TS_NS
from mmfold.journal.jsonl.file import write_jsonl
from mmfold.journal.log.reader import Journal
from mmfold.journal.log.writer import Writer
from mmfold.replay.assumptions import Assumptions
from mmfold.replay.backtest import Backtest, BacktestResult
from mmfold.replay.feeds import Feeds, FeedsConflict, shifts_of
from mmfold.replay.window import NoMarket
from tests.engine.rows import T0_NS, book_event, event
from tests.replay.venue.market import (
    GRID,
    LADDER,
    SLOW,
    config_of,
    make_instruments,
    market_events,
    orders_of,
    rows_of,
    write_market,
)
from tests.replay.venue.scenario import MS

X, Y = make_instruments(2)


def one_symbol(path: Path, instrument: Instrument, seed: int, number: int = 900, **market: Any) -> Path:
    """Write a recording of one instrument."""
    return write_market(path, market_events(seed, number, **market), (instrument,))


def later(events: list[np.ndarray], by_ns: int) -> list[np.ndarray]:
    """Return the same events, each moved in time."""
    for rows in events:
        rows["ts_exchange_ns"] += np.where(rows["ts_exchange_ns"] == NO_TS_NS, 0, by_ns)
        rows["ts_receive_ns"] += by_ns
    return events


def events_of(rows: np.ndarray) -> list[np.ndarray]:
    """Return whole events one by one."""
    return np.split(rows, np.flatnonzero(rows["flags"] & Flag.LAST)[:-1] + 1)


def merged_by_hand(feeds: Feeds, paths: list[Path]) -> bytes:
    """Return the merged rows' bytes by the rule, event by event."""
    keyed, position = [], count()
    for place, (feed, path) in enumerate(zip(feeds.feeds, paths, strict=True)):
        seen_ns, symbols = NO_TS_NS, [one.symbol for one in feed.source.manifest.instruments]
        for one in events_of(rows_of(path)):
            if one["kind"][0] < EventKind.BOOK_SNAPSHOT:
                continue
            one["instrument_index"] = feeds.manifest.symbol_index()[symbols[one["instrument_index"][0]]]
            if one["ts_receive_ns"][0] != NO_TS_NS:
                one["ts_receive_ns"] += feed.shift_ns
            seen_ns = max(seen_ns, int(one["ts_receive_ns"][0]))
            keyed.append((seen_ns, place, next(position), one))
    return b"".join(one.tobytes() for *_, one in sorted(keyed, key=lambda item: item[:3]))


def backtest(paths: Path | list[Path], config: Config, out: Path | None = None, seed: int = 0) -> BacktestResult:
    if out is None:
        return Backtest(paths, config, SLOW, seed=seed).run()
    with Writer(out) as writer:
        return Backtest(paths, config, SLOW, seed=seed, writer=writer).run()


def same_run(result: BacktestResult) -> tuple[object, ...]:
    """Return what of a run does not depend on the length of its manifest, which names the parents."""
    counts = result.state.clock[0]["kind_counts"].tolist()
    return result.effects_digest, counts, result.state.positions.tobytes(), result.state.books.tobytes()


# The merge


@pytest.mark.parametrize("chunk_rows", [7, 500, 65_536])
def test_the_merge_is_the_rule_event_by_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk_rows: int) -> None:
    # Receive times in whole ms with steps back: many ties between the three, and in each journal times that go back.
    z = Instrument(symbol="AUSDT", tick_size="0.5", lot_size="0.01")
    mark = event(EventKind.MARK, aux=10**11, ts_exchange_ns=T0_NS)  # never received: stays where it stands
    scores = [event(EventKind.SCORE, aux=i, ts_receive_ns=T0_NS + i * MS) for i in range(300)]
    paths = [
        write_market(tmp_path / "xy", [mark, *market_events(1, 400, instruments=2, back=0.3)], (X, Y)),
        one_symbol(tmp_path / "z", z, 2, 300, behind_ns=700 * MS, back=0.3),
        write_market(tmp_path / "score", scores, (Instrument(symbol="B", tick_size="1", lot_size="1"),)),
    ]
    monkeypatch.setattr(source_module, "CHUNK_ROW_COUNT", chunk_rows)
    monkeypatch.setattr(feeds_module, "CHUNK_ROW_COUNT", chunk_rows)
    for given in (paths, paths[::-1]):
        feeds = Feeds(given)
        assert [one.symbol for one in feeds.manifest.instruments] == ["AUSDT", "B", "XUSDT", "YUSDT"]
        for chunks in (feeds.chunks(), feeds.unverified_chunks()):
            found = [chunk.copy() for chunk in chunks]
            assert np.concatenate(found).tobytes() == merged_by_hand(feeds, given)
            assert all(len(chunk) <= chunk_rows or len(events_of(chunk)) == 1 for chunk in found)
            assert all(chunk["flags"][-1] & Flag.LAST for chunk in found)


def test_each_recording_is_shifted_by_its_own_clock(tmp_path: Path) -> None:
    paths = [one_symbol(tmp_path / "x", X, 1, behind_ns=900 * MS), one_symbol(tmp_path / "y", Y, 2, back=0)]
    feeds = Feeds(paths)
    assert [feed.shift_ns > 0 for feed in feeds.feeds] == [True, False]
    assert shifts_of(feeds) == (feeds.feeds[0].shift_ns, 0)
    rows = np.concatenate(list(feeds.unverified_chunks()))
    timed = rows[rows["ts_exchange_ns"] != NO_TS_NS]
    assert int((timed["ts_receive_ns"] - timed["ts_exchange_ns"])[timed["instrument_index"] == 0].min()) == 0


def test_a_jsonl_recording_is_a_journal(tmp_path: Path) -> None:
    paths = [one_symbol(tmp_path / "x", X, 1, 200), one_symbol(tmp_path / "y", Y, 2, 200)]
    write_jsonl(Journal(paths[1]).chunks(), tmp_path / "y.jsonl")
    binary, text = Feeds(paths), Feeds([paths[0], tmp_path / "y.jsonl"])
    found = [np.concatenate(list(feeds.chunks())).tobytes() for feeds in (binary, text)]
    assert found[0] == found[1]
    assert binary.row_count and text.row_count is None


# The laws


@pytest.mark.parametrize("name", ["ladder", "grid"])
def test_one_recording_is_the_recording(tmp_path: Path, name: str) -> None:
    source = write_market(tmp_path / "xy", market_events(3, 1_200, instruments=2, behind_ns=1_000 * MS), (X, Y))
    alone = backtest(source, config_of(name), tmp_path / "alone")
    assert alone.fills > 0
    listed = backtest([source], config_of(name), tmp_path / "listed")
    with Writer(tmp_path / "merged") as writer:
        merging = Backtest(source, config_of(name), SLOW, writer=writer)
        merging.source = Feeds([source])
        assert merging.run().head == alone.head == listed.head
    for path in sorted((tmp_path / "alone").glob("*.mmj")):
        assert (tmp_path / "listed" / path.name).read_bytes() == path.read_bytes()
        assert (tmp_path / "merged" / path.name).read_bytes() == path.read_bytes()


def quoting_one(path: Path, settings: tuple[str, ...], profile: str | None, silent: str) -> Config:
    """Return a configuration that leaves one symbol alone."""
    path.write_text(f"per_symbol:\n  {silent}:\n    enabled: false\n")
    return load_config(path, profile, settings)


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize(("settings", "profile"), [(LADDER, None), (GRID, "grid")], ids=["ladder", "grid"])
def test_another_market_changes_no_order(
    tmp_path: Path, settings: tuple[str, ...], profile: str | None, is_first: bool
) -> None:
    # The other market starts later, so that the timers keep their pace, and is told by a clock of its own.
    x = one_symbol(tmp_path / "x", X, 5, 900, faults=False, behind_ns=1_000 * MS)
    y = write_market(tmp_path / "y", later(market_events(6, 900, back=0.3), 777 * MS), (Y,))
    config = quoting_one(tmp_path / "config.yaml", settings, profile, Y.symbol)
    alone = backtest(x, config, tmp_path / "alone")
    both = backtest([x, y] if is_first else [y, x], config, tmp_path / "both")
    rows = rows_of(tmp_path / "alone")
    end_ns = int(rows["ts_receive_ns"][rows["kind"] == EventKind.BOOK_DELTA].max())
    expected = orders_of(tmp_path / "alone", X.symbol, end_ns)
    assert orders_of(tmp_path / "both", X.symbol, end_ns) == expected and len(expected) > 100
    assert not orders_of(tmp_path / "both", Y.symbol)
    assert both.fills >= alone.fills > 0 and both.rows > alone.rows


@pytest.mark.parametrize("at", [200, 555])
def test_a_continuation_is_the_whole_recording(tmp_path: Path, at: int) -> None:
    # The lowest latency is in the first part alone: both parts are one clock's, so both are shifted by it.
    events = market_events(5, 900, instruments=2, behind_ns=1_000 * MS, back=0)
    for rows in events[at:]:
        rows["ts_receive_ns"] += 3 * MS
    whole = write_market(tmp_path / "whole", events, (X, Y))
    first = write_market(tmp_path / "first", events[:at], (X, Y))
    second = write_market(tmp_path / "second", events[at:], (X, Y))
    shift_ns = Feeds([whole]).feeds[0].shift_ns
    expected = backtest(whole, config_of("ladder"))
    for parts in ([first, second], [second, first]):
        feeds = Feeds(parts)
        assert [feed.shift_ns for feed in feeds.feeds] == [shift_ns, shift_ns]
        found = backtest(parts, config_of("ladder"))
        assert same_run(found) == same_run(expected)
    assert len({Feeds([part]).feeds[0].shift_ns for part in (first, second)}) == 2, "the parts' own shifts differ"


def test_the_new_journal_names_every_parent(tmp_path: Path) -> None:
    paths = [one_symbol(tmp_path / "x", X, 1), one_symbol(tmp_path / "y", Y, 2)]
    nested = tmp_path / "nested"
    backtest(paths[0], config_of("grid"), nested)
    run_id = Journal(nested).manifest().run_id
    result = backtest([nested, paths[1]], config_of("grid"), tmp_path / "out")
    assert result.manifest.parent_run == f"{run_id}+synthetic"
    assert Journal(tmp_path / "out").manifest() == result.manifest
    other = backtest([paths[1], nested], config_of("grid"))
    assert other.manifest.run_id != result.manifest.run_id, "the order decides ties"


# What cannot be one market


def market(path: Path, instrument: Instrument = X, from_ms: int = 0) -> Path:
    at = {"ts_exchange_ns": T0_NS + from_ms * MS, "ts_receive_ns": T0_NS + (from_ms + 5) * MS}
    snapshot = book_event(EventKind.BOOK_SNAPSHOT, [(9_999, 4)], [(10_001, 4)], aux=1, **at)
    at = {name: value + 1_000 * MS for name, value in at.items()}
    delta = book_event(EventKind.BOOK_DELTA, [(9_999, 5)], [], aux=2, order_id=1, **at)
    return write_market(path, [snapshot, delta], (instrument,))


@pytest.mark.parametrize(
    ("instrument", "from_ms", "message"),
    [
        (make_instruments(1, venue="binance")[0], 5_000, r"XUSDT is not .*\ba and in .*\bb: venue bybit and binance"),
        (replace(X, tick_size="1", maker_fee_ppm=5), 5_000, r"tick_size 0.1 and 1, maker_fee_ppm 101 and 5"),
        (X, 1_000, r"XUSDT is in .*\ba until 2023-11-14T22:13:21Z and in .*\bb from 2023-11-14T22:13:21Z on"),
        (X, 500, r"XUSDT is in .*\ba until .* must follow each other"),
        (X, -500, r"XUSDT is in .*\bb until .* must follow each other"),
        (X, 1_001, ""),
        (X, -1_001, ""),
        (Y, 0, ""),
    ],
)  # fmt: skip
def test_one_symbol_twice(tmp_path: Path, instrument: Instrument, from_ms: int, message: str) -> None:
    paths = [market(tmp_path / "a"), market(tmp_path / "b", instrument, from_ms)]
    if not message:
        assert sum(map(len, Feeds(paths).chunks())) == 6
        return
    with pytest.raises(FeedsConflict, match=message):
        Feeds(paths)


def test_a_recording_without_times_is_named(tmp_path: Path) -> None:
    timeless = book_event(EventKind.BOOK_SNAPSHOT, [(9_999, 4)], [(10_001, 4)], aux=1)
    paths = [market(tmp_path / "a"), write_market(tmp_path / "b", [timeless], (Y,))]
    with pytest.raises(NoMarket, match=r"\bb: seq 1: a book message or trade without a receive time"):
        Feeds(paths)


def test_too_many_instruments(tmp_path: Path) -> None:
    names = [f"S{number:03}" for number in range(257)]
    instruments = tuple(Instrument(symbol=name, tick_size="1", lot_size="1") for name in names)
    paths = [write_market(tmp_path / "a", [], instruments[:200]), write_market(tmp_path / "b", [], instruments[200:])]
    with pytest.raises(ManifestError, match="257 instruments, at most 256"):
        Feeds(paths)


# Recorded feeds


def imported(shared_data: Path, out: Path, market: str, *names: str) -> Path:
    files = tuple(shared_data / "binance_raw_ws" / f"{name}.gz" for name in names)
    load_importer("binance")(ImportRequest(files=files, out=out, market=market), lambda _: None)
    return out


@pytest.mark.realdata
@pytest.mark.parametrize(("market", "name"), [("coinm", "cm_btcusd_perp"), ("spot", "spot_btcusdt")])
def test_two_days_are_one_recording(shared_data: Path, tmp_path: Path, market: str, name: str) -> None:
    days = [imported(shared_data, tmp_path / day, market, f"{name}_{day}") for day in ("20240808", "20240809")]
    whole = imported(shared_data, tmp_path / "whole", market, f"{name}_20240808", f"{name}_20240809")
    found = backtest(days, load_config(None, None, ["mode=sent"]))
    expected = backtest(whole, load_config(None, None, ["mode=sent"]))
    assert same_run(found) == same_run(expected) and found.rows > 400_000


@pytest.mark.realdata
def test_a_second_recorded_market_changes_no_order(shared_data: Path, tmp_path: Path) -> None:
    btc = imported(shared_data, tmp_path / "btc", "usdm", "usdm_btcusdt_20240808")
    eth = imported(shared_data, tmp_path / "eth", "usdm", "usdm_ethusdt_20240808")
    spot = imported(shared_data, tmp_path / "spot", "spot", "spot_btcusdt_20240808")
    config = quoting_one(tmp_path / "config.yaml", ("mode=sent",), None, "ETHUSDT")
    for out, paths in (("alone", [btc]), ("both", [eth, btc])):
        with Writer(tmp_path / out) as writer:
            assert Backtest(paths, config, Assumptions(), writer=writer).run().fills > 10
    rows = rows_of(btc)
    end_ns = int(rows["ts_receive_ns"][rows["kind"] == EventKind.TRADE].max())
    expected = orders_of(tmp_path / "alone", "BTCUSDT", end_ns)
    assert orders_of(tmp_path / "both", "BTCUSDT", end_ns) == expected and len(expected) > 1_000
    with pytest.raises(FeedsConflict, match=r"BTCUSDT is not the same instrument .* contract linear and spot"):
        Feeds([btc, spot])
