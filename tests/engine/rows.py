"""Rows, a house that folds them, and the language of scenarios: `input | effects | what holds then`, one line an event.

Units of the test instrument: tick 1, lot 1, so that one tick near 10,000 is one basis point and one lot one unit.
"""

import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from mmfold.engine.book import levels
from mmfold.engine.codes import (
    AlertCode,
    AuditKind,
    BookStatus,
    CircuitState,
    ConnectionState,
    EventKind,
    Flag,
    OrderStatus,
    Reason,
    RequestOutcome,
    Side,
    Unit,
)
from mmfold.engine.core import Core, config_payload
from mmfold.engine.layout import LAYOUT_ID
from mmfold.engine.limits import AUTHOR_SHIFT, E8, NS_PER_DAY, NS_PER_MS, NS_PER_S, ORDER_COUNT_MAX
from mmfold.engine.manifest import Instrument, Manifest, canonical_json, encode_manifest
from mmfold.engine.params import audit_scale, param_name
from mmfold.engine.payload import payload_rows
from mmfold.engine.policy.layers import split_aux
from mmfold.engine.policy.note import part_text
from mmfold.engine.policy.registry import POLICIES, author_name
from mmfold.engine.policy.seam import Policy
from mmfold.engine.records import EVENT, NO_ORDER_ID, NO_PRICE_TICKS, NO_TS_NS, NO_VALUE

OPEN = [status not in (OrderStatus.FREE, OrderStatus.DONE) for status in OrderStatus]  # may still be filled
T0_NS = 1_700_000_000 * NS_PER_S
SYMBOL = "X"
# One level of 5 lots 10 bps from the mid on both sides, nothing that depends on time or volatility.
PLAIN: dict[str, int | float] = {
    "strategy": 0, "mode": 0, "enabled": 1, "maker_only": 1, "post_only_block": 0, "enable_dynamic_spread": 0,
    "enable_inventory_skew": 0, "enable_adverse_guard": 0, "replace_overlap": 0, "levels_per_side": 1,
    "imbalance_levels": 5, "active_per_side_max": 3, "active_per_symbol_max": 30, "vola_half_life_ns": 60 * NS_PER_S,
    "guard_pause_ns": 300 * NS_PER_MS, "min_time_in_book_ns": 0, "quote_refresh_ns": 0, "md_stale_ns": 3 * NS_PER_S,
    "reject_backoff_ns": 0, "backoff_base_ns": 0, "backoff_ns_max": 0,
    "throttle_window_s": 3, "create_per_s_max": 0, "amend_per_s_max": 0, "cancel_per_s_max": 0,
    "target_micros": 51_000_000_000, "equity_micros": 10_000_000_000, "inventory_micros_max": 0,
    "total_notional_micros_max": 0, "position_lots_max": 0, "k_vola_spread": 0.95, "min_spread_bps": 20.0,
    "max_spread_bps": 25.0, "skew_coeff": 0.3, "imbalance_cutoff": 0.65, "level_spacing_coeff": 0.0,
    "microprice_drift_bps": 3.0, "replace_threshold_bps": 5.0, "amend_price_threshold_bps": 1.0,
    "amend_size_threshold": 0.2, "post_only_offset_bps": 0.0, "min_qty_pad": 1.0,
}  # fmt: skip
AUTOPOLICY: dict[str, int | float] = {
    "enabled": 0, "interval_s": 1.0, "trigger_events_total": 40, "hysteresis_bad_required": 2,
    "hysteresis_good_required": 2, "cooldown_minutes": 2.0, "max_level": 3, "step_ratio": 0.15,
    "levels_shrink_ratio": 0.25, "min_levels_cap": 1, "max_min_time_in_book_ms": 60_000,
    "max_replace_threshold_bps": 100.0,
}  # fmt: skip


def make_manifest(*symbols: str, witnessed: bool = False, **instrument: Any) -> Manifest:
    """Return a manifest of instruments alike, by default one with tick and lot 1."""
    fields = {"tick_size": "1", "lot_size": "1", "maker_fee_ppm": 0, "taker_fee_ppm": 0, **instrument}
    instruments = tuple(Instrument(symbol=symbol, **fields) for symbol in symbols or (SYMBOL,))
    manifest = Manifest(run_id="test", instruments=instruments)
    return manifest.renewed(witnessed=True, layout=LAYOUT_ID) if witnessed else manifest


