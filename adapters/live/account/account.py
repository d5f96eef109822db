"""The account behind a session: the venue's word on our orders, fills and position, and what to ask it when in doubt.

Must never correct the core itself: what the venue says is an event, an unexplained difference keeps a symbol flat.
"""

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from mmfold.adapters.alerts.kinds import Happening
from mmfold.adapters.live.account.handover import former_runs
from mmfold.adapters.live.account.left_orders import LeftOrders
from mmfold.adapters.live.account.reconcile import Reconciler
from mmfold.adapters.live.account.thaw import UNEXPLAINED
from mmfold.adapters.live.rows import connection_row, timeout_row
from mmfold.adapters.live.session import IN_DOUBT, OPEN_STATUSES
from mmfold.adapters.logs import EventLog
from mmfold.adapters.venues.ledger import Foreign
from mmfold.adapters.venues.link_ids import is_of_runs
from mmfold.adapters.venues.order_port import PrivateParser
from mmfold.adapters.venues.port import Control, Ignored, MalformedFrame, VenueError, VenueUnreachable
from mmfold.engine.codes import ConnectionState, EventKind
from mmfold.engine.limits import INSTRUMENT_COUNT_MAX, NS_PER_MS, ORDER_ID_INSTRUMENT_SHIFT
from mmfold.engine.records import NO_ORDER_ID

if TYPE_CHECKING:
    from mmfold.adapters.live.runner import Runner

POSITION_LOOK_COUNT_MAX = 10


