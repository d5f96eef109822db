"""PLACE, AMEND and CANCEL effects as the venue's requests, by WebSocket or REST; must never round or send a float.

An AMEND asks for the whole size: what is filled so far plus what is to remain, so that a fill on its way cannot add to
the order (docs/data.md, AMEND). A request names an order by its link id alone: it can leave before the venue's id is
known.
Source: Bybit v5 docs: place, amend, cancel, cancel all, batch place, batch amend, batch cancel; websocket trade
guideline.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import orjson

from mmfold.adapters.importers.table import Listing
from mmfold.adapters.venues.bybit.signing import RECV_WINDOW_MS, post_request
from mmfold.adapters.venues.ledger import OrderLedger
from mmfold.adapters.venues.link_ids import LINK_ID_CHARS_MAX, link_id_head
from mmfold.adapters.venues.listing import category_of, list_manifest
from mmfold.adapters.venues.order_port import Run
from mmfold.adapters.venues.port import RestRequest
from mmfold.engine.codes import EventKind
from mmfold.engine.manifest import Manifest
from mmfold.engine.records import EVENT, I8, record
from mmfold.journal.jsonl.decimals import DECIMAL_CHAR_COUNT_MAX
from mmfold.journal.log.rows import plain_rows

BATCH_COUNT_MAX = 10  # orders of one batch request: the least of the venue's limits over its categories
REQUEST_ID_CHARS_MAX = 36
PLACE = int(EventKind.PLACE)
ORDER_PATH = "/v5/order/"
OPERATIONS = {
    PLACE: ("create", "create-batch"),
    int(EventKind.AMEND): ("amend", "amend-batch"),
    int(EventKind.CANCEL): ("cancel", "cancel-batch"),
}  # of one order, of several
SOCKET_MESSAGE = (
    '{"reqId":"%s","header":{"X-BAPI-TIMESTAMP":"%d","X-BAPI-RECV-WINDOW":"%d"},"op":"order.%s","args":[%s]}'
)
CATEGORIES = ("linear", "inverse", "spot")
HEAD_BYTES_MAX = 256  # every character of a symbol may need an escape
CATEGORY_BYTES_MAX = 32
ORDER_BYTES_MAX = HEAD_BYTES_MAX + LINK_ID_CHARS_MAX + 2 * DECIMAL_CHAR_COUNT_MAX + 160  # what a PLACE says of itself
FORM = record(
    HEAD_BYTES_MAX + CATEGORY_BYTES_MAX + 8 * 8,
    [
        ("head", "u1", (HEAD_BYTES_MAX,)),  # an order's JSON from the symbol up to the order id in its link id
        ("category_head", "u1", (CATEGORY_BYTES_MAX,)),  # a request's JSON up to its orders
        ("head_bytes", I8),
        ("category_head_bytes", I8),
        ("tick_mantissa", I8),
        ("tick_exponent", I8),
        ("lot_mantissa", I8),
        ("lot_exponent", I8),
        ("category", I8),  # of CATEGORIES
        ("is_spot", I8),
    ],
)


class RequestEncoder:
    """Effects to request bytes; what is placed is noted in the ledger before it leaves. Compiled when it is made."""

    operations: Mapping[int, tuple[str, str]] = OPERATIONS
    batch_count_max = BATCH_COUNT_MAX

    def __init__(self, manifest: Manifest, ledger: OrderLedger, recv_window_ms: int = RECV_WINDOW_MS) -> None:
        from mmfold.adapters.venues.bybit.request_kernel import encode_run  # only here: it loads numba

        self.encode_run = encode_run
        listings = tuple(list_manifest(manifest).listings.values())
        self.forms = np.concatenate([make_form(listing, ledger.tag) for listing in listings])
        self.out = np.zeros(CATEGORY_BYTES_MAX + BATCH_COUNT_MAX * (ORDER_BYTES_MAX + 2) + 32, np.uint8)
        self.out_bytes = self.out.data
        self.ledger = ledger
        self.recv_window_ms = recv_window_ms
        encode_run(SAMPLE, 0, self.forms, self.out)

    def split(self, effects: np.ndarray) -> Iterator[Run]:
        """Yield effects as runs that one request can carry, in their order: a cancel that comes first leaves first."""
        if effects.flags.writeable:
            effects = np.frombuffer(effects.tobytes(), EVENT)  # one kind of array: the kernel is compiled once
        start, count = 0, len(effects)
        while start < count:
            end, size = self.encode_run(effects, start, self.forms, self.out)
            asked = effects if end - start == count else effects[start:end]
            kind: int = asked["kind"].item(0)
            operation = OPERATIONS[kind][end - start > 1]
            run = Run(asked, operation, str(self.out_bytes[:size], "ascii"))
            if kind == PLACE:
                for row in plain_rows(asked):
                    self.ledger.note_placed(row.order_id, row.price_ticks, row.qty_lots)
            yield run
            start = end

    def encode_socket(self, run: Run, request_id: str, ts_ms: int) -> bytes:
        """Return the order-entry message of a run: a batch where it has several orders.

        Units:  ts_ms is our clock corrected to the venue's; `request_id` must be new and plain.
        """
        assert 0 < len(request_id) <= REQUEST_ID_CHARS_MAX and ts_ms > 0
        return (SOCKET_MESSAGE % (request_id, ts_ms, self.recv_window_ms, run.operation, run.body)).encode()

    def encode_rest(self, run: Run) -> RestRequest:
        """Return the REST request of a run: a batch where it has several orders."""
        return RestRequest("POST", f"{ORDER_PATH}{run.operation}", body=run.body.encode(), private=True)


def request_cancel(category: str, symbol: str, venue_order_id: str) -> RestRequest:
    """Return the request that cancels one order by the venue's id, whoever placed it."""
    return post_request(f"{ORDER_PATH}cancel", {"category": category, "symbol": symbol, "orderId": venue_order_id})


