"""Two configurations of one journal: a smallest set of the keys they differ in that changes the answer.

The keys of the bad one are laid over the good one, fewer and fewer of them. A set that is no valid configuration is
passed over and counted. Must never give a set that was not tried.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from json import dumps
from pathlib import Path
from typing import Any

from mmfold.config.document import KeyPath, leaves
from mmfold.config.errors import ConfigError
from mmfold.config.load import load_config
from mmfold.config.models import Config

PER_SYMBOL = "per_symbol"
Answers = Callable[[Config], bool]  # whether a configuration answers as the bad one


@dataclass(frozen=True, slots=True)
class Setting:
    """One key that differs, with both values as YAML."""

    key: str
    good: str
    bad: str


@dataclass
class KeySearch:
    """The search under way; `best` fails alike, whatever ends it."""

    good_path: Path
    answers_bad: Answers
    best: tuple[Setting, ...]
    runs: int = 0
    invalid: int = 0
    tried: dict[tuple[Setting, ...], bool] = field(default_factory=dict)
    on_step: Callable[[str], None] = lambda line: None

    def config(self, settings: Iterable[Setting]) -> Config:
        """Return the good configuration with some keys of the bad one.

        Raises: ConfigError.
        """
        return load_config(self.good_path, None, [f"{one.key}={one.bad}" for one in settings])

    def is_bad(self, settings: tuple[Setting, ...]) -> bool:
        """Tell whether some keys of the bad one are enough; one that cannot be is not."""
        if settings not in self.tried:
            try:
                config = self.config(settings)
            except ConfigError as error:
                self.invalid += 1
                self.tried[settings] = False
                self.on_step(f"{names_of(settings)}: passed over, {error}")
            else:
                self.runs += 1
                self.tried[settings] = self.answers_bad(config)
                told = "changes it" if self.tried[settings] else "does not"
                self.on_step(f"{names_of(settings)}: {told}")
        return self.tried[settings]

    def reduce(self) -> None:
        """Leave out halves, quarters and so on of the keys while the rest answers alike, then single ones."""
        size = max(1, len(self.best) // 2)
        while True:
            at, shrunk = 0, False
            while at < len(self.best):
                rest = self.best[:at] + self.best[at + size :]
                if rest and self.is_bad(rest):
                    self.best, shrunk = rest, True
                else:
                    at += size
            if size == 1 and not shrunk:
                return
            size = max(1, size // 2)


def names_of(settings: tuple[Setting, ...]) -> str:
    """Return a few settings in words."""
    shown = ", ".join(one.key for one in settings[:3])
    return shown if len(settings) <= 3 else f"{shown} and {len(settings) - 3} more"


def differing_settings(good: Config, bad: Config) -> tuple[Setting, ...]:
    """Return the keys whose values differ, in the order of the bad configuration, then those of the good one alone."""
    of_good, of_bad = (dict(leaves(config.model_dump())) for config in (good, bad))
    found = []
    for path in dict.fromkeys((*of_bad, *of_good)):
        before, after = (value_of(path, values) for values in (of_good, of_bad))
        if before != after:
            found.append(Setting(".".join(path), yaml_text(before), yaml_text(after)))
    return tuple(found)


def value_of(path: KeyPath, values: dict[KeyPath, Any]) -> Any:
    """Return a key's value; what a symbol does not say for itself is what is said for all."""
    common = path[2:] if path[0] == PER_SYMBOL else path
    return values.get(path, values.get(common))


def yaml_text(value: Any) -> str:
    """Return a value as `key=value` takes it."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(yaml_text, value))}]"
    return f"{value:f}" if isinstance(value, Decimal) else dumps(value, default=str)
