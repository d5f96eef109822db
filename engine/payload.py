"""Variable payloads as rows of raw bytes; must never interpret what it carries."""

import numpy as np

from mmfold.engine.codes import PAYLOAD_KINDS, EventKind, Flag, Side
from mmfold.engine.limits import PAYLOAD_BYTES_MAX, PAYLOAD_ROW_BYTES
from mmfold.engine.records import EVENT, PAYLOAD


class PayloadError(ValueError):
    """Bytes or rows that cannot be a payload event."""


def payload_rows(kind: EventKind, seq: int, payload: bytes) -> np.ndarray:
    """Return the rows of one payload event.

    Shape:  EVENT rows, 48 payload bytes each, the last one flagged LAST; an empty payload is one row.
    Raises: PayloadError when the payload is longer than the limit.
    Source: docs/data.md 1.
    """
    assert kind in PAYLOAD_KINDS, kind
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise PayloadError(f"a payload of {len(payload):,} bytes, at most {PAYLOAD_BYTES_MAX:,}")
    row_count = max(1, -(-len(payload) // PAYLOAD_ROW_BYTES))
    padded = payload.ljust(row_count * PAYLOAD_ROW_BYTES, b"\0")
    rows = np.zeros(row_count, PAYLOAD)
    rows["seq"] = seq
    rows["payload"] = np.frombuffer(padded, np.uint8).reshape(row_count, PAYLOAD_ROW_BYTES)
    rows["kind"] = kind
    rows["side"] = Side.NONE
    rows["flags"][-1] = Flag.LAST
    rows["code"] = PAYLOAD_ROW_BYTES
    rows["code"][-1] = len(payload) - (row_count - 1) * PAYLOAD_ROW_BYTES
    return rows.view(EVENT)


def payload_bytes(rows: np.ndarray) -> bytes:
    """Return the payload that the rows of one event carry.

    Shape:  EVENT or PAYLOAD rows of one event, all of them.
    Raises: PayloadError when the rows are not the canonical rows of one payload event.
    """
    if not len(rows):
        raise PayloadError("a payload event has at least one row")
    view = np.ascontiguousarray(rows).view(PAYLOAD)
    payload = view["payload"].tobytes()[: (len(rows) - 1) * PAYLOAD_ROW_BYTES + int(view["code"][-1])]
    kind = int(view["kind"][0])
    if kind not in PAYLOAD_KINDS:
        raise PayloadError(f"kind {kind} carries no payload")
    # One canonical form: what is not exactly what the writer makes of these bytes is refused, unused bytes included.
    if payload_rows(EventKind(kind), int(view["seq"][0]), payload).tobytes() != view.tobytes():
        raise PayloadError(f"the payload rows of seq {int(view['seq'][0])} are not in canonical form")
    return payload
