"""`backtest`: the core against the simulated venue on a recorded market; writes a new journal. Must never use wall
time.
"""

import hashlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmfold.config.models import Config
from mmfold.config.params import config_document
from mmfold.engine.codes import EventKind, Stop
from mmfold.engine.core import Core, config_payload
from mmfold.engine.layout import LAYOUT_ID
from mmfold.engine.limits import CHAIN_BLOCK_EVENT_COUNT
from mmfold.engine.manifest import Manifest, canonical_json, encode_manifest
from mmfold.engine.payload import payload_rows
from mmfold.engine.records import KIND_COUNT
from mmfold.engine.state import State, make_state
from mmfold.journal.log.writer import Writer
from mmfold.replay.assumptions import Assumptions, BadAssumption
from mmfold.replay.beyond import beyond_told
from mmfold.replay.clock import Clock, find_clock, needs_clock
from mmfold.replay.feeds import Feeds, clocks_of, open_market, shifts_of, utc_text
from mmfold.replay.funding import FundingFeed, make_feed
from mmfold.replay.funding_file import FundingHistory
from mmfold.replay.run import named_counts
from mmfold.replay.settlements_once import SettlementsOnce
from mmfold.replay.source import EventSource
from mmfold.replay.span import ALL, Span, timer_row, untraded
from mmfold.replay.strategy.attribution import strategy_blamed
from mmfold.replay.strategy.file import StrategyMissing, check_configured, loaded, uses_strategy
from mmfold.replay.venue.fifo import make_queues
from mmfold.replay.venue.loop import Arrays, begin_schedule, end_control, end_policy, fold_control, simulate
from mmfold.replay.venue.queue import QueueModel
from mmfold.replay.venue.records import NEVER_NS, OUTPUT_PART_COUNT, OUTPUT_ROW_COUNT, SIM, make_venues
from mmfold.replay.window import FeedLatency, Windows, check_market_orders, feed_latency_of, measure_span


@dataclass(frozen=True)
class BacktestResult:
    """One finished backtest."""

    manifest: Manifest
    state: State
    events: int
    rows: int  # inputs the core folded
    head: str  # of the new journal, empty without one
    state_digest: str
    effects_digest: str
    effect_counts: dict[str, int]
    fills: int
    feed: FeedLatency
    shifts_ns: tuple[int, ...]  # what was added to the receive times of each recording, in the order given
    clocks: tuple[Clock | None, ...]  # how the times of each were put right before
    timers_left_out: int  # in gaps of more timers than TIMER_COUNT_BETWEEN_MAX
    trades_told_twice: int  # by two of the recordings, and taken once
    settlements_told_twice: int  # of funding, by the recording or two of them, and taken once
    params: dict[str, Any]
    funding: FundingFeed | None  # a history of rates that was laid over the recording
    span: Span  # that was traded in
    outside_counts: dict[str, int]  # by symbol: orders that rested outside of what the recording shows of the book
    seconds: float


class SamplesBeside(BadAssumption):
    """Measured latencies of another time than the recording's."""

    hint = "times are ns since 1970, UTC; measure while recording, or assume latencies with --latency"


def check_samples(assumptions: Assumptions, feed: FeedLatency) -> None:
    """Check that measured latencies are of the recording's time.

    Raises: SamplesBeside.
    """
    samples = assumptions.latency_samples
    first_ns, last_ns = feed.ts_first_ns, feed.ts_seen_ns + feed.shift_ns
    if samples and (samples[-1].ts_request_ns < first_ns or samples[0].ts_request_ns > last_ns):
        measured = f"{utc_text(samples[0].ts_request_ns)} to {utc_text(samples[-1].ts_request_ns)}"
        recorded = f"{utc_text(first_ns)} to {utc_text(last_ns)}"
        raise SamplesBeside(f"latencies of {measured} for a recording of {recorded}: they do not overlap")


