"""Layers of YAML to a checked Config: defaults, profile, file, key=value; must never print or guess.

Errors are one line with key, value, range and the file's line; a mistyped key names the nearest one.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from mmfold.config.aliases import ALIASES, AliasTable
from mmfold.config.document import Document, KeyPath, leaves, merge, merge_values, parse_value, read_document
from mmfold.config.errors import Code, ConfigError, nearest_text
from mmfold.config.fields import Section
from mmfold.config.models import POLICY_SECTIONS, Config, Layers, Settings
from mmfold.config.own import FROM_FILE, SECTION, declared_params, is_declared
from mmfold.config.renames import PER_SYMBOL, refuse_dropped, rename_keys

FOLDER = Path(__file__).resolve().parent
DEFAULTS = FOLDER / "defaults.yaml"
PROFILES = FOLDER / "profiles"
COMMON_ONLY = ("live", "alerts", "guards", "circuit", "allocator", *POLICY_SECTIONS)  # one account, one policy lane

# pydantic's error type -> our code and text; `{bounds}` comes from the field.
PHRASES: dict[str, tuple[Code, str]] = {
    "int_type": ("E_CFG_TYPE", "must be a whole number, not {value}"),
    "missing": ("E_CFG_KEY", "is missing"),
    "string_type": ("E_CFG_TYPE", "must be text, not {value}"),
    "tuple_type": ("E_CFG_TYPE", "must be a list of texts, such as [a, b], not {value}"),
    "bool_type": ("E_CFG_TYPE", "must be true or false, not {value}"),
    "dict_type": ("E_CFG_TYPE", "must be a section of `key: value` lines, not {value}"),
    "model_type": ("E_CFG_TYPE", "must be a section of `key: value` lines, not {value}"),
    "cfg_type": ("E_CFG_TYPE", "{message}, not {value}"),
    "cfg_range": ("E_CFG_RANGE", "{value} {message}"),
    "cfg_invariant": ("E_CFG_INVARIANT", "{message}"),
    "greater_than": ("E_CFG_RANGE", "{value} is out of range {bounds}"),
    "greater_than_equal": ("E_CFG_RANGE", "{value} is out of range {bounds}"),
    "less_than_equal": ("E_CFG_RANGE", "{value} is out of range {bounds}"),
    "literal_error": ("E_CFG_RANGE", "{value} is not one of: {bounds}"),
}
S = TypeVar("S", bound=Section)


def load_config(
    path: Path | None, profile: str | None = None, overrides: Sequence[str] = (), names: AliasTable = ALIASES
) -> Config:
    """Return defaults <- profile <- file <- `key=value` overrides, checked.

    Raises: ConfigError for the first thing wrong, with its file and line.
    """
    warnings: list[str] = []
    document = read_document(DEFAULTS)
    document = Document(document.values, dict.fromkeys((path for path, _ in leaves(document.values)), "default"))
    document = merge(document, own_defaults())
    layers = [] if profile is None else [(read_document(profile_path(profile)), "")]
    if path is not None:
        layers.append((read_document(path), f"mm config migrate {path} --in-place writes the new names"))
    said = Document({})  # one layer: an old name and its new one are the same setting said twice
    for text in overrides:
        said = merge(said, fold_symbols(parse_override(text)))
    layers.append((said, "say it by its new name"))
    for layer, hint in layers:
        renamed, found = rename_keys(fold_symbols(layer), names)
        refuse_dropped(found, names, hint)
        warnings += [one.text for one in found]
        document = merge(document, renamed)
    checked = check(Layers, document.values, document, ())
    warnings += check_own(checked, document)
    common = {key: value for key, value in document.values.items() if key != PER_SYMBOL}
    symbol_settings: dict[str, Settings] = {}
    for symbol, values in checked.per_symbol.items():
        for key in COMMON_ONLY:
            if key in values:
                where = document.origin((PER_SYMBOL, symbol, key))
                raise ConfigError("E_CFG_KEY", f"per_symbol.{symbol}.{key}: cannot differ by symbol", where)
        symbol_settings[symbol] = check(Settings, merge_values(common, values), document, (PER_SYMBOL, symbol))
    origins = {".".join(key): document.origin(key) for key, _ in leaves(document.values)}
    return Config(**dict(checked), symbol_settings=symbol_settings, origins=origins, warnings=tuple(warnings))


def own_defaults() -> Document:
    """Return the layer of the strategy file's own parameters."""
    params = dict(declared_params())
    return Document({SECTION: params}, {(SECTION, name): FROM_FILE for name in params})


def check_own(checked: Layers, document: Document) -> list[str]:
    """Check that each key of `user` is a parameter of the strategy file; returns what to say where there is none.

    Raises: ConfigError with the nearest name.
    """
    known, warnings = list(declared_params()), []
    said: list[tuple[KeyPath, Mapping[str, Any]]] = [((SECTION,), checked.user)]
    for symbol, values in checked.per_symbol.items():
        if isinstance(values.get(SECTION), dict):
            said.append(((PER_SYMBOL, symbol, SECTION), values[SECTION]))
    for prefix, settings in said:
        for name in settings:
            path = (*prefix, name)
            key, where = ".".join(path), document.origin(path)
            if is_declared():
                if name not in known:
                    guess = nearest_text(name, known).replace("did you mean ", f"did you mean {'.'.join(prefix)}.")
                    hint = f"the strategy file's PARAMS: {', '.join(known) or 'none'}"
                    raise ConfigError("E_CFG_KEY", f"{key}: unknown key{guess}", where, hint)
            else:
                warnings.append(f"{where}: {key} is not used: no --strategy FILE:FUNCTION is given")
    return warnings