def request_cancel_all(symbol: str = "", category: str = "linear", settle_coin: str = "") -> RestRequest:
    """Return the request that cancels every order of a symbol, or of all that settle in a coin, ours or not."""
    assert bool(symbol) != bool(settle_coin) or category == "spot"
    body = {"category": category, "symbol": symbol, "settleCoin": settle_coin}
    return post_request(f"{ORDER_PATH}cancel-all", {key: value for key, value in body.items() if value})


def request_dead_man(window_s: int) -> RestRequest:
    """Return the request that has the venue cancel all derivatives orders when we are gone for so long.

    Source: Bybit v5 docs, "Set Disconnect Cancel All" and the private websocket topic dcp.
    """
    body = {"product": "DERIVATIVES", "timeWindow": window_s}
    return post_request(f"{ORDER_PATH}disconnected-cancel-all", body)


def make_form(listing: Listing, tag: str) -> np.ndarray:
    """Return what the kernel writes and counts in for an instrument's orders.

    Shape: one FORM.
    """
    form, category = np.zeros(1, FORM), category_of(listing)
    order = orjson.dumps({"symbol": listing.symbol, "orderLinkId": link_id_head(tag)})
    for name, text in (("head", order[1 : -len('"}')]), ("category_head", b'{"category":"%b",' % category.encode())):
        form[name][0, : len(text)] = np.frombuffer(text, np.uint8)
        form[f"{name}_bytes"] = len(text)
    form["tick_mantissa"], form["tick_exponent"] = listing.tick
    form["lot_mantissa"], form["lot_exponent"] = listing.lot
    form["category"], form["is_spot"] = CATEGORIES.index(category), category == "spot"
    return form


def sample() -> np.ndarray:
    """Return a CANCEL, for the kernel to be compiled with."""
    row = np.zeros(1, EVENT)
    row["kind"] = EventKind.CANCEL
    return np.frombuffer(row.tobytes(), EVENT)


SAMPLE = sample()