def backtest_manifest(
    source: Manifest, document: dict[str, Any], assumptions: Assumptions, seed: int, more: dict[str, str]
) -> Manifest:
    """Return the new journal's manifest: a run id from what it depends on, and the parent's.

    Shape: more: what else the run depends on, {name: text}.
    """
    words = {**assumptions.named(), **more}
    depends = {"assumptions": dict(words), "config": document, "parent": source.run_id, "seed": seed}
    if uses_strategy(document) and (strategy := loaded()) is not None:
        words |= strategy.words()
        depends["strategy"] = strategy.words()
    run_id = f"backtest-{hashlib.sha256(canonical_json(depends)).hexdigest()[:12]}"
    return source.renewed(
        run_id=run_id,
        parent_run=source.run_id,
        seed=seed,
        source="backtest",
        witnessed=True,
        layout=LAYOUT_ID,
        extra=words,
    )


class Simulation:
    """A core against the simulated venue, window by window; a driver feeds it and says what is journaled.

    `writer` may be given later, before the first event.
    """

    def __init__(
        self, manifest: Manifest, core: Core, assumptions: Assumptions, *, seed: int = 0, writer: Writer | None = None
    ) -> None:
        self.manifest = manifest
        self.core = core
        core.out["witnessed"] = 0
        self.assumptions = assumptions
        self.writer = writer
        self.pool = ThreadPoolExecutor(1, "journal")  # verifies the recording and writes the journal
        self.writes: deque[Future[None]] = deque()
        self.is_fifo = assumptions.queue_model == QueueModel.FIFO
        self.arrays = Arrays(
            clocks=core.state.clock,
            cells=core.state.cells,
            outs=core.out,
            venue_cells=make_state(manifest).cells,
            venues=make_venues(manifest.instruments),
            sims=np.zeros(1, SIM),
            queues=make_queues(len(manifest.instruments) if self.is_fifo else 0),
        )
        sim = self.arrays.sims[0]
        assumptions.apply(sim, seed)
        sim["ts_expiry_ns"] = sim["ts_outage_ns"] = NEVER_NS
        self.effect_kind_counts = np.zeros(KIND_COUNT, np.int64)
        self.effect_block = -1

    def fold(self, rows: np.ndarray) -> None:
        """Fold an event that is neither the market's nor the venue's; it borrows the window's first rows."""
        window = self.arrays.sims[0]["rows"]
        borrowed = window[: len(rows)].copy()
        window[: len(rows)] = rows
        stop = fold_control(self.arrays, len(rows))
        if stop == Stop.POLICY:
            self.core.run_policy_lane(rows)
        end_control(self.arrays, len(rows))
        window[: len(rows)] = borrowed

    def run_window(self) -> None:
        """Run one window to its end, with the policy lane and the journal in between."""
        while True:
            stop = simulate(self.arrays)
            if stop == Stop.POLICY:
                self.core.run_policy_lane(self.arrays.sims[0]["scratch"])
                end_policy(self.arrays)
                continue
            self.write_output()
            if stop == Stop.END:
                return
            assert stop == Stop.EFFECTS_FULL

    def write_output(self) -> None:
        """Journal what the loop has put out."""
        sim = self.arrays.sims[0]
        start = int(sim["output_start"])
        rows = sim["output"][start : start + int(sim["output_count"])]
        self.digest_effects(rows[sim["effect_places"][: sim["effect_count"]]])
        sim["output_count"] = sim["effect_count"] = 0
        if self.writer is not None and len(rows):
            # Hashing and writing release the GIL: the next rows are simulated meanwhile, into the next part.
            self.writes.append(self.pool.submit(self.writer.append, rows))
            self.wait_written(OUTPUT_PART_COUNT - 1)
            sim["output_start"] = (start + OUTPUT_ROW_COUNT) % len(sim["output"])

    def wait_written(self, count: int = 0) -> None:
        """Wait until at most so many outputs are still being journaled.

        Raises: JournalFull, JournalError.
        """
        while len(self.writes) > count:
            self.writes.popleft().result()

    def digest_effects(self, effects: np.ndarray) -> None:
        """Add effects to their digest by the chain block of their cause: the event before a run of consecutive seqs."""
        if not len(effects):
            return
        self.effect_kind_counts += np.bincount(effects["kind"], minlength=len(self.effect_kind_counts))
        starts = np.flatnonzero(np.diff(effects["seq"], prepend=effects["seq"][:1] - 2) != 1)
        blocks = (effects["seq"][starts] - 1) // CHAIN_BLOCK_EVENT_COUNT
        for cut in np.split(np.arange(len(starts)), np.flatnonzero(np.diff(blocks)) + 1):
            block = int(blocks[cut[0]])
            if block != self.effect_block:
                self.core.effects_digest.close_block()
                self.effect_block = block
            end = starts[cut[-1] + 1] if cut[-1] + 1 < len(starts) else len(effects)
            self.core.effects_digest.update(effects[starts[cut[0]] : end].tobytes())