def event(kind: EventKind, count: int = 1, **fields: Any) -> np.ndarray:
    """Return the rows of one event with every other field absent."""
    rows = np.zeros(count, EVENT)
    rows["ts_exchange_ns"] = rows["ts_receive_ns"] = NO_TS_NS
    rows["price_ticks"], rows["order_id"], rows["aux"] = NO_PRICE_TICKS, NO_ORDER_ID, NO_VALUE
    rows["kind"], rows["side"] = kind, Side.NONE
    for name, value in fields.items():
        rows[name] = value
    rows["flags"][-1] |= Flag.LAST
    return rows


def book_event(kind: EventKind, bids: list[tuple[int, int]], asks: list[tuple[int, int]], **fields: Any) -> np.ndarray:
    """Return a book event: bids, then asks, as (price_ticks, qty_lots); none is one row without a side."""
    sides = [(Side.BID, *level) for level in bids] + [(Side.ASK, *level) for level in asks]
    rows = event(kind, max(1, len(sides)), **fields)
    for line, (side, price_ticks, qty_lots) in zip(rows, sides, strict=False):
        line["side"], line["price_ticks"], line["qty_lots"] = side, price_ticks, qty_lots
    return rows


class House:
    """A core fed event by event; numbers the events, keeps the time and the names (#1, #2, ...) of its orders."""

    def __init__(
        self, manifest: Manifest | None = None, policies: tuple[Policy, ...] = POLICIES, **params: int | float
    ) -> None:
        self.manifest = manifest or make_manifest()
        self.core = Core(self.manifest, self.take, policies=policies)
        symbols = [instrument.symbol for instrument in self.manifest.instruments]
        settings = {"autopolicy": AUTOPOLICY} if policies is POLICIES else {}
        self.core.configure({"params": {symbol: {**PLAIN, **params} for symbol in symbols}, "policies": settings})
        self.seq, self.ts_ns = 0, T0_NS
        self.taken: list[np.void] = []
        self.names: list[int] = []
        self.rows: list[np.ndarray] = []
        self.feed(payload_rows(EventKind.MANIFEST, 0, encode_manifest(self.manifest)))

    def take(self, effects: np.ndarray) -> None:
        """Keep what the core decided."""
        self.taken += [effect.copy() for effect in effects]

    def feed(self, rows: np.ndarray, after_ms: int = 1) -> list[np.void]:
        """Fold one event at a time after the last one; returns its effects."""
        rows = rows.copy()
        rows["seq"] = self.seq
        self.ts_ns += after_ms * NS_PER_MS
        if rows["kind"][0] > EventKind.COMMAND:
            rows["ts_receive_ns"] = self.ts_ns
        self.seq += 1
        self.rows.append(rows)
        self.taken = []
        self.core.feed(rows)
        self.core.drain()
        self.names += [int(effect["order_id"]) for effect in self.taken if effect["kind"] == EventKind.PLACE]
        return self.taken

    @property
    def cell(self) -> Any:
        """The record of the first instrument."""
        return self.core.state.cells[0]

    def order(self, name: str) -> Any:
        """Return the ORDER record of #n."""
        return self.cell["orders"][self.order_id(name) & (ORDER_COUNT_MAX - 1)]

    def order_id(self, name: str) -> int:
        """Return the id of #n; a name that no order has yet is an id that the core never gave."""
        index = int(name.removeprefix("#")) - 1
        return self.names[index] if index < len(self.names) else (1 << 40) + index

    def play(self, text: str) -> None:
        """Play the lines of a scenario: `input | effects | checks`, each part but the first may be left out.

        First blocks are compared where a line names one: what a scenario is about is said once.
        """
        for line in lines_of(text):
            command, effects, checks = (part.strip() for part in f"{line} | |".split("|")[:3])
            found = self.feed(*parse_input(self, command))
            if effects:
                texts = [effect_text(self, effect) for effect in found]
                shown = [text for text in texts if "block " in effects or not text.startswith("block ")]
                assert "; ".join(shown) == effects.strip("-"), line
            for check in checks.split():
                key, _, expected = check.partition("=")
                assert check_text(self, key) == expected, f"{key} in: {line}"


