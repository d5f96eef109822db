"""The account behind a session: the venue's word on our orders, fills and position, and what to ask it when in doubt.

Must never correct the core itself: what the venue says is an event, an unexplained difference keeps a symbol flat.
"""

import asyncio
import time
from typing import TYPE_CHECKING

import numpy as np

from adapters.bybit.frames import Control, Ignored, MalformedFrame
from adapters.bybit.ledger import Foreign
from adapters.bybit.private import PrivateParser
from adapters.bybit.rest import VenueError
from adapters.live.reconcile import Reconciler
from adapters.live.rest_client import VenueUnreachable
from adapters.live.rows import connection_row
from adapters.logs import EventLog
from engine.codes import ConnectionState, EventKind

if TYPE_CHECKING:
    from adapters.live.runner import Runner

POSITION_SETTLE_S = 2.0
RETRY_S = 1.0


class Account:
    """The private side of a runner; a session without an account has none."""

    def __init__(self, runner: "Runner", parser: PrivateParser, reconciler: Reconciler) -> None:
        self.runner = runner
        self.session = runner.session
        self.parser = parser
        self.reconciler = reconciler
        self.doubt = asyncio.Event()
        self.doubt_reason = ""
        self.log = EventLog("account")

    def ask_venue(self, reason: str) -> None:
        """Have the open orders looked at when what is on its way must have arrived."""
        self.doubt_reason = reason
        self.doubt.set()

    async def on_private(self, frame: bytes, ts_receive_ns: int) -> None:
        """Take a frame of the private stream."""
        told = self.runner.parsed("private", frame, ts_receive_ns, self.parser.parse)
        if told is None or isinstance(told, Control | Ignored):
            return
        await self.take_private(told.rows, told.foreign)

    async def take_private(self, rows: np.ndarray, foreign: tuple[Foreign, ...] = ()) -> None:
        """Fold the venue's word on our orders, once each; an order that the core does not hold is cancelled."""
        for each in foreign:
            self.log.warning("foreign", topic=each.topic, symbol=each.symbol, what=each.what)
            if each.row is not None:
                rows = np.concatenate([rows, np.atleast_1d(each.row)])
        rows = self.reconciler.seen.news(rows)
        await self.runner.take(rows)
        await self.cancel_strays(rows)

    async def cancel_strays(self, rows: np.ndarray) -> None:
        """Ask the core to cancel own orders that rest at the venue and that it does not hold."""
        for row in rows[np.isin(rows["kind"], (EventKind.ACK, EventKind.OPEN_ORDERS))]:
            index, order_id = int(row["instrument_index"]), int(row["order_id"])
            if order_id > 0 and not self.holds(index, order_id) and self.runner.failure is None:
                symbol = self.session.manifest.instruments[index].symbol
                self.log.warning("stray_order", symbol=symbol, order_id=order_id)
                await self.runner.command({"command": "cancel", "symbol": symbol, "order_id": order_id})

    def holds(self, index: int, order_id: int) -> bool:
        """Tell whether the core holds an order as one that may still be filled."""
        return any(order == (index, order_id) for order in ((i, o) for i, o, _ in self.session.open_orders()))

    async def on_private_down(self) -> None:
        """Tell the core that the venue's word on our orders is missing: quotes are pulled."""
        if self.runner.status.phase in ("warming", "trading"):
            self.runner.status.phase = "reconciling"
        await self.runner.take(connection_row(ConnectionState.DOWN, time.time_ns()))

    async def on_private_up(self) -> None:
        """Ask what was missed; it is told before the connection counts as up."""
        self.ask_venue("the private stream is new")

    async def reconcile_loop(self) -> None:
        """Look at the venue whenever there is doubt, after what is on its way must have arrived."""
        while True:
            await self.doubt.wait()
            reason, needs_settling = self.doubt_reason, self.has_orders_in_doubt()
            if needs_settling:
                await asyncio.sleep(self.runner.pace.settle_ms / 1e3)
            self.doubt.clear()
            try:
                await self.reconcile(reason)
            except (VenueUnreachable, VenueError, MalformedFrame) as error:
                self.log.warning("reconcile_failed", reason=str(error)[:200])
                self.doubt.set()
                await asyncio.sleep(RETRY_S)

    def has_orders_in_doubt(self) -> bool:
        """Tell whether an order's request may still be on its way."""
        return bool(self.session.core.state.quoters["unknown_order_count"].any())

    async def reconcile(self, reason: str) -> None:
        """Fold what the venue has: fills, open orders, positions and cash; then the connection counts as up.

        Raises: VenueUnreachable, VenueError, MalformedFrame.
        """
        self.log.info("reconcile", reason=reason)
        await self.runner.take(await self.reconciler.fills())
        listed = await self.reconciler.open_orders()
        await self.runner.take(listed)
        await self.cancel_strays(listed)
        await self.runner.take(await self.reconciler.positions())
        await self.check_positions()
        if self.runner.status.phase == "reconciling" and self.runner.failure is None and not self.runner.is_stopping:
            await self.runner.warm_up()

    async def check_positions(self) -> None:
        """Keep a symbol flat whose position the executions do not explain, even a little later."""
        if not self.differing():
            return
        await asyncio.sleep(POSITION_SETTLE_S)
        await self.runner.take(await self.reconciler.fills())
        await self.runner.take(await self.reconciler.positions())
        for symbol, ours, theirs in self.differing():
            if symbol not in self.runner.status.unexplained:
                self.runner.status.unexplained[symbol] = f"position {theirs} lots at the venue, {ours} in the journal"
                self.log.error("position_unexplained", symbol=symbol, venue_lots=theirs, journal_lots=ours)
                await self.runner.command({"command": "freeze", "symbol": symbol})

    def differing(self) -> list[tuple[str, int, int]]:
        """Return (symbol, our lots, the venue's) where the venue's word on the position is another."""
        found = []
        for index, instrument in enumerate(self.session.manifest.instruments):
            position = self.session.core.state.positions[index]
            ours, theirs = int(position["position_lots"]), int(position["venue_position_lots"])
            if ours != theirs:
                found.append((instrument.symbol, ours, theirs))
        return found
