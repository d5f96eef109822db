"""Segment and frame headers: what is written is read, what is not is a typed error."""

import struct
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from mmfold.journal.errors import Corrupt, JournalError, NotAJournal, TornTail, WrongVersion
from mmfold.journal.log.chain import GENESIS_BASE
from mmfold.journal.log.segment import (
    FRAME,
    SEGMENT_HEADER,
    Mark,
    SegmentHeader,
    encode_frame_header,
    encode_segment_header,
    parse_frame_header,
    parse_segment_header,
    segment_paths,
)

PATH = Path("000001.mmj")
HEADER = SegmentHeader(1, 2048, b"b" * 32, 19_943)
BYTES = encode_segment_header(HEADER)


def with_check(data: bytes) -> bytes:
    return data[:96] + sha256(data[:96]).digest()


def test_segment_header_has_the_documented_bytes() -> None:
    record = np.frombuffer(BYTES, SEGMENT_HEADER)[0]
    assert (record["magic"], record["schema_version"], record["segment_index"]) == (b"MMJRNL\r\n", 1, 1)
    assert (record["seq_first"], record["base"].tobytes(), record["day"]) == (2048, b"b" * 32, 19_943)
    assert record["check"].tobytes() == sha256(BYTES[:96]).digest() and not record["reserved"].any()
    assert parse_segment_header(BYTES, PATH) == HEADER


@pytest.mark.parametrize(
    ("data", "error", "says"),
    [
        (b"PK\3\4" + BYTES[4:], NotAJournal, "expected a segment"),
        (b"{}", NotAJournal, "expected a segment"),
        (BYTES[:127], TornTail, "expected a header of 128 bytes, found 127"),
        (BYTES[:3], TornTail, "found 3"),
        (
            with_check(BYTES[:8] + struct.pack("<I", 2) + BYTES[12:]),
            WrongVersion,
            "found that of another build, 2",
        ),
        (
            BYTES[:8] + struct.pack("<I", 9) + BYTES[12:],
            WrongVersion,
            "another build, 9 (the header's check fails as well)",
        ),
        (BYTES[:40] + b"x" + BYTES[41:], Corrupt, "header's check"),
        (BYTES[:100] + b"\0" + BYTES[101:], Corrupt, "header's check"),
        (with_check(BYTES[:16] + struct.pack("<q", 5) + BYTES[24:]), Corrupt, "block boundary, found seq 5"),
        (encode_segment_header(SegmentHeader(0, 0, b"b" * 32, 1)), Corrupt, "segment 0 to start the chain"),
    ],
)
def test_bad_segment_header_is_a_typed_error(data: bytes, error: type[JournalError], says: str) -> None:
    with pytest.raises(error) as caught:
        parse_segment_header(data, PATH)
    assert says in str(caught.value) and str(caught.value).startswith("000001.mmj") and "\n" not in str(caught.value)


def test_first_segment_header_is_accepted() -> None:
    header = SegmentHeader(0, 0, GENESIS_BASE, 1)
    assert parse_segment_header(encode_segment_header(header), PATH) == header


def test_frame_header_has_the_documented_bytes() -> None:
    data = encode_frame_header(b"d" * 32, 7, 9, 5)
    record = np.frombuffer(data, FRAME)[0]
    assert (record["digest"].tobytes(), record["seq_first"], record["seq_last"]) == (b"d" * 32, 7, 9)
    assert (record["row_count"], record["kind"], record["reserved"].any()) == (5, 255, False)
    assert parse_frame_header(b"--" + data, 2, 128) == Mark(128, 7, 9, 5, b"d" * 32)


def test_flipped_bit_in_a_frame_header_is_seen() -> None:
    data = encode_frame_header(b"d" * 32, 7, 9, 5)
    for place in range(64):
        flipped = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        assert parse_frame_header(flipped, 0, 0) is None, place


@pytest.mark.parametrize(
    ("seq_first", "seq_last", "row_count"), [(7, 6, 1), (7, 9, 2), (0, 0, 0), (0, 0, (1 << 17) + 1)]
)
def test_impossible_counts_are_not_a_frame(seq_first: int, seq_last: int, row_count: int) -> None:
    assert parse_frame_header(encode_frame_header(bytes(32), seq_first, seq_last, row_count), 0, 0) is None


def test_missing_segment_is_named(tmp_path: Path) -> None:
    for name in ("000000.mmj", "000002.mmj", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(Corrupt, match=r"expected segment 000001\.mmj, found 000002\.mmj"):
        segment_paths(tmp_path)
