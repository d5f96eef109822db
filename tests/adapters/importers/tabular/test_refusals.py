"""What is wrong with a table is told in one line that says where, and nothing is written."""

import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmfold.adapters.cli.main import run
from tests.adapters.importers.tabular.make_tables import BOOK, L2, QUOTES, T0_US, TICKS, TRADES, l2, quote, trade, write

MAP = "kind: trade\ntime: t\nsymbol_is: BTCUSDT\nside: s\nprice: p\nsize: q\n"
OWN = "t,s,p,q"
ROW = "1723075200000,buy,61740.4,0.001"


@pytest.fixture(autouse=True)
def interpreted(monkeypatch):
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")


def call(*arguments):
    return run(["import", *map(str, arguments)])


def refused(capsys, tmp_path, message, *arguments):
    before = {path.name for path in tmp_path.iterdir()}
    assert call(*arguments, "--out", tmp_path / "j") == 1
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("error: ") and message in captured.err, captured.err
    assert "Traceback" not in captured.err and {path.name for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("head", "lines", "message"),
    [
        (L2.replace(",", ";"), [line.replace(",", ";") for line in BOOK], "x.csv line 1: one column"),
        (L2.replace(",price", ""), BOOK, "x.csv line 1: no column price, which book tables have"),
        ("a,b,c", ["1,2,3"], "x.csv line 1: columns a, b, c are of no table that is known"),
        (L2, [], "x.csv: no row"),
        (None, [], "x.csv line 1: empty"),
        (L2, [*BOOK, l2(T0_US // 1000 + 5, "false", "bid", "1.1", "1")], "x.csv line 8 (byte 547): "),
        (L2, [l2(T0_US, "true", "bid", "1.1", "1", symbol="NEWUSDT")], "NEWUSDT: tick and lot size unknown"),
        (
            L2,
            [BOOK[0], BOOK[1].replace("binance-futures", "deribit")],
            "rows of deribit beside rows of binance-futures",
        ),
        (TRADES, [trade(T0_US, 1, "buy", "61740.45", "1")], "no market event to import in 1 messages"),
        (QUOTES, [quote(T0_US, ("61740.4", "x"), ("61740.5", "1"))], '"x" is not a plain decimal number'),
    ],
)
def test_a_table_of_tardis_that_is_wrong(tmp_path, capsys, head, lines, message):
    path = write(tmp_path / "x.csv", head, lines)
    if "no market" in message or "plain" in message:
        assert call("tardis", path, "--out", tmp_path / "j") == 1
        assert message in capsys.readouterr().err and not (tmp_path / "j").exists()
        return
    refused(capsys, tmp_path, message, "tardis", path)


def test_mixed_units_are_named(tmp_path, capsys):
    path = write(tmp_path / "x.csv", L2, [BOOK[0], l2(T0_US // 1000, "false", "bid", "1.1", "1")])
    told = f"time {T0_US // 1000 + 1_500} is in ms, the table's times are in us: mixed units"
    refused(capsys, tmp_path, told, "tardis", path)


@pytest.mark.parametrize(
    ("mapping", "lines", "message"),
    [
        (MAP.replace("time: t\n", ""), [ROW], "map.yaml: the mapping names no time"),
        (MAP.replace("price: p\n", ""), [ROW], "map.yaml: a trade mapping needs price"),
        (MAP.replace("price: p", "price: px"), [ROW], "x.csv line 1: no column px; found t, s, p, q"),
        (MAP + "colour: red\n", [ROW], "map.yaml: colour: Extra inputs"),
        (MAP + "a: [\n", [ROW], "map.yaml line "),
        (MAP + "symbol: s\n", [ROW], "map.yaml: it needs symbol, a column, or symbol_is"),
        ("- a\n", [ROW], "map.yaml: a mapping is keys and values"),
        (MAP + "bid_price: p\n", [ROW], "map.yaml: a trade mapping has no bid_price"),
        (MAP.replace("trade", "book"), [ROW], "map.yaml: a book mapping needs snapshot: a column, or true where"),
        (MAP + "delimiter: ';'\n", [ROW], "x.csv line 1: one column, 't,s,p,q', by the delimiter ';'"),
        (MAP, ["yesterday,buy,1.0,1"], "x.csv line 2 (byte 8): t 'yesterday' is a time since 2001 in none of"),
        (MAP, [ROW, ROW.replace("000,", ",", 1)], "x.csv line 3 (byte 40): time 1723075200 is in s"),
        (MAP, None, "x.csv: No such file"),
    ],
)
def test_a_mapping_that_does_not_fit(tmp_path, capsys, mapping, lines, message):
    (tmp_path / "map.yaml").write_text(mapping)
    path = tmp_path / "x.csv" if lines is None else write(tmp_path / "x.csv", OWN, lines)
    grid = ["--tick", "BTCUSDT=0.1", "--lot", "BTCUSDT=0.001"]
    refused(capsys, tmp_path, message, "table", path, "--map", tmp_path / "map.yaml", *grid)


def test_parquet_names_schema_row_group_and_row(tmp_path, capsys):
    (tmp_path / "map.yaml").write_text(MAP)
    table = pa.table(
        {"t": [1_723_075_200_000] * 3, "s": ["buy"] * 3, "p": [61740.4, 61740.5, 61740.45], "q": ["1"] * 3}
    )
    pq.write_table(table, tmp_path / "x.parquet", row_group_size=2)
    pq.write_table(table.drop(["p"]), tmp_path / "y.parquet")
    (tmp_path / "z.parquet").write_bytes(b"PAR1 and no more")
    own = ["--map", tmp_path / "map.yaml", "--tick", "BTCUSDT=0.1", "--lot", "BTCUSDT=0.001"]
    refused(capsys, tmp_path, "y.parquet schema: no column p; found t, s, q", "table", tmp_path / "y.parquet", *own)
    refused(capsys, tmp_path, "z.parquet: no Parquet that can be read", "table", tmp_path / "z.parquet", *own)
    wrong = 'x.parquet row group 2 row 1: BTCUSDT price "61740.45" is off the grid (step 0.1)'
    refused(capsys, tmp_path, wrong, "table", tmp_path / "x.parquet", "--strict", *own)


def test_a_zip_holds_one_table(tmp_path, capsys):
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.csv", "a")
        archive.writestr("b.csv", "b")
    refused(
        capsys, tmp_path, "two.zip: a zip with 2 files (a.csv, b.csv), expected one", "tardis", tmp_path / "two.zip"
    )
    whole = write(tmp_path / "one.zip", L2, BOOK)
    whole.write_bytes(whole.read_bytes()[:-30])
    refused(capsys, tmp_path, "one.zip: no zip that can be read", "tardis", whole)


def test_a_packed_table_that_is_cut_short_is_taken_with_salvage(tmp_path, capsys):
    path = write(tmp_path / "x.csv.gz", L2, BOOK * 50)
    path.write_bytes(path.read_bytes()[:-20])
    refused(capsys, tmp_path, "cut short at byte", "tardis", path)
    assert call("tardis", path, "--salvage", "--out", tmp_path / "j", "--json") == 0


def test_files_are_named_once_and_patterns_find_some(tmp_path, capsys):
    path = write(tmp_path / "t-1.csv", TRADES, TICKS)
    refused(capsys, tmp_path, "given twice", "tardis", path, path)
    refused(capsys, tmp_path, "no such file", "tardis", tmp_path / "x*.csv")
    assert call("tardis", tmp_path / "t-*.csv", "--out", tmp_path / "j") == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tardis", "F"], "--out"),
        (["tardis", "F", "--guess"], "--guess is for tables of one's own"),
        (["bybit", "F", "--map", "M", "--out", "o"], "--map is for tables of one's own"),
        (["bybit", "F", "--dry-run"], "--dry-run is for tables"),
        (["table", "F", "--out", "o"], "needs --map"),
    ],
)
def test_options_that_do_not_go_together(capsys, arguments, message):
    assert call(*arguments) == 64
    assert message in capsys.readouterr().err


def test_a_name_of_vision_says_the_symbol(tmp_path, capsys):
    refused(capsys, tmp_path, "the name is not SYMBOL-trades-DATE", "vision", write(tmp_path / "x.csv", OWN, [ROW]))
    short = write(tmp_path / "A-trades-2024-01-01.csv", None, ["1,2,3"])
    refused(capsys, tmp_path, "no column time, is_buyer_maker among 3", "vision", short)


def test_a_guess_is_understood_and_imported(tmp_path, capsys):
    path = write(tmp_path / "mine.csv", "ts;side;px;qty", ["1723075200.25;B;61740.4;0.001", "1723075201;S;61740.5;1"])
    assert call("table", path, "--guess", "--symbols", "BTCUSDT") == 0
    mapping = tmp_path / "mine.map.yaml"
    assert "unit: s" in mapping.read_text() and f"--map {mapping} --dry-run" in capsys.readouterr().out
    assert call("table", path, "--map", mapping, "--dry-run") == 0
    told = capsys.readouterr().out
    assert "trade   BTCUSDT   times in s" in told and "2024-08-08T00:00:00Z" in told
    grid = ["--tick", "BTCUSDT=0.1", "--lot", "BTCUSDT=0.001"]
    assert call("table", path, "--map", mapping, "--out", tmp_path / "j", "--json", *grid) == 0
    assert '"events":{"trade":2}' in capsys.readouterr().out
    assert call("table", path, "--guess") == 1 and "--force" in capsys.readouterr().err
    assert call("table", write(tmp_path / "z.csv", "a,b", ["1,2"]), "--guess") == 1
    assert "no column is called as a time is" in capsys.readouterr().err
