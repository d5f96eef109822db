"""Parameters in force at the end of a run: base, effective and by whom; must never show a value that nobody set."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from mmfold.config.keys import key_of
from mmfold.engine.codes import Reason
from mmfold.engine.declared import params_in_words, params_of
from mmfold.engine.manifest import Manifest
from mmfold.engine.policy.layers import fold_param, standing_of
from mmfold.engine.policy.registry import author_name
from mmfold.engine.schema import PARAM_FIELDS, USER_PARAMS
from mmfold.engine.state import State
from mmfold.reports.audit import enum_name

PINNED = "pinned by the operator"


class ParameterInForce(NamedTuple):
    """One PARAM of a symbol, in the units of its name."""

    symbol: str
    param: str
    key: str  # of the configuration
    base: int | float
    effective: int | float
    by: str


def parameters_in_force(manifest: Manifest, state: State) -> list[ParameterInForce]:
    """Return every PARAM of every symbol, in the order of the manifest and of the record."""
    found, names = [], params_of(manifest.extra)
    in_use = [field for field in PARAM_FIELDS if field.name not in USER_PARAMS[len(names) :]]
    for index, instrument in enumerate(manifest.instruments):
        standing, base, effective = standing_of(state, index), state.base[index], state.params[index]
        for field in in_use:
            value = base[field.name].item()
            folded = fold_param(field, value, [one for one in standing if one.param == field.name])
            by = author_name(folded.author)
            if folded.reason == Reason.COMMAND:
                by = PINNED
            elif folded.reason != Reason.NONE and enum_name(Reason, folded.reason) != by:
                by = f"{by} ({enum_name(Reason, folded.reason)})"
            now = effective[field.name].item()
            key = key_of(field.name, names)
            name = key if field.name in USER_PARAMS else field.name
            found.append(ParameterInForce(instrument.symbol, name, key, value, now, by))
    return found


def named_params(manifest: Manifest, params: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return {symbol: {PARAM: value}} of a CONFIG with the names of a strategy file's own."""
    words = params_in_words(manifest.extra)
    return {
        symbol: {words.get(name, name): value for name, value in values.items()} for symbol, values in params.items()
    }


def parameters_document(manifest: Manifest, state: State) -> list[dict[str, Any]]:
    """Return them for a report."""
    return [one._asdict() for one in parameters_in_force(manifest, state)]
