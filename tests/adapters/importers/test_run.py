"""Files in, a journal out, all or nothing."""

import gzip
import json
import os

import orjson
import pytest
import zstandard

from mmfold.adapters.importers import IMPORTERS, load_importer
from mmfold.adapters.importers.outcome import ImportFailedError, ImportRequest
from mmfold.engine.codes import EventKind, Flag
from mmfold.engine.manifest import encode_manifest, parse_manifest
from mmfold.engine.payload import payload_bytes
from mmfold.journal.jsonl.file import write_jsonl
from mmfold.journal.log.reader import Journal

GRIDS = {"ticks": {"A": "0.5", "Z": "0.5"}, "lots": {"A": "0.1", "Z": "1"}}


def delta(symbol, first, last, previous):
    data = {
        "e": "depthUpdate",
        "E": 2,
        "T": 1,
        "s": symbol,
        "U": first,
        "u": last,
        "pu": previous,
        "b": [["1.5", "2"]],
        "a": [],
    }
    return orjson.dumps({"stream": f"{symbol.lower()}@depth", "data": data})


def stamped(*messages, start_ns=100):
    return b"".join(b"%d %s\n" % (start_ns + index, message) for index, message in enumerate(messages))


GOOD = stamped(delta("Z", 1, 2, 0), delta("A", 1, 2, 0), delta("Z", 3, 4, 2), delta("Z", 9, 9, 8))


def write(path, data):
    path.write_bytes(data)
    return path


def run(tmp_path, *files, source="binance", **values):
    paths = tuple(
        file if hasattr(file, "open") else write(tmp_path / f"in{index}", file) for index, file in enumerate(files)
    )
    request = ImportRequest(files=paths, out=tmp_path / "out" / "j", **{**GRIDS, **values})
    return load_importer(source)(request, lambda done: None)


def left_over(tmp_path):
    """Names of what an import left in the output's directory."""
    return sorted(os.listdir(tmp_path / "out")) if (tmp_path / "out").exists() else []


def rows_of(tmp_path):
    return next(Journal(tmp_path / "out" / "j").chunks()).copy()


def test_what_is_written(tmp_path):
    result = run(tmp_path, GOOD)
    document = result.document()
    assert {key: document[key] for key in ("messages", "events", "rows", "gaps", "rejected", "skipped", "symbols")} == {
        "messages": 4, "events": {"book_delta": 4}, "rows": 4, "gaps": 1, "rejected": 0, "skipped": {},
        "symbols": ["A", "Z"],
    }  # fmt: skip
    rows = rows_of(tmp_path)
    is_manifest = rows["kind"] == EventKind.MANIFEST
    manifest = parse_manifest(payload_bytes(rows[is_manifest]))
    assert manifest.run_id.startswith("import-") and len(manifest.run_id) == 19 and manifest.source == "binance usdm"
    assert [instrument.symbol for instrument in manifest.instruments] == ["A", "Z"] and not manifest.witnessed
    market = rows[~is_manifest]
    assert market["seq"].tolist() == [1, 2, 3, 4] and market["instrument_index"].tolist() == [1, 0, 1, 1]
    assert (market["flags"] == Flag.LAST).all() and set(rows["seq"][is_manifest].tolist()) == {0}
    assert left_over(tmp_path) == ["j"]


def test_the_bytes_of_the_journal_depend_on_the_input_alone(tmp_path):
    first = run(tmp_path, GOOD).head
    assert run(tmp_path, GOOD, force=True).head == first
    assert run(tmp_path, GOOD + b"\n", force=True).head != first


ENCODINGS = [
    lambda data: data,
    lambda data: data[:-1],
    lambda data: data.replace(b"\n", b"\r\n"),
    gzip.compress,
    lambda data: gzip.compress(data[:300]) + gzip.compress(data[300:]),
    lambda data: zstandard.ZstdCompressor().compress(data),
    lambda data: zstandard.ZstdCompressor().compress(data[:99]) + zstandard.ZstdCompressor().compress(data[99:]),
]


