"""A journal's own inputs from a moment on, answered by the simulated venue instead of the recorded answers.

Every input that the market, the clock or a person gave comes as it was recorded, times included, so that two journals
can be laid beside each other; what the venue told of our orders then is left out. Must never change what it lets
through, but for a CONFIG that something is laid over.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from mmfold.engine.codes import EventKind, Flag
from mmfold.engine.core import Core, config_payload, merge_config
from mmfold.engine.limits import CHAIN_BLOCK_EVENT_COUNT
from mmfold.engine.manifest import Manifest
from mmfold.engine.params import parse_config
from mmfold.engine.payload import payload_bytes, payload_rows
from mmfold.engine.views import is_effect
from mmfold.journal.log.writer import Writer
from mmfold.journal.recovery.salvage import with_manifest
from mmfold.replay.assumptions import Assumptions
from mmfold.replay.backtest import Simulation
from mmfold.replay.debug.fork_orders import KnownOrders, Standing
from mmfold.replay.debug.moment import Moment
from mmfold.replay.feeds import market_mask
from mmfold.replay.settlements_once import SettlementsOnce
from mmfold.replay.source import EventSource
from mmfold.replay.venue.entering import enter_orders, fold_before
from mmfold.replay.venue.loop import begin_schedule
from mmfold.replay.venue.records import NEVER_NS
from mmfold.replay.window import FeedLatency, Windows

BESIDE_MARKET = (EventKind.TIMER, EventKind.HEALTH)
BY_PEOPLE = (EventKind.CONFIG, EventKind.COMMAND)


class Recorded(NamedTuple):
    """A journal whose inputs are fed anew.

    `is_timed`: its times tell how long messages were on their way; else each counts as received when it happened.
    """

    source: EventSource
    feed: FeedLatency
    is_timed: bool


class Held(NamedTuple):
    """An event that the driver folds: behind so many events of the window; no rows: the run ends there."""

    event: int
    rows: np.ndarray | None


@dataclass
class Inputs:
    """A journal's rows as the run takes them: those for the window, those that the driver folds, those left out.

    `with_connection` is not set where the venue's own outages are assumed.
    """

    with_connection: bool
    until_seq: int | None
    left_out: dict[int, int] = field(default_factory=dict)  # events by kind
    held: list[Held] = field(default_factory=list)  # counted from the first event of the last chunk
    event_count: int = 0  # of the last chunk

    def taken(self, chunks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield what goes into the window, chunk by chunk."""
        for chunk in chunks:
            rows = chunk[~is_effect(chunk["kind"])]
            kinds = rows["kind"]
            kept = market_mask(kinds) | np.isin(kinds, BESIDE_MARKET)
            kept |= (kinds == EventKind.CONNECTION) & self.with_connection
            held = np.isin(kinds, BY_PEOPLE) | is_opening(rows)
            starts = np.flatnonzero(np.diff(rows["seq"], prepend=-1))
            counts = np.cumsum(kept[starts]) if len(starts) else starts
            self.held = []
            for place in np.flatnonzero(held[starts]).tolist():
                end = starts[place + 1] if place + 1 < len(starts) else len(rows)
                self.held.append(Held(int(counts[place]), rows[starts[place] : end].copy()))
            if self.until_seq is not None and len(rows) and int(rows["seq"][-1]) > self.until_seq:
                before = int((kept[starts] & (rows["seq"][starts] <= self.until_seq)).sum())
                upto = [one for one in self.held if one.rows is not None and one.rows["seq"][0] <= self.until_seq]
                self.held, self.until_seq = [*upto, Held(before, None)], None
            for kind, many in zip(*np.unique(kinds[starts[~(kept | held)[starts]]], return_counts=True), strict=True):
                self.left_out[int(kind)] = self.left_out.get(int(kind), 0) + int(many)
            self.event_count = int(kept[starts].sum())
            yield rows[kept]


def is_opening(rows: np.ndarray) -> np.ndarray:
    """Tell which rows are of a POSITION that is taken over: both rows, the second is flagged."""
    flagged = (rows["kind"] == EventKind.POSITION) & (rows["flags"] & Flag.OPENING != 0)
    opening: np.ndarray = np.isin(rows["seq"], rows["seq"][flagged])
    return opening


class ForkWindows(Windows):
    """The window of a run, and what the driver has to fold between its events."""

    def __init__(self, chunks: Iterator[np.ndarray], inputs: Inputs, feed: FeedLatency, sims: np.ndarray) -> None:
        super().__init__(inputs.taken(chunks), feed, sims)
        self.inputs = inputs
        self.held: list[Held] = []

    def advance(self) -> bool:
        """Take the next chunk; returns False after the last."""
        sim = self.sims[0]
        before = int(sim["event_local"])
        more = super().advance()
        gone = before - int(sim["event_local"])
        self.held = [Held(one.event - gone, one.rows) for one in self.held]
        if more:
            base = int(sim["event_count"]) - self.inputs.event_count
            self.held += [Held(base + one.event, one.rows) for one in self.inputs.held]
        self.hold()
        return more

    def hold(self) -> None:
        """Have the loop come back at the first event that is held."""
        self.sims[0]["event_hold"] = self.held[0].event if self.held else 0

    def due(self) -> bool:
        """Tell whether the first event that is held is next."""
        return bool(self.held) and self.held[0].event == int(self.sims[0]["event_local"])


