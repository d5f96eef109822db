"""A backtest is a journal like any other, keeps its books, sees no future, and means what its assumptions say."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mmfold.replay.backtest as backtest_module
import mmfold.replay.source as source_module
from mmfold.adapters.importers import load_importer
from mmfold.adapters.importers.outcome import ImportRequest
from mmfold.config.load import load_config
from mmfold.engine.codes import BookStatus, EventKind, Side, Stop
from mmfold.engine.records import NO_TS_NS
from mmfold.journal.log.reader import Journal
from mmfold.journal.log.writer import Writer
from mmfold.replay.assumptions import Assumptions, BadAssumption
from mmfold.replay.backtest import Backtest, BacktestResult
from mmfold.replay.record import market_rows
from mmfold.replay.run import ReplayOptions, replay
from mmfold.replay.venue.records import NEVER_NS
from mmfold.replay.window import NoMarket
from tests.engine.rows import T0_NS, book_event, event
from tests.replay.venue.accounts import check_money, check_sizes
from tests.replay.venue.market import (
    CASES,
    Ran,
    make_instruments,
    market_events,
    orders_of,
    rows_of,
    run,
    run_case,
    write_market,
)
from tests.replay.venue.scenario import MS

REFUSABLE = (EventKind.PLACE, EventKind.AMEND, EventKind.CANCEL)
ANSWERS = (EventKind.ACK, EventKind.REJECT, EventKind.AMENDED, EventKind.CANCELED, EventKind.EXPIRED, EventKind.FILL)
CHILD = """
import json, sys
from pathlib import Path
from mmfold.replay.assumptions import Assumptions
from mmfold.replay.backtest import Backtest
from tests.replay.venue.market import config_of
found = []
for name in ("ladder", "grid"):
    result = Backtest(Path(sys.argv[1]), config_of(name), Assumptions()).run()
    found.append([result.state_digest, result.effects_digest, result.fills, result.events])
print(json.dumps(found))
"""


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def ran(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Return a backtest of either strategy on either market."""
    return run_case(tmp_path_factory.mktemp("backtest"), *request.param)


def answer(result: BacktestResult) -> tuple[object, ...]:
    """Return what of a backtest must not depend on how it was run."""
    return (result.state_digest, result.effects_digest, result.effect_counts, result.fills, result.rows)


# The journal


def test_the_markets_test_something(ran: Ran) -> None:
    counts = ran.result.effect_counts
    assert ran.result.fills > 10 and counts["place"] > 50 and counts["cancel"] > 50
    kinds = {EventKind(kind) for kind in np.unique(ran.rows["kind"])}
    assert {EventKind.ACK, EventKind.FILL, EventKind.CANCELED, EventKind.REJECT, EventKind.TIMER} <= kinds
    assert (EventKind.AMENDED in kinds) == (ran.name == "ladder")  # the grid never amends


def test_replay_of_the_journal_decides_the_same(ran: Ran) -> None:
    found = replay(ran.path, ReplayOptions(checkpoints=False))
    assert (found.state_digest, found.effects_digest) == (ran.result.state_digest, ran.result.effects_digest)
    assert (found.effect_counts, found.fills) == (ran.result.effect_counts, ran.result.fills)
    assert (found.events, found.head) == (ran.result.events, ran.result.head)
    assert found.witnessed_count == sum(ran.result.effect_counts.values())


def test_again_and_without_a_journal(ran: Ran, tmp_path: Path) -> None:
    run(ran.source, tmp_path / "again", ran.name, ran.assumptions)
    for path in sorted(ran.path.glob("*.mmj")):
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()
    assert answer(run(ran.source, None, ran.name, ran.assumptions)) == answer(ran.result)


