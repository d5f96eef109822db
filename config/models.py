"""Every setting: its kind, range, unit and meaning; must never hold a default (config/defaults.yaml does).

Source: spec/core.md 0, 5, 8 to 11, 27. What may change at run time: spec/core.md 27.
"""

from collections.abc import Iterator
from typing import Any, Literal, Self

from pydantic import BaseModel, Field, StrictBool, StrictInt, model_validator
from pydantic_core import PydanticCustomError

from mmfold.config.alerts import Place, Webhook, Words
from mmfold.config.fields import (
    BPS_MAX,
    MS_MAX,
    UNREAD,
    USD_MAX,
    USER_RANGE,
    Number,
    Section,
    UserNumber,
    ranged,
    switch,
)
from mmfold.engine.limits import (
    CIRCUIT_PROBE_ROOM,
    CIRCUIT_SECOND_COUNT,
    LEVEL_COUNT_MAX,
    ORDER_COUNT_MAX,
    THROTTLE_SECOND_COUNT,
)

QUOTED_USD_MAX = 9_000_000  # the core scales these micros by a million: the product must fit 63 bits
FIGURE_MAX = 1_000_000_000  # of a rate or a deviation
DEAD_MAN_S_MIN = 3  # Bybit v5 docs, set disconnect cancel all


class StrategySection(Section):
    """How quotes are made. Source: spec/core.md 5."""

    name: Literal["ladder", "grid", "avellaneda", "glft", "user"] = switch(
        "which quoter runs; grid has its own section, avellaneda and glft have optimal, user is the file of --strategy",
        "ladder, grid, avellaneda, glft or user",
    )
    k_vola_spread: Number = ranged("spread per unit of volatility", "-", 0, 2, above=True, live=True)
    min_spread_bps: Number = ranged("narrowest spread quoted", "bps", 0, BPS_MAX, live=True)
    max_spread_bps: Number = ranged("widest spread before guards", "bps", 0, BPS_MAX, live=True)
    skew_coeff: Number = ranged("shift of quotes per unit of inventory over equity", "-", 0, 1, live=True)
    imbalance_cutoff: Number = ranged(
        "share of bid volume beyond which the adverse guard pauses a side", "ratio", "0.5", "0.9", live=True
    )
    levels_per_side: StrictInt = ranged("quoted levels of one side", "levels", 1, LEVEL_COUNT_MAX, live=True)
    level_spacing_coeff: Number = ranged("distance of levels, in spreads", "spreads", 0, 10, live=True)
    vola_half_life_s: Number = ranged("half-life of the volatility estimate", "s", 10, 300)
    microprice_drift_bps: Number = ranged("microprice drift that widens the spread", "bps", 1, 10)
    imbalance_levels: StrictInt = ranged("book levels that the imbalance looks at", "levels", 3, 10)
    guard_pause_ms: StrictInt = ranged("pause of a side after the adverse guard trips", "ms", 100, 1000)
    min_time_in_book_ms: StrictInt = ranged("time an order rests before it may be replaced", "ms", 100, 3000, live=True)
    replace_threshold_bps: Number = ranged("price move up to which an order is amended", "bps", 0, BPS_MAX, live=True)
    enable_dynamic_spread: StrictBool = switch("spread follows volatility; else it is min_spread_bps")
    enable_inventory_skew: StrictBool = switch("quotes shift against the position")
    enable_adverse_guard: StrictBool = switch("imbalance and microprice drift widen the spread and pause sides")
    quote_on_timer: StrictBool = switch("orders are decided on timer events alone; a market-only recording has none")
    quote_refresh_ms: StrictInt = ranged("longest time between two quotes", "ms", 1, MS_MAX)
    amend_price_threshold_bps: Number = ranged("mid move that makes a new quote due", "bps", 0, BPS_MAX)
    amend_size_threshold: Number = ranged("relative size change up to which an order is amended", "ratio", 0, 1)
    target_usd: Number = ranged("quoted notional of one side", "USD", 0, QUOTED_USD_MAX, live=True)

    @model_validator(mode="after")
    def check_spreads(self) -> Self:
        """Refuse a narrowest spread above the widest one."""
        if self.min_spread_bps > self.max_spread_bps:
            text = f"min_spread_bps {self.min_spread_bps:f} is above max_spread_bps {self.max_spread_bps:f}"
            raise PydanticCustomError("cfg_invariant", "{text}", {"text": text})
        return self


