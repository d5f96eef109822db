"""One decision in words, for differences and explanations; must never recompute it."""

import numpy as np

from mmfold.engine.codes import AlertCode, AuditKind, EventKind, Reason, Side
from mmfold.engine.manifest import Manifest
from mmfold.engine.params import audit_scale, param_name
from mmfold.engine.policy.layers import OPERATOR, split_aux
from mmfold.engine.policy.registry import author_name
from mmfold.engine.records import NO_VALUE
from mmfold.reports.audit import enum_name, unit_name
from mmfold.reports.money import instrument_units
from mmfold.reports.notes import note_words


def decision_text(row: np.void | None, manifest: Manifest, among: np.ndarray | None = None) -> str:
    """Return one effect row as a line, `nothing` for none; `among` are effects that may hold the rest of a note."""
    if row is None:
        return "nothing"
    if row["kind"] == EventKind.NOTE:
        return f"NOTE {note_words(row, among)}"
    instrument = manifest.instruments[int(row["instrument_index"])]
    units = instrument_units(instrument)
    kind = EventKind(int(row["kind"]))
    words = [kind.name, instrument.symbol]
    if kind in (EventKind.PLACE, EventKind.AMEND, EventKind.CANCEL):
        words.append(enum_name(Side, int(row["side"])))
        if kind != EventKind.CANCEL:
            words.append(f"{units.price(int(row['price_ticks']))} x {units.qty(int(row['qty_lots']))}")
        words.append(f"({enum_name(Reason, int(row['code']))}, order {int(row['order_id'])})")
    elif kind == EventKind.AUDIT:
        words += audit_words(row, manifest)
    else:
        words.append(enum_name(AlertCode, int(row["code"])))
        if row["aux"] != NO_VALUE:
            words.append(f"({int(row['aux'])})")
    return " ".join(words)


def audit_words(row: np.void, manifest: Manifest) -> list[str]:
    """Return what an AUDIT row says: a PARAM by its name and value, a gate by the reasons before and after."""
    code, before, after = int(row["code"]), int(row["price_ticks"]), int(row["qty_lots"])
    author, code_of_reason = split_aux(int(row["aux"]))
    reason = enum_name(Reason, code_of_reason)
    if author != OPERATOR and author_name(author) != reason:
        reason = f"{reason} by {author_name(author)}"
    if code == AuditKind.PARAM:
        scale = audit_scale(int(row["order_id"]))
        name = param_name(int(row["order_id"]), manifest.extra)
        return ["param", name, f"{before / scale:,.10g} -> {after / scale:,.10g}", f"({reason})"]
    if code == AuditKind.BLOCK:
        return ["block", reason, f"{before:,} / {after:,} {unit_name(int(row['order_id']))}"]
    return [enum_name(AuditKind, code), f"{before} -> {after}", f"({reason})"]
