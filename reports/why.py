"""The chain of one decision as a document and as paragraphs; must never show a figure without its unit or limit."""

from collections import Counter
from typing import Any

import numpy as np

from mmfold.engine.codes import BookStatus, EventKind, Reason
from mmfold.engine.limits import NS_PER_MS, ORDER_ID_SEQ_SHIFT
from mmfold.engine.manifest import Instrument, Manifest
from mmfold.engine.records import NO_PRICE_TICKS, NO_TS_NS
from mmfold.engine.schema import PARAM_BY_NAME, PARAM_FIELDS
from mmfold.replay.debug.trace import Asked
from mmfold.replay.debug.why import Figures, Story
from mmfold.reports.audit import enum_name
from mmfold.reports.decision import decision_text
from mmfold.reports.moment import effects_document, event_document, event_text
from mmfold.reports.money import instrument_units
from mmfold.reports.notes import first_parts
from mmfold.reports.parameters import ParameterInForce
from mmfold.reports.summary import exact
from mmfold.reports.top.frame import time_text

LIFE_LINE_MAX = 24
PARAM_LINE_MAX = 16
EFFECT_LINE_MAX = 12
ABSENT = "-"
SEEN = ("mid", "microprice", "spread_bps", "imbalance", "vola_bps")


def story_document(story: Story, manifest: Manifest, params: list[ParameterInForce]) -> dict[str, Any]:
    """Return a story as a document; `params` are those in force right after the event."""
    symbols = [one.symbol for one in manifest.instruments]
    return {
        "after": {symbols[index]: figures_document(one, manifest, index) for index, one in story.after.items()},
        "before": {symbols[index]: figures_document(one, manifest, index) for index, one in story.before.items()},
        "effects": effects_document(story.effects, manifest),
        "ended": story.ended,
        "event": event_document(story.event, manifest),
        "gates": [asked_document(one, manifest) for one in story.asked],
        "life": [life_document(row, story, manifest) for row in story.life],
        "markouts": [
            {
                "bps": markout_bps(story, one.fill_seq, one.half_ticks),
                "fill_seq": one.fill_seq,
                "horizon_ms": one.horizon_ms,
            }
            for one in story.markouts
        ],
        "order_id": None if story.order_id is None else str(story.order_id),
        "params": params_document(story, manifest, params),
        "seq": story.seq,
        "symbol": symbol_of(story, manifest),
        "target": story.target,
        "text": story_lines(story, manifest, params),
    }


def symbol_of(story: Story, manifest: Manifest) -> str:
    """Return the symbol that a story is about: the order's, else the asked-for effect's, else the event's."""
    for rows in (story.life, story.effects[story.effects["seq"] == story.target], story.effects, story.event):
        if len(rows):
            return manifest.instruments[int(rows[0]["instrument_index"])].symbol
    return manifest.instruments[0].symbol


def figures_document(figures: Figures, manifest: Manifest, index: int) -> dict[str, Any]:
    """Return what the core saw of a symbol."""
    units = instrument_units(manifest.instruments[index])
    decimals = units.price_decimals + 2
    has_mid = figures.mid_half_ticks != NO_PRICE_TICKS
    return {
        "block_reason": enum_name(Reason, figures.block_reason),
        "book_status": enum_name(BookStatus, figures.book_status),
        "imbalance": round(figures.imbalance, 4),
        "microprice": round(figures.microprice_ticks * float(units.tick), decimals) if has_mid else None,
        "mid": exact(figures.mid_half_ticks * units.tick / 2) if has_mid else None,
        "position": units.qty(figures.position_lots),
        "spread_bps": round(figures.spread_bps, 4),
        "vola_bps": round(figures.vola_bps, 4),
    }


def asked_document(one: Asked, manifest: Manifest) -> dict[str, Any]:
    """Return one gate's answer, with the figures of a refusal."""
    units = instrument_units(manifest.instruments[manifest.symbol_index()[one.symbol]])
    document: dict[str, Any] = {"about": one.about, "gate": one.gate, "passed": one.passed, "symbol": one.symbol}
    if one.side != "none":
        document |= {"price": units.price(one.price_ticks), "qty": units.qty(one.qty_lots), "side": one.side}
    if not one.passed:
        document |= {"limit": one.limit, "reason": one.reason, "unit": one.unit, "value": one.value}
    return document


