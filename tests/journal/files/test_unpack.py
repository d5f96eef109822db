"""What is packed comes out in bounded pieces, whole and in order, however little input stands for however much."""

import gzip
import io
import random
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from mmfold.journal.files.unpack import DAMAGED, PIECE_BYTES_MAX, GzipUnpacker, Unpacker, ZstdUnpacker

REPO = Path(__file__).resolve().parents[3]
BLOCK_BYTES = 1 << 17
FRAME = b"\x28\xb5\x2f\xfd\x00\x38"  # magic, no content size, a window of 128 KiB
RSS_MB_MAX = 420
MEASURED = """
import re, sys
from pathlib import Path
from mmfold.adapters.cli.main import run
code = run(sys.argv[1:])
print(code, int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""


def zstd_bomb(block_count: int, byte: bytes = b"x") -> bytes:
    """Return a frame of blocks that each say in four bytes: this byte, 131,072 times."""
    block = struct.pack("<I", BLOCK_BYTES << 3 | 1 << 1)[:3] + byte
    return FRAME + block * block_count + struct.pack("<I", 1)[:3]


def gzip_bomb(mebibytes: int, byte: bytes = b"x") -> bytes:
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb") as file:
        for _ in range(mebibytes):
            file.write(byte * (1 << 20))
    return packed.getvalue()


def all_pieces(unpacker: Unpacker, data: bytes, step: int) -> Iterator[bytes]:
    for at in range(0, len(data), step):
        yield from unpacker.pieces(data[at : at + step])


TEXT = random.Random(3).randbytes(400_000) + b"quote " * 200_000
PACKED = {
    "gzip": (gzip.compress(TEXT), GzipUnpacker),
    "zstd": (zstandard.ZstdCompressor().compress(TEXT), ZstdUnpacker),
    "zstd with a checksum": (zstandard.ZstdCompressor(write_checksum=True).compress(TEXT), ZstdUnpacker),
    "zstd without a content size": (zstandard.ZstdCompressor(write_content_size=False).compress(TEXT), ZstdUnpacker),
    "zstd, level 19": (zstandard.ZstdCompressor(level=19).compress(TEXT), ZstdUnpacker),
}


@pytest.mark.parametrize("step", [1 << 22, 1 << 14, 997])
@pytest.mark.parametrize("name", PACKED)
def test_it_is_what_was_packed(name: str, step: int) -> None:
    data, make = PACKED[name]
    unpacker = make()
    pieces = list(all_pieces(unpacker, data, step))
    assert b"".join(pieces) == TEXT and unpacker.eof and unpacker.unused_data == b""
    assert max(map(len, pieces)) <= PIECE_BYTES_MAX


@pytest.mark.parametrize("name", PACKED)
def test_what_follows_is_left_over(name: str) -> None:
    data, make = PACKED[name]
    unpacker = make()
    assert b"".join(unpacker.pieces(data + b"behind")) == TEXT
    assert unpacker.unused_data == b"behind"


@pytest.mark.parametrize("size", [0, 1, 255, 256, 65_791, 65_792])
@pytest.mark.parametrize("step", [1, 1 << 20])
def test_every_form_of_a_frames_head(size: int, step: int) -> None:
    for text in (b"a" * size, random.Random(1).randbytes(size)):
        for checksum in (False, True):
            data = zstandard.ZstdCompressor(write_checksum=checksum).compress(text)
            unpacker = ZstdUnpacker()
            assert b"".join(all_pieces(unpacker, data, step)) == text and unpacker.eof


@pytest.mark.parametrize(
    "unpacker, data, unpacked_bytes",
    [
        (ZstdUnpacker(), zstd_bomb(4_000), 4_000 * BLOCK_BYTES),  # 16 kB for 524 MB
        (GzipUnpacker(), gzip_bomb(200), 200 << 20),
    ],
)
def test_a_bomb_comes_in_pieces(unpacker: Unpacker, data: bytes, unpacked_bytes: int) -> None:
    found = 0
    for piece in unpacker.pieces(data):
        assert len(piece) <= PIECE_BYTES_MAX
        found += len(piece)
    assert found == unpacked_bytes


def test_damage_is_told() -> None:
    for data, make in PACKED.values():
        with pytest.raises(DAMAGED):
            list(make().pieces(data[:300_000] + b"\xff" * 100_000 + data[400_000:]))
    with pytest.raises(DAMAGED):
        list(ZstdUnpacker().pieces(b"not zstd at all, whatever it says"))
    with pytest.raises(DAMAGED, match="memory"):
        list(ZstdUnpacker().pieces(b"\x28\xb5\x2f\xfd\x00\xa8" + zstd_bomb(1)[6:]))  # a window of 2 GiB


@pytest.mark.parametrize(
    "name, data, words, code, said",
    [
        ("line.zst", zstd_bomb(16_000), ("import", "bybit"), 1, "a line of more than 67,108,864 bytes"),
        ("line.gz", gzip_bomb(1_000), ("import", "bybit"), 1, "a line of more than 67,108,864 bytes"),
        ("window.zst", b"\x28\xb5\x2f\xfd\x00\xa8" + zstd_bomb(1)[6:], ("import", "bybit"), 1, "zstd -d --long=31"),
        ("line.jsonl.zst", zstd_bomb(16_000), ("replay", "--events"), 1, "a line of more than 64 MB"),
        ("line.jsonl.gz", gzip_bomb(1_000), ("replay", "--events"), 1, "a line of more than 64 MB"),
        ("lines.zst", zstd_bomb(400, b"\n"), ("import", "bybit"), 1, "the file is empty"),
    ],
)  # fmt: skip
def test_a_command_takes_a_bomb_in_its_stride(
    tmp_path: Path, name: str, data: bytes, words: tuple[str, ...], code: int, said: str
) -> None:
    (tmp_path / name).write_bytes(data)
    out = ("--out", str(tmp_path / "out")) if words[0] == "import" else ()
    command = [sys.executable, "-c", MEASURED, *words, str(tmp_path / name), *out]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False, timeout=110)
    found, rss_mb = map(int, done.stdout.split()[-2:])
    assert found == code and said in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert rss_mb < RSS_MB_MAX, f"{rss_mb} MB"
