"""Any venue's frame or answer as the JSON object that it has to be; must never take more than a bound."""

from typing import Any

import orjson

from mmfold.adapters.venues.port import FRAME_BYTES_MAX, MalformedFrame


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
