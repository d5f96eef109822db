"""PLACE, AMEND and CANCEL effects as the venue's requests, by WebSocket or REST; must never round or send a float.

An AMEND asks for the whole size: what is filled so far plus what is to remain, so that a fill on its way cannot add to
the order (docs/data.md, AMEND). A request names an order by its link id alone: it can leave before the venue's id is
known.
Source: Bybit v5 docs: place, amend, cancel, cancel all, batch place, batch amend, batch cancel; websocket trade
guideline.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import orjson

from adapters.bybit.ledger import OrderLedger
from adapters.bybit.listing import category_of, list_manifest
from adapters.bybit.signing import RECV_WINDOW_MS, RestRequest, post_request
from engine.codes import EventKind, Flag, Side
from engine.manifest import Manifest
from engine.records import NO_PRICE_TICKS
from journal.decimals import format_units
from journal.rows import EventRow, plain_rows

BATCH_COUNT_MAX = 10  # orders of one batch request: the least of the venue's limits over its categories
REQUEST_ID_CHARS_MAX = 36
format_cached = lru_cache(1 << 10)(format_units)  # prices and sizes come again and again
# Plain integers: an operation on a member of an enum costs ten times that of its number.
PLACE, AMEND, CANCEL = int(EventKind.PLACE), int(EventKind.AMEND), int(EventKind.CANCEL)
OPERATIONS = {PLACE: "create", AMEND: "amend", CANCEL: "cancel"}
TIME_IN_FORCE = ((int(Flag.POST_ONLY), "PostOnly"), (int(Flag.IOC), "IOC"), (int(Flag.FOK), "FOK"))
REDUCE_ONLY = int(Flag.REDUCE_ONLY)
SIDE_WORDS = {int(Side.BID): "Buy", int(Side.ASK): "Sell"}


class RequestEncoder:
    """Effects of one run to request bytes; what is placed is noted in the ledger before it leaves."""

    def __init__(self, manifest: Manifest, ledger: OrderLedger, recv_window_ms: int = RECV_WINDOW_MS) -> None:
        self.listings = tuple(list_manifest(manifest).listings.values())
        self.categories = tuple(category_of(listing) for listing in self.listings)
        self.ledger = ledger
        self.recv_window_ms = recv_window_ms

    def encode_socket(self, effects: list[EventRow], request_id: str, ts_ms: int) -> bytes:
        """Return the order-entry message of effects of one kind and category: a batch where they are several.

        Shape:  1 to BATCH_COUNT_MAX PLACE, AMEND or CANCEL.
        Units:  ts_ms is our clock corrected to the venue's; `request_id` must be new.
        """
        assert 0 < len(request_id) <= REQUEST_ID_CHARS_MAX and ts_ms > 0
        category, orders = self.encode_orders(effects)
        operation = f"order.{operation_of(effects)}"
        args: list[dict[str, Any]] = [{"category": category, **orders[0]}]
        if len(orders) > 1:
            operation, args = f"{operation}-batch", [{"category": category, "request": orders}]
        header = {"X-BAPI-TIMESTAMP": str(ts_ms), "X-BAPI-RECV-WINDOW": str(self.recv_window_ms)}
        return orjson.dumps({"reqId": request_id, "header": header, "op": operation, "args": args})

    def encode_rest(self, effects: list[EventRow]) -> RestRequest:
        """Return the REST request of effects of one kind and category: a batch where they are several."""
        category, orders = self.encode_orders(effects)
        path = f"/v5/order/{operation_of(effects)}"
        if len(orders) > 1:
            return post_request(f"{path}-batch", {"category": category, "request": orders})
        return post_request(path, {"category": category, **orders[0]})

    def encode_cancel_all(self, symbol: str = "", category: str = "linear", settle_coin: str = "") -> RestRequest:
        """Return the request that cancels every order of a symbol, or of all that settle in a coin, ours or not."""
        assert bool(symbol) != bool(settle_coin) or category == "spot"
        body = {"category": category, "symbol": symbol, "settleCoin": settle_coin}
        return post_request("/v5/order/cancel-all", {key: value for key, value in body.items() if value})

    def split(self, effects: np.ndarray) -> list[list[EventRow]]:
        """Return effects as runs that one request can carry, in their order: a cancel that comes first leaves first."""
        runs: list[list[EventRow]] = []
        before: tuple[int, str] | None = None
        for row in plain_rows(effects):
            asked = row.kind, self.categories[row.instrument_index]
            if asked != before or len(runs[-1]) == BATCH_COUNT_MAX:
                runs.append([])
                before = asked
            runs[-1].append(row)
        return runs

    def encode_orders(self, effects: list[EventRow]) -> tuple[str, list[dict[str, Any]]]:
        """Return the category and the venue's words for each effect."""
        assert 0 < len(effects) <= BATCH_COUNT_MAX
        category, kind = self.categories[effects[0].instrument_index], effects[0].kind
        for row in effects:
            assert row.kind == kind, "one request is of one kind"
            assert self.categories[row.instrument_index] == category, "one request is of one category"
        return category, [self.order_words(row) for row in effects]

    def order_words(self, effect: EventRow) -> dict[str, Any]:
        """Return what one effect asks for, in the venue's words."""
        listing = self.listings[effect.instrument_index]
        words: dict[str, Any] = {"symbol": listing.symbol, "orderLinkId": self.ledger.link_id(effect.order_id)}
        if effect.kind == CANCEL:
            return words
        whole_lots = effect.qty_lots
        if effect.kind == AMEND:
            assert effect.aux >= 0
            whole_lots += effect.aux
        assert whole_lots > 0
        words["qty"] = format_cached(whole_lots, listing.lot)
        if effect.price_ticks != NO_PRICE_TICKS:
            assert effect.price_ticks > 0
            words["price"] = format_cached(effect.price_ticks, listing.tick)
        if effect.kind == PLACE:
            words.update(place_words(effect, self.categories[effect.instrument_index]))
            self.ledger.note_placed(effect.order_id, effect.price_ticks, whole_lots)
        return words


def place_words(effect: EventRow, category: str) -> dict[str, Any]:
    """Return what only a PLACE says: side, type, how long it stays, whether it may open a position.

    A PLACE without a price is a market order, which the venue only takes as IOC.
    """
    flags = effect.flags
    is_limit = effect.price_ticks != NO_PRICE_TICKS
    lasting = next((word for flag, word in TIME_IN_FORCE if flags & flag), "GTC")
    assert is_limit or lasting == "IOC"
    order_type = "Limit" if is_limit else "Market"
    words: dict[str, Any] = {"side": SIDE_WORDS[effect.side], "timeInForce": lasting, "orderType": order_type}
    if category != "spot":
        words["reduceOnly"], words["positionIdx"] = flags & REDUCE_ONLY != 0, 0
    elif not is_limit:
        words["marketUnit"] = "baseCoin"  # a spot market order to buy would count in quote coins
    return words


def operation_of(effects: list[EventRow]) -> str:
    """Return the venue's word for what effects of one kind ask: create, amend or cancel."""
    return OPERATIONS[effects[0].kind]
