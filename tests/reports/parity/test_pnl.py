"""The parts of two journals' PnL difference: by hand, and as laws over backtests with other assumptions."""

from dataclasses import astuple, replace
from itertools import pairwise, permutations
from pathlib import Path

import pytest

from mmfold.adapters.importers import load_importer
from mmfold.adapters.importers.outcome import ImportRequest
from mmfold.config.load import load_config
from mmfold.engine.limits import MICROS_PER_UNIT
from mmfold.engine.records import NO_PRICE_TICKS
from mmfold.journal.log.writer import Writer
from mmfold.replay.assumptions import Assumptions
from mmfold.replay.backtest import Backtest
from mmfold.replay.parity.market import compare_markets
from mmfold.replay.parity.session import NoDecisions, Session, SessionReplay
from mmfold.replay.venue.queue import QueueModel
from mmfold.reports.parity.pnl import PnlDifference, compare_sessions
from mmfold.reports.position import position_amounts
from tests.replay.venue.market import SLOW, make_instruments, market_events, run, write_market
from tests.replay.venue.scenario import MS
from tests.reports.parity.recorded import fees_manifest, record_steps, session_of

FILLED = "book, ack, fill 9990x5, book"
UNFILLED = "book, ack, book"
CASES = [
    # what, A, B, fills, latency, fees, funding in micros; the lots are worth 10 a piece at the end
    ("the same", FILLED, FILLED, 0, 0, 0, 0),
    ("filled in A alone", FILLED, UNFILLED, -50_000_000, 0, 4_995_000, 0),
    ("filled later", FILLED, "book, ack, book, fill 9990x5", 0, 0, 0, 0),
    ("filled a tick dearer", FILLED, FILLED.replace("9990", "9991"), 0, -5_000_000, -500, 0),
    ("filled in parts", FILLED, "book, ack, fill 9990x2, fill 9990x3, book", 0, 0, 0, 0),
    ("filled in part", FILLED, FILLED.replace("x5", "x2"), -30_000_000, 0, 2_997_000, 0),
    ("filled in part, dearer", FILLED, FILLED.replace("9990x5", "9992x2"), -30_000_000, -4_000_000, 2_996_600, 0),
    ("as taker", FILLED, FILLED.replace("x5", "x5 taker"), 0, 0, -19_980_000, 0),
    ("a settlement before the fill", "book, ack, fill 9990x5, funding 1000000, book",
     "book, ack, funding 1000000, fill 9990x5, book", 0, 0, 0, 50_000_000),
    ("a settlement that pays", "book, ack, fill 9990x5, funding -1000000, book",
     "book, ack, funding -1000000, fill 9990x5, book", 0, 0, 0, -50_000_000),
    # Without a mid each side is worth its own last fill: the marks' difference is not of lots that both have.
    ("no mid at the end", FILLED.replace("k, book", "k, gap") + ", gap",
     FILLED.replace("9990", "9991") + ", gap", 5_000_000, -5_000_000, -500, 0),
]  # fmt: skip


@pytest.mark.parametrize(
    ("a", "b", "parts"), [(row[1], row[2], row[3:]) for row in CASES], ids=[row[0] for row in CASES]
)
def test_the_parts(tmp_path: Path, a: str, b: str, parts: tuple[int, ...]) -> None:
    sessions = [session_of(record_steps(tmp_path / name, steps)) for name, steps in (("a", a), ("b", b))]
    assert compare_sessions(*sessions).pnl == [PnlDifference(*parts)]
    assert compare_sessions(*sessions[::-1]).pnl == [PnlDifference(*(-part for part in parts))]


def test_a_settlement_alone_is_a_difference(tmp_path: Path) -> None:
    a = session_of(record_steps(tmp_path / "a", "book, ack, fill 9990x5, funding 1000000"))
    b = session_of(record_steps(tmp_path / "b", "book, ack, funding 1000000, fill 9990x5"))
    parity = compare_sessions(a, b)
    assert parity.diverged and not compare_sessions(a, a).diverged


@pytest.mark.parametrize("fills", [*permutations(("9990x7", "9991x3", "9993x1"), 2)], ids="-".join)
def test_amounts_that_are_no_whole_micros(tmp_path: Path, fills: tuple[str, str]) -> None:
    # A tick times a lot is 0.3 micros.
    manifest = fees_manifest(tick_size="0.01", lot_size="0.00003")
    a, b = (session_of(record_steps(tmp_path / fill, f"book, ack, fill {fill}", manifest)) for fill in fills)
    (there,), (back,) = compare_sessions(a, b).pnl, compare_sessions(b, a).pnl
    check_parts(a, b)
    assert astuple(there) == tuple(-part for part in astuple(back))
    assert "9993x1" not in fills or there.rounding != 0


def test_market_data_alone_is_refused(tmp_path: Path) -> None:
    source = write_market(tmp_path / "market", market_events(1, 30), make_instruments(1))
    with pytest.raises(NoDecisions, match="holds market data only"):
        SessionReplay(source)


# Laws, over backtests of one market


