"""Effects as JSONL, one a line, as `mm journal cat` would show them; must never be read back as a journal."""

from pathlib import Path

import numpy as np

from mmfold.engine.manifest import Manifest
from mmfold.journal.files.outputs import write_file
from mmfold.journal.jsonl.lines import LineEncoder


class EffectsWriter:
    """Collects effect lines and writes the file at the end, whole or not at all."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.encoder = LineEncoder(manifest)
        self.parts: list[bytes] = []

    def __enter__(self) -> "EffectsWriter":
        return self

    def write(self, effect_rows: np.ndarray) -> None:
        """Add effect rows; the effects of several causes need not be consecutive, a line's seq is a witness's place."""
        starts = np.flatnonzero(np.diff(effect_rows["seq"]) != 1) + 1
        for run in np.split(effect_rows, starts):
            self.parts.append(self.encoder.encode(run, None, b""))

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        if kind is None:
            write_file(self.path, b"".join(self.parts))
