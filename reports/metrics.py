"""The metric table: every metric's name, labels, help and source in the state; must never add a clock or a host.

The Prometheus endpoint and `mm replay --metrics FILE` print the same text from `METRICS` (reports/metric_rows.py).
Amounts are computed exactly.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
from prometheus_client import generate_latest

from mmfold.config.aliases import ALIASES, AliasTable
from mmfold.engine.clock_records import FAILED, RATE_LIMITED, SERVER_ERROR
from mmfold.engine.codes import BookStatus, CircuitState, EventKind, Reason, Side
from mmfold.engine.features.registry import FEATURES
from mmfold.engine.features.seam import Feature, FeatureMetric
from mmfold.engine.limits import CIRCUIT_SECOND_COUNT, MICROS_PER_UNIT, NS_PER_MS, NS_PER_S
from mmfold.engine.manifest import Manifest
from mmfold.engine.policy.lane import Member
from mmfold.engine.policy.registry import POLICIES
from mmfold.engine.policy.seam import Policy, PolicyMetric
from mmfold.engine.records import NO_PRICE_TICKS, NO_VALUE
from mmfold.engine.state import State
from mmfold.journal.files.outputs import write_file
from mmfold.replay.result import ReplayResult
from mmfold.reports.metric_rows import Figure, MetricRow, TableCollector, figure_family
from mmfold.reports.money import instrument_units
from mmfold.reports.position import position_amounts

SIDES = (Side.BID, Side.ASK)

Sample = tuple[Sequence[str], Figure]


class Snapshot(NamedTuple):
    """What metrics are read of: a state and its policies."""

    manifest: Manifest
    state: State
    policies: Mapping[str, Member]


StateRow = MetricRow[Snapshot, Figure]


def symbols(manifest: Manifest) -> Iterator[tuple[int, str]]:
    """Return (instrument_index, symbol) in the manifest's order, which is sorted."""
    return ((index, instrument.symbol) for index, instrument in enumerate(manifest.instruments))


def of_symbol(name: str, help_text: str, source: str, divisor: int = 1) -> StateRow:
    """Return a metric per symbol from `array.field`, divided exactly when the state has a smaller unit."""
    array, field = source.split(".")

    def read(now: Snapshot) -> Iterator[Sample]:
        for index, symbol in symbols(now.manifest):
            value = getattr(now.state, array)[index][field].item()
            yield (symbol,), value if divisor == 1 else Fraction(value, divisor)

    return MetricRow(name, ("symbol",), help_text, source, read)


def of_signal(name: str, help_text: str, source: str) -> StateRow:
    """Return a signal per symbol, absent until the book has had a mid."""
    row = of_symbol(name, help_text, source)

    def read(now: Snapshot) -> Iterator[Sample]:
        for (index, _), (labels, value) in zip(symbols(now.manifest), row.read(now), strict=True):
            yield labels, None if now.state.signals[index]["mid_half_ticks"] == NO_PRICE_TICKS else value

    return row._replace(read=read)


def of_side(name: str, help_text: str, source: str) -> StateRow:
    """Return a metric per symbol and side from `array.field`."""
    array, field = source.split(".")

    def read(now: Snapshot) -> Iterator[Sample]:
        for index, symbol in symbols(now.manifest):
            for side in SIDES:
                yield (symbol, side.name.lower()), int(getattr(now.state, array)[index, side][field])

    return MetricRow(name, ("symbol", "side"), help_text, source, read)


def of_amount(name: str, help_text: str, source: str, inverse: bool | None = None) -> StateRow:
    """Return a money amount per symbol, computed exactly by `reports.position`; of some contracts only when asked."""

    def read(now: Snapshot) -> Iterator[Sample]:
        for index, symbol in symbols(now.manifest):
            if inverse in (None, now.manifest.instruments[index].is_inverse):
                yield (symbol,), getattr(position_amounts(now.manifest, now.state, index), source.split(".")[1])

    return MetricRow(name, ("symbol",), help_text, source, read)


def of_money(name: str, help_text: str, source: str) -> tuple[StateRow, StateRow]:
    """Return an amount in the currency it is in: quote, or of inverse contracts thousandths of the base."""
    return (
        of_amount(f"{name}_usd", help_text, source, inverse=False),
        of_amount(f"{name}_millibase", f"Of inverse contracts, base / 1,000: {help_text}", source, inverse=True),
    )


