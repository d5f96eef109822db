"""What --set lays over a journal's own configuration: the keys that were set, and what follows from them.

A key means what it means to the strategy in force, and one that was set counts also where it is what mm has by default.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np

from mmfold.config.keys import key_of
from mmfold.config.load import load_config
from mmfold.config.models import Config
from mmfold.config.own import declared_params
from mmfold.config.params import config_document
from mmfold.engine.codes import EventKind, Strategy
from mmfold.engine.manifest import Manifest
from mmfold.engine.params import parse_config
from mmfold.engine.payload import payload_bytes
from mmfold.replay.source import EventSource

NAME = "strategy.name="
DEFAULT = "default"
OF_STRATEGY = re.compile(
    r"(per_symbol\.[^=]+\.)?(grid|optimal|user)\."
)  # keys that mean something to one strategy alone


def base_of(path: Path, overrides: tuple[str, ...]) -> tuple[str, ...]:
    """Return what keys of a strategy's own are laid over: that strategy, where a journal begins with it.

    Raises: JournalError.
    """
    if any(one.startswith(NAME) for one in overrides) or not any(map(OF_STRATEGY.match, overrides)):
        return ()
    source = EventSource(path)
    if not source.manifest.witnessed:
        return ()
    rows = next(iter(source.unverified_chunks()))
    seqs = rows["seq"][rows["kind"] == EventKind.CONFIG]
    if not len(seqs):
        return ()
    return strategy_in_force(parse_config(payload_bytes(rows[rows["seq"] == np.min(seqs)])))


def strategy_in_force(in_force: dict[str, Any]) -> tuple[str, ...]:
    """Return the overrides that name the strategy in force, where it is one."""
    codes = {values.get("strategy", 0) for values in in_force.get("params", {}).values()}
    return (f"{NAME}{Strategy(codes.pop()).name.lower()}",) if len(codes) == 1 else ()


def patch_of(config: Config, manifest: Manifest, base: tuple[str, ...]) -> dict[str, Any]:
    """Return what of a configuration's CONFIG document was set, or is otherwise than with `base` alone."""
    document = config_document(config, manifest)
    before = config_document(load_config(None, None, base), manifest)
    said = {one.partition("=")[0] for one in base}
    changed: dict[str, Any] = {}
    for section, groups in document.items():
        for group, values in groups.items():
            kept = {
                name: value
                for name, value in values.items()
                if value != before[section][group][name] or is_set(config, section, group, name, said)
            }
            if kept:
                changed.setdefault(section, {})[group] = kept
    return changed


def is_set(config: Config, section: str, group: str, name: str, said: set[str]) -> bool:
    """Tell whether a number of a CONFIG document was set by a key that means something to its symbol's strategy."""
    keys = [f"{group}.{name}"]
    if section == "params":
        key = key_of(name, declared_params())
        strategy = config.for_symbol(group).strategy.name
        if (own := OF_STRATEGY.match(key)) is not None and own[2] != strategy:
            return False  # a zero that stands where another strategy runs
        keys = [key, f"per_symbol.{group}.{key}"]
    return any(config.origins.get(one, DEFAULT) != DEFAULT for one in keys if one not in said)
