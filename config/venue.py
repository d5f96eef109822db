"""What a backtest may take for granted about its venue, as a person writes it; must never hold a default.

What a file does not say keeps the default of `replay/assumptions.py`. Source of the calibration: spec/reports.md 2.
"""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn, Self

from pydantic import Field, StrictBool, StrictInt, StrictStr, model_validator
from pydantic_core import PydanticCustomError

from mmfold.config.document import Document, read_bounded, read_document
from mmfold.config.errors import ConfigError
from mmfold.config.fields import BPS_MAX, MS_MAX, USD_MAX, Number, Section, ranged
from mmfold.config.load import check

LATENCY_MS_MAX = 60_000
LIFETIME_MS_MAX = 30 * 86_400_000
OUTAGE_S_MAX = 2_000_000
FEE_BPS_MAX = 327  # a FILL row carries a rate of at most 32,767 ppm
TIER_COUNT_MAX = 16
HINT = "mm docs backtest lists every assumption with its unit and range"


def assumed(meaning: str, unit: str, low: int | str, high: int | str, *, above: bool = False) -> Any:
    """Return the field of a number that need not be said, in [low, high], or (low, high] with `above`."""
    return ranged(meaning, unit, low, high, above=above, optional=True)


def chosen(meaning: str, values: str) -> Any:
    """Return the field of a word or a switch that need not be said."""
    return Field(default=None, description=meaning, json_schema_extra={"unit": "-", "range": values})


def refuse(text: str) -> NoReturn:
    """Refuse values that contradict each other.

    Raises: PydanticCustomError.
    """
    raise PydanticCustomError("cfg_invariant", "{text}", {"text": text})


class LatencySection(Section):
    """How long requests and answers are on their way; a file of measured ones stands instead of the first three."""

    entry_ms: Number = assumed("a request's way to the venue, on average", "ms", 0, LATENCY_MS_MAX)
    response_ms: Number = assumed("an answer's way back, on average", "ms", 0, LATENCY_MS_MAX)
    std_ms: Number = assumed("standard deviation of both", "ms", 0, LATENCY_MS_MAX)
    amend_ms: Number = assumed("an amend's way to the venue, instead of entry_ms", "ms", 0, LATENCY_MS_MAX)
    cancel_ms: Number = assumed("a cancel's way to the venue, instead of entry_ms", "ms", 0, LATENCY_MS_MAX)
    file: StrictStr = chosen("measured latencies, CSV or Parquet, beside this file", "a path")

    @model_validator(mode="after")
    def check_models(self) -> Self:
        """Refuse measured latencies beside assumed ones."""
        beside = self.model_fields_set & {"entry_ms", "response_ms", "std_ms"}
        if "file" in self.model_fields_set and beside:
            refuse(f"{min(beside)} says nothing where latencies are measured; leave it or file out")
        return self


class QueueSection(Section):
    """Where an own order stands in its price's queue."""

    model: StrictStr = chosen("which estimate of the queue", "a queue model")
    partial_fills: StrictBool = chosen("whether an order fills in part", "true or false")


class FeeTierSection(Section):
    """The rates from a traded notional on."""

    volume_usd: Number = ranged("own notional of 30 days that the rates begin at", "USD", 0, USD_MAX)
    maker_bps: Number = ranged("fee of a maker's fill, negative = rebate", "bps", -FEE_BPS_MAX, FEE_BPS_MAX)
    taker_bps: Number = ranged("fee of a taker's fill", "bps", -FEE_BPS_MAX, FEE_BPS_MAX)


class FeesSection(Section):
    """Fee tiers by the own notional of the last 30 days; without any the instrument's rates count."""

    tiers: tuple[FeeTierSection, ...] = chosen("rates by volume, the first from 0 on", f"1 to {TIER_COUNT_MAX} tiers")
    volume_usd: Number = assumed("own notional traded before the recording", "USD", 0, USD_MAX)

    @model_validator(mode="before")
    @classmethod
    def check_list(cls, values: Any) -> Any:
        """Refuse anything but a list of tiers."""
        tiers = values.get("tiers", []) if isinstance(values, dict) else []
        if not isinstance(tiers, list) or len(tiers) > TIER_COUNT_MAX:
            refuse(f"tiers must be a list of at most {TIER_COUNT_MAX} sections with volume_usd, maker_bps, taker_bps")
        return values

    @model_validator(mode="after")
    def check_volumes(self) -> Self:
        """Refuse tiers that do not begin at 0 or do not rise."""
        volumes = [tier.volume_usd for tier in self.tiers or ()]
        if volumes and (volumes[0] != 0 or volumes != sorted(set(volumes))):
            refuse(f"volume_usd must begin at 0 and rise, not {', '.join(f'{one:f}' for one in volumes)}")
        return self


class FillsSection(Section):
    """What makes fills worse than the queue says. Source: spec/reports.md 2."""

    toxic_share: Number = assumed("chance that a maker's fill is charged as a taker's", "share", 0, 1)
    extra_slippage_bps: Number = assumed("of the mid, by which every fill's price is worse", "bps", 0, BPS_MAX)


