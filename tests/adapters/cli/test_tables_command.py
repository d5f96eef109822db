"""`mm sql`, `mm orders`, `mm fills` on the bundled journal: the tables of `mmfold.open`, or one line that says why."""

import csv
import io
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

import mmfold
from mmfold.reports.tables.journal import TABLES, Tables

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def tables() -> Tables:
    return mmfold.open("demo")


def test_sql_sums_what_the_report_has(call: Call) -> None:
    query = "select symbol, count(*) as n, sum(fee) as fees from fills group by 1 order by 1"
    code, out, _ = call("sql", "demo", query, "--json", "--exact")
    told = json.loads(call("replay", "--events", "demo", "--json")[1])["symbols"]
    found = json.loads(out)
    assert (code, found["columns"], found["row_count"]) == (0, ["symbol", "n", "fees"], 2)
    assert {row["symbol"]: (row["n"], Decimal(row["fees"])) for row in found["rows"]} == {
        symbol: (report["fills"], Decimal(report["fees"])) for symbol, report in told.items()
    }
    lines = [line.split() for line in call("sql", "demo", query)[1].splitlines() if "USDT" in line]
    assert [words[:2] for words in lines] == [["BTCUSDT", "10"], ["ETHUSDT", "13"]]


def test_every_table_can_be_asked(call: Call, tables: Tables) -> None:
    parts = [f"select '{name}' as name, count(*) as n from {name.upper()}" for name in TABLES]
    code, out, _ = call("sql", "demo", " union all ".join(parts), "--csv")
    told = [[name, str(table_of(tables).num_rows)] for name, table_of in TABLES.items()]
    assert (code, list(csv.reader(io.StringIO(out)))) == (0, [["name", "n"], *told])


def test_a_terminal_gets_some_rows_and_is_told_of_more(call: Call, tables: Tables) -> None:
    query, row_count = "select seq from events", tables.events().num_rows
    shown = call("sql", "demo", query)[1].splitlines()
    assert sum(line.strip().isdigit() for line in shown) == 50
    assert shown[-1] == f"and {row_count - 50:,} more of {row_count:,} rows: --limit N, or --json for all"
    assert len(call("sql", "demo", query, "--csv")[1].splitlines()) == row_count + 1
    found = json.loads(call("sql", "demo", query, "--json", "--limit", "7")[1])
    assert (len(found["rows"]), found["row_count"]) == (7, row_count)
    assert call("sql", "demo", "select seq from fills where false")[1].endswith("no rows\n")


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("select * from fil", "Table with name fil does not exist!\n"),
        ("select nope from fills", '"nope" not found'),
        ("selec", 'syntax error at or near "selec"'),
        ("", "expected one SELECT, found nothing"),
        ("select 1; select 2", "expected one SELECT, found select, select"),
        ("drop view fills", "expected one SELECT, found drop"),
        ("copy (select 1) to 'x.csv'", "expected one SELECT, found copy"),
        ("select * from read_csv('x.csv')", "file system operations are disabled"),
        ("select * from 'x.csv'", "file system operations are disabled"),
        ("select * from tables", "Table with name tables does not exist"),  # a variable of the program
        ("select 1 / 'x'", "Could not convert string 'x'"),
        ("select ?", "parameter"),
    ],
)
def test_what_is_no_question_is_one_line(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, query: str, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.csv").write_text("a\n1\n")
    code, out, err = call("sql", "demo", query)
    first, second = err.splitlines()
    assert (code, out) == (1, "") and first.startswith("error: ") and told in f"{first}\n"
    assert second.strip().startswith("tables: events, trades, orders, fills, ")
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]


def test_a_query_can_neither_write_nor_unlock(call: Call) -> None:
    names = ("temp_directory", "enable_external_access", "lock_configuration", "autoload_known_extensions")
    query = "select " + ", ".join(f"current_setting('{name}') as {name}" for name in names)
    [found] = json.loads(call("sql", "demo", query, "--json")[1])["rows"]
    assert [found[name] for name in names] == ["", False, True, False]


def test_values_of_all_kinds_are_json(call: Call) -> None:
    query = f"select 1 as a, 2 as a, [1, 2] as l, {{'k': 1.5::decimal(9,1)}} as s, {(1 << 127) - 1} as h"
    query += ", 'nan'::double as f, 'x'::blob as b, date '2024-01-01' as d, timestamptz '2024-01-01 00:00:00+02' as t"
    found = json.loads(call("sql", "demo", query, "--json")[1])
    assert found["columns"][:2] == ["a", "a_1"]
    assert found["rows"] == [
        {
            "a": 1, "a_1": 2, "l": [1, 2], "s": {"k": "1.5"}, "h": str((1 << 127) - 1), "f": None, "b": "x",
            "d": "2024-01-01", "t": "2023-12-31T22:00:00.000000Z",
        }
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["orders", "fills"])
def test_a_list_is_its_table(call: Call, tables: Tables, name: str) -> None:
    table = TABLES[name](tables)
    found = json.loads(call(name, "--events", "demo", "--json")[1])
    assert (found["columns"], found["row_count"]) == (table.column_names, len(table))
    assert [int(row["order_id"]) for row in found["rows"]] == table["order_id"].to_pylist()
    of_one = json.loads(call(name, "--events", "demo", "--symbol", "ETHUSDT", "--json")[1])["rows"]
    assert of_one == [row for row in found["rows"] if row["symbol"] == "ETHUSDT"] and of_one
    code, out, _ = call(name, "--events", "demo", "--limit", "3")
    ids = [row["order_id"] for row in found["rows"][:3]]
    assert code == 0 and [line.split()[1] for line in out.splitlines() if "USDT" in line] == ids
    assert out.endswith(f"and {len(table) - 3} more of {len(table)} rows: --limit N, or --json for all\n")


def test_an_id_from_a_list_goes_into_why(call: Call) -> None:
    [row] = json.loads(call("orders", "--events", "demo", "--limit", "1", "--json")[1])["rows"]
    code, out, _ = call("why", "--events", "demo", row["order_id"])
    assert code == 0 and row["order_id"] in out


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("orders", "--events", "demo", "--symbol", "XRP"), 64, 'symbol "XRP" is not one of BTCUSDT, ETHUSDT'),
        (("fills", "--events", "none"), 1, "none: expected a journal, found nothing"),
        (("sql", "none", "select 1"), 1, "none: expected a journal, found nothing"),
        (("sql", "demo", "select 1", "--csv", "--json"), 64, "--csv and --json are two forms"),
        (("sql", "demo", "select 1", "--limit", "0"), 64, "0 is not in the range"),
    ],
)
def test_wrong_words_are_told(call: Call, words: tuple[str, ...], code: int, told: str) -> None:
    found, out, err = call(*words)
    assert (found, out) == (code, "") and told in err


def test_a_journal_that_does_not_verify_is_told(call: Call, tmp_path: Path) -> None:
    call("journal", "convert", "demo", tmp_path / "j.jsonl")
    text = (tmp_path / "j.jsonl").read_text()
    (tmp_path / "j.jsonl").write_text(text.replace('"side":"buy"', '"side":"sell"', 1))
    for words in (("sql", tmp_path / "j.jsonl", "from events"), ("fills", "--events", tmp_path / "j.jsonl")):
        code, out, err = call(*words)
        assert (code, out) == (1, "") and "j.jsonl line " in err
