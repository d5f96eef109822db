"""The metrics of a running process, beside the state's (reports/metrics.py); must never hold a figure of trading.

A counter ends in `_total`. An absent value is an absent sample. docs/operations.md lists every row.
Source: spec/control.md 22, 25, 26; spec/core.md 8.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from mmfold.adapters.live.status import PHASES, Histogram, LiveStatus
from mmfold.adapters.venues.connection import StreamStatus
from mmfold.config.aliases import ALIASES, AliasTable
from mmfold.engine.limits import NS_PER_MS, NS_PER_S
from mmfold.reports.metrics import Snapshot, StateCollector, with_old_names

Sample = tuple[tuple[str, ...], float | None]


class LiveRow(NamedTuple):
    """One gauge or counter of the process."""

    name: str
    labels: tuple[str, ...]
    help: str
    read: Callable[[LiveStatus], Iterable[Sample]]


class HistogramRow(NamedTuple):
    """One histogram of the process."""

    name: str
    labels: tuple[str, ...]
    help: str
    read: Callable[[LiveStatus], Iterable[tuple[tuple[str, ...], Histogram]]]


def of_run(name: str, help_text: str, read: Callable[[LiveStatus], float | None]) -> LiveRow:
    """Return a metric of the whole process."""
    return LiveRow(name, (), help_text, lambda status: [((), read(status))])


def of_stream(name: str, help_text: str, read: Callable[[StreamStatus], float | None]) -> LiveRow:
    """Return a metric of each connection to the venue."""

    def read_all(status: LiveStatus) -> list[Sample]:
        return [((name,), read(stream)) for name, stream in sorted(status.streams.items())]

    return LiveRow(name, ("ws_type",), help_text, read_all)


def read_phase(status: LiveStatus) -> list[Sample]:
    """Show the phase one-hot."""
    return [((phase,), float(phase == status.phase)) for phase in PHASES]


def read_unexplained(status: LiveStatus) -> list[Sample]:
    """Show every symbol, 1 where it is kept flat."""
    return [((one.symbol,), float(one.symbol in status.unexplained)) for one in status.manifest.instruments]


def read_order_latency(status: LiveStatus) -> list[tuple[tuple[str, ...], Histogram]]:
    """Show every symbol."""
    symbols = [(one.symbol,) for one in status.manifest.instruments]
    return list(zip(symbols, status.order_latency, strict=True))


LIVE_METRICS: tuple[LiveRow, ...] = (
    LiveRow(
        "mm_session_info",
        ("exchange", "mode"),
        "Always 1; its labels say what runs.",
        lambda status: [((status.venue, status.mode), 1.0)],
    ),
    of_run(
        "mm_session_start_seconds",
        "When the session started, seconds since 1970.",
        lambda status: status.ts_started_ns / NS_PER_S,
    ),
    of_run(
        "mm_live_enable", "1 when MM_LIVE_ENABLE=1 permits real orders.", lambda status: float(status.is_live_enabled)
    ),
    LiveRow("mm_session_phase", ("state",), "Where the session is between start and stop, one-hot.", read_phase),
    of_run("mm_ready", "1 while nothing keeps the session from trading.", lambda status: float(not status.not_ready())),
    of_run("mm_seq_next", "Seq that the next event of the journal will have.", lambda status: status.seq_next),
    of_stream("mm_stream_up", "1 while the stream is connected.", lambda stream: float(stream.up)),
    of_stream("mm_stream_reconnects_total", "Times the stream was connected again.", lambda stream: stream.reconnects),
    of_stream("mm_stream_frames_total", "Frames received.", lambda stream: stream.frames),
    of_stream("mm_stream_refused_total", "Frames that were not understood.", lambda stream: stream.refused),
    of_stream(
        "mm_stream_last_frame_seconds",
        "When the last frame came, seconds since 1970; absent before the first.",
        lambda stream: stream.ts_frame_ns / NS_PER_S if stream.ts_frame_ns else None,
    ),
    of_run("mm_clock_offset_ms", "The venue's clock less ours, ms.", lambda status: status.clock_offset_ns / NS_PER_MS),
    of_run("event_loop_drift_ms", "Delay of the event loop, ms.", lambda status: status.loop_drift_ns / NS_PER_MS),
    of_run("warmup_skip_total", "Decisions held back while warming up.", lambda status: status.warmup_skips),
    of_run(
        "mm_rate_limited_total",
        "Requests the venue's rate limit refused, or that found no room in it for 1 s.",
        lambda status: status.rate_limited,
    ),
    of_run("mm_freeze_events_total", "Symbols frozen by a command.", lambda status: status.freezes),
    LiveRow("mm_symbol_unexplained", ("symbol",), "1 while an unexplained difference keeps it flat.", read_unexplained),
)

LIVE_HISTOGRAMS: tuple[HistogramRow, ...] = (
    HistogramRow(
        "mm_tick_to_order_us",
        (),
        "Frame bytes in to request bytes out, us.",
        lambda status: [((), status.tick_to_order)],
    ),
    HistogramRow("mm_order_latency_ms", ("symbol",), "Request out to the venue's answer, ms.", read_order_latency),
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


class LiveCollector(Collector):
    """Shows a session to prometheus_client, in the order of the tables."""

    def __init__(self, status: LiveStatus, names: AliasTable = ALIASES) -> None:
        self.status = status
        self.names = names

    def collect(self) -> Iterator[Metric]:
        """Yield every metric with the samples that are present."""
        for row in with_old_names(LIVE_METRICS, self.names):
            kind = CounterMetricFamily if row.name.endswith("_total") else GaugeMetricFamily
            family = kind(row.name, row.help, labels=row.labels)
            for labels, value in row.read(self.status):
                if value is not None:
                    family.add_metric(labels, value)
            yield family
        for histogram in with_old_names(LIVE_HISTOGRAMS, self.names):
            yield histogram_family(histogram, self.status)


class SessionStateCollector(Collector):
    """Shows the state that the session has now: a restart of the fold may have replaced it."""

    def __init__(self, status: LiveStatus, names: AliasTable = ALIASES) -> None:
        self.status = status
        self.names = names

    def collect(self) -> Iterator[Metric]:
        """Yield every metric of the state."""
        now = Snapshot(self.status.manifest, self.status.state, self.status.policies())
        return StateCollector(now, self.names).collect()


def make_registry(status: LiveStatus, names: AliasTable = ALIASES) -> CollectorRegistry:
    """Return all that /metrics shows: the state, the session, and the process (`process_*`, where Linux has it)."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(SessionStateCollector(status, names))
    registry.register(LiveCollector(status, names))
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
