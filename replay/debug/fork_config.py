"""What a fork lays over the configuration in force: the keys that were set, or a whole other one.

A key means what it means to the strategy in force, and one that was set counts also where it is what mm has by default.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmfold.config.load import load_config
from mmfold.config.params import config_document, unused_settings
from mmfold.engine.codes import Mode
from mmfold.engine.core import merge_config
from mmfold.engine.manifest import Manifest
from mmfold.replay.patch import NAME, patch_of, strategy_in_force


@dataclass(frozen=True, kw_only=True)
class Change:
    """What is asked for: a file or a profile replaces the configuration in force, `key=value` texts change it."""

    config_path: Path | None = None
    profile: str | None = None
    overrides: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Tell whether the configuration in force is replaced."""
        return self.config_path is not None or self.profile is not None


@dataclass(frozen=True)
class Overlay:
    """What is laid over every CONFIG, and what to tell the user of what was asked for."""

    document: dict[str, Any]
    warnings: tuple[str, ...]


def overlay_of(change: Change, manifest: Manifest, in_force: dict[str, Any], *, is_new_strategy: bool) -> Overlay:
    """Return what a change lays over a CONFIG document in force; orders are sent in any case.

    `is_new_strategy`: the strategy file of this process quotes from here on.
    Raises: ConfigError.
    """
    sent = {"params": {symbol: {"mode": int(Mode.SENT)} for symbol in manifest.symbol_index()}}
    overrides = (f"{NAME}user", *change.overrides) if is_new_strategy else change.overrides
    if not overrides and not change.is_whole:
        return Overlay(sent, ())
    base = () if change.is_whole or any(one.startswith(NAME) for one in overrides) else strategy_in_force(in_force)
    config = load_config(change.config_path, change.profile, (*base, *overrides))
    if config.strategy.name == "grid" and not base:  # as a backtest of it has it
        config = load_config(change.config_path, change.profile, ("strategy.quote_on_timer=true", *overrides))
    document = config_document(config, manifest) if change.is_whole else patch_of(config, manifest, base)
    return Overlay(merge_config(document, sent), (*config.warnings, *unused_settings(config, manifest)))
