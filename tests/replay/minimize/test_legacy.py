"""The older minimizer: its golden case, its step log, its words, and lists that nobody would write on purpose."""

import gzip
import json
from pathlib import Path
from random import Random

import pytest

from mmfold.replay.minimize.failure import MinimizeError
from mmfold.replay.minimize.legacy import (
    LINE_BYTES_MAX,
    TYPES,
    Reduced,
    encode_events,
    is_event_list,
    page_of,
    reduce_case,
    run_case,
)

REPO = Path(__file__).resolve().parents[3]
VECTOR = REPO.parent / "shared" / "vectors" / "repro" / "full_case.jsonl"
# spec/reports.md 14: a quote, a trade, a guard at 2,000, a trade and a cancel of another symbol.
FIVE = """\
{"ts_ms":0,"type":"quote","symbol":"A","bid":1.0,"ask":1.5}
{"ts_ms":1000,"type":"trade","symbol":"A","price":1.2,"qty":1}
{"ts_ms":2000,"type":"guard","reason":"DRIFT_EDGE"}
{"ts_ms":3000,"type":"trade","symbol":"B","price":2.1,"qty":2}
{"ts_ms":4000,"type":"cancel","symbol":"B","order_id":"x"}
"""
GOLDEN = [
    "baseline: fail=True reason=DRIFT",
    "time-slice: kept left [0,2000]",
    "time-slice: kept right [1001,2000]",
    "time-slice: kept right [1501,2000]",
    "time-slice: kept right [1751,2000]",
    "time-slice: kept right [1876,2000]",
    "time-slice: kept right [1939,2000]",
    "time-slice: kept right [1970,2000]",
    "time-slice: kept right [1986,2000]",
    "time-slice: kept right [1994,2000]",
    "time-slice: kept right [1998,2000]",
    "time-slice: kept right [2000,2000]",
]


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def guard(ts_ms: int, reason: str, **more: object) -> str:
    return json.dumps({"ts_ms": ts_ms, "type": "guard", "reason": reason, **more}) + "\n"


def assert_is_golden(reduced: Reduced) -> None:
    assert reduced.parent_events == 5 and len(reduced.events) == 1
    assert sum(step.startswith("time-slice:") for step in reduced.steps) == 11
    assert encode_events(reduced.events) == b'{"reason":"DRIFT_EDGE","ts_ms":2000,"type":"guard"}\n'


def test_the_golden_case(tmp_path: Path) -> None:
    reduced = reduce_case(write(tmp_path / "x.jsonl", FIVE))
    assert_is_golden(reduced)
    assert reduced.steps == GOLDEN
    text = page_of(reduced).decode("ascii")
    assert text.startswith("REPRO MINIMIZER\n\nSteps:\n\n- baseline: fail=True reason=DRIFT\n- time-slice: kept left")
    assert text.endswith("\n\nResult: events=1\n")


def test_the_case_of_the_vectors() -> None:
    if not VECTOR.is_file():
        pytest.skip("no vectors: ../shared/vectors does not exist beside the checkout")
    assert_is_golden(reduce_case(VECTOR))
    types = {"cancel": 1, "guard": 1, "quote": 1, "trade": 2}
    assert run_case(VECTOR) == {"fail": True, "metrics": {"events_total": 5, "types": types}, "reason": "DRIFT"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "NONE"),
        (guard(0, "DRIFT"), "DRIFT"),
        (guard(0, "REG_EDGE"), "REG"),
        (guard(0, "REG_A") + guard(1, "DRIFT_B"), "DRIFT"),
        (guard(0, "drift"), "NONE"),
        (guard(0, "A_DRIFT"), "NONE"),
        ('{"ts_ms":0,"type":"guard"}', "NONE"),
        ('{"ts_ms":0,"type":"guard","reason":["DRIFT"]}', "NONE"),
        ('{"ts_ms":0,"type":"trade","reason":"DRIFT"}', "NONE"),
    ],
)
def test_the_reason_of_a_list(tmp_path: Path, text: str, reason: str) -> None:
    found = run_case(write(tmp_path / "x.jsonl", text))
    assert found["reason"] == reason and found["fail"] is (reason != "NONE")
    assert set(found) == {"fail", "metrics", "reason"} and set(found["metrics"]) == {"events_total", "types"}


