"""One journal, open at any of its moments: the state after each event, by a replay from the nearest checkpoint.

Checkpoints are left on the way, bounded in number, so that the next look need not replay the journal from its start.
Must never show a state that the events did not lead to: every row is verified on the way, every decision compared.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from mmfold.engine.limits import CHAIN_BLOCK_EVENT_COUNT, EFFECT_COUNT_PER_EVENT_MAX, ROW_BYTES
from mmfold.engine.records import EVENT
from mmfold.engine.views import is_effect
from mmfold.journal.log.chain import Chain
from mmfold.journal.log.checkpoints import Checkpoint
from mmfold.replay.checkpoint import find_checkpoint, save_checkpoint
from mmfold.replay.debug.difference import Difference, diff
from mmfold.replay.debug.moment import Moment, NoSuchEvent, input_seqs
from mmfold.replay.debug.why import Story, why
from mmfold.replay.run import Replay, ReplayOptions, until_rows
from mmfold.replay.source import EventSource

CHECKPOINT_ROW_COUNT = 1 << 19  # between two checkpoints: replayed in less than a tenth of a second
CHECKPOINT_COUNT_MAX = 64  # of one journal and configuration: a longer one has them further apart


class Library:
    """A journal to be looked into, with its own configuration or another one laid over it.

    Raises: JournalError, ConfigError.
    """

    def __init__(self, path: Path, options: ReplayOptions | None = None) -> None:
        self.path = path
        self.options = options or ReplayOptions()
        self.source = EventSource(path)
        self.manifest = self.source.manifest

    def at(self, seq: int | None = None, ts_ns: int | None = None) -> Moment:
        """Return the moment right after an event: the input event at `seq`, or the one that caused the effect there;
        else the last one received by `ts_ns`, else the last.

        Raises: NoSuchEvent, JournalError, WitnessDiffers, DigestDiffers.
        """
        if seq is None:
            return self.moment(self.last_input(ts_ns))
        found = self.event_at(seq)
        if is_effect(found[0]["kind"]):
            return self.moment(self.cause_of(seq))
        return self.moment(seq)

    def diff(self, other: "Library", on_progress: Callable[[int], None] = lambda rows: None) -> Difference:
        """Return where this journal and another, or the same one under another configuration, part."""
        return diff(self, other, on_progress)

    def why(self, target: int, *, is_order: bool = False, strategy: str = "") -> Story:
        """Return the causal chain of an event, of an effect, or of an order by its id, backwards and forwards;
        `strategy` names the strategy file that the journal was made with.

        Raises: NoSuchEvent, TraceFailed, JournalError, WitnessDiffers.
        """
        return why(self, target, is_order=is_order, strategy=strategy)

    def event_at(self, seq: int) -> np.ndarray:
        """Return the rows of the event that has a seq.

        Raises: NoSuchEvent, JournalError.
        """
        for chunk in self.source.unverified_chunks(seq_from=seq):
            rows = chunk[int(np.searchsorted(chunk["seq"], seq)) :]
            if len(rows):
                after = int(rows[0]["seq"])
                if after == seq:
                    return rows[: int(np.searchsorted(rows["seq"], seq, side="right"))].copy()
                raise NoSuchEvent(f"{self.path} has no event at seq {seq:,}, the next one is at {after:,}")
        raise NoSuchEvent(f"{self.path} has no event at seq {seq:,}")

    def cause_of(self, seq: int) -> int:
        """Return the seq of the input event that a journaled effect followed: the last one before it."""
        cause, far = 0, max(0, seq - EFFECT_COUNT_PER_EVENT_MAX - 1)
        for rows in self.source.unverified_chunks(seq_from=far):
            before = input_seqs(rows)
            before = before[before < seq]
            cause = int(before[-1]) if len(before) else cause
            if int(rows[-1]["seq"]) >= seq:
                break
        return cause

    def last_input(self, ts_ns: int | None) -> int:
        """Return the seq of the last input event, of those received by a time.

        Raises: NoSuchEvent.
        """
        last, options = -1, replace(self.options, until_ts_ns=ts_ns)
        for chunk in self.source.unverified_chunks():
            rows, is_cut = until_rows(chunk, options)
            inputs = input_seqs(rows)
            last = int(inputs[-1]) if len(inputs) else last
            if is_cut:
                break
        if last < 0:
            raise NoSuchEvent(f"{self.path} has no event by then")
        return last

    def moment(self, seq: int) -> Moment:
        """Return the moment right after the input event at a seq."""
        replay = Replay(self.path, self.options)
        decided: list[np.ndarray] = []
        event = self.feed_until(replay, seq, lambda effects: decided.append(effects.copy()))
        effects = np.concatenate(decided) if decided else np.zeros(0, EVENT)
        return Moment(
            manifest=self.manifest, event=event, effects=effects[effects["seq"] > seq], core=replay.core,
        )  # fmt: skip

    def feed_until(self, replay: Replay, seq: int, take: Callable[[np.ndarray], None]) -> np.ndarray:
        """Feed a replay up to the event at a seq, leaving checkpoints; `take` gets what that event decides.

        Returns the event's rows.
        """
        checkpoint = self.nearest(replay, seq)
        marks = Marks(self.row_count(), replay.rows, checkpoint) if self.keeps(replay) else None
        for chunk in replay.chunks(checkpoint):
            end = int(np.searchsorted(chunk["seq"], seq))
            self.feed(replay, chunk[:end], marks)
            if end < len(chunk):
                event = chunk[end : int(np.searchsorted(chunk["seq"], seq, side="right"))].copy()
                if not replay.core.compares:
                    replay.core.drain()  # what was decided before: of a comparison it is known by its seqs
                replay.writers.append(take)
                replay.feed(event)
                replay.core.finish()
                return event
        raise NoSuchEvent(f"{self.path} has no event at seq {seq:,}")

    def feed(self, replay: Replay, rows: np.ndarray, marks: "Marks | None") -> None:
        """Feed rows, with a checkpoint where one is due."""
        while len(rows):
            end = len(rows) if marks is None else marks.next_place(rows, replay.rows)
            replay.feed(rows[:end])
            if marks is not None:
                marks.take(rows[:end], replay)
            rows = rows[end:]

    def verified_chunks(self, seq: int) -> Iterator[np.ndarray]:
        """Yield the rows from the event at a seq on, verified from the nearest checkpoint before it.

        Raises: JournalError where the journal does not verify that far.
        """
        replay = Replay(self.path, self.options)
        for chunk in replay.chunks(self.nearest(replay, seq)):
            rows = chunk[int(np.searchsorted(chunk["seq"], seq)) :]
            if len(rows):
                yield rows

    def nearest(self, replay: Replay, seq: int) -> Checkpoint | None:
        """Restore a replay from the nearest checkpoint and return that, None where it begins at the start."""
        if not self.keeps(replay):
            return None
        checkpoint = find_checkpoint(self.path, replay.key, seq)
        return checkpoint if checkpoint is not None and replay.restore_from(checkpoint) else None

    def keeps(self, replay: Replay) -> bool:
        """Tell whether checkpoints can be had: of a journal's directory, whose decisions are of this build's rules."""
        return self.options.checkpoints and self.path.is_dir() and replay.comparing is None

    def row_count(self) -> int:
        """Return about how many rows the journal has, by its size."""
        return sum(segment.stat().st_size for segment in self.path.glob("*.mmj")) // ROW_BYTES


class Marks:
    """Where the next checkpoint is due, and the chain up to there."""

    def __init__(self, row_count: int, rows: int, checkpoint: Checkpoint | None) -> None:
        self.spacing = max(CHECKPOINT_ROW_COUNT, row_count // CHECKPOINT_COUNT_MAX)
        self.chain = Chain() if checkpoint is None else Chain(checkpoint.head, checkpoint.seq_next)
        self.rows = rows  # fed before the last checkpoint

    def next_place(self, rows: np.ndarray, rows_fed: int) -> int:
        """Return the index of the row that a checkpoint may stand before, the end where there is none."""
        left = self.spacing - (rows_fed - self.rows)
        if left >= len(rows):
            return len(rows)
        block = int(rows[max(left, 0)]["seq"]) // CHAIN_BLOCK_EVENT_COUNT + 1
        return int(np.searchsorted(rows["seq"], block * CHAIN_BLOCK_EVENT_COUNT))

    def take(self, rows: np.ndarray, replay: Replay) -> None:
        """Take rows that were fed and leave a checkpoint if one is due behind them."""
        self.chain.update(rows)
        is_due = replay.rows - self.rows >= self.spacing and self.chain.seq_next % CHAIN_BLOCK_EVENT_COUNT == 0
        if is_due and not replay.core.is_awaiting:
            save_checkpoint(
                replay.source.path, replay.key, replay.core, self.chain.seq_next, self.chain.head, replay.rows
            )
            self.rows = replay.rows


def open_journal(path: Path, options: ReplayOptions | None = None) -> Library:
    """Open a journal to be looked into.

    Raises: JournalError, ConfigError.
    """
    return Library(path, options)
