"""The metrics of the process: valid Prometheus text, exact figures, every row in the docs."""

import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from mmfold.adapters.live.operator.metrics import LIVE_HISTOGRAMS, LIVE_METRICS, make_registry, render_live_metrics
from mmfold.adapters.live.operator.status import LATENCY_BOUNDS_MS, LiveStatus
from mmfold.config.aliases import Alias, AliasTable, Domain
from mmfold.reports.metric_rows import MetricRow
from mmfold.reports.metrics import METRICS
from tests.adapters.live.sessions import example_status
from tests.reports.examples import START_NS

REPO = Path(__file__).resolve().parents[4]
# spec/control.md 0: the labels that metrics may have
LABELS = {
    "env", "service", "instance", "symbol", "op", "regime", "side", "action", "stage", "loop", "percentile",
    "bucket_ms", "exchange", "ws_type", "endpoint", "color", "direction", "kind", "horizon_ms", "reason", "result",
    "gen", "state", "name", "route", "feature", "model", "bucket", "from", "to", "mode",
}  # fmt: skip


def samples(text: str) -> dict[str, float]:
    """Return {name and sorted label values: value} through prometheus_client's own parser."""
    return {
        f"{sample.name}{{{','.join(sample.labels[key] for key in sorted(sample.labels))}}}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


METRIC_VALUES = [
    ("mm_session_info{bybit,testnet}", 1),
    ("mm_session_start_seconds{}", START_NS / 1e9),
    ("mm_live_enable{}", 0),
    ("mm_session_phase{trading}", 1),
    ("mm_session_phase{warming}", 0),
    ("mm_ready{}", 1),
    ("mm_seq_next{}", 41),
    ("mm_stream_up{public}", 1),
    ("mm_stream_reconnects_total{public}", 2),
    ("mm_stream_frames_total{private}", 7),
    ("mm_stream_refused_total{public}", 1),
    ("mm_stream_last_frame_seconds{public}", START_NS / 1e9),
    ("mm_clock_offset_ms{}", -1.5),
    ("event_loop_drift_ms{}", 0.25),
    ("warmup_skip_total{}", 5),
    ("mm_rate_limited_total{}", 3),
    ("mm_freeze_events_total{}", 2),
    ("mm_symbol_unexplained{ETHUSDT}", 0),
    ("admin_alert_events_total{book_gap}", 42),
    ("admin_alert_events_total{killswitch_fired}", 0),
    ("mm_alert_deliveries_total{sent,exec}", 3),
    ("mm_alert_deliveries_total{failed,exec}", 1),
    ("mm_alert_deliveries_total{dropped,webhook}", 0),
    ("mm_order_latency_ms_bucket{1.0,BTCUSDT}", 1),
    ("mm_order_latency_ms_bucket{5.0,BTCUSDT}", 2),
    ("mm_order_latency_ms_bucket{50.0,BTCUSDT}", 3),
    ("mm_order_latency_ms_bucket{500.0,BTCUSDT}", 4),
    ("mm_order_latency_ms_bucket{2500.0,BTCUSDT}", 4),
    ("mm_order_latency_ms_bucket{+Inf,BTCUSDT}", 5),
    ("mm_order_latency_ms_count{BTCUSDT}", 5),
    ("mm_order_latency_ms_sum{BTCUSDT}", 9_435),
    ("mm_order_latency_ms_count{ETHUSDT}", 0),
    ("mm_tick_to_order_us_bucket{30.0}", 1),
    ("mm_tick_to_order_us_bucket{20.0}", 0),
    ("mm_events_total{book_delta}", 12_000),  # the state's own metrics stand in the same text
    ("mm_pnl_net_usd{BTCUSDT}", 2.726501),
]


@pytest.fixture(scope="module")
def text() -> str:
    return b"".join(render_live_metrics(make_registry(example_status()))).decode()


@pytest.mark.parametrize(("line", "value"), METRIC_VALUES)
def test_metric(text: str, line: str, value: float) -> None:
    assert samples(text)[line] == value


def test_metrics_are_prometheus_text_with_every_row_and_the_process(text: str) -> None:
    names = re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE)
    assert len(names) == len(set(names))
    assert set(names) >= {row.name for row in (*METRICS, *LIVE_METRICS, *LIVE_HISTOGRAMS)}
    found = samples(text)
    assert found["process_resident_memory_bytes{}"] > 1 << 20
    assert "mm_stream_last_frame_seconds{private}" not in found  # no frame yet: absent, not 0
    bounds = [float(bound) for bound in re.findall(r'mm_order_latency_ms_bucket{le="([\d.]+)",symbol="BTCUSDT"}', text)]
    assert bounds == list(LATENCY_BOUNDS_MS) and set(bounds) >= {1, 5, 10, 25, 50, 100, 250, 500}


def test_labels_are_those_of_the_spec() -> None:
    assert {label for row in (*LIVE_METRICS, *LIVE_HISTOGRAMS) for label in row.labels} <= LABELS


def test_the_docs_list_every_metric_of_the_process() -> None:
    text = (
        (REPO / "docs" / "operations.md")
        .read_text(encoding="utf-8")
        .split("## Metrics of the session", 1)[1]
        .split("\n## ", 1)[0]
    )
    rows = [
        [cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in text.splitlines() if "|" in line
    ]
    gauges = [[row.name, ", ".join(row.labels) or "-", row.help] for row in LIVE_METRICS]
    histograms = [[row.name, ", ".join(row.labels) or "-", row.help] for row in LIVE_HISTOGRAMS]
    assert rows[2:] == gauges + histograms


@pytest.mark.parametrize("row", (*LIVE_METRICS, *LIVE_HISTOGRAMS), ids=lambda row: row.name)
def test_the_source_of_every_metric_is_a_field_of_the_status(row: MetricRow[LiveStatus, object]) -> None:
    place, _, field = row.source.partition(".")
    status = example_status()
    assert hasattr(status, place), f"{row.source} is not in the status"
    assert not field or all(hasattr(one, field) for one in status.streams.values()), row.source


def test_renamed_metrics_of_a_session_are_shown_by_both_names() -> None:
    renames = {"loop_drift_ms": "event_loop_drift_ms", "order_ms": "mm_order_latency_ms", "fees_usd": "mm_fees_usd"}
    rows = [
        Alias(domain=Domain.METRIC, old=old, new=new, since="0.2.0", dropped="0.3.0") for old, new in renames.items()
    ]
    text = b"".join(render_live_metrics(make_registry(example_status(), AliasTable(tuple(rows), "0.2.0")))).decode()
    found = samples(text)
    for old, new in renames.items():
        assert f"# HELP {old} alias of {new}, dropped in 0.3.0\n" in text
        shown = {
            line.removeprefix(old): value for line, value in found.items() if line.startswith((f"{old}{{", f"{old}_"))
        }
        assert shown
        assert all(found[f"{new}{line}"] == value for line, value in shown.items())
