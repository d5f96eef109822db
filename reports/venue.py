"""What a simulated venue took for granted, from a backtest's manifest: sentences in a person's units, exact numbers.

Must never leave an assumption in force out.
"""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from mmfold.engine.limits import MICROS_PER_UNIT, NS_PER_MS, NS_PER_S, PPM
from mmfold.engine.manifest import Instrument, Manifest
from mmfold.engine.records import NO_VALUE
from mmfold.replay.assumptions import read_named
from mmfold.reports.audit import utc_text
from mmfold.reports.money import decimal_text

PPM_PER_BPS = 100


def amount(value: int, unit: int) -> str:
    """Return a whole number of small units in larger ones, exact, with separators between thousands."""
    return f"{Decimal(decimal_text(Fraction(value, unit))):,f}"


def venue_numbers(words: dict[str, str]) -> dict[str, Any] | None:
    """Return every assumption in force, exact, by its field's name; None of a journal that no backtest wrote.

    Units: as the names say, ns, ppm, micros; null where there is none.
    """
    numbers = read_named(words)
    if numbers is None:
        return None
    return {
        **{name: None if value == NO_VALUE else value for name, value in numbers.items()},
        "queue_model": words["queue_model"],
        "partial_fills": bool(numbers["partial_fills"]),
        "min_notional_filter": bool(numbers["min_notional_filter"]),
        "fee_tiers": read_tiers(words.get("fee_tiers", "")),
        "latency_samples": words.get("latency_samples"),
    }


def venue_part(words: dict[str, str]) -> dict[str, Any]:
    """Return a report's key `venue`, which only a backtest's has."""
    numbers = venue_numbers(words)
    return {} if numbers is None else {"venue": numbers}


def read_tiers(text: str) -> list[dict[str, int]]:
    """Return the fee tiers of a manifest's text."""
    names = ("volume_micros", "maker_fee_ppm", "taker_fee_ppm")
    tiers = [tier.split() for tier in text.split(";") if tier]
    return [dict(zip(names, map(int, tier), strict=True)) for tier in tiers]


def venue_notes(manifest: Manifest) -> list[str]:
    """Return what a simulated venue took for granted, one sentence each; nothing of another journal."""
    numbers = venue_numbers(manifest.extra)
    if numbers is None:
        return []
    timers = f"Timers come every {amount(numbers['timer_interval_ns'], NS_PER_MS)} ms"
    clock = "Receive times are on the exchange's clock: the recording's lowest feed latency counts as zero if negative."
    if "fork_seq" in manifest.extra:
        timers = f"A fork behind seq {int(manifest.extra['fork_seq']):,}, where timers come as they did"
        clock = "Times are as recorded; if the recording's lowest feed latency is negative, it counts as zero."
    partial = "orders fill in part" if numbers["partial_fills"] else "the first order a trade reaches fills whole"
    return [
        *span_notes(manifest.extra),
        f"Simulated venue: queue model {numbers['queue_model']}, {partial}; fills at the order's own price, as maker.",
        *latency_notes(numbers),
        f"{timers}; our orders move nobody.",
        fee_note(numbers, manifest.instruments),
        *fill_notes(numbers),
        account_note(numbers),
        request_note(numbers),
        outage_note(numbers),
        clock,
        "Spread PnL is earned at the fills against the mid; inventory PnL is the rest of realised and unrealised.",
    ]


def span_notes(words: dict[str, str]) -> list[str]:
    """Return which part of the recording was traded in, where it was not all of it."""
    ends = {name: words.get(f"span_{name}_ns") for name in ("from", "until")}
    told = [f"{name} {utc_text(int(ts_ns))}" for name, ts_ns in ends.items() if ts_ns is not None]
    if not told:
        return []
    before = "; what is before was folded as market, with nothing quoted" if ends["from"] is not None else ""
    return [f"Trades {' '.join(told)}, on the recording's clock{before}."]


def latency_notes(numbers: dict[str, Any]) -> list[str]:
    """Return how long requests and answers take."""
    entry, response, std = (
        amount(numbers[name], NS_PER_MS) for name in ("entry_latency_ns", "response_latency_ns", "latency_std_ns")
    )
    if numbers["latency_samples"]:
        count, _, digest = numbers["latency_samples"].partition(" sha256 ")
        text = f"Requests and answers take as long as was measured: {int(count):,} samples, interpolated by time"
        notes = [f"{text}, sha256 {digest}."]
    elif numbers["latency_std_ns"]:
        text = f"A request takes {entry} ms to the venue, an answer {response} ms back, on average"
        notes = [f"{text}: normal with a standard deviation of {std} ms, at least 0."]
    else:
        notes = [f"A request takes {entry} ms to the venue, an answer {response} ms back."]
    own = {"amend": numbers["amend_latency_ns"], "cancel": numbers["cancel_latency_ns"]}
    told = [f"{name} {amount(value, NS_PER_MS)} ms" for name, value in own.items() if value is not None]
    if told:
        notes.append(f"To the venue instead: {', '.join(told)}.")
    return [*notes, "One connection: no request overtakes one sent before it, no answer another."]


