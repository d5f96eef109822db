"""Old keys of a YAML text to new ones by editing it where they stand; must never leave a text that means another thing.

Comments, order and form stay. A key that keeps its section is replaced where it is; one that moves takes its lines and
the comments above it along. What cannot be edited like that is refused with its line. The result is parsed and compared
with the renamed values of the original before anybody sees it.
"""

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple, NoReturn

import yaml

from mmfold.config.aliases import ALIASES, AliasTable
from mmfold.config.document import KeyPath, compose, convert, parse_document
from mmfold.config.errors import ConfigError
from mmfold.config.renames import PER_SYMBOL, Found, rename_keys

INDENT = 2
HEADER = re.compile(r"[^\s#:]+:[ \t]*(#[^\n]*)?\r?\n")  # a section's own line


class Edit(NamedTuple):
    """Characters [start, end) of a text and what stands there instead."""

    start: int
    end: int
    text: str


class Entry(NamedTuple):
    """One `key: value` of a mapping."""

    parent: yaml.MappingNode
    key: yaml.ScalarNode
    value: yaml.Node


class NotClean(Exception):
    """An edit that would not be clean; the text says why."""


def migrate_text(text: str, source: str, names: AliasTable = ALIASES) -> tuple[str, tuple[Found, ...]]:
    """Return the text with new names alone, and the old ones that it had; those that were dropped too.

    Raises: ConfigError as `parse_document` and `rename_keys`, and with the line of a key that must be edited by hand.
    """
    renamed, found = rename_keys(parse_document(text, source), names)
    edited = text
    for one in found:
        try:
            edited = apply(edited, rename_in_place(edited, one) if one.old[:-1] == one.new[:-1] else move(edited, one))
        except NotClean as error:
            refuse(one, str(error))
    try:
        is_same = parse_document(edited, source).values == renamed.values
    except ConfigError:
        is_same = False
    if found and not is_same:
        refuse(found[0], "the lines around it would change their meaning")
    return edited, found


def refuse(one: Found, why: str) -> NoReturn:
    """Refuse to migrate a text.

    Raises: ConfigError.
    """
    text = f"{'.'.join(one.old)} cannot be made {'.'.join(one.new)} here: {why}"
    raise ConfigError("E_CFG_FILE", text, one.where, "edit that line by hand; nothing was written")


def apply(text: str, edits: Iterable[Edit]) -> str:
    """Return the text with some edits made, the last place first.

    Raises: NotClean for edits that overlap.
    """
    limit = len(text)
    for edit in sorted(edits, key=lambda one: (one.start, one.end), reverse=True):
        if edit.end > limit:
            raise NotClean("its old and its new place overlap")
        text = text[: edit.start] + edit.text + text[edit.end :]
        limit = edit.start
    return text


def find(text: str, path: KeyPath) -> Entry | None:
    """Return the entry at a path of a text."""
    node = compose(text, "")
    entry: Entry | None = None
    for part in path:
        if not isinstance(node, yaml.MappingNode):
            return None
        entry = child(node, part)
        if entry is None:
            return None
        node = entry.value
    return entry


def child(section: yaml.MappingNode, name: str) -> Entry | None:
    """Return the entry of a name in a section."""
    return next((Entry(section, key, value) for key, value in section.value if key.value == name), None)


def rename_in_place(text: str, one: Found) -> list[Edit]:
    """Return the edits of a key that stays where it is, and of its value where that changes."""
    entry = find(text, one.old)
    assert entry is not None, one
    quote = entry.key.style or ""
    edits = [Edit(entry.key.start_mark.index, entry.key.end_mark.index, f"{quote}{one.new[-1]}{quote}")]
    value = entry.value
    if isinstance(value, yaml.ScalarNode) and one.row.factor != 1:
        old = convert(value, one.old, "", {})
        new = one.row.convert(old)
        if new is not old:
            digits = f"{new:f}" if isinstance(new, Decimal) else str(new)
            edits.append(Edit(value.start_mark.index, value.end_mark.index, digits))
    return edits


