"""The five bugs: one text of the core replaced each, and what a journal fails by under such a build."""

from typing import NamedTuple

from tests.planted.build import Edit

CAPTURE, SESSION, BACKTEST = "capture", "session", "backtest"
SOURCES = (CAPTURE, SESSION, BACKTEST)
SOUND = "SOUND"  # in a predicate: the Python of a build without a bug


class Bug(NamedTuple):
    """A bug; `fails_if` by the journal's source, or of all."""

    edit: Edit
    fails_if: dict[str, str]

    def predicate(self, source: str, sound: str) -> str:
        """Return what a journal of a source fails by."""
        return (self.fails_if.get(source) or self.fails_if[""]).replace(SOUND, sound)


CLEARS = """    for side in range(2):
        clear_side(cell, side)
    set_levels(cell, rows, start, end)
"""
KEEPS = """    for side in range(2):
        if book["restart_count"] == 0:
            clear_side(cell, side)
    set_levels(cell, rows, start, end)
"""
FILLS = """    apply_fill(clock, cell, event)
    slot = find_slot(cell, event["order_id"])
"""
FILLS_TWICE = """    apply_fill(clock, cell, event)
    slot = find_slot(cell, event["order_id"])
    if slot >= 0 and cell["orders"][slot]["status"] == OrderStatus.CANCELLING:
        apply_fill(clock, cell, event)
"""
YOUNG = "    stale = ts_ns != NO_TS_NS and limit_ns > 0 and age_ns > limit_ns\n"
ANY_AGE = "    stale = ts_ns == NO_TS_NS and limit_ns > 0 and age_ns > limit_ns\n"
PAYS = "    return -(-share_e9(value_e8, rate_e9) // E8_PER_MICRO)\n"
IS_PAID = "    return -share_e9(value_e8, rate_e9) // E8_PER_MICRO\n"
ENDS = "    if order_event == OrderEvent.EXPIRED:\n"
GOES_ON = """    if order_event == OrderEvent.CANCELED and cell["position"]["position_lots"] != 0:
        return
    if order_event == OrderEvent.EXPIRED:
"""

BUGS = {
    "book not cleared on restart": Bug(("engine/continuity.py", CLEARS, KEEPS), {"": "crossed_book"}),
    # Of one whose cancel is under way.
    "fill counted twice": Bug(("engine/orders.py", FILLS, FILLS_TWICE), {"": "cash_identity"}),
    "stale quote after a gap": Bug(("engine/gates/fresh.py", YOUNG, ANY_AGE), {"": "quote_while_stale"}),
    # A market's word is paid as computed; of an account the venue says what was paid, and the computed is a check.
    "wrong funding sign": Bug(
        ("engine/funding.py", PAYS, IS_PAID),
        {"": "kind == 'funding' and position_lots * funding_usd < 0", SESSION: "alert: funding_differs"},
    ),
    # While a position is held.
    "lost cancel ack": Bug(("engine/orders.py", ENDS, GOES_ON), {"": f"digest_differs: build {SOUND}"}),
}
