"""Another build of mm in a process of its own, kept open: it folds the rows that it is given; must never unpickle.

One process per thread that asks. It ends with this one, whose end closes its input.
"""

import os
import select
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np

from mmfold.engine.codes import Flag
from mmfold.engine.manifest import Manifest, encode_manifest
from mmfold.replay.minimize import folding
from mmfold.replay.minimize.failure import MinimizeError
from mmfold.replay.minimize.folding import ANSWER, DONE, FRAME_BYTES_MAX, REQUEST, Fed, unpack_fed

ANSWER_SECONDS_MAX = 600  # the first one compiles the other build's kernels
READ_BYTES = 1 << 20
FEED_ROW_COUNT = 1 << 18  # of one request, and the event that they end in
TOLD_CHARS_MAX = 300
HINT = "give the Python of an environment that mm is installed in, as in digest_differs: build old/.venv/bin/python"


class Process:
    """The other build's process, and which core it holds."""

    def __init__(self, words: tuple[str, ...]) -> None:
        self.words = words
        self.holder: object | None = None
        self.told: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        try:
            self.process = subprocess.Popen(
                [*words, "-P", str(Path(folding.__file__).resolve())],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.told,
            )  # fmt: skip
        except OSError as error:
            raise MinimizeError(f"{words[0]}: {error.strerror}", HINT) from None

    def ask(self, letter: bytes, body: bytes = b"") -> bytes:
        """Return the answer to one request.

        Raises: MinimizeError.
        """
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(REQUEST.pack(letter, len(body)) + body)
            self.process.stdin.flush()
        except BrokenPipeError:
            raise self.fault() from None
        status, size = ANSWER.unpack(self.read(ANSWER.size))
        if size > FRAME_BYTES_MAX:
            raise MinimizeError(f"{self.words[0]} answers with {size:,} bytes, {FRAME_BYTES_MAX:,} at most", HINT)
        found = self.read(size)
        if status != DONE:
            raise MinimizeError(f"{self.words[0]} refuses: {found.decode(errors='replace')[:TOLD_CHARS_MAX]}", HINT)
        return found

    def read(self, size: int) -> bytes:
        """Return so many bytes of the answer.

        Raises: MinimizeError.
        """
        assert self.process.stdout is not None
        number, deadline_s = self.process.stdout.fileno(), time.monotonic() + ANSWER_SECONDS_MAX
        parts, left = [], size
        while left:
            if not select.select([number], [], [], max(0.0, deadline_s - time.monotonic()))[0]:
                self.process.kill()
                raise MinimizeError(f"{self.words[0]} did not answer within {ANSWER_SECONDS_MAX} s", HINT)
            part = os.read(number, min(left, READ_BYTES))
            if not part:
                raise self.fault()
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    def fault(self) -> MinimizeError:
        """Return what its end is told as: its exit code and the last line that it printed."""
        code = self.process.wait(ANSWER_SECONDS_MAX)
        self.told.seek(0)
        lines = self.told.read().decode(errors="replace").strip().splitlines() or ["it said nothing"]
        return MinimizeError(f"{self.words[0]} ended with exit code {code}: {lines[-1][:TOLD_CHARS_MAX]}", HINT)

    def close(self) -> None:
        """End the process."""
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
        self.process.wait(ANSWER_SECONDS_MAX)
        self.told.close()


@dataclass
class OtherBuild:
    """Another build, by the words that start its Python."""

    words: tuple[str, ...]
    local: threading.local = field(default_factory=threading.local)
    processes: list[Process] = field(default_factory=list)

    def process(self) -> Process:
        """Return this thread's process."""
        found = getattr(self.local, "process", None)
        if found is None:
            found = self.local.process = Process(self.words)
            self.processes.append(found)
        result: Process = found
        return result

    def close(self) -> None:
        """End the processes; another look begins new ones."""
        for process in self.processes:
            process.close()
        self.processes.clear()
        self.local = threading.local()


class FarFolder:
    """One core in the other build; the process holds one at a time, so another one is left where it stood."""

    def __init__(self, build: OtherBuild, manifest: Manifest) -> None:
        self.build, self.manifest = build, manifest
        self.stood: bytes | None = None
        self.is_fed = False

    def held(self) -> Process:
        """Return this thread's process with this core in it."""
        process = self.build.process()
        if process.holder is not self:
            assert not self.is_fed, "the other build holds another core by now"
            process.ask(b"M", encode_manifest(self.manifest))
            if self.stood is not None:
                process.ask(b"L", self.stood)
            process.holder = self
        return process

    def feed(self, rows: np.ndarray) -> Fed:
        """Fold whole events there.

        Raises: MinimizeError.
        """
        process, start, decided = self.held(), 0, []
        self.is_fed = True
        ends = np.flatnonzero(rows["flags"] & Flag.LAST) + 1
        while start < len(rows):
            end = int(ends[min(int(np.searchsorted(ends, start + FEED_ROW_COUNT)), len(ends) - 1)])
            fed = unpack_fed(process.ask(b"F", rows[start:end].tobytes()))
            decided += [(start + place, effects) for place, effects in fed.decided]
            if fed.raised:
                return Fed(decided, start + fed.raised_at, fed.raised)
            start = end
        return Fed(decided)

    def dump(self) -> bytes:
        """Return where the core stands."""
        return self.held().ask(b"D")

    def load(self, data: bytes) -> None:
        """Go on from where such a core stood."""
        self.stood = data
