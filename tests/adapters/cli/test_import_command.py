"""`mm import` as a user meets it: exit codes, one JSON object, messages that say what to do."""

import json

import pytest

from mmfold.adapters.cli.main import run

LINE = b'%d {"e":"bookTicker","u":9,"s":"%s","b":"1.0","B":"2","a":"1.1","A":"3","T":1,"E":2}\n'
GRID = ["--tick", "A=0.1", "--lot", "A=0.1"]


@pytest.fixture
def capture(tmp_path):
    path = tmp_path / "capture"
    path.write_bytes(LINE % (1, b"A") + b"2 {\n" + LINE % (3, b"A"))
    return path


def call(*arguments):
    return run(["import", *map(str, arguments)])


def test_json_is_one_sorted_object(capture, tmp_path, capsys):
    assert call("binance", capture, "--out", tmp_path / "j", "--json", *GRID) == 0
    text = capsys.readouterr().out
    document = json.loads(text)
    assert text == json.dumps(document, sort_keys=True, separators=(",", ":")) + "\n"
    assert document.pop("run").keys() == {"seconds", "rows_per_s"} and len(document.pop("head")) == 64
    assert document.pop("units") == {"capture": {"exchange": "ms", "receive": "ns"}} and len(document.pop("notes")) == 1
    assert document == {
        "messages": 3, "events": {"bbo": 2}, "rows": 4, "gaps": 0, "rejected": 1, "skipped": {}, "symbols": ["A"],
        "out": str(tmp_path / "j"),
    }  # fmt: skip


def test_summary_says_what_next(capture, tmp_path, capsys):
    assert call("binance", capture, "--out", tmp_path / "j", *GRID) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "3 messages" in lines[0] and "bbo 2" in lines[1] and "refused 1" in lines[2]
    assert lines[-2].endswith("j.quarantine.jsonl") and lines[-1].endswith(f"mm replay --events {tmp_path / 'j'}")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["binance", "FILE"], 64, "--out"),
        (["kraken", "FILE", "--out", "OUT"], 64, "kraken"),
        (["binance", "--out", "OUT"], 64, "FILE"),
        (["binance", "FILE", "--out", "OUT", "--tick", "A"], 64, "SYMBOL=NUMBER"),
        (["binance", "FILE", "--out", "OUT", "--symbols", ","], 64, "no symbol"),
        (["binance", "FILE", "--out", "OUT", "--market", "linear"], 1, "binance has usdm, coinm, spot"),
        (["binance", "FILE", "--out", "OUT"], 1, "A: tick and lot size unknown"),
        (["binance", "FILE", "--out", "OUT", "--tick", "A=1e5", "--lot", "A=1"], 64, "1e5"),
        (["binance", "FILE", "--out", "OUT", "--strict", *GRID], 1, "line 2 (byte 83): not JSON"),
        (["binance", "NONE", "--out", "OUT"], 1, "No such file"),
        (["jsonl", "FILE", "--out", "OUT"], 1, "line 1"),
        (["jsonl", "FILE", "--out", "OUT", "--market", "spot"], 1, "venue captures"),
    ],
)
def test_a_mistake_is_told_in_a_line(capture, tmp_path, capsys, arguments, code, message):
    names = {"FILE": capture, "OUT": tmp_path / "j", "NONE": tmp_path / "none"}
    assert call(*(names.get(argument, argument) for argument in arguments)) == code
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("error: ") and message in captured.err
    left = {path.name for path in tmp_path.iterdir()} - {"capture"}
    assert "Traceback" not in captured.err and left == (
        {"j.quarantine.jsonl"} if "j.quarantine" in captured.err else set()
    )
