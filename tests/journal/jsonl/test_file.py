"""JSONL files: what is written, what is accepted, and each way in which a file can be wrong."""

import gzip
import json
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import zstandard

from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.jit import JIT_ENABLED
from mmfold.engine.manifest import Instrument, Manifest
from mmfold.engine.records import EVENT
from mmfold.journal.jsonl import file as jsonl
from mmfold.journal.jsonl.file import JsonlError, JsonlReader, write_jsonl
from mmfold.journal.jsonl.lines import LineEncoder
from mmfold.journal.log.canonical import RowError
from tests.property.strategies import empty_row, journal_rows, payload_rows

MANIFEST = Manifest(
    run_id="table",
    instruments=(
        Instrument(symbol="BTCUSDT", tick_size="0.10", lot_size="0.001"),
        Instrument(symbol="ETHUSDT", tick_size="0.01", lot_size="0.01"),
    ),
)
SLOW_ONLY, FAST_AT_ONCE = 1 << 60, 0
READERS = [SLOW_ONLY, FAST_AT_ONCE] if JIT_ENABLED else [SLOW_ONLY]


def event(kind: EventKind, *rows: dict[str, int], **shared: int) -> np.ndarray:
    """Return an event's rows from the columns that they use."""
    parts = [empty_row(kind) for _ in rows or ({},)]
    for part, own in zip(parts, rows or ({},), strict=True):
        part["flags"] = 0
        for column, value in (shared | own).items():
            part[column] = value
    parts[-1]["flags"] |= np.uint16(Flag.LAST)
    return np.concatenate(parts)


def level(side: Side, price_ticks: int, qty_lots: int) -> dict[str, int]:
    return {"side": side, "price_ticks": price_ticks, "qty_lots": qty_lots}


BID, ASK = Side.BID, Side.ASK
ROWS = journal_rows(
    MANIFEST,
    [
        payload_rows(EventKind.CONFIG, b'{"BTCUSDT":{"half_spread_bps":2.5}}'),
        event(EventKind.BOOK_SNAPSHOT, level(BID, 617404, 1500), level(ASK, 617405, 20), ts_receive_ns=9, aux=7),
        event(EventKind.BOOK_DELTA, level(ASK, 617405, 0), level(ASK, 617410, 5), aux=8, order_id=7),
        event(EventKind.BBO, level(BID, 200000, 1), level(ASK, 200001, 250), instrument_index=1, aux=3),
        event(EventKind.TRADE, level(ASK, 617404, 3), aux=12345, ts_exchange_ns=1723161257221000000),
        event(EventKind.PLACE, level(BID, 617400, 2), order_id=393216, code=1, flags=int(Flag.POST_ONLY)),
        event(EventKind.BALANCE, aux=-1_500_000),
        payload_rows(EventKind.DIGEST, bytes(range(32))),
    ],
)
# The bytes of docs/data.md, section 6, by hand.
LINES = [
    b'{"kind":"config","payload":{"BTCUSDT":{"half_spread_bps":2.5}},"seq":1}',
    b'{"asks":[["61740.5","0.02"]],"bids":[["61740.4","1.5"]],"kind":"book_snapshot","seq":2,"symbol":"BTCUSDT",'
    b'"ts_receive_ns":9,"venue_seq":7}',
    b'{"asks":[["61740.5","0"],["61741","0.005"]],"bids":[],"kind":"book_delta","seq":3,"symbol":"BTCUSDT",'
    b'"venue_seq":8,"venue_seq_prev":7}',
    b'{"ask":["2000.01","2.5"],"bid":["2000","0.01"],"kind":"bbo","seq":4,"symbol":"ETHUSDT","venue_seq":3}',
    b'{"kind":"trade","price":"61740.4","qty":"0.003","seq":5,"side":"sell","symbol":"BTCUSDT","trade_number":12345,'
    b'"ts_exchange_ns":1723161257221000000}',
    b'{"kind":"place","order_id":393216,"post_only":true,"price":"61740","qty":"0.002","reason":"quote","seq":6,'
    b'"side":"buy","symbol":"BTCUSDT"}',
    b'{"cash":"-1.5","kind":"balance","seq":7}',
    b'{"kind":"digest","payload_hex":"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f","seq":8}',
]


