"""JSONL files of events: writing, reading and checking them; must never hand out an event that it did not verify.

Source: docs/data.md, section 6. One line is `journal/jsonl/lines.py`; a file is lines, plain or compressed (.gz, .zst).
Offsets count bytes of the text, after decompression.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmfold.engine.codes import EventKind, Flag
from mmfold.engine.jit import JIT_ENABLED
from mmfold.engine.limits import PAYLOAD_ROW_BYTES
from mmfold.engine.manifest import Manifest, ManifestError, parse_manifest
from mmfold.engine.records import EVENT, PAYLOAD
from mmfold.journal.files.compressed import PackedWriter, read_pieces
from mmfold.journal.files.work import finished_file
from mmfold.journal.jsonl.decimals import FieldError
from mmfold.journal.jsonl.fields import Scale, scales_of
from mmfold.journal.jsonl.lines import HASH_BYTES, Line, LineEncoder, parse_line, parse_object
from mmfold.journal.jsonl.notes import Awaited, with_whole_notes
from mmfold.journal.jsonl.tables import MARK, new_work
from mmfold.journal.log.chain import Chain
from mmfold.journal.log.upcast import upcast

LINE_BYTES_MAX = 64 << 20
FAST_FROM_BYTES = 1 << 20  # below this the reference is done before the compiled reader is loaded
EDITED_HINT = "the file was changed after it was written; a hand-written file has no prev and hash keys"


class JsonlError(ValueError):
    """A JSONL file that cannot be read; `line` counts from 1, `offset` is the line's first byte."""

    def __init__(self, path: Path | str, line: int, offset: int, message: str, hint: str = "") -> None:
        super().__init__(path, line, offset, message, hint)
        self.path, self.line, self.offset, self.message, self.hint = Path(path), line, offset, message, hint

    def __str__(self) -> str:
        return f"{self.path} line {self.line:,} (byte {self.offset:,}): {self.message}"


class Written(NamedTuple):
    """What a finished file holds."""

    events: int
    rows: int
    head: bytes


def payload_of(rows: np.ndarray) -> bytes:
    """Return the bytes that one event's payload rows carry."""
    used = (len(rows) - 1) * PAYLOAD_ROW_BYTES + int(rows["code"][-1])
    return np.ascontiguousarray(rows).view(PAYLOAD)["payload"].tobytes()[:used]


def write_jsonl(chunks: Iterable[np.ndarray], path: Path | str, sealed: bool = True) -> Written:
    """Write events, the manifest first, so that the file is there whole or not at all.

    Shape:  chunks of whole events, seq from 0.
    Raises: RowError for rows that are not canonical, ManifestError, OSError.
    """
    path = Path(path)
    with finished_file(path) as file:
        out = PackedWriter(file, path.suffix)
        written = _write_lines(chunks, out, sealed)
        out.finish()
    return written


def _write_lines(chunks: Iterable[np.ndarray], out: PackedWriter, sealed: bool) -> Written:
    """Write the lines of all chunks."""
    chain, encoder = Chain(), None
    event_count = row_count = 0
    for rows in with_whole_notes(chunks):
        if not len(rows):
            continue
        if encoder is None:
            encoder = LineEncoder(first_manifest(rows))
        prev = chain.head
        hashes = chain.event_hashes(rows)
        out.write(encoder.encode(rows, hashes if sealed else None, prev))
        event_count, row_count = event_count + len(hashes), row_count + len(rows)
    if encoder is None:
        raise ManifestError("no events: a journal starts with its MANIFEST")
    return Written(event_count, row_count, chain.head)


def first_manifest(rows: np.ndarray) -> Manifest:
    """Return the manifest that a journal's first chunk starts with.

    Raises: ManifestError when the first event is another.
    """
    if rows["kind"][0] != EventKind.MANIFEST or rows["seq"][0] != 0:
        raise ManifestError("the first event is not a MANIFEST with seq 0")
    end = int(np.argmax((rows["flags"] & Flag.LAST) != 0)) + 1
    return parse_manifest(payload_of(rows[:end]))


