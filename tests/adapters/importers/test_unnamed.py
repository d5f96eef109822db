"""Whose a snapshot without a symbol is: the id and the best prices of a stream, over the whole input, or nobody's."""

import gzip
import json

import numpy as np
import orjson
import pytest

from mmfold.adapters.importers import load_importer, spool, streams
from mmfold.adapters.importers.outcome import ImportFailedError, ImportRequest
from mmfold.adapters.importers.spool import Spool
from mmfold.engine.codes import EventKind
from mmfold.engine.records import EVENT
from mmfold.journal.log.reader import Journal

NS = 1_767_225_600_000_000_000
BTC, ETH = ("BTCUSDT", 50_000), ("ETHUSDT", 2_500)


def snapshot(update, price, **values):
    levels = {
        "bids": [[f"{price}.0", "2"], [f"{price - 5}.0", "3"]],
        "asks": [[f"{price + 1}.0", "2"], [f"{price + 9}.0", "1"]],
    }
    return {"lastUpdateId": update, "E": 1, "T": 1, **levels, **values}


def depth(market, update, bids=(), asks=()):
    symbol, price = market
    levels = {side: [[f"{price + step}.0", size] for step, size in rows] for side, rows in (("b", bids), ("a", asks))}
    return {"e": "depthUpdate", "E": 1, "T": 1, "s": symbol, "U": update - 4, "u": update, "pu": update - 10, **levels}


def top(market, update, step=0):
    symbol, price = market
    best = {"b": f"{price + step}.0", "B": "2", "a": f"{price + step + 1}.0", "A": "2"}
    return {"e": "bookTicker", "u": update, "s": symbol, **best, "T": 1, "E": 1}


def stream(market, tops=True):
    """Updates 110 to 150 of one symbol whose book is that of its snapshot at 125."""
    for update in range(110, 151, 10):
        yield depth(market, update, bids=[(0, "2")], asks=[(9, "1")])
        if tops:
            yield top(market, update + 1)


def lines(messages):
    return b"".join(b"%d %s\n" % (NS + index, orjson.dumps(message)) for index, message in enumerate(messages))


def run(tmp_path, *files, **values):
    paths = []
    for index, data in enumerate(files):
        paths.append(tmp_path / f"in{index}")
        paths[-1].write_bytes(data)
    request = ImportRequest(files=tuple(paths), out=tmp_path / "j", force=True, **values)
    return load_importer("binance")(request, lambda done: None)


def books(tmp_path):
    """(symbol, best bid in units, seq) of every snapshot of the journal; its seqs have no hole."""
    journal = Journal(tmp_path / "j")
    rows = np.concatenate([part.copy() for part in journal.chunks()])
    assert np.unique(rows["seq"]).tolist() == list(range(int(rows["seq"].max()) + 1))
    found = rows[(rows["kind"] == EventKind.BOOK_SNAPSHOT) & (rows["flags"] == 0)]
    named = journal.manifest().instruments
    firsts = {int(row["seq"]): row for row in reversed(found)}
    listed = [(seq, row, named[row["instrument_index"]]) for seq, row in sorted(firsts.items())]
    return [(one.symbol, int(int(row["price_ticks"]) * float(one.tick_size)), seq) for seq, row, one in listed]


def test_each_snapshot_goes_to_the_stream_that_it_fits(tmp_path):
    messages = [snapshot(125, ETH[1]), *stream(BTC), snapshot(125, BTC[1]), *stream(ETH)]
    result = run(tmp_path, lines(messages))
    assert books(tmp_path) == [("ETHUSDT", 2_500, 1), ("BTCUSDT", 50_000, 12)] and result.rejected == 0


