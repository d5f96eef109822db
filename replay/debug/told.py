"""A journal as it is told under a configuration: its inputs, each followed by what this build's core decides on it.

Under its own configuration the journal's decisions are verified and are what is told. Under another one, or other
rules, the core runs free: what the journal holds of decisions is left out. Must never tell a decision of neither.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from mmfold.engine.core import DigestDiffers, WitnessDiffers
from mmfold.engine.records import EVENT
from mmfold.engine.views import is_effect
from mmfold.replay.run import Replay, ReplayOptions, until_rows


class NotItsOwn(Exception):
    """A journal whose decisions or digests are not what its own core makes of its inputs.

    Attributes: cause is the WitnessDiffers or DigestDiffers.
    """

    def __init__(self, path: Path, cause: WitnessDiffers | DigestDiffers) -> None:
        super().__init__(f"{path}: {cause}")
        self.path = path
        self.cause = cause


class Told(Replay):
    """One side of a difference under way; after `told` has ended, `core` is at the journal's end."""

    def __init__(self, path: Path, options: ReplayOptions) -> None:
        super().__init__(path, replace(options, checkpoints=False, sample=False))
        self.is_free = self.override() is not None or not self.core.compares
        if self.is_free:
            self.core.compares, self.comparing = False, None
            self.core.witnessed[0] = 0
        self.parts: list[np.ndarray] = []
        self.decided: list[np.ndarray] = []
        self.writers.append(self.decided.append)

    def told(self) -> Iterator[np.ndarray]:
        """Yield rows, effects behind the input that caused them; whole events, at most to the options' end.

        Raises: NotItsOwn, JournalError, JsonlError, ConfigPayloadError, StrategyRaised, AssertionError.
        """
        try:
            yield from self.folded()
        except (WitnessDiffers, DigestDiffers) as error:
            raise NotItsOwn(self.source.path, error) from error

    def folded(self) -> Iterator[np.ndarray]:
        """Fold chunk by chunk and yield what is told of each."""
        for chunk in self.chunks(None):
            rows, is_cut = until_rows(chunk, self.options) if self.is_cut() else (chunk, False)
            if len(rows):
                self.feed(rows)
                told, self.parts = self.parts, []
                yield from told
            if is_cut:
                self.source.check_end()
                break
        self.decided.clear()
        unwitnessed = self.core.finish()  # decided, and a crash came before they were written
        if unwitnessed:
            yield np.concatenate(self.decided)[-unwitnessed:]

    def fold(self, rows: np.ndarray) -> None:
        """Fold rows and keep what is told of them."""
        if not self.is_free:
            super().fold(rows)
            self.parts.append(rows)
            self.decided.clear()
            return
        inputs = rows[~is_effect(rows["kind"])]
        start, parts = 0, []
        while start < len(inputs):
            end = self.core.advance(inputs, start)
            self.core.drain()
            parts += [inputs[start:end], *self.decided]
            self.decided.clear()
            start = end
        self.parts.append(np.concatenate([np.zeros(0, EVENT), *parts]))
