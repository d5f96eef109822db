"""A journal from one of its events on under another configuration, through the simulated venue, beside what happened.

What is written is a journal of its own: the parent's events up to the fork as they are, a CONFIG where something was
changed, then the parent's own inputs with the answers of the simulated venue. Must never pass for what would have been:
the recorded market does not know of the orders, and how far the venue is to be trusted is measured before the fork.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from mmfold.engine.codes import EventKind
from mmfold.engine.core import merge_config
from mmfold.engine.layout import LAYOUT_ID
from mmfold.engine.manifest import PARENT_ROWS, Manifest, canonical_json
from mmfold.engine.payload import payload_rows
from mmfold.engine.records import NO_TS_NS
from mmfold.engine.rules import RULES
from mmfold.engine.state import State, set_memory
from mmfold.journal.log.writer import Writer
from mmfold.replay.assumptions import Assumptions
from mmfold.replay.backtest import check_samples
from mmfold.replay.clock import needs_clock
from mmfold.replay.debug.difference import Difference
from mmfold.replay.debug.fork_config import Change, overlay_of
from mmfold.replay.debug.fork_run import BESIDE_MARKET, ForkRun, Recorded
from mmfold.replay.debug.library import Library, open_journal
from mmfold.replay.debug.moment import Moment
from mmfold.replay.feeds import market_mask
from mmfold.replay.parity.session import ANSWER_KINDS
from mmfold.replay.result import ReplayResult
from mmfold.replay.run import Replay, ReplayOptions
from mmfold.replay.source import EventSource
from mmfold.replay.strategy.attribution import strategy_blamed
from mmfold.replay.strategy.file import check_configured, loaded
from mmfold.replay.venue.queue import QueueModel
from mmfold.replay.window import FeedLatency, NoMarket, check_market_orders, feed_latency_of, measure_span

ASSUMPTION_WORDS = frozenset((*Assumptions().numbers(), "fee_tiers", "latency_samples"))
NO_MARKET_BEFORE = "there is no market before the fork"
NO_ANSWERS_BEFORE = "no order was answered before the fork, so nothing recorded stands beside the simulated"


class ForkError(ValueError):
    """A journal that cannot be forked there, or like that; `hint` says what can be done."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


