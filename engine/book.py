"""The books: full depth as received, one side = a ring of ticks near the best price plus a sorted far list.

Levels are addressed by key: the price for asks, its negative for bids, so on both sides the best level has the
smallest key and one body serves both. Must never look at messages: engine/continuity.py says which levels are set.
"""

import numpy as np

from mmfold.engine.codes import Side
from mmfold.engine.jit import kernel
from mmfold.engine.limits import (
    BOOK_BETTER_TICKS,
    BOOK_BLOCK_TICKS,
    BOOK_FAR_COUNT_MAX,
    BOOK_WINDOW_TICKS,
    PRICE_TICKS_MAX,
    QTY_LOTS_MAX,
)
from mmfold.engine.records import NO_PRICE_TICKS
from mmfold.engine.state import NO_KEY

WINDOW_MASK = BOOK_WINDOW_TICKS - 1
BLOCK_MASK = BOOK_BLOCK_TICKS - 1
BLOCK_SHIFT = 6
NEAR_TICKS = 1 << 10
assert 1 << BLOCK_SHIFT == BOOK_BLOCK_TICKS
assert BOOK_BETTER_TICKS % BOOK_BLOCK_TICKS == 0


@kernel
def key_of(side, price_ticks):
    """Return the key of a price: smaller is better on both sides."""
    return price_ticks if side == Side.ASK else -price_ticks


@kernel
def is_better(side, price_ticks, other_ticks):
    """Tell whether a price is nearer to the other side of the market than another one."""
    return key_of(side, price_ticks) < key_of(side, other_ticks)


@kernel
def level_qty_lots(cell, side, price_ticks):
    """Return the quantity displayed at a price, 0 if none."""
    book_side = cell["sides"][side]
    key = key_of(side, price_ticks)
    start = book_side["window_start_key"]
    if book_side["best_key"] == NO_KEY or key < start:
        return 0
    if key < start + BOOK_WINDOW_TICKS:
        return cell["window_qty_lots"][side, key & WINDOW_MASK]
    far_index = find_far(cell["far_levels"][side], book_side["far_level_count"], key)
    level = cell["far_levels"][side, min(far_index, BOOK_FAR_COUNT_MAX - 1)]
    if far_index < book_side["far_level_count"] and level["key"] == key:
        return level["qty_lots"]
    return 0


@kernel
def find_far(far_levels, count, key):
    """Return the index of the first far level whose key is not above `key`; the list is sorted worst first."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if far_levels[middle]["key"] > key:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def set_far(cell, side, key, qty_lots):
    """Set one level beyond the window; when the list is full the farthest level goes, and is counted."""
    book_side = cell["sides"][side]
    far_levels = cell["far_levels"][side]
    count = book_side["far_level_count"]
    index = find_far(far_levels, count, key)
    found = index < count and far_levels[index]["key"] == key
    if found and qty_lots > 0:
        far_levels[index]["qty_lots"] = qty_lots
    elif found:
        for i in range(index, count - 1):
            far_levels[i]["key"] = far_levels[i + 1]["key"]
            far_levels[i]["qty_lots"] = far_levels[i + 1]["qty_lots"]
        far_levels[count - 1]["key"] = 0
        far_levels[count - 1]["qty_lots"] = 0
        book_side["far_level_count"] = count - 1
    elif qty_lots > 0 and count == BOOK_FAR_COUNT_MAX:
        cell["book"]["far_dropped_count"] += 1
        if index > 0:
            for i in range(index - 1):
                far_levels[i]["key"] = far_levels[i + 1]["key"]
                far_levels[i]["qty_lots"] = far_levels[i + 1]["qty_lots"]
            far_levels[index - 1]["key"] = key
            far_levels[index - 1]["qty_lots"] = qty_lots
    elif qty_lots > 0:
        for i in range(count, index, -1):
            far_levels[i]["key"] = far_levels[i - 1]["key"]
            far_levels[i]["qty_lots"] = far_levels[i - 1]["qty_lots"]
        far_levels[index]["key"] = key
        far_levels[index]["qty_lots"] = qty_lots
        book_side["far_level_count"] = count + 1


@kernel
def next_key(cell, side, key):
    """Return the smallest key of a level at or beyond `key`, NO_KEY if there is none."""
    book_side = cell["sides"][side]
    qtys = cell["window_qty_lots"][side]
    blocks = cell["window_block_counts"][side]
    start = book_side["window_start_key"]
    end = start + BOOK_WINDOW_TICKS
    key = max(key, start)
    if book_side["window_level_count"] > 0:
        while key < end:
            if qtys[key & WINDOW_MASK] > 0:
                return key
            key += 1
            while key & BLOCK_MASK == 0 and key < end and blocks[(key & WINDOW_MASK) >> BLOCK_SHIFT] == 0:
                key += BOOK_BLOCK_TICKS
    far_count = book_side["far_level_count"]
    if far_count > 0:
        far_levels = cell["far_levels"][side]
        index = far_count - 1
        while index > 0 and far_levels[index]["key"] < key:
            index -= 1
        if far_levels[index]["key"] >= key:
            return far_levels[index]["key"]
    return NO_KEY


@kernel
def set_window(cell, side, key, qty_lots):
    """Set one level inside the window; keeps the block counts, not the best key."""
    index = key & WINDOW_MASK
    old_lots = cell["window_qty_lots"][side, index]
    cell["window_qty_lots"][side, index] = qty_lots
    change = (1 if qty_lots > 0 else 0) - (1 if old_lots > 0 else 0)
    if change != 0:
        cell["window_block_counts"][side, index >> BLOCK_SHIFT] += change
        cell["sides"][side]["window_level_count"] += change


@kernel
def move_window(cell, side, best_key):
    """Put the window's start a fixed distance before a new best key; levels enter from and leave to the far list."""
    book_side = cell["sides"][side]
    old_start = book_side["window_start_key"]
    new_start = (best_key - BOOK_BETTER_TICKS) & ~BLOCK_MASK
    if new_start < old_start:
        key = max(old_start, new_start + BOOK_WINDOW_TICKS)
        key = next_key(cell, side, key)
        while key < old_start + BOOK_WINDOW_TICKS:
            qty_lots = cell["window_qty_lots"][side, key & WINDOW_MASK]
            set_window(cell, side, key, 0)
            set_far(cell, side, key, qty_lots)
            key = next_key(cell, side, key + 1)
    book_side["window_start_key"] = new_start
    far_levels = cell["far_levels"][side]
    while book_side["far_level_count"] > 0:
        last = book_side["far_level_count"] - 1
        key = far_levels[last]["key"]
        if key >= new_start + BOOK_WINDOW_TICKS:
            break
        set_window(cell, side, key, far_levels[last]["qty_lots"])
        far_levels[last]["key"] = 0
        far_levels[last]["qty_lots"] = 0
        book_side["far_level_count"] = last


