"""One row of a table of metrics, and a table as Prometheus text; must never know what its rows are read of.

An absent value is an absent sample, never 0. A figure leaves as the nearest float64, the only number Prometheus has:
its text is exact to 15 significant digits.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Generic, NamedTuple, TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mmfold.config.aliases import AliasTable, Domain

FLOAT_DECIMALS = 6  # spec/core.md 0: %.6f in text artifacts

Figure = int | float | Fraction | None
Now = TypeVar("Now")
Value = TypeVar("Value")


class MetricRow(NamedTuple, Generic[Now, Value]):
    """One metric, read of what there is now; its source is the field that it shows."""

    name: str
    labels: tuple[str, ...]
    help: str
    source: str
    read: Callable[[Now], Iterable[tuple[Sequence[str], Value]]]


class TableCollector(Collector, Generic[Now, Value]):
    """Shows a table to prometheus_client, metric by metric in its order, of what `look` finds when it is asked."""

    def __init__(
        self,
        rows: Iterable[MetricRow[Now, Value]],
        look: Callable[[], Now],
        family: Callable[[MetricRow[Now, Value], Now], Metric],
        names: AliasTable,
    ) -> None:
        self.rows = tuple(with_old_names(rows, names))
        self.look = look
        self.family = family

    def collect(self) -> Iterator[Metric]:
        """Yield every metric of the table with the samples that are present."""
        now = self.look()
        for row in self.rows:
            yield self.family(row, now)


def figure_family(row: MetricRow[Now, Figure], now: Now) -> Metric:
    """Return a counter when its name ends in `_total`, else a gauge."""
    kind = CounterMetricFamily if row.name.endswith("_total") else GaugeMetricFamily
    family = kind(row.name, row.help, labels=row.labels)
    for labels, value in row.read(now):
        if value is not None:
            family.add_metric(labels, metric_value(value))
    return family


def metric_value(value: int | float | Fraction) -> float:
    """Return a sample's value: signals to 6 decimals, everything else as it is."""
    return round(value, FLOAT_DECIMALS) if isinstance(value, float) else float(value)


def with_old_names(rows: Iterable[MetricRow[Now, Value]], names: AliasTable) -> Iterator[MetricRow[Now, Value]]:
    """Yield the rows of a table, and beside a renamed metric the same one under each old name that is not dropped."""
    for row in rows:
        yield row
        for alias in names.kept(Domain.METRIC):
            if alias.new == row.name:
                yield row._replace(name=alias.old, help=f"alias of {alias.new}, dropped in {alias.dropped}")
