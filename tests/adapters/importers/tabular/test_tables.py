"""Tables in their documented formats to journals: the same book, the same trades, whatever the packing."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmfold.adapters.importers import load_importer
from mmfold.adapters.importers.outcome import ImportRequest
from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.records import NO_ORDER_ID, NO_VALUE
from mmfold.journal.log.reader import Journal
from tests.adapters.importers.tabular.make_tables import (
    BOOK,
    HEAD,
    L2,
    QUOTES,
    T0_US,
    TICKS,
    TRADES,
    export,
    l2,
    quote,
    trade,
    write,
)

GRIDS = {"ticks": {"BTCUSDT": "0.1"}, "lots": {"BTCUSDT": "0.001"}}
S, D, T, G, B = (
    EventKind.BOOK_SNAPSHOT, EventKind.BOOK_DELTA, EventKind.TRADE, EventKind.BOOK_GAP, EventKind.BBO,
)  # fmt: skip
BID, ASK, NONE = Side.BID, Side.ASK, Side.NONE


def take(source, *paths, out, **keys):
    """The result of an import and its rows behind the manifest."""
    result = load_importer(source)(ImportRequest(files=paths, out=out, **keys), lambda _: None)
    journal = Journal(out)
    rows = [row for chunk in journal.chunks() for row in chunk if row["kind"] != EventKind.MANIFEST]
    return result, rows


def told(rows):
    """What rows say: kind, side, ticks, lots, whether they end their event."""
    return [
        (int(r["kind"]), int(r["side"]), int(r["price_ticks"]), int(r["qty_lots"]), bool(r["flags"] & Flag.LAST))
        for r in rows
    ]


def test_books_and_trades_of_tardis_become_one_stream(tmp_path):
    book, ticks = write(tmp_path / "l2.csv.gz", L2, BOOK), write(tmp_path / "t.csv", TRADES, TICKS)
    result, rows = take("tardis", ticks, book, out=tmp_path / "j")
    assert told(rows) == [
        (S, BID, 617404, 1500, False), (S, BID, 617403, 2000, False), (S, ASK, 617406, 1, True),
        (T, BID, 617406, 1, True),
        (D, BID, 617403, 0, False), (D, ASK, 617405, 300, True),
        (T, ASK, 617404, 250, True), (T, NONE, 617404, 250, True),
        (D, ASK, 617405, 0, True),
    ]  # fmt: skip
    assert {(int(r["order_id"]), int(r["aux"])) for r in rows if r["kind"] != T} == {(NO_ORDER_ID, NO_VALUE)}
    assert [int(r["order_id"]) for r in rows if r["kind"] == T] == [7, 8, 9]
    assert int(rows[0]["ts_exchange_ns"]) == T0_US * 1000 and int(rows[0]["ts_receive_ns"]) == (T0_US + 1_500) * 1000
    assert [int(r["seq"]) for r in rows] == [1, 1, 1, 2, 3, 3, 4, 5, 6]
    assert (result.events, result.rejected, result.gaps, result.skipped) == (
        {"book_snapshot": 1, "book_delta": 2, "trade": 3}, 0, 0, {}
    )  # fmt: skip
    (instrument,) = Journal(tmp_path / "j").manifest().instruments
    assert (instrument.tick_size, instrument.venue, instrument.contract) == ("0.10", "generic", "linear")


@pytest.mark.parametrize("name", ["a.csv", "b.csv.gz", "c.csv.zip", "d.zip"])
def test_the_head_is_that_of_the_lines_whatever_their_packing(tmp_path, name):
    plain = take("tardis", write(tmp_path / "x.csv", L2, BOOK), out=tmp_path / "x")[0]
    assert take("tardis", write(tmp_path / name, L2, BOOK), out=tmp_path / "y")[0].head == plain.head


def test_quotes_become_best_prices_alone(tmp_path):
    lines = [quote(T0_US, ("61740.4", "1"), ("61740.5", "2")), quote(T0_US + 9, ("61740.4", "3"), ("61740.5", "2"))]
    result, rows = take("tardis", write(tmp_path / "q.csv", QUOTES, lines), out=tmp_path / "j")
    assert told(rows)[:2] == [(B, BID, 617404, 1000, False), (B, ASK, 617405, 2000, True)]
    assert result.events == {"bbo": 2} and result.rows == 4


def test_a_message_goes_on_over_parts_and_files_follow_each_other(tmp_path, monkeypatch):
    monkeypatch.setattr("mmfold.adapters.importers.streams.CHUNK_BYTES", 100)  # a line or two at a time
    book = write(
        tmp_path / "day2.csv", L2, [l2(T0_US + 86_400_000_000 + k, "false", "bid", "1.1", "1") for k in (0, 1)]
    )
    split = take("tardis", write(tmp_path / "day1.csv", L2, BOOK), book, out=tmp_path / "j")[1]
    monkeypatch.undo()
    assert [row.tobytes() for row in split] == [
        row.tobytes() for row in take("tardis", tmp_path / "day1.csv", book, out=tmp_path / "k")[1]
    ]


def test_a_refused_row_of_a_book_is_a_gap_and_of_a_trade_is_one_less(tmp_path):
    wrong = [*BOOK[:4], l2(T0_US + 1_000_000, "false", "bid", "61740.35", "1"), BOOK[5]]
    ticks = [TICKS[0], trade(T0_US + 600_000, 8, "buy", "61740.6", "0"), "too,few"]
    files = write(tmp_path / "l2.csv", L2, wrong), write(tmp_path / "t.csv", TRADES, ticks)
    result, rows = take("tardis", *files, out=tmp_path / "j")
    assert [kind for kind, *_ in told(rows)] == [S, S, S, T, G, D]
    assert (result.rejected, result.events["book_gap"], result.gaps, result.messages) == (3, 1, 1, 9)
    text = (tmp_path / "j.quarantine.jsonl").read_text()
    assert (
        '"line":6' in text and "off the grid" in text and "trade of size 0" in text and "2 columns, expected 8" in text
    )


def test_one_wrong_stamp_does_not_hold_the_rest_back(tmp_path):
    ticks = [TICKS[0], trade(T0_US + 3_600_000_000, 70, "buy", "61740.6", "0.002"), *TICKS[1:]]
    files = write(tmp_path / "l2.csv", L2, BOOK), write(tmp_path / "t.csv", TRADES, ticks)
    kinds = [kind for kind, *_ in told(take("tardis", *files, out=tmp_path / "j")[1])]
    assert kinds == [S, S, S, T, D, D, T, T, T, D]


def test_what_is_told_twice_counts_once(tmp_path):
    files = write(tmp_path / "l2.csv", L2, [*BOOK, BOOK[-1]]), write(tmp_path / "t.csv", TRADES, TICKS)
    again = write(tmp_path / "more.csv", TRADES, [*TICKS, trade(T0_US + 3_000_000, 10, "buy", "61740.6", "1")])
    result, _ = take("tardis", *files, again, out=tmp_path / "j")
    assert result.skipped == {"row told twice": 1, "trade told twice": 3} and result.events["trade"] == 4


def test_a_journal_as_tables_and_back_is_the_same_rows(tmp_path):
    journal = Journal("fixtures/demo.mmj")
    before = [row for chunk in journal.chunks() for row in chunk]
    tables = enumerate(export(before, journal.manifest()).items())
    files = [write(tmp_path / f"{index}.csv", head, lines) for index, (head, lines) in tables]
    ticks = {one.symbol: one.tick_size for one in journal.manifest().instruments}
    lots = {one.symbol: one.lot_size for one in journal.manifest().instruments}
    after = take("tardis", *files, out=tmp_path / "j", ticks=ticks, lots=lots)[1]

    def said(rows, kinds):
        return [
            (int(r["ts_exchange_ns"]) // 1000, int(r["ts_receive_ns"]) // 1000, *line)
            for r, line in zip(rows, told(rows), strict=True)
            if line[0] in kinds and r["price_ticks"] > 0
        ]

    for kinds in ((S, D), (T,)):
        assert said(after, kinds) == said(before, kinds) != []


def test_rows_of_depth_are_whole_books(tmp_path):
    names = [f"{side}[{at}].{what}" for at in range(5) for side in ("asks", "bids") for what in ("price", "amount")]
    levels = ["61740.5,1,61740.4,2", "61740.6,3,,", ",,,", ",,,", ",,,"]
    lines = [f"binance-futures,BTCUSDT,{T0_US + at},{T0_US + at},{','.join(levels)}" for at in (0, 1)]
    lines.append(lines[0].replace("61740.5,1,", "61740.5,,"))
    result, rows = take("tardis", write(tmp_path / "d.csv", ",".join([HEAD, *names]), lines), out=tmp_path / "j")
    assert told(rows) == [
        (S, BID, 617404, 2000, False), (S, ASK, 617405, 1000, False), (S, ASK, 617406, 3000, True)
    ] * 2  # fmt: skip
    assert result.rejected == 1 and Journal(tmp_path / "j").manifest().instruments[0].book_depth == 5


def mine(tmp_path, **types):
    """A book of one's own in Parquet: snapshots of one level a side."""
    columns = {
        "at": [1_723_075_200_000, 1_723_075_200_000, 1_723_075_200_100, 1_723_075_200_100],
        "s": ["bid", "ask"] * 2,
        "p": [61740.4, 61740.5, 61740.3, 61740.5],
        "q": [0.3, 0.1, 0.7, 0.001],
    }
    arrays = {name: pa.array(values) for name, values in columns.items()}
    if pa.types.is_timestamp(types.get("at", pa.int64())):
        arrays["at"] = arrays["at"].cast(pa.timestamp("ms"))
    arrays = {name: array.cast(types.get(name, array.type)) for name, array in arrays.items()}
    pq.write_table(pa.table(arrays), tmp_path / "mine.parquet")
    text = "kind: book\ntime: at\nsymbol_is: BTCUSDT\nside: s\nprice: p\nsize: q\nsnapshot: true\n"
    (tmp_path / "map.yaml").write_text(text)
    return tmp_path / "mine.parquet"