class AccountSection(Section):
    """The account of each instrument, isolated; without equity nothing asks for margin."""

    equity_usd: Number = assumed("deposit; 0 switches margin and liquidation off", "USD", 0, USD_MAX)
    initial_margin: Number = assumed("share of the notional that an order binds", "share", 0, 1, above=True)
    maintenance_margin: Number = assumed("share of it below which the venue closes the position", "share", 0, 1)
    liquidation_fee_bps: Number = assumed("fee of a liquidation's fill", "bps", 0, FEE_BPS_MAX)


class RequestsSection(Section):
    """What the venue does to requests."""

    per_s: StrictInt = assumed("requests that it takes in a second; 0: any number", "1/s", 0, 1_000_000)
    timeout_ms: Number = assumed("when a request without an answer counts as lost", "ms", 1, MS_MAX)
    order_lifetime_ms: Number = assumed("after which an order expires; 0: never", "ms", 0, LIFETIME_MS_MAX)
    min_notional: StrictBool = chosen("whether orders below the least notional are refused", "true or false")


class OutagesSection(Section):
    """Outages of the trading connection; the market feed goes on."""

    every_s: Number = assumed("one outage in every such span, at a drawn time; 0: none", "s", 0, OUTAGE_S_MAX)
    for_ms: Number = assumed("how long each lasts", "ms", 1, OUTAGE_S_MAX * 1000)
    restart_share: Number = assumed("share of them in which the venue drops all orders", "share", 0, 1)

    @model_validator(mode="after")
    def check_spans(self) -> Self:
        """Refuse outages that fill the span between them, or are said in part."""
        if not self.every_s:
            if self.for_ms or self.restart_share:
                refuse("for_ms and restart_share need every_s, how often an outage comes")
        elif not self.for_ms or self.for_ms >= self.every_s * 1000:
            refuse(f"for_ms must be above 0 and below every_s, {self.every_s:f} s")
        return self


class VenueAssumptions(Section):
    """A file of assumptions, sections and all."""

    latency: LatencySection = LatencySection()
    queue: QueueSection = QueueSection()
    fees: FeesSection = FeesSection()
    fills: FillsSection = FillsSection()
    account: AccountSection = AccountSection()
    requests: RequestsSection = RequestsSection()
    outages: OutagesSection = OutagesSection()
    timer_ms: Number = assumed("pace of the TIMER events", "ms", 1, LATENCY_MS_MAX)


class Calibration(Section):
    """The six numbers of a calibrated simulation; one that is not said is 0. Source: spec/reports.md 2."""

    latency_ms_mean: Number = ranged("a new order's way to the venue, on average", "ms", 0, LATENCY_MS_MAX)
    latency_ms_std: Number = ranged("its standard deviation", "ms", 0, LATENCY_MS_MAX)
    amend_latency_ms: Number = ranged("an amend's way", "ms", 0, LATENCY_MS_MAX)
    cancel_latency_ms: Number = ranged("a cancel's way", "ms", 0, LATENCY_MS_MAX)
    toxic_sweep_prob: Number = ranged("chance that a maker's fill is charged as a taker's", "share", 0, 1)
    extra_slippage_bps: Number = ranged("of the mid, by which every fill's price is worse", "bps", 0, BPS_MAX)


def load_venue(path: Path) -> VenueAssumptions:
    """Return a YAML file of assumptions, checked.

    Raises: ConfigError for the first thing wrong, with its key, range and line.
    """
    document = read_document(path)
    values = {key: {} if value is None else value for key, value in document.values.items()}  # an empty section
    return check(VenueAssumptions, values, document, (), HINT)


def load_calibration(path: Path) -> Calibration:
    """Return a calibration JSON, checked: its six keys and no others.

    Raises: ConfigError.
    """
    document = read_json(path)
    values = {**dict.fromkeys(Calibration.model_fields, 0), **document.values}
    hint = f"a calibration is one JSON object with {', '.join(Calibration.model_fields)}"
    return check(Calibration, values, document, (), hint)


def read_json(path: Path) -> Document:
    """Read a file that holds one JSON object, numbers exactly as they are written.

    Raises: ConfigError.
    """
    data = read_bounded(path)

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise ConfigError("E_CFG_KEY", f"{twice}: set twice", path.name)
        return dict(pairs)

    try:
        values = json.loads(data, parse_float=Decimal, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise ConfigError("E_CFG_FILE", f"not JSON: {error.msg}", f"{path.name} line {error.lineno}") from error
    except ConfigError:
        raise
    except (ValueError, RecursionError) as error:  # not UTF-8, a number of thousands of digits, nested too deeply
        raise ConfigError("E_CFG_FILE", f"not JSON: {error}", path.name) from error
    if not isinstance(values, dict):
        raise ConfigError("E_CFG_TYPE", "expected one JSON object", path.name)
    return Document(values, {(key,): path.name for key in values})
