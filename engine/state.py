"""The state of the core: flat arrays, made from a manifest; must never hold anything that an event did not bring."""

import hashlib
from typing import NamedTuple

import numpy as np

from mmfold.engine.codes import BookStatus, ConnectionState, Contract, Venue
from mmfold.engine.declared import memory_of, memory_places
from mmfold.engine.manifest import Manifest
from mmfold.engine.pages import pack_pages, unpack_pages, zeros_by_page
from mmfold.engine.records import (
    CELL,
    CLOCK,
    NO_ORDER_ID,
    NO_PRICE_TICKS,
    NO_SEQ,
    NO_TS_NS,
    NO_VALUE,
    OUT,
)
from mmfold.engine.schema import PARAM_FIELDS

NO_KEY = 1 << 61  # best key of an empty side: worse than every price


class State(NamedTuple):
    """Everything that decides; what every instrument has is one CELL.

    Shape: clock (1,) CLOCK; cells (n,) CELL. The properties are views for Python, kernels use the fields.
    """

    clock: np.ndarray
    cells: np.ndarray

    @property
    def instruments(self) -> np.ndarray:
        """(n,) INSTRUMENT."""
        return self.cells["instrument"]

    @property
    def params(self) -> np.ndarray:
        """(n,) PARAM, in force."""
        return self.cells["param"]

    @property
    def base(self) -> np.ndarray:
        """(n,) PARAM, as the operator set them."""
        return self.cells["base"]

    @property
    def adjusts(self) -> np.ndarray:
        """(n, ADJUST_COUNT_MAX) ADJUST."""
        return self.cells["adjusts"]

    @property
    def books(self) -> np.ndarray:
        """(n,) BOOK."""
        return self.cells["book"]

    @property
    def book_sides(self) -> np.ndarray:
        """(n, 2) BOOK_SIDE."""
        return self.cells["sides"]

    @property
    def signals(self) -> np.ndarray:
        """(n,) SIGNAL."""
        return self.cells["signal"]

    @property
    def quoters(self) -> np.ndarray:
        """(n,) QUOTER."""
        return self.cells["quoter"]

    @property
    def quote_sides(self) -> np.ndarray:
        """(n, 2) QUOTE_SIDE."""
        return self.cells["quote_sides"]

    @property
    def targets(self) -> np.ndarray:
        """(n, 2, LEVEL_COUNT_MAX) TARGET."""
        return self.cells["targets"]

    @property
    def orders(self) -> np.ndarray:
        """(n, ORDER_COUNT_MAX) ORDER."""
        return self.cells["orders"]

    @property
    def positions(self) -> np.ndarray:
        """(n,) POSITION."""
        return self.cells["position"]

    @property
    def counters(self) -> np.ndarray:
        """(n,) COUNTER."""
        return self.cells["counter"]

    @property
    def blocked_counts(self) -> np.ndarray:
        """(n, reasons) i64."""
        return self.cells["blocked_counts"]

    @property
    def features(self) -> np.ndarray:
        """(n,) FEATURE_SET."""
        return self.cells["features"]

    @property
    def kind_counts(self) -> np.ndarray:
        """(kinds,) i64, events by kind."""
        return self.clock[0]["kind_counts"]


def empty_state(count: int) -> State:
    """Return a state of zeros for so many instruments."""
    return State(clock=np.zeros(1, CLOCK), cells=zeros_by_page(count, CELL))


def make_state(manifest: Manifest) -> State:
    """Return the state before the first event.

    Raises: UncountedInstrument.
    """
    for instrument in manifest.instruments:
        instrument.check_countable()
    state = empty_state(len(manifest.instruments))
    state.cells["index"] = np.arange(len(state.cells))
    set_absent(state)
    for field in PARAM_FIELDS:
        state.params[field.name] = state.base[field.name] = field.absent
    for index, instrument in enumerate(manifest.instruments):
        row = state.instruments[index]
        row["tick_value_numerator"], row["tick_value_denominator"] = instrument.tick_value_micros()
        row["base_value_numerator"], row["base_value_denominator"] = instrument.base_value_ratio()
        row["lot_notional_numerator"], row["lot_notional_denominator"] = instrument.lot_notional_micros()
        row["lot_size_numerator"], row["lot_size_denominator"] = instrument.lot_size_ratio()
        for name in ("min_qty_lots", "min_notional_micros", "maker_fee_ppm", "taker_fee_ppm"):
            row[name] = getattr(instrument, name)
        row["contract"] = Contract[instrument.contract.upper()]
        row["venue"] = Venue[instrument.venue.upper()]
        row["continuity"] = instrument.continuity
    set_memory(state, manifest)
    return state