def test_the_journals_own_market_gives_the_same_bytes(ran: Ran, tmp_path: Path) -> None:
    # Its market alone under the first recording's manifest, and the journal whole: timers and answers are not market.
    market = np.isin(ran.rows["kind"], (*range(EventKind.BOOK_SNAPSHOT, EventKind.FUNDING + 1), EventKind.SCORE))
    starts = np.flatnonzero(np.diff(ran.rows["seq"][market], prepend=-1))[1:]
    source = write_market(tmp_path / "market", np.split(ran.rows[market], starts), ran.result.manifest.instruments)
    again = run(source, tmp_path / "again", ran.name, ran.assumptions)
    assert again.head == ran.result.head
    nested = run(ran.path, None, ran.name, ran.assumptions)
    assert answer(nested)[1:] == answer(ran.result)[1:]


@pytest.mark.parametrize(("chunk_rows", "drain_ms"), [(64, None), (1_000, None), (65_536, 400), (200, 1_500)])
def test_chunks_and_buffers_do_not_matter(
    ran: Ran, monkeypatch: pytest.MonkeyPatch, chunk_rows: int, drain_ms: int | None
) -> None:
    expected = answer(ran.result)
    monkeypatch.setattr(source_module, "CHUNK_ROW_COUNT", chunk_rows)
    if drain_ms is not None:
        # A loop that comes back to be drained every `drain_ms`, in the middle of a chunk.
        simulate, pauses = backtest_module.simulate, iter(range(T0_NS, NEVER_NS, drain_ms * MS))

        def simulate_a_little(arrays: backtest_module.Arrays) -> int:
            sim = arrays.sims[0]
            stop_ns, pause_ns = int(sim["ts_stop_ns"]), next(pauses)
            sim["ts_stop_ns"] = min(stop_ns, pause_ns)
            stop = simulate(arrays)
            sim["ts_stop_ns"] = stop_ns
            # Every instant of the market is behind the last pause.
            paused = stop == Stop.END and pause_ns < min(stop_ns, T0_NS + 1_000_000 * MS)
            return Stop.EFFECTS_FULL if paused else stop

        monkeypatch.setattr(backtest_module, "simulate", simulate_a_little)
    assert answer(run(ran.source, None, ran.name, ran.assumptions)) == expected


def test_compiled_is_interpreted(tmp_path: Path) -> None:
    events = market_events(11, 450, instruments=2)
    source = write_market(tmp_path / "small", events, make_instruments(2))
    found = []
    for disabled in ("0", "1"):
        env = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
        command = [sys.executable, "-W", "error", "-c", CHILD, str(source)]
        env |= {"NUMBA_DISABLE_JIT": disabled, "PYTHONPATH": os.pathsep.join(["."])}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=110)
        assert done.returncode == 0 and not done.stderr, done.stderr
        found.append(json.loads(done.stdout))
    assert found[0] == found[1] and min(fills for _, _, fills, _ in found[0]) > 0


# Time


def test_neither_side_sees_the_future(ran: Ran) -> None:
    check_times(ran)


def check_times(ran: Ran) -> None:
    """Check from the journal alone when each request reached the venue and when each answer came back."""
    rows, assumptions = ran.rows, ran.assumptions
    rows = rows[(rows["kind"] > EventKind.COMMAND) & (rows["kind"] != EventKind.DIGEST)]
    now = np.maximum.accumulate(np.where(rows["kind"] < EventKind.PLACE, rows["ts_receive_ns"], -1))
    before = np.concatenate([[-1], now[:-1]])
    sent: dict[int, list[tuple[int, int]]] = {}
    accepted: dict[int, int] = {}
    told = np.flatnonzero(np.isin(rows["kind"], (*REFUSABLE, *ANSWERS)))
    for row, now_ns in zip(rows[told], before[told].tolist(), strict=True):
        kind, order_id, ts_ns = int(row["kind"]), int(row["order_id"]), int(row["ts_exchange_ns"])
        if kind in REFUSABLE:
            assert row["ts_receive_ns"] == now_ns, "decided at the core's time"
            sent.setdefault(order_id, []).append((kind, now_ns + assumptions.entry_latency_ns))
            continue
        assert row["ts_receive_ns"] == ts_ns + assumptions.response_latency_ns >= now_ns
        if kind == EventKind.FILL:
            assert order_id in accepted and ts_ns >= accepted[order_id]
            continue
        if kind == EventKind.CANCELED and not (sent[order_id] and sent[order_id][0][1] == ts_ns):
            assert order_id in accepted  # not asked for: the venue began to number the book anew
            continue
        # An answer is to the oldest request that has none, at the time when that reached the venue.
        asked, reached_ns = sent[order_id].pop(0)
        assert ts_ns == reached_ns and kind in (EventKind.REJECT, *expected_answers(asked))
        if kind == EventKind.ACK:
            accepted[order_id] = ts_ns
    assert not any(sent.values()), "a request without an answer"