def lines_of(text: str) -> list[str]:
    """Return a scenario's lines; a long one goes on behind a backslash, which Python itself joins."""
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def parse_levels(words: list[str]) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return bids and asks of `10000x5 9999x3 / 10001x5`."""
    at = words.index("/")
    bids, asks = ([tuple(map(int, word.split("x"))) for word in part] for part in (words[:at], words[at + 1 :]))
    return bids, asks  # type: ignore[return-value]


def parse_book(kind: EventKind, words: list[str]) -> np.ndarray:
    """Return the event of `... / ... [@seq[<prev][~ms]]`; the milliseconds are the venue's stamp, from T0 on."""
    fields: dict[str, int] = {}
    if words[-1].startswith("@"):
        numbers, _, ms = words.pop()[1:].partition("~")
        own, _, prev = numbers.partition("<")
        fields = {"aux": int(own)} | ({"order_id": int(prev)} if prev else {})
        fields |= {"ts_exchange_ns": T0_NS + int(ms) * NS_PER_MS} if ms else {}
    return book_event(kind, *parse_levels(words), **fields)


def parse_order(house: House, kind: EventKind, words: list[str]) -> np.ndarray:
    """Return the event of `#n [bid|ask] [9990x5] [maker]`."""
    order_id = house.order_id(words[0])
    fields: dict[str, int] = {"order_id": order_id}
    for word in words[1:]:
        if word in ("bid", "ask"):
            fields["side"] = Side[word.upper()]
        elif word == "maker":
            fields["flags"] = Flag.MAKER
        else:
            fields["price_ticks"], fields["qty_lots"] = map(int, word.split("x"))
    if kind == EventKind.FILL and "side" not in fields:
        fields["side"] = Side.BID if order_id & (ORDER_COUNT_MAX - 1) < ORDER_COUNT_MAX // 2 else Side.ASK
    return event(kind, **fields)


def parse_open_orders(house: House, words: list[str]) -> np.ndarray:
    """Return the event of `#1 bid 9990x5, #2 ask 10011x5`, or of `none`."""
    parts = [part.split() for part in " ".join(words).split(",")]
    if parts == [["none"]]:
        return event(EventKind.OPEN_ORDERS)
    rows = np.concatenate([parse_order(house, EventKind.OPEN_ORDERS, part) for part in parts])
    rows["flags"][:-1] = 0
    return rows


def parse_config(words: list[str]) -> np.ndarray:
    """Return the CONFIG event of `name=value ... [policy.name=value ...]`; the policy is autopolicy."""
    policy = parse_numbers(word.removeprefix("policy.") for word in words if word.startswith("policy."))
    params = parse_numbers(word for word in words if not word.startswith("policy."))
    document: dict[str, Any] = {"params": {SYMBOL: params}}
    if policy:
        document["policies"] = {"autopolicy": policy}
    return payload_rows(EventKind.CONFIG, 0, config_payload(document))


def parse_numbers(words: Iterable[str]) -> dict[str, int | float]:
    """Return {name: number} of `name=value ...`."""
    pairs = (word.partition("=") for word in words)
    return {name: float(value) if "." in value else int(value) for name, _, value in pairs}


def parse_command(words: list[str]) -> np.ndarray:
    """Return the COMMAND event of `freeze [SYMBOL]`, `pin SYMBOL name=value ...`, `unpin SYMBOL [name ...]` or
    `policy NAME name=value ...`.
    """
    if words[0] == "policy":
        document: dict[str, Any] = {"policy": words[1], **parse_numbers(words[2:])}
    else:
        document = {"command": words[0]} | ({"symbol": words[1]} if len(words) > 1 else {})
        if len(words) > 2:
            document["params"] = parse_numbers(words[2:]) if words[0] == "pin" else words[2:]
    return payload_rows(EventKind.COMMAND, 0, canonical_json(document))