def profile_names() -> list[str]:
    """Return the names that `profile` may have."""
    return sorted(path.stem for path in PROFILES.glob("*.yaml"))


def profile_path(name: str) -> Path:
    """Return the file of a profile.

    Raises: ConfigError with the nearest name.
    """
    names = profile_names()
    if name not in names:
        guess = nearest_text(name, names) or f", known are {', '.join(names)}"
        raise ConfigError("E_CFG_KEY", f"unknown profile {name!r}{guess}")
    return PROFILES / f"{name}.yaml"


def parse_override(text: str) -> Document:
    """Return the layer of one `key=value`, the value being YAML.

    Raises: ConfigError when there is no `=` or no key.
    """
    key, equals, value_text = text.partition("=")
    path = tuple(part.strip() for part in key.split("."))
    if not equals or not all(path):
        raise ConfigError("E_CFG_KEY", f"{text!r} is not key=value, as in strategy.skew_coeff=0.5")
    where = f"--set {text}"
    value = parse_value(value_text, where)
    for part in reversed(path):
        value = {part: value}
    assert isinstance(value, dict)
    return Document(value, {path[:length]: where for length in range(1, len(path) + 1)})


def fold_symbols(layer: Document) -> Document:
    """Return the layer with the symbols of `per_symbol` in upper case.

    Raises: ConfigError when two names become one.
    """
    symbols = layer.values.get(PER_SYMBOL)
    if not isinstance(symbols, dict):
        return layer
    folded: dict[str, Any] = {}
    for symbol, values in symbols.items():
        if symbol.upper() in folded:
            at = (PER_SYMBOL, symbol)
            raise ConfigError("E_CFG_KEY", f"{'.'.join(at)}: set twice", layer.origin(at))
        folded[symbol.upper()] = {} if values is None else values
    origins = {
        (path[0], path[1].upper(), *path[2:]) if path[0] == PER_SYMBOL and len(path) > 1 else path: where
        for path, where in layer.origins.items()
    }
    return Document({**layer.values, PER_SYMBOL: folded}, origins)


def check(model: type[S], values: dict[str, Any], document: Document, prefix: KeyPath, hint: str = "") -> S:
    """Return the values as a model; `prefix` is where in the document they stand, `hint` what to do next.

    Raises: ConfigError for the first mistake; unknown keys come first.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        mistakes = sorted(error.errors(include_url=False), key=lambda one: one["type"] != "extra_forbidden")
        first = mistakes[0]
        more = f"; {len(mistakes) - 1} more to mend" if len(mistakes) > 1 else ""
        path = tuple(str(part) for part in first["loc"])
        key = ".".join((*prefix, *path))
        where = document.origin((*prefix, *path)) or document.origin(path)
        named = ".".join(part for part in path if not part.isdigit())  # without the places of a list
        if first["type"] == "extra_forbidden":
            guess = unknown_text(named, key_names(model), ".".join(prefix))
            raise ConfigError("E_CFG_KEY", f"{key}: unknown key{guess}{more}", where, hint) from error
        code, phrase = PHRASES.get(first["type"], ("E_CFG_TYPE", "{message}"))
        text = phrase.format(value=show_value(first["input"]), message=first["msg"], bounds=bounds_of(model, path))
        hint = hint or f"mm config describe {named} shows what it may be"
        key_text = f"{key}: " if key else ""  # what contradicts itself across the sections has no key
        raise ConfigError(code, f"{key_text}{text}{more}", where, hint) from error


def unknown_text(key: str, known: list[str], prefix: str) -> str:
    """Return what to write instead of an unknown key."""
    if key in known:  # written with dots where YAML wants a nested section
        return f", write {key.replace('.', ': {')}: ..." + "}" * key.count(".")
    guess = nearest_text(key, known)
    return guess.replace("did you mean ", f"did you mean {prefix}.") if prefix else guess


def key_names(model: type[BaseModel], prefix: str = "") -> list[str]:
    """Return every dotted key of a model, sections included, in the order they are declared."""
    names = []
    for name, info in model.model_fields.items():
        if info.exclude:
            continue
        names.append(prefix + name)
        section = section_of(info.annotation)
        if section is not None:
            names += key_names(section, f"{prefix}{name}.")
    return names


def section_of(annotation: Any) -> type[BaseModel] | None:
    """Return the section that a field holds, or holds a list of."""
    for one in (annotation, *get_args(annotation)):
        if isinstance(one, type) and issubclass(one, BaseModel):
            return one
    return None


def bounds_of(model: type[BaseModel], path: KeyPath) -> str:
    """Return the range that a field declares."""
    for part in path:
        info = model.model_fields.get(part)
        if info is None and part.isdigit():
            continue
        if info is None:
            return ""
        section = section_of(info.annotation)
        if section is not None:
            model = section
        elif isinstance(info.json_schema_extra, dict):
            return str(info.json_schema_extra["range"])
    return ""


def show_value(value: Any) -> str:
    """Return a value as a person wrote it, cut to a line's room."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return f"{value:f}"
    return str(value) if isinstance(value, int) else repr(value)[:60]
