"""FORK.md, its picture and the document behind both: a fork beside what happened, and how far it is to be trusted.

Same journal, same plan, same bytes: what varies from run to run is told by the command alone.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from mmfold.engine.limits import MICROS_PER_UNIT, NS_PER_S
from mmfold.engine.printable import printable
from mmfold.engine.records import NO_TS_NS
from mmfold.engine.state import State
from mmfold.replay.debug.fork import Forked
from mmfold.reports.difference import (
    COUNT_COLUMNS,
    PNL_COLUMNS,
    count_rows,
    difference_document,
    difference_lines,
    parts_document,
    pnl_rows,
)
from mmfold.reports.figures import MID, MUTED, PNL, Label, Size, hold_zero, style_time, style_values, unit_suffix
from mmfold.reports.money import instrument_units, money_decimals
from mmfold.reports.parity.document import micros_text
from mmfold.reports.parity.words import time_text
from mmfold.reports.tearsheet.charts import draw
from mmfold.reports.tearsheet.fold import pnl_parts
from mmfold.reports.venue import venue_notes, venue_part

FORK_SCHEMA_VERSION = 1
PAGE_NAME, PICTURE_NAME = "FORK.md", "fork.svg"
ALL_NAMES = frozenset((PAGE_NAME, PICTURE_NAME))
CAVEAT = (
    "The market is the recorded one: it does not know of the fork's orders. Nobody reacts to them, what they take "
    "stays displayed, and the book of a live parent holds the orders that the parent had. The further the fork's "
    "trading is from the recorded, the less its figures mean."
)
NOT_TIMED = (
    "the recorded times do not tell how long messages were on their way: each counts as received when it happened"
)
ORDER_RULES = (
    "An order that rested at the fork stands behind all that is displayed at its price. A request without an answer "
    "reaches the venue when the assumed latency says, counted from its decision, not before the fork; what the venue "
    "had done and not yet told did not happen."
)
TRUST_COLUMNS = ("fills", "bought", "sold", "position", "net PnL")
SYMBOLS_DRAWN_MAX = 3
PANEL_INCHES, MARGIN_INCHES = 1.7, 0.9
SIZE = Size(10.4, 0.0, 9.0, 0.82, 1.5, 8)


def fork_document(forked: Forked) -> dict[str, Any]:
    """Return everything that is known of a fork."""
    result, parent = forked.result, forked.parent
    difference = difference_document(forked.difference)
    words = result.manifest.extra.keys() | parent.extra.keys()
    return {
        "caveat": CAVEAT,
        "changed": {name: both for name, both in difference["settings"].items() if name not in words},
        "difference": difference,
        "events": result.events,
        "events_of_parent": forked.fork_events,
        "head": result.head,
        "in_flight": forked.request_count,
        "left_out": forked.left_out,
        "notes": list(fork_notes(forked)),
        "parent_head": forked.parent_head,
        "parent_run": parent.run_id,
        "resting": forked.resting_count,
        "rows": result.rows,
        "run_id": result.manifest.run_id,
        "schema_version": FORK_SCHEMA_VERSION,
        "seq": forked.seq,
        "trust": trust_document(forked),
        "ts_ns": None if forked.ts_ns == NO_TS_NS else forked.ts_ns,
        **venue_part(result.manifest.extra),
    }


def fork_notes(forked: Forked) -> Iterator[str]:
    """Yield what must be known to read the figures."""
    if not forked.is_configured:
        yield "nothing was changed in the configuration in force: what differs is the venue's doing"
    if not forked.is_timed:
        yield NOT_TIMED
    if forked.trust is None:
        yield f"how far the venue is to be trusted is not known: {forked.trust_missing}"


def trust_document(forked: Forked) -> dict[str, Any] | None:
    """Return what was recorded before the fork beside what the simulated venue makes of it, by symbol."""
    trust = forked.trust
    if trust is None:
        return None
    symbols = {}
    for symbol, index in forked.parent.symbol_index().items():
        recorded, simulated = (side_figures(state, index) for state in (trust.recorded, trust.simulated))
        symbols[symbol] = {
            "currency": instrument_units(forked.parent.instruments[index]).money,
            "is_same": recorded == simulated, "recorded": recorded, "simulated": simulated,
        }  # fmt: skip
    return {
        "from_seq": 0,
        "is_same": all(one["is_same"] for one in symbols.values()),
        "symbols": symbols,
        "to_seq": trust.seq,
    }


def side_figures(state: State, index: int) -> dict[str, Any]:
    """Return what one run of an instrument came to.

    Units: lots, micros.
    """
    row = state.positions[index]
    return {
        "bought_lots": int(row["bought_lots"]),
        "fills": int(row["fill_count"]),
        "maker_fills": int(row["maker_fill_count"]),
        "pnl_micros": parts_document(pnl_parts(state, index)),
        "position_lots": int(row["position_lots"]),
        "sold_lots": int(row["sold_lots"]),
    }


def trust_rows(forked: Forked, document: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return the table of the trust: as recorded and simulated, a symbol after the other."""
    if document["trust"] is None:
        return []
    lines = []
    for instrument in forked.parent.instruments:
        units, found = instrument_units(instrument), document["trust"]["symbols"][instrument.symbol]
        for side in ("recorded", "simulated"):
            one = found[side]
            sizes = (units.qty(one[name]) for name in ("bought_lots", "sold_lots", "position_lots"))
            net = micros_text(one["pnl_micros"]["net"])
            lines.append((instrument.symbol, found["currency"] or "-", side, f"{one['fills']:,}", *sizes, net))
    return lines