@pytest.mark.parametrize("encode", ENCODINGS)
def test_every_encoding_has_the_same_events(tmp_path, encode):
    run(tmp_path, encode(GOOD))
    rows = rows_of(tmp_path)
    assert rows[rows["kind"] != EventKind.MANIFEST]["ts_receive_ns"].tolist() == [100, 101, 102, 103]


BAD_FILES = [
    (b"", "empty"),
    (b"\n\n", "empty"),
    (gzip.compress(b"", mtime=0), "empty"),
    (b"garbage\n", "no form of capture"),
    (gzip.compress(GOOD * 9, mtime=0)[:-9], r"cut short at byte [0-9,]+, after 4,[0-9]{3} bytes of text"),
    (gzip.compress(GOOD, mtime=0)[:-1], "cut short"),
    (zstandard.ZstdCompressor(write_checksum=True).compress(GOOD)[:-2], "cut short at byte"),
    (gzip.compress(GOOD, mtime=0)[:40] + b"\xff\xff\xff" + gzip.compress(GOOD, mtime=0)[43:], "damaged"),
    (gzip.compress(GOOD, mtime=0) + b"rubbish", "damaged"),
    (stamped(b'{"result":null,"id":1}'), "no market event"),
    (GOOD + stamped(delta("Q", 1, 1, 0)), r"in0 line 5 \(byte [0-9]+\): binance usdm Q: tick and lot size unknown"),
]


@pytest.mark.parametrize(("data", "message"), BAD_FILES)
def test_a_file_that_cannot_be_imported_leaves_nothing(tmp_path, data, message):
    with pytest.raises(ImportFailedError, match=message):
        run(tmp_path, data)
    assert left_over(tmp_path) == []


