"""Two journals of one market as one report: parity.json and PARITY.md, B told against A; must never name a place or a
clock.
"""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from mmfold.engine.codes import EventKind, Side
from mmfold.engine.limits import MICROS_PER_UNIT
from mmfold.engine.manifest import Manifest, canonical_json
from mmfold.engine.records import NO_PRICE_TICKS
from mmfold.replay.parity.compare import Difference
from mmfold.replay.parity.session import NOT_PLACED, OwnEvent, Session
from mmfold.reports.artifact import write_artifact
from mmfold.reports.audit import enum_name
from mmfold.reports.money import instrument_units, shifted_text
from mmfold.reports.page import markdown_row
from mmfold.reports.parameters import named_params
from mmfold.reports.parity.pnl import Parity, PnlDifference
from mmfold.reports.parity.words import difference_lines, own_text
from mmfold.reports.tearsheet.fold import pnl_parts

PARITY_SCHEMA_VERSION = 1
PARITY_NAMES = ("parity.json", "PARITY.md")
PART_NAMES = ("fills", "latency", "fees", "funding")
MONEY_COLUMNS = ("a", "b", *PART_NAMES, "total", "rounding")
PNL_TITLE = "PnL, B less A; fills include the rounding"
COUNT_COLUMNS = ("orders_a", "orders_b", "orders_same", "orders_moved", "fills_a", "fills_b")
QTY_COLUMNS = ("qty_both", "qty_a_only", "qty_b_only", "position_a", "position_b")


def settings_of(session: Session) -> Iterator[tuple[str, str]]:
    """Yield what was set for a session: the venue's assumptions, each symbol's filters and fees, PARAMS at the end."""
    manifest = session.result.manifest
    yield from manifest.extra.items()
    for instrument in manifest.instruments:
        for part in fields(instrument):
            yield f"{instrument.symbol} {part.name}", str(getattr(instrument, part.name))
    for symbol, params in named_params(manifest, session.result.params).items():
        for name, value in params.items():
            yield f"{symbol} {name}", f"{value}"


def differing_settings(a: Session, b: Session) -> dict[str, list[str | None]]:
    """Return {name: [in A, in B]} of what was set otherwise, None where it was not set."""
    first, second = dict(settings_of(a)), dict(settings_of(b))
    names = sorted(first.keys() | second.keys())
    return {name: [first.get(name), second.get(name)] for name in names if first.get(name) != second.get(name)}


def event_document(event: OwnEvent | None, manifest: Manifest) -> dict[str, Any] | None:
    """Return one side of a difference as data."""
    if event is None:
        return None
    units = instrument_units(manifest.instruments[event.instrument_index])
    priced = event.price_ticks != NO_PRICE_TICKS
    return {
        "after_market_event": event.market_index,
        "kind": enum_name(EventKind, event.kind),
        "order_id": str(event.order_id),
        "order_number": None if event.order_number == NOT_PLACED else event.order_number + 1,
        "price": units.price(event.price_ticks) if priced else None,
        "qty": units.qty(event.qty_lots) if priced else None,
        "seq": event.seq,
        "side": enum_name(Side, event.order_side),
        "symbol": manifest.instruments[event.instrument_index].symbol,
        "text": own_text(event, manifest),
        "ts_receive_ns": event.ts_receive_ns,
    }


def difference_document(difference: Difference | None, manifest: Manifest) -> dict[str, Any] | None:
    """Return a difference as data: both sides, and the lines that a person reads."""
    if difference is None:
        return None
    sides = {name: event_document(event, manifest) for name, event in zip("ab", difference, strict=True)}
    return {**sides, "after_market_event": difference.at[0], "text": difference_lines(difference, manifest)}


def money_document(net_a: int, net_b: int, difference: PnlDifference) -> dict[str, int]:
    """Return both nets and the parts of their difference, in micros."""
    assert difference.total == net_b - net_a, "the parts add up"
    parts = {part.name: int(getattr(difference, part.name)) for part in fields(difference)}
    return {"a": net_a, "b": net_b, **parts, "total": difference.total}


def counts_document(parity: Parity, index: int) -> dict[str, Any]:
    """Return what both sides did in one instrument, how much of it alike."""
    units, matched = instrument_units(parity.a.result.manifest.instruments[index]), parity.matched[index]
    counts: dict[str, Any] = {"orders_same": matched.same_order_count, "orders_moved": matched.moved_order_count}
    counts["qty_both"] = units.qty(matched.lots)
    for name, session in (("a", parity.a), ("b", parity.b)):
        fills = session.fills.get(index, [])
        counts[f"orders_{name}"] = sum(len(orders) for key, orders in session.orders.items() if key[0] == index)
        counts[f"fills_{name}"] = len(fills)
        counts[f"qty_{name}_only"] = units.qty(sum(fill.qty_lots for fill in fills) - matched.lots)
        counts[f"position_{name}"] = units.qty(int(session.result.state.positions[index]["position_lots"]))
    return counts