@pytest.mark.parametrize("symbols", [(), ("BTCUSDT",)])
def test_every_encoding_has_the_same_books(tmp_path, monkeypatch, symbols):
    monkeypatch.setattr(streams, "CHUNK_BYTES", 200)
    monkeypatch.setattr(streams, "READ_BYTES", 1 << 17)
    data = lines([*stream(BTC), snapshot(125, ETH[1]), *stream(ETH), snapshot(125, BTC[1])])
    found = []
    for encoded in (data, gzip.compress(data)):
        run(tmp_path, encoded, symbols=frozenset(symbols))
        found.append(books(tmp_path))
    expected = [("ETHUSDT", 2_500, 11), ("BTCUSDT", 50_000, 22)]
    assert found == [[("BTCUSDT", 50_000, 11)] if symbols else expected] * 2


@pytest.mark.parametrize("tops", [True, False])
def test_symbols_do_not_name_a_snapshot(tmp_path, tops):
    data = [*stream(BTC, tops), snapshot(125, BTC[1]), *stream(ETH, tops)]
    result = run(tmp_path, lines(data), symbols=frozenset({"ETHUSDT"}))
    assert books(tmp_path) == [] and result.skipped["depth snapshot of no symbol asked for"] == 1
    with pytest.raises(ImportFailedError, match="no market event"):
        run(tmp_path, lines([snapshot(125, BTC[1]), *stream(BTC, tops)]), symbols=frozenset({"ETHUSDT"}))


def test_the_stream_may_stand_in_another_file(tmp_path):
    result = run(tmp_path, lines([*stream(BTC), *stream(ETH)]), lines([snapshot(125, BTC[1]), snapshot(125, ETH[1])]))
    assert [book[:2] for book in books(tmp_path)] == [("BTCUSDT", 50_000), ("ETHUSDT", 2_500)] and not result.rejected


def moving(market):
    """A stream in which an update is wrong where a later one was applied before it."""
    yield depth(market, 110, bids=[(0, "2")])
    yield depth(market, 120, asks=[(1, "0")])
    yield depth(market, 130, bids=[(5, "2")])
    yield depth(market, 140, bids=[(5, "0")], asks=[(1, "2")])
    yield depth(market, 150, bids=[(0, "4")])


@pytest.mark.parametrize("delay", [0, 3, 35, 95])
def test_captures_that_overlap_tell_the_stream_twice(tmp_path, delay):
    def late(messages, delay):
        return b"".join(b"%d %s\n" % (NS + 10 * n + delay, orjson.dumps(message)) for n, message in enumerate(messages))

    told = [*moving(BTC), *moving(ETH), snapshot(115, BTC[1])]
    result = run(tmp_path, late(told, 0), late([*told, snapshot(115, ETH[1])], delay))
    expected = [("BTCUSDT", 50_000), ("BTCUSDT", 50_000), ("ETHUSDT", 2_500)]
    assert [book[:2] for book in books(tmp_path)] == expected and not result.rejected