NOTHING = Change()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Where a journal is forked, what is in force from there on and what the venue is taken for.

    `seed` is the journal's own where none is given.
    """

    seq: int
    assumptions: Assumptions
    change: Change = NOTHING
    seed: int | None = None


@dataclass(frozen=True)
class Trust:
    """The journal up to an event at or before the fork: as recorded, and through the simulated venue from its start."""

    seq: int
    recorded: State
    simulated: State


@dataclass(frozen=True, kw_only=True)
class Forked:
    """One finished fork.

    Shape: `samples` are the parent's and the fork's; `left_out` counts inputs behind the fork by kind.
    """

    parent: Manifest
    parent_path: Path
    parent_head: str
    result: ReplayResult  # of the written journal, replayed
    seq: int
    ts_ns: int
    fork_events: int  # of the written journal that are the parent's
    is_configured: bool
    is_timed: bool
    resting_count: int
    request_count: int
    left_out: dict[str, int]
    trust: Trust | None
    trust_missing: str  # why there is none
    difference: Difference
    samples: tuple[np.ndarray, np.ndarray]
    warnings: tuple[str, ...]


@dataclass
class Look:
    """What a first, verified reading of the journal finds."""

    seq: int
    last_seq: int = -1  # of the market and its timers, up to the fork
    market_before: int = 0
    market_after: int = 0
    answers_before: int = 0
    digests_before: int = 0

    def through(self, chunks: Iterator[np.ndarray], on_rows: Callable[[int], None]) -> Iterator[np.ndarray]:
        """Yield what is read, counted."""
        read = 0
        for chunk in chunks:
            kinds, seqs = chunk["kind"], chunk["seq"]
            before, market = seqs <= self.seq, market_mask(kinds)
            self.market_before += int((market & before).sum())
            self.market_after += int((market & ~before).sum())
            self.answers_before += int((np.isin(kinds, ANSWER_KINDS) & before).sum())
            self.digests_before += int(((kinds == EventKind.DIGEST) & before).sum())
            local = seqs[(market | np.isin(kinds, BESIDE_MARKET)) & before]
            self.last_seq = int(local[-1]) if len(local) else self.last_seq
            read += len(chunk)
            on_rows(read)
            yield chunk


@dataclass
class Fork:
    """One fork under way.

    Raises: ForkError, NoSuchEvent, NoMarket, BadAssumption, ConfigError, StrategyMissing, JournalError, WitnessDiffers,
        DigestDiffers.
    """

    path: Path
    plan: Plan
    on_rows: Callable[[int], None] = lambda rows: None
    options: ReplayOptions = field(default_factory=lambda: ReplayOptions(beside_strategy=True))

    def __post_init__(self) -> None:
        self.library = open_journal(self.path, self.options)
        self.parent = self.library.manifest
        check_forkable(self.path, self.parent)
        self.strategy = None if "strategy_sha256" in self.parent.extra else loaded()
        self.seed = self.parent.seed if self.plan.seed is None else self.plan.seed

    def run(self, part: Path) -> Forked:
        """Write the fork to a new directory and compare."""
        moment = self.library.at(self.plan.seq)
        recorded, head, look = self.look(moment.seq)
        in_force = moment.core.document
        overlay = overlay_of(self.plan.change, self.parent, in_force, is_new_strategy=self.strategy is not None)
        override = overlay.document
        check_configured(merge_config(in_force, override))
        manifest = self.manifest(moment, head, override)
        if self.strategy is not None:
            if look.digests_before and self.strategy.memory():
                raise ForkError(
                    f"{self.path} holds digests up to seq {moment.seq:,}, of a state without the strategy's MEMORY",
                    "fork it before the first digest, or with a strategy that remembers nothing",
                )
            set_memory(moment.core.state, manifest)
        trust = self.trust(recorded, look)
        ts_ns, fork_events = moment.ts_ns, moment.seq + 1 + len(moment.effects)
        with Writer(part) as writer:
            run = ForkRun(
                recorded, moment, manifest, self.plan.assumptions, override=override, seed=self.seed, writer=writer
            )
            run.on_rows = self.on_rows
            with strategy_blamed(run.core):
                core = run.run()
            writer.append(payload_rows(EventKind.DIGEST, writer.seq_next, core.digest_payload()))
            writer.commit()
        assert run.standing is not None
        result = replayed(part, ReplayOptions(sample=True, checkpoints=False))
        digests = core.state_digest(), core.effects_digest.hexdigest()
        assert (result.state_digest, result.effects_digest) == digests, "the replay of a fork is not the run"
        was = replayed(self.path, replace(self.options, sample=True, checkpoints=False))
        return Forked(
            parent=self.parent, parent_path=self.path, parent_head=head, result=result, seq=moment.seq, ts_ns=ts_ns,
            fork_events=fork_events, is_configured=run.is_configured, is_timed=recorded.is_timed,
            resting_count=len(run.standing.resting), request_count=len(run.standing.requests),
            left_out={EventKind(kind).name.lower(): many for kind, many in sorted(run.inputs.left_out.items())},
            trust=trust if isinstance(trust, Trust) else None, trust_missing=trust if isinstance(trust, str) else "",
            difference=self.library.diff(open_journal(part, ReplayOptions(checkpoints=False)), self.on_rows),
            samples=(was.samples, result.samples), warnings=overlay.warnings,
        )  # fmt: skip

    def look(self, seq: int) -> tuple[Recorded, str, Look]:
        """Read the journal once, verified: its times, its head, what there is on both sides of the fork."""
        source, look = EventSource(self.path), Look(seq)
        span = measure_span(look.through(source.chunks(), self.on_rows))
        if not look.market_after:
            raise ForkError(
                f"{self.path}: no market event comes after seq {seq:,}, so nothing would be otherwise",
                "mm journal info shows the last event; fork earlier",
            )
        recorded = Recorded(source, *times_of(span))
        check_samples(self.plan.assumptions, recorded.feed)
        if self.plan.assumptions.queue_model == QueueModel.FIFO:
            check_market_orders(source.unverified_chunks(), self.parent.symbol_index())
        return recorded, source.head, look

    def manifest(self, moment: Moment, head: str, override: dict[str, Any]) -> Manifest:
        """Return the fork's manifest, which names the parent's head and the event."""
        parent = self.parent
        words = {name: text for name, text in parent.extra.items() if name not in ASSUMPTION_WORDS}
        words |= self.plan.assumptions.named()
        if self.strategy is not None:
            words |= self.strategy.words()
        depends = {"config": override, "parent_head": head, "seed": self.seed, "seq": moment.seq, "words": words}
        row_count = int((next(iter(EventSource(self.path).unverified_chunks()))["seq"] == 0).sum())
        return parent.renewed(
            run_id=f"fork-{hashlib.sha256(canonical_json(depends)).hexdigest()[:12]}",
            parent_run=parent.run_id,
            seed=self.seed,
            source="fork",
            layout=LAYOUT_ID,
            # The digests up to the fork hold: the state counts the manifest's rows as the parent's did.
            extra={PARENT_ROWS: str(row_count), **words, "parent_head": head, "fork_seq": str(moment.seq)},
        )

    def trust(self, recorded: Recorded, look: Look) -> Trust | str:
        """Run the journal's own market through the venue from its start up to the fork, under its own configuration."""
        if not look.market_before:
            return NO_MARKET_BEFORE
        if not look.answers_before:
            return NO_ANSWERS_BEFORE
        run = ForkRun(
            recorded, self.library.at(0), self.parent, self.plan.assumptions, override={}, seed=self.seed,
            until_seq=look.last_seq,
        )  # fmt: skip
        run.on_rows = self.on_rows
        with strategy_blamed(run.core):
            simulated = run.run().state
        return Trust(look.last_seq, self.library.at(look.last_seq).state, simulated)


