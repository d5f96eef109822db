"""`record`: journal market events with the core's decisions, as a shadow session does; never sends."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from mmfold.engine.codes import EventKind
from mmfold.engine.core import Core, config_payload
from mmfold.engine.layout import LAYOUT_ID
from mmfold.engine.manifest import Manifest, encode_manifest
from mmfold.engine.payload import payload_rows
from mmfold.journal.log.writer import Writer


def market_rows(chunks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield the inputs of a journal without its manifest, configuration and witnesses."""
    for rows in chunks:
        keep = (rows["kind"] > EventKind.COMMAND) & (rows["kind"] < EventKind.PLACE)
        yield rows if keep.all() else rows[keep]


class Recorder:
    """Appends inputs and decisions in the commit order: input, step, effects."""

    def __init__(self, writer: Writer, manifest: Manifest, document: dict[str, Any]) -> None:
        self.writer = writer
        self.manifest = manifest.renewed(witnessed=True, layout=LAYOUT_ID)
        self.core = Core(self.manifest, self.keep_effects)
        self.decided: list[np.ndarray] = []
        self.append(payload_rows(EventKind.MANIFEST, writer.seq_next, encode_manifest(self.manifest)))
        self.append(payload_rows(EventKind.CONFIG, writer.seq_next, config_payload(document)))

    def keep_effects(self, effects: np.ndarray) -> None:
        """Take the effects of one event."""
        self.decided.append(effects)

    def append(self, rows: np.ndarray) -> None:
        """Number, fold and journal whole events; their old seqs are given up."""
        rows = rows.copy()
        rows["seq"] = np.cumsum(np.diff(rows["seq"], prepend=rows["seq"][:1]) != 0) + self.writer.seq_next
        start = 0
        while start < len(rows):
            end = self.core.advance(rows, start)
            self.writer.append(rows[start:end])
            self.core.drain()
            for effects in self.decided:
                self.writer.append(effects)
                rows["seq"][end:] += len(effects)
            self.decided.clear()
            start = end

    def finish(self) -> None:
        """End the journal with the digest of the state."""
        self.writer.append(payload_rows(EventKind.DIGEST, self.writer.seq_next, self.core.digest_payload()))
        self.writer.commit()