class GridSection(Section):
    """The grid quoter: fixed half spread around a reservation price that leans against the position."""

    half_spread: Number = ranged("distance of a quote from the reservation price", "quote currency", 0, USD_MAX)
    skew_per_unit: Number = ranged("reservation price shift per base unit held", "quote currency", 0, USD_MAX)
    qty: Number = ranged("size of each quote", "base units", 0, USD_MAX, above=True)
    max_notional_usd: Number = ranged("position value beyond which a side stops", "USD", 0, USD_MAX)
    step_ms: StrictInt = ranged("time between two quotes", "ms", 1, MS_MAX)


class OptimalSection(Section):
    """The quoters in closed form, Avellaneda-Stoikov and Gueant-Lehalle-Fernandez-Tapia: one quote a side."""

    gamma: Number = ranged("risk aversion", "1/tick", 0, 1000, above=True, live=True)
    sigma: Number = ranged("deviation of the mid; 0: the feed's", "ticks/sqrt(s)", 0, FIGURE_MAX, live=True)
    a_per_s: Number = ranged("fills of a side at the mid, A; 0: the feed's", "1/s", 0, FIGURE_MAX, live=True)
    k: Number = ranged("decay of fills with distance; 0: the feed's", "1/tick", 0, 1000, live=True)
    horizon_s: Number = ranged("time that a position is held, of avellaneda", "s", 0, 86400, above=True, live=True)
    qty: Number = ranged("size of each quote", "base units", 0, USD_MAX, above=True)
    max_quotes: StrictInt = ranged("quotes held at which a side that adds stops", "quotes", 1, 1000, live=True)


class MakerSection(Section):
    """The maker-only policy. Source: spec/core.md 8."""

    maker_only: StrictBool = switch("orders are post-only")
    post_only_offset_bps: Number = ranged("least distance from the own best price", "bps", 0, BPS_MAX)
    post_only_mode: Literal["adjust", "block"] = switch(
        "a quote that would cross is moved to the passive side, or dropped", "adjust or block"
    )
    min_qty_pad: Number = ranged("least order size, in minimum sizes of the venue", "x min_qty", 1, 10)


class NearLiqGuard(Section):
    """What may be bought long. Source: spec/core.md 10, addendum.md 1."""

    enabled: StrictBool = switch("nothing is bought long whose liquidation price is too near to its entry")
    sl_buffer_multiplier: Number = ranged(
        "least distance of the liquidation price from the entry, in distances of the stop-loss", "x", 0, 100
    )


class RiskSection(Section):
    """Pre-trade limits. Source: spec/core.md 9 and 10."""

    # A limit of 0 is refused: the core reads 0 as no limit, a person as hold nothing (that is enabled: false).
    max_inv_usd_per_symbol: Number = ranged(
        "limit of |position + open orders| of one symbol", "USD", 0, QUOTED_USD_MAX, above=True
    )
    max_total_notional_usd: Number = ranged("limit of the positions of all symbols", "USD", 0, USD_MAX, above=True)
    max_position_base: Number | None = ranged("limit of |position|; null: none", "base units", 0, USD_MAX, above=True)
    equity_usd: Number = ranged("equity that inventory skew is measured against", "USD", 0, USD_MAX, above=True)
    leverage: Number = ranged("leverage that the venue has for the symbol", "x", 1, 1000)
    mmr: Number = ranged("maintenance margin of the symbol, of the notional", "ratio", 0, 1, above=True)
    assumed_sl_pct: Number = ranged("distance of a stop-loss from the entry, 0.003 for 0.3 %", "ratio", 0, 1)
    near_liq_guard: NearLiqGuard


class LiquiditySection(Section):
    """How deep the book has to be beside a quote. Source: spec/core.md 10."""

    enabled: StrictBool = switch("a quote is shown only where its own side of the book is deep enough")
    alpha: Number = ranged("least depth of the quote's own side, in sizes of the quote", "x size", 0, 1000, above=True)
    levels: StrictInt = ranged("best levels of the side that count", "levels", 1, 20)


class FlipSection(Section):
    """How long after a fill nothing opens a position on the other side. Source: spec/core.md 10."""

    cooldown_ms: StrictInt = ranged("time after a fill of the other side; 0: none", "ms", 0, MS_MAX)
    cancel_latency_p95_ms: StrictInt = ranged("least such time: what a cancel may take", "ms", 0, MS_MAX)


class IntradayCaps(Section):
    """What a UTC day may cost the account, all symbols together. Source: spec/core.md 17."""

    daily_pnl_stop_usd: Number = ranged(
        "loss of a UTC day, fees and funding included, at which nothing is quoted any more; 0: none", "USD", 0, USD_MAX
    )


class GuardsSection(Section):
    """What stops the account by itself."""

    intraday_caps: IntradayCaps


