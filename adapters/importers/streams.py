"""A capture file as a stream of whole lines, decompressed on the way; must never hold more than a few chunks.

gzip, zstd and plain files are told apart by their first bytes, not by their names. Zeros behind a compressed member are
padding, as gzip has it, and a zstd frame that is to be skipped is. A thread reads and decompresses ahead: zlib and zstd
let the interpreter go meanwhile.
"""

import hashlib
import queue
import re
import threading
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

from mmfold.adapters.importers.outcome import ImportFailedError
from mmfold.journal.files.unpack import DAMAGED, GzipUnpacker, Unpacker, ZstdUnpacker, damage_text

READ_BYTES = 1 << 17
CHUNK_BYTES = 1 << 21
LINE_BYTES_MAX = 1 << 26
AHEAD_COUNT = 4
GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18", re.DOTALL)  # a frame, or one to be skipped
REFETCH = "fetch or copy the file again; nothing was written"
SALVAGE = f"take what could be read with --salvage, or {REFETCH}"

OnBytes = Callable[[bytes], None]
OnCut = Callable[[str], None]  # gets what is told of a file that is cut short, whose lines before the cut are taken
ReadChunks = Callable[[Path, OnBytes, OnCut | None], Iterator[bytes]]


def read_lines(
    path: Path, on_bytes: OnBytes, on_cut: OnCut | None = None, read: ReadChunks | None = None
) -> Iterator[bytes]:
    """Yield buffers of whole lines, each ending with LF; a last line without one gets it, unless the file is cut there.

    `read` is what decompresses the file, `read_chunks` where it is not given.

    Raises: ImportFailedError for a file that cannot be read, is cut short or has a line without end.
    """
    carry: list[bytes] = []
    carry_bytes = 0
    is_cut = False

    def note_cut(what: str) -> None:
        nonlocal is_cut
        is_cut = True
        if on_cut is not None:
            left = f"; its last line, {carry_bytes:,} bytes without an end, is left out" if carry_bytes else ""
            on_cut(f"{what}: what stands before is taken{left}")

    for chunk in (read or read_chunks)(path, on_bytes, None if on_cut is None else note_cut):
        cut = chunk.rfind(b"\n") + 1
        if cut:
            yield b"".join([*carry, chunk[:cut]]) if carry else chunk[:cut]
            carry, carry_bytes = [], 0
        if cut < len(chunk):
            carry.append(chunk[cut:])
            carry_bytes += len(chunk) - cut
        if carry_bytes > LINE_BYTES_MAX:
            raise ImportFailedError(f"{path.name}: a line of more than {LINE_BYTES_MAX:,} bytes")
    if carry and not is_cut:
        yield b"".join([*carry, b"\n"])


def read_chunks(path: Path, on_bytes: OnBytes, on_cut: OnCut | None) -> Iterator[bytes]:
    """Yield the decompressed bytes of a file in chunks, giving the compressed ones to `on_bytes`.

    Raises: ImportFailedError with file and byte offset.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(4)
            file.seek(0)
            blocks = iter(lambda: file.read(READ_BYTES), b"")
            if magic.startswith(GZIP_MAGIC):
                yield from gathered(decompress(path, blocks, (on_bytes, on_cut), GzipUnpacker))
            elif ZSTD_MAGIC.fullmatch(magic):
                yield from gathered(decompress(path, blocks, (on_bytes, on_cut), ZstdUnpacker))
            else:
                for data in iter(lambda: file.read(CHUNK_BYTES), b""):
                    on_bytes(data)
                    yield data
    except OSError as error:
        raise ImportFailedError(f"{path}: {error.strerror or error}") from error


def gathered(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield pieces joined to chunks of about CHUNK_BYTES; what came before an error, or an empty piece, comes first."""
    parts: list[bytes] = []
    size_bytes = 0
    try:
        for piece in pieces:
            parts.append(piece)
            size_bytes += len(piece)
            if size_bytes >= CHUNK_BYTES or (parts and not piece):
                yield b"".join(parts)
                parts, size_bytes = [], 0
    except ImportFailedError:
        if parts:
            yield b"".join(parts)
        raise
    if parts:
        yield b"".join(parts)


def decompress(
    path: Path, blocks: Iterator[bytes], tell: tuple[OnBytes, OnCut | None], new_unpacker: Callable[[], Unpacker]
) -> Iterator[bytes]:
    """Yield what a file of one or more compressed members holds, in bounded pieces.

    Raises: ImportFailedError when it is damaged, or ends within a member and nobody wants what stands before.
    """
    on_bytes, on_cut = tell
    is_first = True
    unpacker: Unpacker | None = None  # none between two members
    read_bytes = text_bytes = 0
    for block in blocks:
        on_bytes(block)
        read_bytes += len(block)
        rest = block
        while rest:
            if unpacker is None and not is_first:
                rest = rest.lstrip(b"\0")  # padding, to a tape's or a sector's block
                if not rest:
                    break
            unpacker, is_first = unpacker or new_unpacker(), False
            try:
                for text in unpacker.pieces(rest):
                    text_bytes += len(text)
                    yield text
            except DAMAGED as error:
                place = f"damaged at or before byte {read_bytes:,}, after {text_bytes:,} bytes of text"
                raise ImportFailedError(f"{path.name}: {place} ({damage_text(error)})", REFETCH) from error
            rest = unpacker.unused_data if unpacker.eof else b""
            unpacker = None if unpacker.eof else unpacker
    if unpacker is not None:
        place = f"cut short at byte {read_bytes:,}, after {text_bytes:,} bytes of text"
        if on_cut is None:
            raise ImportFailedError(f"{path.name}: {place}", SALVAGE)
        yield b""  # what was read is taken first
        on_cut(f"{path.name}: {place}")


def read_ahead(chunks: Iterator[bytes]) -> Generator[bytes, None, None]:
    """Yield the same chunks, produced by a thread a few chunks ahead; its exceptions arrive in their place."""
    ready: queue.Queue[bytes | BaseException | None] = queue.Queue(AHEAD_COUNT)
    stopped = threading.Event()

    def produce() -> None:
        last: BaseException | None = None
        try:
            for chunk in chunks:
                ready.put(chunk)
                if stopped.is_set():
                    return
        except BaseException as error:
            last = error
        ready.put(last)

    thread = threading.Thread(target=produce, name="import-read-ahead", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
        while thread.is_alive():  # a full queue would hold the thread for ever
            try:
                ready.get(timeout=0.01)
            except queue.Empty:
                thread.join(timeout=0.01)


class LinesHash:
    """The hash of the lines of an import in the order in which they are taken, from which its run id is made.

    How the lines were packed, what their files are called and where a file ended is no part of it.
    """

    def __init__(self) -> None:
        self._hasher = hashlib.sha256()

    def update(self, lines: bytes) -> None:
        """Take the next lines."""
        self._hasher.update(lines)

    def hashed(self, buffers: Iterator[bytes]) -> Iterator[bytes]:
        """Yield the same buffers, taken as the next lines."""
        for buffer in buffers:
            self.update(buffer)
            yield buffer

    def run_id(self) -> str:
        """Return `import-` and the first 12 hex digits of the hash."""
        return f"import-{self._hasher.hexdigest()[:12]}"
