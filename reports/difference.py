"""What two journals differ in, as data and in words; must never compare anything itself."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

from mmfold.engine.codes import EFFECT_KIND_MIN, EventKind, Flag, Side
from mmfold.engine.records import NO_ORDER_ID, NO_PRICE_TICKS, NO_TS_NS
from mmfold.replay.debug import difference as debug
from mmfold.replay.debug.difference import Difference, End, Pair, Place
from mmfold.reports.audit import enum_name
from mmfold.reports.decision import decision_text
from mmfold.reports.money import instrument_units
from mmfold.reports.parameters import named_params
from mmfold.reports.parity.document import micros_text
from mmfold.reports.parity.words import order_text, time_text
from mmfold.reports.tearsheet.fold import PnlParts, pnl_parts

DIFFERENCE_SCHEMA_VERSION = 1
FIELD_LINE_MAX = 8  # --json has more
PNL_COLUMNS = ("spread", "inventory", "fees", "funding", "net")
COUNT_COLUMNS = ("both", "changed", "only A", "only B")
JOURNAL_ANSWERS = (
    "answers are those of the journal: after the first difference B's orders are not answered, and its fills are A's; "
    "mm backtest over the market answers them, then compare both journals"
)
OTHER_TIMES = (
    "no market event of A is in B: receive times count, and those of a session and its backtest differ; mm parity "
    "compares such"
)
FREE = "{} is what this build decides on its journal's inputs, not what the journal holds"


def difference_document(difference: Difference) -> dict[str, Any]:
    """Return everything that is known of a difference."""
    a, b = difference.a, difference.b
    return {
        "answer": pair_document(difference.answer, difference),
        "answers_compared": difference.compares_answers,
        "counts": counts_document(difference),
        "decision": pair_document(difference.decision, difference),
        "differs": difference.differs,
        "fields": [one._asdict() for one in difference.fields],
        "fields_at": fields_at(difference),
        "first": pair_document(difference.first, difference),
        "journals": {name: journal_document(end) for name, end in (("a", a), ("b", b))},
        "market": {
            "a_only": difference.market_a_only, "b_only": difference.market_b_only, "both": difference.market_count,
        },
        "notes": list(notes(difference)),
        "pnl_micros": pnl_document(a, b),
        "schema_version": DIFFERENCE_SCHEMA_VERSION,
        "settings": differing_settings(a, b),
    }  # fmt: skip


def fields_at(difference: Difference) -> str:
    """Return the moment that the differing fields are of."""
    if difference.decision is not None:
        return "decision"
    return "end" if difference.answer is None else "answer"


def notes(difference: Difference) -> Iterator[str]:
    """Yield what must be known to read the figures."""
    if not difference.market_count and difference.market_a_only and difference.market_b_only:
        yield OTHER_TIMES
    if difference.is_one_journal and difference.b.is_free and difference.b.manifest.witnessed:
        yield JOURNAL_ANSWERS
        return
    for name, end in (("A", difference.a), ("B", difference.b)):
        if end.is_free and end.manifest.witnessed:
            yield FREE.format(name)


def journal_document(end: End) -> dict[str, Any]:
    """Return what names one side."""
    return {"is_as_journaled": not end.is_free, "rows": end.rows, "run_id": end.manifest.run_id}


def counts_document(difference: Difference) -> dict[str, dict[str, dict[str, int]]]:
    """Return the counts by symbol and kind."""
    document: dict[str, dict[str, dict[str, int]]] = {}
    for (symbol, kind), counts in difference.counts.items():
        document.setdefault(symbol, {})[enum_name(EventKind, kind)] = asdict(counts)
    return document


def pair_document(pair: Pair | None, difference: Difference) -> dict[str, Any] | None:
    """Return a first difference as data, both sides."""
    if pair is None:
        return None
    sides = {"a": side_document(pair.a, difference.a), "b": side_document(pair.b, difference.b)}
    return {**sides, "after_market_event": pair.unit, "symbol": pair.symbol}


def side_document(side: debug.Side, end: End) -> dict[str, Any]:
    """Return one side of a first difference."""
    row = side.row
    return {
        "after": place_document(side.after),
        "cause_seq": side.cause_seq,
        "order_id": None if row is None or is_of_no_order(row) else str(int(row["order_id"])),
        "seq": None if row is None else int(row["seq"]),
        "text": own_text(row, end, side.note),
    }


def is_of_no_order(row: np.void) -> bool:
    """Tell whether a row is of no order."""
    return bool(row["kind"] == EventKind.NOTE or row["order_id"] == NO_ORDER_ID)


def place_document(place: Place) -> dict[str, Any] | None:
    """Return the market event that something follows, None before the first one."""
    if not place.kind:
        return None
    ts_ns = None if place.ts_ns == NO_TS_NS else place.ts_ns
    return {"kind": enum_name(EventKind, place.kind), "seq": place.seq, "symbol": place.symbol, "ts_ns": ts_ns}


def own_text(row: np.void | None, end: End, note: np.ndarray | None) -> str:
    """Return a decision or an answer as a line, `nothing` for none."""
    if row is None or row["kind"] >= EFFECT_KIND_MIN:
        return decision_text(row, end.manifest, note)
    instrument = end.manifest.instruments[int(row["instrument_index"])]
    words = [EventKind(int(row["kind"])).name, instrument.symbol]
    if row["side"] != Side.NONE:
        words.append(enum_name(Side, int(row["side"])))
    if row["price_ticks"] != NO_PRICE_TICKS:
        words.append(order_text(instrument, int(row["price_ticks"]), int(row["qty_lots"])))
    notes = [f"order {int(row['order_id'])}"]
    if row["kind"] == EventKind.FILL:
        notes.append("maker" if row["flags"] & Flag.MAKER else "taker")
    return f"{' '.join(words)} ({', '.join(notes)})"


def pnl_document(a: End, b: End) -> dict[str, Any]:
    """Return the net PnL of both ends and its parts in micros, by symbol, and B less A where both have the symbol."""
    ends = {"a": (a, a.manifest.symbol_index()), "b": (b, b.manifest.symbol_index())}
    document: dict[str, Any] = {}
    for symbol in sorted(ends["a"][1] | ends["b"][1]):
        found: dict[str, Any] = {"a": None, "b": None, "difference": None}
        for name, (end, indices) in ends.items():
            if symbol in indices:
                found["currency"] = instrument_units(end.manifest.instruments[indices[symbol]]).money
                found[name] = parts_document(pnl_parts(end.state, indices[symbol]))
        if found["a"] is not None and found["b"] is not None:
            found["difference"] = {part: found["b"][part] - found["a"][part] for part in PNL_COLUMNS}
        document[symbol] = found
    return document


def parts_document(parts: PnlParts) -> dict[str, int]:
    """Return a PnL's parts: net = spread + inventory - fees - funding."""
    return {**asdict(parts), "net": parts.total}