def sealed_text() -> bytes:
    """Return the sealed lines, their hashes by the rule of docs/data.md, section 3, in its shortest form."""
    prev = sha256(b"mm/chain/1").digest()
    hasher = sha256(prev)
    hashes = []
    for seq in range(int(ROWS["seq"][-1]) + 1):
        hasher.update(ROWS[ROWS["seq"] == seq].tobytes())
        hashes.append(hasher.digest())
    return LineEncoder(MANIFEST).encode(ROWS, hashes, prev)


UNSEALED = LineEncoder(MANIFEST).encode(ROWS, None, b"")
SEALED = sealed_text()


def read(path: Path, fast_from_bytes: int = SLOW_ONLY, row_count: int = 65536) -> np.ndarray:
    return np.concatenate(list(JsonlReader(path, fast_from_bytes).chunks(row_count)))


def test_lines_are_those_of_the_format() -> None:
    assert UNSEALED.splitlines()[1:] == LINES


def test_written_file_is_the_chain_by_hand(tmp_path: Path) -> None:
    written = write_jsonl([ROWS[:4], ROWS[4:]] if ROWS["flags"][3] & 1 else [ROWS], tmp_path / "x.jsonl")
    assert (tmp_path / "x.jsonl").read_bytes() == SEALED
    last = json.loads(SEALED.splitlines()[-1])
    assert (written.events, written.rows, written.head.hex()) == (9, len(ROWS), last["hash"])


@pytest.mark.parametrize("fast_from_bytes", READERS)
@pytest.mark.parametrize("row_count", [1, 2, 7, 65536])
def test_reader_counts_and_head(tmp_path: Path, fast_from_bytes: int, row_count: int) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(SEALED)
    reader = JsonlReader(path, fast_from_bytes)
    chunks = list(reader.chunks(row_count))
    assert np.concatenate(chunks).tobytes() == ROWS.tobytes()
    assert all(chunk["flags"][-1] & Flag.LAST for chunk in chunks)
    assert (reader.sealed, reader.events, reader.rows) == (True, 9, len(ROWS))
    assert reader.head.hex() == json.loads(SEALED.splitlines()[-1])["hash"]


@pytest.mark.skipif(not JIT_ENABLED, reason="the compiled reader is off")
def test_fast_reader_takes_every_hot_line() -> None:
    from mmfold.journal.jsonl.fields import scales_of
    from mmfold.journal.jsonl.kernel import parse_lines
    from mmfold.journal.jsonl.tables import MARK, Cursor, new_work

    text = b"\n".join([*LINES[1:6], b""])
    rows, work = np.zeros(20, EVENT), new_work(scales_of(MANIFEST))
    work["cursor"][0, Cursor.SEQ] = 2
    assert parse_lines(np.frombuffer(text, np.uint8), rows, np.zeros(9, MARK), work) == 0
    assert work["cursor"][0].tolist() == [len(text), 5, 8, 7, 0]
    hot = ROWS[np.isin(ROWS["seq"], range(2, 7))]
    assert rows[:8].tobytes() == hot.tobytes()


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".jsonl.zst"])
def test_a_packed_file_is_the_same_and_written_twice_alike(tmp_path: Path, suffix: str) -> None:
    one, two = tmp_path / f"one{suffix}", tmp_path / f"two{suffix}"
    write_jsonl([ROWS], one)
    write_jsonl([ROWS], two)
    assert one.read_bytes() == two.read_bytes()
    assert read(one).tobytes() == ROWS.tobytes()
    if suffix == ".jsonl.gz":
        assert gzip.decompress(one.read_bytes()) == SEALED
    assert [path.name for path in tmp_path.iterdir() if "part" in path.name] == []