def check_parts(a: Session, b: Session) -> None:
    """Compare the parts with the exact amounts of the core's own account."""
    for index, part in enumerate(compare_sessions(a, b).pnl):
        amounts = [position_amounts(one.result.manifest, one.result.state, index) for one in (a, b)]
        exact_a, exact_b = ((one.net or 0) * MICROS_PER_UNIT for one in amounts)
        assert part.total == exact_b // 1 - exact_a // 1
        assert part.fees == (amounts[0].fees - amounts[1].fees) * MICROS_PER_UNIT
        assert part.funding == (amounts[0].funding - amounts[1].funding) * MICROS_PER_UNIT


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Session]:
    """Return backtests of one market of two instruments, each with other assumptions."""
    directory = tmp_path_factory.mktemp("parity")
    events = market_events(3, 400, instruments=2, behind_ns=500 * MS, faults=False)
    source = write_market(directory / "market", events, make_instruments(2))
    dear = tuple(replace(instrument, maker_fee_ppm=150) for instrument in make_instruments(2))
    cases = {
        "slow": (source, "ladder", SLOW),
        "fast": (source, "ladder", Assumptions(entry_latency_ns=2 * MS, response_latency_ns=2 * MS)),
        "whole": (source, "ladder", replace(SLOW, partial_fills=False)),
        "queue": (source, "ladder", replace(SLOW, queue_model=QueueModel.QPOS)),
        "grid": (source, "grid", SLOW),
        "dear": (write_market(directory / "dear market", events, dear), "ladder", SLOW),
    }
    for name, (market, strategy, assumptions) in cases.items():
        run(market, directory / name, strategy, assumptions)
    return {name: session_of(directory / name) for name in cases}


def test_the_sessions_test_something(sessions: dict[str, Session]) -> None:
    parts = [compare_sessions(sessions["slow"], other).pnl for name, other in sessions.items() if name != "slow"]
    for name in ("fills", "latency", "fees", "funding"):
        assert any(getattr(part, name) for pnl in parts for part in pnl), name
    assert all(sum(map(len, session.fills.values())) > 5 for session in sessions.values())


@pytest.mark.parametrize("names", [*permutations(("slow", "fast", "whole", "queue", "grid"), 2)], ids="-".join)
def test_the_parts_add_up_and_exchanging_negates_them(sessions: dict[str, Session], names: tuple[str, str]) -> None:
    a, b = (sessions[name] for name in names)
    check_parts(a, b)
    there, back = compare_sessions(a, b), compare_sessions(b, a)
    for part, other in zip(there.pnl, back.pnl, strict=True):
        assert astuple(part) == tuple(-value for value in astuple(other))
    assert there.diverged == back.diverged == (a.result.effects_digest != b.result.effects_digest)
    for index, found in enumerate(there.matched):
        filled = [sum(fill.qty_lots for fill in session.fills.get(index, [])) for session in (a, b)]
        assert 0 <= found.lots <= min(filled)


def test_a_session_is_itself(sessions: dict[str, Session]) -> None:
    for session in sessions.values():
        parity = compare_sessions(session, session)
        assert not parity.diverged and not any(any(astuple(part)) for part in parity.pnl)
        assert parity.found.moved_answer_count == 0 < parity.found.same_answer_count
        for index, found in enumerate(parity.matched):
            assert found.lots == sum(fill.qty_lots for fill in session.fills.get(index, []))
            assert found.moved_order_count == 0


def test_dearer_fees_are_the_fees_alone(sessions: dict[str, Session]) -> None:
    parity = compare_sessions(sessions["slow"], sessions["dear"])
    assert parity.found.first is None and parity.diverged
    for part in parity.pnl:
        assert part.total == part.fees < 0 and part.fills == part.latency == part.rounding == 0


def test_places_in_the_market_only_grow(sessions: dict[str, Session]) -> None:
    for session in sessions.values():
        for orders in session.orders.values():
            for order in orders:
                events = [order.placed, *order.answers]
                assert all(one.at < other.at for one, other in pairwise(events))
                assert order.placed.market_index <= order.end_index
                assert order.placed.price_ticks != NO_PRICE_TICKS
                assert 0 < events[-1].market_index <= session.market_count


@pytest.mark.realdata
def test_two_latencies_on_a_recorded_feed(shared_data: Path, tmp_path: Path) -> None:
    capture = shared_data / "binance_raw_ws" / "usdm_btcusdt_20240808.gz"
    load_importer("binance")(ImportRequest(files=(capture,), out=tmp_path / "feed", market="usdm"), lambda _: None)
    config = load_config(None, "grid", ["mode=sent", "strategy.quote_on_timer=true"])
    for name, latency_ms in (("fast", 10), ("slow", 50)):
        assumptions = Assumptions(entry_latency_ns=latency_ms * MS, response_latency_ns=latency_ms * MS)
        with Writer(tmp_path / name) as writer:
            Backtest(tmp_path / "feed", config, assumptions, writer=writer).run()
    event_count, difference = compare_markets(tmp_path / "fast", tmp_path / "slow")
    assert difference is None and event_count > 90_000
    fast, slow = session_of(tmp_path / "fast"), session_of(tmp_path / "slow")
    check_parts(fast, slow)
    parity = compare_sessions(fast, slow)
    first, (pnl,), (matched,) = parity.found.first, parity.pnl, parity.matched
    # A fill told 40 ms earlier is known at a timer that the slow side still passes without it.
    assert first is not None and first.a is not None and first.b is not None
    assert first.a.kind == first.b.kind and first.a.market_index < first.b.market_index
    assert pnl.total != 0 != pnl.latency and pnl.rounding == 0
    assert matched.same_order_count > 200 < matched.moved_order_count + matched.lots
    assert not compare_sessions(slow, slow).diverged