def times_of(span: np.void) -> tuple[FeedLatency, bool]:
    """Return how long messages were on their way, and whether the recorded times tell that at all."""
    if span["ts_first_ns"] != NO_TS_NS and not needs_clock(span):
        try:
            return feed_latency_of(span), True
        except NoMarket:  # no book snapshot: then there are only trades, whose times tell as much
            pass
    first_ns = span["ts_first_ns"] if span["ts_first_ns"] != NO_TS_NS else span["told_first_ns"]
    return FeedLatency(0, 0, int(span["back_ns"]), int(first_ns), int(span["ts_seen_ns"])), False


def replayed(path: Path, options: ReplayOptions) -> ReplayResult:
    """Return a journal's replay to its end."""
    return Replay(path, options).run()


def check_forkable(path: Path, manifest: Manifest) -> None:
    """Check that a journal holds decisions, and that they are of this build's rules.

    Raises: ForkError.
    """
    if not manifest.witnessed:
        raise ForkError(
            f"{path} holds a market and no decisions: nothing of ours happened there",
            "mm backtest --from TIME trades on it from a time on",
        )
    if manifest.rules != RULES:
        raise ForkError(
            f"{path} was decided by rules {manifest.rules}, this build's are {RULES}: it would not go on from there",
            "mm docs rules; mm backtest trades on its market with this build",
        )


def fork(library: Library, part: Path, plan: Plan, on_rows: Callable[[int], None] = lambda rows: None) -> Forked:
    """Fork a journal into a new directory; see `Fork`."""
    return Fork(library.path, plan, on_rows).run(part)
