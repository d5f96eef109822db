"""The figures of a soak are of what was sampled, and the ways over loopback are found by the journal."""

from dataclasses import replace

import numpy as np
import pytest

from mmfold.adapters.bench import soak
from mmfold.adapters.bench.loopback import ways
from mmfold.adapters.bench.soak import Sample
from mmfold.adapters.emulator.market.synthetic import synthetic_manifest
from mmfold.engine.codes import EventKind, Flag
from mmfold.engine.manifest import Manifest, encode_manifest
from mmfold.engine.payload import payload_rows
from mmfold.engine.records import EVENT
from mmfold.journal.log.writer import Writer

FLAT = Sample(
    elapsed_s=0.0, live_rss_kb=200_000, live_fds=12, live_threads=2, venue_rss_kb=100_000, venue_fds=9,
    journal_bytes=0, tasks=12, reconnects=0,
)  # fmt: skip


def watched(kb_per_s: float, jump_kb: int = 0) -> list[Sample]:
    """A session of half an hour that grows evenly, after a jump in its first minutes."""
    return [
        replace(FLAT, elapsed_s=float(s), live_rss_kb=200_000 + round(s * kb_per_s) + (jump_kb if s > 120 else 0))
        for s in range(5, 1805, 5)
    ]


@pytest.mark.parametrize(
    ("kb_per_s", "jump_kb", "mb_per_h"), [(0.0, 0, 0.0), (0.0, 50_000, 0.0), (1.0, 0, 3.52), (-1.0, 50_000, -3.52)]
)
def test_slope_leaves_the_first_minutes_out(kb_per_s, jump_kb, mb_per_h):
    figures = soak.describe(watched(kb_per_s, jump_kb))
    assert figures["steady_from_s"] == 300.0
    assert figures["live_rss_mb_per_h"] == pytest.approx(mb_per_h, abs=0.02)
    assert figures["venue_rss_mb_per_h"] == 0.0


def test_the_most_of_a_figure_is_told_beside_its_last():
    samples = watched(0.0)
    samples[200] = replace(samples[200], live_fds=40, tasks=99)
    figures = soak.describe(samples)
    assert figures["live_fds"] == [12, 40, 12] and figures["tasks"] == [12, 99, 12]


def test_last_health_is_the_last_whole_line(tmp_path):
    log = tmp_path / "live.log"
    log.write_bytes(b"")
    assert soak.last_health(log) == (0, 0)
    log.write_bytes(b'{"event":"health","reconnects":1,"tasks":7}\n{"event":"trading"}\n{"event":"health","rec')
    assert soak.last_health(log) == (7, 1)


def events(manifest: Manifest, *lines: tuple[int, int]) -> np.ndarray:
    rows = np.zeros(len(lines), EVENT)
    rows["seq"] = np.arange(len(lines)) + 1
    rows["kind"], rows["aux"] = zip(*lines, strict=True)
    rows["flags"] = Flag.LAST
    return np.concatenate([payload_rows(EventKind.MANIFEST, 0, encode_manifest(manifest)), rows])


def test_ways_are_of_requests_that_a_book_update_led_to(tmp_path):
    manifest = synthetic_manifest(7, ["BTCUSDT"])
    delta, place, timer = int(EventKind.BOOK_DELTA), int(EventKind.PLACE), int(EventKind.TIMER)
    rows = events(manifest, (delta, 41), (place, 0), (place, 0), (timer, 0), (place, 0), (delta, 42), (place, 0))
    with Writer(tmp_path / "j") as writer:
        writer.append(rows)
    # The second order of a batch has no request of its own, the third came from a timer.
    assert ways(tmp_path / "j", {41: 1_000, 42: 5_000}, {2: 1_700, 5: 2_000, 7: 5_900}) == [700, 900]
