"""Replay of a long journal on several processes: each verifies one segment from its checkpoint; the answer is the same.

One process already folds on one core and verifies on another, so several pay only where there are twice as many cores:
30.5 M rows on 2 cores took 4.6 s with one, 6.8 s with two.
By induction: segment 0 starts from nothing, every other one from a checkpoint that the one before must reach.
Must never trust a checkpoint: one that is not reached is an error, one that is missing means one process.
"""

import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import TypeGuard

import numpy as np

from mmfold.engine.core import fold_digest
from mmfold.journal.log.checkpoints import Checkpoint, nearest
from mmfold.replay.result import ReplayResult
from mmfold.replay.run import Replay, ReplayOptions
from mmfold.replay.strategy.file import install_strategy, loaded

CORES_EACH = 2


class CheckpointDiffers(Exception):
    """A segment does not end in the state that the next one's checkpoint has; the caches are wrong or tampered with."""

    def __init__(self, seq: int, path: Path) -> None:
        super().__init__(f"the checkpoint at seq {seq:,} is not the state that its journal leads to")
        self.hint = f"remove {path / 'checkpoints'} and run again: checkpoints are only caches"


class TooFewCores(Exception):
    """More processes than the machine's cores can feed: they would take longer than one."""

    def __init__(self, workers: int, cores: int) -> None:
        super().__init__(
            f"--workers {workers} would take longer than one: one worker folds on one core and verifies on another, so "
            f"{workers} need {CORES_EACH * workers} cores; this process has {cores}"
        )
        most = max(1, cores // CORES_EACH)
        self.hint = "leave --workers out" if most == 1 else f"at most --workers {most}"


@dataclass(frozen=True)
class SegmentResult:
    """What one process found in one segment."""

    result: ReplayResult
    block_digests: list[bytes]


class SegmentReplay(Replay):
    """A replay from one segment's checkpoint to the start of the next."""

    def run_segment(self, seq_first: int, seq_end: int | None) -> SegmentResult:
        """Replay one segment; its chain is verified from the checkpoint's head on."""
        started_s = time.perf_counter()
        checkpoint: Checkpoint | None = None
        if seq_first:
            checkpoint = nearest(self.source.path, self.key, seq_first)
            assert checkpoint is not None and checkpoint.seq_next == seq_first
            if not self.restore_from(checkpoint):
                raise CheckpointDiffers(seq_first, self.source.path)
        for chunk in self.chunks(checkpoint):
            rows = chunk
            if seq_end is not None and int(chunk[-1]["seq"]) >= seq_end:
                rows = chunk[: int(np.searchsorted(chunk["seq"], seq_end))]
            if len(rows):
                self.feed(rows)
            if len(rows) < len(chunk):
                break
        self.core.finish()
        self.core.effects_digest.close_block()
        result = self.result(self.source.head, time.perf_counter() - started_s)
        return SegmentResult(result, self.core.effects_digest.block_digests)


def run_segment(path: Path, options: ReplayOptions, seq_first: int, seq_end: int | None) -> SegmentResult:
    """Replay one segment; runs in a worker process."""
    return SegmentReplay(path, options).run_segment(seq_first, seq_end)


def check_cores(workers: int) -> None:
    """Check that so many processes have the cores that make them faster than one.

    Raises: TooFewCores.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if workers > 1 and cores < CORES_EACH * workers:
        raise TooFewCores(workers, cores)


def is_at(checkpoint: Checkpoint | None, seq: int) -> TypeGuard[Checkpoint]:
    """Tell whether a checkpoint stands exactly at a seq."""
    return checkpoint is not None and checkpoint.seq_next == seq


def replay_segments(path: Path, options: ReplayOptions, workers: int) -> ReplayResult:
    """Replay a journal on several processes, split at the segments that have a checkpoint.

    On one process where there is none, which leaves them for next time; a segment that starts between a decision and
    its witness has none and goes with the one before.

    Raises: as `Replay.run`, and CheckpointDiffers.
    """
    whole = Replay(path, options)
    boundaries = [seq_first for seq_first, _ in whole.source.segment_starts()][1:]
    nearby = [nearest(path, whole.key, seq) for seq in boundaries]
    found = [checkpoint for checkpoint, seq in zip(nearby, boundaries, strict=True) if is_at(checkpoint, seq)]
    if not found or whole.comparing is not None:
        return whole.run()
    started_s = time.perf_counter()
    starts = [0, *(checkpoint.seq_next for checkpoint in found)]
    ends: list[int | None] = [*starts[1:], None]
    quiet = replace(options, checkpoints=False)
    with ProcessPoolExecutor(min(workers, len(starts)), get_context("spawn"), install_strategy, (loaded(),)) as pool:
        futures = [pool.submit(run_segment, path, quiet, *part) for part in zip(starts, ends, strict=True)]
        parts = [future.result() for future in futures]
    value = whole.core.effects_digest.value
    for part, checkpoint in zip(parts, [*found, None], strict=True):
        for block_digest in part.block_digests:
            value = fold_digest(value, block_digest)
        if checkpoint is not None and (
            part.result.state_digest != checkpoint.meta["state_digest"]
            or value.hex() != checkpoint.meta["effects_digest"]
        ):
            raise CheckpointDiffers(checkpoint.seq_next, path)
    last = parts[-1].result
    return replace(last, effects_digest=value.hex(), seconds=time.perf_counter() - started_s)
