"""A seeded journal of everything that can happen, and a child process that folds one: modes_child.py ROWS.npy"""

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmfold.engine.codes import (
    BookStatus,
    ConnectionState,
    EventKind,
    Flag,
    OrderStatus,
    Reason,
    RequestOutcome,
    Side,
    Strategy,
)
from mmfold.engine.core import Core, config_payload
from mmfold.engine.limits import E8
from mmfold.engine.manifest import Instrument, Manifest, canonical_json, parse_manifest
from mmfold.engine.payload import payload_bytes, payload_rows
from tests.engine.rows import AUTOPOLICY, PLAIN, House, book_event, event

INSTRUMENTS = (
    Instrument(symbol="A", venue="bybit", tick_size="0.1", lot_size="0.001", maker_fee_ppm=-25),
    Instrument(symbol="B", venue="binance", tick_size="0.01", lot_size="0.01"),
    Instrument(
        symbol="C", contract="inverse", contract_value="10", tick_size="0.5", lot_size="0.01", taker_fee_ppm=600
    ),
)
GRID = {"grid_half_spread_ticks_e6": 1_500_000, "grid_skew_ticks_per_lot_e6": 250_000, "grid_qty_lots": 2,
        "grid_notional_micros_max": 300_000_000_000}  # fmt: skip
GATE_REASONS = (Reason.LIQUIDITY_INSUFFICIENT, Reason.NEAR_LIQUIDATION, Reason.FLIP_COOLDOWN, Reason.CIRCUIT_OPEN)
GATES = {"liquidity_levels": 2, "liquidity_alpha_ppm": 1_100_000, "flip_cooldown_ns": 3_000_000,
         "mmr_ppm": 4_000, "assumed_sl_ppm": 3_000, "sl_buffer_ppm": 1_500_000, "leverage_ppm": 10_000_000,
         "circuit_window_s": 1, "circuit_samples_min": 5, "circuit_failed_ppm": 250_000, "circuit_probes_max": 2,
         "circuit_server_error_ppm": 200_000, "circuit_rate_limited_ppm": 200_000, "circuit_open_ns": 40_000_000,
         "circuit_probe_gap_ns": 2_000_000}  # fmt: skip
FULL: dict[str, int | float] = {
    **PLAIN, **GRID, **GATES, "enable_dynamic_spread": 1, "enable_inventory_skew": 1, "enable_adverse_guard": 1,
    "levels_per_side": 3, "level_spacing_coeff": 0.4, "min_spread_bps": 1.0, "post_only_offset_bps": 0.3,
    "target_micros": 9_000_000_000, "inventory_micros_max": 30_000_000_000, "quote_refresh_ns": 2_000_000,
    "total_notional_micros_max": 60_000_000_000, "amend_size_threshold": 0.6, "md_stale_ns": 400_000_000,
}  # fmt: skip
DOCUMENT: dict[str, Any] = {
    "params": {
        "A": {**FULL, "mode": 1},
        "B": {**FULL, "mode": 1, "replace_overlap": 1},
        "C": {**FULL, "strategy": int(Strategy.GRID), "replace_overlap": 1},
    },
    "policies": {
        "autopolicy": {
            **AUTOPOLICY, "enabled": 1, "interval_s": 0.05, "cooldown_minutes": 0.001, "trigger_events_total": 6,
        },
    },
}  # fmt: skip


