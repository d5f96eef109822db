"""One live session: sockets and clocks on one side, journal and core on the other, in one asyncio loop.

    frame -> parser -> session.fold (journal, core, journal) -> release -> gateway

Must never send what is not journaled, and never go on after a write failed: orders are cancelled first, then it stops.
"""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mmfold.adapters.alerts.dispatch import AlertDesk
from mmfold.adapters.live.account import day_stop
from mmfold.adapters.live.account.account import Account
from mmfold.adapters.live.account.account_stop import AccountStop
from mmfold.adapters.live.account.thaw import END, ended_symbols, say_held
from mmfold.adapters.live.beside import beside
from mmfold.adapters.live.heap import give_back, settled_heap
from mmfold.adapters.live.operator.alerts import act_on_alerts, say_stopping, say_unconfirmed
from mmfold.adapters.live.operator.blocks import BlockLog
from mmfold.adapters.live.operator.pins import ConfigOf
from mmfold.adapters.live.operator.status import LiveStatus
from mmfold.adapters.live.pieces import PIECE_ROW_COUNT_MAX, pieces_of
from mmfold.adapters.live.raw import RawFrames
from mmfold.adapters.live.rows import connection_row, events_of, gap_rows, health_row, lost_row, timeout_row, timer_row
from mmfold.adapters.live.session import IN_DOUBT, Session, orders_of
from mmfold.adapters.live.venue.gateway import Gateway, NoGateway
from mmfold.adapters.live.venue.stream import Stream
from mmfold.adapters.logs import EventLog
from mmfold.adapters.venues.market_stream import MarketStream, MarketTakers
from mmfold.adapters.venues.port import MalformedFrame
from mmfold.engine.beyond import BeyondLimits
from mmfold.engine.codes import BookStatus, ConnectionState
from mmfold.engine.limits import NS_PER_S
from mmfold.journal.errors import JournalError
from mmfold.replay.strategy.file import StrategyError

if TYPE_CHECKING:
    from mmfold.adapters.live.operator.kill_switch import KillSwitch