def parse_input(house: House, text: str) -> tuple[np.ndarray, int]:
    """Return the event that a line's first part stands for, and the milliseconds since the one before."""
    word, *words = text.split()
    after_ms = 1
    if word.startswith("+"):
        after_ms, (word, *words) = int(word[1:]), words
    match word:
        case "book" | "delta":
            kind = EventKind.BOOK_SNAPSHOT if word == "book" else EventKind.BOOK_DELTA
            return parse_book(kind, words), after_ms
        case "config":
            return parse_config(words), after_ms
        case "command":
            return parse_command(words), after_ms
        case "open":
            return parse_open_orders(house, words), after_ms
        case "ack" | "reject" | "amended" | "canceled" | "expired" | "fill":
            return parse_order(house, EventKind[word.upper()], words), after_ms
        case "rate":
            fields = {"order_id": house.order_id(words[0]), "code": RequestOutcome[words[1].upper()]}
            return event(EventKind.REQUEST_RESULT, **fields), after_ms
        case "connection":
            return event(EventKind.CONNECTION, code=ConnectionState[words[0].upper()]), after_ms
        case "bbo":
            rows = book_event(EventKind.BBO, *parse_levels(words[:-1]), aux=int(words[-1][1:]))
            return rows, after_ms
        case "order":
            price_ticks, qty_lots = map(int, words[1].split("x"))
            fields = {"side": Side[words[0].upper()], "price_ticks": price_ticks, "qty_lots": qty_lots}
            return event(EventKind.BOOK_ORDER, order_id=int(words[2]), aux=int(words[3][1:]), **fields), after_ms
        case "trade":
            price_ticks, qty_lots = map(int, words[1].split("x"))
            fields = {"side": Side[words[0].upper()], "price_ticks": price_ticks, "qty_lots": qty_lots}
            return event(EventKind.TRADE, **fields), after_ms
        case "opening":  # LOTS@AVERAGE_PRICE PNL FEES FUNDING [DAY_BEGAN_AT], money in micros; of the day under way
            lots, _, price = words[0].partition("@")
            pnl, fees, funding = map(int, words[1:4])
            rows = event(EventKind.POSITION, 2, aux=[int(float(price) * E8) if price else NO_VALUE, fees])
            rows["qty_lots"], rows["order_id"] = (int(lots), 0), (pnl, funding)
            rows["flags"] |= np.uint16(Flag.OPENING)
            if len(words) > 4:
                rows["price_ticks"][1], rows["qty_lots"][1] = house.ts_ns // NS_PER_DAY, int(words[4])
            return rows, after_ms
        case "position":
            return event(EventKind.POSITION, qty_lots=int(words[0])), after_ms
        case "funding":
            mark = {"order_id": int(words[1]) * E8} if len(words) > 1 else {}
            return event(EventKind.FUNDING, aux=int(words[0]), **mark), after_ms
        case "settled":  # RATE MARK|- PAID_MICROS side LOTS, of the account
            mark = NO_VALUE if words[1] == "-" else int(words[1]) * E8
            rows = event(EventKind.FUNDING, 2, aux=[int(words[0]), int(words[2])])
            rows["order_id"], rows["qty_lots"] = (mark, house.seq), (0, int(words[4]))
            rows["side"][1] = Side[words[3].upper()]
            rows["flags"] |= np.uint16(Flag.PAID)
            return rows, after_ms
        case "clear" | "gap":
            return event(EventKind[f"BOOK_{word.upper()}"]), after_ms
        case "mark" | "score" | "balance" | "health":
            return event(EventKind[word.upper()], aux=int(words[0])), after_ms
        case "digest":
            digest = house.core.state_digest() if words == ["right"] else "00" * 32
            return payload_rows(EventKind.DIGEST, 0, bytes.fromhex(digest)), after_ms
        case "timer":
            return event(EventKind.TIMER), after_ms
    raise AssertionError(f"unknown input: {text}")