def test_a_missing_file_and_a_directory(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(ImportFailedError, match=str(path)):
            run(tmp_path, path)


BAD_LINES = [
    (b"105 {\n", "not JSON"),
    (b"no frame\n", "receive time"),
    (stamped(delta("A", 3, 4, 2).replace(b'"1.5"', b'"1.6"')), 'A price "1.6" is off the grid'),
    (b"106 \xff\n", "not JSON"),
]


@pytest.mark.parametrize(("line", "reason"), BAD_LINES)
def test_a_refused_line_is_set_aside(tmp_path, line, reason):
    result = run(tmp_path, GOOD + line + stamped(delta("A", 5, 6, 2), start_ns=200))
    assert (result.rejected, result.events, result.messages) == (1, {"book_delta": 5}, 6)
    entry = json.loads((tmp_path / "out" / "j.quarantine.jsonl").read_bytes())
    assert (entry["file"], entry["line"], entry["byte"]) == ("in0", 5, len(GOOD)) and reason in entry["reason"]
    if b"\xff" in line:
        import base64

        assert base64.b64decode(entry["raw_base64"]) == line[:-1]
    else:
        assert entry["raw"].encode() == line[:-1]
    run(tmp_path, GOOD, force=True)
    assert left_over(tmp_path) == ["j"], "the quarantine of an earlier import must not stand beside a clean one"


@pytest.mark.parametrize(("line", "reason"), BAD_LINES)
def test_strict_writes_nothing(tmp_path, line, reason):
    with pytest.raises(ImportFailedError, match=rf"in0 line 5 \(byte {len(GOOD)}\): .*{reason}"):
        run(tmp_path, GOOD + line, strict=True)
    assert left_over(tmp_path) == []


def test_only_the_quarantine_is_left_when_nothing_can_be_imported(tmp_path):
    with pytest.raises(ImportFailedError, match="no market event") as caught:
        run(tmp_path, b"100 {\n")
    assert "in0 line 1 (byte 0): not JSON" in caught.value.hint
    assert left_over(tmp_path) == ["j.quarantine.jsonl"]


def test_an_output_is_replaced_only_by_force(tmp_path):
    first = run(tmp_path, GOOD)
    with pytest.raises(ImportFailedError, match="not empty"):
        run(tmp_path, GOOD)
    assert run(tmp_path, GOOD + GOOD, force=True).rows == 2 * first.rows
    assert left_over(tmp_path) == ["j"]


def test_an_interrupt_leaves_the_old_output(tmp_path):
    head = run(tmp_path, GOOD).head

    def interrupt(done):
        raise KeyboardInterrupt

    request = ImportRequest(files=(tmp_path / "in0",), out=tmp_path / "out" / "j", force=True, **GRIDS)
    with pytest.raises(KeyboardInterrupt):
        load_importer("binance")(request, interrupt)
    assert left_over(tmp_path) == ["j"]
    reader = Journal(tmp_path / "out" / "j")
    assert sum(len(rows) for rows in reader.verified_chunks()) and reader.head.hex() == head


def test_symbols_choose(tmp_path):
    result = run(tmp_path, GOOD + stamped(delta("Q", 1, 1, 0)), symbols=frozenset("A"))
    assert (result.symbols, result.rows, result.skipped, result.rejected) == (("A",), 1, {"other symbol": 4}, 0)


def test_files_that_follow_each_other_continue(tmp_path):
    early, late = stamped(delta("A", 1, 2, 0)), stamped(delta("A", 3, 4, 2), start_ns=300)
    heads = [run(tmp_path, *files, force=True).head for files in ((early, late), (early, late))]
    swapped = run(tmp_path, tmp_path / "in1", tmp_path / "in0", force=True)
    assert swapped.gaps == 0 and {*heads, swapped.head} == {heads[0]}


def test_files_that_overlap_are_merged(tmp_path):
    stream = stamped(delta("A", 1, 2, 0), delta("A", 3, 4, 2), delta("A", 5, 6, 4))
    rest = b'101 {"lastUpdateId":3,"E":2,"T":1,"symbol":"A","bids":[["1.5","1"]],"asks":[]}\nnonsense\n'
    result = run(tmp_path, stream, rest)
    assert (result.gaps, result.rejected) == (0, 1)
    rows = rows_of(tmp_path)
    rows = rows[rows["kind"] != EventKind.MANIFEST]
    assert [(EventKind(row["kind"]).name, int(row["ts_receive_ns"])) for row in rows] == [
        ("BOOK_DELTA", 100), ("BOOK_DELTA", 101), ("BOOK_SNAPSHOT", 101), ("BOOK_DELTA", 102),
    ]  # fmt: skip
    assert rows["seq"].tolist() == [1, 2, 3, 4]


def capture_line(kind, ts, message="", **values):
    return orjson.dumps({"t": kind, **values, "data": orjson.dumps(message).decode()})[:-1] + b',"ts":%s}\n' % ts


def bybit_book(update, price):
    data = {"s": "A", "b": [[price, "1"]], "a": [], "u": update, "seq": 1}
    return {"topic": "orderbook.50.A", "type": "snapshot", "ts": 2, "data": data}


@pytest.mark.parametrize(("topic", "depth"), [("50", 50), ("1", 1), ("rpi", 50), ("new", 0), ("99999999", 1_000_000)])
def test_the_manifest_says_how_deep_the_book_is_shown(tmp_path, topic, depth):
    book = {**bybit_book(1, "1.5"), "topic": f"orderbook.{topic}.A"}
    run(tmp_path, b"100 " + orjson.dumps(book) + b"\n", source="bybit", market="linear")
    manifest = Journal(tmp_path / "out" / "j").manifest()
    assert manifest.instruments[0].book_depth == depth
    assert (b"book_depth" in encode_manifest(manifest)) == (depth > 0)


def test_a_whole_feed_has_no_depth_in_its_manifest(tmp_path):
    run(tmp_path, GOOD)
    manifest = Journal(tmp_path / "out" / "j").manifest()
    assert manifest.instruments[0].book_depth == 0 and b"book_depth" not in encode_manifest(manifest)


def test_a_capture_of_two_markets_keeps_the_first(tmp_path):
    address = "wss://stream.bybit.com/v5/public/"
    lines = [
        b'{"t":"header","format":2}\n',
        capture_line("connect", b"1.5", conn="1", addr=address + "linear"),
        capture_line("connect", b"1.5", conn="2", addr=address + "spot"),
        capture_line("recv", b"1786310819.5264041", bybit_book(1, "1.5"), conn="1"),
        capture_line("recv", b"1.7", bybit_book(1, "99"), conn="2"),
    ]
    result = run(tmp_path, b"".join(lines), source="bybit")
    assert (result.messages, result.rows, result.skipped) == (2, 1, {"header": 1, "connect": 2, "other market": 1})
    assert rows_of(tmp_path)["ts_receive_ns"][-1] == 1786310819_526404100


def test_jsonl_keeps_the_head(tmp_path):
    imported = run(tmp_path, GOOD)
    write_jsonl(Journal(tmp_path / "out" / "j").chunks(), tmp_path / "j.jsonl")
    again = run(tmp_path, tmp_path / "j.jsonl", source="jsonl", force=True, ticks={}, lots={})
    assert again.head == imported.head and again.events == {"manifest": 1, "book_delta": 4}
    assert left_over(tmp_path) == ["j"]


def test_a_wrong_jsonl_leaves_nothing(tmp_path):
    run(tmp_path, GOOD)
    path = tmp_path / "j.jsonl"
    write_jsonl(Journal(tmp_path / "out" / "j").chunks(), path)
    path.write_bytes(path.read_bytes().replace(b'"1.5"', b'"2.5"', 1))
    request = ImportRequest(files=(path,), out=tmp_path / "out" / "k")
    with pytest.raises(ValueError, match="line 2"):
        load_importer("jsonl")(request, lambda done: None)
    assert left_over(tmp_path) == ["j"]


def test_every_importer_is_there():
    for name in IMPORTERS:
        assert callable(load_importer(name))


PARTS = ("ws", "http_depth")
REAL = [
    ("bybit", ["bybit_v5_l2_trades/bybit_v5_linear_BTCUSDT_ETHUSDT.jsonl.zst"],
     {"book_snapshot": 2, "book_delta": 833, "trade": 79, "mark": 76}, ("BTCUSDT", "ETHUSDT")),
    ("bybit", ["bybit_v5_l1/bybit_v5_linear_orderbook1.cryptofeed-v2.txt"],
     {"book_snapshot": 198}, ("AIOZUSDT", "BANDUSDT", "RADUSDT", "SNTUSDT")),
    ("binance", [f"binance_multisymbol/binance_usdm_{name}_20210722.cryptofeed-v2.txt" for name in PARTS],
     {"book_snapshot": 4, "book_delta": 764, "bbo": 613, "trade": 91},
     ("AKROUSDT", "CTKUSDT", "KEEPUSDT", "SUSHIUSDT")),
]  # fmt: skip


@pytest.mark.realdata
@pytest.mark.parametrize(("source", "names", "events", "symbols"), REAL)
def test_recorded_captures(shared_data, tmp_path, source, names, events, symbols):
    files = [shared_data / name for name in names]
    result = run(tmp_path, *files, source=source, ticks={}, lots={}, strict=True)
    assert (result.events, result.symbols, result.gaps, result.rejected) == (events, symbols, 0, 0)


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("names", "snapshots"),
    [(["usdm_btcusdt_20240808"], 1), (["cm_btcusd_perp_20240808", "cm_btcusd_perp_20240809"], 1),
     (["spot_btcusdt_20240808", "spot_btcusdt_20240809"], 1)],
)  # fmt: skip
def test_recorded_binance_days(shared_data, tmp_path, names, snapshots):
    facts = json.loads((shared_data / "MANIFEST.json").read_bytes())
    keys = [f"binance_raw_ws/{name}.gz" for name in names]
    result = run(tmp_path, *(shared_data / key for key in keys), ticks={}, lots={}, strict=True)
    count = {name: sum(facts[key][name] for key in keys) for name in ("messages", "bbo", "trades", "level_updates")}
    depth = count["messages"] - count["bbo"] - count["trades"] - snapshots
    assert result.events == {
        "bbo": count["bbo"],
        "trade": count["trades"],
        "book_delta": depth,
        "book_snapshot": snapshots,
    }
    assert result.rows == count["level_updates"] + 2 * count["bbo"] + count["trades"] + 2_000 * snapshots
    assert (result.messages, result.gaps, result.rejected) == (count["messages"], 0, 0)
