"""The audit log: the published vector, one record per effect, a file that is whole or not there."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from mmfold.engine.codes import AlertCode, AuditKind, EventKind, Flag, Reason, Side, Unit
from mmfold.engine.limits import E9, NS_PER_S
from mmfold.engine.manifest import canonical_json
from mmfold.engine.records import EVENT, NO_ORDER_ID, NO_PRICE_TICKS, NO_TS_NS, NO_VALUE, PARAM
from mmfold.reports.audit import GENESIS, AuditWriter, seal_record, utc_text
from tests.reports.examples import MANIFEST, START_NS

SKEW_INDEX = (PARAM.names or ()).index("skew_coeff")
HALF_LIFE_INDEX = (PARAM.names or ()).index("vola_half_life_ns")
START = "2024-08-08T23:54:17Z"
GUARD = {"kind": EventKind.AUDIT, "code": AuditKind.GUARD, "aux": Reason.IMBALANCE_GUARD, "side": Side.ASK}
BLOCK_ROW = {"kind": EventKind.AUDIT, "code": AuditKind.BLOCK, "aux": Reason.RISK_LIMIT}
PARAM_ROW = {"kind": EventKind.AUDIT, "code": AuditKind.PARAM, "order_id": SKEW_INDEX, "aux": Reason.NONE}
ORDER = {"order_id": 1 << 60, "side": Side.BID, "price_ticks": 617_390, "qty_lots": 2}
ORDER_FIELDS = {"order_id": str(1 << 60), "side": "bid", "price": "61739", "qty": "0.002"}


def effect(**fields: int) -> np.ndarray:
    """Return one effect row, absent where not given."""
    row = np.zeros(1, EVENT)
    row["seq"], row["ts_receive_ns"], row["ts_exchange_ns"], row["flags"] = 7, START_NS, NO_TS_NS, Flag.LAST
    row["price_ticks"], row["order_id"], row["aux"], row["side"] = NO_PRICE_TICKS, NO_ORDER_ID, NO_VALUE, Side.NONE
    for name, value in fields.items():
        row[name] = value
    return row


def written(path: Path, *rows: np.ndarray) -> list[dict]:
    """Write effects and return the records read back."""
    with AuditWriter(path, MANIFEST) as writer:
        for row in rows:
            writer.write(row)
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_published_vector():
    record = {"fields": {"x": 1}, "kind": "ALLOC", "symbol": "BTCUSDT", "ts": "1970-01-01T00:00:00Z"}
    digest, line = seal_record(record, GENESIS)
    assert digest == "c3ca44ccd8d8b4f9f3088a6b7e765fb42081dbefef9062988f96f9e5066cbffc"
    assert line.startswith(b'{"fields":{"x":1},"kind":"ALLOC","prev_sha256":"GENESIS","sha256":"c3ca44cc')


@pytest.mark.parametrize(
    ("row", "kind", "fields"),
    [
        (
            effect(kind=EventKind.PLACE, code=Reason.QUOTE, flags=Flag.LAST | Flag.POST_ONLY, **ORDER),
            "PLACE",
            {**ORDER_FIELDS, "reason": "quote", "post_only": 1},
        ),
        (effect(kind=EventKind.AMEND, code=Reason.REPRICE, **ORDER), "REPLACE", {**ORDER_FIELDS, "reason": "reprice"}),
        (
            effect(kind=EventKind.CANCEL, code=Reason.MD_STALE, order_id=5, side=Side.ASK),
            "CANCEL",
            {"order_id": "5", "reason": "md_stale", "side": "ask"},
        ),
        (
            effect(price_ticks=0, qty_lots=1, **GUARD),
            "GUARD",
            {"before": 0, "after": 1, "event": "block", "reason": "imbalance_guard", "side": "ask"},
        ),
        (
            effect(price_ticks=1, qty_lots=0, **GUARD),
            "GUARD",
            {"before": 1, "after": 0, "event": "resume", "reason": "imbalance_guard", "side": "ask"},
        ),
        (
            effect(price_ticks=3 * E9 // 10, qty_lots=-E9 // 2, **PARAM_ROW),
            "PARAM",
            {"param": "skew_coeff", "before": "0.3", "after": "-0.5", "reason": "none"},
        ),
        (
            effect(price_ticks=5, qty_lots=60 * NS_PER_S, **{**PARAM_ROW, "order_id": HALF_LIFE_INDEX}),
            "PARAM",
            {"param": "vola_half_life_ns", "before": "5", "after": "60000000000", "reason": "none"},
        ),
        (effect(kind=EventKind.AUDIT, code=AuditKind.CONFIG, qty_lots=4), "CONFIG", {"changed": 4}),
        (
            effect(price_ticks=5, qty_lots=4, order_id=Unit.LOTS, side=Side.BID, **BLOCK_ROW),
            "BLOCK",
            {"reason": "risk_limit", "side": "bid", "value": 5, "limit": 4, "unit": "lots"},
        ),
        (
            effect(price_ticks=0, qty_lots=1, **BLOCK_ROW),
            "BLOCK",
            {"reason": "risk_limit", "value": 0, "limit": 1, "unit": "none"},
        ),
        (
            effect(kind=EventKind.ALERT, code=AlertCode.BOOK_GAP, aux=99),
            "ALERT",
            {"alert": "book_gap", "detail": 99},
        ),
        (effect(kind=EventKind.ALERT, code=4_321), "ALERT", {"alert": "4321"}),
    ],
)
def test_record_of_effect(tmp_path, row, kind, fields):
    (record,) = written(tmp_path / "audit.jsonl", row)
    assert record["kind"] == kind
    assert record["fields"] == {**fields, "seq": 7}
    assert (record["symbol"], record["ts"], record["prev_sha256"]) == ("BTCUSDT", START, GENESIS)
    digest = record.pop("sha256")
    assert digest == hashlib.sha256(canonical_json(record)).hexdigest()


@pytest.mark.parametrize(
    ("receive_ns", "exchange_ns", "text"),
    [
        (START_NS + NS_PER_S - 1, START_NS + 9 * NS_PER_S, START),
        (NO_TS_NS, START_NS, START),
        (NO_TS_NS, NO_TS_NS, "1970-01-01T00:00:00Z"),
    ],
)
def test_time_is_event_time(tmp_path, receive_ns, exchange_ns, text):
    row = effect(kind=EventKind.ALERT, ts_receive_ns=receive_ns, ts_exchange_ns=exchange_ns)
    assert written(tmp_path / "audit.jsonl", row)[0]["ts"] == text


def test_digest_rows_are_passed_over(tmp_path):
    assert written(tmp_path / "audit.jsonl", effect(kind=EventKind.DIGEST)) == []


def test_before_the_epoch_is_still_utc():
    assert utc_text(-1) == "1969-12-31T23:59:59Z"


def test_log_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "audit.jsonl"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), AuditWriter(path, MANIFEST) as writer:
        writer.write(effect(kind=EventKind.ALERT))
        assert path.read_bytes() == b"old"
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["audit.jsonl"]


def test_batches_do_not_matter(tmp_path):
    rows = np.concatenate([effect(kind=EventKind.CANCEL, order_id=number, side=Side.BID) for number in range(9)])
    written(tmp_path / "a", rows)
    written(tmp_path / "b", rows[:1], rows[1:5], rows[5:])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