def of_clock(name: str, help_text: str, source: str, divisor: int = 1) -> StateRow:
    """Return a metric of the whole run from the clock record, or from a record within it."""
    *records, field = source.split(".")[1:]

    def read(now: Snapshot) -> Iterator[Sample]:
        record = now.state.clock[0]
        for name in records:
            record = record[name]
        value = int(record[field])
        yield (), None if value == NO_VALUE else value if divisor == 1 else Fraction(value, divisor)

    return MetricRow(name, (), help_text, source, read)


def of_policy(policy: Policy, metric: PolicyMetric) -> StateRow:
    """Return a policy's own metric, absent before a CONFIG named it."""

    def read(now: Snapshot) -> Iterator[Sample]:
        member = now.policies.get(policy.name)
        if member is not None and member.settings is not None:
            yield (), metric.value(member.settings, member.memory)

    return MetricRow(metric.name, (), metric.help, f"policies.{policy.name}", read)


def of_feature(feature: Feature, metric: FeatureMetric) -> StateRow:
    """Return a feature's own metric, per symbol or of all symbols together."""

    def read(now: Snapshot) -> Iterator[Sample]:
        records = now.state.features[feature.name]
        if not metric.by_symbol:
            yield from metric.read(records)
            return
        for index, symbol in symbols(now.manifest):
            for labels, value in metric.read(records[index : index + 1]):
                yield (*labels, symbol), value

    labels = (*metric.labels, "symbol") if metric.by_symbol else metric.labels
    return MetricRow(metric.name, labels, metric.help, f"features.{feature.name}", read)


def read_kinds(now: Snapshot) -> Iterator[Sample]:
    """Count events by kind, every input kind present."""
    for kind in EventKind:
        if kind < EventKind.PLACE:
            yield (kind.name.lower(),), int(now.state.kind_counts[kind])


def read_blocked(now: Snapshot) -> Iterator[Sample]:
    """Count blocked quotes by reason, reasons that happened only."""
    for index, symbol in symbols(now.manifest):
        for reason in Reason:
            if count := int(now.state.blocked_counts[index, reason]):
                yield (symbol, reason.name.lower()), count


def read_book_status(now: Snapshot) -> Iterator[Sample]:
    """Show the book's status one-hot."""
    for index, symbol in symbols(now.manifest):
        for status in BookStatus:
            yield (symbol, status.name.lower()), int(now.state.books[index]["status"] == status)


def read_inventory(now: Snapshot) -> Iterator[Sample]:
    """Show the absolute position in base units, of inverse contracts in contracts."""
    for index, symbol in symbols(now.manifest):
        lots = abs(int(now.state.positions[index]["position_lots"]))
        yield (symbol,), lots * instrument_units(now.manifest.instruments[index]).lot


def read_frozen(now: Snapshot) -> Iterator[Sample]:
    """Show every symbol, 1 where somebody has frozen it."""
    for index, symbol in symbols(now.manifest):
        yield (symbol,), int(now.state.quoters[index]["frozen"] != 0)


def read_circuit(now: Snapshot) -> Iterator[Sample]:
    """Show the circuit breaker's state one-hot."""
    for state in CircuitState:
        yield (state.name.lower(),), int(now.state.clock[0]["circuit"]["state"] == state)


def read_probes(now: Snapshot) -> Iterator[Sample]:
    """Show how many probes a half-open circuit breaker may still send."""
    record = now.state.clock[0]["circuit"]
    most = max(1, *now.state.params["circuit_probes_max"].tolist())
    yield (), most - int(record["probe_count"]) if record["state"] == CircuitState.HALF_OPEN else 0