@kernel
def set_best(cell, side, key):
    """Write a side's best key and price; moves the window when the best has drifted away from its start."""
    book_side = cell["sides"][side]
    book_side["best_key"] = key
    if key == NO_KEY:
        book_side["best_price_ticks"] = NO_PRICE_TICKS
        return
    book_side["best_price_ticks"] = key if side == Side.ASK else -key
    start = book_side["window_start_key"]
    if key < start or key - start > BOOK_WINDOW_TICKS // 2:
        move_window(cell, side, key)


@kernel
def set_level(cell, side, price_ticks, qty_lots):
    """Set one price level of one side.

    Units: qty_lots 0 removes the level.
    """
    assert 0 <= qty_lots <= QTY_LOTS_MAX
    assert 0 < price_ticks <= PRICE_TICKS_MAX
    book_side = cell["sides"][side]
    key = key_of(side, price_ticks)
    best_key = book_side["best_key"]
    if best_key == NO_KEY or key < book_side["window_start_key"]:
        if qty_lots == 0:
            return
        move_window(cell, side, key)
    if key < book_side["window_start_key"] + BOOK_WINDOW_TICKS:
        set_window(cell, side, key, qty_lots)
    else:
        set_far(cell, side, key, qty_lots)
    if qty_lots > 0 and key < best_key:
        set_best(cell, side, key)
    elif qty_lots == 0 and key == best_key:
        set_best(cell, side, next_key(cell, side, key + 1))


@kernel
def clear_side(cell, side):
    """Remove every level of one side."""
    book_side = cell["sides"][side]
    if book_side["window_level_count"] > 0:
        blocks = cell["window_block_counts"][side]
        for block in range(blocks.size):
            if blocks[block] > 0:
                first = block * BOOK_BLOCK_TICKS
                cell["window_qty_lots"][side, first : first + BOOK_BLOCK_TICKS] = 0
                blocks[block] = 0
        book_side["window_level_count"] = 0
    for index in range(book_side["far_level_count"]):
        cell["far_levels"][side, index]["key"] = 0
        cell["far_levels"][side, index]["qty_lots"] = 0
    book_side["far_level_count"] = 0
    book_side["best_key"] = NO_KEY
    book_side["best_price_ticks"] = NO_PRICE_TICKS


def levels(cell: np.void, side: int) -> list[tuple[int, int]]:
    """Return one side's levels, best first, as (price_ticks, qty_lots); for tests, which believe no best price."""
    return levels_from(cell, side, int(cell["sides"][side]["window_start_key"]), BOOK_WINDOW_TICKS + BOOK_FAR_COUNT_MAX)


def best_levels(cell: np.void, side: int, count: int) -> list[tuple[int, int]]:
    """Return the first of one side's levels, best first, as (price_ticks, qty_lots); for reports."""
    best_key = int(cell["sides"][side]["best_key"])
    return [] if best_key == NO_KEY else levels_from(cell, side, best_key, count)


def levels_from(cell: np.void, side: int, key: int, count: int) -> list[tuple[int, int]]:
    """Return the first levels of one side from a key of the window on, and beyond it."""
    book_side, sign = cell["sides"][side], 1 if side == Side.ASK else -1
    end, span = int(book_side["window_start_key"]) + BOOK_WINDOW_TICKS, max(NEAR_TICKS, count)
    while True:  # levels are mostly near: the window is a hundred times as long
        keys = np.arange(key, min(end, key + span))
        qtys = cell["window_qty_lots"][side][keys & WINDOW_MASK]
        places = np.flatnonzero(qtys)[:count]
        if len(places) == count or key + span >= end:
            break
        span *= 4
    found = [(sign * int(keys[place]), int(qtys[place])) for place in places]
    far = cell["far_levels"][side, : book_side["far_level_count"]][::-1]
    return found + [(sign * int(level["key"]), int(level["qty_lots"])) for level in far[: count - len(found)]]
