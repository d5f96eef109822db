"""What a gate is handed and where it answers: one ASK record; counting and auditing are done here alone.

A gate is a file: its REASON, what it SAYS and one kernel `passes`, which returns True, or False by `refuse` with its
numbers. It must never count, emit or change an order.
"""

import numpy as np

from mmfold.engine.codes import AuditKind, Unit
from mmfold.engine.effects import emit_audit
from mmfold.engine.jit import kernel
from mmfold.engine.limits import FIRST_BLOCK_ROOM
from mmfold.engine.records import NO_ORDER_ID


@kernel
def begin_ask(cell, side, price_ticks, qty_lots):
    """Ask for lots at a price and return the record; its `kind`, `slot` and `level` are the asker's to write."""
    ask = cell["ask"]
    ask["side"] = side
    ask["price_ticks"] = price_ticks
    ask["qty_lots"] = qty_lots
    return ask


@kernel
def refuse(ask, reason, value, limit, unit):
    """Write why a gate does not let pass, the figure that it looked at and the one that it may not pass.

    Returns False, which is the gate's answer.
    """
    ask["reason"] = reason
    ask["value"] = value
    ask["limit"] = limit
    ask["unit"] = unit
    return False


@kernel
def count_block(cell):
    """Count what the last gate refused; the first of a reason is kept for its AUDIT row."""
    ask, counts = cell["ask"], cell["blocked_counts"]
    if counts[ask["reason"]] == 0:
        index = cell["first_block_count"]
        assert index < FIRST_BLOCK_ROOM
        first = cell["first_blocks"][index]
        first["reason"], first["side"] = ask["reason"], ask["side"]
        first["value"], first["limit"], first["unit"] = ask["value"], ask["limit"], ask["unit"]
        cell["first_block_count"] = index + 1
    counts[ask["reason"]] += 1


@kernel
def audit_blocks(clock, cell, out):
    """Append the AUDIT rows of the reasons that an instrument was blocked for the first time by the event."""
    if cell["first_block_count"] == 0:
        return
    for index in range(cell["first_block_count"]):
        first = cell["first_blocks"][index]
        effect = emit_audit(clock, cell, out, AuditKind.BLOCK)
        effect["side"] = np.uint8(first["side"])
        effect["price_ticks"] = first["value"]
        effect["qty_lots"] = first["limit"]
        effect["order_id"] = first["unit"] if first["unit"] != Unit.NONE else NO_ORDER_ID
        effect["aux"] = first["reason"]
    cell["first_block_count"] = 0
