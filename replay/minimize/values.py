"""The last stages: levels within a message, keys of a configuration, values towards simple ones; must never change a
kind or an instrument.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from mmfold.engine.codes import PAYLOAD_KINDS, EventKind, Flag
from mmfold.engine.core import config_payload
from mmfold.engine.limits import NS_PER_MS, NS_PER_S
from mmfold.engine.params import ConfigPayloadError, parse_config
from mmfold.engine.payload import PayloadError, payload_bytes, payload_rows
from mmfold.engine.records import NO_ORDER_ID, NO_PRICE_TICKS, NO_TS_NS, NO_VALUE
from mmfold.replay.minimize.books import emptied
from mmfold.replay.minimize.candidate import Candidate
from mmfold.replay.minimize.reduce import reduce_elements
from mmfold.replay.minimize.session import Change, Session

K = EventKind
LEVELS = (K.BOOK_SNAPSHOT, K.BOOK_DELTA)
BOOKS = (*LEVELS, K.BBO)
HAVE_QTY = (*LEVELS, K.TRADE, K.FILL)
TIME_STEPS_NS = (NS_PER_S, 100 * NS_PER_MS, NS_PER_MS)
PRICE_STEPS_TICKS = (10_000, 1_000, 100, 10)
VALUED_EVENT_COUNT_MAX = 400  # of a candidate whose values are tried


def event_of(session: Session, seq: int) -> int:
    """Return where an event of the best candidate is, -1 when it is gone."""
    seqs = session.best.first["seq"]
    place = int(np.searchsorted(seqs, seq))
    return place if place < len(seqs) and seqs[place] == seq else -1


def with_event(session: Session, seq: int, rows: np.ndarray) -> Change | None:
    """Return the best candidate with one event's rows replaced, None where they are what they were."""
    place = event_of(session, seq)
    if place < 0 or session.best.event(place).tobytes() == rows.tobytes():
        return None
    return session.change(session.best.replaced({place: rows}), place)


def reduce_levels(session: Session) -> None:
    """Take levels out of messages."""
    for seq in seqs_of(session, LEVELS):
        place = event_of(session, seq)
        if place < 0:
            continue
        rows = session.best.event(place)
        if len(rows) > 1 or rows["price_ticks"][0] != NO_PRICE_TICKS:
            reduce_elements(session, list(range(len(rows))), level_dropper(session, seq, rows))


def level_dropper(session: Session, seq: int, rows: np.ndarray) -> Callable[[Sequence[int]], Change | None]:
    """Return what takes levels out of one message; it remembers which are left."""
    before = rows.copy()

    def without(levels: Sequence[int]) -> Change | None:
        place = event_of(session, seq)
        if place < 0:
            return None
        now = session.best.event(place)
        gone = {(int(before["side"][level]), int(before["price_ticks"][level])) for level in levels}
        keep = [(int(row["side"]), int(row["price_ticks"])) not in gone for row in now]
        return None if all(keep) else with_event(session, seq, with_levels(now, np.array(keep)))

    return without


