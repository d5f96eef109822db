"""One received frame as JSON, and what is no market data in it; must never do I/O and never read a clock.

Errors:
    MalformedFrame    bytes that are not what the venue says it sends: the reason, and the bytes themselves
Results that carry no rows:
    Control           the connection's own talk: pong, the answers to auth, subscribe and unsubscribe
    Ignored           understood and not needed; `what` says what it was
"""

import enum
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from mmfold.adapters.importers.outcome import PassedOverError, RefusedError

# 200 levels a side are 10 kB, the list of all linear instruments is 600 kB.
FRAME_BYTES_MAX = 4 << 20


class MalformedFrame(Exception):
    """Bytes that cannot be understood; they are kept."""

    def __init__(self, reason: str, frame: bytes) -> None:
        super().__init__(reason)
        self.reason = reason
        self.frame = frame


class ControlKind(enum.Enum):
    """What a control frame answers."""

    PONG = "pong"
    AUTH = "auth"
    SUBSCRIBE = "subscribe"
    UNSUBSCRIBE = "unsubscribe"


@dataclass(frozen=True, slots=True)
class Control:
    """The venue's answer to a ping, an auth, a subscribe or an unsubscribe.

    `request_id` is empty where the request had none.
    """

    kind: ControlKind
    ok: bool
    request_id: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A frame that is understood and has no event in it."""

    what: str


CONTROL_KINDS = {
    "ping": ControlKind.PONG,  # the public streams answer a ping with op "ping", the others with "pong"
    "pong": ControlKind.PONG,
    "auth": ControlKind.AUTH,
    "subscribe": ControlKind.SUBSCRIBE,
    "unsubscribe": ControlKind.UNSUBSCRIBE,
}


@contextmanager
def keeping(frame: bytes) -> Iterator[None]:
    """Turn the refusal of an entry into one of the frame that it came in.

    Raises: MalformedFrame.
    """
    try:
        yield
    except (RefusedError, PassedOverError) as error:
        raise MalformedFrame(str(error), frame) from error


def load_object(frame: bytes) -> dict[str, Any]:
    """Return the JSON object that a frame is.

    Raises: MalformedFrame.
    """
    if len(frame) > FRAME_BYTES_MAX:
        raise MalformedFrame(f"{len(frame):,} bytes, at most {FRAME_BYTES_MAX:,}", frame)
    try:
        message = orjson.loads(frame)
    except orjson.JSONDecodeError as error:
        raise MalformedFrame(f"not JSON: {error}", frame) from error
    if type(message) is not dict:
        raise MalformedFrame("not a JSON object", frame)
    return message


def parse_control(message: dict[str, Any], frame: bytes) -> Control:
    """Return what a message without a topic says.

    Raises: MalformedFrame.
    Source: Bybit v5 docs, websocket connect and websocket trade guideline; option streams answer a subscribe with
            `type` COMMAND_RESP and the topics that failed.
    """
    op = message.get("op")
    if op is None and message.get("type") == "COMMAND_RESP":
        op = "subscribe"
    kind = CONTROL_KINDS.get(op) if type(op) is str else None
    if kind is None:
        raise MalformedFrame(f"neither a topic nor a control frame that is known (op {op!r})", frame)
    success, code, data = message.get("success"), message.get("retCode"), message.get("data")
    if type(success) is bool:
        ok = success
    elif type(code) is int:
        ok = code == 0
    elif op == "pong":  # the private stream's pong has neither
        ok = True
    else:
        raise MalformedFrame(f'answer to {op} without "success" or "retCode"', frame)
    if type(data) is dict and data.get("failTopics"):
        ok = False
    request_id = message.get("req_id", message.get("reqId", ""))
    text = message.get("ret_msg", message.get("retMsg", ""))
    if type(request_id) is not str or type(text) is not str:
        raise MalformedFrame(f"answer to {op} whose request id or message is no string", frame)
    return Control(kind, ok, request_id, text)