@pytest.mark.parametrize(
    "line",
    [
        "nonsense", "[]", "7", '{"type":"tick"}', '{"ts_ms":1.5,"type":"tick"}', '{"ts_ms":true,"type":"tick"}',
        '{"ts_ms":1}', '{"ts_ms":1,"type":7}', '{"ts_ms":' + "9" * 30 + ',"type":"tick"}', '{"ts_ms":' + "9" * 5000,
        "[" * 100_000, '{"ts_ms":1,"type":"tick"', '{"ts_ms":1,"type":"tick","x":"' + "y" * LINE_BYTES_MAX + '"}',
    ],
)  # fmt: skip
def test_bad_lines_are_left_out_and_counted(tmp_path: Path, line: str) -> None:
    path = write(tmp_path / "x.jsonl", f"\n{line}\n" + FIVE + f"\xff{line}")
    assert run_case(path)["metrics"]["events_total"] == 5
    reduced = reduce_case(path)
    assert_is_golden(reduced)
    assert reduced.lines_left_out == 2


def test_symbols_and_types_go_in_order_of_their_names(tmp_path: Path) -> None:
    text = (
        '{"ts_ms":5,"type":"trade","symbol":"B"}\n{"ts_ms":5,"type":"tick","symbol":"C\\u000a"}\n'
        + guard(5, "REG_X", symbol="A")
        + '{"ts_ms":5,"type":"cancel"}\n{"ts_ms":5,"type":"quote","symbol":["A"]}\n'
    )
    reduced = reduce_case(write(tmp_path / "x.jsonl", text))
    assert len(reduced.events) == 1 and reduced.reason == "REG"
    assert reduced.steps[1:] == ["drop-symbol: B", "drop-symbol: C\\n", "drop-type: cancel", "drop-type: quote"]


def test_a_list_that_passes_stays_whole(tmp_path: Path) -> None:
    reduced = reduce_case(write(tmp_path / "x.jsonl", FIVE.replace("DRIFT", "OK")))
    assert reduced.steps == ["no-fail: baseline passes"] and len(reduced.events) == 5


def test_any_list_is_reduced_for_its_own_reason(tmp_path: Path) -> None:
    for seed in range(60):
        random = Random(seed)
        lines = []
        for _ in range(random.randrange(1, 40)):
            event: dict[str, object] = {"ts_ms": random.randrange(-50, 50), "type": random.choice(TYPES)}
            event["symbol"] = random.choice(["A", "B", "C"])
            event["reason"] = random.choice(["DRIFT", "REG", "X"])
            lines.append(json.dumps(event))
        path = write(tmp_path / "x.jsonl", "\n".join(lines))
        before, reduced = run_case(path)["reason"], reduce_case(path)
        write(tmp_path / "y.jsonl", encode_events(reduced.events))
        assert run_case(tmp_path / "y.jsonl")["reason"] == before == reduced.reason
        if before != "NONE":
            again = reduce_case(tmp_path / "y.jsonl")
            assert again.events == reduced.events and {event["type"] for event in again.events} == {"guard"}


def test_numbers_that_are_none_become_zero(tmp_path: Path) -> None:
    reduced = reduce_case(write(tmp_path / "x.jsonl", guard(0, "DRIFT")[:-2] + ',"a":NaN,"b":[1e999],"c":1e2}\n'))
    assert encode_events(reduced.events) == b'{"a":0.0,"b":[0.0],"c":100.0,"reason":"DRIFT","ts_ms":0,"type":"guard"}\n'


@pytest.mark.parametrize(
    ("name", "data", "is_list"),
    [
        ("x.jsonl", FIVE.encode(), True),
        ("x.jsonl", b"bad line\n" + FIVE.encode(), True),
        ("x.jsonl.gz", gzip.compress(FIVE.encode(), mtime=0), True),
        ("x.jsonl.gz", gzip.compress(FIVE.encode(), mtime=0)[:20], False),
        ("x.json", FIVE.encode(), False),
        ("x.jsonl", b"", False),
        ("x.jsonl", b"bad\n" * 1000 + FIVE.encode(), False),
        ("x.jsonl", b'{"kind":"manifest","payload":{},"seq":0}\n', False),
        ("x.jsonl", b'{"ts_ms":1,"type":"quote","seq":0}\n', False),
        ("x.jsonl", b'{"ts_ms":1,"type":"candle"}\n', False),
    ],
)
def test_what_is_taken_for_a_list(tmp_path: Path, name: str, data: bytes, is_list: bool) -> None:
    assert is_event_list(write(tmp_path / name, data)) is is_list
    assert not is_event_list(tmp_path) and not is_event_list(tmp_path / "none.jsonl")


def test_damaged_data_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl.gz", gzip.compress(FIVE.encode() * 2000, mtime=0)[:-40])
    with pytest.raises(MinimizeError, match=r"x\.jsonl\.gz"):
        reduce_case(path)
