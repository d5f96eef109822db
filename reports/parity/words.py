"""Differences of two journals as a person reads them: where, then both sides; must never compare anything itself."""

import numpy as np

from mmfold.engine.codes import EventKind, Flag, Reason, Side
from mmfold.engine.limits import NS_PER_MS, NS_PER_S
from mmfold.engine.manifest import Instrument, Manifest
from mmfold.engine.records import NO_PRICE_TICKS, NO_TS_NS, NO_VALUE
from mmfold.replay.parity.compare import Difference
from mmfold.replay.parity.market import MarketDifference
from mmfold.replay.parity.session import DECISION_KINDS, NOT_PLACED, OwnEvent
from mmfold.reports.audit import enum_name, second_text
from mmfold.reports.money import fixed_text, instrument_units


def time_text(ts_ns: int) -> str:
    """Return a time as UTC text to the millisecond."""
    if ts_ns == NO_TS_NS:
        return "at no known time"
    return f"{second_text(ts_ns // NS_PER_S)[:-1]}.{ts_ns % NS_PER_S // NS_PER_MS:03d}Z"


def order_text(instrument: Instrument, price_ticks: int, qty_lots: int) -> str:
    """Return `price x size` as a person reads it."""
    units = instrument_units(instrument)
    price = fixed_text(price_ticks * units.tick, units.price_decimals)
    return f"{price} x {fixed_text(qty_lots * units.lot, units.qty_decimals)}"


def own_text(event: OwnEvent | None, manifest: Manifest) -> str:
    """Return one decision or answer as a line, `nothing` for none."""
    if event is None:
        return "nothing"
    instrument = manifest.instruments[event.instrument_index]
    words = [EventKind(event.kind).name, instrument.symbol, enum_name(Side, event.order_side)]
    if event.price_ticks != NO_PRICE_TICKS:
        words.append(order_text(instrument, event.price_ticks, event.qty_lots))
    notes = [f"order {event.order_number + 1:,}" if event.order_number != NOT_PLACED else "order placed elsewhere"]
    if event.kind in DECISION_KINDS:
        notes.append(enum_name(Reason, event.code))
    elif event.kind == EventKind.FILL:
        notes.append("maker" if event.flags & Flag.MAKER else "taker")
    elif event.code:
        notes.append(f"code {event.code}")
    return f"{' '.join(words)} ({', '.join(notes)})"


def market_text(row: np.void | None, manifest: Manifest) -> str:
    """Return one row of the market as a line, `the journal ends` for none."""
    if row is None:
        return "the journal ends"
    instrument = manifest.instruments[int(row["instrument_index"])]
    words = [f"seq {int(row['seq']):,} ", EventKind(int(row["kind"])).name, instrument.symbol]
    if row["side"] != Side.NONE:
        words.append(enum_name(Side, int(row["side"])))
    if row["price_ticks"] != NO_PRICE_TICKS:
        words.append(order_text(instrument, int(row["price_ticks"]), int(row["qty_lots"])))
    # What the two fields mean depends on the kind (docs/data.md); they are shown as they stand.
    numbers = [f"{name} {int(row[name])}" for name in ("aux", "order_id") if row[name] != NO_VALUE]
    return f"{' '.join(words)} ({', '.join(numbers)})" if numbers else " ".join(words)


def difference_lines(difference: Difference, manifest: Manifest) -> list[str]:
    """Return a difference as a person sees it: where, then both sides."""
    event = difference.event
    kind, index = event.market_event
    after = f"{EventKind(kind).name} {manifest.instruments[index].symbol}, " if kind else ""
    lines = [f"after market event {event.market_index:,} ({after}{time_text(event.ts_receive_ns)})"]
    for name, one in zip("AB", difference, strict=True):
        told = "" if one is None else f"seq {one.seq:,}, after market event {one.market_index:,}:  "
        lines.append(f"  {name}  {told}{own_text(one, manifest)}")
    return lines


def market_lines(difference: MarketDifference, a: Manifest, b: Manifest) -> list[str]:
    """Return the first difference of two markets as a person sees it."""
    return [
        f"the market differs at market event {difference.event_number:,}: these are not journals of one market",
        f"  A  {market_text(difference.a, a)}",
        f"  B  {market_text(difference.b, b)}",
    ]


def instrument_lines(a: Instrument | None, b: Instrument | None) -> list[str]:
    """Return two instruments that are not one market as a person sees them."""
    lines = ["the instruments differ: these are not journals of one market"]
    for name, one in (("A", a), ("B", b)):
        told = "none" if one is None else f"{one.symbol} {one.contract}, tick {one.tick_size}, lot {one.lot_size}"
        lines.append(f"  {name}  {told}")
    return lines
