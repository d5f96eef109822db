"""Own order ids as the venue keeps them (`orderLinkId`); must never give one order two texts or two orders one.

A link id is "mm" + run tag + "-" + order id in base 36. The tag is of the run, so that a retry repeats the text, a
restart recognises its orders, and another run's orders on the same account are foreign.
"""

import hashlib
from functools import lru_cache
from string import ascii_lowercase, digits

from engine.limits import ORDER_ID_SEQ_SHIFT, SEQ_MAX

LINK_ID_CHARS_MAX = 36  # Bybit v5 docs, place order, orderLinkId: letters, digits, dashes, underscores
RUN_TAG_CHARS = 8
ORDER_ID_MAX = (SEQ_MAX << ORDER_ID_SEQ_SHIFT) - 1
BASE36 = digits + ascii_lowercase
PAIRS = [first + second for first in BASE36 for second in BASE36]  # two digits at a time: a link id is made per request


def encode_base36(value: int) -> str:
    """Return a whole number in base 36, without leading zeros."""
    assert value >= 0
    text = ""
    while value:
        value, pair = divmod(value, len(PAIRS))
        text = PAIRS[pair] + text
    return text.lstrip("0") or "0"


def run_tag(run_id: str) -> str:
    """Return the tag of a run: the first hex digits of its id's sha256, because ids are free text."""
    return hashlib.sha256(run_id.encode()).hexdigest()[:RUN_TAG_CHARS]


@lru_cache(1 << 9)  # an order is named again by each request about it
def encode_link_id(tag: str, order_id: int) -> str:
    """Return the link id of an own order."""
    assert len(tag) == RUN_TAG_CHARS and 0 <= order_id <= ORDER_ID_MAX
    return f"mm{tag}-{encode_base36(order_id)}"


def parse_link_id(text: str, tag: str) -> int | None:
    """Return the own order id of a link id, or None when it is not one of this run."""
    if len(text) > LINK_ID_CHARS_MAX or not text.startswith(f"mm{tag}-"):
        return None
    tail = text[len(tag) + 3 :]
    if not tail or not set(tail) <= set(BASE36):
        return None
    order_id = int(tail, 36)
    return order_id if order_id <= ORDER_ID_MAX and encode_base36(order_id) == tail else None


assert len(encode_link_id("0" * RUN_TAG_CHARS, ORDER_ID_MAX)) <= LINK_ID_CHARS_MAX


def execution_number(text: str) -> int:
    """Return the number of an execution, `aux` of its FILL: 62 bits of the sha256 of the venue's id.

    The venue's ids are texts; of 10^8 fills two share a number with a chance of 1 in 900.
    """
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 2
