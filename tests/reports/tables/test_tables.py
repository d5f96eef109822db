"""Tables of a journal say what its rows and its report say: sums against sums, row for row, exact against float."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import mmfold
from mmfold.engine.codes import EventKind, OrderStatus
from mmfold.engine.core import WitnessDiffers
from mmfold.engine.manifest import encode_manifest
from mmfold.engine.payload import payload_rows
from mmfold.engine.records import NO_TS_NS
from mmfold.journal.convert import convert
from mmfold.journal.errors import JournalError, NotAJournal
from mmfold.journal.formats import Events
from mmfold.journal.log.writer import Writer
from mmfold.journal.selection import UnknownName
from mmfold.replay.run import ReplayOptions, replay
from mmfold.reports.audit import audit_records
from mmfold.reports.money import instrument_units
from mmfold.reports.summary import symbols_json
from mmfold.reports.tables.columns import amounts
from mmfold.reports.tables.journal import TABLES, Tables
from mmfold.reports.tearsheet.fold import fold_backtest
from mmfold.reports.tearsheet.metrics import tearsheet_document
from tests.engine.rows import make_manifest
from tests.reports.tearsheet.tape import SYMBOL, Tape
from tests.reports.tearsheet.test_fold import DEMO, ROUND_TRIP

NAMES = list(TABLES)
MOVING = {"mode": 0, "min_time_in_book_ns": 0}  # nothing is sent, and orders follow the market
PATH = [9_999, 9_990, 9_970, 9_950, 9_980]  # best bids, the ask 2 above
MOVES = "\n".join(
    f"{100 * place} | delta {bid}x9 {before}x0 / {bid + 2}x9 {before + 2}x0 @{place + 1}<{place}"
    for place, (before, bid) in enumerate(pairwise(PATH), 1)
)


@pytest.fixture(scope="module")
def tables() -> Tables:
    return mmfold.open(DEMO)


@pytest.fixture(scope="module")
def exact() -> Tables:
    return mmfold.open(str(DEMO), exact=True)


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return np.concatenate(list(Events(DEMO).chunks()))


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    return symbols_json(replay(DEMO, ReplayOptions(checkpoints=False)))


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    return mmfold.open(Tape(tmp_path_factory.mktemp("tape") / "j").write(ROUND_TRIP), exact=True)


def of_symbol(table: pa.Table, symbol: str) -> list[dict[str, Any]]:
    return [row for row in table.to_pylist() if row["symbol"] == symbol]


# Sums are the report's


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT"])
def test_fills_add_up_to_the_report(exact: Tables, report: dict[str, Any], symbol: str) -> None:
    fills, told = of_symbol(exact.fills(), symbol), report[symbol]
    assert len(fills) == told["fills"] > 5
    assert sum(row["fee"] for row in fills) == Decimal(told["fees"]) != 0
    assert sum(row["realized_pnl"] for row in fills) == Decimal(told["realized_pnl"]) != 0
    assert fills[-1]["position"] == Decimal(told["position"])
    assert {row["currency"] for row in fills} == {told["currency"]}
    assert sum(row["price"] * row["qty"] for row in fills) == Decimal(told["turnover"])
    assert sum(row["liquidity"] == "maker" for row in fills) == round(told["maker_share"] * len(fills))


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT"])
def test_orders_add_up_to_the_report(exact: Tables, report: dict[str, Any], symbol: str) -> None:
    orders, told = of_symbol(exact.orders(), symbol), report[symbol]
    assert len(orders) == told["placed"] > 5
    still_open = [row for row in orders if row["ts_ended"] is None]
    assert Counter({"buy": told["orders_live"]["bid"], "sell": told["orders_live"]["ask"]}) == Counter(
        row["side"] for row in still_open
    )
    assert {row["status"] for row in still_open} <= {status.name.lower() for status in OrderStatus}
    assert sum(row["fills"] for row in orders) == told["fills"]
    fills = of_symbol(exact.fills(), symbol)
    filled: Counter[int] = Counter()
    for row in fills:
        filled[row["order_id"]] += row["qty"]
    assert {row["order_id"]: row["filled"] for row in orders if row["filled"]} == dict(filled)
    assert {row["status"] for row in orders if row["filled"] == row["qty"]} == {"filled"}


def test_equity_ends_at_the_net_of_the_report(exact: Tables, report: dict[str, Any]) -> None:
    for symbol, told in report.items():
        last = of_symbol(exact.equity(), symbol)[-1]
        assert 0 <= Fraction(told["net_pnl"]) - Fraction(last["net_pnl"]) < Fraction(1, 10**6)
        assert last["currency"] == told["currency"]


def test_markouts_are_the_curve_of_the_tearsheet(exact: Tables) -> None:
    curve = tearsheet_document(fold_backtest(DEMO))["figures"]["totals"]["USDT"]["markouts"]
    mids = {row["seq"]: row["mid"] for row in exact.fills().to_pylist()}
    for entry in curve:
        found = [row for row in exact.markouts().to_pylist() if row["horizon_ms"] == entry["horizon_ms"]]
        counted = [row for row in found if row["mid"] is not None]
        assert (len(counted), len(found)) == (entry["fills"], entry["fills"] + entry["without_mid"])
        gained = sum(Fraction(row["markout"] * row["qty"]) for row in counted)
        paid = sum(Fraction(row["price"] * row["qty"]) for row in counted)
        assert abs(10_000 * gained / paid - Fraction(str(entry["bps"]))) <= Fraction(1, 10**6)
    assert len(mids) == 23 and None not in mids.values()


# Rows are the journal's


def test_events_are_the_rows_of_the_journal(tables: Tables, rows: np.ndarray) -> None:
    found = tables.events()
    assert found["seq"].to_numpy().tolist() == rows["seq"].tolist()
    kinds = [EventKind(kind).name.lower() for kind in rows["kind"].tolist()]
    assert found["kind"].cast(pa.string()).to_pylist() == kinds
    times = found["ts_receive"].cast(pa.int64()).fill_null(NO_TS_NS).to_pylist()
    timed = rows["kind"] > EventKind.COMMAND
    timed &= rows["kind"] != EventKind.DIGEST
    assert np.array(times)[timed].tolist() == rows["ts_receive_ns"][timed].tolist()
    placed = rows[rows["kind"] == EventKind.PLACE]
    assert tables.orders()["order_id"].to_pylist() == placed["order_id"].tolist()
    assert tables.orders()["seq"].to_pylist() == placed["seq"].tolist()
    assert tables.events("place")["order_id"].to_pylist() == placed["order_id"].tolist()
    assert set(tables.events("place")["reason"].to_pylist()) == {"quote"}


def test_audit_is_the_audit_log(tables: Tables, rows: np.ndarray) -> None:
    units = [instrument_units(instrument) for instrument in tables.manifest.instruments]
    effects = rows[(rows["kind"] >= EventKind.PLACE) & (rows["kind"] < EventKind.FRAME)]
    expected = [record for _, record in audit_records(effects, tables.manifest, units)]
    found = tables.audit().to_pylist()
    assert [(row["seq"], row["kind"].upper(), row["symbol"] or "-") for row in found] == [
        (record["fields"]["seq"], record["kind"], record["symbol"]) for record in expected
    ]
    assert [row["reason"] for row in found] == [record["fields"].get("reason") for record in expected]
    assert {row["kind"] for row in found} >= {"place", "replace", "cancel", "param", "block", "alert"}


@pytest.mark.parametrize("name", NAMES)
def test_decimals_and_floats_are_the_same_numbers(tables: Tables, exact: Tables, name: str) -> None:
    floats, decimals = TABLES[name](tables), TABLES[name](exact)
    assert floats.column_names == decimals.column_names and len(floats) == len(decimals) > 0
    for column in floats.column_names:
        if pa.types.is_decimal(decimals[column].type):
            told = [None if value is None else float(value) for value in decimals[column].to_pylist()]
            assert floats[column].to_pylist() == told, column
        else:
            assert floats[column].equals(decimals[column]), column


@pytest.mark.parametrize("count", [0, 1, -1, 7, -(1 << 40), (1 << 62) - 1, -(1 << 62) + 1])
@pytest.mark.parametrize("unit", ["0.1", "0.00000001", "25", "0.0005"])
def test_an_amount_is_exact(count: int, unit: str) -> None:
    counts, units = np.array([count, 5]), [Fraction(1), Fraction(unit)]
    found = amounts(counts, np.array([1, 0]), units, True, np.array([True, False]))
    assert found.to_pylist() == [count * Decimal(unit), None]
    as_float = amounts(counts, np.array([1, 0]), units, False)
    assert as_float.to_pylist()[0] == pytest.approx(float(count * Decimal(unit)), rel=1e-15)


# What is asked for


def test_events_of_kinds_symbols_and_a_time(tables: Tables) -> None:
    everything = tables.events().to_pylist()
    assert tables.events(kind=["trade", "fill"], symbols="ETHUSDT").to_pylist() == [
        row for row in everything if row["kind"] in ("trade", "fill") and row["symbol"] == "ETHUSDT"
    ]
    times_ns = tables.events("timer")["ts_receive"].cast(pa.int64()).to_pylist()
    first, last = times_ns[10], times_ns[20]
    asked = tables.events("timer", time=(first, last))
    assert asked["ts_receive"].cast(pa.int64()).to_pylist() == [one for one in times_ns if first <= one <= last]
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=first // 1_000)
    assert tables.events("timer", time=(moment, None)).equals(tables.events("timer", time=(moment.isoformat(), None)))
    assert tables.trades("BTCUSDT")["seq"].to_pylist() == tables.events("trade", "BTCUSDT")["seq"].to_pylist()
    assert set(tables.trades()["side"].to_pylist()) == {"buy", "sell"}


@pytest.mark.parametrize(("asked", "told"), [({"kind": "trad"}, 'kind "trad"'), ({"symbols": ["XRP"]}, 'symbol "XRP"')])
def test_an_unknown_name_is_told(tables: Tables, asked: dict[str, Any], told: str) -> None:
    with pytest.raises(UnknownName, match=f"{told} is not one of"):
        tables.events(**asked)


def test_params_and_book_at_a_moment(tables: Tables, report: dict[str, Any]) -> None:
    for symbol, told in report.items():
        best = {row["side"]: row["price"] for row in of_symbol(tables.book(), symbol) if row["level"] == 1}
        assert best == {"bid": float(told["best_bid"]), "ask": float(told["best_ask"])}
    early = tables.book(at=100)
    assert not early.equals(tables.book()) and pc.min(early["qty"]).as_py() > 0
    assert early["ts"][0].as_py() < tables.book()["ts"][0].as_py()
    assert tables.params(at=100).num_rows == tables.params().num_rows > 50
    assert set(tables.params()["by"].to_pylist()) >= {"operator"}


# Other journals


def test_by_hand(by_hand: Tables) -> None:
    fills = by_hand.fills().to_pylist()
    assert [(row["side"], row["price"], row["qty"], row["fee"], row["realized_pnl"]) for row in fills] == [
        ("buy", 9_990, 5, Decimal("4.995"), 0), ("sell", 10_010, 5, Decimal("5.005"), 100)
    ]  # fmt: skip
    statuses = {row["order_id"]: row["status"] for row in by_hand.orders().to_pylist()}
    assert [status for _, status in sorted(statuses.items())] == ["filled", "filled", "rejected", "created", "created"]


def test_where_nothing_is_sent_a_decision_is_the_end(tmp_path: Path) -> None:
    path = Tape(tmp_path / "j", MOVING).write(f"0 | book 9999x9 / 10001x9 @1\n{MOVES}\n2500 | timer")
    orders, told = mmfold.open(path).orders().to_pylist(), replay(path, ReplayOptions(checkpoints=False))
    state = told.state.orders[0]
    held = state[(state["status"] >= OrderStatus.CREATED) & (state["status"] < OrderStatus.DONE)]
    live = {row["order_id"]: row for row in orders if row["ts_ended"] is None}
    assert len(held) > 0 and sorted(live) == sorted(held["order_id"].tolist())
    assert [live[int(one["order_id"])]["price"] for one in held] == [float(one["price_ticks"]) for one in held]
    assert len(orders) == symbols_json(told)[SYMBOL]["placed"]
    assert sum(row["amends"] for row in orders) + sum(row["status"] == "canceled" for row in orders) > 0


def test_a_journal_without_decisions_has_its_columns(tmp_path: Path) -> None:
    manifest = make_manifest(SYMBOL)
    with Writer(tmp_path / "j") as writer:
        writer.append(payload_rows(EventKind.MANIFEST, 0, encode_manifest(manifest)))
    empty, full = mmfold.open(tmp_path / "j", exact=True), mmfold.open(DEMO, exact=True)
    assert set(empty.events()["kind"].to_pylist()) == {"manifest"}
    for name in set(NAMES) - {"events", "params", "book"}:
        table = TABLES[name](empty)
        assert (table.num_rows, table.column_names) == (0, TABLES[name](full).column_names), name
    assert empty.params().num_rows > 50 and empty.book().num_rows == 0


def test_every_form_has_the_same_tables(tables: Tables, tmp_path: Path) -> None:
    convert(DEMO, tmp_path / "demo.jsonl")
    other = mmfold.open(tmp_path / "demo.jsonl")
    assert other.fills().equals(tables.fills()) and other.orders().equals(tables.orders())
    assert other.events().equals(tables.events())


def test_what_is_no_journal_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotAJournal):
        mmfold.open(tmp_path / "none")


@pytest.mark.parametrize("name", ["events", "audit", "fills", "params"])
def test_a_journal_that_does_not_verify_has_no_tables(tmp_path: Path, name: str) -> None:
    path = tmp_path / "j"
    path.mkdir()
    for file in DEMO.iterdir():
        if file.is_file():
            data = bytearray(file.read_bytes())
            if file.suffix == ".mmj":
                data[len(data) // 2] ^= 1
            (path / file.name).write_bytes(data)
    with pytest.raises(JournalError):
        TABLES[name](mmfold.open(path))


def test_a_decision_that_is_not_the_cores_has_no_fills(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    convert(DEMO, path)
    events = [json.loads(line) for line in path.read_text().splitlines()]
    for event in events:
        del event["prev"], event["hash"]
    next(event for event in events if event["kind"] == "place")["reason"] = "reprice"
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    with pytest.raises(WitnessDiffers):
        mmfold.open(path).fills()
