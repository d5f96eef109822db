"""One moment of a journal as a document: the event, what it decided, and everything of each symbol right after it.

Must never show what the core does not hold: where an own order stands in the venue's queue is not in it, what is
displayed at its price is.
"""

from typing import Any

import numpy as np

from mmfold.engine.codes import ConnectionState, Side
from mmfold.engine.json_text import parse_json
from mmfold.engine.manifest import Manifest
from mmfold.engine.policy.note import notes_in
from mmfold.journal.jsonl.lines import LineEncoder
from mmfold.replay.debug.moment import Moment
from mmfold.reports.audit import enum_name
from mmfold.reports.decision import decision_text
from mmfold.reports.money import instrument_units
from mmfold.reports.notes import first_parts, note_document
from mmfold.reports.parameters import parameters_in_force
from mmfold.reports.top.frame import symbol_fields, time_text, window_lots

NO_WORDS = ("kind", "seq", "ts_exchange_ns", "ts_receive_ns")


def moment_document(moment: Moment) -> dict[str, Any]:
    """Return everything that is shown of a moment."""
    clock, manifest = moment.state.clock[0], moment.manifest
    return {
        "connection": enum_name(ConnectionState, int(clock["connection_state"])),
        "day_pnl_micros": int(clock["day_pnl_micros"]),
        "effects": effects_document(moment.effects, manifest),
        "event": event_document(moment.event, manifest),
        "run_id": manifest.run_id,
        "seq": moment.seq,
        "state_digest": moment.core.state_digest(),
        "symbols": {one.symbol: symbol_document(moment, index) for index, one in enumerate(manifest.instruments)},
        "ts": time_text(moment.ts_ns),
        "ts_ns": moment.ts_ns,
    }


def event_document(rows: np.ndarray, manifest: Manifest) -> dict[str, Any]:
    """Return one event as its line of JSON has it."""
    document: dict[str, Any] = parse_json(LineEncoder(manifest).encode(rows, None, b""))
    return document


def effects_document(effects: np.ndarray, manifest: Manifest) -> list[dict[str, Any]]:
    """Return what an event decided, in words; a note once, as what it says."""
    notes = {told.seq: note_document(told) for told in notes_in(effects)}
    found = []
    for row in first_parts(effects):
        seq = int(row["seq"])
        document: dict[str, Any] = {"seq": seq, "text": decision_text(row, manifest, effects)}
        found.append(document | ({"note": notes[seq]} if seq in notes else {}))
    return found


def symbol_document(moment: Moment, index: int) -> dict[str, Any]:
    """Return everything of one symbol: book, orders, position, parameters in force and by whom."""
    manifest, state = moment.manifest, moment.state
    symbol, units = manifest.instruments[index].symbol, instrument_units(manifest.instruments[index])
    fields = symbol_fields(manifest, state, index)
    for order in fields["orders"]:
        side, price_ticks = Side[order["side"].upper()], price_ticks_of(state.orders[index], int(order["order_id"]))
        order["displayed"] = units.qty(window_lots(state.cells[index], side, price_ticks))
    signal = state.signals[index]
    return {
        **fields,
        "params": [
            {name: value for name, value in one._asdict().items() if name != "symbol"}
            for one in parameters_in_force(manifest, state)
            if one.symbol == symbol
        ],
        "signals": {name: float(signal[name]) for name in ("imbalance", "spread_bps", "vola_bps")},
    }


def price_ticks_of(orders: np.ndarray, order_id: int) -> int:
    """Return the price of an order that is open."""
    return int(orders["price_ticks"][orders["order_id"] == order_id][0])


def event_text(event: dict[str, Any]) -> str:
    """Return an event in a few words: levels are counted; its times, and what a payload says, are not in it."""
    words = [event["kind"].replace("_", " ")]
    for name, value in event.items():
        if isinstance(value, list):
            words.append(f"{len(value)} {name}")
        elif name not in NO_WORDS and not isinstance(value, dict):
            words.append(f"{name} {value}")
    return ", ".join(words)
