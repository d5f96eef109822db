"""One frame of the live view as data: everything that the terminal shows, and `mm top --once --json`."""

from fractions import Fraction
from typing import Any

import numpy as np

from mmfold.engine.book import WINDOW_MASK, best_levels
from mmfold.engine.codes import BookStatus, ConnectionState, Mode, OrderStatus, Reason, Side
from mmfold.engine.limits import BOOK_WINDOW_TICKS, MICROS_PER_UNIT, NS_PER_MS, NS_PER_S, QTY_LOTS_MAX
from mmfold.engine.manifest import Manifest
from mmfold.engine.orders import FIRST_OPEN, LAST_OPEN, SLOTS_PER_SIDE
from mmfold.engine.records import NO_PRICE_TICKS, NO_TS_NS
from mmfold.engine.state import NO_KEY, State
from mmfold.reports.audit import enum_name, utc_text
from mmfold.reports.decision import decision_text
from mmfold.reports.money import Units, instrument_units
from mmfold.reports.position import position_amounts
from mmfold.reports.summary import exact
from mmfold.reports.top.watch import Watch

LEVEL_COUNT = 5  # of the ladder, each side
SIDES = (Side.BID, Side.ASK)
COUNTERS = ("placed", "amended", "cancelled", "rejected", "expired", "request_timeout", "alert")
AGE_DECIMALS = 3
PERCENTILES = (50, 99)


def frame_document(watch: Watch, seq: int, head: bytes, now_ns: int | None) -> dict[str, Any]:
    """Return what is known of the session after the event `seq`, whose hash is `head`.

    Units: times in s and ms, amounts as exact decimal text. `now_ns` is our clock, None of a journal that has ended.
    """
    state, manifest = watch.core.state, watch.manifest
    clock = state.clock[0]
    ts_ns = int(clock["ts_now_ns"])
    lag_s = None if now_ns is None or ts_ns == NO_TS_NS else round((now_ns - ts_ns) / NS_PER_S, AGE_DECIMALS)
    limit_micros = max((int(value) for value in state.params["total_notional_micros_max"]), default=0)
    return {
        "connection": enum_name(ConnectionState, int(clock["connection_state"])),
        "decisions": [decision(row, manifest) for row in watch.decisions()],
        "exposure": exact(Fraction(int(clock["gross_micros"]), MICROS_PER_UNIT)),
        "exposure_max": exact(Fraction(limit_micros, MICROS_PER_UNIT)) if limit_micros else None,
        "exposures": exposures(manifest, state),
        "head": head.hex(),
        "latency": latency_fields(watch.latencies_ns()),
        "mode": "/".join(sorted({enum_name(Mode, int(mode)) for mode in state.params["mode"]})),
        "rows": watch.row_count,
        "run_id": manifest.run_id,
        "seq": seq,
        "symbols": {
            instrument.symbol: symbol_fields(manifest, state, index)
            for index, instrument in enumerate(manifest.instruments)
        },
        "time": {"event": None if ts_ns == NO_TS_NS else time_text(ts_ns), "lag_s": lag_s},
        "witnessed": watch.witnessed_count(),
    }


def exposures(manifest: Manifest, state: State) -> dict[str, str | None]:
    """Return what is held, by the currency that it is valued in; the limit's own sum takes them all for one."""
    sums: dict[str, Fraction] = {}
    for index, instrument in enumerate(manifest.instruments):
        units = instrument_units(instrument)
        currency = units.quote or f"quote of {instrument.symbol}"
        value = position_amounts(manifest, state, index).exposure
        sums[currency] = sums.get(currency, Fraction(0)) + (value or 0)
    return {currency: exact(value) for currency, value in sorted(sums.items())}


def time_text(ts_ns: int) -> str:
    """Return a time as UTC text, to the millisecond."""
    return f"{utc_text(ts_ns)[:-1]}.{ts_ns % NS_PER_S // NS_PER_MS:03d}Z"