def move(text: str, one: Found) -> list[Edit]:
    """Return the edits that take a key's lines to its new section, which is made if there is none.

    Raises: NotClean.
    """
    entry = find(text, one.old)
    assert entry is not None, one
    start, end = lines_of(text, entry)
    column = entry.key.start_mark.column
    place, indent, sections = target(text, one.new)
    body = apply(text[start:end], [
        Edit(edit.start - start, edit.end - start, edit.text) for edit in rename_in_place(text, one)
    ])  # fmt: skip
    newline = "\r\n" if "\r\n" in text else "\n"
    head = [f"{' ' * (indent + INDENT * depth)}{name}:{newline}" for depth, name in enumerate(sections)]
    lines = [indented(line, indent + INDENT * len(sections) - column) for line in body.splitlines(keepends=True)]
    moved = "".join([*head, *lines])
    if not moved.endswith("\n"):
        moved += newline
    if place and text[place - 1] != "\n":
        moved = newline + moved
    return [Edit(place, place, moved), Edit(start, end, ""), *empty_headers(text, one)]


def lines_of(text: str, entry: Entry) -> tuple[int, int]:
    """Return where an entry's lines begin and end, the comments right above it included.

    Raises: NotClean for an entry that shares its lines.
    """
    key = entry.key.start_mark
    start = key.index - key.column
    if entry.parent.flow_style or text[start : key.index].strip(" "):
        raise NotClean("it shares its line with other keys")
    while start:
        above = text.rfind("\n", 0, start - 1) + 1
        line = text[above:start]
        if not line.lstrip(" ").startswith("#") or len(line) - len(line.lstrip(" ")) != key.column:
            break
        start = above
    return start, line_end(text, content_end(text, entry))


def content_end(text: str, entry: Entry) -> int:
    """Return where the last character of an entry's value is, without what follows it: blank lines, comments."""
    node = entry.value
    if isinstance(node, yaml.MappingNode) and node.value and not node.flow_style:
        return content_end(text, Entry(node, *node.value[-1]))
    if isinstance(node, yaml.SequenceNode) and node.value and not node.flow_style:
        return content_end(text, Entry(entry.parent, entry.key, node.value[-1]))
    end: int = max(node.end_mark.index, entry.key.end_mark.index)
    return len(text[:end].rstrip())


def line_end(text: str, place: int) -> int:
    """Return where the line after the one at a place begins."""
    end = text.find("\n", place)
    return len(text) if end < 0 else end + 1


def target(text: str, new: KeyPath) -> tuple[int, int, KeyPath]:
    """Return where a new key's lines go, how far they are indented, and the sections that have to be made for it.

    Raises: NotClean for a section in braces.
    """
    root = compose(text, "")
    assert isinstance(root, yaml.MappingNode) and root.value
    section, depth = root, 0
    for depth in range(len(new)):
        entry = child(section, new[depth])
        if entry is None:
            break
        if not isinstance(entry.value, yaml.MappingNode) or not entry.value.value:
            place = line_end(text, entry.key.end_mark.index)
            if entry.value.start_mark.index != entry.value.end_mark.index:
                raise NotClean(f"{'.'.join(new[: depth + 1])} holds no lines that it could stand below")
            return place, entry.key.start_mark.column + INDENT, new[depth + 1 : -1]
        section = entry.value
    if section.flow_style:
        raise NotClean(f"{'.'.join(new[:depth]) or 'the whole file'} is in braces")
    last = line_end(text, content_end(text, Entry(section, *section.value[-1])))
    return last, section.value[0][0].start_mark.column, new[depth:-1]


def empty_headers(text: str, one: Found) -> list[Edit]:
    """Return the edits that take away the sections that a moved key leaves empty; their comments stay.

    Raises: NotClean for a section whose line holds more than its name.
    """
    edits = []
    prefix_length = 2 if one.old[0] == PER_SYMBOL else 0
    for length in range(len(one.old) - 1, prefix_length, -1):
        path = one.old[:length]
        entry = find(text, path)
        assert entry is not None and isinstance(entry.value, yaml.MappingNode)
        if len(entry.value.value) > 1 or one.new[:length] == path:
            break
        start = entry.key.start_mark.index
        line = text[start : line_end(text, start)]
        header = HEADER.fullmatch(line)
        if header is None:
            raise NotClean(f"{'.'.join(path)} would be empty, and its line holds more than its name")
        if header[1]:
            edits.append(Edit(start, start + header.start(1), ""))
        else:
            edits.append(Edit(start - entry.key.start_mark.column, start + len(line), ""))
    return edits


def indented(line: str, by: int) -> str:
    """Return a line moved to the right, or to the left as far as it has room."""
    if not line.strip():
        return line
    if by >= 0:
        return " " * by + line
    room = len(line) - len(line.lstrip(" "))
    return line[min(room, -by) :]