@pytest.mark.parametrize(
    "types",
    [
        {},
        {"q": pa.float32(), "at": pa.timestamp("ms")},
        {"p": pa.string(), "q": pa.decimal128(20, 8), "at": pa.timestamp("us", "UTC")},
        {"at": pa.string(), "s": pa.dictionary(pa.int8(), pa.string())},
    ],
)
def test_a_table_of_ones_own_is_exact_in_any_type(tmp_path, types):
    rows = take("table", mine(tmp_path, **types), out=tmp_path / "j", mapping=tmp_path / "map.yaml", **GRIDS)[1]
    expected = [617404, 617405, 617403, 617405]
    assert [(int(r["price_ticks"]), int(r["qty_lots"])) for r in rows] == list(
        zip(expected, [300, 100, 700, 1], strict=True)
    )
    assert [int(r["ts_receive_ns"]) for r in rows][::2] == [1_723_075_200_000_000_000, 1_723_075_200_100_000_000]


VISION = [
    ("BTCUSDT-trades-2024-08-08.zip", "id,price,qty,quote_qty,time,is_buyer_maker",
     ["5,61740.4,0.001,61.74,1723075200000,true", "6,61740.5,0.002,123.48,1723075200001,false"]),
    ("BTCUSDT-trades-2025-01-01.csv", None,
     ["5,61740.4,0.001,61.74,1735689600000001,True,True", "6,61740.5,0.002,123.4,1735689600000002,False,True"]),
    ("BTCUSDT-aggTrades-2024-08.zip",
     "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker",
     ["5,61740.4,0.001,1,1,1723075200000,true", "6,61740.5,0.002,2,3,1723075200001,false"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "head", "lines"), VISION)
def test_trades_of_binance_vision(tmp_path, name, head, lines):
    rows = take("vision", write(tmp_path / name, head, lines), out=tmp_path / "j", **GRIDS)[1]
    assert told(rows) == [(T, ASK, 617404, 1, True), (T, BID, 617405, 2, True)]
    assert [int(r["order_id"]) for r in rows] == [5, 6]


def test_best_prices_of_binance_vision(tmp_path):
    head = "update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,event_time"
    path = write(
        tmp_path / "BTCUSDT-bookTicker-2024-03-01.zip", head, ["9,61740.4,1,61740.5,2,1709251200000,1709251200005"]
    )
    rows = take("vision", path, out=tmp_path / "j")[1]
    assert told(rows) == [(B, BID, 617404, 1000, False), (B, ASK, 617405, 2000, True)]
    assert int(rows[0]["ts_receive_ns"]) - int(rows[0]["ts_exchange_ns"]) == 5_000_000
