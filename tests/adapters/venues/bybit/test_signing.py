"""Signatures against an independent client, and that a secret is revealed only into the signature."""

import hashlib
import hmac

import orjson
import pytest

from mmfold.adapters.venues.bybit.signing import (
    encode_auth,
    encode_ping,
    encode_subscribe,
    get_request,
    post_request,
    sign_rest,
)
from mmfold.adapters.venues.port import Credentials

TS_MS = 1_700_000_000_000


class Hidden:
    def __init__(self, value):
        self.value = value

    def reveal(self):
        return self.value

    def __repr__(self):
        return "***"


KEYS = Credentials(Hidden("key"), Hidden("secret"))
REQUESTS = [
    post_request("/v5/order/create", {"category": "linear", "symbol": "A", "qty": "0.1", "reduceOnly": False}),
    get_request("/v5/order/realtime", {"category": "linear", "symbol": "", "limit": 50}, private=True),
    get_request("/v5/order/realtime", {"category": "linear", "cursor": "page_args%3Dfd43%26x"}, private=True),
]


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: request.target)
def test_rest_headers_are_what_another_client_signs(request_):
    ccxt = pytest.importorskip("ccxt", reason="no ccxt: the extra `live` is not installed")
    client = ccxt.bybit({"apiKey": "key", "secret": "secret", "options": {"recvWindow": 5000}})
    client.nonce = lambda: TS_MS
    query = dict(pair.split("=", 1) for pair in request_.query.split("&")) if request_.query else {}
    values = orjson.loads(request_.body) if request_.body else query
    theirs = client.sign(request_.path[1:], ["private"], request_.method, values)
    ours = sign_rest(request_, KEYS, TS_MS)
    if request_.method == "GET":
        assert theirs["url"].endswith(request_.target)
        assert ours == {key: value for key, value in theirs["headers"].items() if key != "Content-Type"}
    else:  # the same JSON may be spaced otherwise: each signs its own bytes
        theirs_of_ours = hmac.new(b"secret", f"{TS_MS}key5000".encode() + request_.body, hashlib.sha256).hexdigest()
        named = {key: value for key, value in theirs["headers"].items() if key != "Referer"}
        assert ours == {**named, "X-BAPI-SIGN": theirs_of_ours}
        assert orjson.loads(theirs["body"]) == values


def test_a_public_request_is_not_signed():
    assert sign_rest(get_request("/v5/market/time", {}), KEYS, TS_MS) == {}


def test_signature_is_the_known_one():
    # HMAC-SHA256("secret", "1700000000000key5000category=linear"), by openssl dgst.
    request = get_request("/v5/order/realtime", {"category": "linear"}, private=True)
    assert sign_rest(request, KEYS, TS_MS)["X-BAPI-SIGN"] == KNOWN_SIGNATURE


KNOWN_SIGNATURE = bytes.fromhex("e6c3e971c517d999 338172674f1c633b 9016addf8f8c6323 72232076767b4c07").hex()


def test_socket_auth():
    message = orjson.loads(encode_auth(KEYS, TS_MS, "r1"))
    expected = hmac.new(b"secret", b"GET/realtime1700000000000", hashlib.sha256).hexdigest()
    assert message == {"op": "auth", "args": ["key", TS_MS, expected], "req_id": "r1", "reqId": "r1"}
    assert b"secret" not in encode_auth(KEYS, TS_MS) and "secret=***" in repr(KEYS)


def test_subscribe_and_ping():
    topics = ("orderbook.50.A", "publicTrade.A")
    assert orjson.loads(encode_subscribe(topics, "s1")) == {"op": "subscribe", "args": list(topics), "req_id": "s1"}
    assert orjson.loads(encode_subscribe(topics, op="unsubscribe"))["op"] == "unsubscribe"
    assert orjson.loads(encode_ping()) == {"op": "ping"}
