"""A small market, a run, and the venue's words for what happens in it; all made here."""

import numpy as np
import orjson

from mmfold.adapters.venues.bybit.private import PrivateParser
from mmfold.adapters.venues.bybit.public import PublicParser
from mmfold.adapters.venues.ledger import OrderLedger
from mmfold.adapters.venues.link_ids import encode_link_id
from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.manifest import Instrument, Manifest
from mmfold.engine.records import EVENT, NO_ORDER_ID, NO_PRICE_TICKS, NO_TS_NS, NO_VALUE
from mmfold.journal.jsonl.fields import scales_of
from mmfold.journal.log.canonical import check_canonical

RUN_ID = "live-2026-11-20"
MANIFEST = Manifest(
    run_id=RUN_ID,
    instruments=(
        Instrument(symbol="A", venue="bybit", tick_size="0.10", lot_size="0.001"),
        Instrument(symbol="B", venue="bybit", tick_size="0.5", lot_size="10"),
        Instrument(symbol="S", venue="bybit", contract="spot", tick_size="0.01", lot_size="0.000001"),
    ),
)
TS = 1_700_000_000_000_000_000
OWN = 5 << 16 | 3  # an order of instrument A
OWN_B = 6 << 16 | 1 << 6 | 2


def ledger():
    return OrderLedger(RUN_ID)


def public():
    return PublicParser(MANIFEST)


def private(book=None):
    return PrivateParser(MANIFEST, book or ledger())


def link(order_id=OWN):
    return encode_link_id(ledger().tag, order_id)


def frame(topic, data, cts=None, **more):
    """A frame with its keys in the venue's order."""
    return orjson.dumps({"topic": topic, **more, "data": data} | ({} if cts is None else {"cts": cts}))


def order(status="New", price="100.0", qty="0.010", filled="0", **more):
    entry = {"symbol": "A", "orderId": "v-1", "orderLinkId": link(), "side": "Buy", "orderStatus": status}
    entry |= {"price": price, "qty": qty, "cumExecQty": filled, "orderType": "Limit", "updatedTime": "1700000000001"}
    return entry | {"cancelType": "UNKNOWN", "rejectReason": "EC_NoError"} | more


def execution(number="e-1", qty="0.004", price="100.0", **more):
    entry = {"symbol": "A", "orderId": "v-1", "orderLinkId": link(), "side": "Buy", "execId": number}
    entry |= {"execPrice": price, "execQty": qty, "execTime": "1700000000002", "isMaker": True, "execType": "Trade"}
    return entry | more


def effect(kind, order_id=OWN, side=Side.BID, price_ticks=1000, qty_lots=10, filled_lots=NO_VALUE, flags=0):
    index = order_id >> 6 & 1023
    row = (7, NO_TS_NS, TS, price_ticks, qty_lots, order_id, filled_lots, kind, side, flags | Flag.LAST, index, 1)
    return np.array([row], EVENT)


def short(rows):
    """(kind, price, qty, order_id, aux, code) of each row, absent fields as None; every row is checked as canonical."""
    if len(rows):
        stamped = rows.copy()
        stamped["seq"] = np.cumsum([1, *(rows["flags"][:-1] & Flag.LAST)])
        check_canonical(stamped, scales_of(MANIFEST))
    absent = {NO_PRICE_TICKS: None, NO_ORDER_ID: None, NO_VALUE: None}
    names = ("price_ticks", "qty_lots", "order_id", "aux", "code")
    return [
        (EventKind(row["kind"]).name, *(absent.get(int(row[name]), int(row[name])) for name in names)) for row in rows
    ]
