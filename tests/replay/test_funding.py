"""Funding in a backtest: the market's word alone, from the recording or from a file."""

import json
from datetime import UTC, datetime

import numpy as np
import pytest

from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.limits import NS_PER_MS, NS_PER_S
from mmfold.engine.manifest import Instrument, Manifest
from mmfold.engine.records import NO_VALUE
from mmfold.journal.log.writer import Writer
from mmfold.replay.assumptions import Assumptions
from mmfold.replay.backtest import Backtest
from mmfold.replay.funding import make_feed
from mmfold.replay.funding_file import FundingFileError, Settlement, read_funding
from mmfold.replay.run import ReplayOptions, replay
from mmfold.replay.settlements_once import SettlementsOnce
from mmfold.reports.funding import funding_notes, history_notes, is_perpetual
from mmfold.reports.recording import recording_notes
from tests.engine.rows import event
from tests.replay.venue.market import config_of, make_instruments, market_events, rows_of, run, write_market

CALM = Assumptions()


def settled(rows: np.ndarray, paid: bool) -> np.ndarray:
    """Return a settlement at the time of an event: as an account tells it, or as the market does."""
    market = event(EventKind.FUNDING, aux=1_000_000, order_id=10_000 * 10**8)
    market["ts_exchange_ns"], market["ts_receive_ns"] = rows["ts_exchange_ns"][0], rows["ts_receive_ns"][0]
    if not paid:
        return market
    account = market.copy()
    account["aux"], account["order_id"], account["side"], account["qty_lots"] = 77_000_000, 1, Side.ASK, 500
    both = np.concatenate([market, account])
    both["flags"] = (Flag.PAID, Flag.PAID | Flag.LAST)
    return both


def test_a_backtest_of_a_session_takes_the_markets_word_alone(tmp_path) -> None:
    found = []
    for paid in (True, False):
        events = market_events(3, 600, faults=False)
        for place in (500, 300):
            events.insert(place, settled(events[place], paid))
        source = write_market(tmp_path / f"m{paid}", events, make_instruments(1))
        result = run(source, tmp_path / f"o{paid}", "grid", CALM)
        rows = rows_of(tmp_path / f"o{paid}")
        funding = rows[rows["kind"] == EventKind.FUNDING]
        assert len(funding) >= 2 and (funding["flags"] == Flag.LAST).all()
        assert result.state.counters[0]["settlement_count"] == 0 and result.fills > 10
        found.append((result.state_digest, int(result.state.positions[0]["funding_micros"])))
    assert found[0] == found[1] and found[0][1] != 0


def test_a_settlement_that_two_recordings_tell_is_paid_once(tmp_path) -> None:
    # The first recorder's clock is behind: what both tell stands at the end of one and at the start of the other.
    events = market_events(3, 600, faults=False)
    late = market_events(4, 600, faults=False)
    after_ns = max(int(rows["ts_receive_ns"][0]) for rows in events) + 20 * NS_PER_MS - int(late[0]["ts_receive_ns"][0])
    for rows in late:
        rows["ts_receive_ns"] += after_ns
        rows["ts_exchange_ns"] += after_ns
    one, other = settled(events[-1], paid=False), settled(events[-1], paid=False)
    other["ts_receive_ns"], other["aux"] = late[0]["ts_receive_ns"][0], 1_000_001  # as another stream rounds the rate
    hour = settled(late[300], paid=False)
    first = write_market(tmp_path / "a", [*events, one], make_instruments(1))
    second = write_market(tmp_path / "b", [other, *late[:301], hour, *late[301:]], make_instruments(1))
    alone = write_market(tmp_path / "c", [*late[:301], hour, *late[301:]], make_instruments(1))
    both = Backtest([first, second], config_of("grid"), CALM).run()
    once = Backtest([first, alone], config_of("grid"), CALM).run()
    assert (both.settlements_told_twice, once.settlements_told_twice) == (1, 0)
    counted = [int(result.state.counters[0]["funding_count"]) for result in (both, once)]
    assert counted[0] == counted[1] >= 2
    assert any("told twice" in note for note in recording_notes(both))
    # One recording that tells it twice, by the market and by the account.
    place = settled(events[300], paid=False)
    twice = write_market(tmp_path / "d", [*events[:301], place, settled(events[300], paid=True), *events[301:]],
                         make_instruments(1))  # fmt: skip
    assert Backtest(twice, config_of("grid"), CALM).run().settlements_told_twice == 1


TIMES = [  # of two tellings, seconds from a whole hour, and whether they are one settlement
    (0, 0, True), (0, 2, True), (-59, 59, True), (0, 61, False), (0, 3_600, False), (1_000, 1_000, True),
    (1_000, 1_001, False), (8 * 3_600, 8 * 3_600 + 5, True),
]  # fmt: skip


