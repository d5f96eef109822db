"""The options of `mm backtest` that say what the venue is taken for, as Assumptions; must never hold a default of them.

What is said later wins: the defaults, --assumptions, --calibration, --latency-file or --latency and the other options.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from mmfold.config.venue import Calibration, VenueAssumptions
    from mmfold.replay.assumptions import Assumptions

QUEUE_MODELS = ("risk_averse", "power", "qpos", "log", "fifo")
LATENCY_MS_MAX = 60_000
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
PPM = 1_000_000
PPM_PER_BPS = 100
MICROS_PER_UNIT = 1_000_000
BAND_FACTOR = 3  # between the latencies of the base case and those of either guess beside it
BAND_TEXT = (
    f"pessimistic: queue model risk_averse, every latency x {BAND_FACTOR}; optimistic: qpos, every latency / "
    f"{BAND_FACTOR}; means, deviations, amends, cancels and measured ones alike"
)

# Key of a file of assumptions: its field, and what of it is one unit of the key.
FIELDS = {
    "latency.entry_ms": ("entry_latency_ns", NS_PER_MS),
    "latency.response_ms": ("response_latency_ns", NS_PER_MS),
    "latency.std_ms": ("latency_std_ns", NS_PER_MS),
    "latency.amend_ms": ("amend_latency_ns", NS_PER_MS),
    "latency.cancel_ms": ("cancel_latency_ns", NS_PER_MS),
    "queue.partial_fills": ("partial_fills", 1),
    "fees.volume_usd": ("volume_micros", MICROS_PER_UNIT),
    "fills.toxic_share": ("toxic_fill_ppm", PPM),
    "fills.extra_slippage_bps": ("extra_slippage_ppm", PPM_PER_BPS),
    "account.equity_usd": ("equity_micros", MICROS_PER_UNIT),
    "account.initial_margin": ("initial_margin_ppm", PPM),
    "account.maintenance_margin": ("maintenance_margin_ppm", PPM),
    "account.liquidation_fee_bps": ("liquidation_fee_ppm", PPM_PER_BPS),
    "requests.per_s": ("request_per_s_max", 1),
    "requests.timeout_ms": ("request_timeout_ns", NS_PER_MS),
    "requests.order_lifetime_ms": ("order_lifetime_ns", NS_PER_MS),
    "requests.min_notional": ("min_notional_filter", 1),
    "outages.every_s": ("outage_interval_ns", NS_PER_S),
    "outages.for_ms": ("outage_ns", NS_PER_MS),
    "outages.restart_share": ("restart_ppm", PPM),
    "timer_ms": ("timer_interval_ns", NS_PER_MS),
}
CALIBRATED = {
    "latency_ms_mean": ("entry_latency_ns", NS_PER_MS),
    "latency_ms_std": ("latency_std_ns", NS_PER_MS),
    "amend_latency_ms": ("amend_latency_ns", NS_PER_MS),
    "cancel_latency_ms": ("cancel_latency_ns", NS_PER_MS),
    "toxic_sweep_prob": ("toxic_fill_ppm", PPM),
    "extra_slippage_bps": ("extra_slippage_ppm", PPM_PER_BPS),
}


def parse_latency(ctx: click.Context, parameter: click.Parameter, value: str | None) -> dict[str, Any]:
    """Return the fields of ENTRY_MS[,RESPONSE_MS], or of normal:MEAN_MS,STD_MS for both ways."""
    if value is None:
        return {}
    model, colon, text = value.rpartition(":")
    try:
        parts = [float(part) for part in text.split(",")]
    except ValueError:
        parts = []
    normal = model == "normal" and len(parts) == 2
    if not (normal or (not colon and len(parts) in (1, 2))) or not all(0 <= part <= LATENCY_MS_MAX for part in parts):
        form = f"MS, ENTRY_MS,RESPONSE_MS or normal:MEAN_MS,STD_MS, each 0 to {LATENCY_MS_MAX:,}"
        raise click.BadParameter(f"{value!r} is not {form}", ctx, parameter)
    entry_ns, last_ns = round(parts[0] * NS_PER_MS), round(parts[-1] * NS_PER_MS)
    return {
        "entry_latency_ns": entry_ns,
        "response_latency_ns": entry_ns if normal else last_ns,
        "latency_std_ns": last_ns if normal else 0,
        "latency_samples": (),
    }


def of_venue(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say what its simulated venue is taken for."""
    file = click.Path(path_type=Path)
    for option in reversed(
        (
            click.option(
                "--assumptions", "assumptions_path", metavar="FILE", type=file,
                help="All: mm docs examples/assumptions.yaml.",
            ),
            click.option(
                "--calibration", metavar="FILE", type=file,
                help="JSON of a calibrated simulation; over --assumptions.",
            ),
            click.option(
                "--latency", callback=parse_latency, metavar="MODEL",
                help="MS[,MS] there and back, or normal:MEAN,STD.  [default: 10]",
            ),
            click.option("--latency-file", metavar="FILE", type=file, help="Measured latencies, CSV or Parquet."),
            click.option(
                "--queue-model", type=click.Choice(QUEUE_MODELS), help="fifo needs order ids.  [default: power]"
            ),
            click.option(
                "--partial-fills/--whole-fills", default=None,
                help="Whether orders fill in part.  [default: partial-fills]",
            ),
        )
    ):  # fmt: skip
        command = option(command)
    return command


