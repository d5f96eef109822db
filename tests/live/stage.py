"""A venue and a session on it in one loop: times are short, so that a fault is over within a second or two."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from mmfold.adapters.emulator.bybit.account import Account
from mmfold.adapters.emulator.bybit.keys import make_keys
from mmfold.adapters.emulator.bybit.server import Server
from mmfold.adapters.emulator.bybit.venue import Settings, Venue
from mmfold.adapters.emulator.market.faults import FaultPlan, parse_plan
from mmfold.adapters.emulator.market.source import synthetic_source
from mmfold.adapters.live.runner import Pace, Runner
from mmfold.adapters.live.start import Plan, make_runner
from mmfold.adapters.live.venue.endpoints import find_endpoints
from mmfold.adapters.venues.link_ids import encode_link_id, run_tag
from mmfold.config.load import load_config
from mmfold.engine.codes import OrderStatus, Reason, Side

# Short, but not so short that a busy machine looks like a faulty venue.
PACE = Pace(
    warmup_s=0, recv_window_ms=700, request_timeout_ms=800, settle_ms=800, rest_timeout_s=0.8, timer_ms=40,
    silence_market_s=1.0, silence_account_s=1.2, ping_s=0.3, retry_s=0.2, audit_s=1.0, position_settle_s=0.3,
)  # fmt: skip
INVENTORY_USD = 1_500
CONFIG = (
    "strategy.levels_per_side=2", "strategy.target_usd=400", "strategy.enable_dynamic_spread=false",
    "strategy.enable_adverse_guard=false", "strategy.quote_refresh_ms=80", "strategy.min_time_in_book_ms=100",
    f"risk.max_inv_usd_per_symbol={INVENTORY_USD}", f"risk.max_total_notional_usd={INVENTORY_USD}",
    "maker.post_only_offset_bps=0", "market_data.stale_ms=800", "limits.backoff_on_reject_ms=100",
    "throttle.backoff_base_ms=50", "throttle.backoff_max_ms=200",
)  # fmt: skip
WIDE = ("strategy.min_spread_bps=40", "strategy.max_spread_bps=60")  # rests unfilled and is repriced
TIGHT = ("strategy.min_spread_bps=0", "strategy.max_spread_bps=2")  # is filled several times a second
SPEED = 3.0


def make_venue(seed: int, speed: float = SPEED) -> Server:
    """Return a venue on a free port, not started."""
    source = synthetic_source(seed, ["BTCUSDT"])
    settings = Settings(speed=speed, orders_per_s=1_000, latency_s=0.001)
    return Server(Venue(source, make_keys(None, 1), FaultPlan(), settings), "127.0.0.1", 0)


def make_plan(url: str, journal: Path, config: tuple[str, ...] = WIDE, mode: str = "testnet", **more: Any) -> Plan:
    """Return what `mm live` would be asked for."""
    endpoints = find_endpoints("bybit", mode, url)
    loaded = load_config(None, None, [*CONFIG, *config, f"mode={'shadow' if mode == 'shadow' else 'sent'}"])
    asked: dict[str, Any] = {"symbols": ("BTCUSDT",), "pace": PACE} | more
    return Plan(venue="bybit", mode=mode, endpoints=endpoints, journal=journal, config=loaded, **asked)


@dataclass
class Stage:
    """A venue with at most one session on it at a time."""

    server: Server
    journal: Path
    http: aiohttp.ClientSession
    runner: Runner | None = None
    task: "asyncio.Task[None] | None" = None
    worst: dict[Side, int] = field(default_factory=lambda: dict.fromkeys((Side.BID, Side.ASK), 0))

    @property
    def account(self) -> Account:
        """The venue's side of the session."""
        return next(iter(self.server.venue.accounts.values()))

    @property
    def playing(self) -> Runner:
        """The session under way."""
        assert self.runner is not None
        return self.runner

    async def begin(self, config: tuple[str, ...] = WIDE, **more: Any) -> None:
        """Start a session, on a new or the former journal."""
        plan = make_plan(self.server.url, self.journal, config, **more)
        self.runner = await make_runner(plan, self.http)
        self.task = asyncio.create_task(self.runner.run())

    async def end(self) -> None:
        """Stop the session as a signal would, and close its journal."""
        runner = self.playing
        runner.stop_asked.set()
        try:
            assert self.task is not None
            await self.task
        finally:
            self.close()

    def close(self) -> None:
        """Close the session's files."""
        if self.runner is not None:
            self.runner.session.close()
            self.runner.raw.close()
            self.runner = None

    def arm(self, *rules: dict[str, Any], seed: int = 0) -> None:
        """Let these things go wrong from now on, and nothing else."""
        self.server.venue.faults.clear()
        self.server.venue.faults.add(parse_plan({"seed": seed, "rules": list(rules)}))

    async def until(self, test: Callable[[], bool], bound_s: float, what: str) -> None:
        """Wait for something; a session that ends or time that passes fails."""
        end_s = time.monotonic() + bound_s
        while not test():
            if self.task is not None and self.task.done():
                self.task.result()
                raise AssertionError(f"the session ended before {what}")
            assert time.monotonic() < end_s, f"{what}: not within {bound_s} s ({self.describe()})"
            await asyncio.sleep(0.01)

    def describe(self) -> str:
        """Return where the session stands, for a failure's message."""
        runner = self.playing
        return f"{runner.status.phase}, {runner.status.not_ready()}, {runner.session.open_orders()}"

    def is_quoting(self) -> bool:
        """Tell whether orders rest, and the session and the venue agree on which."""
        mine = {order for _, order, status in self.playing.session.open_orders() if status == OrderStatus.ACCEPTED}
        theirs = {order.link_id for order in self.account.open.values()}
        known = {encode_link_id(run_tag(self.playing.session.manifest.run_id), order) for order in mine}
        blocked = self.playing.session.core.state.quoters[0]["block_reason"] != Reason.NONE
        return self.playing.status.phase == "trading" and bool(mine) and known == theirs and not blocked

    async def quoting(self, bound_s: float = 8.0) -> None:
        """Wait until the session quotes."""
        await self.until(self.is_quoting, bound_s, "quotes")

    async def watch_exposure(self) -> None:
        """Keep the most lots that either side could have come to, as the venue sees it."""
        while True:
            held = self.account.positions["BTCUSDT"].lots
            for side, sign in ((Side.BID, 1), (Side.ASK, -1)):
                resting = sum(order.left_lots for order in self.account.open.values() if order.side == side)
                self.worst[side] = max(self.worst[side], sign * held + resting)
            await asyncio.sleep(0.005)


@asynccontextmanager
async def stage(journal: Path, seed: int = 7, speed: float = SPEED) -> AsyncIterator[Stage]:
    """Run a venue; whatever is left of a session is ended with it."""
    server = make_venue(seed, speed)
    await server.start()
    async with aiohttp.ClientSession() as http:
        made = Stage(server, journal, http)
        watch = asyncio.create_task(made.watch_exposure())
        try:
            yield made
        finally:
            watch.cancel()
            if made.task is not None:
                made.task.cancel()
                await asyncio.gather(made.task, return_exceptions=True)
            made.close()
            await server.close()
    assert server.failure is None, server.failure