def trust_text(document: dict[str, Any]) -> str:
    """Return in a line what the past says of the venue."""
    trust = document["trust"]
    if trust is None:
        return "no measure of the simulated venue before the fork"
    counts = [sum(one[side]["fills"] for one in trust["symbols"].values()) for side in ("recorded", "simulated")]
    text = f"up to seq {trust['to_seq']:,}, from the start, the simulated venue filled {counts[1]:,} times"
    if trust["is_same"]:
        return f"{text}: fills, position and PnL are exactly the recorded ones"
    return f"{text}, {counts[0]:,} were recorded"


def change_lines(document: dict[str, Any]) -> list[str]:
    """Return a line for each setting that is another one."""
    return [
        f"{name} {'-' if before is None else before} -> {'-' if after is None else after}"
        for name, (before, after) in document["changed"].items()
    ]


def page_text(forked: Forked, document: dict[str, Any]) -> str:
    """Return FORK.md."""
    return "\n".join([*head_lines(document), *trust_lines(forked, document), *outcome_lines(forked, document)]) + "\n"


def head_lines(document: dict[str, Any]) -> Iterator[str]:
    """Yield what was forked, where, and what was changed."""
    when = "" if document["ts_ns"] is None else f", {time_text(document['ts_ns'])}"
    yield "# FORK"
    yield ""
    yield f"From seq {document['seq']:,}{when} on, through the simulated venue."
    yield ""
    yield f"**{CAVEAT}**"
    yield ""
    yield "| | parent | fork |"
    yield "|---|---|---|"
    yield f"| run | {cell(document['parent_run'])} | {cell(document['run_id'])} |"
    yield f"| head | {document['parent_head']} | {document['head']} |"
    yield ""
    changes = change_lines(document)
    yield "Changed:" if changes else "Nothing was changed in the configuration."
    yield ""
    yield from (f"- {cell(line)}" for line in changes)
    yield ""
    yield (f"{ORDER_RULES} Orders at rest: {document['resting']:,}, requests on their way: {document['in_flight']:,}.")
    left = ", ".join(f"{many:,} {kind}" for kind, many in document["left_out"].items())
    yield f"Of the parent's inputs behind the fork these are left out: {left or 'none'}."
    yield from (f"Note: {note}." for note in document["notes"])


def trust_lines(forked: Forked, document: dict[str, Any]) -> Iterator[str]:
    """Yield how far to trust the figures."""
    yield ""
    yield "## How far to trust it"
    yield ""
    text = trust_text(document)
    yield f"{text[0].upper()}{text[1:]}. Same market, same configuration, the assumptions below."
    yield from table(("symbol", "currency", "", *TRUST_COLUMNS), trust_rows(forked, document))


