"""The policy seam: what a policy is given and what it may answer; must never hand out state that can be written.

A policy is one file: settings, memory, and pure functions of them and a view. It never touches an order.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from mmfold.engine.codes import AdjustOp, EventKind, Reason
from mmfold.engine.manifest import Manifest
from mmfold.engine.state import State


class Adjust(NamedTuple):
    """What a policy makes of one PARAM of a symbol for as long as it says so; `value` of SCALE_PPM is in millionths."""

    symbol: str
    param: str
    op: AdjustOp
    value: int | float
    reason: Reason


class Freeze(NamedTuple):
    """A symbol that is not to be quoted until this policy, or the operator, says otherwise."""

    symbol: str
    reason: Reason


class Unfreeze(NamedTuple):
    """The end of this policy's freeze; one of another policy, or of the operator, stays."""

    symbol: str
    reason: Reason


class Alert(NamedTuple):
    """Something that a person should know; `detail` is a number of 32 bits, at least 0."""

    symbol: str
    detail: int


class Wake(NamedTuple):
    """Run me before I am due as well: at the first TIMER after `count` more events of a kind."""

    kind: EventKind
    count: int


class Note(NamedTuple):
    """What a policy has to say for the record: at most one a run, told as effects of kind NOTE, kept by nothing else.

    `topic` is one lower-case word of at most 32 letters; `document` is plain JSON (objects with text as keys, arrays,
    numbers, text, true, false, None), at most 8 deep. Both together are at most 4,096 bytes as canonical JSON. It is of
    no instrument: a document names its symbols itself. It holds no text that came from outside, as a COMMAND's words.
    """

    topic: str
    document: Mapping[str, Any]


Answer = Freeze | Unfreeze | Alert | Wake | Note


class View:
    """What a policy sees: read-only columns of the state, a row an instrument, in the order of `symbols`.

    One serves all runs on a state: the columns show it as it is, so a policy keeps none of them.
    """

    def __init__(self, state: State, manifest: Manifest) -> None:
        self._state = state
        self._manifest = manifest

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """The instruments' symbols."""
        return tuple(instrument.symbol for instrument in self._manifest.instruments)

    @property
    def ts_now_ns(self) -> int:
        """The core's clock."""
        return int(self.clock["ts_now_ns"].item(0))

    @cached_property
    def clock(self) -> np.ndarray:
        """(1,) CLOCK."""
        return read_only(self._state.clock)

    @cached_property
    def base(self) -> np.ndarray:
        """(n,) PARAM, as the operator set them."""
        return read_only(self._state.base)

    @cached_property
    def effective(self) -> np.ndarray:
        """(n,) PARAM, as they are in force."""
        return read_only(self._state.params)

    @cached_property
    def books(self) -> np.ndarray:
        """(n,) BOOK."""
        return read_only(self._state.books)

    @cached_property
    def signals(self) -> np.ndarray:
        """(n,) SIGNAL."""
        return read_only(self._state.signals)

    @cached_property
    def quoters(self) -> np.ndarray:
        """(n,) QUOTER."""
        return read_only(self._state.quoters)

    @cached_property
    def orders(self) -> np.ndarray:
        """(n, ORDER_COUNT_MAX) ORDER."""
        return read_only(self._state.orders)

    @cached_property
    def positions(self) -> np.ndarray:
        """(n,) POSITION."""
        return read_only(self._state.positions)

    @cached_property
    def counters(self) -> np.ndarray:
        """(n,) COUNTER."""
        return read_only(self._state.counters)

    @cached_property
    def features(self) -> np.ndarray:
        """(n,) FEATURE_SET."""
        return read_only(self._state.features)


class PolicyMetric(NamedTuple):
    """One metric of a policy's own: a gauge, or a counter when its name ends with _total.

    `value` is a function of settings and memory.
    """

    name: str
    help: str
    value: Callable[[Any, Any], float]


class Policy(NamedTuple):
    """One policy. `decide` and `command` return its memory afterwards and what else it answers; `adjust` says what
    stands of it, from its memory and the base PARAMS alone, so that a new base is followed at once.

    `id` is its number in AUDIT rows, freezes and schedules, from 1 on; it is never given to another one. Settings have
    `enabled` and `interval_s`; what has a default is absent from older journals.
    """

    id: int
    name: str
    settings: type[Any]
    memory: type[Any]
    decide: Callable[[Any, Any, View], tuple[Any, list[Answer]]]
    adjust: Callable[[Any, Any, View], list[Adjust]]
    command: Callable[[Any, Any, Mapping[str, Any], View], tuple[Any, list[Answer]]] | None = None
    metrics: tuple[PolicyMetric, ...] = ()


def read_only(array: np.ndarray) -> np.ndarray:
    """Return a view of an array that cannot be written."""
    view = array.view()
    view.flags.writeable = False
    return view