@pytest.mark.parametrize(("one_s", "other_s", "is_same"), TIMES)
def test_which_tellings_are_one_settlement(one_s: int, other_s: int, is_same: bool) -> None:
    hour_ns = 1_700_002_800 * NS_PER_S
    rows = [event(EventKind.FUNDING, ts_exchange_ns=hour_ns + at * NS_PER_S) for at in (one_s, other_s)]
    once = SettlementsOnce()
    kept = np.concatenate(list(once.keep_new(iter([np.concatenate(rows)]))))
    assert (len(kept), once.count) == ((1, 1) if is_same else (2, 0))
    foreign = event(EventKind.FUNDING, ts_exchange_ns=hour_ns, instrument_index=1)
    assert len(next(once.keep_new(iter([foreign])))) == 1


T_MS = 1_700_000_000_000
T_NS = T_MS * NS_PER_MS
ONE = Settlement(T_NS, "XUSDT", 100_000, NO_VALUE)
MARKED = Settlement(T_NS, "XUSDT", 100_000, 1_000 * 10**8 + 5 * 10**7)
BYBIT = {"symbol": "XUSDT", "fundingRate": "0.0001", "fundingRateTimestamp": str(T_MS)}
BINANCE = {"symbol": "XUSDT", "fundingTime": T_MS, "fundingRate": "0.00010000", "markPrice": "1000.50000000"}
DAY = datetime.fromtimestamp(T_MS / 1000, UTC)
FILES = [
    (f"time,symbol,rate\n{T_MS},XUSDT,0.0001\n", ONE),
    (f"\ufefftime,symbol,rate,mark_price\r\n{T_NS},XUSDT,0.0001,1000.5\r\n\r\n", MARKED),
    (f"symbol,rate,time,mark_price\nXUSDT,1e-4,{T_MS // 1000},\n", ONE),
    (f"calc_time,funding_interval_hours,last_funding_rate\n{T_MS},8,0.0001\n", Settlement(T_NS, "", 100_000, NO_VALUE)),
    (f"time,symbol,rate\n{DAY:%Y-%m-%d %H:%M:%S},XUSDT,0.0001\n", ONE),
    (f"time,symbol,rate\n{DAY:%Y-%m-%dT%H:%M:%SZ},XUSDT,0.0001\n", ONE),
    (json.dumps(BYBIT), ONE),
    (json.dumps(BINANCE), MARKED),
    (json.dumps([BINANCE, BINANCE]), MARKED),
    (json.dumps({"retCode": 0, "result": {"category": "linear", "list": [BYBIT]}}, indent=1), ONE),
    (json.dumps({"timestamp": T_MS, "symbol": "XUSDT", "fundingRate": 0.0001}) + "\n\n", ONE),
]


@pytest.mark.parametrize(("text", "expected"), FILES)
def test_histories_are_read(tmp_path, text, expected) -> None:
    (tmp_path / "f").write_text(text, encoding="utf-8")
    assert read_funding(tmp_path / "f").settlements == (expected,)


REFUSED = [
    ("", "column time"),
    ("time,symbol\n", "column rate"),
    ("time,symbol,rate\n", "no settlement"),
    (f"time,symbol,rate\n{T_MS},X\n", "line 2: 2 cells under 3"),
    (f"time,symbol,rate\n{T_MS},X,1.5\n", "line 2: a rate of 1.5 is beyond 100 %"),
    (f"time,symbol,rate\n{T_MS},X,nan\n", "line 2: rate 'nan' is not a number"),
    (f"time,symbol,rate\n{T_MS},X,\n", "line 2: no rate"),
    ("time,symbol,rate\n17,X,0.1\n", "line 2: time '17' is neither"),
    ("time,symbol,rate\nnoon,X,0.1\n", "line 2: time 'noon' is neither"),
    (f"time,symbol,rate,mark_price\n{T_MS},X,0.1,-1\n", "line 2: a mark price of -1 is out of range"),
    (f"time,symbol,rate\n{T_MS},X,0.1\n{T_MS},X,0.2\n", "line 3 and .* line 2 tell the same settlement"),
    ("[1]", "entry 1: '1' is not an object"),
    (json.dumps(BYBIT) + "\n{x\n", "line 2: not JSON"),
    ("[" * 100_000, "not JSON"),
    (json.dumps(BYBIT | {"fundingRate": [1]}), "is not a number"),
    (json.dumps(BYBIT | {"fundingRate": "1e999999999"}), "is not a number"),
]


@pytest.mark.parametrize(("text", "reason"), REFUSED)
def test_what_is_no_history_is_refused_in_one_line(tmp_path, text, reason) -> None:
    (tmp_path / "f").write_text(text)
    with pytest.raises(FundingFileError, match=reason) as caught:
        read_funding(tmp_path / "f")
    assert "\n" not in str(caught.value) and caught.value.hint


def test_what_is_no_text_is_refused(tmp_path) -> None:
    (tmp_path / "f").write_bytes(b"time\xff")
    with pytest.raises(FundingFileError, match="is not text"):
        read_funding(tmp_path / "f")


SPOT = Manifest(run_id="r", instruments=(Instrument(symbol="XUSDT", contract="spot", tick_size="0.1", lot_size="1"),))
TWO = Manifest(run_id="r", instruments=make_instruments(2))


