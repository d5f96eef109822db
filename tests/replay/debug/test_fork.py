"""A fork is the journal it came from as long as nothing differs, and what it says of orders and venue holds."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mmfold.replay.source as source_module
from mmfold.config.params import config_document
from mmfold.engine.codes import AlertCode, ConnectionState, EventKind, Flag, Mode, OrderStatus, Side
from mmfold.engine.limits import E8, ORDER_COUNT_MAX
from mmfold.engine.manifest import canonical_json
from mmfold.engine.orders import FIRST_OPEN, LAST_OPEN
from mmfold.engine.params import parse_config
from mmfold.engine.payload import payload_bytes, payload_rows
from mmfold.engine.rules import RULES
from mmfold.engine.state import make_state
from mmfold.journal.log.reader import Journal
from mmfold.journal.log.writer import Writer
from mmfold.journal.recovery.salvage import with_manifest
from mmfold.replay.assumptions import Assumptions, FeeTier, recorded_assumptions
from mmfold.replay.backtest import Backtest
from mmfold.replay.debug.fork import NO_ANSWERS_BEFORE, NO_MARKET_BEFORE, Forked, ForkError, Plan, fork
from mmfold.replay.debug.fork_config import Change, overlay_of
from mmfold.replay.debug.fork_orders import KnownOrders
from mmfold.replay.debug.library import open_journal
from mmfold.replay.debug.moment import NoSuchEvent
from mmfold.replay.record import Recorder
from mmfold.replay.run import ReplayOptions, replay
from mmfold.replay.span import ALL, Span
from mmfold.replay.venue.queue import QueueModel
from tests.engine.rows import PLAIN, T0_NS, book_event, event, make_manifest
from tests.replay.venue.market import config_of, make_instruments, market_events, rows_of, write_market
from tests.replay.venue.scenario import MS

FAULTY = Assumptions(
    latency_std_ns=4 * MS,
    fee_tiers=(FeeTier(0, 101, 500), FeeTier(50_000_000, -50, 400)),
    toxic_fill_ppm=200_000,
    outage_interval_ns=3_000 * MS,
    outage_ns=150 * MS,
    request_timeout_ns=200 * MS,
    restart_ppm=500_000,
)
USUAL = Assumptions()
LATE = Assumptions(entry_latency_ns=37 * MS, response_latency_ns=13 * MS, queue_model=QueueModel.RISK_AVERSE)
MET = (EventKind.CONNECTION, EventKind.HEALTH, EventKind.TRADE, EventKind.COMMAND)
OTHER = Change(overrides=("grid.half_spread=0.3", "strategy.min_spread_bps=1.5"))
ANSWERS = (*range(EventKind.ACK, EventKind.FILL + 1), EventKind.OPEN_ORDERS, *MET[:1], EventKind.REQUEST_RESULT)
CHILD = """
import sys; from pathlib import Path
from mmfold.replay.assumptions import Assumptions
from mmfold.replay.debug.fork import Plan, fork
from mmfold.replay.debug.fork_config import Change
from mmfold.replay.debug.library import open_journal
plan = Plan(seq=600, assumptions=Assumptions(), change=Change(overrides=("grid.half_spread=0.3",)))
made = fork(open_journal(Path(sys.argv[1])), Path(sys.argv[2]), plan)
print(made.result.head, made.result.state_digest)
"""


def backtest(directory: Path, name: str, assumptions: Assumptions, span: Span = ALL) -> Path:
    """Write the journal of a backtest on two instruments with faults and a receive clock a second behind."""
    events = market_events(3, 600, instruments=2, behind_ns=1_000 * MS)
    source = write_market(directory / "market", events, make_instruments(2))
    with Writer(directory / "journal") as writer:
        Backtest(source, config_of(name), assumptions, seed=7, span=span, writer=writer).run()
    return directory / "journal"


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return backtest(tmp_path_factory.mktemp("fork"), "grid", Assumptions())


def forked(path: Path, part: Path, seq: int, assumptions: Assumptions = USUAL, **plan: Any) -> Forked:
    return fork(open_journal(path), part, Plan(seq=seq, assumptions=assumptions, **plan))


def behind(rows: np.ndarray, seq: int) -> np.ndarray:
    return rows[(rows["seq"] > seq) & (rows["kind"] != EventKind.DIGEST)]


def quiet_seqs(path: Path) -> list[int]:
    """Return the timers at which no order is open and nothing is on its way, behind the first order."""
    rows, library, found = rows_of(path), open_journal(path), []
    placed = rows[rows["kind"] == EventKind.PLACE]
    requested = np.isin(rows["kind"], (EventKind.PLACE, EventKind.AMEND, EventKind.CANCEL))
    for row in rows[(rows["kind"] == EventKind.TIMER) & (rows["seq"] > placed["seq"][0])]:
        before = set(rows["order_id"][requested & (rows["seq"] < row["seq"])].tolist())
        told = rows[np.isin(rows["kind"], ANSWERS) & (rows["seq"] > row["seq"])]
        if before.isdisjoint(told["order_id"].tolist()) and (told["ts_exchange_ns"] > row["ts_receive_ns"]).all():
            status = library.at(int(row["seq"])).state.orders["status"]
            if not ((status >= FIRST_OPEN) & (status <= LAST_OPEN)).any():
                found.append(int(row["seq"]))
    return found


# What is the same stays the same


@pytest.mark.parametrize(("name", "assumptions"), [("ladder", LATE), ("grid", FAULTY)])
def test_a_fork_at_the_start_is_the_backtest(tmp_path: Path, name: str, assumptions: Assumptions) -> None:
    path = backtest(tmp_path, name, assumptions)
    made = forked(path, tmp_path / "fork", 0, recorded_assumptions(Journal(path).manifest().extra) or Assumptions())
    rows, again = rows_of(path), rows_of(tmp_path / "fork")
    assert (rows["kind"] == EventKind.FILL).sum() > 10
    assert (rows["kind"] == EventKind.CONNECTION).any() == (assumptions is FAULTY)
    assert np.array_equal(behind(again, 0), behind(rows, 0))
    assert not made.difference.differs and made.trust is None and made.trust_missing == NO_MARKET_BEFORE


def test_a_fork_where_nothing_rests_goes_on_as_the_backtest(tmp_path: Path) -> None:
    path = backtest(tmp_path, "grid", replace(FAULTY, fee_tiers=()))
    rows, seqs = rows_of(path), quiet_seqs(path)
    assert seqs, "a market with outages has such a moment"
    seq = seqs[len(seqs) // 2]
    made = forked(path, tmp_path / "fork", seq, replace(FAULTY, fee_tiers=()))
    assert (behind(rows, seq)["kind"] == EventKind.FILL).any()
    assert not made.is_configured and (made.resting_count, made.request_count) == (0, 0)
    assert np.array_equal(behind(rows_of(tmp_path / "fork"), 0), behind(rows, 0))


@pytest.mark.parametrize("share", [0.3, 0.8])
def test_the_past_of_a_backtest_is_simulated_as_it_was(grid: Path, tmp_path: Path, share: float) -> None:
    rows = rows_of(grid)
    made = forked(grid, tmp_path / "fork", int(rows["seq"][int(len(rows) * share)]))
    assert made.trust is not None and made.trust.recorded.positions["fill_count"].sum() > 5
    for one, other in zip(made.trust.recorded, made.trust.simulated, strict=True):
        assert one.tobytes() == other.tobytes()
    assert made.resting_count + made.request_count > 0, "the fork is in the middle of trading"
    assert made.difference.market_a_only == made.difference.market_b_only == 0


def test_what_is_written_is_a_journal_that_replays_and_forks(grid: Path, tmp_path: Path) -> None:
    made = forked(grid, tmp_path / "fork", 600, change=OTHER)
    manifest, rows = Journal(tmp_path / "fork").manifest(), rows_of(grid)
    assert (manifest.extra["parent_head"], manifest.extra["fork_seq"]) == (made.parent_head, str(made.seq))
    assert manifest.parent_run == made.parent.run_id and manifest.source == "fork" and made.is_configured
    again = rows_of(tmp_path / "fork")
    kept = (rows["seq"] > 0) & (rows["seq"] < made.fork_events)
    assert np.array_equal(again[(again["seq"] > 0) & (again["seq"] < made.fork_events)], rows[kept])
    before, after = (
        [values["grid_half_spread_ticks_e6"] for values in parse_config(payload_bytes(one))["params"].values()]
        for one in (again[again["seq"] == 1], again[again["seq"] == made.fork_events])
    )
    assert after == [3 * one for one in before]
    assert made.difference.differs and made.difference.decision is not None
    second = forked(tmp_path / "fork", tmp_path / "second", made.seq + 100)
    assert not second.is_configured and second.parent_head == made.result.head
    assert second.parent.extra["parent_head"] != second.result.manifest.extra["parent_head"]


def test_a_fork_has_the_same_bytes_whatever_the_batches(
    grid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = forked(grid, tmp_path / "a", 600, change=OTHER)
    assert forked(grid, tmp_path / "b", 600, change=OTHER).result.head == first.result.head
    for count in (64, 1_000):
        monkeypatch.setattr(source_module, "CHUNK_ROW_COUNT", count)
        assert forked(grid, tmp_path / str(count), 600, change=OTHER).result.head == first.result.head


def test_compiled_is_interpreted(grid: Path, tmp_path: Path) -> None:
    found = []
    for disabled in ("0", "1"):
        env = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
        env |= {"NUMBA_DISABLE_JIT": disabled, "PYTHONPATH": "."}
        command = [sys.executable, "-W", "error", "-c", CHILD, str(grid), str(tmp_path / disabled)]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=170)
        assert done.returncode == 0 and not done.stderr, done.stderr
        found.append(done.stdout)
    assert found[0] == found[1]


def test_what_people_did_later_happens_again_under_what_is_laid_over(tmp_path: Path) -> None:
    begin_ns = T0_NS + 3_000 * MS
    path = backtest(tmp_path, "grid", Assumptions(), span=Span(from_ns=begin_ns))  # a CONFIG in the middle begins it
    rows = rows_of(path)
    later = rows[rows["kind"] == EventKind.CONFIG]["seq"][-1]
    assert later > 50
    made = forked(path, tmp_path / "same", int(later) // 2)
    assert np.array_equal(behind(rows_of(tmp_path / "same"), 0), behind(rows, 0)) and made.result.fills > 0
    forked(path, tmp_path / "other", int(later) // 2, change=Change(overrides=("grid.half_spread=0.3",)))
    again = rows_of(tmp_path / "other")
    configs = again[again["kind"] == EventKind.CONFIG]
    documents = [parse_config(payload_bytes(configs[configs["seq"] == seq])) for seq in np.unique(configs["seq"])]
    assert len(documents) == 3  # as it was, laid over what is in force, laid over the later one
    spreads = [document["params"]["XUSDT"]["grid_half_spread_ticks_e6"] for document in documents]
    assert spreads[1] == spreads[2] != spreads[0]
    assert [document["params"]["XUSDT"]["enabled"] for document in documents] == [0, 0, 1]


# Orders at the fork

BOOK = ([(9_999, 40), (9_990, 30)], [(10_001, 40), (10_010, 30)])


def hand_made(path: Path, steps: list[np.ndarray], **params: int | float) -> Path:
    """Write the journal of a core that quotes 5 lots at 9,990 and 10,010 and lives through the steps, 0.1 s apart."""
    with Writer(path) as writer:
        document = {"params": {"X": {**PLAIN, "mode": int(Mode.SENT), **params}}}
        recorder = Recorder(writer, make_manifest("X"), document)
        for place, rows in enumerate(steps):
            if rows["kind"][0] != EventKind.COMMAND:  # a payload holds no times
                rows["ts_receive_ns"] = T0_NS + place * 100 * MS
                rows["ts_exchange_ns"] = rows["ts_receive_ns"] - MS
            recorder.append(rows)
        recorder.finish()
    return path


def order_ids(path: Path, steps: list[np.ndarray]) -> list[int]:
    """Return the ids of the orders that the core places at the steps: bid and ask."""
    rows = rows_of(hand_made(path, steps))
    found: list[int] = rows["order_id"][rows["kind"] == EventKind.PLACE].tolist()
    return found


def snapshot() -> np.ndarray:
    return book_event(EventKind.BOOK_SNAPSHOT, *BOOK, aux=1)


def sold(lots: int) -> np.ndarray:
    return event(EventKind.TRADE, side=Side.ASK, price_ticks=9_990, qty_lots=lots)


@pytest.mark.parametrize(("lots", "filled"), [(29, 0), (30, 0), (31, 1), (34, 4), (40, 5)])
def test_an_order_that_rests_stands_behind_what_is_displayed(tmp_path: Path, lots: int, filled: int) -> None:
    bid, ask = order_ids(tmp_path / "ids", [snapshot()])
    acks = [event(EventKind.ACK, order_id=one) for one in (bid, ask)]
    path = hand_made(tmp_path / "j", [snapshot(), *acks, sold(lots), event(EventKind.TIMER), event(EventKind.TIMER)])
    rows = rows_of(path)
    seq = int(rows["seq"][rows["kind"] == EventKind.ACK][-1])
    made = forked(path, tmp_path / "fork", seq)
    assert (made.resting_count, made.request_count) == (2, 0)
    fills = rows_of(tmp_path / "fork")
    fills = fills[fills["kind"] == EventKind.FILL]
    assert fills["qty_lots"].sum() == filled and set(fills["order_id"].tolist()) <= {bid}
    assert not made.trust_missing and made.trust is not None and made.trust.recorded.positions[0]["fill_count"] == 0


def test_what_is_on_its_way_arrives_when_its_latency_says_but_not_before_the_fork(tmp_path: Path) -> None:
    first, _ = order_ids(tmp_path / "ids", [snapshot()])
    steps = [snapshot(), event(EventKind.TIMER), event(EventKind.TIMER), event(EventKind.TIMER), sold(1), sold(1)]
    path = hand_made(tmp_path / "j", steps)
    timers = rows_of(path)
    timers = timers[timers["kind"] == EventKind.TIMER]
    for seq, arrives_ms in ((timers["seq"][0], 250), (timers["seq"][2], 300)):
        made = forked(path, tmp_path / str(seq), int(seq), replace(LATE, entry_latency_ns=250 * MS))
        rows = rows_of(tmp_path / str(seq))
        acks = rows[rows["kind"] == EventKind.ACK]
        assert (made.resting_count, made.request_count, made.trust_missing) == (0, 2, NO_ANSWERS_BEFORE)
        assert acks["order_id"][0] == first and acks["ts_exchange_ns"][0] == T0_NS + arrives_ms * MS


@pytest.mark.parametrize(
    ("status", "is_told", "resting", "requests"),
    [
        (OrderStatus.CREATED, False, [], ["place"]),
        (OrderStatus.SUBMITTED, False, [], ["place"]),
        (OrderStatus.ACCEPTED, True, ["place"], []),
        (OrderStatus.ACCEPTED, False, ["place"], []),  # of a session in which nothing was sent
        (OrderStatus.AMENDING, True, ["place"], ["amend"]),
        (OrderStatus.CANCELLING, True, ["place"], ["cancel"]),
        (OrderStatus.CANCELLING, False, [], ["place", "cancel"]),
        (OrderStatus.UNKNOWN, True, ["place"], ["alert"]),
        (OrderStatus.UNKNOWN, False, [], ["place", "alert"]),
        (OrderStatus.DONE, True, [], []),
    ],
)
def test_what_is_at_the_venue(status: OrderStatus, is_told: bool, resting: list[str], requests: list[str]) -> None:
    state, known, order_id, old_id = make_state(make_manifest("X")), KnownOrders(), 5 << 17 | 2, 3 << 17 | 2
    order = state.orders[0, 2]
    order["order_id"], order["status"], order["price_ticks"], order["qty_lots"] = order_id, status, 99, 3
    order["filled_lots"] = 4
    state.quoters["unknown_order_count"] = int(status == OrderStatus.UNKNOWN)
    change = EventKind.CANCEL if status == OrderStatus.CANCELLING else EventKind.AMEND
    told = [event(EventKind.ACK, order_id=order_id, seq=7)] if is_told else []
    rows = [
        event(EventKind.PLACE, order_id=old_id, seq=3, qty_lots=1),
        event(EventKind.PLACE, order_id=order_id, seq=6, qty_lots=7, price_ticks=98),
        *told,
        event(EventKind.FILL, order_id=old_id, seq=8),  # late, of the order before in its slot
        *([event(change, order_id=order_id, seq=9)] if requests[-1:] not in ([], ["place"], ["alert"]) else []),
    ]
    for row in rows:
        known.take(row)
    standing = known.standing(state, T0_NS)
    assert [EventKind(kind).name.lower() for kind in standing.resting["kind"]] == resting
    assert [EventKind(kind).name.lower() for kind in standing.requests["kind"]] == requests
    if resting:
        assert standing.resting[["order_id", "price_ticks", "qty_lots", "aux"]][0].item() == (order_id, 99, 7, 3)
    if requests[-1:] == ["alert"]:
        assert standing.requests["code"][-1] == AlertCode.ORDER_UNKNOWN
    assert order_id % ORDER_COUNT_MAX == 2


def test_a_session_without_answers_or_trades_is_forked(tmp_path: Path) -> None:
    path = hand_made(tmp_path / "shadow", [snapshot() for _ in range(6)], mode=int(Mode.SHADOW))
    rows = rows_of(path)
    seq = int(np.unique(rows["seq"][rows["kind"] == EventKind.BOOK_SNAPSHOT])[2])
    made = forked(path, tmp_path / "fork", seq)
    assert made.is_configured, "orders are sent from there on"
    assert made.trust is None and made.trust_missing == NO_ANSWERS_BEFORE and made.resting_count == 2
    assert replay(tmp_path / "fork", ReplayOptions(checkpoints=False)).params["X"]["mode"] == int(Mode.SENT)


def test_what_the_session_met_comes_again_and_what_its_account_was_told_does_not(tmp_path: Path) -> None:
    freeze = payload_rows(EventKind.COMMAND, 0, canonical_json({"command": "freeze", "symbol": "X"}))
    steps = [
        snapshot(), event(EventKind.TIMER), event(EventKind.CONNECTION, code=ConnectionState.DOWN),
        event(EventKind.CONNECTION, code=ConnectionState.UP), event(EventKind.BALANCE, aux=7),
        event(EventKind.POSITION, qty_lots=3), event(EventKind.HEALTH, aux=5), sold(1), freeze, sold(1),
    ]  # fmt: skip
    path = hand_made(tmp_path / "j", steps)
    rows = rows_of(path)
    seq = int(rows["seq"][rows["kind"] == EventKind.TIMER][0])
    made = forked(path, tmp_path / "fork", seq)
    assert made.left_out == {"balance": 1, "position": 1}
    again = rows_of(tmp_path / "fork")
    inputs = [again["kind"][(again["seq"] > seq) & np.isin(again["kind"], kinds)] for kinds in (MET, ANSWERS)]
    down, up, health, freeze_at = (EventKind.CONNECTION, EventKind.CONNECTION, EventKind.HEALTH, EventKind.COMMAND)
    assert inputs[0].tolist() == [down, up, health, EventKind.TRADE, freeze_at, EventKind.TRADE]
    assert made.result.state.quoters["frozen"][0] and made.result.state.clock["connection_state"] == ConnectionState.UP
    assert EventKind.CANCELED in again["kind"], "the freeze takes the orders of the fork from its venue"
    with_outages = replace(USUAL, outage_interval_ns=900_000 * MS, outage_ns=MS)
    forked(path, tmp_path / "outages", seq, with_outages)
    assert EventKind.CONNECTION not in rows_of(tmp_path / "outages")["kind"], "the assumed ones come instead"


def test_a_position_that_is_taken_over_behind_the_fork_is_the_venues_too(tmp_path: Path) -> None:
    opening = event(EventKind.POSITION, 2, aux=[10_000 * E8, 0])
    opening["qty_lots"], opening["order_id"] = (-3, 0), (0, 0)
    opening["flags"] |= np.uint16(Flag.OPENING)
    path = hand_made(tmp_path / "j", [event(EventKind.TIMER), opening, snapshot(), event(EventKind.TIMER), sold(40)])
    rows = rows_of(path)
    seq = int(rows["seq"][rows["kind"] == EventKind.TIMER][0])
    made = forked(path, tmp_path / "fork", seq, replace(USUAL, entry_latency_ns=MS, equity_micros=10**12))
    position = made.result.state.positions[0]
    assert (position["opening_lots"], position["position_lots"], position["fill_count"]) == (-3, 2, 1)
    assert made.left_out == {}


# What is laid over


@pytest.mark.parametrize(
    ("in_force", "change", "expected"),
    [
        ("grid", ("grid.half_spread=0.3",), {"grid_half_spread_ticks_e6": 3_000_000}),
        ("grid", ("grid.half_spread=1.0",), {"grid_half_spread_ticks_e6": 10_000_000}),  # mm's own default counts too
        ("ladder", ("strategy.skew_coeff=0.3",), {"skew_coeff": 0.3}),
        ("ladder", ("per_symbol.XUSDT.strategy.skew_coeff=0.7",), {"skew_coeff": 0.7}),
        ("ladder", (), {}),
        ("ladder", ("strategy.name=grid",), {"strategy": 1, "quote_on_timer": 1, "levels_per_side": 1}),
    ],
)
def test_what_is_laid_over(in_force: str, change: tuple[str, ...], expected: dict[str, float]) -> None:
    manifest = replace(make_manifest("X"), instruments=make_instruments(1))
    document = config_document(config_of(in_force), manifest)
    found = overlay_of(Change(overrides=change), manifest, document, is_new_strategy=False)
    params = dict(found.document["params"]["XUSDT"])
    assert params.pop("mode") == int(Mode.SENT) and not found.warnings
    if expected:
        assert {name: params[name] for name in expected} == expected
    others = set(params) - set(expected) - {"strategy", "replace_overlap"}
    assert not others or "strategy" in expected, others


# What cannot be forked


def test_what_cannot_be_forked_is_said(grid: Path, tmp_path: Path) -> None:
    rows = rows_of(grid)
    last = int(rows["seq"][-1])
    with pytest.raises(NoSuchEvent, match=f"no event at seq {last + 1:,}"):
        forked(grid, tmp_path / "out", last + 1)
    with pytest.raises(ForkError, match=f"no market event comes after seq {last - 1:,}|nothing would be otherwise"):
        forked(grid, tmp_path / "out", last)
    with pytest.raises(ForkError, match="holds a market and no decisions"):
        forked(grid.parent / "market", tmp_path / "out", 5)
    manifest = replace(Journal(grid).manifest(), rules=RULES - 1) if RULES > 1 else None
    if manifest is not None:
        with Writer(tmp_path / "old") as writer:
            writer.append(with_manifest(rows, manifest))
            writer.commit()
        with pytest.raises(ForkError, match=f"rules {RULES - 1}, this build's are {RULES}"):
            forked(tmp_path / "old", tmp_path / "out", 600)


def test_assumptions_come_back_from_a_manifest() -> None:
    for assumptions in (Assumptions(), FAULTY, LATE, replace(LATE, amend_latency_ns=5, partial_fills=False)):
        assert recorded_assumptions(assumptions.named()) == assumptions
    assert recorded_assumptions({"parent_head": "0"}) is None