def effect_text(house: House, effect: np.void) -> str:
    """Return an effect as scenarios write it."""
    side, reason = Side(effect["side"]).name.lower(), name_of(Reason, effect["code"])
    price, qty, aux = (int(effect[name]) for name in ("price_ticks", "qty_lots", "aux"))
    names = [*house.names, *(int(e["order_id"]) for e in house.taken if e["kind"] == EventKind.PLACE)]
    order = f"#{names.index(int(effect['order_id'])) + 1}" if int(effect["order_id"]) in names else "#?"
    match int(effect["kind"]):
        case EventKind.PLACE:
            assert effect["code"] == Reason.QUOTE and effect["flags"] == Flag.LAST | Flag.POST_ONLY
            return f"place {order} {side} {price} x {qty}"
        case EventKind.AMEND:
            return f"amend {order} {side} {price} x {qty} {reason}"
        case EventKind.CANCEL:
            return f"cancel {order} {side} {reason}"
        case EventKind.ALERT:
            detail = f"#{names.index(aux) + 1}" if aux in names else aux
            return f"alert {name_of(AlertCode, effect['code'])} {detail}"
        case EventKind.NOTE:
            return f"note {effect['code']} {part_text(effect).decode()}"
    assert effect["kind"] == EventKind.AUDIT
    if effect["code"] == AuditKind.PARAM:
        name = param_name(int(effect["order_id"]))
        scale, (author, reason) = audit_scale(int(effect["order_id"])), split_aux(aux)
        who = author_name(author) if author else name_of(Reason, reason)
        return f"param {name} {price / scale:g}>{qty / scale:g} {who}"
    if effect["code"] == AuditKind.BLOCK:
        unit = name_of(Unit, effect["order_id"]) if effect["order_id"] != NO_ORDER_ID else "none"
        where = "" if effect["side"] == Side.NONE else f"{side} "
        return f"block {where}{name_of(Reason, aux)} {price}/{qty} {unit}"
    if effect["code"] == AuditKind.CIRCUIT:
        return f"circuit {name_of(CircuitState, price)}>{name_of(CircuitState, qty)}"
    if aux >> AUTHOR_SHIFT > 0 or aux == Reason.COMMAND:
        return f"frozen {price}>{qty}"
    if effect["side"] != Side.NONE:
        return f"pause {side} {price}>{qty} {name_of(Reason, aux)}"
    return f"guard {name_of(Reason, price)}>{name_of(Reason, qty)}"


def name_of(codes: Any, code: int) -> str:
    """Return a code's name as scenarios write it."""
    return str(codes(int(code)).name.lower())


def side_text(house: House, side: Side) -> str:
    """Return one side of the book as 10000x5,9999x3."""
    return ",".join(f"{price}x{qty}" for price, qty in levels(house.cell, side)) or "none"


def check_text(house: House, key: str) -> str:
    """Return what a check's key stands for, as text."""
    cell, clock = house.cell, house.core.state.clock[0]
    if re.fullmatch(r"#\d+", key):
        return name_of(OrderStatus, house.order(key)["status"])
    if re.fullmatch(r"#\d+\.\w+", key):
        return str(int(house.order(key.partition(".")[0])[key.partition(".")[2]]))
    match key:
        case "book":
            return name_of(BookStatus, cell["book"]["status"])
        case "bids" | "asks":
            return side_text(house, Side.BID if key == "bids" else Side.ASK)
    section, _, name = key.partition(".")
    match section:
        case "blocked":
            return str(int(cell["blocked_counts"][Reason[name.upper()]]))
        case "clock" | "circuit":
            return str(int((clock if section == "clock" else clock["circuit"])[name]))
        case "bid" | "ask":
            record = "sides" if name.startswith("bbo") else "quote_sides"
            return str(int(cell[record][Side[section.upper()]][name]))
        case "param" | "base":
            return f"{cell[section][name]:g}"
        case section if section in cell["features"].dtype.names:  # record.field, record.array.index.field
            value = cell["features"]
            for part in key.split("."):
                value = value[int(part) if part.isdigit() else part]
            return str(value)
        case "policy":
            return str(getattr(house.core.lane.members["autopolicy"].memory, name))
    return str(int(cell[section][name]))


def check_counts(house: House) -> None:
    """Recount every instrument's open orders and compare with the kept figures; checks what each status promises."""
    for cell in house.core.state.cells:
        open_lots, open_count, unknown = [0, 0], [0, 0], 0
        for slot, order in enumerate(cell["orders"]):
            if OPEN[int(order["status"])]:
                side = slot // (ORDER_COUNT_MAX // 2)
                open_lots[side] += max(int(order["qty_lots"]), int(order["pending_qty_lots"]))
                open_count[side] += 1
                unknown += int(order["status"] == OrderStatus.UNKNOWN)
            if order["status"] == OrderStatus.ACCEPTED:
                assert order["qty_lots"] > 0 and order["pending_qty_lots"] == 0
        assert open_lots == cell["quote_sides"]["open_lots"].tolist()
        assert open_count == cell["quote_sides"]["open_order_count"].tolist()
        assert unknown == cell["quoter"]["unknown_order_count"]