def set_memory(state: State, manifest: Manifest) -> None:
    """Write what a user's strategy remembers before its first call, as its file declares it."""
    memory = memory_of(manifest.extra)
    for name, (kind, index) in memory_places(memory).items():
        for field in ("memory", "memory_before"):
            state.cells[field][kind][:, index] = memory[name]


def set_absent(state: State) -> None:
    """Write the sentinels of everything that no event has set yet."""
    clock = state.clock
    clock["seq_last"] = -1
    clock["ts_now_ns"] = NO_TS_NS
    clock["policy_due_ns"] = NO_TS_NS
    clock["schedules"]["due_ns"] = NO_TS_NS
    clock["schedules"]["wake_kind"] = NO_VALUE
    clock["connection_state"] = ConnectionState.UP
    clock["cash_micros"] = NO_VALUE
    clock["day_end_ns"] = NO_TS_NS
    clock["circuit"]["ts_state_ns"] = clock["circuit"]["ts_probe_ns"] = NO_TS_NS
    clock["circuit"]["probe_ids"] = NO_ORDER_ID
    books = state.books
    books["status"] = BookStatus.EMPTY
    for name in ("venue_seq", "stream_seq", "late_seq"):
        books[name] = NO_SEQ
    for name in ("ts_exchange_ns", "ts_receive_ns", "stream_ts_ns", "late_run_ts_ns"):
        books[name] = NO_TS_NS
    books["trade_price_ticks"] = NO_PRICE_TICKS
    for name in ("mark_price_e8", "score_e9"):
        books[name] = NO_VALUE
    sides = state.book_sides
    sides["best_key"] = NO_KEY
    sides["best_price_ticks"] = NO_PRICE_TICKS
    sides["bbo_price_ticks"] = NO_PRICE_TICKS
    sides["bbo_venue_seq"] = NO_SEQ
    for name in ("mid_half_ticks", "mid_vola_half_ticks"):
        state.signals[name] = NO_PRICE_TICKS
    state.signals["ts_vola_ns"] = NO_TS_NS
    state.quoters["ts_quote_ns"] = NO_TS_NS
    state.quoters["mid_quote_half_ticks"] = NO_PRICE_TICKS
    state.quote_sides["pause_until_ns"] = NO_TS_NS
    state.quote_sides["backoff_until_ns"] = NO_TS_NS
    state.quote_sides["ts_fill_ns"] = NO_TS_NS
    state.cells["throttle"]["paused_until_ns"] = NO_TS_NS
    state.positions["venue_position_lots"] = NO_VALUE
    state.positions["ts_fill_ns"] = NO_TS_NS
    state.positions["price_fill_ticks"] = NO_PRICE_TICKS


def make_out(witnessed: bool) -> np.ndarray:
    """Return an empty effects buffer and the place of a run in its batch.

    Shape: (1,) OUT.
    """
    out = np.zeros(1, OUT)
    out["witnessed"] = int(witnessed)
    return out


def digest_state(state: State, policy_json: bytes) -> bytes:
    """Return sha256 of the state's bytes, array by array, and of the policy state's canonical JSON."""
    hasher = hashlib.sha256()
    for array in state:
        hasher.update(array.data.cast("B"))
    hasher.update(policy_json)
    return hasher.digest()


def dump_state(state: State) -> bytes:
    """Return what was written of the state, array by array."""
    return b"".join(pack_pages(array) for array in state)


def load_state(manifest: Manifest, data: bytes) -> State:
    """Return the state that `dump_state` gave the bytes of.

    Raises: ValueError when the bytes are not of this build's layout.
    """
    state = empty_state(len(manifest.instruments))
    offset = 0
    for array in state:
        offset = unpack_pages(array, data, offset)
    if offset != len(data):
        raise ValueError("state bytes are of another layout")
    return state
