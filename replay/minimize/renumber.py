"""A candidate as a journal of its own: seqs without gaps, its decisions behind their causes, a digest at the end.

Ids of orders follow the seqs of the events that decided them, in what the core decides by itself, in recorded answers
by the same map. Whether it still fails is for the caller to try.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from mmfold.engine.codes import EventKind
from mmfold.engine.core import Core
from mmfold.engine.limits import ORDER_ID_SEQ_SHIFT
from mmfold.engine.manifest import Manifest, encode_manifest
from mmfold.engine.payload import payload_rows
from mmfold.journal.log.writer import Writer
from mmfold.replay.minimize.candidate import Candidate, from_events, joined_rows
from mmfold.replay.minimize.orders import move_orders

CHUNK_PART_COUNT = 1 << 12
ORDER_MASK = (1 << ORDER_ID_SEQ_SHIFT) - 1


@dataclass(frozen=True)
class Renumbered:
    """A candidate under its own seqs.

    Shape: decided[i] are the effects of event i, none where it decided nothing; digest: the state's, as an event.
    """

    inputs: Candidate
    decided: list[np.ndarray]
    digest: np.ndarray | None  # none where the core raised
    seq_of: dict[int, int]  # new by old

    def chunks(self) -> Iterator[np.ndarray]:
        """Yield what the journal holds, in order, many events at once."""
        coming = self.events()
        while parts := list(islice(coming, CHUNK_PART_COUNT)):
            yield joined_rows(parts)

    def events(self) -> Iterator[np.ndarray]:
        """Yield what the journal holds, in order: an input, or what one decided."""
        for rows, effects in zip(self.inputs.events(), self.decided, strict=True):
            yield rows
            if len(effects):
                yield effects
        if self.digest is not None:
            yield self.digest

    def count(self) -> int:
        """Return how many events that is."""
        return len(self.inputs) + sum(map(len, self.decided)) + (self.digest is not None)


def renumber(manifest: Manifest, candidate: Candidate) -> Renumbered:
    """Number a candidate's events from 0 on and fold them once; one at which the core raises is the last."""
    decided: list[np.ndarray] = []
    core = Core(manifest, decided.append)
    core.compares = False
    events, effects_of, seq_of = [], [], {}
    seq_next, raised = 0, False
    for rows in [payload_rows(EventKind.MANIFEST, 0, encode_manifest(manifest)), *candidate.events()[1:]]:
        rows = rows.copy()
        seq_of[int(rows["seq"][0])] = seq_next
        rows["seq"] = seq_next
        move_orders(rows, lambda order_id: moved(order_id, seq_of))
        try:
            core.advance(rows, 0)
            core.drain()
        except Exception:  # what it fails with is the predicate's affair
            raised = True
        events.append(rows)
        effects_of.append(np.concatenate(decided) if decided else rows[:0])
        decided.clear()
        seq_next += 1 + len(effects_of[-1])
        if raised:
            break
    digest = None if raised else payload_rows(EventKind.DIGEST, seq_next, core.digest_payload())
    return Renumbered(from_events(events), effects_of, digest, seq_of)


def moved(order_id: int, seq_of: dict[int, int]) -> int:
    """Return an order's id under the new seqs; of an order that no event here decided, as it was."""
    seq = seq_of.get(order_id >> ORDER_ID_SEQ_SHIFT)
    return order_id if seq is None else seq << ORDER_ID_SEQ_SHIFT | order_id & ORDER_MASK


def write_journal(renumbered: Renumbered, path: Path) -> str:
    """Write a journal, sealed, and return its head."""
    with Writer(path) as writer:
        for rows in renumbered.chunks():
            writer.append(rows)
        return writer.commit().hex()


def write_candidate(manifest: Manifest, candidate: Candidate, path: Path) -> None:
    """Write a candidate as a journal for a command to look at."""
    write_journal(renumber(manifest, candidate), path)
