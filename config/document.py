"""YAML text to plain values that remember their line; must never run a tag, follow an alias or guess a type.

Scalars follow YAML 1.2: only true and false are booleans, so a symbol named ON stays a symbol, and 12:30 is text.
Fractions become Decimal from their digits, never float: what is written is what is used.
"""

import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from mmfold.config.errors import ConfigError

CONFIG_BYTES_MAX = 1 << 20
KeyPath = tuple[str, ...]

# A number too long for these stays text and is refused where a number is wanted.
SCALARS = {
    "null": r"~|null|Null|NULL|",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?[0-9]{1,18}",
    "float": r"[-+]?(?:\.[0-9]{1,18}|[0-9]{1,18}(?:\.[0-9]{0,18})?)(?:[eE][-+]?[0-9]{1,2})?",
}
TAG = "tag:yaml.org,2002:"


class PlainLoader(yaml.SafeLoader):
    """YAML composer with the scalar rules above and without aliases, whose expansion has no bound."""

    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012  none of YAML 1.1's, whose table is declared so

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose one node, refusing aliases."""
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.MarkedYAMLError(problem="aliases are not supported", problem_mark=mark)
        return super().compose_node(parent, index)


for name, pattern in SCALARS.items():
    PlainLoader.add_implicit_resolver(TAG + name, re.compile(rf"^(?:{pattern})$"), None)


@dataclass(frozen=True, slots=True)
class Document:
    """One layer of configuration: nested values and where each key was set."""

    values: dict[str, Any]
    origins: dict[KeyPath, str] = field(default_factory=dict)

    def origin(self, path: KeyPath) -> str:
        """Return where a key, or the nearest one around it, was set."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.origins:
                return self.origins[path[:length]]
        return ""


def read_bounded(path: Path) -> bytes:
    """Read a small file.

    Raises: ConfigError when it cannot be read, is a pipe or is larger than 1 MB.
    """
    try:
        # Not to wait for a pipe's writer: a session reads its configuration again while it trades.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            if stat.S_ISFIFO(os.fstat(file.fileno()).st_mode):
                raise ConfigError("E_CFG_FILE", f"{path}: a pipe, not a regular file")
            data = file.read(CONFIG_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError("E_CFG_FILE", f"{path}: {error.strerror}") from error
    if len(data) > CONFIG_BYTES_MAX:
        raise ConfigError("E_CFG_FILE", f"{path}: larger than {CONFIG_BYTES_MAX:,} bytes")
    return data


def read_document(path: Path) -> Document:
    """Read a YAML file.

    Raises: ConfigError when it cannot be read, is larger than 1 MB or is not a YAML mapping.
    """
    data = read_bounded(path)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError("E_CFG_FILE", f"{path}: byte {error.start:,} is not UTF-8") from error
    return parse_document(text, path.name)


def parse_document(text: str, source: str) -> Document:
    """Parse YAML text; `source` names it in messages.

    Raises: ConfigError for bad YAML, duplicate keys, aliases, tags and anything but a mapping.
    """
    node = compose(text, source)
    origins: dict[KeyPath, str] = {}
    values = None if node is None else convert(node, (), source, origins)
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise ConfigError("E_CFG_TYPE", "expected `key: value` lines", f"{source} line 1")
    return Document(values, origins)


def parse_value(text: str, source: str) -> Any:
    """Parse the value of a `key=value` setting as YAML.

    Raises: ConfigError as `parse_document`.
    """
    node = compose(text, source)
    return None if node is None else convert(node, (), source, {})


def compose(text: str, source: str) -> yaml.Node | None:
    """Return the YAML tree of a text, with ConfigError for what is not YAML."""
    try:
        node: yaml.Node | None = yaml.compose(text, Loader=PlainLoader)
    except yaml.MarkedYAMLError as error:
        where = f"{source} line {error.problem_mark.line + 1}" if error.problem_mark else source
        raise ConfigError("E_CFG_FILE", f"not YAML: {error.problem}", where) from error
    except yaml.YAMLError as error:
        raise ConfigError("E_CFG_FILE", f"not YAML: {error}", source) from error
    except RecursionError as error:
        raise ConfigError("E_CFG_FILE", "nested too deeply", source) from error
    return node


def convert(node: yaml.Node, path: KeyPath, source: str, origins: dict[KeyPath, str]) -> Any:
    """Return a YAML node's value and note the line of every key below it."""
    if isinstance(node, yaml.MappingNode):
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key_where = f"{source} line {key_node.start_mark.line + 1}"
            if not isinstance(key_node, yaml.ScalarNode):
                raise ConfigError("E_CFG_KEY", "a key must be one word", key_where)
            key_path = (*path, key_node.value)
            if key_node.value in values:
                raise ConfigError("E_CFG_KEY", f"{'.'.join(key_path)}: set twice", key_where)
            origins[key_path] = key_where
            values[key_node.value] = convert(value_node, key_path, source, origins)
        return values
    if isinstance(node, yaml.SequenceNode):
        return [convert(item, path, source, origins) for item in node.value]
    assert isinstance(node, yaml.ScalarNode)
    return convert_scalar(node, path, f"{source} line {node.start_mark.line + 1}")


def convert_scalar(node: yaml.ScalarNode, path: KeyPath, where: str) -> Any:
    """Return the value of one scalar, whose tag the rules of this module gave it."""
    match node.tag.removeprefix(TAG):
        case "null":
            return None
        case "bool":
            return node.value.lower() == "true"
        case "int":
            return int(node.value)
        case "float":
            return Decimal(node.value)
        case "str":
            return node.value
    raise ConfigError("E_CFG_TYPE", f"{'.'.join(path) or 'value'}: tag {node.tag} is not supported", where)


def merge(below: Document, above: Document) -> Document:
    """Return one layer laid over another: sections merge, values replace, an empty section changes nothing."""
    return Document(merge_values(below.values, above.values), {**below.origins, **above.origins})


def merge_values(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested values laid over others."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        if isinstance(old, dict) and value is None:
            continue
        merged[key] = merge_values(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def leaves(values: Mapping[str, Any], path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Yield the path and the value of every key that is not a section."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value
