"""How a kind is spelled: the bytes of one line, read back by both readers, and what a line may not leave out."""

import json
from pathlib import Path

import numpy as np
import pytest

from mmfold.engine.codes import AuditKind, EventKind, Reason, Side
from mmfold.engine.jit import JIT_ENABLED
from mmfold.engine.limits import AUTHOR_SHIFT, POLICY_ROOM
from mmfold.engine.manifest import Instrument, Manifest, canonical_json
from mmfold.journal.jsonl.file import JsonlError, JsonlReader
from mmfold.journal.jsonl.lines import LineEncoder
from mmfold.journal.jsonl.tables import HOT_KINDS
from mmfold.journal.log.canonical import RowError
from mmfold.journal.parquet import export_parquet, read_parquet
from tests.property.strategies import empty_row, journal_rows

MANIFEST = Manifest(run_id="fields", instruments=(Instrument(symbol="X", tick_size="0.10", lot_size="0.001"),))
READERS = [1 << 60, 0] if JIT_ENABLED else [1 << 60]
# Docs: data.md, sections 2 and 6.
BOOK_ORDER_LINE = (
    b'{"kind":"book_order","market_order_id":9007199254740993,"price":"61740.5","qty":"0.02","seq":1,"side":"sell",'
    b'"symbol":"X","ts_receive_ns":9,"venue_seq":12}'
)


def book_order(**columns: int) -> np.ndarray:
    row = empty_row(EventKind.BOOK_ORDER)
    fields = {"side": Side.ASK, "price_ticks": 617405, "qty_lots": 20, "order_id": (1 << 53) + 1, "aux": 12}
    for name, value in {**fields, "ts_receive_ns": 9, **columns}.items():
        row[name] = value
    return row


def write(path: Path, line: bytes) -> Path:
    manifest = LineEncoder(MANIFEST).encode(journal_rows(MANIFEST, []), None, b"")
    path.write_bytes(manifest + line + b"\n")
    return path


@pytest.mark.parametrize("fast_from_bytes", READERS)
def test_an_order_of_the_market_in_text_and_parquet(tmp_path: Path, fast_from_bytes: int) -> None:
    rows = journal_rows(MANIFEST, [book_order()])
    assert LineEncoder(MANIFEST).encode(rows, None, b"").splitlines()[1] == BOOK_ORDER_LINE
    path = write(tmp_path / "x.jsonl", BOOK_ORDER_LINE)
    assert np.concatenate(list(JsonlReader(path, fast_from_bytes).chunks())).tobytes() == rows.tobytes()
    export_parquet([rows], MANIFEST, tmp_path / "x.parquet")
    assert np.concatenate(list(read_parquet(tmp_path / "x.parquet"))).tobytes() == rows.tobytes()
    assert EventKind.BOOK_ORDER in HOT_KINDS, "most events of a market-by-order feed"


@pytest.mark.parametrize("fast_from_bytes", READERS)
@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("market_order_id", None, "market_order_id"),
        ("price", None, "price"),
        ("qty", None, "qty"),
        ("side", None, "side"),
        ("side", "bid", '"bid" is not one of buy, sell'),
        ("qty", "-0.001", "qty"),
        ("order_id", 5, "order_id"),
        ("bids", [], "bids"),
    ],
)
def test_an_order_of_the_market_that_is_not_one(
    tmp_path: Path, fast_from_bytes: int, key: str, value: object, message: str
) -> None:
    line = {**json.loads(BOOK_ORDER_LINE), key: value}
    text = canonical_json({name: one for name, one in line.items() if one is not None})
    with pytest.raises(JsonlError, match=message):
        list(JsonlReader(write(tmp_path / "x.jsonl", text), fast_from_bytes).chunks())


def audit(aux: int) -> np.ndarray:
    row = empty_row(EventKind.AUDIT)
    fields = {"code": AuditKind.PARAM, "order_id": 10, "price_ticks": 4, "qty_lots": 3, "ts_receive_ns": 9, "aux": aux}
    for name, value in fields.items():
        row[name] = value
    return row


@pytest.mark.parametrize("fast_from_bytes", READERS)
@pytest.mark.parametrize(
    ("aux", "text"),
    [
        (Reason.CONFIG, '"config"'),
        (1 << AUTHOR_SHIFT | Reason.AUTOPOLICY, '"autopolicy@1"'),
        (POLICY_ROOM - 1 << AUTHOR_SHIFT | Reason.NONE, '"none@15"'),
    ],
)
def test_who_changed_a_param(tmp_path: Path, fast_from_bytes: int, aux: int, text: str) -> None:
    rows = journal_rows(MANIFEST, [audit(aux)])
    line = LineEncoder(MANIFEST).encode(rows, None, b"").splitlines()[1]
    assert f'"reason":{text}'.encode() in line
    path = write(tmp_path / "x.jsonl", line)
    assert np.concatenate(list(JsonlReader(path, fast_from_bytes).chunks())).tobytes() == rows.tobytes()
    export_parquet([rows], MANIFEST, tmp_path / "x.parquet")
    assert np.concatenate(list(read_parquet(tmp_path / "x.parquet"))).tobytes() == rows.tobytes()


@pytest.mark.parametrize("text", ["autopolicy@", "autopolicy@0", "autopolicy@16", "autopolicy@01", "nobody@1", "@1"])
def test_a_reason_that_is_none(tmp_path: Path, text: str) -> None:
    rows = journal_rows(MANIFEST, [audit(1 << AUTHOR_SHIFT | Reason.AUTOPOLICY)])
    line = LineEncoder(MANIFEST).encode(rows, None, b"").splitlines()[1]
    path = write(tmp_path / "x.jsonl", line.replace(b"autopolicy@1", text.encode()))
    with pytest.raises(JsonlError, match=r"policy of 1 to 15|is not one of"):
        list(JsonlReader(path).chunks())


@pytest.mark.parametrize("aux", [POLICY_ROOM << AUTHOR_SHIFT | Reason.AUTOPOLICY, 1 << AUTHOR_SHIFT | 999, -5])
def test_an_author_that_text_could_not_give_back(aux: int) -> None:
    with pytest.raises(RowError, match="aux"):
        LineEncoder(MANIFEST).encode(journal_rows(MANIFEST, [audit(aux)]), None, b"")
