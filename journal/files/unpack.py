"""gzip and zstd in bounded pieces, whatever they expand to: must never return more at once than PIECE_BYTES_MAX.

zlib takes a bound. zstandard's object does not, and a block of four bytes may stand for 128 KiB, the most that one may
hold: it is given one block at a time. A window larger than WINDOW_BYTES_MAX is refused, as zstd itself does.
"""

import zlib
from collections.abc import Iterator
from typing import Protocol

import zstandard

PIECE_BYTES_MAX = 1 << 18
WINDOW_BYTES_MAX = 1 << 27
GZIP_WINDOW = 31  # zlib: 15 bits and a gzip header
DAMAGED = (zlib.error, zstandard.ZstdError)

# Source: RFC 8878, 3.1.1 and 3.1.2.
SKIPPABLE_HEAD = b"\x2a\x4d\x18"  # behind a byte of 0x50 to 0x5f
MAGIC_BYTES, START_BYTES, SKIPPED_BYTES, BLOCK_BYTES, CHECKSUM_BYTES = 4, 5, 8, 3, 4
DICTIONARY_BYTES = (0, 1, 2, 4)
CONTENT_SIZE_BYTES = (0, 2, 4, 8)
RLE = 1


class Unpacker(Protocol):
    """One member of a packed file: a gzip member, a zstd frame."""

    unused_data: bytes  # what follows the end of the member

    @property
    def eof(self) -> bool:
        """Whether the member has ended."""

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Yield what some more input unpacks to; all of it is to be taken.

        Raises: one of DAMAGED.
        """


class GzipUnpacker:
    """One gzip member."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(GZIP_WINDOW)
        self.unused_data = b""

    @property
    def eof(self) -> bool:
        """Whether the member has ended."""
        return self._inner.eof

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Yield what some more input unpacks to.

        Raises: zlib.error.
        """
        is_full = True
        while (data or is_full) and not self._inner.eof:
            text = self._inner.decompress(data, PIECE_BYTES_MAX)
            data, is_full = self._inner.unconsumed_tail, len(text) == PIECE_BYTES_MAX
            if text:
                yield text
        self.unused_data = self._inner.unused_data


class ZstdUnpacker:
    """One zstd frame, or one to be skipped."""

    def __init__(self) -> None:
        self._inner = zstandard.ZstdDecompressor(max_window_size=WINDOW_BYTES_MAX).decompressobj()
        self._head = b""  # of the frame or the block that is being read
        self._head_bytes = START_BYTES
        self._left_bytes = 0  # of what the last head told
        self._in_frame = self._has_checksum = False
        self.unused_data = b""

    @property
    def eof(self) -> bool:
        """Whether the frame has ended."""
        return bool(self._inner.eof)

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Yield what some more input unpacks to.

        Raises: zstandard.ZstdError.
        """
        at = 0
        while at < len(data) and not self.eof:
            part = self.next_part(data, at)
            at += len(part)
            text = self._inner.decompress(part)
            if text:
                yield text
        if self.eof:
            self.unused_data = self._inner.unused_data + data[at:]

    def next_part(self, data: bytes, at: int) -> bytes:
        """Return what may be unpacked at once: a head, or a block's content, as far as it is there."""
        if self._left_bytes:
            part = data[at : at + self._left_bytes]
            self._left_bytes -= len(part)
            return part
        part = data[at : at + self._head_bytes - len(self._head)]
        self._head += part
        if len(self._head) == self._head_bytes:
            self.read_head()
        return part

    def read_head(self) -> None:
        """Note how far it is to the next head; what is no zstd is told by the decompressor."""
        head = self._head
        if self._in_frame:
            value = int.from_bytes(head, "little")
            is_last, kind, size = value & 1, value >> 1 & 3, value >> 3
            self._left_bytes = (1 if kind == RLE else size) + (CHECKSUM_BYTES if is_last and self._has_checksum else 0)
        elif head[1:MAGIC_BYTES] == SKIPPABLE_HEAD:
            if len(head) < SKIPPED_BYTES:
                self._head_bytes = SKIPPED_BYTES
                return
            self._left_bytes = int.from_bytes(head[MAGIC_BYTES:], "little")
        else:
            flags = head[MAGIC_BYTES]
            is_single = flags >> 5 & 1
            content = CONTENT_SIZE_BYTES[flags >> 6] or is_single
            self._left_bytes = (1 - is_single) + DICTIONARY_BYTES[flags & 3] + content
            self._in_frame, self._has_checksum = True, bool(flags >> 2 & 1)
        self._head, self._head_bytes = b"", BLOCK_BYTES


def damage_text(error: BaseException) -> str:
    """Return what a decompressor says, and of a window that is too large what to do."""
    if "memory" in str(error):
        return f"its window is larger than {WINDOW_BYTES_MAX >> 20} MiB, unpack it with zstd -d --long=31"
    return str(error)
