"""Settings to the core's PARAMS: exact integers per instrument; must never round.

A setting that is not a whole number of lots, micros or millionths of a tick is refused, so that the same file
means the same numbers everywhere.
"""

import hashlib
from decimal import Decimal
from fractions import Fraction
from typing import Any

from mmfold.config.errors import ConfigError
from mmfold.config.models import POLICY_SECTIONS, Config, Settings, unread_keys
from mmfold.config.own import declared_params
from mmfold.config.renames import PER_SYMBOL
from mmfold.engine.codes import Mode, Strategy
from mmfold.engine.limits import HOLDING_MAX, MICROS_PER_UNIT, NS_PER_MS, NS_PER_S, PPM, QTY_LOTS_MAX
from mmfold.engine.manifest import Instrument, Manifest, canonical_json
from mmfold.engine.schema import USER_PARAMS

PARAM_VALUE_MAX = 1 << 62
NEVER = 1_000_000.0  # a threshold that no move of a price or a size reaches
DIGEST_HEX_COUNT = 12
Number = int | float

OPTIMAL = ("avellaneda", "glft")  # the quoters of section optimal
# Settings of `strategy` that they do not read.
LADDER_ALONE = frozenset(
    f"strategy.{name}"
    for name in (
        "k_vola_spread",
        "min_spread_bps",
        "max_spread_bps",
        "skew_coeff",
        "imbalance_cutoff",
        "levels_per_side",
        "level_spacing_coeff",
        "microprice_drift_bps",
        "guard_pause_ms",
        "enable_dynamic_spread",
        "enable_inventory_skew",
        "enable_adverse_guard",
        "target_usd",
    )
)

# Settings of `strategy` that the grid rule does not read: GRID_FIXED and grid.step_ms stand in for them.
GRID_REPLACES = frozenset(
    f"strategy.{name}"
    for name in (
        "levels_per_side",
        "min_time_in_book_ms",
        "replace_threshold_bps",
        "amend_price_threshold_bps",
        "amend_size_threshold",
        "quote_refresh_ms",
    )
)

# What the grid rule itself fixes, whatever `strategy` says: one quote a side, judged each step and never between, kept
# as long as its price is right (whatever is left of it), else cancelled and placed anew at once, not amended.
GRID_FIXED: dict[str, Number] = {
    "replace_overlap": 1,
    "levels_per_side": 1,
    "min_time_in_book_ns": 0,
    "replace_threshold_bps": 0.0,
    "amend_price_threshold_bps": NEVER,
    "amend_size_threshold": NEVER,
}


def to_params(config: Config, manifest: Manifest) -> dict[str, dict[str, Number]]:
    """Return {symbol: {PARAM field: number}} for every instrument of a manifest.

    Raises: ConfigError when a value is not exact in the instrument's ticks or lots.
    """
    return {one.symbol: symbol_params(config.for_symbol(one.symbol), one) for one in manifest.instruments}


def to_policies(config: Config) -> dict[str, dict[str, Number]]:
    """Return {policy: {setting: number}} for the policies of the core."""
    return {
        policy: {name: float(value) if isinstance(value, Decimal) else int(value) for name, value in section}
        for policy, section in config
        if policy in POLICY_SECTIONS
    }


def config_digest(params: dict[str, dict[str, Number]]) -> str:
    """Return the 12 hex digits that name a set of PARAMS."""
    return hashlib.sha256(canonical_json(params)).hexdigest()[:DIGEST_HEX_COUNT]


def unused_settings(config: Config, manifest: Manifest | None = None) -> tuple[str, ...]:
    """Return a warning for each setting that no instrument or strategy here uses: a shared file, or a typo."""
    symbols = config.per_symbol if manifest is None else manifest.symbol_index()
    absent = sorted(symbol for symbol in config.per_symbol if symbol not in symbols)
    warnings = [f"per_symbol.{symbol} is not used: no such instrument here ({', '.join(symbols)})" for symbol in absent]
    for key, reader in sorted(unused_keys(config, manifest).items()):
        if config.origins[key] != "default":
            warnings.append(f"{key} ({config.origins[key]}) is not used by {reader}")
    return tuple(warnings)


