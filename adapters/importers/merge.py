"""The lines of several files as one stream, in the order of their receive times; must never reorder a file's own lines.

The order: by the greatest receive time that a file has told so far, at equal times the file that begins first. A time
that is ahead of the next line's by more than a jitter is one wrong stamp and counts as the next line's.
A file is opened when the others have come to its first time, so files that follow each other are read one by one.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mmfold.adapters.importers.frames import Sniffed, parse_frame
from mmfold.adapters.importers.outcome import Place, RefusedError
from mmfold.engine.limits import NS_PER_MS
from mmfold.engine.records import NO_TS_NS

JITTER_NS = 500 * NS_PER_MS

Lines = tuple[np.ndarray, np.ndarray]  # position of each line in its buffer, and of the end; receive time, ns, of each
StampLines = Callable[[Sniffed, bytes], Lines]


@dataclass(frozen=True, slots=True)
class Merged:
    """Some lines of the stream, all of one form and told in the same units.

    Shape: one entry of `files`, `numbers` and `bytes` per line: which file, which line of it, at which byte.
    """

    buffer: bytes
    sources: Sequence[Sniffed]
    files: np.ndarray
    numbers: np.ndarray
    bytes: np.ndarray

    @property
    def source(self) -> Sniffed:
        """The file of the first line."""
        return self.sources[int(self.files[0])]

    def source_of(self, index: int) -> Sniffed:
        """Return the file of a line."""
        return self.sources[int(self.files[index])]

    def place(self, index: int) -> Place:
        """Return where a line stands."""
        return Place(self.source_of(index).path, int(self.numbers[index]), int(self.bytes[index]))


class LineFeed:
    """One file's lines that are read and not yet merged: at most one buffer and a line."""

    def __init__(self, file: Sniffed, buffers: Iterator[bytes], stamp_lines: StampLines) -> None:
        self.file = file
        self.buffers = buffers
        self.stamp_lines = stamp_lines
        self.opened = self.ended = False
        self.buffer = b""
        self.starts = np.zeros(1, np.int64)
        self.times_ns = np.zeros(0, np.int64)
        self.seen_ns = file.ts_receive_ns
        self.line, self.byte = 1, 0  # of the buffer's start
        self.taken = 0  # lines of the buffer

    def fill(self) -> bool:
        """Read on where nothing is left; returns False at the end."""
        while self.taken == len(self.times_ns) and not self.ended:
            self.opened = True
            carry = self.buffer[self.starts[self.taken] :]
            following = next(self.buffers, None)
            self.ended = following is None
            self.byte += int(self.starts[self.taken])
            self.line += self.taken
            self.buffer, self.taken = carry + (following or b""), 0
            self.starts, times_ns = self.stamp_lines(self.file, self.buffer)
            self.times_ns = self.running(times_ns)
        return self.taken < len(self.times_ns)

    def running(self, times_ns: np.ndarray) -> np.ndarray:
        """Return each line's place in time; the last line waits for the next buffer, unless there is none."""
        times_ns = times_ns.copy()
        times_ns[:-1] = np.where(times_ns[:-1] - JITTER_NS > times_ns[1:], times_ns[1:], times_ns[:-1])
        if not self.ended:
            times_ns = times_ns[:-1]
        if not len(times_ns):
            return times_ns
        np.maximum.accumulate(np.maximum(times_ns, self.seen_ns), out=times_ns)
        self.seen_ns = int(times_ns[-1])
        return times_ns

    @property
    def last_ns(self) -> int:
        """The time of the last line in hand; of a file that is not opened, of its first."""
        return int(self.times_ns[-1]) if self.opened else self.file.ts_receive_ns

    def take(self, cut_ns: int, side: str) -> tuple[int, int]:
        """Take the lines up to a time, or before it; returns the first and the one after the last."""
        start = self.taken
        end = start + int(np.searchsorted(self.times_ns[start:], cut_ns, side))  # type: ignore[call-overload]
        self.taken = end
        return start, end


def stamp_lines_slowly(file: Sniffed, buffer: bytes) -> Lines:
    """Return where a buffer's lines begin and when they were received; a line without a time has that before it."""
    starts, times_ns = [0], []
    ts_receive_ns = NO_TS_NS
    for line in buffer.split(b"\n")[:-1]:
        with suppress(RefusedError):  # the session refuses it, with its reason
            found_ns = parse_frame(file.form, line.removesuffix(b"\r"), file.units).ts_receive_ns
            ts_receive_ns = found_ns if found_ns != NO_TS_NS else ts_receive_ns
        starts.append(starts[-1] + len(line) + 1)
        times_ns.append(ts_receive_ns)
    return np.array(starts, np.int64), np.array(times_ns, np.int64)


def merge_lines(feeds: Sequence[LineFeed]) -> Iterator[Merged]:
    """Yield the lines of all files in order, as far as what is in hand decides it.

    What comes later in a file is not earlier than its last line in hand, so all before the least of the last lines is
    decided; at that time itself, only what the files up to that one hold.
    """
    sources = [feed.file for feed in feeds]
    while True:
        live = [(index, feed) for index, feed in enumerate(feeds) if not feed.opened or feed.fill()]
        if not live:
            return
        cut_ns = min(feed.last_ns for _, feed in live)
        closed = [feed for _, feed in live if not feed.opened and feed.file.ts_receive_ns <= cut_ns]
        if closed:
            closed[0].fill()
            continue
        spans, side = [], "right"
        for index, feed in live:
            if not feed.opened:
                continue
            is_cut = feed.last_ns == cut_ns
            spans.append((index, feed, *feed.take(cut_ns, side)))
            side = "left" if is_cut else side
        yield from batches(sources, [span for span in spans if span[2] < span[3]])


def batches(sources: Sequence[Sniffed], spans: Sequence[tuple[int, LineFeed, int, int]]) -> Iterator[Merged]:
    """Yield the lines of some spans in order, cut where the form or the units change."""
    if not spans:
        return
    files = np.repeat([index for index, *_ in spans], [end - start for _, _, start, end in spans])
    numbers = np.concatenate([feed.line + np.arange(start, end) for _, feed, start, end in spans])
    starts = np.concatenate([feed.starts[start:end] for _, feed, start, end in spans])
    ends = np.concatenate([feed.starts[start + 1 : end + 1] for _, feed, start, end in spans])
    places = np.concatenate([feed.byte + feed.starts[start:end] for _, feed, start, end in spans])
    if len(spans) == 1:
        _, feed, start, end = spans[0]
        yield Merged(feed.buffer[feed.starts[start] : feed.starts[end]], sources, files, numbers, places)
        return
    times_ns = np.concatenate([feed.times_ns[start:end] for _, feed, start, end in spans])
    order = np.argsort(times_ns, kind="stable")
    files, numbers, starts, ends, places = (column[order] for column in (files, numbers, starts, ends, places))
    buffers = {index: feed.buffer for index, feed, _, _ in spans}
    told_as = [(source.form, source.units) for source in sources]
    kinds = np.array([told_as.index(kind) for kind in told_as])[files]
    cuts = [0, *(np.flatnonzero(np.diff(kinds)) + 1).tolist(), len(files)]
    for first, last in pairwise(cuts):
        one = slice(first, last)
        columns = (column[one].tolist() for column in (files, starts, ends))
        text = b"".join([buffers[file][start:end] for file, start, end in zip(*columns, strict=True)])
        yield Merged(text, sources, files[one], numbers[one], places[one])
