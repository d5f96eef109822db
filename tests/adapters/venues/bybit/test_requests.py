"""Effects to request bytes and back: what the venue reads is what was decided, to the digit."""

from decimal import Decimal

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfold.adapters.venues.bybit.requests import BATCH_COUNT_MAX, RequestEncoder, request_cancel_all
from mmfold.adapters.venues.link_ids import ORDER_ID_MAX, encode_link_id, parse_link_id
from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.limits import PRICE_TICKS_MAX, QTY_LOTS_MAX
from mmfold.engine.manifest import Instrument, Manifest
from mmfold.engine.records import EVENT, NO_PRICE_TICKS
from tests.adapters.venues.bybit.words import MANIFEST, OWN, OWN_B, RUN_ID, effect, ledger, link

K = EventKind
OWN_S = 9 << 16 | 2 << 6
LINEAR = {"category": "linear", "symbol": "A", "orderLinkId": link()}
PLACE = LINEAR | {"qty": "0.01", "price": "100", "orderType": "Limit", "reduceOnly": False, "positionIdx": 0}
SPOT = {"category": "spot", "symbol": "S", "orderLinkId": link(OWN_S), "qty": "0.00001"}
# effect | operation | the venue's words
WORDS = [
    (effect(K.PLACE, flags=Flag.POST_ONLY), "create", PLACE | {"side": "Buy", "timeInForce": "PostOnly"}),
    (effect(K.PLACE, side=Side.ASK), "create", PLACE | {"side": "Sell", "timeInForce": "GTC"}),
    (effect(K.PLACE, flags=Flag.IOC), "create", PLACE | {"side": "Buy", "timeInForce": "IOC"}),
    (effect(K.PLACE, flags=Flag.FOK), "create", PLACE | {"side": "Buy", "timeInForce": "FOK"}),
    (
        effect(K.PLACE, flags=Flag.POST_ONLY | Flag.REDUCE_ONLY),
        "create",
        PLACE | {"side": "Buy", "timeInForce": "PostOnly", "reduceOnly": True},
    ),
    (
        effect(K.PLACE, price_ticks=NO_PRICE_TICKS, flags=Flag.IOC | Flag.REDUCE_ONLY),
        "create",
        {key: value for key, value in PLACE.items() if key != "price"}
        | {"side": "Buy", "timeInForce": "IOC", "orderType": "Market", "reduceOnly": True},
    ),
    (
        effect(K.PLACE, OWN_S, price_ticks=1, flags=Flag.POST_ONLY),
        "create",
        SPOT | {"side": "Buy", "timeInForce": "PostOnly", "price": "0.01", "orderType": "Limit"},
    ),
    (
        effect(K.PLACE, OWN_S, price_ticks=NO_PRICE_TICKS, flags=Flag.IOC),
        "create",
        SPOT | {"side": "Buy", "timeInForce": "IOC", "orderType": "Market", "marketUnit": "baseCoin"},
    ),
    # The whole size: 3 lots are filled, 10 are to remain.
    (effect(K.AMEND, filled_lots=3), "amend", LINEAR | {"qty": "0.013", "price": "100"}),
    (effect(K.AMEND, filled_lots=0, price_ticks=1001), "amend", LINEAR | {"qty": "0.01", "price": "100.1"}),
    (effect(K.CANCEL), "cancel", LINEAR),
]


def encoder(book=None):
    return RequestEncoder(MANIFEST, book or ledger())


def by_socket(rows, request_id="r", ts_ms=1):
    encode = encoder()
    (run,) = encode.split(rows)
    return orjson.loads(encode.encode_socket(run, request_id, ts_ms))


def by_rest(rows):
    encode = encoder()
    (run,) = encode.split(rows)
    return encode.encode_rest(run)


@pytest.mark.parametrize(("row", "operation", "words"), WORDS)
def test_words(row, operation, words):
    assert by_socket(row, "r1", 1_700_000_000_000) == {
        "reqId": "r1",
        "header": {"X-BAPI-TIMESTAMP": "1700000000000", "X-BAPI-RECV-WINDOW": "5000"},
        "op": f"order.{operation}",
        "args": [words],
    }
    request = by_rest(row)
    assert (request.method, request.path, request.private) == ("POST", f"/v5/order/{operation}", True)
    assert orjson.loads(request.body) == words


def test_batches():
    rows = np.concatenate([effect(K.PLACE, OWN), effect(K.PLACE, OWN_B, Side.ASK, 201, 3)])
    (args,) = by_socket(rows)["args"]
    assert args["category"] == "linear" and [each["symbol"] for each in args["request"]] == ["A", "B"]
    assert (args["request"][1]["price"], args["request"][1]["qty"]) == ("100.5", "30")
    assert all("category" not in each for each in args["request"])
    request = by_rest(rows)
    assert request.path == "/v5/order/create-batch" and orjson.loads(request.body) == args
    assert by_socket(rows)["op"] == "order.create-batch"


