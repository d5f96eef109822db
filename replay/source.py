"""Where a replay's events come from: a journal, a segment or JSONL behind one face; must never interpret events."""

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from mmfold.engine.limits import ROW_BYTES
from mmfold.engine.manifest import Manifest
from mmfold.journal.jsonl import JsonlReader
from mmfold.journal.plain_file import open_readable
from mmfold.journal.reader import Journal
from mmfold.journal.segment import SEGMENT_HEADER_BYTES, parse_segment_header

CHUNK_ROW_COUNT = 65_536
JSONL_SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst")


def read_ahead(chunks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield the same chunks, each parsed in a thread while the one before is folded: both kernels release the GIL."""
    with ThreadPoolExecutor(1, "read") as pool:
        future = pool.submit(next, chunks, None)
        while (chunk := future.result()) is not None:
            future = pool.submit(next, chunks, None)
            yield chunk


class EventSource:
    """One readable run of events.

    `head` and `sealed` are known once `chunks` has ended: a broken seal is an error then.
    Raises: JournalError, JsonlError.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_jsonl = path.name.endswith(JSONL_SUFFIXES)
        self.reader: JsonlReader | Journal = JsonlReader(path) if self.is_jsonl else Journal(path)
        self._starts: list[tuple[int, bytes]] | None = None
        self.manifest: Manifest = (
            self.reader.manifest if isinstance(self.reader, JsonlReader) else self.reader.manifest()
        )

    @property
    def sealed(self) -> bool:
        """Whether a seal vouches for the events and their end; of JSONL, whether its lines have hashes."""
        return self.reader.sealed

    @property
    def head(self) -> str:
        """Head of the chain over what was read, hex."""
        return self.reader.head.hex()

    def segment_starts(self) -> list[tuple[int, bytes]]:
        """Return (first seq, chain base) of every segment of a journal directory, in order."""
        if isinstance(self.reader, JsonlReader) or not self.path.is_dir():
            return []
        if self._starts is None:
            self._starts = []
            for path in self.reader.segments:
                with open(open_readable(path), "rb") as file:
                    header = parse_segment_header(file.read(SEGMENT_HEADER_BYTES), path)
                self._starts.append((header.seq_first, header.base))
        return self._starts

    def row_count_estimate(self) -> int | None:
        """Return about how many rows there are, None for JSONL."""
        if isinstance(self.reader, JsonlReader):
            return None
        return sum(path.stat().st_size for path in self.reader.segments) // ROW_BYTES

    def check_end(self) -> None:
        """Compare a journal's seal with its end, for a reader that does not come to it.

        Raises: SealDiffers, TornTail, Corrupt.
        """
        if isinstance(self.reader, Journal):
            self.reader.check_end()

    def unverified_chunks(self) -> Iterator[np.ndarray]:
        """Yield the events for a first look, without a check of the chain; `chunks` verifies them later."""
        return (JsonlReader(self.path) if self.is_jsonl else Journal(self.path)).chunks(CHUNK_ROW_COUNT)

    def chunks(
        self, seq_from: int = 0, base: bytes | None = None, pool: Executor | None = None
    ) -> Iterator[np.ndarray]:
        """Yield whole events, each verified against the chain before it is handed out, in `pool` if there is one."""
        if isinstance(self.reader, JsonlReader):
            yield from read_ahead(self.reader.chunks(CHUNK_ROW_COUNT))
        else:
            yield from self.reader.verified_chunks(CHUNK_ROW_COUNT, seq_from, base, pool)
