"""The metrics of a running process, beside the state's (reports/metrics.py); must never hold a figure of trading.

A counter ends in `_total`. An absent value is an absent sample. docs/operations.md lists every row.
Source: spec/control.md 22, 25, 26; spec/core.md 8.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from operator import attrgetter

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from mmfold.adapters.alerts.kinds import KINDS
from mmfold.adapters.live.operator.status import PHASES, Histogram, LiveStatus
from mmfold.config.aliases import ALIASES, AliasTable
from mmfold.engine.limits import NS_PER_MS, NS_PER_S
from mmfold.reports.metric_rows import Figure, MetricRow, TableCollector, figure_family
from mmfold.reports.metrics import Snapshot, state_collector

LiveRow = MetricRow[LiveStatus, Figure]
HistogramRow = MetricRow[LiveStatus, Histogram]
Sample = tuple[Sequence[str], Figure]


def of_run(name: str, help_text: str, source: str, divisor: int = 1) -> LiveRow:
    """Return a metric of the whole process from a field of its status, divided exactly."""
    value = attrgetter(source)
    return LiveRow(name, (), help_text, source, lambda status: [((), Fraction(value(status), divisor))])


def of_stream(name: str, help_text: str, source: str) -> LiveRow:
    """Return a metric of each connection to the venue, from `streams.field`."""
    value = attrgetter(source.split(".")[1])

    def read(status: LiveStatus) -> list[Sample]:
        return [((name,), int(value(stream))) for name, stream in sorted(status.streams.items())]

    return LiveRow(name, ("ws_type",), help_text, source, read)


def read_phase(status: LiveStatus) -> list[Sample]:
    """Show the phase one-hot."""
    return [((phase,), int(phase == status.phase)) for phase in PHASES]


def read_last_frame(status: LiveStatus) -> list[Sample]:
    """Show every connection that has brought a frame."""
    streams = sorted(status.streams.items())
    return [((name,), Fraction(stream.ts_frame_ns, NS_PER_S)) for name, stream in streams if stream.ts_frame_ns]


def read_unexplained(status: LiveStatus) -> list[Sample]:
    """Show every symbol, 1 where it is kept flat."""
    return [((one.symbol,), int(one.symbol in status.unexplained)) for one in status.manifest.instruments]


def read_raised(status: LiveStatus) -> list[Sample]:
    """Show every kind."""
    return [((kind.name,), status.alerts.raised[kind.name]) for kind in KINDS]


def read_told(status: LiveStatus) -> list[Sample]:
    """Show what came of the alerts on every channel that has had one."""
    counts = status.alerts
    by_result = {"dropped": counts.dropped, "failed": counts.failed, "sent": counts.sent}
    routes = sorted({route for count in by_result.values() for route in count})
    return [((result, route), count[route]) for route in routes for result, count in by_result.items()]


def read_order_latency(status: LiveStatus) -> list[tuple[Sequence[str], Histogram]]:
    """Show every symbol."""
    symbols = [(one.symbol,) for one in status.manifest.instruments]
    return list(zip(symbols, status.order_latency, strict=True))


LIVE_METRICS: tuple[LiveRow, ...] = (
    LiveRow(
        "mm_session_info",
        ("exchange", "mode"),
        "Always 1; its labels say what runs.",
        "venue",
        lambda status: [((status.venue, status.mode), 1)],
    ),
    of_run("mm_session_start_seconds", "When the session started, seconds since 1970.", "ts_started_ns", NS_PER_S),
    of_run("mm_live_enable", "1 when MM_LIVE_ENABLE=1 permits real orders.", "is_live_enabled"),
    LiveRow(
        "mm_session_phase", ("state",), "Where the session is between start and stop, one-hot.", "phase", read_phase
    ),
    LiveRow(
        "mm_ready",
        (),
        "1 while nothing keeps the session from trading.",
        "not_ready",
        lambda status: [((), int(not status.not_ready()))],
    ),
    of_run("mm_seq_next", "Seq that the next event of the journal will have.", "seq_next"),
    of_stream("mm_stream_up", "1 while the stream is connected.", "streams.up"),
    of_stream("mm_stream_reconnects_total", "Times the stream was connected again.", "streams.reconnects"),
    of_stream("mm_stream_frames_total", "Frames received.", "streams.frames"),
    of_stream("mm_stream_refused_total", "Frames that were not understood.", "streams.refused"),
    LiveRow(
        "mm_stream_last_frame_seconds",
        ("ws_type",),
        "When the last frame came, seconds since 1970; absent before the first.",
        "streams.ts_frame_ns",
        read_last_frame,
    ),
    of_run("mm_clock_offset_ms", "The venue's clock less ours, ms.", "clock_offset_ns", NS_PER_MS),
    of_run("event_loop_drift_ms", "Delay of the event loop, ms.", "loop_drift_ns", NS_PER_MS),
    of_run("warmup_skip_total", "Decisions held back while warming up.", "warmup_skips"),
    of_run(
        "mm_rate_limited_total",
        "Requests the venue's rate limit refused, or that found no room in it for 1 s.",
        "rate_limited",
    ),
    of_run("mm_freeze_events_total", "Symbols frozen by a command.", "freezes"),
    LiveRow(
        "mm_symbol_unexplained",
        ("symbol",),
        "1 while an unexplained difference keeps it flat.",
        "unexplained",
        read_unexplained,
    ),
    LiveRow("admin_alert_events_total", ("kind",), "Alerts of the session, told or not.", "alerts", read_raised),
    LiveRow(
        "mm_alert_deliveries_total",
        ("result", "route"),
        "Alerts on each channel: sent, failed, dropped.",
        "alerts",
        read_told,
    ),
)

LIVE_HISTOGRAMS: tuple[HistogramRow, ...] = (
    HistogramRow(
        "mm_tick_to_order_us",
        (),
        "Frame bytes in to request bytes out, us.",
        "tick_to_order",
        lambda status: [((), status.tick_to_order)],
    ),
    HistogramRow(
        "mm_order_latency_ms",
        ("symbol",),
        "Request out to the venue's answer, ms.",
        "order_latency",
        read_order_latency,
    ),
)


def histogram_family(row: HistogramRow, status: LiveStatus) -> HistogramMetricFamily:
    """Return a histogram as Prometheus has it: cumulative buckets, the last without a bound."""
    family = HistogramMetricFamily(row.name, row.help, labels=row.labels)
    for labels, histogram in row.read(status):
        buckets, total = [], 0
        for bound, count in zip((*histogram.bounds, None), histogram.counts, strict=True):
            total += count
            buckets.append(("+Inf" if bound is None else str(float(bound)), total))
        assert total == histogram.count, f"{row.name}: its buckets hold {total:,} of {histogram.count:,}"
        family.add_metric(labels, buckets, sum_value=histogram.sum_ns / histogram.unit_ns)
    return family


def make_registry(status: LiveStatus, names: AliasTable = ALIASES) -> CollectorRegistry:
    """Return all that /metrics shows: the state, the session, and the process (`process_*`, where Linux has it).

    A restart of the fold may replace the session's state: what it has now is looked up each time.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(state_collector(lambda: Snapshot(status.manifest, status.state, status.policies()), names))
    registry.register(TableCollector(LIVE_METRICS, lambda: status, figure_family, names))
    registry.register(TableCollector(LIVE_HISTOGRAMS, lambda: status, histogram_family, names))
    ProcessCollector(registry=registry)
    return registry


class OneMetric(Collector):
    """Shows one metric that was collected already."""

    def __init__(self, metric: Metric) -> None:
        self.metric = metric

    def collect(self) -> Iterator[Metric]:
        """Yield it."""
        yield self.metric


def render_live_metrics(registry: CollectorRegistry) -> Iterator[bytes]:
    """Yield the Prometheus text metric by metric, each read when it is its turn: the loop may trade in between."""
    for metric in registry.collect():
        yield generate_latest(OneMetric(metric))
