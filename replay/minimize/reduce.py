"""The schedule of what is taken out: subsets that shrink by a counter, down to single elements until none can go.

CDD: the size of a subset is that which removes most on average when each element is needed with the same probability;
the probability grows by 1 / (1 - 1/e) a round, whatever came of the round before. The last round tries single elements;
who wants a 1-minimal result begins again until nothing is taken.
Source: "Deep Dive into Probabilistic Delta Debugging", arXiv 2408.04735.
"""

import math
import random
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from mmfold.replay.minimize.session import Change, Session

T = TypeVar("T")
GROWTH = 1 / (1 - 1 / math.e)


def sizes(count: int) -> list[int]:
    """Return the sizes of subsets by round, from half of all down to 1; equal ones once."""
    found: list[int] = []
    size = max(1, count // 2)
    while True:
        if not found or size < found[-1]:
            found.append(size)
        if size == 1:
            return found
        probability = min(1.0, (1 - math.exp(-1 / size)) * GROWTH)
        size = 1 if probability >= 1 else max(1, min(size - 1, round(-1 / math.log1p(-probability))))


def starts_of(count: int, size: int, seed: int) -> list[int]:
    """Return where runs of so many elements start, the last first: what stands before one is shared with the best. A
    seed other than 0 has them in another order, the same every time.
    """
    starts = list(range(0, count, size))[::-1]
    if seed:
        random.Random(f"{seed} {count} {size}").shuffle(starts)
    return starts


def reduce_elements(
    session: Session, elements: Sequence[T], without: Callable[[Sequence[T]], Change | None], *, once: bool = False
) -> None:
    """Take out elements of the best candidate as long as it fails for the same reason; `once`: each alone.

    Raises: OutOfTime.
    """
    left = list(elements)
    for size in [1] if once else sizes(len(left)):
        reduce_round(session, left, size, without)


def reduce_round(session: Session, left: list[T], size: int, without: Callable[[Sequence[T]], Change | None]) -> None:
    """Try one round of subsets; takes what could go out of `left`."""
    starts, at = starts_of(len(left), size, session.seed), 0
    gone: set[int] = set()
    while at < len(starts):
        batch = starts[at : at + session.workers]
        found = session.first_failing([without(left[start : start + size]) for start in batch])
        if found < 0:
            at += len(batch)
            continue
        gone |= set(range(starts[at + found], starts[at + found] + size))
        at += found + 1
    left[:] = [element for place, element in enumerate(left) if place not in gone]


def joined_seqs(elements: Sequence[np.ndarray]) -> np.ndarray:
    """Return the seqs of several elements."""
    return np.concatenate(elements)