def life_document(row: np.void, story: Story, manifest: Manifest) -> dict[str, Any]:
    """Return one step of an order's life, and how long after the decision it came."""
    start_ns, ts_ns = int(story.life[0]["ts_receive_ns"]), int(row["ts_receive_ns"])
    is_timed = NO_TS_NS not in (start_ns, ts_ns)
    return {
        "after_ms": (ts_ns - start_ns) / NS_PER_MS if is_timed else None,
        "seq": int(row["seq"]),
        "text": step_text(row, manifest),
    }


def step_text(row: np.void, manifest: Manifest) -> str:
    """Return one step of an order's life in words."""
    kind = EventKind(int(row["kind"]))
    if kind in (EventKind.PLACE, EventKind.AMEND, EventKind.CANCEL):
        return decision_text(row, manifest)
    return event_text(
        {
            name: value
            for name, value in event_document(row.reshape(1), manifest).items()
            if name not in ("order_id", "seq", "symbol", "ts_exchange_ns", "ts_receive_ns")
        }
    )


def markout_bps(story: Story, fill_seq: int, half_ticks: int) -> float:
    """Return a markout in basis points of the fill's price."""
    price_ticks = int(story.life["price_ticks"][story.life["seq"] == fill_seq][0])
    return round(half_ticks / 2 / price_ticks * 1e4, 4)


def params_document(story: Story, manifest: Manifest, params: list[ParameterInForce]) -> list[dict[str, Any]]:
    """Return the parameters in force of the story's symbol, since when and by whom."""
    symbol = symbol_of(story, manifest)
    index = manifest.symbol_index()[symbol]
    ids = {field.name: field.id for field in PARAM_FIELDS}
    found = []
    for one in params:
        if one.symbol == symbol:
            since = story.since.get((index, ids[one.param])) if one.param in PARAM_BY_NAME else None
            document = {"base": one.base, "by": one.by, "effective": one.effective, "key": one.key}
            found.append(document | {"since_seq": None if since is None else since.cause_seq})
    return found


# As people read it


def story_lines(story: Story, manifest: Manifest, params: list[ParameterInForce]) -> list[str]:
    """Return a story as paragraphs, one line each."""
    index = manifest.symbol_index()[symbol_of(story, manifest)]
    return [
        headline(story, manifest),
        f"It followed event {story.seq:,}: {event_text(event_document(story.event, manifest))}.",
        *saw_lines(story, manifest, index),
        *gate_lines(story, manifest, index),
        *param_lines(story, manifest, params),
        *life_lines(story, manifest),
    ]


def headline(story: Story, manifest: Manifest) -> str:
    """Return what was decided, where and when."""
    when = time_text(int(story.event[0]["ts_receive_ns"])) if story.event[0]["kind"] > EventKind.COMMAND else ""
    place = f"event {story.seq:,}{f' at {when}' if when else ''}"
    mine = story.effects[story.effects["seq"] == story.target]
    if not len(mine) and story.order_id is not None:
        mine = story.effects[(story.effects["order_id"] == story.order_id) & (story.effects["kind"] < EventKind.AUDIT)]
    if len(mine):
        return (
            f"{decision_text(mine[0], manifest, story.effects)}: decided by {place}, as effect {int(mine[0]['seq']):,}."
        )
    if not len(story.effects):
        return f"Nothing was decided by {place}."
    shown = first_parts(story.effects)
    texts = [decision_text(row, manifest, story.effects) for row in shown[:EFFECT_LINE_MAX]]
    more = len(shown) - len(texts)
    return f"Decided by {place}: {'; '.join(texts)}{f'; and {more:,} more' if more else ''}."


def saw_lines(story: Story, manifest: Manifest, index: int) -> list[str]:
    """Return what the core saw of the symbol before and after the event."""
    before = figures_document(story.before[index], manifest, index)
    after = figures_document(story.after[index], manifest, index)
    words = []
    for name in SEEN:
        unit = " bps" if name.endswith("_bps") else ""
        was, now = (ABSENT if one[name] is None else f"{one[name]}{unit}" for one in (before, after))
        label = name.removesuffix("_bps").replace("vola", "volatility")
        words.append(f"{label} {now}" if was == now else f"{label} {was} -> {now}")
    state = f"book {after['book_status']}, position {after['position']}"
    if after["block_reason"] != "none":
        state += f", not quoted: {after['block_reason']}"
    return [f"Seen of {manifest.instruments[index].symbol}: {state}; {', '.join(words)}."]