def outcome_lines(forked: Forked, document: dict[str, Any]) -> Iterator[str]:
    """Yield what is otherwise: A is what happened, B is the fork."""
    difference = document["difference"]
    yield ""
    yield "## What is otherwise"
    yield ""
    yield "A is what happened, B is the fork; PnL is of the whole journals, which are one up to the fork."
    yield ""
    yield f"![net PnL and position of both]({PICTURE_NAME})"
    if difference["first"] is not None or difference["fields"]:
        yield ""
        yield "```"
        yield from (printable(line) for line in difference_lines(difference))
        yield "```"
    yield from table(("symbol", "kind", *COUNT_COLUMNS), count_rows(difference))
    yield from table(("symbol", "currency", "of", *PNL_COLUMNS), pnl_rows(difference))
    yield ""
    yield "## Assumed"
    yield ""
    yield from (f"- {cell(note)}" for note in venue_notes(forked.result.manifest))


def table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    """Yield a table, nothing where there are no rows."""
    if not rows:
        return
    yield ""
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"
    yield from (f"| {' | '.join(map(cell, row))} |" for row in rows)


def cell(text: str) -> str:
    """Return a text as a table's cell may show it."""
    return printable(text).replace("|", "\\|").replace("`", "'")


def drawn_symbols(forked: Forked, document: dict[str, Any]) -> list[str]:
    """Return the symbols that are drawn: those whose net PnL differs most."""
    money = document["difference"]["pnl_micros"]
    order = sorted(forked.parent.symbol_index(), key=lambda symbol: (-abs(money[symbol]["difference"]["net"]), symbol))
    return order[:SYMBOLS_DRAWN_MAX]


def picture(forked: Forked, document: dict[str, Any]) -> str:
    """Return the picture of both: net PnL and position over time, a pair of panels a symbol."""
    symbols = drawn_symbols(forked, document)
    size = SIZE._replace(height=PANEL_INCHES * 2 * len(symbols) + MARGIN_INCHES)
    starts = [int(samples["ts_ns"][0]) for samples in forked.samples]
    start_ns = min(starts)
    span_s = (max(int(samples["ts_ns"][-1]) for samples in forked.samples) - start_ns) / NS_PER_S

    def paint(panels: list[Axes]) -> None:
        for place, symbol in enumerate(symbols):
            paint_symbol(panels[2 * place : 2 * place + 2], forked, symbol, start_ns)
        for panel in panels:
            if forked.ts_ns != NO_TS_NS:
                panel.axvline((forked.ts_ns - start_ns) / NS_PER_S, color=MUTED, linewidth=0.8, linestyle="--")
        style_time(panels[-1], start_ns, span_s, size)

    return draw(size, "What happened and the fork: net PnL and position", (1.3, 1.0) * len(symbols), paint)


def paint_symbol(panels: list[Axes], forked: Forked, symbol: str, start_ns: int) -> None:
    """Draw a symbol's net PnL and position, as it was and of the fork."""
    index = forked.parent.symbol_index()[symbol]
    units = instrument_units(forked.parent.instruments[index])
    decimals = money_decimals(units.money)
    money, position = f"{symbol} net PnL{unit_suffix(units.money)}", f"{symbol} position{unit_suffix(units.size)}"
    scales = (
        ("pnl_micros", 1 / MICROS_PER_UNIT, decimals, 10.0**-decimals, money),
        ("position_lots", float(units.lot), units.qty_decimals, float(units.lot), position),
    )
    for panel, (name, scale, digits, least, title) in zip(panels, scales, strict=True):
        labels, drawn = [], []
        for samples, who, color in zip(forked.samples, ("was", "fork"), (MID, PNL), strict=True):
            rows = samples[samples["instrument_index"] == index]
            times, values = (rows["ts_ns"] - start_ns) / NS_PER_S, rows[name] * scale
            panel.plot(times, values, color=color, linewidth=1.3, drawstyle="steps-post")
            labels.append(Label(float(values[-1]), f"{who} {values[-1] + 0.0:+,.{digits}f}", color))
            drawn.append(values)
        hold_zero(panel, np.concatenate(drawn), least)
        style_values(panel, title, labels)