class JsonlReader:
    """Reads a JSONL file of events once, from its start, verifying every line of a sealed one.

    Opening reads the first line, the manifest. `events`, `rows` and `head` are final once `chunks` has ended.
    Raises: JsonlError for bad content, OSError for a file that cannot be opened.
    """

    def __init__(self, path: Path | str, fast_from_bytes: int = FAST_FROM_BYTES) -> None:
        self.path = Path(path)
        self.events = 0
        self.rows = 0
        self._chain = Chain()
        self._awaited = Awaited()  # of a note
        self._fast_from_bytes = fast_from_bytes
        self._size_bytes = self.path.stat().st_size
        self._bytes_read = 0  # of the blocks that were read
        self._blocks = self._read_blocks()
        self._first = self._next_block()
        self.sealed = False
        self.manifest = self._read_manifest()
        self._symbols = self.manifest.symbol_index()

    @property
    def head(self) -> bytes:
        """The chain's head behind the events handed out so far."""
        return self._chain.head

    def chunks(self, row_count: int = 65536) -> Iterator[np.ndarray]:
        """Return the events as rows, about so many at a time, whole events only.

        Raises: JsonlError at the first line that is wrong; what came before it was verified.
        """
        taken = _Taken(row_count)
        fast: _FastLines | None = None
        block, offset = self._first, 0
        while block:
            if fast is None and JIT_ENABLED and max(self._size_bytes, self._bytes_read) >= self._fast_from_bytes:
                fast = _FastLines(self._scales, self.sealed)
            at = 0
            while at < len(block):
                has_room = taken.line < len(taken.marks)
                if has_room and fast is not None and not self._awaited.rest and block.endswith(b"\n"):
                    at, has_room = fast.take(block, at, offset, self.events, taken)
                if has_room and at < len(block):
                    at, has_room = self._take(block, at, offset, taken)
                if not has_room:
                    yield self._verified(taken)
                    taken = _Taken(row_count)
            offset += len(block)
            block = self._next_block(taken)
        if taken.line:
            yield self._verified(taken)

    def _read_manifest(self) -> Manifest:
        """Parse the first line, which says what all others are about."""
        if not self._first:
            raise self._failed(0, "the file is empty", "the first line is the manifest")
        try:
            document = parse_object(self._first.split(b"\n", 1)[0])
            if document.get("kind") != "manifest":
                raise FieldError("the first line is not a manifest", 'it is {"kind":"manifest","payload":{...}}')
            first = parse_line(document, [], {})
            manifest = parse_manifest(payload_of(first.rows))
            self._scales = scales_of(manifest)
        except (AttributeError, TypeError) as error:  # a value of a wrong type inside the payload
            raise self._failed(0, f"manifest: {error}", "symbols and sizes are strings") from error
        except ValueError as error:
            raise self._failed(0, str(error), getattr(error, "hint", "")) from error
        self.sealed = first.hash is not None or first.prev is not None
        return manifest

    def _failed(self, offset: int, message: str, hint: str = "") -> JsonlError:
        """Return an error in the line behind those that were verified."""
        return JsonlError(self.path, self.events + 1, offset, message, hint)

    def _take(self, block: bytes, at: int, offset: int, taken: "_Taken") -> tuple[int, bool]:
        """Parse one line by the reference; return the next line's place and whether there was room for this one."""
        end = block.find(b"\n", at) + 1 or len(block)
        try:
            line = parse_line(parse_object(block[at:end]), self._scales, self._symbols)
            self._check_line(line, self.events + taken.line)
            self._awaited.check(line.rows)
        except FieldError as error:
            self._verified(taken)
            cut = "" if block[end - 1 : end] == b"\n" else "the file ends inside a line: "
            raise self._failed(offset + at, f"{cut}{error}", error.hint) from error
        if taken.row + len(line.rows) > len(taken.rows) and taken.line:
            return at, False
        self._awaited.take(line.rows, line.note, self.events + taken.line)
        taken.add(line, self.events, offset + at)
        return end, True

    def _check_line(self, line: Line, seq: int) -> None:
        """Check what a line says about its place in the file."""
        found = [key for key, value in (("prev", line.prev), ("hash", line.hash)) if value is not None]
        if not self.sealed and found:
            raise FieldError(f"{found[0]} in a file whose first line has no prev and hash", "seal all lines or none")
        if self.sealed and len(found) < 2:
            missing = "prev" if line.prev is None else "hash"
            raise FieldError(f'missing key "{missing}" in a sealed file', "seal all lines or none")
        if line.seq is None and self.sealed:
            raise FieldError('missing key "seq" in a sealed file')
        if line.seq is not None and line.seq != seq:
            what = "is there twice or out of order" if line.seq < seq else "leaves a gap"
            raise FieldError(f"seq {line.seq:,} {what}: expected {seq:,}")
        if line.kind == EventKind.MANIFEST and seq:
            raise FieldError("a second manifest", "one file is one journal; only its first line is a manifest")

    def _verified(self, taken: "_Taken") -> np.ndarray:
        """Advance the chain over the taken lines, compare their hashes and return their rows."""
        rows = taken.rows[: taken.row]
        if self.sealed and taken.line:
            prev = self._chain.head
            hashes = np.frombuffer(b"".join((prev, *self._chain.event_hashes(rows))), np.uint8).reshape(-1, HASH_BYTES)
            linked = (hashes[:-1] == taken.marks["prev"][: taken.line]).all(axis=1)
            good = linked & (hashes[1:] == taken.marks["hash"][: taken.line]).all(axis=1)
            if not good.all():
                line = int(np.argmin(good))
                self.events += line
                what = "hash is not that of the event: the line was edited"
                if not linked[line]:
                    what = "prev is not the hash of the line before: a line was edited, removed, inserted or moved"
                raise self._failed(int(taken.marks["offset"][line]), what, EDITED_HINT)
        else:
            self._chain.update(rows)
        self.events += taken.line
        self.rows += taken.row
        return upcast(rows, self.manifest.schema_version)

    def _next_block(self, taken: "_Taken | None" = None) -> bytes:
        """Return more text; where there is none to be had, a wrong line before that place is told first."""
        try:
            return next(self._blocks, b"")
        except FieldError as error:
            if taken is not None:
                self._verified(taken)
            raise self._failed(self._bytes_read, str(error), error.hint) from error

    def _read_blocks(self) -> Iterator[bytes]:
        """Return the text in blocks of whole lines; only the file's last may lack its newline."""
        rest: list[bytes] = []
        rest_bytes = 0
        for piece in read_pieces(self.path):
            cut = piece.rfind(b"\n") + 1
            if cut:
                block = b"".join((*rest, piece[:cut]))
                rest, rest_bytes = [], 0
                self._bytes_read += len(block)
                yield block
            rest.append(piece[cut:])
            rest_bytes += len(piece) - cut
            if rest_bytes > LINE_BYTES_MAX:
                raise FieldError(f"a line of more than {LINE_BYTES_MAX >> 20} MB")
        if rest_bytes:
            yield b"".join(rest)


