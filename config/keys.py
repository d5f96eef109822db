"""Which key of the configuration each PARAM comes from, so that a person reads the name that he wrote."""

from collections.abc import Iterable

from mmfold.config.own import declared_params
from mmfold.engine.declared import user_key
from mmfold.engine.schema import PARAM_BY_NAME

KEY_OF_PARAM = {
    "strategy": "strategy.name",
    "mode": "mode",
    "enabled": "enabled",
    "maker_only": "maker.maker_only",
    "post_only_block": "maker.post_only_mode",
    "enable_dynamic_spread": "strategy.enable_dynamic_spread",
    "enable_inventory_skew": "strategy.enable_inventory_skew",
    "enable_adverse_guard": "strategy.enable_adverse_guard",
    "quote_on_timer": "strategy.quote_on_timer",
    "replace_overlap": "strategy.name",  # the grid's own
    "levels_per_side": "strategy.levels_per_side",
    "imbalance_levels": "strategy.imbalance_levels",
    "active_per_side_max": "limits.max_active_per_side",
    "active_per_symbol_max": "limits.max_active_orders_per_symbol",
    "vola_half_life_ns": "strategy.vola_half_life_s",
    "guard_pause_ns": "strategy.guard_pause_ms",
    "min_time_in_book_ns": "strategy.min_time_in_book_ms",
    "quote_refresh_ns": "strategy.quote_refresh_ms",
    "md_stale_ns": "market_data.stale_ms",
    "reject_backoff_ns": "limits.backoff_on_reject_ms",
    "backoff_base_ns": "throttle.backoff_base_ms",
    "backoff_ns_max": "throttle.backoff_max_ms",
    "throttle_window_s": "throttle.window_sec",
    "create_per_s_max": "throttle.max_creates_per_sec",
    "amend_per_s_max": "throttle.max_amends_per_sec",
    "cancel_per_s_max": "throttle.max_cancels_per_sec",
    "target_micros": "strategy.target_usd",
    "equity_micros": "risk.equity_usd",
    "inventory_micros_max": "risk.max_inv_usd_per_symbol",
    "total_notional_micros_max": "risk.max_total_notional_usd",
    "position_lots_max": "risk.max_position_base",
    "grid_half_spread_ticks_e6": "grid.half_spread",
    "grid_skew_ticks_per_lot_e6": "grid.skew_per_unit",
    "grid_qty_lots": "grid.qty",
    "grid_notional_micros_max": "grid.max_notional_usd",
    "k_vola_spread": "strategy.k_vola_spread",
    "min_spread_bps": "strategy.min_spread_bps",
    "max_spread_bps": "strategy.max_spread_bps",
    "skew_coeff": "strategy.skew_coeff",
    "imbalance_cutoff": "strategy.imbalance_cutoff",
    "level_spacing_coeff": "strategy.level_spacing_coeff",
    "microprice_drift_bps": "strategy.microprice_drift_bps",
    "replace_threshold_bps": "strategy.replace_threshold_bps",
    "amend_price_threshold_bps": "strategy.amend_price_threshold_bps",
    "amend_size_threshold": "strategy.amend_size_threshold",
    "post_only_offset_bps": "maker.post_only_offset_bps",
    "min_qty_pad": "maker.min_qty_pad",
    "optimal_gamma": "optimal.gamma",
    "optimal_sigma": "optimal.sigma",
    "optimal_a_per_s": "optimal.a_per_s",
    "optimal_k": "optimal.k",
    "optimal_horizon_s": "optimal.horizon_s",
    "optimal_qty_lots": "optimal.qty",
    "optimal_quotes_max": "optimal.max_quotes",
    "liquidity_levels": "liquidity_by_side.levels",
    "liquidity_alpha_ppm": "liquidity_by_side.alpha",
    "leverage_ppm": "risk.leverage",
    "mmr_ppm": "risk.mmr",
    "assumed_sl_ppm": "risk.assumed_sl_pct",
    "sl_buffer_ppm": "risk.near_liq_guard.sl_buffer_multiplier",
    "flip_cooldown_ns": "flip_cooldown.cooldown_ms",
    "circuit_window_s": "circuit.window_sec",
    "circuit_samples_min": "circuit.min_samples",
    "circuit_failed_ppm": "circuit.err_rate_open",
    "circuit_server_error_ppm": "circuit.http_5xx_rate_open",
    "circuit_rate_limited_ppm": "circuit.http_429_rate_open",
    "circuit_open_ns": "circuit.open_duration_sec",
    "circuit_probes_max": "circuit.half_open_probes",
    "circuit_probe_gap_ns": "circuit.cooldown_sec",
    "daily_loss_micros_max": "guards.intraday_caps.daily_pnl_stop_usd",
}


def key_of(param: str, names: Iterable[str]) -> str:
    """Return the key of a PARAM; `names` are those that the strategy file's own have, in its order."""
    return user_key(param, tuple(names)) or KEY_OF_PARAM[param]


def key_text(place: str) -> str:
    """Return the key of a place in a CONFIG event as it is written in a file, with the symbol that it is of.

    `params.BTCUSDT.levels_per_side` is `strategy.levels_per_side (BTCUSDT)`.
    """
    section, _, rest = place.partition(".")
    group, _, name = rest.rpartition(".")
    if section == "params" and name in PARAM_BY_NAME:
        return f"{key_of(name, declared_params())} ({group})"
    return rest if section == "policies" else place