def differing_settings(a: End, b: End) -> dict[str, list[Any]]:
    """Return {name: [in A, in B]} of what was set otherwise at the end, None where it was not set."""
    first, second = (dict(settings(end)) for end in (a, b))
    names = sorted(first.keys() | second.keys())
    return {name: [first.get(name), second.get(name)] for name in names if first.get(name) != second.get(name)}


def settings(end: End) -> Iterator[tuple[str, Any]]:
    """Yield what was set for a side: the manifest's own words, each symbol's PARAMS, the policies."""
    yield from end.manifest.extra.items()
    for symbol, params in named_params(end.manifest, end.document.get("params", {})).items():
        for name, value in params.items():
            yield f"{symbol} {name}", value
    for policy, values in end.document.get("policies", {}).items():
        for name, value in values.items():
            yield f"{policy} {name}", value


def verdict_text(document: dict[str, Any]) -> str:
    """Return the outcome in a line."""
    market = document["market"]
    compared = "decision and answer" if document["answers_compared"] else "decision"
    if not document["differs"]:
        return f"every {compared} is the same"
    if document["first"] is not None:
        return f"not every {compared} is the same"
    if market["a_only"] or market["b_only"]:
        return f"every {compared} is the same, the markets are not"
    return f"every {compared} is the same, the state is not"


def difference_lines(document: dict[str, Any]) -> list[str]:
    """Return the first difference as a person reads it: where, then both sides, then what differs in the state."""
    first, lines = document["first"], []
    if first is not None:
        lines += pair_lines("first difference", first)
        if document["decision"] not in (None, first):
            lines += pair_lines("first decision", document["decision"])
    if document["fields"]:
        where = "at the end" if document["fields_at"] == "end" else f"right after this {document['fields_at']}"
        lines.append(f"state {where}")
        shown = document["fields"][:FIELD_LINE_MAX]
        width = max(len(field["path"]) for field in shown)
        lines += [f"  {field['path']:<{width}}  {field['a']:,}  ->  {field['b']:,}" for field in shown]
        more = len(document["fields"]) - len(shown)
        lines += [f"  and {more:,} more: --json has them"] if more else []
    return lines


def pair_lines(title: str, pair: dict[str, Any]) -> list[str]:
    """Return one pair: after which market event, then both sides."""
    lines = [f"{title} after market event {pair['after_market_event']:,}, {pair['symbol']}"]
    for name in ("a", "b"):
        side = pair[name]
        seq = "" if side["seq"] is None else f"seq {side['seq']:,}  "
        lines.append(f"  {name.upper()}  {seq}{side['text']}")
        lines.append(f"       behind {after_text(side['after'])}")
    return lines


def after_text(after: dict[str, Any] | None) -> str:
    """Return a market event as a person reads it."""
    if after is None:
        return "no market event yet"
    ts_ns = NO_TS_NS if after["ts_ns"] is None else after["ts_ns"]
    words = [f"{after['kind'].replace('_', ' ')}", after["symbol"], f"seq {after['seq']:,},", time_text(ts_ns)]
    return " ".join(word for word in words if word)


def count_rows(document: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return the table by symbol and kind."""
    return [
        (symbol, kind, *(f"{counts[name]:,}" for name in ("same", "changed", "a_only", "b_only")))
        for symbol, kinds in document["counts"].items()
        for kind, counts in kinds.items()
    ]


def pnl_rows(document: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return the table of the PnL: A, B and B less A of each symbol."""
    return [
        (symbol, found["currency"] or "-", title, *(micros_text(found[name][part]) for part in PNL_COLUMNS))
        for symbol, found in document["pnl_micros"].items()
        for name, title in (("a", "A"), ("b", "B"), ("difference", "B less A"))
        if found[name] is not None
    ]