TIMER_MS = 100
HEALTH_S = 5.0
GIVE_BACK_TURNS = 12  # each minute
STOP_S = 20.0
LAST_STOP_S = 5.0  # for the venue's word on what a cancel-all ended
RESYNC_PAUSE_S = 1.0
IDLE_COMMIT_S = 0.25
INVALID = (BookStatus.STALE, BookStatus.CROSSED, BookStatus.LOCKED)


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How long the runner waits for what.

    Units: request_timeout_ms must exceed the venue's receive window, so that a request that timed out cannot arrive.
    """

    warmup_s: float = 90.0
    recv_window_ms: int = 5_000
    request_timeout_ms: int = 5_500
    settle_ms: int = 5_500  # from a lost request to the question what became of it
    rest_timeout_s: float = 5.0
    timer_ms: int = TIMER_MS
    silence_market_s: float = 10.0  # a stream that says nothing for so long counts as dead
    silence_account_s: float = 30.0
    ping_s: float = 15.0
    retry_s: float = 1.0  # from a reconciliation that failed to the next
    audit_s: float = 60.0  # between two comparisons of fills and positions without a reason
    position_settle_s: float = 2.0  # what explains a position may come so much later
    lag_ms_max: int = 2_000  # of reading behind the venue's own stamps, before nothing is quoted; 0: any


class Runner:
    """A session under way; `run` returns when it was asked to stop or cannot go on."""

    def __init__(self, session: Session, status: LiveStatus, pace: Pace, raw: RawFrames) -> None:
        self.session = session
        self.status = status
        self.pace = pace
        self.raw = raw
        self.log = EventLog("live")
        self.alerts = AlertDesk()  # without a channel
        self.blocks = BlockLog(session.manifest, session.core.state)
        self.gateway: Gateway = NoGateway()
        self.account: Account | None = None
        self.account_stop: AccountStop | None = None  # what a kill switch leaves behind
        self.kill_switch: KillSwitch | None = None
        self.streams: list[Stream | MarketStream] = []
        self.market: MarketStream | None = None  # which of them is the market
        self.stop_asked = asyncio.Event()
        self.failure: BaseException | None = None
        self.is_stopping = False
        self.is_over = False
        self.document: dict[str, Any] | None = None  # the configuration to start with
        self.config_of: ConfigOf | None = None  # and as it would be with more overrides
        self.resynced_s = 0.0

    # Events in, decisions out

    async def take(self, rows: np.ndarray) -> None:
        """Fold whole events and release what was decided, piece by piece: the loop turns in between."""
        if len(rows):
            first, *more = pieces_of(rows)
            await self.fold(self.session.fold, first, first["ts_receive_ns"].item(0))
            for piece in more:
                await asyncio.sleep(0)
                await self.fold(self.session.fold, piece, piece["ts_receive_ns"].item(0))

    async def take_answers(self, rows: np.ndarray) -> None:
        """Fold the venue's answers to requests, and count them."""
        self.status.note_answers(rows)
        if self.account is None:
            await self.take(rows)
            return
        before, self.account.settled = self.account.settled, self.gateway.settled_orders(rows)
        try:
            await self.take(rows)
        finally:
            self.account.settled = before

    async def fold(self, fold: Callable[[Any], np.ndarray], told: Any, ts_receive_ns: int) -> None:
        """Fold one thing and release what was decided; a failure stops the session instead of being raised."""
        if self.failure is not None:
            return
        try:
            effects = fold(told)
        except (JournalError, OSError, AssertionError, BeyondLimits, StrategyError) as error:
            self.fail(error)
            return
        self.status.seq_next = self.session.seq_next
        if len(effects):
            await self.release(effects, ts_receive_ns)
        try:
            self.session.save_checkpoint()
        except (JournalError, OSError) as error:
            self.fail(error)

    async def release(self, effects: np.ndarray, ts_receive_ns: int) -> None:
        """Send orders, and act on alerts that ask for the venue's word."""
        orders = orders_of(effects)
        if len(orders):
            await self.gateway.send(orders, time.time_ns())
            self.status.tick_to_order.add(time.time_ns() - ts_receive_ns)
        if len(orders) == len(effects):
            return
        self.status.note_audits(effects)
        self.blocks.note(effects)
        await act_on_alerts(self, effects)

    async def resync(self) -> None:
        """Get a new snapshot of every book by a new connection; not more often than a venue takes it.

        A book that is invalid all the same is looked at again by the timer: its alert does not come twice.
        """
        market = self.market
        if market is None or not market.status.up or market.is_catching_up:
            return
        if time.monotonic() >= max(self.resynced_s, market.status.up_s) + RESYNC_PAUSE_S:
            self.resynced_s = time.monotonic()
            await market.cut()

    def has_invalid_book(self) -> bool:
        """Tell whether a book waits for a snapshot."""
        return bool(np.isin(self.session.core.state.books["status"], INVALID).any())

    def fail(self, error: BaseException) -> None:
        """Stop for good: nothing is folded or journaled any more, the orders are cancelled on the way out."""
        if self.failure is None:
            self.failure = error
            said = {"reason": str(error)} if isinstance(error, StrategyError) else {"error": error}
            self.log.error("session_failed", **said)
        self.halt()
        self.stop_asked.set()

    def halt(self) -> None:
        """Let no request leave any more that waits for room."""
        self.gateway.halt()

    def ask_venue(self, reason: str) -> None:
        """Have the open orders looked at; without an account there is nobody to ask."""
        if self.account is not None:
            self.account.ask_venue(reason)

    @property
    def is_ending(self) -> bool:
        """Whether the session is on its way out: it does not begin to quote again."""
        return self.failure is not None or self.is_stopping

    # The market

    async def take_market(self, rows: np.ndarray, ts_receive_ns: int) -> None:
        """Take whole market events."""
        if self.gateway.sees_market:
            for event in events_of(rows):
                self.gateway.see_market(event, ts_receive_ns)
        if len(rows) <= PIECE_ROW_COUNT_MAX:  # a message of the market is soon folded
            await self.fold(self.session.fold, rows, ts_receive_ns)
        else:
            await self.take(rows)

    def takers(self) -> MarketTakers:
        """Return what a market hands on to."""
        return MarketTakers(
            on_rows=self.take_market, on_up=self.on_public_up, on_down=self.on_public_down,
            on_refused=lambda error, ts_ns: self.raw.refuse("public", error.frame, ts_ns, error.reason),
            on_message=self.raw.keep if self.raw.keep_all else None,
        )  # fmt: skip

    def add_market(self, market: MarketStream) -> None:
        """Take a market as the session's."""
        self.market = market
        self.add_stream(market)

    def add_stream(self, stream: Stream | MarketStream) -> None:
        """Keep a connection alive for as long as the session runs."""
        self.streams.append(stream)
        self.status.streams[stream.status.name] = stream.status

    def parsed(self, name: str, frame: bytes, ts_receive_ns: int, parse: Callable[[bytes, int], Any]) -> Any:
        """Return what a frame says, None for one that is not understood: it is kept and counted."""
        try:
            self.raw.keep(name, frame, ts_receive_ns)
            try:
                return parse(frame, ts_receive_ns)
            except MalformedFrame as error:
                self.status.streams[name].refused += 1
                self.log.warning("frame_refused", stream=name, reason=error.reason, size_bytes=len(frame))
                self.raw.refuse(name, frame, ts_receive_ns, error.reason)
        except OSError as error:  # a frame that cannot be kept is lost, and so will the journal's be
            self.fail(error)
        return None

    async def on_public_up(self) -> None:
        """Start with empty books: a snapshot comes first. Without an account there is nothing else to wait for."""
        if self.account is None and self.status.phase == "reconciling":
            await self.warm_up()

    async def on_public_down(self) -> None:
        """Tell the core that every book lacks messages from here on; at a session's end nothing follows."""
        if self.is_over:
            return
        now_ns = time.time_ns()
        for index in range(len(self.session.manifest.instruments)):
            await self.take(gap_rows(index, now_ns))

    async def warm_up(self) -> None:
        """Let the averages fill before the first quote, once per start; then the connection counts as up."""
        if self.pace.warmup_s > 0 and self.status.warmup_until_ns == 0:
            self.status.warmup_until_ns = time.time_ns() + round(self.pace.warmup_s * NS_PER_S)
        if time.time_ns() < self.status.warmup_until_ns:
            self.status.phase = "warming"
            await self.take(connection_row(ConnectionState.WARMING, time.time_ns()))
            return
        await self.trade()

    async def trade(self) -> None:
        """Let the core quote."""
        self.status.phase = "trading"
        self.log.info("trading", seq=self.session.seq_next)
        await self.take(connection_row(ConnectionState.UP, time.time_ns()))

    # Time

    async def timer_loop(self) -> None:
        """Journal the time at an even pace; what is late is skipped, not caught up with."""
        interval_s = self.pace.timer_ms / 1e3
        due_s = time.monotonic() + interval_s
        while True:
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            self.status.loop_drift_ns = max(0, round((time.monotonic() - due_s) * NS_PER_S))
            due_s = max(due_s + interval_s, time.monotonic())
            now_ns = time.time_ns()
            await self.take(timer_row(now_ns))
            await self.gateway.expire(now_ns, self.pace.request_timeout_ms)
            if self.account is not None:
                await self.account.doubt_overdue(now_ns)
            if self.has_invalid_book():
                await self.resync()
            if self.status.phase == "warming":
                self.status.warmup_skips += 1
                if now_ns >= self.status.warmup_until_ns:
                    await self.trade()

    async def health_loop(self) -> None:
        """Journal how the process is, and write what waits."""
        for turn in itertools.count(1):
            await asyncio.sleep(HEALTH_S)
            if turn % GIVE_BACK_TURNS == 0:
                give_back()
            await self.take(health_row(time.time_ns(), self.status.loop_drift_ns))
            self.status.head = self.session.writer.head.hex()
            reconnects = sum(stream.status.reconnects for stream in self.streams)
            self.log.debug("health", tasks=len(asyncio.all_tasks()), reconnects=reconnects)

    async def commit_loop(self) -> None:
        """Write market events that decided nothing, so that readers of the journal see them."""
        while True:
            await asyncio.sleep(IDLE_COMMIT_S)
            if self.failure is None:
                try:
                    self.session.commit()
                except (JournalError, OSError) as error:
                    self.fail(error)

    # The whole

    async def command(self, document: dict[str, Any]) -> None:
        """Journal and carry out a COMMAND."""
        await self.fold(self.session.fold_command, document, time.time_ns())

    async def configure(self, document: dict[str, Any]) -> None:
        """Journal and apply a CONFIG."""
        await self.fold(self.session.fold_config, document, time.time_ns())

    async def doubt_former_orders(self) -> None:
        """Call unknown what the former process had asked for and never heard of: the venue has to tell. Of a venue that
        this process simulates nothing is left.
        """
        now_ns = time.time_ns()
        await self.take(connection_row(ConnectionState.DOWN, now_ns))
        for index, order_id, status in self.session.open_orders():
            if self.gateway.sees_market:
                await self.take(lost_row(index, order_id, now_ns))
            elif status in IN_DOUBT:
                await self.take(timeout_row(index, order_id, now_ns))

    async def run(self) -> None:
        """Run until asked to stop; then cancel, confirm, and leave the journal whole.

        Raises: StreamRefused, or what made the session fail.
        """
        await self.doubt_former_orders()
        if self.document is not None and self.session.core.document != self.document:
            await self.configure(self.document)  # after the connection counts as down: it must not quote yet
        for symbol in ended_symbols(self.session.directory, self.session.manifest):
            await self.command({"command": "unfreeze", "symbol": symbol})
        await day_stop.take_up(self)
        if self.session.core.state.quoters["frozen"].any():
            say_held(self.session.directory, self.session.manifest, self.log)
        self.status.phase = "reconciling"
        loops: list[Awaitable[None]] = [stream.run() for stream in self.streams]
        loops += [self.timer_loop(), self.health_loop(), self.commit_loop(), *beside(self)]
        if self.account is not None:
            loops.append(self.account.reconcile_loop())
        with settled_heap():
            await self.run_loops(loops)
        if self.failure is not None:
            raise self.failure

    async def run_loops(self, loops: list[Awaitable[None]]) -> None:
        """Run until asked to stop or a loop ends, wind down and cancel the loops."""
        tasks = [asyncio.ensure_future(loop) for loop in loops]
        stop = asyncio.ensure_future(self.stop_asked.wait())
        try:
            done, _ = await asyncio.wait([*tasks, stop], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if task is not stop and task.exception() is not None:
                    self.failure = self.failure or task.exception()
            await self.wind_down()
        finally:
            self.is_over = True
            self.halt()
            for task in [*tasks, stop]:
                task.cancel()
            await asyncio.gather(*tasks, stop, return_exceptions=True)

    async def wind_down(self) -> None:
        """Cancel every order and wait until the venue has confirmed it, for a bounded time."""
        self.is_stopping = True
        self.status.phase = "stopping"
        say_stopping(self)
        if self.failure is None:
            await self.command(END)
            if await self.confirm_flat(STOP_S):
                return
        await self.cancel_all()
        if self.failure is None and not await self.confirm_flat(LAST_STOP_S):
            say_unconfirmed(self)

    async def confirm_flat(self, bound_s: float) -> bool:
        """Wait until no order is open by our books and, with an account, by the venue's word that is asked for now."""
        start_s, asked_s = time.monotonic(), 0.0
        while self.failure is None and time.monotonic() < start_s + bound_s:
            is_told = self.account is None or self.account.reconciled_s >= start_s
            if is_told and not self.session.open_orders():
                return True
            if self.account is not None and time.monotonic() >= asked_s + self.pace.retry_s:
                asked_s = time.monotonic()
                self.account.ask_venue("the session ends")
            await asyncio.sleep(0.05)
        return False

    async def cancel_all(self) -> None:
        """Cancel everything at the venue by REST: the last resort when the journal or the core cannot go on."""
        await self.gateway.cancel_all(self.pace.settle_ms)
