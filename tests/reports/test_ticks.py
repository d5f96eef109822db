"""The tick backtest's artifacts: their bytes, their table, their gates."""

from fractions import Fraction
from pathlib import Path

import pytest

from mmfold.replay.ticks.tally import METRICS
from mmfold.reports.ticks import failed_gates, figures_markdown, plain_figures, run_document, write_report


def figures(**changed: str) -> dict[str, Fraction]:
    return {key: Fraction(changed.get(key, "0")) for key in METRICS}


def test_figures_are_rounded_once() -> None:
    found = plain_figures(figures(fills_total="3", net_bps="1/3", fees_bps="-2/3", turnover_usd="0.0000005"))
    assert found["net_bps"] == 0.333333 and found["fees_bps"] == -0.666667
    assert found["turnover_usd"] == 0.0  # half to even
    assert type(found["fills_total"]) is int and type(found["taker_share_pct"]) is float


def test_the_bytes_of_a_report(tmp_path: Path) -> None:
    one = figures(fills_total="1", net_bps="2")
    runtime = {"utc": "1970-01-01T00:00:00Z", "version": "0.1.0", "mode": "sim"}
    size = write_report(
        tmp_path / "new" / "r.json", run_document(one, runtime), figures_markdown({"value": one}, "key")
    )
    assert (tmp_path / "new" / "r.json").read_bytes() == (
        b'{"fees_bps":0.0,"fills_total":1,"net_bps":2.0,"net_bps_avg":0.0,"order_age_p95_ms":0.0,'
        b'"runtime":{"mode":"sim","utc":"1970-01-01T00:00:00Z","version":"0.1.0"},"taker_share_pct":0.0,'
        b'"turnover_usd":0.0}\n'
    )
    assert size == (tmp_path / "new" / "r.json").stat().st_size
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["r.json", "r.md"]


def test_the_table_has_the_order_of_the_contract() -> None:
    page = figures_markdown({"value": figures(fills_total="1204", turnover_usd="1234567.5")}, "metric", "SIM REPORT")
    assert page.decode().splitlines() == [
        "# SIM REPORT",
        "",
        "| metric | value |",
        "| --- | --- |",
        "| fills_total | 1204 |",
        "| net_bps | 0.000000 |",
        "| taker_share_pct | 0.000000 |",
        "| order_age_p95_ms | 0.000000 |",
        "| fees_bps | 0.000000 |",
        "| turnover_usd | 1234567.500000 |",
        "| net_bps_avg | 0.000000 |",
    ]


GATES = [
    # net bps, taker share %, age p95 ms | keys that fail
    ("2.5", "15", "350", []),
    ("2.4999999", "15", "350", ["net_bps"]),
    ("2.5", "15.0000001", "350", ["taker_share_pct"]),
    ("2.5", "15", "350.0000001", ["order_age_p95_ms"]),
    ("0", "100", "351", ["net_bps", "taker_share_pct", "order_age_p95_ms"]),
]


@pytest.mark.parametrize(("net_bps", "taker_share_pct", "age_ms", "keys"), GATES)
def test_gates_hold_at_their_limit_and_not_beyond(net_bps, taker_share_pct, age_ms, keys) -> None:
    failed = failed_gates(figures(net_bps=net_bps, taker_share_pct=taker_share_pct, order_age_p95_ms=age_ms))
    assert [line.split()[0] for line in failed] == keys
