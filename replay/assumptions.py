"""What a backtest takes for granted about its venue: one record of numbers, checked, printed, part of the run id."""

import hashlib
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np

from mmfold.engine.limits import NS_PER_MS, NS_PER_S, PPM
from mmfold.engine.records import NO_VALUE
from mmfold.replay.venue.queue import QueueModel
from mmfold.replay.venue.records import FEE_TIER_COUNT_MAX, LATENCY_SAMPLE, LATENCY_SAMPLE_COUNT_MAX, NEVER_NS, RULES

FEE_PPM_MAX = 32_767  # what a FILL row can carry
OUTAGE_INTERVAL_NS_MAX = (1 << 31) * NS_PER_MS
DURATION_NS_MAX = 30 * 86_400 * NS_PER_S


class BadAssumption(ValueError):
    """An assumption that no venue and no clock could meet; the message says which."""

    hint = "latencies are 0 or more, shares between 0 and 1,000,000 ppm; mm docs backtest has the ranges"


@dataclass(frozen=True, order=True)
class FeeTier:
    """The fees from a traded notional of the last 30 days on; positive is a cost."""

    volume_micros: int
    maker_fee_ppm: int
    taker_fee_ppm: int


@dataclass(frozen=True)
class LatencySample:
    """One measured request: when it left, how long to the venue, how long back."""

    ts_request_ns: int
    entry_ns: int
    response_ns: int


# name: lowest, highest
RANGES = {
    "entry_latency_ns": (0, DURATION_NS_MAX),
    "response_latency_ns": (0, DURATION_NS_MAX),
    "latency_std_ns": (0, DURATION_NS_MAX),
    "amend_latency_ns": (0, DURATION_NS_MAX),
    "cancel_latency_ns": (0, DURATION_NS_MAX),
    "timer_interval_ns": (1, DURATION_NS_MAX),
    "toxic_fill_ppm": (0, PPM),
    "extra_slippage_ppm": (0, PPM),
    "volume_micros": (0, 1 << 60),
    "request_per_s_max": (0, PPM),
    "request_timeout_ns": (1, DURATION_NS_MAX),
    "order_lifetime_ns": (0, DURATION_NS_MAX),
    "equity_micros": (0, 1 << 60),
    "initial_margin_ppm": (1, PPM),
    "maintenance_margin_ppm": (0, PPM),
    "liquidation_fee_ppm": (0, FEE_PPM_MAX),
    "outage_interval_ns": (0, OUTAGE_INTERVAL_NS_MAX),
    "outage_ns": (0, OUTAGE_INTERVAL_NS_MAX),
    "restart_ppm": (0, PPM),
}
LATENCY_NAMES = tuple(name for name in RANGES if name.endswith(("_latency_ns", "latency_std_ns")))