def parity_document(parity: Parity) -> dict[str, Any]:
    """Return the report as data; the same two journals give the same document anywhere."""
    a, b, found, manifest = parity.a, parity.b, parity.found, parity.a.result.manifest
    symbols: dict[str, Any] = {}
    totals: dict[str, tuple[int, int, PnlDifference]] = {}
    for index, instrument in enumerate(manifest.instruments):
        net_a, net_b = (pnl_parts(session.result.state, index).total for session in (a, b))
        currency = instrument_units(instrument).money
        money = money_document(net_a, net_b, parity.pnl[index])
        symbols[instrument.symbol] = {"currency": currency, "pnl_micros": money, **counts_document(parity, index)}
        before = totals.get(currency, (0, 0, PnlDifference()))
        totals[currency] = (before[0] + net_a, before[1] + net_b, before[2] + parity.pnl[index])
    return {
        "answers": {
            "first_moved": difference_document(found.first_moved, manifest),
            "moved": found.moved_answer_count,
            "same": found.same_answer_count,
        },
        "diverged": parity.diverged,
        "first_difference": difference_document(found.first, manifest),
        "journals": {name: journal_document(session) for name, session in (("a", a), ("b", b))},
        "market": {"difference": None, "events": a.market_count},
        "schema_version": PARITY_SCHEMA_VERSION,
        "settings": differing_settings(a, b),
        "symbols": symbols,
        "totals": {currency: money_document(*parts) for currency, parts in sorted(totals.items())},
    }


def journal_document(session: Session) -> dict[str, Any]:
    """Return what names one journal."""
    result = session.result
    return {
        "effects_digest": result.effects_digest,
        "events": result.events,
        "head": result.head,
        "parent_run": result.manifest.parent_run,
        "run_id": result.manifest.run_id,
        "sealed": result.sealed,
        "source": result.manifest.source,
        "state_digest": result.state_digest,
    }


def micros_text(value: int) -> str:
    """Return micros as an exact decimal with a sign."""
    text = shifted_text(value, len(str(MICROS_PER_UNIT)) - 1)
    return f"+{text}" if value > 0 else text


def money_rows(document: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return the table of the PnL's difference: a line per symbol, then the sums where there are several."""
    lines = [(symbol, row["currency"], row["pnl_micros"]) for symbol, row in document["symbols"].items()]
    if len(lines) > len(document["totals"]):
        lines += [("TOTAL", currency, money) for currency, money in document["totals"].items()]
    return [
        (name, currency or "-", *(micros_text(money[key]) for key in MONEY_COLUMNS)) for name, currency, money in lines
    ]


def count_rows(document: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return the table of what both sides did."""
    names = (*COUNT_COLUMNS, *QTY_COLUMNS)
    return [(symbol, *(str(row[name]) for name in names)) for symbol, row in document["symbols"].items()]


def verdict_text(document: dict[str, Any]) -> str:
    """Return the outcome in a line."""
    if document["first_difference"] is None:
        return "every decision and answer is the same" + (", the PnL is not" if document["diverged"] else "")
    return "decisions or answers differ"


def timing_text(document: dict[str, Any]) -> str:
    """Return how many like answers were told elsewhere in the market."""
    answers = document["answers"]
    return f"{answers['moved']:,} of {answers['same']:,} like answers came after another market event"


def difference_texts(document: dict[str, Any]) -> list[str]:
    """Return the first difference, and before it the first answer that was only told elsewhere: often its cause."""
    moved, first = document["answers"]["first_moved"], document["first_difference"]
    lines: list[str] = []
    if moved is not None and (first is None or moved["after_market_event"] <= first["after_market_event"]):
        lines += ["first answer told elsewhere: " + moved["text"][0], *moved["text"][1:]]
    if first is not None:
        lines += ["first difference: " + first["text"][0], *first["text"][1:]]
    return lines


def render_markdown(document: dict[str, Any]) -> str:
    """Return the report as Markdown: ASCII, symbols sorted, TOTAL last."""
    lines = ["# PARITY REPORT", "", f"B against A over {document['market']['events']} market events."]
    lines += ["", f"{verdict_text(document)}; {timing_text(document)}."]
    if shown := difference_texts(document):
        lines += ["", "```", *shown, "```"]
    tables = [
        (PNL_TITLE, ("symbol", "currency", *MONEY_COLUMNS), money_rows(document)),
        ("Orders and fills", ("symbol", *COUNT_COLUMNS, *QTY_COLUMNS), count_rows(document)),
        ("Set otherwise", ("what", "A", "B"), setting_rows(document)),
        ("Proof", ("what", "A", "B"), proof_rows(document)),
    ]
    for title, columns, rows in tables:
        if rows:
            lines += ["", f"## {title}", "", markdown_row(list(columns)), markdown_row(["---"] * len(columns))]
            lines += [markdown_row(list(row)) for row in rows]
    return "\n".join(lines) + "\n"


def setting_rows(document: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return the table of what was set otherwise."""
    return [(name, *(value or "-" for value in values)) for name, values in document["settings"].items()]


def proof_rows(document: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return the table of what names both journals."""
    a, b = document["journals"]["a"], document["journals"]["b"]
    return [(name, str(a[name]) or "-", str(b[name]) or "-") for name in a]


def write_parity(document: dict[str, Any], directory: Path) -> None:
    """Write parity.json and PARITY.md.

    Raises: OSError when the disk refuses; each file is whole or as it was.
    """
    document_name, text_name = PARITY_NAMES
    write_artifact(directory / document_name, canonical_json(document) + b"\n")
    write_artifact(directory / text_name, render_markdown(document).encode("ascii"))