SPLITS = [
    ([K.CANCEL, K.PLACE], [1, 1]),
    ([K.PLACE, K.CANCEL, K.CANCEL, K.PLACE, K.PLACE], [1, 2, 2]),
    ([K.CANCEL] * (BATCH_COUNT_MAX + 1), [BATCH_COUNT_MAX, 1]),
    ([], []),
]


@pytest.mark.parametrize(("kinds", "counts"), SPLITS)
def test_split_keeps_the_order(kinds, counts):
    rows = np.concatenate([np.empty(0, EVENT), *(effect(kind, OWN + 64 * 0 + i) for i, kind in enumerate(kinds))])
    runs = list(encoder().split(rows))
    assert [len(run.effects) for run in runs] == counts
    assert b"".join(run.effects.tobytes() for run in runs) == rows.tobytes()


def test_split_by_category():
    rows = np.concatenate([effect(K.CANCEL, OWN), effect(K.CANCEL, OWN_S)])
    assert [len(run.effects) for run in encoder().split(rows)] == [1, 1]


def test_cancel_all():
    assert orjson.loads(request_cancel_all("A").body) == {"category": "linear", "symbol": "A"}
    request = request_cancel_all(settle_coin="USDT")
    assert orjson.loads(request.body) == {"category": "linear", "settleCoin": "USDT"}
    assert request.path == "/v5/order/cancel-all"


def test_a_retry_repeats_the_link_id_and_another_run_has_its_own():
    first, again = (orjson.loads(by_rest(effect(K.PLACE)).body) for _ in range(2))
    assert first == again and parse_link_id(first["orderLinkId"], ledger().tag) == OWN


@pytest.mark.parametrize("index", range(3))
@given(price=st.integers(1, PRICE_TICKS_MAX), qty=st.integers(1, QTY_LOTS_MAX), filled=st.integers(0, 1 << 20))
def test_decimals_are_exact(index, price, qty, filled):
    instrument = MANIFEST.instruments[index]
    row = effect(K.AMEND, 9 << 16 | index << 6, price_ticks=price, qty_lots=qty, filled_lots=filled)
    words = orjson.loads(by_rest(row).body)
    assert Decimal(words["price"]) == price * Decimal(instrument.tick_size)
    assert Decimal(words["qty"]) == (qty + filled) * Decimal(instrument.lot_size)
    assert "e" not in (words["price"] + words["qty"]).lower()


@given(order_id=st.integers(0, ORDER_ID_MAX) | st.integers(0, 40_000))
def test_the_order_id_is_the_link_ids(order_id):
    index = order_id >> 6 & 1023
    row = effect(K.CANCEL, order_id)
    row["instrument_index"] = index % 2
    assert orjson.loads(by_rest(row).body)["orderLinkId"] == encode_link_id(ledger().tag, order_id)


def test_a_symbol_is_escaped():
    odd = 'A"\\' + '"' * 29  # all that a manifest takes and JSON escapes
    instrument = Instrument(symbol=odd, venue="bybit", contract="inverse", tick_size="0.5", lot_size="1")
    encode = RequestEncoder(Manifest(run_id=RUN_ID, instruments=(instrument,)), ledger())
    long = effect(K.PLACE, ORDER_ID_MAX, price_ticks=PRICE_TICKS_MAX, qty_lots=QTY_LOTS_MAX)
    long["instrument_index"] = 0
    (run,) = encode.split(np.repeat(long, BATCH_COUNT_MAX))
    (args,) = orjson.loads(encode.encode_socket(run, "r", 1))["args"]
    assert args["category"] == "inverse" and {each["symbol"] for each in args["request"]} == {odd}
    assert len(run.body) <= len(encode.out)


BROKEN = [
    effect(K.PLACE, qty_lots=0),
    effect(K.PLACE, price_ticks=0),
    effect(K.PLACE, price_ticks=-5),
    effect(K.AMEND, filled_lots=-1),
    effect(K.PLACE, price_ticks=NO_PRICE_TICKS, flags=Flag.POST_ONLY),
    effect(K.PLACE, side=Side.NONE),
    effect(K.AMEND, price_ticks=10**18),
    effect(K.ALERT),
    effect(K.CANCEL, 9 << 16 | len(MANIFEST.instruments) << 6),
    np.concatenate([effect(K.CANCEL), effect(K.CANCEL, 9 << 16 | 1000 << 6)]),
]


@pytest.mark.parametrize("row", BROKEN)
def test_what_may_not_be_asked_for(row):
    with pytest.raises(AssertionError):
        list(encoder().split(row))
