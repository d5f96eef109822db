"""What the gates refuse, in the log: the first of a reason and symbol at once, later ones once a minute with their
count; must never say more often what happens a thousand times a second.

Source: spec/addendum.md 2, log event `order_blocked`.
"""

import asyncio

import numpy as np

from mmfold.adapters.logs import EventLog
from mmfold.engine.codes import AuditKind, EventKind, Reason, Side
from mmfold.engine.manifest import Manifest
from mmfold.engine.state import State
from mmfold.journal.log.rows import plain_rows
from mmfold.reports.audit import enum_name, unit_name

TELL_S = 60.0
LOG = EventLog("gates")


class BlockLog:
    """The blocks of a session that the log has; what a former process had told is not told again."""

    def __init__(self, manifest: Manifest, state: State) -> None:
        self.symbols = [instrument.symbol for instrument in manifest.instruments]
        self.state = state
        self.told = state.blocked_counts.copy()

    def note(self, effects: np.ndarray) -> None:
        """Tell the first blocks among effects, with what the gate looked at."""
        for row in plain_rows(effects):
            if row.kind == EventKind.AUDIT and row.code == AuditKind.BLOCK:
                side = {} if row.side == Side.NONE else {"side": enum_name(Side, row.side)}
                LOG.info(
                    "order_blocked", symbol=self.symbols[row.instrument_index], reason=enum_name(Reason, row.aux),
                    value=row.price_ticks, limit=row.qty_lots, unit=unit_name(row.order_id), count=1, **side,
                )  # fmt: skip
                self.told[row.instrument_index, row.aux] += 1

    def tell_counts(self) -> None:
        """Tell how many came since the last time, by symbol and reason."""
        new = self.state.blocked_counts - self.told
        for index, reason in np.argwhere(new > 0).tolist():
            name = enum_name(Reason, reason)
            LOG.info("order_blocked", symbol=self.symbols[index], reason=name, count=int(new[index, reason]))
        self.told = self.state.blocked_counts.copy()

    async def run(self) -> None:
        """Tell the counts once a minute, until cancelled, and those of the last minute then."""
        try:
            while True:
                await asyncio.sleep(TELL_S)
                self.tell_counts()
        finally:
            self.tell_counts()