@dataclass(frozen=True, kw_only=True)
class Assumptions:
    """What a backtest takes for granted; printed in its report and part of its run id.

    Units: latencies in ns, shares in ppm, money in micros; what 0 switches off stands in RULES. Raises: BadAssumption.
    """

    queue_model: QueueModel = QueueModel.POWER
    partial_fills: bool = True
    timer_interval_ns: int = 100 * NS_PER_MS
    entry_latency_ns: int = 10 * NS_PER_MS
    response_latency_ns: int = 10 * NS_PER_MS
    latency_std_ns: int = 0
    amend_latency_ns: int | None = None
    cancel_latency_ns: int | None = None
    latency_samples: tuple[LatencySample, ...] = ()
    toxic_fill_ppm: int = 0
    extra_slippage_ppm: int = 0
    fee_tiers: tuple[FeeTier, ...] = ()
    volume_micros: int = 0
    request_per_s_max: int = 0
    request_timeout_ns: int = 5 * NS_PER_S
    order_lifetime_ns: int = 0
    min_notional_filter: bool = False  # the least notionals of config/instruments.yaml are dated facts
    equity_micros: int = 0
    initial_margin_ppm: int = 100_000
    maintenance_margin_ppm: int = 5_000
    liquidation_fee_ppm: int = 0
    outage_interval_ns: int = 0
    outage_ns: int = 0
    restart_ppm: int = 0

    def __post_init__(self) -> None:
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise BadAssumption(f"{name} is {value:,}, out of range {low:,} to {high:,}")
        if self.outage_interval_ns and not 0 < self.outage_ns < self.outage_interval_ns:
            raise BadAssumption(f"outage_ns is {self.outage_ns:,}, it must be above 0 and below outage_interval_ns")
        self.check_tiers()
        self.check_samples()

    def check_tiers(self) -> None:
        """Check the fee tiers: rising volumes from 0 on, rates that a fill can carry.

        Raises: BadAssumption.
        """
        volumes = [tier.volume_micros for tier in self.fee_tiers]
        if len(volumes) > FEE_TIER_COUNT_MAX:
            raise BadAssumption(f"{len(volumes)} fee tiers, at most {FEE_TIER_COUNT_MAX}")
        if volumes and (volumes[0] != 0 or volumes != sorted(set(volumes))):
            raise BadAssumption("fee tiers must begin at volume 0 and rise")
        for tier in self.fee_tiers:
            if max(abs(tier.maker_fee_ppm), abs(tier.taker_fee_ppm)) > FEE_PPM_MAX:
                raise BadAssumption(f"a fee of more than {FEE_PPM_MAX:,} ppm")

    def check_samples(self) -> None:
        """Check the measured latencies: rising times, no negative leg.

        Raises: BadAssumption.
        """
        if len(self.latency_samples) > LATENCY_SAMPLE_COUNT_MAX:
            raise BadAssumption(f"{len(self.latency_samples):,} latency samples, at most {LATENCY_SAMPLE_COUNT_MAX:,}")
        before_ns = -NEVER_NS
        for number, sample in enumerate(self.latency_samples, 1):
            if sample.ts_request_ns <= before_ns:
                raise BadAssumption(f"latency sample {number:,}: its request time is not after the one before")
            if sample.entry_ns < 0 or sample.response_ns < 0:
                raise BadAssumption(f"latency sample {number:,}: a negative latency")
            before_ns = sample.ts_request_ns

    def numbers(self) -> dict[str, int]:
        """Return every plain number by name; what is absent is NO_VALUE."""
        plain = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("fee_tiers", "latency_samples")}
        return {name: NO_VALUE if value is None else int(value) for name, value in plain.items()}

    def named(self) -> dict[str, str]:
        """Return what differs from the defaults or is always of interest, as texts for a manifest."""
        default = Assumptions()
        always = ("queue_model", "entry_latency_ns", "response_latency_ns", "timer_interval_ns", "partial_fills")
        words = {
            name: str(value)
            for name, value in self.numbers().items()
            if name in always or getattr(self, name) != getattr(default, name)
        }
        words["queue_model"] = self.queue_model.name.lower()
        if self.fee_tiers:
            words["fee_tiers"] = "; ".join(
                f"{tier.volume_micros} {tier.maker_fee_ppm} {tier.taker_fee_ppm}" for tier in self.fee_tiers
            )
        if self.latency_samples:
            words["latency_samples"] = f"{len(self.latency_samples)} sha256 {self.samples_digest()}"
        return words

    def scaled(self, factor: float) -> Self:
        """Return the same with every latency, measured ones included, times a factor."""
        told = {name: value for name in LATENCY_NAMES if (value := getattr(self, name)) is not None}
        latencies = {name: round(value * factor) for name, value in told.items()}
        samples = tuple(
            replace(one, entry_ns=round(one.entry_ns * factor), response_ns=round(one.response_ns * factor))
            for one in self.latency_samples
        )
        return replace(self, **latencies, latency_samples=samples)

    def samples_digest(self) -> str:
        """Return the hash that stands for the measured latencies."""
        return hashlib.sha256(sample_rows(self.latency_samples).tobytes()).hexdigest()

    def apply(self, sim: Any, seed: int) -> None:
        """Write the assumptions into a SIM record."""
        rules = sim["rules"]
        for name, value in self.numbers().items():
            rules[name] = value
        rules["seed"] = seed
        rules["fee_tier_count"] = len(self.fee_tiers)
        for place, tier in zip(sim["fee_tiers"], self.fee_tiers, strict=False):
            for name in ("volume_micros", "maker_fee_ppm", "taker_fee_ppm"):
                place[name] = getattr(tier, name)
        rules["latency_sample_count"] = len(self.latency_samples)
        sim["latency_samples"][: len(self.latency_samples)] = sample_rows(self.latency_samples)


def read_named(words: dict[str, str]) -> dict[str, int] | None:
    """Return every plain number in force, by name, from a backtest's manifest; None of another journal.

    What `named` leaves out is as by default: a default that changes has to be named from then on.
    """
    if "queue_model" not in words:
        return None
    numbers = Assumptions().numbers()
    told = {name: int(words[name]) for name in numbers if name in words and name != "queue_model"}
    return {**numbers, **told, "queue_model": int(QueueModel[words["queue_model"].upper()])}


def recorded_assumptions(words: dict[str, str]) -> Assumptions | None:
    """Return what a backtest took for granted, from its manifest, without measured latencies; None of another journal.

    Raises: BadAssumption.
    """
    numbers = read_named(words)
    if numbers is None:
        return None
    values: dict[str, Any] = {name: None if value == NO_VALUE else value for name, value in numbers.items()}
    tiers = [map(int, tier.split()) for tier in words.get("fee_tiers", "").split(";") if tier]
    return Assumptions(
        **{
            **values,
            "queue_model": QueueModel(values["queue_model"]),
            "partial_fills": bool(values["partial_fills"]),
            "min_notional_filter": bool(values["min_notional_filter"]),
            "fee_tiers": tuple(FeeTier(*tier) for tier in tiers),
        }
    )


def sample_rows(samples: tuple[LatencySample, ...]) -> np.ndarray:
    """Return measured latencies as LATENCY_SAMPLE rows."""
    return np.array([(s.ts_request_ns, s.entry_ns, s.response_ns) for s in samples], LATENCY_SAMPLE)


assert set(Assumptions().numbers()) | {"seed", "fee_tier_count", "latency_sample_count"} == set(RULES.names or ())
