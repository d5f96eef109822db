"""Latency: how long the venue took to answer, in buckets; must never count a request that was not answered.

`request` is the answer to a request, as the adapter timed it (REQUEST_RESULT); `ack` is from the decision to place an
order to the venue's ACK, by the core's clock, which a backtest has too.
Source: spec/control.md 7, core.md 0 (percentiles).
"""

from collections.abc import Iterator

import numpy as np

from mmfold.engine.codes import OrderEvent, OrderStatus, RequestOutcome
from mmfold.engine.features.seam import COLOR, Feature, FeatureMetric, Read, total
from mmfold.engine.jit import kernel
from mmfold.engine.limits import LATENCY_BOUNDS_MS, NS_PER_MS
from mmfold.engine.views import latency_ns_of

BOUNDS_NS = np.array(LATENCY_BOUNDS_MS, np.int64) * NS_PER_MS
REQUEST, ACK = 0, 1
ANSWERS = ("request", "ack")
BUCKETS = (*map(str, LATENCY_BOUNDS_MS), "+Inf")


@kernel
def count_latency(cell, answer, latency_ns):
    """Count one latency in its bucket; a bound belongs to the bucket below it."""
    bucket = BOUNDS_NS.size
    for i in range(BOUNDS_NS.size):
        if latency_ns <= BOUNDS_NS[i]:
            bucket = i
            break
    cell["features"]["latency"]["counts"][answer, bucket] += 1


@kernel
def on_rate(cell, row):
    """Count a request that was answered and timed."""
    latency_ns = latency_ns_of(row)
    if latency_ns >= 0 and row["code"] != RequestOutcome.TIMEOUT:
        count_latency(cell, REQUEST, latency_ns)


@kernel
def on_order(clock, cell, slot, order_event, before):
    """Count an order that the venue says it has, the first time."""
    if order_event == OrderEvent.ACK and (before == OrderStatus.CREATED or before == OrderStatus.SUBMITTED):
        count_latency(cell, ACK, clock["ts_now_ns"] - cell["orders"][slot]["ts_placed_ns"])


def percentile_ms(counts: list[int], percent: int) -> int | None:
    """Return the bound of the bucket that holds the nearest rank, the last bound beyond all, None without a count."""
    rank = -(-sum(counts) * percent // 100)
    if rank == 0:
        return None
    seen = 0
    for count, bound_ms in zip(counts, LATENCY_BOUNDS_MS, strict=False):
        seen += count
        if seen >= rank:
            return bound_ms
    return LATENCY_BOUNDS_MS[-1]


def counts_of(records: np.ndarray, answer: int) -> list[int]:
    """Return the buckets of one kind of answer, all records together."""
    return [total(records["counts"][:, answer, bucket]) for bucket in range(len(BUCKETS))]


def of_buckets(answers: dict[str, int]) -> Read:
    """Return what reads every bucket; `answers` names the label's values."""

    def read(records: np.ndarray) -> Iterator[tuple[tuple[str, ...], int]]:
        for name, answer in answers.items():
            for bucket_name, count in zip(BUCKETS, counts_of(records, answer), strict=True):
                yield (name, bucket_name), count

    return read


def of_percentile(answers: dict[str, int], percent: int) -> Read:
    """Return what reads a percentile in ms."""

    def read(records: np.ndarray) -> Iterator[tuple[tuple[str, ...], int | None]]:
        for name, answer in answers.items():
            yield (name,), percentile_ms(counts_of(records, answer), percent)

    return read


def of_samples(answers: dict[str, int]) -> Read:
    """Return what reads how many were counted."""

    def read(records: np.ndarray) -> Iterator[tuple[tuple[str, ...], int]]:
        for name, answer in answers.items():
            yield (name,), sum(counts_of(records, answer))

    return read


def rows_of(stem: str, label: str, answers: dict[str, int], by_symbol: bool, of_what: str) -> tuple[FeatureMetric, ...]:
    """Return buckets, percentiles and count under one stem."""
    texts = (f"{of_what}, each in its one bucket.", f"{of_what}, 95th percentile by buckets, ms.")
    return (
        FeatureMetric(f"{stem}_bucket_total", (label, "bucket_ms"), texts[0], of_buckets(answers), by_symbol),
        FeatureMetric(f"{stem}_p95_ms", (label,), texts[1], of_percentile(answers, 95), by_symbol),
        FeatureMetric(f"{stem}_p99_ms", (label,), texts[1].replace("95", "99"), of_percentile(answers, 99), by_symbol),
        FeatureMetric(f"{stem}_samples_total", (label,), f"{of_what}, how many.", of_samples(answers), by_symbol),
    )


LATENCY = Feature(
    "latency",
    (
        *rows_of(
            "mm_answer_latency",
            "answer",
            {name: number for number, name in enumerate(ANSWERS)},
            True,
            "Time from a request to its answer, or from placing an order to its ACK",
        ),
        *rows_of("rollout_latency", "color", {COLOR: ACK}, False, "Time from placing an order to its ACK, all symbols"),
    ),
)
