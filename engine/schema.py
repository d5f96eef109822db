"""The table of PARAMS: an id that never changes, a name, a type; must never renumber or reuse an id.

A CONFIG that does not name a PARAM leaves it at `absent`: what the core did before the PARAM existed. So a new PARAM
is one row here, with an `absent` under which nothing changes, and its key in config/.
"""

from typing import NamedTuple

I8 = "<i8"
F8 = "<f8"


class ParamField(NamedTuple):
    """One PARAM: `id` names it in AUDIT rows, `absent` stands where no CONFIG ever set it; of a hard cap neither
    policy nor pin makes more than its base (0 = no limit).
    """

    id: int
    name: str
    type: str
    absent: int | float = 0
    hard_cap: bool = False


USER_PARAM_COUNT = 16
USER_PARAM_ID_FIRST = 47
# What the PARAMS of a user's strategy file are, in the order in which the file has them.
USER_PARAMS = tuple(f"user_{slot:02d}" for slot in range(USER_PARAM_COUNT))

# In the order of the record; ids stay, whatever the order becomes.
PARAM_FIELDS = (
    ParamField(0, "strategy", I8),
    ParamField(1, "mode", I8),
    ParamField(2, "enabled", I8),
    ParamField(3, "maker_only", I8),
    ParamField(4, "post_only_block", I8),  # 1: a quote that would cross is dropped, 0: it is moved to the passive side
    ParamField(5, "enable_dynamic_spread", I8),
    ParamField(6, "enable_inventory_skew", I8),
    ParamField(7, "enable_adverse_guard", I8),
    ParamField(8, "quote_on_timer", I8),  # 1: orders are decided on TIMER events alone, at the pace of the timer
    ParamField(9, "replace_overlap", I8),  # 1: a new order may be placed while the old one is still being cancelled
    ParamField(10, "levels_per_side", I8),
    ParamField(11, "imbalance_levels", I8),
    ParamField(12, "active_per_side_max", I8),
    ParamField(13, "active_per_symbol_max", I8),
    ParamField(14, "vola_half_life_ns", I8),
    ParamField(15, "guard_pause_ns", I8),
    ParamField(16, "min_time_in_book_ns", I8),
    ParamField(17, "quote_refresh_ns", I8),
    ParamField(18, "md_stale_ns", I8),
    ParamField(19, "reject_backoff_ns", I8),
    ParamField(20, "backoff_base_ns", I8),
    ParamField(21, "backoff_ns_max", I8),
    ParamField(22, "throttle_window_s", I8),
    ParamField(23, "create_per_s_max", I8),  # 0: no limit; so for the next two
    ParamField(24, "amend_per_s_max", I8),
    ParamField(25, "cancel_per_s_max", I8),
    ParamField(26, "target_micros", I8),  # quoted notional of one side
    ParamField(27, "equity_micros", I8),
    ParamField(28, "inventory_micros_max", I8, hard_cap=True),  # worst-case |position + open orders| of the symbol
    ParamField(29, "total_notional_micros_max", I8, hard_cap=True),
    ParamField(30, "position_lots_max", I8, hard_cap=True),
    ParamField(31, "grid_half_spread_ticks_e6", I8),
    ParamField(32, "grid_skew_ticks_per_lot_e6", I8),
    ParamField(33, "grid_qty_lots", I8),
    ParamField(34, "grid_notional_micros_max", I8),
    ParamField(35, "k_vola_spread", F8),
    ParamField(36, "min_spread_bps", F8),
    ParamField(37, "max_spread_bps", F8),
    ParamField(38, "skew_coeff", F8),
    ParamField(39, "imbalance_cutoff", F8),
    ParamField(40, "level_spacing_coeff", F8),
    ParamField(41, "microprice_drift_bps", F8),
    ParamField(42, "replace_threshold_bps", F8),
    ParamField(43, "amend_price_threshold_bps", F8),
    ParamField(44, "amend_size_threshold", F8),
    ParamField(45, "post_only_offset_bps", F8),
    ParamField(46, "min_qty_pad", F8),
    *(ParamField(USER_PARAM_ID_FIRST + slot, name, F8) for slot, name in enumerate(USER_PARAMS)),
    ParamField(63, "daily_loss_micros_max", I8, hard_cap=True),  # of the account, in a UTC day
    ParamField(64, "optimal_gamma", F8),  # 1/tick; of the quoters of engine/quoting/optimal.py, so for those below
    ParamField(65, "optimal_sigma", F8),  # ticks / sqrt(s); 0: of the feed; so for the next two
    ParamField(66, "optimal_a_per_s", F8),
    ParamField(67, "optimal_k", F8),  # 1/tick
    ParamField(68, "optimal_horizon_s", F8),
    ParamField(69, "optimal_qty_lots", I8),
    ParamField(70, "optimal_quotes_max", I8),
    ParamField(71, "liquidity_levels", I8),  # 0: no gate; so for leverage and flip cooldown
    ParamField(72, "liquidity_alpha_ppm", I8),  # sizes of the quote that its own side of the book has to hold
    ParamField(73, "leverage_ppm", I8),
    ParamField(74, "mmr_ppm", I8),  # maintenance margin, of the notional
    ParamField(75, "assumed_sl_ppm", I8),  # distance of a stop-loss from the entry
    ParamField(76, "sl_buffer_ppm", I8),  # how many such distances a liquidation keeps away
    ParamField(77, "flip_cooldown_ns", I8),
    ParamField(78, "circuit_window_s", I8),  # 0: no circuit breaker
    ParamField(79, "circuit_samples_min", I8),
    ParamField(80, "circuit_failed_ppm", I8),  # shares of results that open it
    ParamField(81, "circuit_server_error_ppm", I8),
    ParamField(82, "circuit_rate_limited_ppm", I8),
    ParamField(83, "circuit_open_ns", I8),
    ParamField(84, "circuit_probes_max", I8),
    ParamField(85, "circuit_probe_gap_ns", I8),
)
PARAM_BY_ID = {field.id: field for field in PARAM_FIELDS}
PARAM_BY_NAME = {field.name: field for field in PARAM_FIELDS}

assert len(PARAM_BY_ID) == len(PARAM_BY_NAME) == len(PARAM_FIELDS), "an id or a name stands twice"