@pytest.mark.parametrize(
    ("symbol", "manifest", "reason"),
    [
        ("XUSDT", SPOT, "XUSDT is spot"),
        ("", TWO, "names no symbol, and the recording's derivatives are: XUSDT, YUSDT"),
        ("", SPOT, "derivatives are: none"),
        ("Z", TWO, "is of Z, the recording of XUSDT, YUSDT: none fits"),
    ],
)
def test_a_history_that_fits_no_instrument_is_refused(tmp_path, symbol, manifest, reason) -> None:
    (tmp_path / "f").write_text(f"time,symbol,rate\n{T_MS},{symbol},0.0001\n")
    with pytest.raises(FundingFileError, match=reason):
        make_feed(read_funding(tmp_path / "f"), manifest)


def unfunded(count, behind_ns=0):
    """Return a market without funding."""
    events = market_events(3, count, behind_ns=behind_ns, faults=False)
    return [rows for rows in events if rows["kind"][0] != EventKind.FUNDING]


def backtest(source, out, history=None):
    """Return the result of a backtest with a history, and its FUNDING rows."""
    funding = None if history is None else read_funding(history)
    with Writer(out) as writer:
        result = Backtest(source, config_of("grid"), CALM, funding=funding, writer=writer).run()
    rows = rows_of(out)
    return result, rows[rows["kind"] == EventKind.FUNDING]


@pytest.mark.parametrize("behind_ns", [0, 1_270 * NS_PER_MS])
def test_a_history_is_paid_at_its_times(tmp_path, behind_ns) -> None:
    events = unfunded(900, behind_ns)
    source = write_market(tmp_path / "m", events, make_instruments(1))
    plain, none = backtest(source, tmp_path / "plain")
    times_ns = [int(events[place]["ts_exchange_ns"][0]) for place in (300, 600)]
    lines = [f"{ts},XUSDT,0.001,1000" for ts in times_ns]
    outside = [f"{times_ns[0] + hours * 3_600 * NS_PER_S},XUSDT,0.001,1000" for hours in (-9, 9)]
    (tmp_path / "f").write_text("\n".join(["time,symbol,rate,mark_price", *outside, *lines, f"{T_MS},ZUSDT,0.1,7"]))
    found, rows = backtest(source, tmp_path / "paid", tmp_path / "f")
    assert not len(none) and rows["ts_exchange_ns"].tolist() == times_ns == rows["ts_receive_ns"].tolist()
    assert found.fills == plain.fills > 10 and found.manifest.run_id != plain.manifest.run_id
    assert found.state.positions[0]["funding_micros"] != 0 == plain.state.positions[0]["funding_micros"]
    assert history_notes(found) == [
        "Funding history f: 2 of 5 settlements were taken; 2 are not within the recording's time; "
        "1 are of other instruments."
    ]
    replayed = replay(tmp_path / "paid", ReplayOptions(checkpoints=False))
    assert replayed.state_digest == found.state_digest
    assert any("Funding of XUSDT: 2 settlements, computed" in note for note in funding_notes(replayed))


@pytest.mark.parametrize("place", [300, 599])
def test_a_settlement_that_the_recording_tells_too_is_paid_once(tmp_path, place) -> None:
    events = unfunded(600)
    told = settled(events[min(place, len(events) - 1)], paid=True)
    told["aux"][0] = 55
    events.insert(place, told)
    source = write_market(tmp_path / "m", events, make_instruments(1))
    (tmp_path / "f").write_text(f"time,rate\n{int(told['ts_exchange_ns'][0])},0.0001\n")
    result, rows = backtest(source, tmp_path / "o", tmp_path / "f")
    assert rows["aux"].tolist() == [100_000] and result.funding.told_twice_count == 1
    assert "count once" in history_notes(result)[0]


PERPETUAL = [
    *((symbol, "linear", True) for symbol in ("BTCUSDT", "BTCPERP", "BTC-USDT-SWAP", "1000PEPEUSDT")),
    *((symbol, "inverse", True) for symbol in ("BTCUSD", "BTCUSD_PERP")),
    *((symbol, "linear", False) for symbol in ("BTC-27DEC24", "BTCUSDT-27DEC24", "BTCUSDT_241227", "BTC-USDT-241227")),
    ("BTCUSDZ26", "inverse", False),
    ("BTCUSDT", "spot", False),
]


@pytest.mark.parametrize(("symbol", "contract", "expected"), PERPETUAL)
def test_perpetuals_are_known_by_their_symbols(symbol, contract, expected) -> None:
    assert is_perpetual(Instrument(symbol=symbol, contract=contract, tick_size="1", lot_size="1")) is expected


def test_a_perpetual_without_funding_is_told(tmp_path) -> None:
    result, _ = backtest(write_market(tmp_path / "m", unfunded(300), make_instruments(1)), tmp_path / "o")
    notes = funding_notes(replay(tmp_path / "o", ReplayOptions(checkpoints=False)))
    assert notes[0].startswith("No funding in this recording of XUSDT") and not history_notes(result)