def with_levels(rows: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Return a message with some of its levels."""
    if not keep.any():
        return emptied(rows)
    found = rows[keep]
    found["flags"] &= ~np.uint16(Flag.LAST)
    found["flags"][-1] |= Flag.LAST
    return found


def seqs_of(session: Session, kinds: Sequence[int]) -> list[int]:
    """Return the seqs of the best candidate's events of some kinds, the last first."""
    first = session.best.first
    found: list[int] = first["seq"][np.isin(first["kind"], kinds)][::-1].tolist()
    return found


def reduce_config(session: Session) -> None:
    """Take keys out of CONFIG events: an absent one means the behaviour before it existed."""
    for seq in seqs_of(session, (K.CONFIG,)):
        place = event_of(session, seq)
        try:
            document = parse_config(payload_bytes(session.best.event(place)))
        except (PayloadError, ConfigPayloadError):
            continue
        keys = list(keys_of(document))

        def without(part: Sequence[tuple[str, ...]], seq: int = seq) -> Change | None:
            place = event_of(session, seq)
            if place < 0:
                return None
            left = without_keys(parse_config(payload_bytes(session.best.event(place))), part)
            return with_event(session, seq, payload_rows(K.CONFIG, seq, config_payload(left)))

        reduce_elements(session, keys, without)


def keys_of(document: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the paths of a CONFIG document's values."""
    for section, groups in sorted(document.items()):
        if not isinstance(groups, dict):
            yield (section,)
            continue
        for group, values in sorted(groups.items()):
            yield from ((section, group, name) for name in sorted(values))


def without_keys(document: dict[str, Any], gone: Sequence[tuple[str, ...]]) -> dict[str, Any]:
    """Return a CONFIG document without some values; a group that has none left goes too."""
    dropped, found = set(gone), {}
    for section, groups in document.items():
        if not isinstance(groups, dict):
            if (section,) not in dropped:
                found[section] = groups
            continue
        left = {
            group: {name: value for name, value in values.items() if (section, group, name) not in dropped}
            for group, values in groups.items()
        }
        left = {group: values for group, values in left.items() if values}
        if left:
            found[section] = left
    return found


def simplify(session: Session) -> None:
    """Try simpler values, all events at once and then one by one."""
    if len(session.best) > VALUED_EVENT_COUNT_MAX:
        return
    for change in (plain_numbers, plain_stamps, shifted_times):
        session.try_one(whole(session, change))
    for seq in session.best.first["seq"].tolist()[::-1]:
        place = event_of(session, seq)
        if place < 0 or session.best.first["kind"][place] in PAYLOAD_KINDS:
            continue
        for choices in (quantities, prices, times):
            place = event_of(session, seq)
            if place >= 0:
                session.first_failing([with_event(session, seq, rows) for rows in choices(session.best, place)])


def whole(session: Session, change: Callable[[Candidate], np.ndarray]) -> Change | None:
    """Return the best candidate with all rows changed, None where they are what they were."""
    rows = change(session.best)
    if rows.tobytes() == session.best.rows.tobytes():
        return None
    return Change(Candidate(rows, session.best.bounds), session.best.lead)


def of_market(rows: np.ndarray) -> np.ndarray:
    """Return a mask of rows that are no payload."""
    found: np.ndarray = ~np.isin(rows["kind"], PAYLOAD_KINDS)
    return found


def plain_numbers(candidate: Candidate) -> np.ndarray:
    """Return rows whose book messages have no number of the venue."""
    rows = candidate.rows.copy()
    rows["aux"][np.isin(rows["kind"], BOOKS)] = NO_VALUE
    rows["order_id"][rows["kind"] == K.BOOK_DELTA] = NO_ORDER_ID
    return rows


def plain_stamps(candidate: Candidate) -> np.ndarray:
    """Return rows that happened when they were received."""
    rows = candidate.rows.copy()
    is_stamped = of_market(rows) & (rows["ts_receive_ns"] != NO_TS_NS) & (rows["ts_exchange_ns"] != NO_TS_NS)
    rows["ts_exchange_ns"][is_stamped] = rows["ts_receive_ns"][is_stamped]
    return rows


def shifted_times(candidate: Candidate) -> np.ndarray:
    """Return rows whose first time is within the first second of its UTC day's first hour of 1970."""
    rows = candidate.rows.copy()
    is_market = of_market(rows)
    known = rows["ts_receive_ns"][is_market & (rows["ts_receive_ns"] != NO_TS_NS)]
    if len(known):
        shift = int(known.min()) // NS_PER_S * NS_PER_S
        for name in ("ts_receive_ns", "ts_exchange_ns"):
            moved = is_market & (rows[name] != NO_TS_NS) & (rows[name] >= shift)
            rows[name][moved] -= shift
    return rows


def quantities(candidate: Candidate, place: int) -> Iterator[np.ndarray]:
    """Yield an event with sizes of one lot."""
    rows = candidate.event(place)
    if rows["kind"][0] in HAVE_QTY:
        found = rows.copy()
        found["qty_lots"][found["qty_lots"] > 1] = 1
        yield found


def prices(candidate: Candidate, place: int) -> Iterator[np.ndarray]:
    """Yield an event with rounder prices, the roundest first."""
    rows = candidate.event(place)
    if rows["kind"][0] in HAVE_QTY:
        for step in PRICE_STEPS_TICKS:
            found = rows.copy()
            has_price = (found["price_ticks"] != NO_PRICE_TICKS) & (found["price_ticks"] >= step)
            found["price_ticks"][has_price] = found["price_ticks"][has_price] // step * step
            keys = {(int(row["side"]), int(row["price_ticks"])) for row in found}
            if len(keys) == len(found):  # two levels would become one
                yield found


def times(candidate: Candidate, place: int) -> Iterator[np.ndarray]:
    """Yield an event with rounder times, the roundest first."""
    rows = candidate.event(place)
    ts_ns = int(rows["ts_receive_ns"][0])
    if ts_ns == NO_TS_NS:
        return
    for step in TIME_STEPS_NS:
        found = rows.copy()
        for name in ("ts_receive_ns", "ts_exchange_ns"):
            known = found[name] != NO_TS_NS
            found[name][known] = found[name][known] // step * step
        yield found