class LimitsSection(Section):
    """How many orders may rest. Source: spec/core.md 11."""

    max_active_per_side: StrictInt = ranged("active orders of one side", "orders", 1, ORDER_COUNT_MAX // 2, live=True)
    max_active_orders_per_symbol: StrictInt = ranged(
        "active orders of one symbol", "orders", 1, ORDER_COUNT_MAX, live=True
    )
    backoff_on_reject_ms: StrictInt = ranged("pause of a side after the venue refused an order of it", "ms", 0, MS_MAX)


class ThrottleSection(Section):
    """How many requests of each kind an instrument may send. Source: spec/core.md 12."""

    window_sec: StrictInt = ranged("time that the limits are counted over", "s", 1, THROTTLE_SECOND_COUNT - 1)
    max_creates_per_sec: StrictInt = ranged("new orders; 0: no limit", "1/s", 0, 1000, live=True)
    max_amends_per_sec: StrictInt = ranged("amends; 0: no limit", "1/s", 0, 1000, live=True)
    max_cancels_per_sec: StrictInt = ranged(
        "cancels for a better price; those for safety never wait; 0: no limit", "1/s", 0, 1000, live=True
    )
    backoff_base_ms: StrictInt = ranged("first pause after the venue refused a request for its rate", "ms", 0, MS_MAX)
    backoff_max_ms: StrictInt = ranged("longest such pause; each is twice the one before", "ms", 0, MS_MAX)


class CircuitSection(Section):
    """When the account stops sending orders because too many requests fail. Source: spec/core.md 15."""

    enabled: StrictBool = switch("after too many failed requests only cancels are sent for a while, then a few probes")
    window_sec: StrictInt = ranged("time that results are counted over", "s", 1, CIRCUIT_SECOND_COUNT)
    min_samples: StrictInt = ranged("least results in the window before it is judged", "results", 1, 1000)
    err_rate_open: Number = ranged("share of failed requests that opens it", "ratio", 0, 1, above=True)
    http_5xx_rate_open: Number = ranged("share of server errors that opens it", "ratio", 0, 1, above=True)
    http_429_rate_open: Number = ranged("share of rate limit refusals that opens it", "ratio", 0, 1, above=True)
    open_duration_sec: StrictInt = ranged("time before probes are sent", "s", 1, 3600)
    half_open_probes: StrictInt = ranged("probes whose results close or reopen it", "probes", 1, CIRCUIT_PROBE_ROOM)
    cooldown_sec: StrictInt = ranged("least time between two probes", "s", 0, 3600)


class MarketDataSection(Section):
    """When the market's word is too old to quote on."""

    stale_ms: StrictInt = ranged("silence after which quotes are pulled", "ms", 1, MS_MAX)


class LiveSection(Section):
    """How a session lives at a venue; the core knows nothing of it."""

    dead_man_window_s: StrictInt = ranged(
        "absence after which the venue cancels all orders of the account itself, 3 or more; 0: it does not", "s", 0, 300
    )

    max_lag_ms: StrictInt = ranged(
        "how late a book message may be read after the venue stamped it, before nothing is quoted; 0: any",
        "ms",
        0,
        60_000,
    )

    @model_validator(mode="after")
    def check_window(self) -> Self:
        """Refuse a window that no venue takes."""
        if 0 < self.dead_man_window_s < DEAD_MAN_S_MIN:
            text = f"dead_man_window_s {self.dead_man_window_s} is neither 0 nor at least {DEAD_MAN_S_MIN}"
            raise PydanticCustomError("cfg_invariant", "{text}", {"text": text})
        return self


class JournalSection(Section):
    """How a session's or a recording's journal reaches the disk; the core knows nothing of it."""

    sync: Literal["none", "commit"] = switch(
        "when a commit is on the disk: by the system's own pace, or before it is acknowledged, so that a power cut "
        "loses none; commit costs a disk's flush before each order",
        "none or commit",
    )


class AlertsSection(Section):
    """How a session's alerts reach a person (docs/alerts.md); the core knows nothing of it."""

    exec: Words = switch(
        "program that gets each alert on stdin, run without a shell; []: none",
        "a list of texts: the program and its words",
    )
    exec_timeout_s: Number = ranged("time after which that program is ended", "s", "0.1", 60)
    webhook: Webhook | None = switch(
        "address that each alert is posted to, or where it stands if it is a secret",
        "https URL, env:NAME or file:PATH",
    )
    webhook_token: Place | None = switch("where the token stands that the webhook asks for", "env:NAME or file:PATH")
    webhook_timeout_s: Number = ranged("time for one answer of the webhook", "s", "0.1", 60)
    window_s: Number = ranged("time in which an alert of one kind and symbol is told once", "s", 1, 86_400)
    min_severity: Literal["info", "warning", "critical"] = switch(
        "least severity that is told", "info, warning or critical"
    )
    venue_down_s: Number = ranged("time without a connection to the venue before it is told", "s", 1, 3600)

    @model_validator(mode="after")
    def check_token(self) -> Self:
        """Refuse a token that nobody is told."""
        if self.webhook_token is not None and self.webhook is None:
            raise PydanticCustomError("cfg_invariant", "{text}", {"text": "webhook_token without a webhook"})
        return self


class PolicySection(Section):
    """What every policy has; its section is named as the policy is in engine/policy/registry.py."""

    enabled: StrictBool = switch("whether the policy runs")
    interval_s: Number = ranged("event time between two runs of the policy", "s", "0.001", 86_400)


class AutopolicySection(PolicySection):
    """The policy that quotes less and slower while the order flow is too busy. Source: spec/core.md 16."""

    trigger_events_total: StrictInt = ranged("orders in one interval that count as busy", "orders", 1, 1_000_000)
    hysteresis_bad_required: StrictInt = ranged("busy intervals before a step up", "intervals", 1, 1000)
    hysteresis_good_required: StrictInt = ranged("quiet intervals before a step down", "intervals", 1, 1000)
    cooldown_minutes: Number = ranged("least time between two steps", "min", 0, 1440)
    max_level: StrictInt = ranged("highest step", "steps", 0, 10)
    step_ratio: Number = ranged("growth of resting time and replace threshold per step", "ratio", 0, 1)
    levels_shrink_ratio: Number = ranged("share of the levels dropped per step", "ratio", 0, 1)
    min_levels_cap: StrictInt = ranged("levels kept at any step", "levels", 1, LEVEL_COUNT_MAX)
    max_min_time_in_book_ms: StrictInt = ranged("most that resting time may grow to", "ms", 1, MS_MAX)
    max_replace_threshold_bps: Number = ranged("most that the replace threshold may grow to", "bps", 0, BPS_MAX)


class Smoothing(Section):
    """How strongly the allocator may lean. Source: spec/core.md 18 stage 8 and 19."""

    bias_cap_ratio: Number = ranged("most a position-skew breach leans a target", "ratio", 0, 1, read=False)
    fee_bias_cap_ratio: Number = ranged("most a near fee tier leans a target", "ratio", 0, 1, read=False)


class AllocatorSection(Section):
    """The allocator policy."""

    smoothing: Smoothing


class Settings(Section):
    """All settings of one symbol."""

    mode: Literal["shadow", "sent"] = switch("whether decisions are only recorded, or sent", "shadow or sent")
    enabled: StrictBool = switch("whether the symbol is quoted", live=True)
    strategy: StrategySection
    grid: GridSection
    optimal: OptimalSection
    maker: MakerSection
    risk: RiskSection
    liquidity_by_side: LiquiditySection
    flip_cooldown: FlipSection
    guards: GuardsSection
    limits: LimitsSection
    throttle: ThrottleSection
    circuit: CircuitSection
    market_data: MarketDataSection
    live: LiveSection
    journal: JournalSection
    alerts: AlertsSection
    autopolicy: AutopolicySection
    allocator: AllocatorSection
    user: dict[str, UserNumber] = Field(
        description="parameters of the strategy file: {name: number}, named and set in its PARAMS",
        json_schema_extra={"unit": "-", "range": f"numbers in {USER_RANGE}", "runtime_mutable": True},
    )


POLICY_SECTIONS = tuple(
    name
    for name, field in Settings.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, PolicySection)
)


def unread_keys(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[str]:
    """Yield every key that nothing in this build reads."""
    for name, info in model.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield from unread_keys(info.annotation, f"{prefix}{name}.")
        elif isinstance(info.json_schema_extra, dict) and UNREAD in info.json_schema_extra:
            yield prefix + name


class Layers(Settings):
    """What a merged YAML document may hold."""

    per_symbol: dict[str, dict[str, Any]] = Field(
        description="overrides for one symbol: {SYMBOL: {section: {key: value}}}, as mutable as each key",
        json_schema_extra={"unit": "-", "range": "any key but those of policies", "runtime_mutable": True},
    )


class Config(Layers):
    """The settings in force, those of each symbol with overrides, where each key was set, and what to tell the user."""

    symbol_settings: dict[str, Settings] = Field(exclude=True, repr=False)
    origins: dict[str, str] = Field(exclude=True, repr=False)
    warnings: tuple[str, ...] = Field(exclude=True, repr=False)

    def for_symbol(self, symbol: str) -> Settings:
        """Return the settings of a symbol: its overrides laid over the common ones."""
        return self.symbol_settings.get(symbol, self)