def unused_keys(config: Config, manifest: Manifest | None = None) -> dict[str, str]:
    """Return {key: what does not use it} of every key without effect, defaults too; of any instruments without one."""
    symbols = (*config.symbol_settings, "") if manifest is None else tuple(manifest.symbol_index())
    unread, found = set(unread_keys()), {}
    for key in config.origins:
        at, _, rest = key.partition(".")
        symbol, _, own = rest.partition(".")
        name, its = (own, (symbol,)) if at == PER_SYMBOL else (key, symbols)
        strategies = {config.for_symbol(one).strategy.name for one in its if one in symbols}
        if name in unread:
            found[key] = "anything in this build"
        elif strategies and not any(is_read_by(strategy, name) for strategy in strategies):
            found[key] = f"strategy {', '.join(sorted(strategies))}"
    return found


def is_read_by(strategy: str, key: str) -> bool:
    """Tell whether a strategy reads a key."""
    section = key.partition(".")[0]
    if strategy == "grid":
        return key not in GRID_REPLACES and section != "optimal"
    if strategy in OPTIMAL:
        return key not in LADDER_ALONE and section != "grid"
    return section not in ("grid", "optimal")


def symbol_params(settings: Settings, instrument: Instrument) -> dict[str, Number]:
    """Return one instrument's PARAMS."""
    strategy, maker, risk, limits = settings.strategy, settings.maker, settings.risk, settings.limits
    caps = settings.guards.intraday_caps
    params: dict[str, Number] = {
        "strategy": int(Strategy[strategy.name.upper()]),
        "mode": int(Mode[settings.mode.upper()]),
        "enabled": int(settings.enabled),
        "maker_only": int(maker.maker_only),
        "post_only_block": int(maker.post_only_mode == "block"),
        "enable_dynamic_spread": int(strategy.enable_dynamic_spread),
        "enable_inventory_skew": int(strategy.enable_inventory_skew),
        "enable_adverse_guard": int(strategy.enable_adverse_guard),
        "quote_on_timer": int(strategy.quote_on_timer),
        "replace_overlap": 0,
        "levels_per_side": strategy.levels_per_side,
        "imbalance_levels": strategy.imbalance_levels,
        "active_per_side_max": limits.max_active_per_side,
        "active_per_symbol_max": limits.max_active_orders_per_symbol,
        "vola_half_life_ns": whole("strategy.vola_half_life_s", strategy.vola_half_life_s, NS_PER_S, "ns"),
        "guard_pause_ns": strategy.guard_pause_ms * NS_PER_MS,
        "min_time_in_book_ns": strategy.min_time_in_book_ms * NS_PER_MS,
        "quote_refresh_ns": strategy.quote_refresh_ms * NS_PER_MS,
        "reject_backoff_ns": limits.backoff_on_reject_ms * NS_PER_MS,
        "backoff_base_ns": settings.throttle.backoff_base_ms * NS_PER_MS,
        "backoff_ns_max": settings.throttle.backoff_max_ms * NS_PER_MS,
        "throttle_window_s": settings.throttle.window_sec,
        "create_per_s_max": settings.throttle.max_creates_per_sec,
        "amend_per_s_max": settings.throttle.max_amends_per_sec,
        "cancel_per_s_max": settings.throttle.max_cancels_per_sec,
        "md_stale_ns": settings.market_data.stale_ms * NS_PER_MS,
        "target_micros": micros("strategy.target_usd", strategy.target_usd),
        "equity_micros": micros("risk.equity_usd", risk.equity_usd),
        "inventory_micros_max": micros("risk.max_inv_usd_per_symbol", risk.max_inv_usd_per_symbol),
        "total_notional_micros_max": micros("risk.max_total_notional_usd", risk.max_total_notional_usd),
        "position_lots_max": QTY_LOTS_MAX
        if risk.max_position_base is None
        else lots("risk.max_position_base", risk.max_position_base, instrument),
        "k_vola_spread": float(strategy.k_vola_spread),
        "min_spread_bps": float(strategy.min_spread_bps),
        "max_spread_bps": float(strategy.max_spread_bps),
        "skew_coeff": float(strategy.skew_coeff),
        "imbalance_cutoff": float(strategy.imbalance_cutoff),
        "level_spacing_coeff": float(strategy.level_spacing_coeff),
        "microprice_drift_bps": float(strategy.microprice_drift_bps),
        "replace_threshold_bps": float(strategy.replace_threshold_bps),
        "amend_price_threshold_bps": float(strategy.amend_price_threshold_bps),
        "amend_size_threshold": float(strategy.amend_size_threshold),
        "post_only_offset_bps": float(maker.post_only_offset_bps),
        "min_qty_pad": float(maker.min_qty_pad),
        "daily_loss_micros_max": micros("guards.intraday_caps.daily_pnl_stop_usd", caps.daily_pnl_stop_usd),
    }
    params |= grid_params(settings, instrument) | optimal_params(settings, instrument) | gate_params(settings)
    params |= {param: float(settings.user[name]) for param, name in zip(USER_PARAMS, declared_params(), strict=False)}
    check_room(settings, instrument)
    return params


