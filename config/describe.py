"""What every setting means, read from the models and defaults.yaml; must never hold a fact about a key itself."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from decimal import Decimal
from types import NoneType
from typing import Any, get_args

from pydantic import BaseModel

from mmfold.config.aliases import ALIASES, Domain
from mmfold.config.document import Document, KeyPath, read_document
from mmfold.config.errors import ConfigError, nearest_text
from mmfold.config.load import DEFAULTS
from mmfold.config.models import Config, Layers
from mmfold.config.own import SECTION

# The keys that a new configuration file starts with.
STARTER_KEYS = (
    "mode",
    "strategy.name",
    "strategy.target_usd",
    "strategy.min_spread_bps",
    "strategy.max_spread_bps",
    "strategy.skew_coeff",
    "strategy.levels_per_side",
    "risk.max_inv_usd_per_symbol",
    "risk.max_total_notional_usd",
    "risk.equity_usd",
)
STARTER_HEAD = """\
# mm configuration: what stands here replaces the default, what does not keeps it.
# Every key: mm config describe.  This file: mm config check FILE.  In force: mm config show --config FILE.
"""
STARTER_TAIL = """
# One symbol may differ in any key:
# per_symbol:
#   BTCUSDT:
#     strategy:
#       skew_coeff: 0.5
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting as a person asks about it."""

    key: str
    meaning: str
    unit: str
    range: str
    default: Any
    runtime_mutable: bool


def describe(key: str | None = None) -> tuple[Setting, ...]:
    """Return one setting, those of a section, or all of them.

    Raises: ConfigError for an unknown key, with the nearest one.
    """
    settings = tuple(walk(Layers, read_document(DEFAULTS), ()))
    if key is None:
        return settings
    found = tuple(one for one in settings if one.key == key or one.key.startswith(f"{key}."))
    if not found and key.startswith(f"{SECTION}."):  # a name of a file that is not here
        found = tuple(one for one in settings if one.key == SECTION)
    if not found:
        row = next((row for row in ALIASES.of(Domain.CONFIG) if row.old == key), None)
        if row is not None:
            raise ConfigError("E_CFG_KEY", row.told(row.old, row.new), hint=f"mm config describe {row.new}")
        names = [one.key for one in settings]
        sections = sorted({name.rpartition(".")[0] for name in names} - {""})
        raise ConfigError("E_CFG_KEY", f"{key}: unknown key{nearest_text(key, names + sections)}")
    return found


def walk(model: type[BaseModel], defaults: Document, path: KeyPath) -> Iterator[Setting]:
    """Yield the settings of a model and of the sections in it, in the order they are declared."""
    values: Any = defaults.values
    for part in path:
        values = values[part]
    for name, info in model.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield from walk(info.annotation, defaults, (*path, name))
            continue
        extra = info.json_schema_extra
        assert info.description and isinstance(extra, dict), f"{name} has no description"
        nullable = NoneType in get_args(info.annotation)
        yield Setting(
            key=".".join((*path, name)),
            meaning=info.description,
            unit=str(extra["unit"]),
            range=f"{extra['range']} or null" if nullable else str(extra["range"]),
            default=plain(values[name]),
            runtime_mutable=bool(extra["runtime_mutable"]),
        )


def to_document(value: Any) -> Any:
    """Return settings or a configuration as values that JSON has."""
    if isinstance(value, Config):
        return plain(value.model_dump())
    return asdict(value) if isinstance(value, Setting) else plain(value)


def plain(value: Any) -> Any:
    """Return a value with JSON numbers for decimals; 15 digits survive that exactly (config/models.py)."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def to_text(value: Any) -> str:
    """Return a plain value as YAML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else str(value)


def starter_yaml() -> str:
    """Return the file that `mm config init` writes: a few keys at their defaults, each with its meaning."""
    settings = {one.key: one for one in describe()}
    lines = [STARTER_HEAD]
    section = ""
    for key in STARTER_KEYS:
        one = settings[key]
        parent, _, name = key.rpartition(".")
        if parent != section:
            lines.append(f"\n{parent}:\n")
            section = parent
        indent = "  " if parent else ""
        unit = "" if one.unit == "-" else f" {one.unit},"
        lines.append(f"{indent}{name}: {to_text(one.default)}  # {one.meaning};{unit} {one.range}\n")
    return "".join(lines) + STARTER_TAIL
