"""What a feature tells the reports: its place in the state and its rows of metrics; must never import a kernel.

A feature is a file: its kernels, named after the hooks that call them, and a `Feature`. Its record is in records.py
beside it and starts as zeros, so absence in it is a count that is 0, never a value.
"""

from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import NamedTuple

import numpy as np

HOOKS = ("on_mid", "on_trade", "on_fill", "on_order", "on_rate", "on_timer")
COLOR = "blue"  # of everything, until a rollout splits the orders

Read = Callable[[np.ndarray], Iterable[tuple[tuple[str, ...], int | Fraction | float | None]]]


class FeatureMetric(NamedTuple):
    """One metric of a feature: a counter when its name ends in `_total`, else a gauge.

    `read` gives (values of `labels`, value) of some instruments' records taken together, None where it is not known
    yet. By symbol it is asked for one instrument at a time, and the label `symbol` comes behind the others.
    """

    name: str
    labels: tuple[str, ...]
    help: str
    read: Read
    by_symbol: bool = True


class Feature(NamedTuple):
    """One feature: the field of FEATURE_SET that is its record, and its metrics."""

    name: str
    metrics: tuple[FeatureMetric, ...]


def total(column: np.ndarray) -> int:
    """Return an exact sum of integers, beyond 64 bits too."""
    return sum(column.ravel().tolist())