def gate_params(settings: Settings) -> dict[str, Number]:
    """Return the PARAMS of the gates that a configuration switches on, zeros of those that are off."""
    risk, liquidity, flip, circuit = settings.risk, settings.liquidity_by_side, settings.flip_cooldown, settings.circuit
    near = risk.near_liq_guard
    depth = {
        "liquidity_levels": liquidity.levels,
        "liquidity_alpha_ppm": ppm("liquidity_by_side.alpha", liquidity.alpha),
    }
    liquidation = {
        "leverage_ppm": ppm("risk.leverage", risk.leverage),
        "mmr_ppm": ppm("risk.mmr", risk.mmr),
        "assumed_sl_ppm": ppm("risk.assumed_sl_pct", risk.assumed_sl_pct),
        "sl_buffer_ppm": ppm("risk.near_liq_guard.sl_buffer_multiplier", near.sl_buffer_multiplier),
    }
    cooldown = {"flip_cooldown_ns": max(flip.cooldown_ms, flip.cancel_latency_p95_ms) * NS_PER_MS}
    breaker = {
        "circuit_window_s": circuit.window_sec,
        "circuit_samples_min": circuit.min_samples,
        "circuit_failed_ppm": ppm("circuit.err_rate_open", circuit.err_rate_open),
        "circuit_server_error_ppm": ppm("circuit.http_5xx_rate_open", circuit.http_5xx_rate_open),
        "circuit_rate_limited_ppm": ppm("circuit.http_429_rate_open", circuit.http_429_rate_open),
        "circuit_open_ns": circuit.open_duration_sec * NS_PER_S,
        "circuit_probes_max": circuit.half_open_probes,
        "circuit_probe_gap_ns": circuit.cooldown_sec * NS_PER_S,
    }
    gates = (
        (liquidity.enabled, depth),
        (near.enabled, liquidation),
        (flip.cooldown_ms > 0, cooldown),
        (circuit.enabled, breaker),
    )
    return {name: value if is_on else 0 for is_on, params in gates for name, value in params.items()}


def check_room(settings: Settings, instrument: Instrument) -> None:
    """Check that the core can count as much of an instrument as it is asked to hold.

    Raises: ConfigError with the key and its range.
    """
    if instrument.is_inverse:
        return  # its lots are worth what they are, and no more of them are held than fit (engine/value.py)
    most = HOLDING_MAX // instrument.tick_value_micros()[1]
    asked = {"risk.max_inv_usd_per_symbol": settings.risk.max_inv_usd_per_symbol}
    if settings.strategy.name == "ladder":
        asked["strategy.target_usd"] = settings.strategy.target_usd
    for key, amount in asked.items():
        if amount * MICROS_PER_UNIT > most:
            raise ConfigError(
                "E_CFG_RANGE",
                f"{key}: {amount:f} is too much of {instrument.symbol}: with a tick of {instrument.tick_size} and a "
                f"lot of {instrument.lot_size} 0 to {Decimal(most) / MICROS_PER_UNIT:f} are counted",
                hint=f"set per_symbol.{instrument.symbol}.{key}, or leave the symbol out",
            )