def rates_text(maker_ppm: int, taker_ppm: int) -> str:
    """Return a pair of fees."""
    return f"maker {amount(maker_ppm, PPM_PER_BPS)} bps, taker {amount(taker_ppm, PPM_PER_BPS)} bps"


def fee_note(numbers: dict[str, Any], instruments: Sequence[Instrument]) -> str:
    """Return what fills cost."""
    if not numbers["fee_tiers"]:
        groups: dict[str, list[str]] = {}
        for one in instruments:
            groups.setdefault(rates_text(one.maker_fee_ppm, one.taker_fee_ppm), []).append(one.symbol)
        return "Fees: " + "; ".join(f"{rates} ({', '.join(symbols)})" for rates, symbols in groups.items()) + "."
    tiers = [
        f"from {amount(tier['volume_micros'], MICROS_PER_UNIT)} on "
        + rates_text(tier["maker_fee_ppm"], tier["taker_fee_ppm"])
        for tier in numbers["fee_tiers"]
    ]
    before = amount(numbers["volume_micros"], MICROS_PER_UNIT)
    return f"Fees by own notional of 30 days per instrument, {before} USD of it traded before: {'; '.join(tiers)}."


def fill_notes(numbers: dict[str, Any]) -> list[str]:
    """Return what makes fills worse than the queue says."""
    notes = []
    if numbers["toxic_fill_ppm"]:
        share = amount(numbers["toxic_fill_ppm"] * 100, PPM)
        notes.append(f"{share} % of the maker fills, drawn one by one, are charged as taker's.")
    if numbers["extra_slippage_ppm"]:
        worse = amount(numbers["extra_slippage_ppm"], PPM_PER_BPS)
        notes.append(f"Every fill is {worse} bps of the mid worse than that price, rounded against us to a tick.")
    return notes or ["No fill is toxic, none slips beyond its price."]


def account_note(numbers: dict[str, Any]) -> str:
    """Return what the account carries."""
    if not numbers["equity_micros"]:
        return "No margin is asked for, nothing is liquidated."
    equity = amount(numbers["equity_micros"], MICROS_PER_UNIT)
    initial, maintenance = (amount(numbers[f"{name}_margin_ppm"] * 100, PPM) for name in ("initial", "maintenance"))
    fee = amount(numbers["liquidation_fee_ppm"], PPM_PER_BPS)
    fee_text = f"for {fee} bps" if numbers["liquidation_fee_ppm"] else "for the taker's fee"
    return (
        f"Each instrument's account has {equity}, in the money of its PnL: an order binds {initial} % of its "
        f"notional, a position with less than {maintenance} % is closed by the venue {fee_text}."
    )


def request_note(numbers: dict[str, Any]) -> str:
    """Return what the venue does to requests and orders by the clock."""
    budget, lifetime = numbers["request_per_s_max"], numbers["order_lifetime_ns"]
    taken = f"at most {budget:,} requests a second" if budget else "any number of requests"
    ends = f"an order expires after {amount(lifetime, NS_PER_MS)} ms" if lifetime else "no order expires"
    least = (
        "an order below the least notional is refused" if numbers["min_notional_filter"] else "any notional is taken"
    )
    return f"The venue takes {taken}; {ends}; {least}."


def outage_note(numbers: dict[str, Any]) -> str:
    """Return when the trading connection is down."""
    if not numbers["outage_interval_ns"]:
        return "The trading connection never breaks."
    every, lasts = amount(numbers["outage_interval_ns"], NS_PER_S), amount(numbers["outage_ns"], NS_PER_MS)
    dropped = amount(numbers["restart_ppm"] * 100, PPM)
    timeout = amount(numbers["request_timeout_ns"], NS_PER_MS)
    return (
        f"The trading connection breaks once in every {every} s for {lasts} ms; a request lost in it is known as such "
        f"after {timeout} ms; in {dropped} % of the breaks the venue drops all orders."
    )


def feed_notes(shifts_ns: Sequence[int]) -> tuple[str, ...]:
    """Return what was added to the receive times of recordings whose clock was behind the exchange's."""
    return tuple(
        f"Recording {number}: {amount(shift_ns, NS_PER_MS)} ms were added to its receive times, its lowest feed "
        f"latency was -{amount(shift_ns, NS_PER_MS)} ms."
        for number, shift_ns in enumerate(shifts_ns, 1)
        if shift_ns
    )


def shown_notes(manifest: Manifest, outside_counts: dict[str, int], placed: int) -> tuple[str, ...]:
    """Return how much of the books the recording shows, and how many orders rested outside of that."""
    depths: dict[int, list[str]] = {}
    for one in manifest.instruments:
        depths.setdefault(one.book_depth, []).append(one.symbol)
    shown = "; ".join(
        f"{f'the best {depth:,} levels' if depth else 'every level told since its snapshot'} ({', '.join(symbols)})"
        for depth, symbols in sorted(depths.items())
    )
    told = ", ".join(f"{symbol} {count:,}" for symbol, count in outside_counts.items() if count)
    count = sum(outside_counts.values())
    which = f"{count:,} of {placed:,} orders ({told})" if count else "no order"
    return (
        f"The recording shows of a book: {shown}. Outside of it rested {which}; what stands ahead there is not known "
        "and never taken for nothing.",
    )