class Market:
    """Three random markets, their venue's answers, and whatever else a session brings."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.house = House(Manifest(run_id="modes", instruments=INSTRUMENTS))
        self.mids, self.numbers = [600_000, 250_000, 40_000], [100, 100, 100]
        self.house.feed(payload_rows(EventKind.CONFIG, 0, config_payload(DOCUMENT)))

    def levels(self, mid: int, side: Side, zeros: bool) -> list[tuple[int, int]]:
        """Return some random levels of one side, now and then far away."""
        random, sign = self.random, 1 if side == Side.ASK else -1
        prices = {mid + sign * (1 + int(random.expovariate(0.1))) for _ in range(random.randint(1, 4))}
        if random.random() < 0.05:
            prices.add(max(1, mid + sign * random.choice((9_000, 70_000, 140_000))))
        return [(price, 0 if zeros and random.random() < 0.4 else random.randint(1, 9_000)) for price in prices]

    def book(self, i: int) -> np.ndarray:
        """Return a snapshot, a delta, an old delta or one behind a gap."""
        random = self.random
        luck, before = random.random(), self.numbers[i]
        snapshot = luck < 0.15 or (self.house.core.state.books[i]["status"] != BookStatus.LIVE and luck < 0.6)
        if snapshot or random.random() < 0.04:  # a delta around another mid mostly crosses the book
            self.mids[i] += random.choice((-30, -2, -1, 1, 2, 30))
        bids, asks = (self.levels(self.mids[i], side, True) for side in (Side.BID, Side.ASK))
        if snapshot:
            self.numbers[i] += i == 1
            bids, asks = ([(p, q or 1) for p, q in side] for side in (bids, asks))
            return book_event(EventKind.BOOK_SNAPSHOT, bids, asks, aux=self.numbers[i], instrument_index=i)
        self.numbers[i] += 1 + (luck > 0.99)
        old = 0.6 < luck < 0.65
        number, prev = (before - 1, before - 2) if old else (self.numbers[i], before + (luck > 0.99))
        return book_event(EventKind.BOOK_DELTA, bids, asks, aux=number, order_id=prev, instrument_index=i)

    def answer(self, i: int) -> np.ndarray:
        """Return an answer to one of an instrument's orders, mostly a fitting one."""
        random = self.random
        found = [o for o in self.house.core.state.orders[i] if o["status"] not in (OrderStatus.FREE, OrderStatus.DONE)]
        if not found:
            return self.book(i)
        order = random.choice(found)
        fields: dict[str, Any] = {"instrument_index": i, "order_id": order["order_id"]}
        side = Side.BID if order["order_id"] & 63 < 32 else Side.ASK
        now = {"price_ticks": order["price_ticks"], "qty_lots": max(1, int(order["qty_lots"]))}
        luck = random.random()
        if luck < 0.25:
            lots = random.randint(1, now["qty_lots"])
            return event(EventKind.FILL, **{**fields, **now, "side": side, "qty_lots": lots,
                                            "flags": Flag.MAKER * (luck < 0.2)})  # fmt: skip
        if luck < 0.4:
            outcome = RequestOutcome.OK if luck < 0.35 else random.choice(list(RequestOutcome))
            return event(EventKind.REQUEST_RESULT, **fields, code=outcome, aux=random.randint(1, 9_000))
        if luck < 0.43:
            return event(EventKind.REJECT, **fields, code=7)
        kind = {
            OrderStatus.CREATED: EventKind.ACK, OrderStatus.SUBMITTED: EventKind.ACK,
            OrderStatus.ACCEPTED: EventKind.EXPIRED,
            OrderStatus.CANCELLING: EventKind.CANCELED, OrderStatus.AMENDING: EventKind.AMENDED,
        }.get(OrderStatus(order["status"]))  # fmt: skip
        if kind is None or luck > 0.98:
            return event(EventKind.OPEN_ORDERS, **fields, **now, side=side)
        return event(kind, **fields, **(now if kind == EventKind.AMENDED else {}))

    def command(self, name: str, i: int) -> np.ndarray:
        """Return a COMMAND for one instrument."""
        return payload_rows(EventKind.COMMAND, 0, canonical_json({"command": name, "symbol": "ABC"[i]}))

    def mended(self, i: int) -> np.ndarray | None:
        """Return what ends a freeze or a lost connection, when there is one and its time has come."""
        state = self.house.core.state
        if self.random.random() < 0.1 and state.quoters[i]["frozen"]:
            return self.command("unfreeze", i)
        if self.random.random() < 0.1 and state.clock[0]["connection_state"] == ConnectionState.DOWN:
            return event(EventKind.CONNECTION, code=ConnectionState.UP)
        return None

    def other(self, i: int) -> np.ndarray:
        """Return one of the rarer events."""
        random, mid = self.random, self.mids[i]
        match random.randrange(13):
            case 0 | 1:
                return book_event(EventKind.BBO, [(mid, 3)], [(mid + 1, 4)], aux=self.numbers[i], instrument_index=i)
            case 2 | 3 as draw:
                fields = {"instrument_index": i, "side": random.randint(0, 1), "price_ticks": mid, "qty_lots": 3}
                if draw == 3:
                    return event(EventKind.BOOK_ORDER, order_id=mid, aux=self.numbers[i], **fields)
                return event(EventKind.TRADE, **fields)
            case 4:
                return event(EventKind.MARK, instrument_index=i, aux=mid * E8)
            case 5:
                return event(
                    EventKind.FUNDING, instrument_index=i, aux=random.randint(-99_999, 99_999), order_id=mid * E8
                )
            case 6:
                return event(EventKind.POSITION, instrument_index=i, qty_lots=random.randint(-3, 3))
            case 7:
                return event(random.choice((EventKind.BOOK_GAP, EventKind.BOOK_CLEAR)), instrument_index=i)
            case 8:
                return event(EventKind.CONNECTION, code=ConnectionState.DOWN)
            case 9:
                return self.command("freeze", i)
            case 10:
                params = {"min_spread_bps": random.choice((0.5, 1.0, 2.5)), "levels_per_side": random.randint(1, 5),
                          "leverage_ppm": random.choice((10_000_000, 125_000_000))}  # fmt: skip
                return payload_rows(EventKind.CONFIG, 0, config_payload({"params": {"ABC"[i]: params}}))
            case 11:
                return event(EventKind.SCORE, instrument_index=i, aux=random.randint(-(1 << 30), 1 << 30))
        return event(random.choice((EventKind.BALANCE, EventKind.HEALTH)), aux=random.randint(1, 1 << 40))

    def rows(self, event_count: int) -> np.ndarray:
        """Return a journal of so many events."""
        while len(self.house.rows) < event_count:
            i, luck = self.random.randrange(3), self.random.random()
            mended = self.mended(i)
            if mended is not None:
                rows = mended
            elif luck < 0.5:
                rows = self.book(i)
            elif luck < 0.85:
                rows = self.answer(i)
            else:
                rows = event(EventKind.TIMER) if luck < 0.93 else self.other(i)
            after_ms = 9 * 3_600_000 if self.random.random() < 0.003 else self.random.choice((0, 1, 1, 3, 20))
            self.house.feed(rows, after_ms)
        return np.concatenate(self.house.rows)


