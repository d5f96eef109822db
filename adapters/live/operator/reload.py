"""When a configuration file changes, what differs then, and what of it may change at run time (spec/control.md 24)."""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from mmfold.engine.schema import USER_PARAMS

WATCH_S = 1.0

# PARAMS of the mutable keys: whether a symbol is quoted, spreads, skew, levels, resting time, cutoff, limits, throttle,
# those of a strategy file.
MUTABLE_PARAMS = frozenset(
    {
        "k_vola_spread", "min_spread_bps", "max_spread_bps", "skew_coeff", "levels_per_side", "level_spacing_coeff",
        "min_time_in_book_ns", "replace_threshold_bps", "imbalance_cutoff", "active_per_side_max",
        "active_per_symbol_max", "create_per_s_max", "amend_per_s_max", "cancel_per_s_max", "target_micros",
        "enabled", *USER_PARAMS,
    }
)  # fmt: skip


def changed_keys(before: dict[str, Any], after: dict[str, Any]) -> tuple[str, ...]:
    """Return the dotted keys whose value differs, sorted."""
    flat_before, flat_after = dict(leaves(before)), dict(leaves(after))
    keys = flat_before.keys() | flat_after.keys()
    return tuple(sorted(key for key in keys if flat_before.get(key) != flat_after.get(key)))


def immutable_keys(changed: Iterable[str]) -> tuple[str, ...]:
    """Return those of some changed keys that may not change while running."""
    return tuple(key for key in changed if key.rpartition(".")[2] not in MUTABLE_PARAMS)


def leaves(document: dict[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Yield (dotted key, value) of a document."""
    for key, value in document.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


async def watch_file(path: Path, on_change: Callable[[], None]) -> None:
    """Look at a file now and then and tell when it is another than before; one that is gone is waited for."""
    seen = file_mark(path)
    while True:
        await asyncio.sleep(WATCH_S)
        mark = file_mark(path)
        if mark is not None and mark != seen:
            on_change()
        seen = mark or seen


def file_mark(path: Path) -> tuple[int, int, int] | None:
    """Return what changes with a file's content, None for a file that cannot be looked at."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