def grid_params(settings: Settings, instrument: Instrument) -> dict[str, Number]:
    """Return the grid quoter's PARAMS, zeros when another strategy runs: one qty need not fit every lot size then."""
    grid = settings.grid
    if settings.strategy.name != "grid":
        return {
            "grid_half_spread_ticks_e6": 0,
            "grid_skew_ticks_per_lot_e6": 0,
            "grid_qty_lots": 0,
            "grid_notional_micros_max": 0,
        }
    ticks_e6 = PPM / Fraction(instrument.tick_size)
    skew_e6 = ticks_e6 * Fraction(instrument.lot_size)
    unit = f"millionths of a tick of {instrument.symbol} (tick {instrument.tick_size}, lot {instrument.lot_size})"
    return {
        "grid_half_spread_ticks_e6": whole("grid.half_spread", grid.half_spread, ticks_e6, unit),
        "grid_skew_ticks_per_lot_e6": whole("grid.skew_per_unit", grid.skew_per_unit, skew_e6, unit),
        "grid_qty_lots": lots("grid.qty", grid.qty, instrument),
        "grid_notional_micros_max": micros("grid.max_notional_usd", grid.max_notional_usd),
        "quote_refresh_ns": grid.step_ms * NS_PER_MS,
        **GRID_FIXED,
    }


def optimal_params(settings: Settings, instrument: Instrument) -> dict[str, Number]:
    """Return the PARAMS of the quoters in closed form, zeros when another strategy runs, as the grid's are."""
    optimal = settings.optimal
    params: dict[str, Number] = {
        "optimal_gamma": float(optimal.gamma),
        "optimal_sigma": float(optimal.sigma),
        "optimal_a_per_s": float(optimal.a_per_s),
        "optimal_k": float(optimal.k),
        "optimal_horizon_s": float(optimal.horizon_s),
        "optimal_quotes_max": optimal.max_quotes,
    }
    if settings.strategy.name not in OPTIMAL:
        return {**{name: type(value)(0) for name, value in params.items()}, "optimal_qty_lots": 0}
    return {**params, "optimal_qty_lots": lots("optimal.qty", optimal.qty, instrument)}


def micros(key: str, amount: Decimal) -> int:
    """Return an amount of money in micros."""
    return whole(key, amount, MICROS_PER_UNIT, "micros")


def ppm(key: str, ratio: Decimal) -> int:
    """Return a ratio in millionths."""
    return whole(key, ratio, PPM, "millionths")


def lots(key: str, qty: Decimal, instrument: Instrument) -> int:
    """Return a quantity in lots of an instrument."""
    unit = f"lots of {instrument.symbol} (lot {instrument.lot_size})"
    lot = Decimal(instrument.lot_size)
    nearest = max(1, round(Fraction(qty) / Fraction(lot))) * lot
    hint = f"give the symbol its own: --set per_symbol.{instrument.symbol}.{key}={nearest:f}"
    return whole(key, qty, 1 / Fraction(lot), unit, QTY_LOTS_MAX, hint)


def whole(
    key: str, value: Decimal, factor: int | Fraction, unit: str, ceiling: int = PARAM_VALUE_MAX, hint: str = ""
) -> int:
    """Return value x factor.

    Raises: ConfigError when that is not a whole number, or above `ceiling`; `hint` says what to write instead.
    """
    product = Fraction(value) * factor
    if product.denominator != 1:
        raise ConfigError("E_CFG_RANGE", f"{key}: {value:f} is not a whole number of {unit}", hint=hint)
    if product > ceiling:
        raise ConfigError("E_CFG_RANGE", f"{key}: {value:f} is too large in {unit}")
    return product.numerator


def config_document(config: Config, manifest: Manifest) -> dict[str, Any]:
    """Return the CONFIG document of a configuration for a journal's instruments.

    Raises: ConfigError when a value is not exact in an instrument's ticks or lots.
    """
    return {
        "params": to_params(config, manifest),
        "policies": to_policies(config),
    }