def decision(row: np.void, manifest: Manifest) -> dict[str, Any]:
    """Return one decision with its reason, in the words of every other report."""
    ts_ns = int(row["ts_receive_ns"])
    return {
        "seq": int(row["seq"]),
        "text": decision_text(row, manifest),
        "time": None if ts_ns == NO_TS_NS else time_text(ts_ns),
    }


def latency_fields(sorted_ns: list[int]) -> dict[str, Any]:
    """Return nearest-rank percentiles of request times, absent where nothing was answered yet."""
    count = len(sorted_ns)
    fields: dict[str, Any] = {"count": count}
    for percent in PERCENTILES:
        rank = -(-count * percent // 100)
        fields[f"p{percent}_ms"] = round(sorted_ns[rank - 1] / NS_PER_MS, AGE_DECIMALS) if count else None
    return fields


def symbol_fields(manifest: Manifest, state: State, index: int) -> dict[str, Any]:
    """Return everything of one instrument."""
    units = instrument_units(manifest.instruments[index])
    orders = open_orders(state, index, units)
    counters = state.counters[index]
    return {
        **price_fields(state, index, units),
        "block_reason": enum_name(Reason, int(state.quoters[index]["block_reason"])),
        "book_status": enum_name(BookStatus, int(state.books[index]["status"])),
        "counters": {
            **{name: int(counters[f"{name}_count"]) for name in COUNTERS},
            "filled": int(state.positions[index]["fill_count"]),
        },
        "guards": guards(state, index),
        "ladder": {side.name.lower(): ladder(state, index, side, units) for side in SIDES},
        "orders": orders,
        "pnl": pnl_fields(manifest, state, index, units),
        "position": position_fields(manifest, state, index, units),
        "units": {
            "money": units.money,
            "price_decimals": units.price_decimals,
            "qty_decimals": units.qty_decimals,
            "quote": units.quote,
            "size": units.size,
        },
    }


def price_fields(state: State, index: int, units: Units) -> dict[str, Any]:
    """Return mid, microprice and spread, absent without a book."""
    signal, sides = state.signals[index], state.book_sides[index]
    best = [int(sides[side]["best_price_ticks"]) for side in SIDES]
    if signal["mid_half_ticks"] == NO_PRICE_TICKS or NO_PRICE_TICKS in best:
        return dict.fromkeys(("mid", "microprice", "spread", "spread_bps"))
    return {
        "mid": exact(int(signal["mid_half_ticks"]) * units.tick / 2),
        "microprice": round(float(signal["microprice_ticks"]) * float(units.tick), units.price_decimals + 2),
        "spread": exact((best[Side.ASK] - best[Side.BID]) * units.tick),
        "spread_bps": round(float(signal["spread_bps"]), AGE_DECIMALS),
    }


def open_slots(state: State, index: int, side: Side) -> list[int]:
    """Return the slots of one side that hold an order which may still be filled."""
    statuses = state.orders[index]["status"]
    start = SLOTS_PER_SIDE * side
    return [slot for slot in range(start, start + SLOTS_PER_SIDE) if FIRST_OPEN <= statuses[slot] <= LAST_OPEN]


def open_orders(state: State, index: int, units: Units) -> list[dict[str, Any]]:
    """Return the open orders, bids first, best price first.

    Units: ages against the last event, so that a quiet journal does not age them.
    """
    now_ns = int(state.clock[0]["ts_now_ns"])
    found = []
    for side in SIDES:
        rows = [state.orders[index, slot] for slot in open_slots(state, index, side)]
        rows.sort(key=lambda row: int(row["price_ticks"]) * (1 if side == Side.ASK else -1))
        found += [
            {
                "age_s": round((now_ns - int(row["ts_placed_ns"])) / NS_PER_S, AGE_DECIMALS),
                "amends": int(row["amend_count"]),
                "filled": units.qty(int(row["filled_lots"])),
                "order_id": str(row["order_id"]),
                "price": units.price(int(row["price_ticks"])),
                "qty": units.qty(int(row["qty_lots"])),
                "side": side.name.lower(),
                "status": enum_name(OrderStatus, int(row["status"])),
            }
            for row in rows
        ]
    return found


def ladder(state: State, index: int, side: Side, units: Units) -> list[dict[str, str | None]]:
    """Return the best levels of one side, with what rests there of ours as `own`.

    Where we stand alone is a level as well; where none of the best is ours, our best one takes the last place.
    """
    own: dict[int, int] = {}
    for slot in open_slots(state, index, side):
        order = state.orders[index, slot]
        own[int(order["price_ticks"])] = own.get(int(order["price_ticks"]), 0) + int(order["qty_lots"])
    cell = state.cells[index]
    book = dict(best_levels(cell, side, LEVEL_COUNT))
    order = sorted({*book, *own}, key=lambda price_ticks: key_of_price(side, price_ticks))
    prices = order[:LEVEL_COUNT]
    if own and not own.keys() & set(prices):
        prices[-1] = next(price for price in order if price in own)
    return [
        {
            "own": units.qty(own[price]) if price in own else None,
            "price": units.price(price),
            "qty": units.qty(lots) if (lots := book.get(price) or window_lots(cell, side, price)) else None,
        }
        for price in prices
    ]


def key_of_price(side: Side, price_ticks: int) -> int:
    """Return the book's key of a price: `engine.book.key_of`, which only kernels call."""
    return price_ticks if side == Side.ASK else -price_ticks


def window_lots(cell: np.void, side: Side, price_ticks: int) -> int:
    """Return what stands at a price near the best one, 0 beyond the book's window."""
    ahead = key_of_price(side, price_ticks) - int(cell["sides"][side]["window_start_key"])
    is_inside = 0 <= ahead < BOOK_WINDOW_TICKS and cell["sides"][side]["best_key"] != NO_KEY
    return int(cell["window_qty_lots"][side, key_of_price(side, price_ticks) & WINDOW_MASK]) if is_inside else 0


def position_fields(manifest: Manifest, state: State, index: int, units: Units) -> dict[str, str | None]:
    """Return the position against its limits; a limit that is switched off is absent."""
    param, row = state.params[index], state.positions[index]
    amounts = position_amounts(manifest, state, index)
    lots_max, micros_max = int(param["position_lots_max"]), int(param["inventory_micros_max"])
    return {
        "exposure": exact(amounts.exposure),
        "exposure_max": exact(Fraction(micros_max, MICROS_PER_UNIT)) if micros_max > 0 else None,
        "qty": units.qty(int(row["position_lots"])),
        "qty_max": units.qty(lots_max) if 0 < lots_max < QTY_LOTS_MAX else None,
    }


def pnl_fields(manifest: Manifest, state: State, index: int, units: Units) -> dict[str, str | None]:
    """Return the PnL and its parts."""
    amounts = position_amounts(manifest, state, index)
    names = ("realized", "unrealized", "spread", "inventory", "fees", "funding", "net")
    return {name: exact(getattr(amounts, name)) for name in names}


def guards(state: State, index: int) -> list[str]:
    """Return what holds quotes back now, one phrase each."""
    quoter, now_ns = state.quoters[index], int(state.clock[0]["ts_now_ns"])
    found = ["frozen"] if quoter["frozen"] else []
    if quoter["unknown_order_count"]:
        found.append(f"{int(quoter['unknown_order_count'])} unknown")
    for side in SIDES:
        row = state.quote_sides[index, side]
        for name, is_on, until_ns in (
            ("paused", bool(row["paused"]), int(row["pause_until_ns"])),
            ("backoff", int(row["backoff_until_ns"]) > now_ns, int(row["backoff_until_ns"])),
        ):
            if is_on:
                left_s = max(0, until_ns - now_ns) / NS_PER_S
                found.append(f"{side.name.lower()} {name} {left_s:.1f} s")
    return found
