"""How Binance's WebSocket streams are subscribed; must never open one.

Nothing is due from us to keep a connection: the venue pings by frames of the WebSocket itself. An answer names the
number of the request that it answers, not its method: it counts as a subscribe's, the only one that we send.
Source: Binance USD-M futures docs, "Live Subscribing/Unsubscribing to streams", read 2026-11-30.
"""

import re
from collections.abc import Sequence
from typing import Any

import orjson

from mmfold.adapters.venues.frames import load_object
from mmfold.adapters.venues.port import Control, ControlKind, Credentials, MalformedFrame

# The venue cuts a connection that sends more than 10 messages a second, and refuses one of more than 4 kB.
TOPICS_PER_SUBSCRIBE = 50
MESSAGE_BYTES_MAX = 4_096
NUMBER = re.compile(r"[0-9]+")


class BinanceTalk:
    """The talk of the market streams."""

    topics_per_subscribe = TOPICS_PER_SUBSCRIBE

    def auth(self, keys: Credentials, expires_ms: int, request_id: str) -> bytes:
        """Never called: the market streams ask nobody who they are."""
        raise AssertionError("the market streams take no keys")

    def subscribe(self, topics: Sequence[str], request_id: str) -> bytes:
        """Return a subscribe message; its number is the one in our request id."""
        message = orjson.dumps({"method": "SUBSCRIBE", "params": list(topics), "id": number_of(request_id)})
        assert len(topics) <= TOPICS_PER_SUBSCRIBE and len(message) <= MESSAGE_BYTES_MAX
        return message

    def ping(self) -> None:
        """Return nothing: no heartbeat is due from us."""
        return

    def control(self, frame: bytes) -> Control | None:
        """Return the connection's talk in a frame, None for data.

        Raises: MalformedFrame.
        """
        return parse_control(load_object(frame), frame)


def number_of(request_id: str) -> int:
    """Return the number in a request id of ours: the venue takes nothing else."""
    found = NUMBER.search(request_id)
    assert found is not None, request_id
    return int(found.group())


def parse_control(message: dict[str, Any], frame: bytes) -> Control | None:
    """Return the answer that a message is, None for one of a stream.

    A refusal is `{"error": {"code", "msg"}, "id"}` or, in the older documents, the inner object alone.
    Raises: MalformedFrame.
    """
    if "stream" in message:
        return None
    number = message.get("id")
    request_id = str(number) if type(number) is int else ""
    if "result" in message and request_id:
        return Control(ControlKind.SUBSCRIBE, message["result"] is None, request_id)
    error = message.get("error", message)
    if isinstance(error, dict) and type(error.get("code")) is int and isinstance(error.get("msg"), str):
        return Control(ControlKind.SUBSCRIBE, False, request_id, f"{error['code']} {error['msg']}")
    raise MalformedFrame("neither of a stream nor an answer that is known", frame)