def expected_answers(asked: int) -> tuple[EventKind, ...]:
    match asked:
        case EventKind.PLACE:
            return (EventKind.ACK, EventKind.EXPIRED)
        case EventKind.AMEND:
            return (EventKind.AMENDED,)
    return (EventKind.CANCELED,)


def test_market_data_is_late_but_whole(ran: Ran) -> None:
    source = np.concatenate(list(market_rows(Journal(ran.source).chunks())))
    market = ran.rows[(ran.rows["kind"] >= EventKind.BOOK_SNAPSHOT) & (ran.rows["kind"] <= EventKind.FUNDING)]
    shift_ns = ran.result.feed.shift_ns
    assert (market["ts_receive_ns"] - source["ts_receive_ns"] == shift_ns).all()
    assert shift_ns == max(0, int((source["ts_exchange_ns"] - source["ts_receive_ns"]).max()))
    for name in ("ts_exchange_ns", "price_ticks", "qty_lots", "order_id", "aux", "kind", "side", "flags"):
        assert (market[name] == source[name]).all(), name


@pytest.mark.parametrize("name", ["ladder", "grid"])
def test_orders_of_the_market_are_told_and_decide_nothing(tmp_path: Path, name: str) -> None:
    plain, told = market_events(5, 900, faults=False), []
    for number, one in enumerate(plain):
        if one["kind"][0] == EventKind.BOOK_DELTA:
            times = {key: one[key][0] for key in ("ts_exchange_ns", "ts_receive_ns", "instrument_index")}
            levels = one[one["side"] != Side.NONE]
            told += [
                event(EventKind.BOOK_ORDER, order_id=number, aux=one["aux"][0], side=level["side"], **times, **{
                    key: level[key] for key in ("price_ticks", "qty_lots")
                })
                for level in levels
            ]  # fmt: skip
        told.append(one.copy())
    found = []
    for kind, events in (("plain", plain), ("told", told)):
        source = write_market(tmp_path / kind, events, make_instruments(1))
        result = run(source, tmp_path / f"{kind}-run", name)
        found.append((orders_of(tmp_path / f"{kind}-run", "XUSDT"), result.fills, result.state.positions.tobytes()))
    assert found[0] == found[1] and found[0][1] > 0
    kept = int((rows_of(tmp_path / "told-run")["kind"] == EventKind.BOOK_ORDER).sum())
    assert kept == len(told) - len(plain) > 500


# Bad input


def snapshot(ts_ns: int, seq: int, **fields: int) -> np.ndarray:
    at = {"ts_exchange_ns": ts_ns, "ts_receive_ns": ts_ns + MS, **fields}
    return book_event(EventKind.BOOK_SNAPSHOT, [(9_999, 40)], [(10_001, 40)], aux=seq, **at)


def timeless() -> np.ndarray:
    rows = snapshot(T0_NS, 1)
    rows["ts_receive_ns"] = NO_TS_NS
    return rows


def delta(ts_ns: int, seq: int, prev: int, bid: int = 9_999) -> np.ndarray:
    at = {"ts_exchange_ns": ts_ns, "ts_receive_ns": ts_ns + MS}
    return book_event(EventKind.BOOK_DELTA, [(bid, 39)], [], aux=seq, order_id=prev, **at)


