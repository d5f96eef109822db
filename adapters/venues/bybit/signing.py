"""Signatures of Bybit v5: REST requests and the WebSocket's auth; must never keep, print or copy a secret.

Source: Bybit v5 docs, "Authentication" of the integration guide and of the websocket connect page.
"""

import hashlib
import hmac
from collections.abc import Mapping

import orjson

from mmfold.adapters.venues.port import Credentials, RestRequest, Revealable

RECV_WINDOW_MS = 5_000
UNSAFE_IN_QUERY = ' #?"\\'


def get_request(path: str, values: Mapping[str, object], private: bool = False) -> RestRequest:
    """Return a GET request; values that are None or empty are left out.

    Values stand as they are: a cursor comes from the venue with its own percent signs and goes back so.
    """
    query = "&".join(f"{key}={value}" for key, value in values.items() if value not in (None, ""))
    assert query.isascii() and query.isprintable() and not set(query) & set(UNSAFE_IN_QUERY)
    return RestRequest("GET", path, query=query, private=private)


def post_request(path: str, body: Mapping[str, object]) -> RestRequest:
    """Return a signed POST request with a JSON body."""
    return RestRequest("POST", path, body=orjson.dumps(body), private=True)


def sign(secret: Revealable, text: bytes) -> str:
    """Return the HMAC-SHA256 of a text in hex."""
    return hmac.new(secret.reveal().encode(), text, hashlib.sha256).hexdigest()


def sign_rest(
    request: RestRequest, keys: Credentials, ts_ms: int, recv_window_ms: int = RECV_WINDOW_MS
) -> dict[str, str]:
    """Return the headers of a request; of a public one only its content type.

    Units: ts_ms is our clock corrected to the venue's; it takes `server - recv_window <= ts < server + 1000`.
    """
    headers = {"Content-Type": "application/json"} if request.body else {}
    if not request.private:
        return headers
    assert ts_ms > 0 and recv_window_ms > 0
    api_key = keys.api_key.reveal()
    payload = request.body if request.method == "POST" else request.query.encode()
    headers["X-BAPI-API-KEY"] = api_key
    headers["X-BAPI-TIMESTAMP"] = str(ts_ms)
    headers["X-BAPI-RECV-WINDOW"] = str(recv_window_ms)
    headers["X-BAPI-SIGN"] = sign(keys.api_secret, f"{ts_ms}{api_key}{recv_window_ms}".encode() + payload)
    return headers


def encode_auth(keys: Credentials, expires_ms: int, request_id: str = "") -> bytes:
    """Return the auth message of a private or order-entry WebSocket.

    Units: expires_ms is a time of the venue's clock, a little ahead of now.
    """
    assert expires_ms > 0
    args = [keys.api_key.reveal(), expires_ms, sign(keys.api_secret, f"GET/realtime{expires_ms}".encode())]
    message: dict[str, object] = {"op": "auth", "args": args}
    if request_id:
        # The order-entry stream reads reqId, the private one req_id; each passes over the other.
        message |= {"req_id": request_id, "reqId": request_id}
    return orjson.dumps(message)


def encode_subscribe(topics: tuple[str, ...], request_id: str = "", op: str = "subscribe") -> bytes:
    """Return a subscribe or unsubscribe message."""
    assert topics and op in ("subscribe", "unsubscribe")
    message: dict[str, object] = {"op": op, "args": list(topics)}
    return orjson.dumps(message | ({"req_id": request_id} if request_id else {}))


def encode_ping(request_id: str = "") -> bytes:
    """Return the heartbeat message, due every 20 s.

    Source: Bybit v5 docs, websocket connect, "How to send the heartbeat packet".
    """
    return orjson.dumps({"op": "ping"} | ({"req_id": request_id} if request_id else {}))