class Backtest(Simulation):
    """One backtest under way, on one recording or several at once.

    Refused input raises here or in `measure`, before anything is journaled.
    Raises: FeedsConflict, NoMarket, JournalError, ConfigError, StrategyMissing, FundingFileError.
    """

    def __init__(
        self,
        events: Path | Sequence[Path],
        config: Config,
        assumptions: Assumptions,
        *,
        seed: int = 0,
        funding: FundingHistory | None = None,
        span: Span = ALL,
        writer: Writer | None = None,
    ) -> None:
        self.source = open_market([events] if isinstance(events, Path) else events)
        self.document = config_document(config, self.source.manifest)
        check_configured(self.document)
        if loaded() is not None and not uses_strategy(self.document):
            raise StrategyMissing("no instrument is quoted by the strategy file", "leave strategy.name to --strategy")
        self.funding = None if funding is None else make_feed(funding, self.source.manifest)
        self.span = span
        more = {**span.words(), **({} if self.funding is None else {"funding": self.funding.word})}
        manifest = backtest_manifest(self.source.manifest, self.document, assumptions, seed, more)
        super().__init__(manifest, Core(manifest), assumptions, seed=seed, writer=writer)
        self.feed: FeedLatency | None = None
        self.settlements = SettlementsOnce()
        self.clock: Clock | None = None  # of a recording that stands alone
        self.measured_s = 0.0
        self.stop_requested = False  # set from outside: the run ends after the window under way
        self.on_progress: Callable[[int], None] = lambda rows: None

    def measure(self) -> FeedLatency:
        """Look through the recording for its times, and check that there is a market in it.

        Raises: NoMarket, NoMarketOrders, SamplesBeside, JournalError, JsonlError.
        """
        if self.feed is None:
            started_s = time.perf_counter()
            span = measure_span(self.source.unverified_chunks())
            if isinstance(self.source, EventSource) and needs_clock(span):
                self.clock = find_clock(self.source.unverified_chunks)
                if self.clock is not None:
                    span = measure_span(self.clock.correct(self.source.unverified_chunks()))
            feed = feed_latency_of(span)
            self.span.check(feed)
            check_samples(self.assumptions, feed)
            if self.is_fifo:
                check_market_orders(self.source.unverified_chunks(), self.quoted())
            self.feed, self.measured_s = feed, time.perf_counter() - started_s
        return self.feed

    def run(self) -> BacktestResult:
        """Run to the end of the recording.

        Raises: NoMarket, SamplesBeside, JournalError, ConfigError, StrategyRaised, BeyondLimits, AssertionError.
        """
        try:
            with beyond_told(self.core.state.clock, self.manifest.instruments), strategy_blamed(self.core):
                return self.run_to_end()
        finally:
            self.pool.shutdown()  # a failed run may have rows on their way: they are written before the file is closed

    def run_to_end(self) -> BacktestResult:
        """Fold what comes before the market, run window by window, end the journal."""
        feed = self.measure()
        started_s = time.perf_counter() - self.measured_s
        self.arrays.sims[0]["keep_inputs"] = int(self.writer is not None)
        self.fold(payload_rows(EventKind.MANIFEST, 0, encode_manifest(self.manifest)))
        begin_ns = None if self.span.from_ns is None else self.span.from_ns + feed.shift_ns
        document = self.document if begin_ns is None else untraded(self.document)
        self.fold(payload_rows(EventKind.CONFIG, 0, config_payload(document)))
        sim = self.arrays.sims[0]
        sim["ts_timer_ns"] = feed.ts_first_ns + sim["rules"]["timer_interval_ns"]
        begin_schedule(self.arrays, feed.ts_first_ns)
        chunks = self.source.chunks(pool=self.pool)
        chunks = self.clock.correct(chunks) if self.clock else chunks
        chunks = self.settlements.keep_new(chunks)
        chunks = self.funding.join(chunks, feed.shift_ns) if self.funding else chunks
        windows = Windows(self.span.cut(chunks), feed, self.arrays.sims)
        more = True
        while more and not self.stop_requested:
            more = windows.advance()
            if begin_ns is not None and sim["ts_stop_ns"] >= begin_ns:
                self.begin_trading(begin_ns)
                begin_ns = None
            self.run_window()
            self.on_progress(int(sim["input_row_count"]))
        if self.span.until_ns is not None:
            self.source.check_end()
        return self.finish(feed, started_s)

    def quoted(self) -> dict[str, int]:
        """Return the instruments that the configuration quotes, with their indexes."""
        params = self.document["params"]
        return {symbol: index for symbol, index in self.manifest.symbol_index().items() if params[symbol]["enabled"]}

    def begin_trading(self, ts_ns: int) -> None:
        """Run the window under way up to a time, and put the configuration in force then."""
        sim = self.arrays.sims[0]
        stop_ns, sim["ts_stop_ns"] = int(sim["ts_stop_ns"]), ts_ns
        self.run_window()
        self.fold(timer_row(ts_ns))  # what the configuration decides at once is decided then, not at the event before
        self.fold(payload_rows(EventKind.CONFIG, 0, config_payload(self.document)))
        sim["ts_stop_ns"] = stop_ns

    def finish(self, feed: FeedLatency, started_s: float) -> BacktestResult:
        """End the new journal with the state's digest and return what came out."""
        self.write_output()
        self.wait_written()
        sim, core = self.arrays.sims[0], self.core
        digest = core.state_digest()
        head, events = "", int(sim["seq_next"])
        if self.writer is not None:
            self.writer.append(payload_rows(EventKind.DIGEST, self.writer.seq_next, core.digest_payload()))
            head, events = self.writer.commit().hex(), self.writer.seq_next
        return BacktestResult(
            manifest=self.manifest,
            state=core.state,
            events=events,
            rows=int(sim["input_row_count"]),
            head=head,
            state_digest=digest,
            effects_digest=core.effects_digest.hexdigest(),
            effect_counts=named_counts(self.effect_kind_counts),
            fills=int(core.state.kind_counts[EventKind.FILL]),
            feed=feed,
            shifts_ns=shifts_of(self.source) or (feed.shift_ns,),
            clocks=clocks_of(self.source) or (self.clock,),
            timers_left_out=int(sim["timer_left_out_count"]),
            trades_told_twice=self.source.told_twice_count if isinstance(self.source, Feeds) else 0,
            settlements_told_twice=self.settlements.count,
            params=self.document["params"],
            funding=self.funding,
            span=self.span,
            outside_counts={
                symbol: int(self.arrays.venues[index]["outside_count"])
                for symbol, index in self.manifest.symbol_index().items()
            },
            seconds=time.perf_counter() - started_s,
        )