class Account:
    """The private side of a runner; a session without an account has none."""

    def __init__(self, runner: "Runner", parser: PrivateParser, reconciler: Reconciler) -> None:
        self.runner = runner
        self.session = runner.session
        self.parser = parser
        self.reconciler = reconciler
        self.doubt = asyncio.Event()
        self.doubt_reason = ""
        # By when all that was on its way must have arrived, by instrument; a former process may have lost some.
        settle_s = time.monotonic() + runner.pace.settle_ms / 1e3 if self.session.resumed_events else 0.0
        self.arrived_s = np.full(len(self.session.manifest.instruments), settle_s)
        self.settled: frozenset[int] = frozenset()  # orders of the answers being taken, with nothing on its way
        self.left: LeftOrders | None = None  # of a former run, until they are cancelled
        self.reconciled_s = 0.0  # when the last reconciliation that succeeded began
        self.is_up = False
        self.up_count = 0  # connections of the private stream so far
        self.position_look: asyncio.TimerHandle | None = None
        self.log = EventLog("account")

    def ask_venue(self, reason: str) -> None:
        """Have the open orders looked at when what is on its way must have arrived."""
        self.doubt_reason = reason
        self.doubt.set()

    def note_unknown(self, order_id: int) -> None:
        """Note that an order's state is not known: the venue's word counts when nothing may arrive any more."""
        pace = self.runner.pace
        wait_s = pace.retry_s if order_id in self.settled else pace.settle_ms / 1e3
        index = (order_id >> ORDER_ID_INSTRUMENT_SHIFT) % INSTRUMENT_COUNT_MAX
        self.arrived_s[index] = max(self.arrived_s[index], time.monotonic() + wait_s)
        self.ask_venue("an order of unknown state")

    def note_position(self) -> None:
        """Look again a little later whether a position differs: its executions may be behind it on the stream."""
        if self.position_look is None:
            loop = asyncio.get_running_loop()
            self.position_look = loop.call_later(self.runner.pace.position_settle_s, self.look_at_positions)

    def look_at_positions(self) -> None:
        """Ask the venue if a position still differs."""
        self.position_look = None
        if any(symbol not in self.runner.status.unexplained for symbol, *_ in self.differing()):
            self.ask_venue("a position that our fills do not explain")

    async def doubt_overdue(self, ts_now_ns: int) -> None:
        """Call unknown what the venue has long taken and not told the outcome of: its word may have been lost."""
        pace = self.runner.pace
        late_ns = ts_now_ns - (pace.request_timeout_ms + pace.settle_ms) * NS_PER_MS
        orders = self.session.core.state.orders
        for index, slot in np.argwhere(np.isin(orders["status"], IN_DOUBT) & (orders["ts_changed_ns"] < late_ns)):
            order_id = int(orders[index, slot]["order_id"])
            await self.runner.take(timeout_row(int(index), order_id, ts_now_ns))

    async def on_private(self, frame: bytes, ts_receive_ns: int) -> None:
        """Take a frame of the private stream."""
        told = self.runner.parsed("private", frame, ts_receive_ns, self.parser.parse)
        if told is None:
            self.ask_venue("a frame of the private stream that was not understood")
        if told is None or isinstance(told, Control | Ignored):
            return
        await self.take_private(told.rows, told.foreign)

    async def take_private(self, rows: np.ndarray, foreign: tuple[Foreign, ...] = ()) -> None:
        """Fold the venue's word on our orders, once each; an order that the core does not hold is cancelled."""
        for each in foreign:
            is_former = is_of_runs(each.link_id, former_runs(self.session.manifest))
            say = self.log.info if is_former else self.log.warning
            say("former_run" if is_former else "foreign", topic=each.topic, symbol=each.symbol, what=each.what)
            if each.row is not None:
                rows = np.concatenate([rows, np.atleast_1d(each.row)])
        rows = self.reconciler.news(rows)
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
        orders = self.session.core.state.orders[index]
        return bool(np.isin(orders["status"][orders["order_id"] == order_id], OPEN_STATUSES).any())

    async def on_private_down(self) -> None:
        """Tell the core that the venue's word on our orders is missing: quotes are pulled."""
        self.is_up = False
        if self.runner.status.phase in ("warming", "trading"):
            self.runner.status.phase = "reconciling"
        await self.runner.take(connection_row(ConnectionState.DOWN, time.time_ns()))

    async def on_private_up(self) -> None:
        """Ask what was missed; it is told before the connection counts as up."""
        self.is_up = True
        self.up_count += 1
        self.ask_venue("the private stream is new")

    async def reconcile_loop(self) -> None:
        """Look at the venue whenever there is doubt, and at fills and positions now and then without any."""
        pace = self.runner.pace
        while True:
            with suppress(TimeoutError):  # not by wait_for, which in Python 3.11 may swallow that we are cancelled
                async with asyncio.timeout(pace.audit_s):
                    await self.doubt.wait()
            is_audit, reason = not self.doubt.is_set(), self.doubt_reason
            if not is_audit:
                await self.settle()
            self.doubt.clear()
            try:
                await (self.audit() if is_audit else self.reconcile(reason))
            except (VenueUnreachable, VenueError, MalformedFrame) as error:
                self.log.warning("reconcile_failed", reason=str(error)[:200])
                self.ask_venue(reason)
                await asyncio.sleep(pace.retry_s)

    async def follow_clock(self) -> None:
        """Read the venue's clock again.

        Raises: VenueUnreachable, VenueError, MalformedFrame.
        """
        await self.reconciler.rest.follow_clock()
        self.runner.status.clock_offset_ns = self.reconciler.rest.offset_ns

    def settled_s(self) -> np.ndarray:
        """Return when whatever was on its way must have arrived, by instrument; 0 where nothing is in doubt."""
        return np.where(self.session.core.state.quoters["unknown_order_count"] > 0, self.arrived_s, 0.0)

    async def settle(self) -> None:
        """Wait until whatever was on its way must have arrived."""
        while (left_s := float(self.settled_s().max()) - time.monotonic()) > 0:
            await asyncio.sleep(left_s)

    async def reconcile(self, reason: str) -> None:
        """Fold what the venue has: fills, open orders, positions and cash; then the connection counts as up.

        Raises: VenueUnreachable, VenueError, MalformedFrame.
        """
        self.log.info("reconcile", reason=reason)
        began_s, connection = time.monotonic(), self.up_count
        await self.follow_clock()
        if self.left is not None:  # before the fills are asked for: what they did until now is among them
            self.log.info("former_orders", cancelled=await self.left.clear())
            self.left = None
        await self.runner.take(await self.reconciler.fills())
        has_late = False
        async for asked_s, index, listed in self.reconciler.open_orders():
            # Lost while we asked: the list may be older than what is still on its way.
            is_late = self.settled_s()[index] > asked_s
            has_late = has_late or is_late
            await self.runner.take(listed[listed["kind"] != EventKind.OPEN_ORDERS] if is_late else listed)
            if not is_late:
                await self.cancel_strays(listed)
        if has_late:
            self.ask_venue(reason)
            return
        await self.runner.take(await self.reconciler.positions())
        await self.check_positions()
        self.reconciled_s = began_s
        is_connected = self.is_up and self.up_count == connection
        if self.runner.status.phase == "reconciling" and is_connected and not self.runner.is_ending:
            await self.runner.warm_up()

    async def audit(self) -> None:
        """Compare without a reason: fold missed fills and positions, ask about orders only where they differ.

        An order that is absent from a list may have been placed since: that is looked at again with more care.
        Raises: VenueUnreachable, VenueError, MalformedFrame.
        """
        await self.follow_clock()
        await self.runner.take(await self.reconciler.fills())
        await self.runner.take(await self.reconciler.positions())
        theirs: set[int] = set()
        async for _, _, listed in self.reconciler.open_orders():
            is_list = listed["kind"] == EventKind.OPEN_ORDERS
            await self.runner.take(listed[~is_list])
            theirs |= set(listed["order_id"][is_list].tolist()) - {NO_ORDER_ID}
        if theirs != {order_id for _, order_id, _ in self.session.open_orders()}:
            self.ask_venue("open orders that are not the venue's")
        elif self.differing():
            self.note_position()

    async def check_positions(self) -> None:
        """Keep a symbol flat whose position the executions do not explain, even a little later."""
        before: dict[str, tuple[int, int]] = {}
        for _ in range(POSITION_LOOK_COUNT_MAX):
            found = {symbol: (ours, theirs) for symbol, ours, theirs in self.differing()}
            found = {symbol: lots for symbol, lots in found.items() if symbol not in self.runner.status.unexplained}
            for symbol, (ours, theirs) in found.items():
                if before.get(symbol) != (ours, theirs):
                    continue  # it moves: what explains it is on its way
                why = f"position {theirs} lots at the venue, {ours} in the journal"
                self.runner.status.unexplained[symbol] = why
                self.runner.alerts.tell(Happening.SYMBOL_UNEXPLAINED, symbol=symbol, why=why)
                self.log.error("position_unexplained", symbol=symbol, venue_lots=theirs, journal_lots=ours)
                await self.runner.command({"command": "freeze", "symbol": symbol, "why": UNEXPLAINED})
            if not found or found == before:
                return
            before = found
            await asyncio.sleep(self.runner.pace.position_settle_s)
            await self.runner.take(await self.reconciler.fills())
            await self.runner.take(await self.reconciler.positions())
        self.note_position()

    def differing(self) -> list[tuple[str, int, int]]:
        """Return (symbol, our lots, the venue's) where the venue's word on the position is another."""
        found = []
        for index, instrument in enumerate(self.session.manifest.instruments):
            position = self.session.core.state.positions[index]
            ours, theirs = int(position["position_lots"]), int(position["venue_position_lots"])
            if ours != theirs:
                found.append((instrument.symbol, ours, theirs))
        return found
