"""A journal as one Parquet file for analysis, and back without loss; must never be where a journal is kept.

Exact integer columns (sentinels become NULL) plus `price` and `qty` as floats for convenience; one row per journal row,
a row group per chunk. DuckDB reads it as it is: `SELECT symbol, sum(qty) FROM 'x.parquet' WHERE kind = 'trade' ...`.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mmfold.engine.codes import Flag, Side
from mmfold.engine.limits import PAYLOAD_ROW_BYTES
from mmfold.engine.manifest import Manifest, encode_manifest, parse_manifest
from mmfold.engine.records import EVENT, NO_VALUE, PAYLOAD
from mmfold.journal.files.work import finished_file
from mmfold.journal.jsonl.decimals import Grid
from mmfold.journal.jsonl.fields import EMPTY, FORMER_WORDS, KINDS, LEVEL_SIDE, PRICE, WORDS, Shape, scales_of
from mmfold.journal.log.canonical import check_canonical
from mmfold.journal.log.chain import Chain
from mmfold.journal.log.upcast import upcast

FORMAT_VERSION = b"1"
COMPRESSION = "zstd"
GROUP_ROW_COUNT_MAX, GROUP_BYTES_MAX = 1 << 22, 1 << 29  # of a row group, by the file's own table of contents
INT_COLUMNS = ("ts_exchange_ns", "ts_receive_ns", "price_ticks", "qty_lots", "order_id", "aux")
KIND_WORDS = [entry.word for entry in KINDS.values()]
KIND_CODES = np.array(list(KINDS), np.uint8)
KIND_OF_WORD = {word: int(entry.kind) for word, entry in (WORDS | FORMER_WORDS).items()}
PAYLOAD_CODES = [int(kind) for kind, entry in KINDS.items() if entry.shape is Shape.PAYLOAD]
SYMBOL_CODES = [int(kind) for kind, entry in KINDS.items() if entry.has_symbol]
PRICE_CODES = [int(kind) for kind, entry in KINDS.items() if PRICE in (*entry.fields, *entry.each)]
QTY_CODES = [
    int(kind) for kind, entry in KINDS.items() if "qty" in (field.key for field in (*entry.fields, *entry.each))
]
SIDE_WORDS = [name for name, _ in LEVEL_SIDE.names]
assert sorted(KINDS) == list(KINDS), "a kind's word is found by searching its code"
assert [code for _, code in LEVEL_SIDE.names] == [Side.BID, Side.ASK], "a side's word is found by its code"

WORD = pa.dictionary(pa.int16(), pa.string())
SCHEMA = pa.schema(
    [
        pa.field("seq", pa.int64(), nullable=False),
        pa.field("kind", WORD, nullable=False),
        pa.field("symbol", WORD),
        pa.field("side", WORD),
        *(pa.field(name, pa.int64()) for name in INT_COLUMNS),
        pa.field("price", pa.float64()),
        pa.field("qty", pa.float64()),
        pa.field("code", pa.uint16(), nullable=False),
        pa.field("flags", pa.uint16(), nullable=False),
        pa.field("payload", pa.binary()),
    ]
)


class ParquetError(ValueError):
    """A Parquet file that is no export of a journal, or not what was exported."""


def export_parquet(chunks: Iterable[np.ndarray], manifest: Manifest, path: Path | str) -> bytes:
    """Write events, whole or not at all, and return their head.

    Shape:  chunks of whole events, seq from 0.
    Raises: RowError for rows that are not canonical, OSError.
    """
    path = Path(path)
    scales = scales_of(manifest)
    chain, row_count = Chain(), 0
    with finished_file(path) as file, pq.ParquetWriter(file, SCHEMA, compression=COMPRESSION) as writer:
        for rows in chunks:
            if len(rows):
                check_canonical(rows, scales)
                chain.update(rows)
                row_count += len(rows)
                writer.write_table(arrow_table(rows, manifest), row_group_size=len(rows))
        metadata = {"version": FORMAT_VERSION, "head": chain.head.hex(), "rows": str(row_count)}
        metadata |= {"manifest": encode_manifest(manifest)}
        writer.add_key_value_metadata({f"mm.{key}": value for key, value in metadata.items()})
    return chain.head


def arrow_table(rows: np.ndarray, manifest: Manifest) -> pa.Table:
    """Return rows as an Arrow table.

    Shape: a row per row, columns of SCHEMA.
    """
    is_payload = np.isin(rows["kind"], PAYLOAD_CODES)
    kinds = np.searchsorted(KIND_CODES, rows["kind"])  # the table is in order of the codes
    columns: dict[str, Any] = {"seq": rows["seq"], "code": rows["code"], "flags": rows["flags"]}
    columns["kind"] = _words(kinds, KIND_WORDS, np.zeros(len(rows), bool))
    symbols = [instrument.symbol for instrument in manifest.instruments]
    columns["symbol"] = _words(rows["instrument_index"], symbols, ~np.isin(rows["kind"], SYMBOL_CODES))
    columns["side"] = _words(rows["side"], SIDE_WORDS, rows["side"] == Side.NONE)
    for name in INT_COLUMNS:
        absent = rows[name] == EMPTY[name] if EMPTY[name] == NO_VALUE else np.zeros(len(rows), bool)
        columns[name] = pa.array(np.ascontiguousarray(rows[name]), mask=is_payload | absent)
    has_price = np.isin(rows["kind"], PRICE_CODES) & (rows["price_ticks"] != EMPTY["price_ticks"])
    has_qty = np.isin(rows["kind"], QTY_CODES) & (has_price | ~np.isin(rows["kind"], PRICE_CODES))
    scales = scales_of(manifest)
    columns["price"] = _floats(rows, "price_ticks", [scale.tick for scale in scales], has_price)
    columns["qty"] = _floats(rows, "qty_lots", [scale.lot for scale in scales], has_qty)
    payload = np.ascontiguousarray(rows[is_payload]).view(PAYLOAD)
    held = (line["payload"].tobytes()[: line["code"]] for line in payload)
    columns["payload"] = pa.array([next(held) if flag else None for flag in is_payload.tolist()], pa.binary())
    return pa.table(columns, schema=SCHEMA)


def _floats(rows: np.ndarray, column: str, grids: list[Grid], present: np.ndarray) -> pa.Array:
    """Return ticks or lots in the venue's units, rounded once: the product is exact below 2**53."""
    mantissas = np.array([float(grid.mantissa) for grid in grids])[rows["instrument_index"]]
    powers = np.array([10.0**grid.exponent for grid in grids])[rows["instrument_index"]]
    return pa.array(rows[column].astype(float) * mantissas / powers, mask=~present)


