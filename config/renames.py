"""Old keys of one layer of configuration to new ones; must never choose between two values of one setting."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, NamedTuple

from mmfold.config.aliases import ABSENT, Alias, AliasTable, Domain
from mmfold.config.document import Document, KeyPath
from mmfold.config.errors import ConfigError

PER_SYMBOL = "per_symbol"


class Found(NamedTuple):
    """One old key in a layer and where it stands."""

    row: Alias
    old: KeyPath
    new: KeyPath
    where: str

    @property
    def text(self) -> str:
        """The warning that it gets."""
        return f"{self.where}: {self.row.told('.'.join(self.old), '.'.join(self.new))}"

    def document(self) -> dict[str, str]:
        """Return it for a program."""
        return {
            "conversion": self.row.conversion,
            "dropped": self.row.dropped,
            "new": ".".join(self.new),
            "old": ".".join(self.old),
            "since": self.row.since,
            "where": self.where,
        }


def rename_keys(layer: Document, names: AliasTable) -> tuple[Document, tuple[Found, ...]]:
    """Return the layer with new keys alone, and the old ones that it had, row by row in the order of the table.

    Raises: ConfigError with both places for a setting under its old and its new name.
    """
    renamed = Document(deepcopy(layer.values), dict(layer.origins))
    found: list[Found] = []
    for row in names.of(Domain.CONFIG):
        old, new = tuple(row.old.split(".")), tuple(row.new.split("."))
        for prefix in prefixes(renamed.values):
            found += move(renamed, Found(row, (*prefix, *old), (*prefix, *new), ""), len(prefix))
    return renamed, tuple(found)


def refuse_dropped(found: tuple[Found, ...], names: AliasTable, hint: str) -> None:
    """Refuse a layer with names that this release has dropped.

    Raises: ConfigError that names the first one's new name; `hint` says what to do about all.
    """
    dropped = [one for one in found if names.is_dropped(one.row)]
    if dropped:
        one, more = dropped[0], f"; {len(dropped) - 1} more of the kind" if len(dropped) > 1 else ""
        conversion = f", {one.row.conversion}" if one.row.conversion else ""
        text = f"{'.'.join(one.old)}: dropped in {one.row.dropped}, it is now {'.'.join(one.new)}{conversion}{more}"
        raise ConfigError("E_CFG_KEY", text, one.where, hint)


def prefixes(values: dict[str, Any]) -> Iterator[KeyPath]:
    """Yield where settings may stand: at the top, and below each symbol."""
    yield ()
    symbols = values.get(PER_SYMBOL)
    if isinstance(symbols, dict):
        yield from ((PER_SYMBOL, symbol) for symbol, own in symbols.items() if isinstance(own, dict))


def move(layer: Document, asked: Found, prefix_length: int) -> Iterator[Found]:
    """Move one key, or of a section whose new name is there as well the keys in it, and yield what was moved.

    Raises: ConfigError where both names are set.
    """
    row, old, new, _ = asked
    value, there = look_up(layer.values, old), look_up(layer.values, new)
    if value is ABSENT:
        return
    if isinstance(value, dict) and isinstance(there, dict):
        for key in list(value):
            yield from move(layer, Found(row, (*old, key), (*new, key), ""), prefix_length)
        return
    where = layer.origin(old)
    sections = [new[:length] for length in range(1, len(new))]
    taken = next((one for one in sections if not is_room(look_up(layer.values, one))), None)
    if there is not ABSENT or taken:
        clash = taken or new
        text = f"{'.'.join(clash)}: set twice, {'.'.join(old)} is an old name of it"
        raise ConfigError("E_CFG_KEY", text, f"{where}, {layer.origin(clash)}", "keep one of the two")
    # Must succeed from here.
    place = layer.values
    for part in new[:-1]:
        if place.get(part) is None:
            place[part] = {}
        place = place[part]
    place[new[-1]] = value if isinstance(value, dict) else row.convert(value)
    remove(layer.values, old, prefix_length)
    for path in [one for one in layer.origins if one[: len(old)] == old]:
        layer.origins[(*new, *path[len(old) :])] = layer.origins.pop(path)
    layer.origins[new] = where  # the old key itself has no line where its section was given as one value
    yield Found(row, old, new, where)


def is_room(section: Any) -> bool:
    """Tell whether keys can stand in what is there: a section, an empty one or none."""
    return section is ABSENT or section is None or isinstance(section, dict)


def look_up(values: dict[str, Any], path: KeyPath) -> Any:
    """Return the value at a path, or ABSENT."""
    value: Any = values
    for part in path:
        value = value.get(part, ABSENT) if isinstance(value, dict) else ABSENT
    return value


def remove(values: dict[str, Any], path: KeyPath, prefix_length: int) -> None:
    """Take a key out, and the sections that are empty without it; never the symbol they are in."""
    for length in range(len(path), prefix_length, -1):
        section = look_up(values, path[: length - 1])
        del section[path[length - 1]]
        if section:
            return