def of_results(name: str, help_text: str, kind: int) -> StateRow:
    """Return the share of the results in the circuit breaker's window that failed in one way (engine/circuit.py)."""

    def read(now: Snapshot) -> Iterator[Sample]:
        clock, window_s = now.state.clock[0], max((0, *now.state.params["circuit_window_s"].tolist()))
        newest, record = int(clock["circuit"]["second"]), clock["circuit"]
        first = max(int(clock["ts_now_ns"]) // NS_PER_S - window_s, newest - CIRCUIT_SECOND_COUNT) + 1
        counts = record["counts"][:, np.arange(first, newest + 1) % CIRCUIT_SECOND_COUNT].sum(axis=1).tolist()
        yield (), Fraction(counts[kind], max(1, counts[0]))

    return MetricRow(name, (), help_text, "clock.circuit.counts", read)


METRICS: tuple[StateRow, ...] = (
    # The run
    MetricRow("mm_events_total", ("kind",), "Input events reduced.", "kind_counts", read_kinds),
    of_clock("mm_rows_total", "Journal rows reduced.", "clock.row_count"),
    of_clock("mm_effects_total", "Effects decided: orders, audit records and alerts.", "clock.effect_count"),
    of_clock("mm_policy_runs_total", "Runs of the policy lane.", "clock.policy_run_count"),
    of_clock("mm_connection_up", "1 while the venue is connected.", "clock.connection_state"),
    of_clock("mm_resident_bytes", "Resident memory by the last HEALTH event.", "clock.rss_bytes"),
    of_clock("mm_cash_usd", "Cash by the last BALANCE event.", "clock.cash_micros", MICROS_PER_UNIT),
    of_clock(
        "intraday_caps_pnl", "PnL of the account since midnight UTC, quote.", "clock.day_pnl_micros", MICROS_PER_UNIT
    ),
    of_clock("intraday_caps_breached", "1 while the day's loss keeps the account from quoting.", "clock.day_stopped"),
    # The circuit breaker
    MetricRow("circuit_state", ("state",), "Circuit breaker's state, one-hot.", "clock.circuit.state", read_circuit),
    of_clock("circuit_breaker_state", "The same: 0 closed, 1 open, 2 half-open.", "clock.circuit.state"),
    of_clock("circuit_open_total", "Times that the circuit breaker opened.", "clock.circuit.open_count"),
    of_clock("circuit_transitions_total", "Changes of its state.", "clock.circuit.transition_count"),
    MetricRow(
        "circuit_half_open_probes", (), "Probes that it may still send while half-open.", "clock.circuit", read_probes
    ),
    of_results("circuit_window_err_rate", "Share of failed requests in its window.", FAILED),
    of_results("circuit_window_5xx_rate", "Share of server errors in its window.", SERVER_ERROR),
    of_results("circuit_window_429_rate", "Share of rate limit refusals in its window.", RATE_LIMITED),
    # Book and signals
    of_signal("spread_bps", "Best ask less best bid over mid, bps.", "signals.spread_bps"),
    of_signal("ob_imbalance", "(B - A) / (B + A) over the top imbalance_levels, -1 to 1.", "signals.imbalance"),
    of_signal(
        "vola_1m",
        "EWMA volatility of the mid, bps; time-aware with half-life vola_half_life_s, one minute by default only.",
        "signals.vola_bps",
    ),
    MetricRow(
        "mm_book_status", ("symbol", "status"), "Whether the book may be quoted on, one-hot.", "books", read_book_status
    ),
    of_symbol("mm_book_snapshots_total", "Book snapshots applied.", "books.snapshot_count"),
    of_symbol("mm_book_deltas_total", "Book deltas applied.", "books.delta_count"),
    of_symbol("mm_book_clears_total", "Books cleared by the venue.", "books.clear_count"),
    of_symbol("mm_book_gaps_total", "Gaps in the book's sequence.", "books.gap_count"),
    of_symbol("mm_book_ignored_total", "Book messages older than the book.", "books.ignored_count"),
    of_symbol("mm_book_restarts_total", "Times that the venue numbered the book anew.", "books.restart_count"),
    of_symbol("mm_book_deltas_dropped_total", "Deltas without room to wait.", "books.held_dropped_count"),
    of_symbol("mm_book_levels_dropped_total", "Far levels without room.", "books.far_dropped_count"),
    of_symbol("mm_book_crossed_total", "Times the book was crossed or locked.", "books.crossed_count"),
    of_symbol("mm_trades_total", "Public trades seen.", "books.trade_count"),
    # Quotes and orders
    of_symbol("mm_quote_rounds_total", "Times the quoter set its targets.", "quoters.quote_count"),
    of_symbol("quotes_placed_total", "Quotes placed.", "counters.placed_count"),
    of_symbol("creates_total", "Orders created.", "counters.placed_count"),
    of_symbol("replaces_total", "Orders amended in place.", "counters.amended_count"),
    of_symbol("cancels_total", "Orders cancelled by us.", "counters.cancelled_count"),
    of_side("orders_active", "Own orders open now.", "quote_sides.open_order_count"),
    of_symbol("mm_orders_placed_total", "Orders placed.", "counters.placed_count"),
    MetricRow(
        "mm_orders_blocked_total",
        ("symbol", "reason"),
        "Orders not placed, by reason; reasons that happened only.",
        "blocked_counts",
        read_blocked,
    ),
    of_symbol("mm_orders_acked_total", "Orders the venue accepted.", "counters.acked_count"),
    of_symbol("mm_orders_rejected_total", "Orders the venue refused.", "counters.rejected_count"),
    of_symbol("mm_orders_expired_total", "Orders the venue let expire.", "counters.expired_count"),
    of_symbol("mm_orders_filled_total", "Fills.", "positions.fill_count"),
    of_symbol("mm_orders_filled_maker_total", "Fills as maker.", "positions.maker_fill_count"),
    of_symbol("mm_post_only_adjustments_total", "Prices moved to the passive side.", "counters.post_only_adjust_count"),
    of_symbol("mm_request_timeouts_total", "Requests the venue never answered.", "counters.request_timeout_count"),
    of_symbol("mm_late_events_total", "Answers for an order done or not known.", "counters.late_event_count"),
    of_symbol("mm_orders_unknown", "Orders whose state only the venue knows.", "quoters.unknown_order_count"),
    # Guards
    of_symbol("mm_guard_trips_total", "Guard trips.", "counters.guard_trip_count"),
    MetricRow(
        "mm_frozen",
        ("symbol",),
        "1 while the symbol may not quote until it is unfrozen.",
        "quoters.frozen",
        read_frozen,
    ),
    of_side("mm_side_paused", "1 while the side is paused by a guard.", "quote_sides.paused"),
    of_symbol("mm_audit_records_total", "Audit records decided.", "counters.audit_count"),
    of_symbol("mm_alerts_total", "Alerts raised.", "counters.alert_count"),
    # Position and money
    MetricRow(
        "inventory_abs",
        ("symbol",),
        "Position size, base units; contracts of inverse ones.",
        "positions.position_lots",
        read_inventory,
    ),
    of_amount("position_notional_usd", "Position at mid, signed.", "amounts.notional"),
    of_amount("gross_exposure_usd", "Absolute position at mid.", "amounts.exposure"),
    *of_money("mm_pnl_realized", "Realised PnL before fees and funding.", "amounts.realized"),
    *of_money("mm_pnl_unrealized", "Unrealised PnL at mid.", "amounts.unrealized"),
    *of_money("mm_fees", "Fees paid; negative is rebate.", "amounts.fees"),
    *of_money("mm_funding", "Funding paid; negative is received.", "amounts.funding"),
    *of_money("mm_pnl_net", "Realised and unrealised PnL less fees and funding.", "amounts.net"),
    of_amount("mm_turnover_usd_total", "Traded notional.", "amounts.turnover"),
    # Features
    *(of_feature(feature, metric) for feature in FEATURES for metric in feature.metrics),
    # Configuration in force
    of_symbol("cfg_levels_per_side", "Levels quoted on each side.", "params.levels_per_side"),
    of_symbol(
        "cfg_min_time_in_book_ms",
        "Youngest age at which an order is replaced, ms.",
        "params.min_time_in_book_ns",
        NS_PER_MS,
    ),
    of_symbol("cfg_k_vola_spread", "Spread per unit of volatility.", "params.k_vola_spread"),
    of_symbol("cfg_skew_coeff", "Shift of quotes per unit of position over equity.", "params.skew_coeff"),
    of_symbol("cfg_imbalance_cutoff", "Imbalance ratio beyond which a side pauses.", "params.imbalance_cutoff"),
    of_symbol("cfg_vola_half_life_s", "Half-life of the volatility, s.", "params.vola_half_life_ns", NS_PER_S),
    of_symbol("mm_maker_only_enabled", "1 when only passive orders are placed.", "params.maker_only"),
    # Policies
    *(of_policy(policy, metric) for policy in POLICIES for metric in policy.metrics),
)


def state_collector(look: Callable[[], Snapshot], names: AliasTable = ALIASES) -> TableCollector[Snapshot, Figure]:
    """Return what shows a state to prometheus_client."""
    return TableCollector(METRICS, look, figure_family, names)


def write_metrics(result: ReplayResult, path: Path) -> Path:
    """Write the metrics of a finished replay and return their file.

    Raises: OSError when the disk refuses; the file is whole or as it was.
    """
    write_file(path, render_metrics(Snapshot(result.manifest, result.state, result.policies)).encode())
    return path


def render_metrics(now: Snapshot, names: AliasTable = ALIASES) -> str:
    """Return the metrics of a state as Prometheus text."""
    return generate_latest(state_collector(lambda: now, names)).decode("ascii")
