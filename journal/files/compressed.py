"""The text of files, plain, .gz or .zst by their name.

Must never take a cut stream for its end.
"""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import zstandard

from mmfold.journal.files.unpack import DAMAGED, GZIP_WINDOW, GzipUnpacker, Unpacker, ZstdUnpacker, damage_text
from mmfold.journal.jsonl.decimals import FieldError

PIECE_BYTES = 1 << 20
PACKED_PIECE_BYTES = 1 << 16
ZSTD_LEVEL = 3


class PackedWriter:
    """Writes text to a file, packed as a name says."""

    def __init__(self, file: IO[bytes], suffix: str) -> None:
        self._file = file
        self._packer: Any = None
        if suffix == ".gz":  # its header's time stays zero: the same events, the same bytes
            self._packer = zlib.compressobj(wbits=GZIP_WINDOW)
        elif suffix == ".zst":
            self._packer = zstandard.ZstdCompressor(level=ZSTD_LEVEL).compressobj()

    def write(self, text: bytes) -> None:
        """Add text."""
        self._file.write(self._packer.compress(text) if self._packer else text)

    def finish(self) -> None:
        """Write what the packer still holds; the file stays open."""
        if self._packer:
            self._file.write(self._packer.flush())


def read_pieces(path: Path) -> Iterator[bytes]:
    """Return the text of a file in pieces.

    Raises: FieldError where packed data is damaged or ends early, after all the text before it; OSError.
    """
    with open(path, "rb") as file:
        if path.suffix in (".gz", ".zst"):
            yield from _unpack(file, path.suffix)
        else:
            while piece := file.read(PIECE_BYTES):
                yield piece


def _unpack(file: IO[bytes], suffix: str) -> Iterator[bytes]:
    """Return the text of a packed file, which may have several members."""
    unpacker: Unpacker | None = None
    while piece := file.read(PACKED_PIECE_BYTES):
        while piece:
            if unpacker is None:
                unpacker = GzipUnpacker() if suffix == ".gz" else ZstdUnpacker()
            try:
                yield from unpacker.pieces(piece)
            except DAMAGED as error:
                hint = "unpack it with its own tool to see what is left of it"
                raise FieldError(f"the {suffix} data is damaged: {damage_text(error)}", hint) from error
            piece = unpacker.unused_data if unpacker.eof else b""
            if unpacker.eof:
                unpacker = None
    if unpacker is not None:
        raise FieldError(f"the {suffix} data ends early: the file was cut", "copy it again from its source")
