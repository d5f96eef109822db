"""A recorded journal plays as a market: its events in time, its symbols picked, over and over if asked to."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from mmfold.adapters.emulator.bybit.venue import Settings, Venue
from mmfold.adapters.emulator.errors import VenueSetupError
from mmfold.adapters.emulator.market.faults import FaultPlan
from mmfold.adapters.emulator.market.source import LOOP_PAUSE_NS, MarketSource, journal_source
from mmfold.adapters.emulator.market.synthetic import STEP_NS, make_rows, synthetic_events, synthetic_manifest
from mmfold.engine.codes import EventKind, Side
from mmfold.engine.manifest import Instrument, Manifest, encode_manifest
from mmfold.engine.payload import payload_rows
from mmfold.engine.records import NO_ORDER_ID, NO_PRICE_TICKS
from tests.journal.make_rows import write_journal

START_NS = 1_700_000_000_000_000_000
EVENT_COUNT = 200
INVERSE = Instrument(symbol="BTCUSD", contract="inverse", tick_size="0.5", lot_size="1")


def record(path: Path, *, kinds: tuple[EventKind, ...] = ()) -> Path:
    """Write a market of BTCUSDT (index 1 of two instruments) with a session's own events in between."""
    made = synthetic_manifest(3, ["BTCUSDT"])
    manifest = Manifest(run_id="recorded", instruments=(INVERSE, *made.instruments))
    timer = make_rows(EventKind.TIMER, 0, [(Side.NONE, NO_PRICE_TICKS, 0)])
    events = [payload_rows(EventKind.MANIFEST, 0, encode_manifest(manifest))]
    for offset_ns, rows in islice(synthetic_events(made), EVENT_COUNT):
        if kinds and rows[0]["kind"] not in kinds:
            continue
        for event in (rows.copy(), timer.copy()):
            event["seq"] = len(events)
            event["ts_receive_ns"] = START_NS + offset_ns
            event["instrument_index"] = 1
            events.append(event)
    return write_journal(path, np.concatenate(events))


def play(source: MarketSource, count: int) -> list[tuple[int, np.ndarray]]:
    return list(islice(source.events(), count))


def test_market_events_are_played_in_time(tmp_path: Path) -> None:
    source = journal_source(record(tmp_path / "j"), ["BTCUSDT"], loop=False)
    assert [(one.symbol, one.venue) for one in source.manifest.instruments] == [("BTCUSDT", "bybit")]
    played = play(source, 1_000)
    made = list(islice(synthetic_events(synthetic_manifest(3, ["BTCUSDT"])), EVENT_COUNT))
    assert [offset for offset, _ in played] == [offset for offset, _ in made]
    for (_, ours), (_, theirs) in zip(played, made, strict=True):
        assert np.all(ours["price_ticks"] == theirs["price_ticks"]) and np.all(ours["instrument_index"] == 0)


def test_a_loop_goes_on_after_a_pause(tmp_path: Path) -> None:
    source = journal_source(record(tmp_path / "j"), ["BTCUSDT"], loop=True)
    played = play(source, 3 * EVENT_COUNT)
    last_ns = played[EVENT_COUNT - 1][0]
    assert played[EVENT_COUNT][0] == last_ns + LOOP_PAUSE_NS
    offsets = [offset for offset, _ in played]
    assert offsets == sorted(offsets) and last_ns // STEP_NS > 50


def test_a_book_of_another_venue_is_followed_by_its_own_numbers(tmp_path: Path) -> None:
    made = synthetic_manifest(3, ["BTCUSDT"], "binance")
    events, number = [payload_rows(EventKind.MANIFEST, 0, encode_manifest(made))], 100
    for offset_ns, rows in islice(synthetic_events(made), EVENT_COUNT):
        event = rows.copy()
        event["seq"], event["ts_receive_ns"] = len(events), START_NS + offset_ns
        if rows[0]["kind"] in (EventKind.BOOK_SNAPSHOT, EventKind.BOOK_DELTA):
            event["aux"], event["order_id"] = (
                number + 5,
                number if rows[0]["kind"] == EventKind.BOOK_DELTA else NO_ORDER_ID,
            )
            number += 5
        events.append(event)
    # The first delta spans the snapshot, as one that was received before it does.
    first = next(event for event in events if event[0]["kind"] == EventKind.BOOK_DELTA)
    first["order_id"] = 100
    path = write_journal(tmp_path / "j", np.concatenate(events))
    for venue in ("bybit", "binance"):
        feed = Venue(journal_source(path, [], loop=False, venue=venue), [], FaultPlan(), Settings())
        feed.prime()
        for _, rows in feed.events:
            feed.apply(rows)
        market = feed.markets["BTCUSDT"]
        assert market.live and market.rebuilt_count == 1 and market.feed_seq == number


def test_what_cannot_be_traded_is_refused(tmp_path: Path) -> None:
    path = record(tmp_path / "j")
    with pytest.raises(VenueSetupError, match="linear"):
        journal_source(path, [], loop=False)
    with pytest.raises(VenueSetupError, match="no instrument DOGEUSDT"):
        journal_source(path, ["DOGEUSDT"], loop=False)
    trades = journal_source(record(tmp_path / "trades", kinds=(EventKind.TRADE,)), ["BTCUSDT"], loop=False)
    with pytest.raises(VenueSetupError, match="no valid book of BTCUSDT"):
        Venue(trades, [], FaultPlan(), Settings()).prime()
    marks = journal_source(record(tmp_path / "none", kinds=(EventKind.FUNDING,)), ["BTCUSDT"], loop=True)
    with pytest.raises(VenueSetupError, match="no market events"):
        play(marks, 1)


def test_the_bundled_journal_plays(repo: Path) -> None:
    venue = Venue(journal_source(repo / "fixtures" / "demo.mmj", [], loop=True), [], FaultPlan(), Settings())
    venue.prime()
    bid, ask = (side.best() for side in venue.by_index[0].sides)
    assert bid is not None and ask is not None and bid < ask


@pytest.fixture
def repo() -> Path:
    return Path(__file__).resolve().parents[3]