MARK = event(EventKind.MARK, aux=10**11, ts_receive_ns=T0_NS)


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([], "no book or trade with an exchange time"),
        ([MARK], "no book or trade with an exchange time"),
        ([delta(T0_NS, 2, 1), delta(T0_NS + MS, 3, 2)], "no book snapshot"),
        ([snapshot(T0_NS, 1), timeless()], "seq 2: a book message or trade without a receive time"),
    ],
)
def test_no_market(tmp_path: Path, events: list[np.ndarray], message: str) -> None:
    source = write_market(tmp_path / "market", [part.copy() for part in events], make_instruments(1))
    with pytest.raises(NoMarket, match=message):
        run(source, tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "value"), [("entry_latency_ns", -1), ("response_latency_ns", -MS), ("timer_interval_ns", 0)]
)
def test_bad_assumptions(name: str, value: int) -> None:
    with pytest.raises(BadAssumption, match=name):
        Assumptions(**{name: value})


def test_without_latency_a_refused_order_is_not_placed_again_without_end(ran: Ran) -> None:
    # The ladder backs off after a refusal, the grid quotes at the timer's pace, whatever the venue says.
    assert run(ran.source, None, ran.name, Assumptions(entry_latency_ns=0, response_latency_ns=0)).fills > 0


@pytest.mark.parametrize(("fault", "status"), [("gap", BookStatus.STALE), ("crossed", BookStatus.CROSSED)])
def test_a_fault_pulls_the_quotes_until_a_snapshot(tmp_path: Path, fault: str, status: BookStatus) -> None:
    times = [T0_NS + second * 1_000 * MS for second in range(1, 9)]
    broken = delta(times[1], 9, 7) if fault == "gap" else delta(times[1], 2, 1, bid=10_002)
    last = int(broken[0]["aux"])
    after = [delta(ts_ns, last + number + 1, last + number) for number, ts_ns in enumerate(times[2:4])]
    end = [snapshot(times[4], 30), delta(times[5], 31, 30), delta(times[6], 32, 31)]
    instruments = make_instruments(1)
    run(write_market(tmp_path / "open", [snapshot(times[0], 1), broken, *after], instruments), tmp_path / "bt", "grid")
    found = replay(tmp_path / "bt", ReplayOptions(checkpoints=False))
    assert found.state.books[0]["status"] == status
    whole = write_market(tmp_path / "whole", [snapshot(times[0], 1), broken, *after, *end], instruments)
    run(whole, tmp_path / "b2", "grid")
    rows = rows_of(tmp_path / "b2")
    orders = rows[np.isin(rows["kind"], REFUSABLE)]
    pulled, resumed = times[1] + MS, times[4] + MS
    during = orders[(orders["ts_receive_ns"] >= pulled) & (orders["ts_receive_ns"] < resumed)]
    assert set(during["kind"]) == {EventKind.CANCEL} and (during["ts_receive_ns"] == pulled).all()
    assert (orders[orders["ts_receive_ns"] >= resumed]["kind"] == EventKind.PLACE).any()


# The recorded feed, beside hftbacktest


@pytest.mark.realdata
def test_the_grid_on_a_recorded_feed_beside_hftbacktest(shared_data: Path, tmp_path: Path) -> None:
    # Source: hftbacktest 2 on the same capture, rule and assumptions (power queue n = 2, 10 + 10 ms, no partial fills):
    # 285 fills, final position -14 lots.
    capture = shared_data / "binance_raw_ws" / "usdm_btcusdt_20240808.gz"
    load_importer("binance")(ImportRequest(files=(capture,), out=tmp_path / "feed", market="usdm"), lambda _: None)
    config = load_config(None, "grid", ["mode=sent", "strategy.quote_on_timer=true"])
    with Writer(tmp_path / "bt") as writer:
        result = Backtest(tmp_path / "feed", config, Assumptions(partial_fills=False), writer=writer).run()
    assert abs(result.fills - 285) <= 285 * 0.02
    assert abs(int(result.state.positions[0]["position_lots"]) - -14) <= 2
    assumptions = Assumptions(partial_fills=False)
    ran = Ran("grid", tmp_path / "feed", tmp_path / "bt", rows_of(tmp_path / "bt"), result, assumptions)
    test_replay_of_the_journal_decides_the_same(ran)
    check_times(ran)
    check_money(ran, 0)
    check_sizes(ran)