def _words(codes: np.ndarray, words: list[str], absent: np.ndarray) -> pa.DictionaryArray:
    """Return codes as a dictionary column."""
    indices = pa.array(np.where(absent, 0, codes).astype(np.int16), mask=absent)
    return pa.DictionaryArray.from_arrays(indices, pa.array(words, pa.string()))


def read_parquet(path: Path | str) -> Iterator[np.ndarray]:
    """Return the rows of an export, chunk by chunk, and check its head at the end.

    Raises: ParquetError when the file is no export, was changed, or was written by another version.
    """
    try:
        with pq.ParquetFile(path) as file:
            yield from _chunks(file, path)
    except pa.ArrowException as error:
        raise ParquetError(f"{path}: not a Parquet file: {error}") from error


def _chunks(file: pq.ParquetFile, path: Path | str) -> Iterator[np.ndarray]:
    """Return the rows of an open export."""
    metadata = file.metadata.metadata or {}
    if metadata.get(b"mm.version") != FORMAT_VERSION or not file.schema_arrow.equals(SCHEMA):
        raise ParquetError(f"{path}: not an export of a journal, or of another version")
    chain, row_count = Chain(), 0
    for group in range(file.num_row_groups):
        told = file.metadata.row_group(group)
        if told.num_rows > GROUP_ROW_COUNT_MAX or told.total_byte_size > GROUP_BYTES_MAX:
            raise ParquetError(
                f"{path}: row group {group} has {told.num_rows:,} rows in {told.total_byte_size:,} bytes unpacked, at "
                f"most {GROUP_ROW_COUNT_MAX:,} in {GROUP_BYTES_MAX:,} are read"
            )
        try:
            manifest = parse_manifest(metadata.get(b"mm.manifest", b""))
            rows = _rows(file.read_row_group(group), [instrument.symbol for instrument in manifest.instruments])
            chain.update(rows)
        except (KeyError, ValueError) as error:  # a word, a payload or a seq that no export has
            raise ParquetError(f"{path}: row group {group}: {error}") from error
        if len(rows) == 0 or not rows["flags"][-1] & Flag.LAST:
            raise ParquetError(f"{path}: row group {group} does not end with a whole event")
        row_count += len(rows)
        yield upcast(rows, manifest.schema_version)
    head = metadata.get(b"mm.head", b"").decode()
    if chain.head.hex() != head or str(row_count).encode() != metadata.get(b"mm.rows"):
        raise ParquetError(
            f"{path}: head {chain.head.hex()} of {row_count:,} rows, exported was {head}: it was changed"
        )


def _rows(table: pa.Table, symbols: list[str]) -> np.ndarray:
    """Return an Arrow table as rows."""
    rows = np.zeros(table.num_rows, EVENT)
    for name in ("seq", "code", "flags"):
        rows[name] = table[name].to_numpy()
    for name in INT_COLUMNS:
        rows[name] = table[name].fill_null(EMPTY[name]).to_numpy()
    rows["kind"] = _codes(table["kind"], KIND_OF_WORD, 0)
    rows["instrument_index"] = _codes(table["symbol"], places_of(symbols), 0)
    rows["side"] = _codes(table["side"], places_of(SIDE_WORDS), int(Side.NONE))
    held = table["payload"].drop_null().to_pylist()
    where = np.flatnonzero(table["payload"].is_valid().to_numpy())
    if len(where):
        payload = np.frombuffer(b"".join(part.ljust(PAYLOAD_ROW_BYTES, b"\0") for part in held), np.uint8)
        rows.view(PAYLOAD)["payload"][where] = payload.reshape(-1, PAYLOAD_ROW_BYTES)
    return rows


def places_of(words: list[str]) -> dict[str, int]:
    """Return where each word stands."""
    return {word: place for place, word in enumerate(words)}


def _codes(column: pa.ChunkedArray, code_of: dict[str, int], absent: int) -> np.ndarray:
    """Return a dictionary column as the codes of its words.

    Raises: KeyError for a word that is not there.
    """
    codes = np.full(len(column), absent, np.int64)
    at = 0
    for chunk in column.chunks:
        lookup = np.array([code_of[word] for word in chunk.dictionary.to_pylist()], np.int64)
        present = chunk.is_valid().to_numpy(zero_copy_only=False)
        codes[at : at + len(chunk)][present] = lookup[chunk.indices.drop_null().to_numpy(zero_copy_only=False)]
        at += len(chunk)
    return codes
