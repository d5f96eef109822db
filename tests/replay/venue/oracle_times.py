"""When the oracle's venue sees what the recording tells."""

from dataclasses import replace

from mmfold.engine.codes import EventKind
from tests.replay.venue.scenario import STREAM, Happening

MARKET = (*STREAM, EventKind.TRADE, EventKind.MARK)


def shift_of(market: tuple[Happening, ...]) -> int:
    """Return what makes the lowest feed latency zero if it is negative."""
    low = min(one.receive_ns - one.exchange_ns for one in market if one.exchange_ns is not None and one.kind in MARKET)
    return max(0, -low)


def venue_times(market: tuple[Happening, ...], shift_ns: int, by_order: bool) -> list[tuple[int, Happening]]:
    """Return the venue's events in its order: by exchange time, but one book's messages in their stream's order."""
    timed, book_ns = [], {}
    for one in market:
        if one.kind in MARKET and (by_order or one.kind != EventKind.BOOK_ORDER):
            if one.exchange_ns is None:  # then it happened when it was received
                one = replace(one, exchange_ns=one.receive_ns + shift_ns)
            ts_ns = one.exchange_ns
            if one.kind in STREAM:
                ts_ns = book_ns[one.instrument] = max(ts_ns, book_ns.get(one.instrument, ts_ns))
            timed.append((ts_ns, one))
    return sorted(timed, key=lambda pair: pair[0])