def read_assumptions(asked: dict[str, Any], base: "Assumptions | None" = None) -> "Assumptions":
    """Return what the simulated venue takes for granted; the file of measured latencies in force stays in `asked`.

    What is not asked for is as in `base`, without one as by default.
    Raises: ConfigError, LatencyFileError, BadAssumption, OSError.
    """
    from mmfold.config.venue import load_calibration, load_venue
    from mmfold.replay.assumptions import Assumptions
    from mmfold.replay.latency_file import read_latencies
    from mmfold.replay.venue.queue import QueueModel

    check_pairs(asked)
    named: dict[str, Any] = {}
    path: Path | None = asked["latency_file"]
    if asked["assumptions_path"] is not None:
        venue = load_venue(asked["assumptions_path"])
        named |= venue_fields(venue, asked["assumptions_path"])
        if path is None and venue.latency.file is not None and not asked["latency"]:
            path = asked["assumptions_path"].parent / venue.latency.file
    if asked["calibration"] is not None:
        named |= calibrated_fields(load_calibration(asked["calibration"]))
        path = None
    if path is not None:
        named["latency_samples"] = read_latencies(path)
    asked["latency_file"] = path
    named |= asked["latency"]
    if asked["queue_model"] is not None:
        named["queue_model"] = QueueModel[asked["queue_model"].upper()]
    if asked["partial_fills"] is not None:
        named["partial_fills"] = asked["partial_fills"]
    if asked["timer_ms"] is not None:
        named["timer_interval_ns"] = asked["timer_ms"] * NS_PER_MS
    return dataclasses.replace(base or Assumptions(), **named)


def check_pairs(asked: dict[str, Any]) -> None:
    """Refuse options of which one would silently undo the other.

    Raises: click.UsageError.
    """
    if asked["latency_file"] is not None:
        for name in ("latency", "calibration"):
            if asked[name]:
                raise click.UsageError(f"give either --latency-file or --{name}: both say how long requests take")


def venue_fields(venue: "VenueAssumptions", path: Path) -> dict[str, Any]:
    """Return the fields that a file of assumptions says.

    Raises: ConfigError for a queue model that there is not.
    """
    from mmfold.config.errors import ConfigError, nearest_text
    from mmfold.config.venue import HINT
    from mmfold.replay.assumptions import FeeTier
    from mmfold.replay.venue.queue import QueueModel

    said = venue.model_dump(exclude_unset=True)
    plain = {
        (f"{section}.{name}" if name else section): value
        for section, values in said.items()
        for name, value in (values.items() if isinstance(values, dict) else [("", values)])
    }
    found = {field: round(plain[key] * unit) for key, (field, unit) in FIELDS.items() if key in plain}
    if "partial_fills" in found:
        found["partial_fills"] = bool(found["partial_fills"])
    if "queue.model" in plain:
        names = [model.name.lower() for model in QueueModel]
        word = plain["queue.model"]
        if word not in names:
            guess = nearest_text(word, names)
            text = f"queue.model: {word!r} is not one of: {', '.join(names)}{guess}"
            raise ConfigError("E_CFG_RANGE", text, path.name, HINT)
        found["queue_model"] = QueueModel[word.upper()]
    if venue.fees.tiers:
        found["fee_tiers"] = tuple(
            FeeTier(
                round(tier.volume_usd * MICROS_PER_UNIT),
                round(tier.maker_bps * PPM_PER_BPS),
                round(tier.taker_bps * PPM_PER_BPS),
            )
            for tier in venue.fees.tiers
        )
    return found


def calibrated_fields(calibration: "Calibration") -> dict[str, Any]:
    """Return the fields that a calibration says: all of its numbers."""
    return {field: round(getattr(calibration, key) * unit) for key, (field, unit) in CALIBRATED.items()}


def band_of(assumptions: "Assumptions") -> "dict[str, Assumptions]":
    """Return the asked-for assumptions between a pessimistic and an optimistic guess of queue and latencies."""
    from mmfold.replay.venue.queue import QueueModel

    def guess(queue_model: QueueModel, factor: float) -> "Assumptions":
        return dataclasses.replace(assumptions.scaled(factor), queue_model=queue_model)

    return {
        "pessimistic": guess(QueueModel.RISK_AVERSE, BAND_FACTOR),
        "base": assumptions,
        "optimistic": guess(QueueModel.QPOS, 1 / BAND_FACTOR),
    }