@pytest.mark.parametrize("unit_ns", [1_000, 1_000_000])
def test_a_snapshot_has_its_time_in_the_unit_of_its_own_file(tmp_path, unit_ns):
    times = {"E": NS // unit_ns, "T": NS // unit_ns}
    stated = [{**message, "E": NS // 1_000_000, "T": NS // 1_000_000} for message in stream(BTC)]
    run(tmp_path, lines([snapshot(125, BTC[1], **times)]), lines(stated))
    rows = np.concatenate([part.copy() for part in Journal(tmp_path / "j").chunks()])
    assert set(rows[rows["kind"] == EventKind.BOOK_SNAPSHOT]["ts_exchange_ns"].tolist()) == {NS}


def test_two_candidates_are_refused_by_name(tmp_path):
    twin = ("XRPUSDT", 50_000)
    grid = {"ticks": {"XRPUSDT": "0.1"}, "lots": {"XRPUSDT": "0.001"}}
    result = run(tmp_path, lines([*stream(BTC), snapshot(125, BTC[1]), *stream(twin)]), **grid)
    assert result.rejected == 1 and books(tmp_path) == []
    reason = json.loads((tmp_path / "j.quarantine.jsonl").read_bytes())["reason"]
    assert "that of BTCUSDT or XRPUSDT" in reason


NOBODYS = [
    ("its id is before the stream", snapshot(90, BTC[1]), list(stream(BTC))),
    ("its id is behind the stream", snapshot(190, BTC[1]), list(stream(BTC))),
    ("another best bid", snapshot(125, BTC[1] + 2), list(stream(BTC))),
    ("other best prices are said later", snapshot(105, BTC[1]), [depth(BTC, 110), top(BTC, 110, step=-3)]),
    ("the stream crosses it", snapshot(105, BTC[1]), [depth(BTC, 110, asks=[(-2, "1")])]),
]


@pytest.mark.parametrize(("why", "message", "rest"), NOBODYS, ids=[case[0] for case in NOBODYS])
def test_a_snapshot_that_fits_no_stream_is_set_aside(tmp_path, why, message, rest):
    data = lines([message, *rest])
    result = run(tmp_path, data)
    assert (result.rejected, books(tmp_path)) == (1, []), why
    assert "in no stream of the capture" in json.loads((tmp_path / "j.quarantine.jsonl").read_bytes())["reason"]
    with pytest.raises(ImportFailedError, match=r"in0 line 1 .*without its symbol"):
        run(tmp_path, data, strict=True)


OTHER_SIZES = [depth(BTC, 130, bids=[(0, "9")]), depth(BTC, 130, bids=[(-1, "2")])]


@pytest.mark.parametrize("told", OTHER_SIZES, ids=["another size", "a level that is not in it"])
@pytest.mark.parametrize("values", [{}, {"symbols": ("BTCUSDT",)}])
def test_sizes_speak_against_a_snapshot_where_there_are_several_symbols(tmp_path, told, values):
    alone = [snapshot(130, BTC[1]), told, depth(BTC, 140)]
    assert run(tmp_path, lines(alone), **values).rejected == 0
    assert [book[:2] for book in books(tmp_path)] == [("BTCUSDT", BTC[1])]
    beside = [*alone, *stream(ETH)]
    result = run(tmp_path, lines(beside), **values)
    assert (result.rejected + result.skipped.get("depth snapshot of no symbol asked for", 0), books(tmp_path)) == (
        1,
        [],
    )


def test_a_gap_makes_old_best_prices_no_evidence(tmp_path):
    before = [depth(BTC, 20, bids=[(-50, "1")]), top(BTC, 21, step=-50)]
    result = run(tmp_path, lines([*before, depth(BTC, 110), snapshot(105, BTC[1]), depth(BTC, 120)]))
    assert [book[:2] for book in books(tmp_path)] == [("BTCUSDT", 50_000)] and result.gaps == 1


def test_a_gap_behind_a_snapshot_makes_the_stream_no_evidence(tmp_path):
    behind = [depth(BTC, 310, asks=[(-40, "1")]), top(BTC, 310, step=-41)]
    result = run(tmp_path, lines([snapshot(105, BTC[1]), depth(BTC, 110), *behind]))
    assert [book[:2] for book in books(tmp_path)] == [("BTCUSDT", 50_000)] and result.gaps == 1


def test_holes_of_a_spool_keep_their_places_in_memory_and_on_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(spool, "MEMORY_ROW_COUNT_MAX", spool.BUFFER_ROW_COUNT)
    rows, holes, expected = Spool(tmp_path / "spool"), [], []
    for number in range(6):
        part = np.full(spool.BUFFER_ROW_COUNT // 2, number, EVENT)
        rows.append(part)
        holes.append(rows.open_hole())
        expected += [number] + ([100 + number] if number != 3 else [])
    for number, hole in enumerate(holes):
        if number != 3:
            rows.fill_hole(hole, np.full(2, 100 + number, EVENT))
    found = [int(row["seq"]) for part in rows.parts() for row in part[:: max(1, len(part) - 1)][:1]]
    assert found == expected and len(rows) == 3 * spool.BUFFER_ROW_COUNT + 10
    assert sum(len(part) for part in rows.parts()) == len(rows)