class ForkRun(Simulation):
    """One run from a moment of a journal on.

    `override` is laid over every CONFIG that comes, and over the one in force.
    """

    def __init__(
        self,
        recorded: Recorded,
        moment: Moment,
        manifest: Manifest,
        assumptions: Assumptions,
        *,
        override: dict[str, Any],
        seed: int,
        until_seq: int | None = None,
        writer: Writer | None = None,
    ) -> None:
        super().__init__(manifest, moment.core, assumptions, seed=seed, writer=writer)
        self.core.manifest = manifest
        self.recorded, self.moment, self.override = recorded, moment, override
        self.inputs = Inputs(with_connection=not assumptions.outage_interval_ns, until_seq=until_seq)
        self.settlements = SettlementsOnce()
        self.orders = KnownOrders()
        self.standing: Standing | None = None
        self.is_configured = False  # a CONFIG was laid over the one in force
        self.is_over = False
        self.on_rows: Callable[[int], None] = lambda rows: None
        sim = self.arrays.sims[0]
        sim["keeps_times"], sim["keep_inputs"] = 1, int(writer is not None)
        sim["ts_timer_ns"] = NEVER_NS  # the recorded ones come
        sim["venue_shift_ns"] = recorded.feed.shift_ns if recorded.is_timed else NEVER_NS
        sim["seq_next"] = moment.seq + 1 + len(moment.effects)
        self.effect_block = moment.seq // CHAIN_BLOCK_EVENT_COUNT
        begin_outages(self, recorded.feed.ts_first_ns)

    def run(self) -> Core:
        """Copy what is before the moment, run to the end of the journal or to `until_seq`; returns the core."""
        try:
            self.fold_before()
            chunks = self.settlements.keep_new(self.behind(self.moment.seq))
            self.windows = ForkWindows(chunks, self.inputs, self.recorded.feed, self.arrays.sims)
            more = True
            while more and not self.is_over:
                more = self.windows.advance()
                if self.standing is None and (self.arrays.sims[0]["ts_stop_ns"] > self.moment.ts_ns or not more):
                    self.enter()
                if self.standing is not None:
                    self.run_window()
            self.write_output()
            self.wait_written()
        finally:
            self.pool.shutdown()
        return self.core

    def fold_before(self) -> None:
        """Copy the journal up to the moment under the new manifest; the venue follows its market."""
        seq, read = self.moment.seq, 0
        for chunk in self.recorded.source.unverified_chunks():
            rows = chunk[: int(np.searchsorted(chunk["seq"], seq, side="right"))]
            if len(rows):
                self.take_before(with_manifest(rows, self.manifest))
            read += len(rows)
            self.on_rows(read)
            if len(rows) < len(chunk):
                break
        if len(self.moment.effects):
            self.take_before(self.moment.effects)

    def take_before(self, rows: np.ndarray) -> None:
        """Take rows of before the moment."""
        if self.writer is not None:
            self.writer.append(rows)
        self.orders.take(rows)
        inputs = np.ascontiguousarray(rows[~is_effect(rows["kind"])])
        for kept in self.settlements.keep_new(iter([inputs])):
            fold_before(self.arrays, kept)

    def behind(self, seq: int) -> Iterator[np.ndarray]:
        """Yield the journal's events behind one."""
        read = 0
        for chunk in self.recorded.source.unverified_chunks(seq_from=seq + 1):
            rows = chunk[int(np.searchsorted(chunk["seq"], seq, side="right")) :]
            read += len(rows)
            self.on_rows(read)
            if len(rows):
                yield rows

    def enter(self) -> None:
        """Put the venue where the moment is: orders, account; then the new configuration comes in force."""
        self.standing = self.orders.standing(self.core.state, self.moment.ts_ns)
        self.follow_account()
        enter_orders(self.arrays, self.standing.resting, self.standing.requests, self.moment.ts_ns)
        before = self.core.document
        # Before the first CONFIG nothing is in force: it is laid over that one.
        self.is_configured = bool(before) and merge_config(before, self.override) != before
        if self.is_configured:
            self.fold(payload_rows(EventKind.CONFIG, 0, config_payload(merge_config(before, self.override))))
            self.write_output()

    def follow_account(self) -> None:
        """Let the venue have the position that the core has."""
        self.arrays.venue_cells["position"] = self.core.state.cells["position"]

    def run_window(self) -> None:
        """Run one window to its end and fold what is held where it stands."""
        while not self.is_over:
            while self.windows.due() and not self.is_over:
                self.fold_held(self.windows.held.pop(0).rows)
                self.windows.hold()
            if not self.is_over:
                super().run_window()
            if not self.windows.due():
                return

    def fold_held(self, rows: np.ndarray | None) -> None:
        """Fold what a person did, or a position that is taken over; nothing: the run is over."""
        if rows is None:
            self.is_over = True
            return
        if rows[0]["kind"] == EventKind.CONFIG:
            merged = merge_config(parse_config(payload_bytes(rows)), self.override)
            rows = payload_rows(EventKind.CONFIG, 0, config_payload(merged))
        self.fold(rows)
        self.write_output()
        if rows[0]["kind"] == EventKind.POSITION:
            self.follow_account()


def begin_outages(run: ForkRun, ts_first_ns: int) -> None:
    """Let the assumed outages of before the moment have been: they are drawn one after the other from the first on."""
    sim, now_ns = run.arrays.sims[0], run.moment.ts_ns
    outage_ns = int(sim["rules"]["outage_ns"])
    begin_schedule(run.arrays, ts_first_ns)
    while sim["ts_outage_ns"] != NEVER_NS and sim["ts_outage_ns"] + outage_ns <= now_ns:
        sim["outage_index"] += 1
        begin_schedule(run.arrays, int(sim["ts_outage_ns"]) + outage_ns)
    if sim["ts_outage_ns"] <= now_ns:
        sim["outage_down"] = 1
        sim["ts_outage_ns"] += outage_ns
