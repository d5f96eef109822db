"""The core right after one event of a journal, as the looks into it hand it on; must never be changed."""

from dataclasses import dataclass

import numpy as np

from mmfold.engine.core import Core
from mmfold.engine.manifest import Manifest
from mmfold.engine.state import State
from mmfold.engine.views import is_effect


class NoSuchEvent(Exception):
    """A seq or a time that no event of the journal has; the message says which there are."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.hint = "mm journal info shows the first and the last event"


@dataclass(frozen=True, kw_only=True)
class Moment:
    """The core right after one event.

    Shape: `event` are the rows of the input event, `effects` those of what it decided, whose seqs follow its own.
    """

    manifest: Manifest
    event: np.ndarray
    effects: np.ndarray
    core: Core

    @property
    def seq(self) -> int:
        """The event's seq."""
        return int(self.event[0]["seq"])

    @property
    def state(self) -> State:
        """The state."""
        return self.core.state

    @property
    def ts_ns(self) -> int:
        """The core's clock."""
        return int(self.state.clock[0]["ts_now_ns"])


def input_seqs(rows: np.ndarray) -> np.ndarray:
    """Return the seqs of the input events among rows."""
    found: np.ndarray = rows["seq"][~is_effect(rows["kind"])]
    return found
