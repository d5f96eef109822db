"""Parquet exports: the same rows and head, what DuckDB sees, and what is refused."""

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.manifest import Instrument, Manifest
from mmfold.journal.log.canonical import RowError
from mmfold.journal.log.chain import Chain
from mmfold.journal.parquet import GROUP_ROW_COUNT_MAX, ParquetError, export_parquet, read_parquet
from tests.property.strategies import empty_row, journal_rows, payload_rows

MANIFEST = Manifest(
    run_id="parquet",
    instruments=(
        Instrument(symbol="BTCUSDT", tick_size="0.10", lot_size="0.001"),
        Instrument(symbol="ETHUSDT", tick_size="0.01", lot_size="0.01"),
    ),
)


def trade(instrument_index: int, side: Side, price_ticks: int, qty_lots: int) -> np.ndarray:
    row = empty_row(EventKind.TRADE)
    row["instrument_index"], row["side"] = instrument_index, side
    row["price_ticks"], row["qty_lots"] = price_ticks, qty_lots
    return row


def bbo(bid_ticks: int, ask_ticks: int) -> np.ndarray:
    rows = np.repeat(empty_row(EventKind.BBO), 2)
    rows["side"], rows["flags"] = [Side.BID, Side.ASK], [0, Flag.LAST]
    rows["price_ticks"], rows["qty_lots"] = [bid_ticks, ask_ticks], 1000
    return rows


def audit() -> np.ndarray:
    row = empty_row(EventKind.AUDIT)
    row["code"], row["price_ticks"], row["qty_lots"] = 1, 5, 6
    return row


ROWS = journal_rows(
    MANIFEST,
    [
        trade(0, Side.BID, 617405, 3),
        trade(1, Side.ASK, 200001, 250),
        bbo(617404, 617406),
        trade(0, Side.ASK, 617404, 1500),
        bbo(617400, 617401),
        audit(),
        payload_rows(EventKind.DIGEST, bytes(32)),
        payload_rows(EventKind.COMMAND, bytes(range(100))),
    ],
)
CUT = int(np.flatnonzero(ROWS["seq"] == 3)[0])  # between two events


@pytest.fixture
def path(tmp_path: Path) -> Path:
    export_parquet([ROWS[:CUT], ROWS[CUT:]], MANIFEST, tmp_path / "x.parquet")
    return tmp_path / "x.parquet"


def test_rows_chunks_and_head_come_back(path: Path) -> None:
    chain = Chain()
    chain.update(ROWS)
    chunks = list(read_parquet(path))
    assert [chunk.tobytes() for chunk in chunks] == [ROWS[:CUT].tobytes(), ROWS[CUT:].tobytes()]
    metadata = pq.read_metadata(path).metadata
    assert metadata[b"mm.head"].decode() == chain.head.hex()
    assert b'"run_id":"parquet"' in metadata[b"mm.manifest"]


# question | answer
QUERIES = [
    (
        "SELECT symbol, count(*), round(sum(qty), 9) FROM f WHERE kind = 'trade' GROUP BY symbol ORDER BY symbol",
        [("BTCUSDT", 2, 1.503), ("ETHUSDT", 1, 2.5)],
    ),
    (
        "SELECT seq, round(max(price) FILTER (side = 'ask') - max(price) FILTER (side = 'bid'), 9) FROM f"
        " WHERE kind = 'bbo' GROUP BY seq ORDER BY seq",
        [(3, 0.2), (5, 0.1)],
    ),
    ("SELECT price, price_ticks, qty, qty_lots FROM f WHERE seq = 1", [(61740.5, 617405, 0.003, 3)]),
    ("SELECT price, qty, price_ticks, qty_lots FROM f WHERE kind = 'audit'", [(None, None, 5, 6)]),
    ("SELECT DISTINCT symbol, side, aux FROM f WHERE kind = 'digest'", [(None, None, None)]),
    ("SELECT octet_length(payload) FROM f WHERE kind = 'command' ORDER BY code", [(4,), (48,), (48,)]),
]


@pytest.mark.parametrize(("query", "answer"), QUERIES)
def test_duckdb_reads_it_as_it_is(path: Path, query: str, answer: list[tuple[object, ...]]) -> None:
    with duckdb.connect() as db:
        assert db.execute(query.replace(" f ", f" '{path}' ")).fetchall() == answer


def rewritten(path: Path, table: pa.Table) -> None:
    """Write a table in the place of an export, as one who changed it would."""
    metadata = pq.read_metadata(path).metadata
    with pq.ParquetWriter(path, table.schema) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({key: metadata[key] for key in metadata if key.startswith(b"mm.")})


def column(table: pa.Table, name: str, values: list[object]) -> pa.Table:
    field = table.schema.field(name)
    return table.set_column(table.schema.get_field_index(name), field, pa.array(values, field.type))


CHANGES = {
    "a price": lambda t: column(t, "price_ticks", [v and v + 1 for v in t["price_ticks"].to_pylist()]),
    "a side": lambda t: column(t, "side", [v and "bid" for v in t["side"].to_pylist()]),
    "a kind": lambda t: column(t, "kind", ["trode"] * len(t)),
    "a symbol": lambda t: column(t, "symbol", ["XRP"] * len(t)),
    "a payload": lambda t: column(t, "payload", [v and v[::-1] for v in t["payload"].to_pylist()]),
    "a long payload": lambda t: column(t, "payload", [v and v * 99 for v in t["payload"].to_pylist()]),
    "a row less": lambda t: t.slice(0, len(t) - 1),
    "an event less": lambda t: t.filter(pa.compute.not_equal(t["seq"], 8)),
    "another order": lambda t: t.take(list(range(len(t)))[::-1]),
    "a column less": lambda t: t.drop_columns(["aux"]),
    "no rows": lambda t: t.slice(0, 0),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_export_is_refused(path: Path, change: str) -> None:
    rewritten(path, pq.read_table(path))
    assert b"".join(chunk.tobytes() for chunk in read_parquet(path)) == ROWS.tobytes(), "rewritten alike it is good"
    rewritten(path, CHANGES[change](pq.read_table(path)))
    with pytest.raises(ParquetError):
        list(read_parquet(path))


def test_what_is_no_export(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(b"PAR1 is not enough")
    with pytest.raises(ParquetError, match="not a Parquet file"):
        list(read_parquet(path))
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(ParquetError, match="not an export of a journal"):
        list(read_parquet(path))
    with pytest.raises(FileNotFoundError):
        list(read_parquet(tmp_path / "none.parquet"))


def test_a_failed_export_leaves_nothing(tmp_path: Path) -> None:
    bad = ROWS.copy()
    bad["code"][bad["kind"] == EventKind.TRADE] = 1
    with pytest.raises(RowError, match=r"seq 1 \(trade\): row is not canonical: code"):
        export_parquet([bad], MANIFEST, tmp_path / "x.parquet")
    assert list(tmp_path.iterdir()) == []


def test_a_row_group_that_unpacks_to_gigabytes_is_refused(path: Path) -> None:
    table = pq.read_table(path).slice(0, 1)
    metadata = pq.read_metadata(path).metadata
    many = table.take(pa.nulls(GROUP_ROW_COUNT_MAX + 1, pa.int64()).fill_null(0))
    with pq.ParquetWriter(path, table.schema, compression="zstd") as writer:
        writer.write_table(many, row_group_size=len(many))
        writer.add_key_value_metadata({key: metadata[key] for key in metadata if key.startswith(b"mm.")})
    assert path.stat().st_size < 1 << 20
    with pytest.raises(ParquetError, match=r"row group 0 has 4,194,305 rows in .* at most"):
        list(read_parquet(path))