class _Taken:
    """Lines that were parsed and wait for their hashes to be checked."""

    def __init__(self, row_count: int) -> None:
        self.rows = np.empty(row_count, EVENT)
        self.marks = np.zeros(row_count, MARK)
        self.line = 0
        self.row = 0

    def add(self, line: Line, seq_first: int, offset: int) -> None:
        """Add one line; a first one may be larger than the room."""
        if self.row + len(line.rows) > len(self.rows):
            assert self.line == 0, "the caller looks for room"
            self.rows = np.empty(len(line.rows), EVENT)
        rows = self.rows[self.row : self.row + len(line.rows)]
        rows[:] = line.rows
        rows["seq"] = seq_first + self.line
        if line.prev is not None and line.hash is not None:
            self.marks["prev"][self.line] = np.frombuffer(line.prev, np.uint8)
            self.marks["hash"][self.line] = np.frombuffer(line.hash, np.uint8)
        self.row += len(rows)
        self.marks["offset"][self.line] = offset
        self.line += 1


class _FastLines:
    """The compiled reader and its scratch; loaded only where a file is long enough for it."""

    def __init__(self, scales: list[Scale], sealed: bool) -> None:
        from mmfold.journal.jsonl import kernel as jsonl_kernel

        self._kernel = jsonl_kernel
        self._work = new_work(scales)
        self._sealed = sealed

    def take(self, block: bytes, at: int, offset: int, seq_first: int, taken: _Taken) -> tuple[int, bool]:
        """Parse lines as far as possible; return where it ended and whether the reference may take the next line."""
        self._work["cursor"] = at, taken.line, taken.row, seq_first + taken.line, self._sealed
        buffer = np.frombuffer(block, np.uint8)
        status = self._kernel.parse_lines(buffer, taken.rows, taken.marks, self._work)
        at, line, row = self._work["cursor"][0, :3].tolist()
        taken.marks["offset"][taken.line : line] += offset
        taken.line, taken.row = line, row
        return at, status != self._kernel.NO_ROOM or line == 0
