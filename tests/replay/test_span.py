"""A backtest of a span trades in it alone, on the books and signals that the whole recording makes."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from mmfold.engine.codes import EFFECT_KIND_MIN, EventKind
from mmfold.journal.log.reader import Journal
from mmfold.journal.log.writer import Writer
from mmfold.replay.assumptions import Assumptions
from mmfold.replay.backtest import Backtest, BacktestResult
from mmfold.replay.run import ReplayOptions, replay
from mmfold.replay.span import OutsideOfRecording, Span
from mmfold.reports.venue import venue_notes
from tests.engine.rows import T0_NS
from tests.replay.venue.market import SLOW, config_of, make_instruments, market_events, rows_of, write_market
from tests.replay.venue.scenario import MS

ORDERS = (EventKind.PLACE, EventKind.AMEND, EventKind.CANCEL)


@pytest.fixture(scope="module", params=["faulty", "calm"])
def market(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a recording, of two instruments and a receive clock behind the venue's, or of one without faults."""
    calm = request.param == "calm"
    events = market_events(5, 1_500, instruments=1 if calm else 2, faults=not calm, behind_ns=0 if calm else 1000 * MS)
    return write_market(tmp_path_factory.mktemp("market") / "m", events, make_instruments(1 if calm else 2))


def run(market: Path, span: Span, name: str, out: Path | None = None) -> BacktestResult:
    assumptions = SLOW if name == "ladder" else Assumptions()
    if out is None:
        return Backtest(market, config_of(name), assumptions, span=span).run()
    with Writer(out) as writer:
        return Backtest(market, config_of(name), assumptions, span=span, writer=writer).run()


def span_of(market: Path, first: float, last: float) -> Span:
    """Parts of the recording's time."""
    times_ns = rows_of(market)["ts_receive_ns"][rows_of(market)["kind"] == EventKind.BOOK_DELTA]
    low_ns, high_ns = int(times_ns.min()), int(times_ns.max())
    return Span(int(low_ns + first * (high_ns - low_ns)), int(low_ns + last * (high_ns - low_ns)))


@pytest.mark.parametrize("name", ["ladder", "grid"])
def test_a_span_is_traded_and_nothing_else(tmp_path: Path, market: Path, name: str) -> None:
    span = span_of(market, 0.4, 0.7)
    assert span.from_ns is not None and span.until_ns is not None
    result = run(market, span, name, tmp_path / "j")
    shift_ns = result.feed.shift_ns
    rows = rows_of(tmp_path / "j")
    sent = rows[np.isin(rows["kind"], ORDERS)]
    assert len(sent) > 20 and sent["ts_receive_ns"].min() >= span.from_ns + shift_ns
    # Both ends count: the market of the new journal is the recording's up to the end, by the time seen so far.
    recorded = list(Journal(market).chunks())
    is_market = np.concatenate(recorded)["kind"] >= EventKind.BOOK_SNAPSHOT
    told = np.concatenate(recorded)[is_market]
    seen_ns = np.maximum.accumulate(told["ts_receive_ns"])
    inside = told[: int(np.searchsorted(seen_ns, span.until_ns, "right"))]
    kept = rows[(rows["kind"] >= EventKind.BOOK_SNAPSHOT) & (rows["kind"] <= EventKind.BOOK_ORDER)]
    assert len(kept) == len(inside) < len(told)
    assert (kept["ts_receive_ns"] == inside["ts_receive_ns"] + shift_ns).all() and (kept["aux"] == inside["aux"]).all()
    again = replay(tmp_path / "j", ReplayOptions())
    assert (again.state_digest, again.effects_digest) == (result.state_digest, result.effects_digest)
    assert again.witnessed_count == sum(result.effect_counts.values()) > 0
    assert run(market, span, name).state_digest == result.state_digest
    (note,) = [note for note in venue_notes(result.manifest) if note.startswith("Trades from")]
    assert "until" in note and "folded as market" in note


@pytest.mark.parametrize("name", ["ladder", "grid"])
def test_the_market_before_it_warms_books_and_signals(market: Path, name: str) -> None:
    late = run(market, dataclasses.replace(span_of(market, 0.6, 1.0), until_ns=None), name)
    whole = run(market, Span(), name)
    assert late.effect_counts["place"] < whole.effect_counts["place"] and late.manifest.run_id != whole.manifest.run_id
    for field in ("book", "sides", "signal", "window_qty_lots", "far_levels"):
        # The strategies differ in what they did, the market in nothing.
        assert late.state.cells[field].tobytes() == whole.state.cells[field].tobytes(), field


@pytest.mark.parametrize("name", ["ladder", "grid"])
def test_an_end_cuts_and_changes_nothing_before(tmp_path: Path, market: Path, name: str) -> None:
    span = dataclasses.replace(span_of(market, 0.0, 0.5), from_ns=None)
    run(market, span, name, tmp_path / "cut")
    run(market, Span(), name, tmp_path / "whole")
    cut, whole = rows_of(tmp_path / "cut"), rows_of(tmp_path / "whole")
    names = ["kind", "ts_receive_ns", "price_ticks", "qty_lots", "side", "instrument_index"]
    cut, whole = (rows[rows["kind"] != EventKind.MANIFEST] for rows in (cut, whole))
    cut = cut[cut["kind"] != EventKind.DIGEST]
    last_market = int(np.flatnonzero(cut["kind"] == EventKind.BOOK_DELTA)[-1])
    assert last_market > 500 and (cut[names][:last_market] == whole[names][:last_market]).all()
    assert (cut["kind"] >= EFFECT_KIND_MIN).any()


OUTSIDE = [Span(from_ns=T0_NS + 10**15), Span(until_ns=T0_NS - 10**15), Span(T0_NS - 10**15, T0_NS - 10**14)]


@pytest.mark.parametrize("span", OUTSIDE)
def test_a_span_beside_the_recording_is_refused(market: Path, span: Span) -> None:
    with pytest.raises(OutsideOfRecording, match="the recording is of 20"):
        Backtest(market, config_of("grid"), Assumptions(), span=span).measure()


def test_several_recordings_have_one_span(tmp_path: Path) -> None:
    events = market_events(5, 1_500, faults=False)
    first = write_market(tmp_path / "a", events, make_instruments(1))
    other = [part.copy() for part in market_events(6, 1_500, faults=False)]
    second = write_market(tmp_path / "b", other, make_instruments(2)[1:])
    span = span_of(first, 0.3, 0.6)
    with Writer(tmp_path / "j") as writer:
        result = Backtest([first, second], config_of("grid"), Assumptions(), span=span, writer=writer).run()
    sent = rows_of(tmp_path / "j")
    sent = sent[np.isin(sent["kind"], ORDERS)]
    assert set(sent["instrument_index"].tolist()) == {0, 1} and sent["ts_receive_ns"].min() >= (span.from_ns or 0)
    assert replay(tmp_path / "j", ReplayOptions()).state_digest == result.state_digest
