"""How REST lists are cut: sizes of pages, cursors, ranges of time; must never widen what was asked for.

Source: Bybit v5 order history, trade history, kline and funding history pages (read 2026-11-30).
"""

from collections.abc import Callable, Iterable
from typing import Any

from mmfold.adapters.emulator.bybit.codes import VenueCode, VenueError
from mmfold.adapters.emulator.bybit.keys import parse_ms
from mmfold.adapters.emulator.bybit.orders import Params

CURSOR_WORD = "before_"
DAY_MS = 24 * 3_600_000
RANGE_DAYS = 7

Document = dict[str, Any]


def limit_of(params: Params, default: int, highest: int) -> int:
    """Return how many entries are asked for, of 1 to `highest`.

    Raises: VenueError.
    """
    limit = parse_ms(params.get("limit") or default, "limit")
    if not 1 <= limit <= highest:
        raise VenueError(VenueCode.PARAMETER, f"params error: limit invalid, it is 1 to {highest}")
    return limit


def range_of(params: Params, now_ms: int, days: int = RANGE_DAYS) -> tuple[int, int]:
    """Return the first and last time of a history; one of them alone gives the other, `days` apart.

    Both together may be up to 7 days apart.

    Raises: VenueError.
    """
    span_ms, most_ms = days * DAY_MS, RANGE_DAYS * DAY_MS
    start, end = (
        None if params.get(name) in (None, "") else parse_ms(params[name], name) for name in ("startTime", "endTime")
    )
    if start is None:
        end = now_ms if end is None else end
        return end - span_ms, end
    if end is None:
        return start, start + span_ms
    if start > end:
        raise VenueError(VenueCode.PARAMETER, "params error: startTime is after endTime")
    if end - start > most_ms:
        raise VenueError(VenueCode.PARAMETER, f"params error: startTime to endTime is more than {RANGE_DAYS} days")
    return start, end


def page(items: Iterable[tuple[int, Callable[[], Document]]], params: Params, default: int, highest: int) -> Document:
    """Return one page of numbered entries, newest first, and the cursor of the next.

    Raises: VenueError.
    """
    limit = limit_of(params, default, highest)
    cursor = str(params.get("cursor") or "")
    before = parse_ms(cursor.removeprefix(CURSOR_WORD), "cursor") if cursor else None
    shown: list[Document] = []
    last = 0
    for number, payload in items:
        if before is not None and number >= before:
            continue
        if len(shown) == limit:
            return {"list": shown, "nextPageCursor": f"{CURSOR_WORD}{last}", "category": "linear"}
        shown.append(payload())
        last = number
    return {"list": shown, "nextPageCursor": "", "category": "linear"}
