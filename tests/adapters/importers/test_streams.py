"""Forms of files: what is harmless is taken, what is cut is told and salvaged on request, what is foreign is named."""

import gzip
import re
import struct

import pytest
import zstandard

from mmfold.adapters.importers import streams
from mmfold.adapters.importers.outcome import ImportFailedError
from mmfold.engine.codes import EventKind
from tests.adapters.importers.test_run import GOOD, left_over, rows_of, run

BOM = b"\xef\xbb\xbf"
SKIPPED_FRAME = struct.pack("<II", 0x184D2A5F, 5) + b"index"
ZSTD = zstandard.ZstdCompressor().compress
FORMS = {
    "byte order mark": BOM + GOOD,
    "byte order mark in gzip": gzip.compress(BOM + GOOD),
    "byte order mark between files that were joined": GOOD[:-1] + b"\n" + BOM + GOOD,
    "gzip with zeros behind": gzip.compress(GOOD) + bytes(1_000),
    "gzip with zeros between members": gzip.compress(GOOD) + bytes(100) + gzip.compress(GOOD),
    "zstd with zeros behind": ZSTD(GOOD) + bytes(7),
    "zstd with a frame to skip before": SKIPPED_FRAME + ZSTD(GOOD),
    "zstd with frames to skip between and behind": ZSTD(GOOD) + SKIPPED_FRAME + ZSTD(GOOD) + SKIPPED_FRAME,
}


def cuts(result):
    return [note for note in result.notes if "cut short" in note]


@pytest.mark.parametrize("read_bytes", [1, 7, 1 << 17])
@pytest.mark.parametrize("form", FORMS)
def test_harmless_forms_are_taken(tmp_path, monkeypatch, form, read_bytes):
    monkeypatch.setattr(streams, "READ_BYTES", read_bytes)
    result = run(tmp_path, FORMS[form])
    assert (result.rows % 4, result.rejected, cuts(result)) == (0, 0, []) and result.rows >= 4
    rows = rows_of(tmp_path)
    assert rows[rows["kind"] != EventKind.MANIFEST]["ts_receive_ns"][:4].tolist() == [100, 101, 102, 103]


def line_ends(text):
    """Return where lines of a text that is repeated end."""
    return [at + 1 for at, byte in enumerate(text) if byte == 10 and at + 1 < len(text)] + [0]


LONG = GOOD * 400
WORDS = (r"after ([0-9,]+) bytes of text", r"its last line, ([0-9,]+) bytes")
CUT = [
    (gzip.compress(LONG)[:-9], 1),
    (gzip.compress(LONG)[: len(gzip.compress(LONG)) // 2], 1),
    (gzip.compress(GOOD) + gzip.compress(LONG)[:300], 4),
    (ZSTD(GOOD) + ZSTD(LONG)[:-3], 4),
]


@pytest.mark.parametrize(("data", "rows_min"), CUT)
def test_a_cut_file_is_told_and_salvaged_on_request(tmp_path, data, rows_min):
    with pytest.raises(ImportFailedError, match="in0: cut short at byte") as caught:
        run(tmp_path, data)
    assert "--salvage" in caught.value.hint and left_over(tmp_path) == []
    result = run(tmp_path, data, salvage=True)
    assert result.rejected == 0 and rows_min <= result.rows <= 4 * 401
    (note,) = cuts(result)
    assert f"in0: cut short at byte {len(data):,}, after" in note and "what stands before is taken" in note
    text_bytes, left_bytes = (int((re.search(words, note) or [0, "0"])[1].replace(",", "")) for words in WORDS)
    assert (text_bytes - left_bytes) % len(GOOD) in line_ends(GOOD), "told is what is left out, to the byte"


def test_what_was_salvaged_ends_with_a_whole_line(tmp_path):
    raw = gzip.compress(LONG, mtime=0)
    for cut in range(60, len(raw), 41):
        try:
            result = run(tmp_path, raw[:cut], salvage=True, force=True)
        except ImportFailedError as error:
            assert "cut short" in str(error)  # before the end of the first line
            continue
        assert result.rejected == 0
        text_bytes = int(cuts(result)[0].split("after ")[1].split(" bytes")[0].replace(",", ""))
        assert result.rows == LONG[:text_bytes].count(b"\n")


def test_salvage_takes_no_damaged_file(tmp_path):
    raw = bytearray(gzip.compress(LONG, mtime=0))
    raw[-6] ^= 1  # its checksum
    with pytest.raises(ImportFailedError, match="damaged") as caught:
        run(tmp_path, bytes(raw), salvage=True)
    assert "--salvage" not in caught.value.hint and left_over(tmp_path) == []


FOREIGN = [
    (b"PK\x03\x04\x14\x00a.csv", "a zip archive", "unpack it"),
    (b"time,side,price,size\n1,buy,2,3\n", "separated values", "what a venue sent"),
    (BOM + b"time;side;price\r\n1;buy;2\r\n", "separated values", "what a venue sent"),
    (b"1741046401272,0.2312,2619.4,1,True\n", "separated values", "what a venue sent"),
    (gzip.compress(b"a\tb\tc\n1\t2\t3\n", mtime=0), "separated values", "what a venue sent"),
    (GOOD.decode().encode("utf-16"), "UTF-16 text", "iconv"),
    (b"BZh91AY&SY", "a bzip2 file", "bzip2 -d"),
    (b"\xfd7zXZ\x00\x00", "an xz file", "xz -d"),
    (b"PAR1\x15\x04", "a Parquet file", "what a venue sent"),
]


@pytest.mark.parametrize(("data", "what", "hint"), FOREIGN)
def test_a_foreign_file_is_named(tmp_path, data, what, hint):
    with pytest.raises(ImportFailedError, match=f"in0: {what}") as caught:
        run(tmp_path, data)
    assert hint in caught.value.hint and left_over(tmp_path) == []


def test_an_address_with_commas_is_no_csv(tmp_path):
    address = b"wss://fstream.example/stream?streams=a@depth,b@depth,c@depth <-> 1.5\n"
    line = b"1.6: " + GOOD.split(b"\n")[0].partition(b" ")[2] + b"\n"
    assert run(tmp_path, address + line).rows == 1
