"""JSON from outside, bounded in depth; must never recurse further than it was told to."""

import json
from typing import Any

JSON_DEPTH_MAX = 32  # a manifest, a CONFIG and a seal need five


def parse_json(data: bytes | str) -> Any:
    """Return what a JSON text says.

    Raises: ValueError for what is not JSON, or nests deeper than the limit.
    """
    try:
        value = json.loads(data)
    except RecursionError:
        raise ValueError(f"nested deeper than {JSON_DEPTH_MAX} levels") from None
    level = [value]
    for _ in range(JSON_DEPTH_MAX):
        level = [one for each in level for one in children(each)]
        if not level:
            return value
    raise ValueError(f"nested deeper than {JSON_DEPTH_MAX} levels")


def children(value: Any) -> list[Any]:
    """Return the objects and lists that a value holds."""
    held = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [one for one in held if isinstance(one, dict | list)]