def events_of(rows: np.ndarray) -> list[np.ndarray]:
    """Return the rows of each event."""
    return np.split(rows, np.flatnonzero(rows["flags"] & Flag.LAST)[:-1] + 1)


def batches(rows: np.ndarray, event_count: int) -> Iterator[np.ndarray]:
    """Yield the rows in batches of so many events."""
    ends = (np.flatnonzero(rows["flags"] & Flag.LAST) + 1)[event_count - 1 :: event_count]
    yield from (part for part in np.split(rows, ends) if len(part))


def manifest_of(rows: np.ndarray) -> Manifest:
    """Return the manifest that a journal starts with."""
    return parse_manifest(payload_bytes(rows[: int(np.argmax(rows["flags"] & Flag.LAST)) + 1]))


def feature_counts(features: np.ndarray) -> dict[str, int]:
    """Return how many bytes of each feature's records are no longer zero."""
    names = features.dtype.names or ()
    return {name: int(np.count_nonzero(np.ascontiguousarray(features[name]).view("u1"))) for name in names}


def fold(rows: np.ndarray, batch_event_count: int = 1 << 20) -> dict[str, Any]:
    """Fold a journal and return what every mode must agree on."""
    hasher = hashlib.sha256()
    core = Core(manifest_of(rows), lambda effects: hasher.update(effects.tobytes()))
    for part in batches(rows, batch_event_count):
        core.feed(part)
    core.finish()
    return {
        "state_digest": core.state_digest(),
        "effects_digest": core.effects_digest.hexdigest(),
        "effect_bytes": hasher.hexdigest(),
        "effects": {EventKind(kind).name: int(core.effect_kind_counts[kind]) for kind in range(100, 105)},
        "features": feature_counts(core.state.features),
        "circuit_transition_count": int(core.state.clock[0]["circuit"]["transition_count"]),
        "blocked": {reason.name: int(core.state.blocked_counts[:, reason].sum()) for reason in GATE_REASONS},
    }


if __name__ == "__main__":
    print(json.dumps(fold(np.load(sys.argv[1]))))