def gate_lines(story: Story, manifest: Manifest, index: int) -> list[str]:
    """Return which gates were passed and which refused, with their figures."""
    symbol, instrument = manifest.instruments[index].symbol, manifest.instruments[index]
    own = [one for one in story.asked if one.symbol == symbol]
    if not own:
        return []
    passed = Counter(one.gate for one in own if one.passed)
    refused = [one for one in own if not one.passed]
    names = [gate for gate in passed if gate not in {one.gate for one in refused}]
    lines = [f"Gates passed: {', '.join(names)}."] if names else []
    lines += list(dict.fromkeys(refusal_text(one, instrument) for one in refused))
    asked_more = any(one.about != "instrument" for one in own)
    if not refused and not asked_more:
        lines.append("No quote was due: neither time nor price had moved enough since the last one.")
    return lines


def refusal_text(one: Asked, instrument: Instrument) -> str:
    """Return a refusal with the figure that decided it."""
    units = instrument_units(instrument)
    what = "" if one.side == "none" else f" of {one.side} {units.price(one.price_ticks)} x {units.qty(one.qty_lots)}"
    unit = "" if one.unit in ("none", "code") else f" {one.unit}"
    return f"Gate {one.gate} refused{what}: {one.reason}, {one.value:,}{unit} against a limit of {one.limit:,}{unit}."


def param_lines(story: Story, manifest: Manifest, params: list[ParameterInForce]) -> list[str]:
    """Return the parameters that somebody changed since the first configuration, and how the others stand."""
    rows = [row for row in params_document(story, manifest, params) if row["effective"] or row["base"]]
    first = min((row["since_seq"] for row in rows if row["since_seq"] is not None), default=None)
    changed = [row for row in rows if row["base"] != row["effective"] or row["since_seq"] not in (first, None)]
    texts = [
        f"{row['key']} {row['effective']:g}"
        + (f" (base {row['base']:g})" if row["base"] != row["effective"] else "")
        + f" by {row['by']}"
        + (f" since event {row['since_seq']:,}" if row["since_seq"] is not None else "")
        for row in changed[:PARAM_LINE_MAX]
    ]
    more = len(changed) - len(texts)
    lines = [f"Parameters changed since: {'; '.join(texts)}{f'; and {more:,} more' if more else ''}."] if texts else []
    rest = len(rows) - len(changed)
    where = "as the replay was given them" if first is None else f"as the configuration of event {first:,} set them"
    return [*lines, f"{'The other ' if texts else 'All '}{rest} parameters are {where}."]


def life_lines(story: Story, manifest: Manifest) -> list[str]:
    """Return what became of the order."""
    if not len(story.life):
        return []
    steps = [life_document(row, story, manifest) for row in story.life]
    kept = steps if len(steps) <= LIFE_LINE_MAX else [*steps[: LIFE_LINE_MAX // 2], None, *steps[-LIFE_LINE_MAX // 2 :]]
    assert story.order_id is not None
    placed = f", placed by event {story.order_id >> ORDER_ID_SEQ_SHIFT:,}" if story.order_id > 0 else ""
    lines = [f"What became of order {story.order_id}{placed}:"]
    for step in kept:
        if step is None:
            lines.append(f"  ... {len(steps) - LIFE_LINE_MAX:,} more steps ...")
        else:
            after = ABSENT if step["after_ms"] is None else f"+{step['after_ms']:,.1f} ms"
            lines.append(f"  {step['seq']:>10,}  {after:>14}  {step['text']}")
    for one in story.markouts:
        bps = markout_bps(story, one.fill_seq, one.half_ticks)
        lines.append(f"  Markout of fill {one.fill_seq:,} after {one.horizon_ms} ms: {bps:+.2f} bps in its favour.")
    return lines if story.ended else [*lines, "  It is open at the end of the journal."]
