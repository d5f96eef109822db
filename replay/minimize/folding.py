"""A second core beside the one that is looked at, here or in another build; must import little of mm: other builds run
this file as it is.

As a program (`PYTHON -P folding.py`) it folds what comes on its standard input and answers on its output, until the
input ends. Frames, little-endian: a request is a letter and a size, an answer a status (0 done, 1 refused: a text) and
a size; then so many bytes.

M  manifest, as in its event    a new core
F  EVENT rows, whole events     answer: count, then (row after the event, number of effects) and the effects of each;
                                a row and a text where the core raised, -1 and none where it did not
D  nothing                      answer: configuration and checkpoint, of this build alone
L  such an answer               the core behind it
"""

import json
import os
import signal
import struct
from traceback import walk_tb
from typing import Any, NamedTuple

import numpy as np

from mmfold.engine.core import Core
from mmfold.engine.manifest import Manifest, parse_manifest
from mmfold.engine.records import EVENT

REQUEST, ANSWER = struct.Struct("<cI"), struct.Struct("<BI")
COUNT, PART, RAISED = struct.Struct("<I"), struct.Struct("<II"), struct.Struct("<iI")
FRAME_BYTES_MAX = 1 << 28
DONE, REFUSED = 0, 1


class Fed(NamedTuple):
    """What some rows led to.

    Shape: decided holds the row after each deciding event and its effects; raised_at is the row that the event at which
    the core raised begins at, -1 where it did not, raised names the error.
    """

    decided: list[tuple[int, np.ndarray]]
    raised_at: int = -1
    raised: str = ""


def place_of(error: BaseException) -> str:
    """Return where the core raised: type, file, function and line of the innermost frame that is its own."""
    cause = error.__cause__ if error.__cause__ is not None else error
    found = ""
    for frame, line in walk_tb(cause.__traceback__):
        name = frame.f_code.co_filename.replace("\\", "/")
        if "/engine/" in name:
            found = f"{name.rpartition('/')[2]}:{frame.f_code.co_name}:{line}"
    return f"{type(error).__name__}:{found}" if found else type(error).__name__


class Folder:
    """A core that compares nothing and tells what each event decided; `override` is laid over each CONFIG."""

    def __init__(self, manifest: Manifest, override: dict[str, Any] | None = None) -> None:
        self.decided: list[np.ndarray] = []
        self.core = Core(manifest, self.decided.append, override=override)
        self.core.compares = False

    def feed(self, rows: np.ndarray) -> Fed:
        """Fold whole events, up to one at which the core raises."""
        found: list[tuple[int, np.ndarray]] = []
        start = 0
        while start < len(rows):
            try:
                start = self.core.advance(rows, start)
                self.core.drain()
            except Exception as error:  # whatever the core raises is what it decided
                return Fed(found, int(self.core.out["event_row_index"][0]), place_of(error))
            if self.decided:
                found.append((start, np.frombuffer(b"".join(part.tobytes() for part in self.decided), EVENT)))
                self.decided.clear()
        return Fed(found)

    def dump(self) -> bytes:
        """Return where the core stands."""
        document = json.dumps(self.core.document).encode()
        return COUNT.pack(len(document)) + document + self.core.dump()

    def load(self, data: bytes) -> None:
        """Go on from where a core of the same build stood."""
        (size,) = COUNT.unpack_from(data)
        self.core.load(data[COUNT.size + size :])
        self.core.document = json.loads(data[COUNT.size : COUNT.size + size])


def pack_fed(fed: Fed) -> bytes:
    """Return the answer to F."""
    parts = [COUNT.pack(len(fed.decided))]
    for end, effects in fed.decided:
        parts += (PART.pack(end, len(effects)), effects.tobytes())
    told = fed.raised.encode()
    return b"".join((*parts, RAISED.pack(fed.raised_at, len(told)), told))


def unpack_fed(data: bytes) -> Fed:
    """Return what an answer to F says.

    Raises: struct.error, ValueError where it is none.
    """
    (count,), at = COUNT.unpack_from(data), COUNT.size
    decided = []
    for _ in range(count):
        end, size = PART.unpack_from(data, at)
        at += PART.size
        decided.append((end, np.frombuffer(data, EVENT, size, at)))
        at += size * EVENT.itemsize
    raised_at, size = RAISED.unpack_from(data, at)
    told = data[at + RAISED.size :]
    if len(told) != size:
        raise ValueError(f"{len(told):,} bytes at the end, {size:,} told")
    return Fed(decided, raised_at, told.decode())


def answer(folders: list[Folder], letter: bytes, body: bytes) -> bytes:
    """Carry out one request; the core is the only one of `folders`."""
    if letter == b"M":
        folders[:] = [Folder(parse_manifest(body))]
        return b""
    folder = folders[0]
    if letter == b"F":
        return pack_fed(folder.feed(np.frombuffer(body, EVENT)))
    if letter == b"D":
        return folder.dump()
    assert letter == b"L", letter
    folder.load(body)
    return b""


def main() -> None:
    """Answer requests until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who asks decides when it is over
    coming, going = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what is printed is no answer
    folders: list[Folder] = []
    while len(head := coming.read(REQUEST.size)) == REQUEST.size:
        letter, size = REQUEST.unpack(head)
        try:
            status, body = DONE, answer(folders, letter, coming.read(size))
        except Exception as error:  # told to who asks
            status, body = REFUSED, f"{type(error).__name__}: {error}".encode()
        if len(body) > FRAME_BYTES_MAX:
            status, body = REFUSED, f"an answer of {len(body):,} bytes".encode()
        going.write(ANSWER.pack(status, len(body)) + body)
        going.flush()


if __name__ == "__main__":
    main()