def test_members_of_a_packed_file_follow_each_other(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(b"".join(gzip.compress(line) for line in SEALED.splitlines(keepends=True)))
    assert read(path).tobytes() == ROWS.tobytes()


HAND_WRITTEN = b"""{"kind": "trade", "symbol": "ETHUSDT", "side": "buy", "price": "2000.10", "qty": "1"}
{"kind":"bbo","symbol":"ETHUSDT","ask":["2000.00","1"]}
{"kind":"timer","ts_receive_ns":5}\r
{"kind":"open_orders","symbol":"BTCUSDT","orders":[]}
{"kind":"book_delta","symbol":"BTCUSDT","bids":[],"asks":[]}"""


@pytest.mark.parametrize("fast_from_bytes", READERS)
def test_a_hand_written_file_needs_no_seq_no_hash_no_last_newline(tmp_path: Path, fast_from_bytes: int) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(UNSEALED.splitlines()[0].replace(b',"seq":0', b"") + b"\n" + HAND_WRITTEN)
    reader = JsonlReader(path, fast_from_bytes)
    rows = np.concatenate(list(reader.chunks()))
    expected = journal_rows(
        MANIFEST,
        [
            event(EventKind.TRADE, level(BID, 200010, 100), instrument_index=1),
            event(EventKind.BBO, {"side": BID}, level(ASK, 200000, 100), instrument_index=1),
            event(EventKind.TIMER, ts_receive_ns=5),
            event(EventKind.OPEN_ORDERS),
            event(EventKind.BOOK_DELTA),
        ],
    )
    assert rows.tobytes() == expected.tobytes()
    assert not reader.sealed


TRADE = LINES[4]


def swapped(text: bytes) -> bytes:
    lines = text.splitlines(keepends=True)
    lines[3], lines[4] = lines[4], lines[3]
    return b"".join(lines)


def without(text: bytes, index: int) -> bytes:
    lines = text.splitlines(keepends=True)
    return b"".join(lines[:index] + lines[index + 1 :])


def renumbered(text: bytes, first: int, step: int) -> bytes:
    """Move the seqs from one line on, as someone who hides an edit would."""
    lines = [json.loads(line) for line in text.splitlines()]
    for line in lines[first:]:
        line["seq"] += step
    return b"".join(json.dumps(line, sort_keys=True, separators=(",", ":")).encode() + b"\n" for line in lines)


def inserted(text: bytes) -> bytes:
    lines = text.splitlines(keepends=True)
    return renumbered(b"".join([*lines[:5], lines[4], *lines[5:]]), 5, 1)


def stripped(text: bytes, index: int, *keys: str) -> bytes:
    lines = text.splitlines(keepends=True)
    line = {key: value for key, value in json.loads(lines[index]).items() if key not in keys}
    lines[index] = json.dumps(line, separators=(",", ":")).encode() + b"\n"
    return b"".join(lines)


OFF_TICKS = 'price "61740.55" is off the tick grid of BTCUSDT (tick 0.10)'


def relinked(text: bytes) -> bytes:
    """Let one line name another line before it; its own hash stays right."""
    lines = text.splitlines(keepends=True)
    lines[4] = lines[4].replace(json.loads(lines[4])["prev"].encode(), json.loads(lines[2])["prev"].encode())
    return b"".join(lines)


# what is wrong | the file | the line | what is said
BAD_FILES = [
    ("empty file", b"", 1, "the file is empty"),
    ("first line not a manifest", without(UNSEALED, 0), 1, "the first line is not a manifest"),
    ("wrong version", UNSEALED.replace(b'schema_version":1', b'schema_version":2'), 1, "schema 2, rules 1"),
    ("manifest of wrong types", UNSEALED.replace(b'"0.10"', b"0.10"), 1, "manifest"),
    ("a step too fine", UNSEALED.replace(b'"0.10"', b'"0.%s1"' % (b"0" * 50)), 1, "a step of 1E-51"),
    ("second manifest", UNSEALED + UNSEALED.splitlines()[0].replace(b'seq":0', b'seq":9'), 10, "a second manifest"),
    ("not JSON", UNSEALED.replace(b'"kind":"trade"', b'"kind":trade'), 6, "not JSON"),
    ("an empty line", UNSEALED.replace(b'\n{"cash', b'\n\n{"cash'), 8, "not JSON"),
    ("not an object", UNSEALED.replace(TRADE, b"[1]"), 6, "[1] is not a JSON object"),
    ("not UTF-8", UNSEALED.replace(b'"trade"', b'"tra\xff"'), 6, "not UTF-8: byte 0xff"),
    ("too deep", UNSEALED.replace(TRADE, b"[" * 100_000), 6, "not JSON"),
    ("cut in a line", UNSEALED[:-9], 9, "the file ends inside a line: not JSON"),
    ("unknown kind", UNSEALED.replace(b'"trade"', b'"trode"'), 6, 'unknown kind "trode"'),
    ("no kind", UNSEALED.replace(b'"kind":"trade",', b""), 6, 'missing key "kind"'),
    ("missing field", UNSEALED.replace(b'"price":"61740.4",', b""), 6, 'missing key "price" in trade'),
    ("unknown key", UNSEALED.replace(b'"price"', b'"px":"1","price"', 1), 6, 'unknown key "px" in trade'),
    ("a key twice", UNSEALED.replace(b'"side"', b'"qty":"1","side"', 1), 6, 'key "qty" is there twice'),
    ("NaN", UNSEALED.replace(b'"0.003"', b"NaN"), 6, "NaN is not a number"),
    ("quoted NaN", UNSEALED.replace(b'"0.003"', b'"NaN"'), 6, 'qty "NaN" is not a plain decimal number'),
    ("negative", UNSEALED.replace(b'"0.003"', b'"-0.003"'), 6, 'qty "-0.003" is negative'),
    ("exponent", UNSEALED.replace(b'"0.003"', b'"3e-3"'), 6, 'qty "3e-3" is not a plain decimal number'),
    ("a number", UNSEALED.replace(b'"0.003"', b"0.003"), 6, "qty 0.003 is not a decimal string"),
    ("19 digits", UNSEALED.replace(b'"0.003"', b'"1000000000000000.003"'), 6, "has more than 18 digits"),
    ("too large", UNSEALED.replace(b'"0.003"', b'"99999999999"'), 6, 'qty "99999999999" is too large'),
    ("empty level", UNSEALED.replace(b'"1.5"', b'"0"'), 3, 'qty "0" is not positive'),
    ("off the lots", UNSEALED.replace(b'"0.003"', b'"0.0035"'), 6, 'qty "0.0035" is off the lot grid of BTCUSDT'),
    ("off the ticks", UNSEALED.replace(b'"61740.4","qty', b'"61740.55","qty'), 6, OFF_TICKS),
    ("unknown symbol", UNSEALED.replace(b'"ETHUSDT","venue', b'"XRP","venue'), 5, 'unknown symbol "XRP"'),
    ("unknown side", UNSEALED.replace(b'"sell"', b'"ask"'), 6, 'side "ask" is not one of buy, sell'),
    ("a float", UNSEALED.replace(b":12345,", b":12345.0,"), 6, "trade_number 12345.0 is not an integer"),
    ("a leading zero", UNSEALED.replace(b":12345,", b":012345,"), 6, "not JSON"),
    ("a boolean", UNSEALED.replace(b":12345,", b":true,"), 6, "trade_number true is not an integer"),
    ("beyond an int64", UNSEALED.replace(b":12345,", b":9223372036854775808,"), 6, "is not within"),
    ("a level of three", UNSEALED.replace(b'"1.5"]', b'"1.5","1"]'), 3, "is not [price, qty]"),
    ("a short digest", UNSEALED.replace(b"1e1f", b"1e"), 9, "a digest is 32 bytes, with its layout 64, not 31"),
    ("seq gap", without(UNSEALED, 4), 5, "seq 5 leaves a gap: expected 4"),
    ("seq repeat", UNSEALED.replace(b'"seq":5', b'"seq":4'), 6, "seq 4 is there twice or out of order: expected 5"),
    ("swap", swapped(UNSEALED), 4, "seq 4 leaves a gap: expected 3"),
    ("sealed: edited", SEALED.replace(b'"0.003"', b'"0.004"'), 6, "hash is not that of the event"),
    ("sealed: edited prev", relinked(SEALED), 5, "prev is not the hash of the line before"),
    ("sealed: edited hash", stripped(SEALED, 5, "hash"), 6, 'missing key "hash" in a sealed file'),
    ("sealed: deleted", without(SEALED, 4), 5, "seq 5 leaves a gap: expected 4"),
    (
        "sealed: deleted, renumbered",
        renumbered(without(SEALED, 4), 4, -1),
        5,
        "prev is not the hash of the line before",
    ),
    ("sealed: inserted", inserted(SEALED), 6, "prev is not the hash of the line before"),
    ("sealed: swapped", swapped(SEALED), 4, "seq 4 leaves a gap: expected 3"),
    ("sealed: no seq", stripped(SEALED, 5, "seq"), 6, 'missing key "seq" in a sealed file'),
    ("sealed, then not", stripped(SEALED, 5, "prev", "hash"), 6, 'missing key "prev" in a sealed file'),
    (
        "not, then sealed",
        stripped(SEALED, 0, "prev", "hash"),
        2,
        "prev in a file whose first line has no prev and hash",
    ),
    ("a hash in capitals", b'"prev":"A'.join(SEALED.rsplit(b'"prev":"', 1)), 9, "hex digits"),
    ("edited before a cut", SEALED.replace(b'"0.003"', b'"0.004"')[:-5], 6, "hash is not that of the event"),
]


@pytest.mark.parametrize("fast_from_bytes", READERS)
@pytest.mark.parametrize(("text", "line", "message"), [case[1:] for case in BAD_FILES], ids=[c[0] for c in BAD_FILES])
def test_bad_file(tmp_path: Path, text: bytes, line: int, message: str, fast_from_bytes: int) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(text)
    with pytest.raises(JsonlError) as caught:
        read(path, fast_from_bytes)
    offset = sum(map(len, text.splitlines(keepends=True)[: line - 1]))
    assert message in caught.value.message
    assert (caught.value.line, caught.value.offset) == (line, offset)
    assert str(caught.value) == f"{path} line {line:,} (byte {offset:,}): {caught.value.message}"
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_cut_of_a_packed_file_is_found(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x.jsonl{suffix}"
    write_jsonl([ROWS], path)
    packed = path.read_bytes()
    for size in [*range(1, len(packed), 9), len(packed) - 1]:
        path.write_bytes(packed[:size])
        with pytest.raises(JsonlError, match=r"ends early|ends inside"):
            read(path)


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_damaged_packed_data(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x.jsonl{suffix}"
    path.write_bytes(b"this is no packed data at all")
    with pytest.raises(JsonlError, match="data is damaged"):
        read(path)


def test_a_line_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl.zst"
    packer = zstandard.ZstdCompressor().compressobj()
    start = packer.compress(UNSEALED)
    endless = [packer.compress(b" " * (1 << 20)) for _ in range((jsonl.LINE_BYTES_MAX >> 20) + 1)]
    path.write_bytes(start + b"".join(endless) + packer.flush())
    with pytest.raises(JsonlError, match=r"line 10 .* a line of more than 64 MB"):
        read(path)


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        JsonlReader(tmp_path / "none.jsonl")


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"before")
    bad = ROWS.copy()
    bad["aux"][bad["kind"] == EventKind.PLACE] = 5
    with pytest.raises(RowError, match=r"seq 6 \(place\): row is not canonical: aux"):
        write_jsonl([bad], path)
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("x.jsonl", b"before")]


# kind | what makes its first row not canonical | what is said
BAD_ROWS = [
    (EventKind.CONFIG, {"flags": 3}, "flags"),
    (EventKind.DIGEST, {"code": 31}, "a digest is 32 bytes"),
    (EventKind.BOOK_SNAPSHOT, {"qty_lots": 0}, "qty_lots"),
    (EventKind.BOOK_SNAPSHOT, {"side": ASK, "aux": 1}, "aux differs within the event"),
    (EventKind.BOOK_SNAPSHOT, {"side": Side.NONE}, "price_ticks"),
    (EventKind.BBO, {"side": ASK}, "not a bid row and an ask row"),
    (EventKind.TRADE, {"price_ticks": -1}, "price_ticks"),
    (EventKind.TRADE, {"side": Side.NONE}, "side"),
    (EventKind.TRADE, {"instrument_index": 2}, "instrument_index"),
    (EventKind.PLACE, {"code": 999}, "code"),
    (EventKind.PLACE, {"flags": int(Flag.LAST | Flag.BLOCK)}, "flags"),
    (EventKind.BALANCE, {"instrument_index": 1}, "instrument_index"),
    (EventKind.BALANCE, {"price_ticks": 0}, "price_ticks"),
]


@pytest.mark.parametrize(("kind", "columns", "message"), BAD_ROWS, ids=[f"{k.name}-{m}" for k, _, m in BAD_ROWS])
def test_rows_that_text_could_not_give_back(kind: EventKind, columns: dict[str, int], message: str) -> None:
    rows = ROWS.copy()
    for column, value in columns.items():
        rows[column][np.argmax(rows["kind"] == kind)] = value
    with pytest.raises(RowError, match=message):
        LineEncoder(MANIFEST).encode(rows, None, b"")
