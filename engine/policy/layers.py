"""PARAMS in two layers: the operator's base, and what policies and pins make of it; must never let a policy undo the
operator.

Effective = base with the standing adjustments folded in the order of the policies' registry, pins last. A base that
changes is followed at once; an adjustment that is gone leaves nothing behind.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from mmfold.engine.codes import AdjustOp, Reason
from mmfold.engine.limits import AUTHOR_SHIFT, PPM
from mmfold.engine.params import FLOAT_PARAMS, Change, check_value
from mmfold.engine.records import ADJUST
from mmfold.engine.schema import PARAM_BY_ID, PARAM_BY_NAME, PARAM_FIELDS, ParamField
from mmfold.engine.state import State

OPERATOR = 0
Number = int | float


class Standing(NamedTuple):
    """One adjustment that stands: an ADJUST record, in words."""

    author: int
    param: str
    op: AdjustOp
    value: Number
    reason: Reason


class Folded(NamedTuple):
    """A PARAM's effective value and who had the last word on it."""

    value: Number
    author: int
    reason: Reason


def standing_of(state: State, index: int) -> list[Standing]:
    """Return an instrument's standing adjustments in the order in which they are folded."""
    records = state.adjusts[index]
    return [to_standing(record) for record in records[records["op"] != AdjustOp.NONE]]


def to_standing(record: np.void) -> Standing:
    """Return what an ADJUST record says."""
    name, op = PARAM_BY_ID[int(record["param_id"])].name, AdjustOp(record["op"])
    is_whole = name not in FLOAT_PARAMS or op == AdjustOp.SCALE_PPM
    value = int(record["whole"]) if is_whole else float(record["real"])
    return Standing(int(record["author"]), name, op, value, Reason(record["reason"]))


def put_standing(state: State, index: int, standing: Iterable[Standing]) -> None:
    """Write an instrument's standing adjustments, in the order in which they are folded.

    Raises: AssertionError when there are more than fit.
    """
    records = np.zeros(state.adjusts.shape[1], ADJUST)
    for place, one in enumerate(standing):
        assert place < len(records), f"more than {len(records)} adjustments of one instrument"
        record = records[place]
        record["op"], record["author"], record["reason"] = one.op, one.author, one.reason
        record["param_id"] = PARAM_BY_NAME[one.param].id
        is_whole = one.param not in FLOAT_PARAMS or one.op == AdjustOp.SCALE_PPM
        record["whole" if is_whole else "real"] = one.value
    state.adjusts[index] = records


def fold_param(field: ParamField, base: Number, standing: Iterable[Standing]) -> Folded:
    """Return what a PARAM's adjustments make of its base."""
    folded = Folded(base, OPERATOR, Reason.NONE)
    for one in standing:
        value = apply_adjust(folded.value, one)
        if field.hard_cap and base > 0:
            value = min(value, base) if value > 0 else base
        if value != folded.value or one.op == AdjustOp.PIN:
            folded = Folded(value, one.author, one.reason)
    return folded


def apply_adjust(value: Number, one: Standing) -> Number:
    """Return what one adjustment makes of a value; an integer PARAM that is scaled is rounded down."""
    match one.op:
        case AdjustOp.CAP:
            return min(value, one.value)
        case AdjustOp.FLOOR:
            return max(value, one.value)
        case AdjustOp.SCALE_PPM:
            return value * one.value // PPM if isinstance(value, int) else value * one.value / PPM
    return one.value


def refold(state: State, index: int, names: Iterable[str] | None = None) -> list[tuple[Change, Folded]]:
    """Fold an instrument's PARAMS, those named or all, and return what changed in the order of the record.

    Raises: ConfigPayloadError when an adjustment leaves what a kernel relies on.
    """
    asked = None if names is None else set(names)
    by_param: dict[str, list[Standing]] = {}
    for one in standing_of(state, index):
        by_param.setdefault(one.param, []).append(one)
    base, effective, changes = state.base[index], state.params[index], []
    for field in PARAM_FIELDS:
        name = field.name
        if asked is not None and name not in asked:
            continue
        folded = fold_param(field, base[name].item(), by_param.get(name, ()))
        before = effective[name].item()
        if folded.value != before:
            check_value(name, folded.value)
            effective[name] = folded.value
            changes.append((Change(index, field.id, before, effective[name].item()), folded))
    return changes


def audit_aux(author: int, reason: Reason) -> int:
    """Return `aux` of the AUDIT row about a PARAM."""
    return author << AUTHOR_SHIFT | reason


def split_aux(aux: int) -> tuple[int, int]:
    """Return (author, reason) of `aux` of an AUDIT row about a PARAM; the sentinel has neither."""
    return (aux >> AUTHOR_SHIFT, aux & (1 << AUTHOR_SHIFT) - 1) if aux >= 0 else (OPERATOR, aux)
