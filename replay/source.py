"""Where a replay's events come from: a journal in any form, read ahead of the fold; must never interpret events."""

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from mmfold.journal.files.plain_file import open_readable
from mmfold.journal.formats import CHUNK_ROW_COUNT, Events
from mmfold.journal.log.reader import Journal
from mmfold.journal.log.segment import SEGMENT_HEADER_BYTES, parse_segment_header


def read_ahead(chunks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield the same chunks, each parsed in a thread while the one before is folded: both kernels release the GIL."""
    with ThreadPoolExecutor(1, "read") as pool:
        future = pool.submit(next, chunks, None)
        while (chunk := future.result()) is not None:
            future = pool.submit(next, chunks, None)
            yield chunk


class EventSource(Events):
    """The events of a journal as a replay reads them: from a segment's start on, to its end or not, or only looked at.

    `head` and `sealed` are known once `chunks` has ended: a broken seal is an error then.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._starts: list[tuple[int, bytes]] | None = None

    def segment_starts(self) -> list[tuple[int, bytes]]:
        """Return (first seq, chain base) of every segment of a journal directory, in order."""
        if self._starts is None:
            segments = self.reader.segments if isinstance(self.reader, Journal) and self.path.is_dir() else []
            self._starts = [start_of(path) for path in segments]
        return self._starts

    def check_end(self) -> None:
        """Compare a journal's seal with its end, for a reader that does not come to it.

        Raises: SealDiffers, TornTail, Corrupt.
        """
        if isinstance(self.reader, Journal):
            self.reader.check_end()

    def unverified_chunks(self, seq_from: int = 0) -> Iterator[np.ndarray]:
        """Yield the events for a first look, without a check of the chain; `chunks` verifies them later.

        Of a journal those from `seq_from` on, of another form all.
        """
        if isinstance(self.reader, Journal):
            return Journal(self.reader.path).chunks(CHUNK_ROW_COUNT, seq_from)
        return Events(self.path).chunks()

    def chunks(
        self,
        row_count: int = CHUNK_ROW_COUNT,
        seq_from: int = 0,
        base: bytes | None = None,
        pool: Executor | None = None,
    ) -> Iterator[np.ndarray]:
        """Yield whole events, each verified before it is handed out; Parquet when all is read (`Events.chunks`)."""
        chunks = super().chunks(row_count, seq_from, base, pool)
        return chunks if isinstance(self.reader, Journal) else read_ahead(chunks)


def start_of(path: Path) -> tuple[int, bytes]:
    """Return the first seq of a segment and the chain's base there."""
    with open(open_readable(path), "rb") as file:
        header = parse_segment_header(file.read(SEGMENT_HEADER_BYTES), path)
    return header.seq_first, header.base
