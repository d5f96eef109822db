"""The sentences about a simulated venue: each assumption in a person's units, read back from a manifest's words."""

from dataclasses import replace

import pytest

from mmfold.replay.assumptions import Assumptions, FeeTier, LatencySample
from mmfold.replay.venue.queue import QueueModel
from mmfold.reports.venue import feed_notes, shown_notes, venue_notes, venue_numbers, venue_part
from tests.engine.rows import make_manifest

MS = 1_000_000
SAMPLES = (LatencySample(5, 1, 2), LatencySample(9, 1, 2))
OFF = Assumptions()


def notes_of(assumptions: Assumptions) -> str:
    manifest = replace(make_manifest("X", "Y", maker_fee_ppm=-25, taker_fee_ppm=505), extra=assumptions.named())
    return "\n".join(venue_notes(manifest))


@pytest.mark.parametrize(
    ("assumptions", "said"),
    [
        (OFF, "queue model power, orders fill in part"),
        (OFF, "A request takes 10 ms to the venue, an answer 10 ms back."),
        (OFF, "Timers come every 100 ms"),
        (OFF, "Fees: maker -0.25 bps, taker 5.05 bps (X, Y)."),
        (OFF, "No fill is toxic, none slips beyond its price."),
        (OFF, "No margin is asked for, nothing is liquidated."),
        (OFF, "The venue takes any number of requests; no order expires; any notional"),
        (OFF, "The trading connection never breaks."),
        (Assumptions(queue_model=QueueModel.LOG, partial_fills=False), "queue model log, the first order a"),
        (Assumptions(entry_latency_ns=1_500_000), "A request takes 1.5 ms to the venue"),
        (Assumptions(latency_std_ns=250_000), "normal with a standard deviation of 0.25 ms, at least 0."),
        (Assumptions(cancel_latency_ns=0), "To the venue instead: cancel 0 ms."),
        (Assumptions(latency_samples=SAMPLES), "as long as was measured: 2 samples, interpolated by time, sha256 "),
        (Assumptions(fee_tiers=(FeeTier(0, 1, -2),)), "before: from 0 on maker 0.01 bps, taker -0.02"),
        (Assumptions(toxic_fill_ppm=1), "0.0001 % of the maker fills"),
        (Assumptions(extra_slippage_ppm=1), "Every fill is 0.01 bps of the mid worse"),
        (Assumptions(equity_micros=2_500_000), "account has 2.5, in the money of its PnL: an order binds 10 % of its"),
        (Assumptions(equity_micros=1), "closed by the venue for the taker's fee."),
        (Assumptions(request_per_s_max=1_000, order_lifetime_ns=90_000 * MS), "1,000 requests a second; an order "
         "expires after 90,000 ms; any notional is taken."),
        (Assumptions(outage_interval_ns=60_000 * MS, outage_ns=MS), "once in every 60 s for 1 ms; a request lost in it "
         "is known as such after 5,000 ms; in 0 % of the breaks"),
    ],
)  # fmt: skip
def test_a_sentence_for_each(assumptions: Assumptions, said: str) -> None:
    assert said in notes_of(assumptions)


@pytest.mark.parametrize("name", sorted(OFF.numbers()))
def test_no_number_is_left_out(name: str) -> None:
    # A base where every rule is on, so that each number stands in some sentence.
    everything = Assumptions(
        latency_std_ns=MS, amend_latency_ns=3 * MS, cancel_latency_ns=2 * MS, fee_tiers=(FeeTier(0, 1, 5),),
        toxic_fill_ppm=7, extra_slippage_ppm=9, equity_micros=10**9, request_per_s_max=5, order_lifetime_ns=8 * MS,
        outage_interval_ns=60_000 * MS, outage_ns=50 * MS, restart_ppm=10, volume_micros=10**6, liquidation_fee_ppm=4,
    )  # fmt: skip
    value = QueueModel.QPOS if name == "queue_model" else type(getattr(everything, name))(not getattr(everything, name))
    if name not in ("queue_model", "partial_fills", "min_notional_filter"):
        value = getattr(everything, name) + 1_000
    other = replace(everything, **{name: value})
    assert notes_of(everything) != notes_of(other)
    found, before = venue_numbers(other.named()), venue_numbers(everything.named())
    assert found is not None and before is not None
    assert {key for key in found if found[key] != before[key]} == {name}


def test_another_journal_has_none() -> None:
    assert venue_notes(make_manifest()) == [] and venue_part({}) == {}


def test_what_was_added_to_receive_times() -> None:
    assert feed_notes((0, 1_270_500_000)) == (
        "Recording 2: 1,270.5 ms were added to its receive times, its lowest feed latency was -1,270.5 ms.",
    )


def test_the_page_says_how_many_orders_rested_outside_of_what_is_shown() -> None:
    manifest = make_manifest("X", "Y", book_depth=50)
    mixed = replace(manifest, instruments=(manifest.instruments[0], replace(manifest.instruments[1], book_depth=0)))
    assert shown_notes(mixed, {"X": 0, "Y": 0}, 7)[0].startswith(
        "The recording shows of a book: every level told since its snapshot (Y); the best 50 levels (X). "
        "Outside of it rested no order;"
    )
    assert (
        "Outside of it rested 1,203 of 9,000 orders (X 1,200, Y 3);"
        in shown_notes(manifest, {"X": 1200, "Y": 3}, 9000)[0]
    )
