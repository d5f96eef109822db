"""What /status says beyond what the pages' own test reads: percentiles, and a clock that was set back."""

import pytest

from mmfold.adapters.live.operator.document import percentile, status_document
from mmfold.adapters.live.operator.status import TICK_BOUNDS_US, Histogram
from mmfold.config.aliases import ALIASES, AliasTable
from tests.adapters.live.sessions import example_status
from tests.reports.examples import START_NS


@pytest.mark.parametrize(
    ("durations", "percent", "bound"),
    [
        ((), 50, None),
        ((5,), 50, 10),
        ((10,), 99, 10),
        ((11,), 99, 20),
        ((5, 5, 5, 6_000), 50, 10),
        ((6_000,), 50, None),
    ],
)
def test_percentile(durations: tuple[int, ...], percent: int, bound: int | None) -> None:
    histogram = Histogram(TICK_BOUNDS_US, 1000)
    for duration in durations:
        histogram.add(duration * 1000)
    assert percentile(histogram, percent) == bound


def test_a_clock_that_was_set_back_gives_no_negative_uptime() -> None:
    assert status_document(example_status(), START_NS - 1)["uptime_seconds"] == 0
    assert status_document(example_status(), START_NS + 2_999_999_999)["uptime_seconds"] == 2


def test_a_renamed_key_is_shown_by_both_names_until_it_is_dropped() -> None:
    document = status_document(example_status(), START_NS, AliasTable(ALIASES.rows, "0.1.9"))
    assert document["latency"] == {"tick_to_order_us": document["tick_to_order_us"]}
    later = status_document(example_status(), START_NS, AliasTable(ALIASES.rows, "0.3.0"))
    assert later == {key: value for key, value in document.items() if key != "latency"}
