"""Own order ids as the venue keeps them (`orderLinkId`); must never give one order two texts or two orders one.

A link id is "mm" + run tag + "-" + order id, a whole number as logs, journals and `mm top` write it. The tag is of
the run, so that a retry repeats the text, a restart recognises its orders, and another run's are foreign.
"""

import hashlib
from collections.abc import Iterable

from mmfold.engine.limits import ORDER_ID_SEQ_SHIFT, SEQ_MAX

LINK_ID_CHARS_MAX = 36  # Bybit v5 docs, place order, orderLinkId: letters, digits, dashes, underscores
RUN_TAG_CHARS = 8
ORDER_ID_MAX = (SEQ_MAX << ORDER_ID_SEQ_SHIFT) - 1


def run_tag(run_id: str) -> str:
    """Return the tag of a run: the first hex digits of its id's sha256, because ids are free text."""
    return hashlib.sha256(run_id.encode()).hexdigest()[:RUN_TAG_CHARS]


def link_id_head(tag: str) -> str:
    """Return what the link ids of a run begin with; the order id follows."""
    assert len(tag) == RUN_TAG_CHARS
    return f"mm{tag}-"


def encode_link_id(tag: str, order_id: int) -> str:
    """Return the link id of an own order."""
    assert 0 <= order_id <= ORDER_ID_MAX
    return f"{link_id_head(tag)}{order_id}"


def parse_link_id(text: str, tag: str) -> int | None:
    """Return the own order id of a link id, or None when it is not one of this run."""
    head = link_id_head(tag)
    if len(text) > LINK_ID_CHARS_MAX or not text.startswith(head):
        return None
    tail = text[len(head) :]
    if not (tail.isascii() and tail.isdecimal()) or tail != str(int(tail)):
        return None
    return int(tail) if int(tail) <= ORDER_ID_MAX else None


def is_of_runs(text: str, run_ids: Iterable[str]) -> bool:
    """Tell whether a link id is of an order of one of some runs, of an older build (base 36 after the head) too."""
    return any(text.startswith(link_id_head(run_tag(run_id))) for run_id in run_ids)


assert len(encode_link_id("0" * RUN_TAG_CHARS, ORDER_ID_MAX)) <= LINK_ID_CHARS_MAX


def execution_number(text: str) -> int:
    """Return the number of an execution, `aux` of its FILL: 62 bits of the sha256 of the venue's id.

    The venue's ids are texts; of 10^8 fills two share a number with a chance of 1 in 900.
    """
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 2
