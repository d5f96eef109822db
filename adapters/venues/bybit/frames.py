"""One received frame as JSON, and what is no market data in it; must never do I/O and never read a clock.

Source: Bybit v5 docs, websocket connect.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmfold.adapters.importers.outcome import PassedOverError, RefusedError
from mmfold.adapters.venues.port import Control, ControlKind, MalformedFrame

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
