"""The venue as a whole: markets, accounts and what they trade on; must never speak a protocol."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from mmfold.adapters.emulator.bybit.account import Account
from mmfold.adapters.emulator.bybit.budget import ORDERS_PER_S_DEFAULT, Budget
from mmfold.adapters.emulator.bybit.keys import ApiKey
from mmfold.adapters.emulator.bybit.orders import Order
from mmfold.adapters.emulator.bybit.topics import DepthTopic, make_topic
from mmfold.adapters.emulator.market.faults import FaultPlan
from mmfold.adapters.emulator.market.feed import Feed, FeedSettings, Topic
from mmfold.adapters.emulator.market.product import make_products
from mmfold.adapters.emulator.market.source import MarketSource
from mmfold.adapters.emulator.market.symbol import SymbolMarket
from mmfold.adapters.emulator.market.synthetic import make_rows
from mmfold.engine.codes import EventKind, Side
from mmfold.replay.venue.desk import Desk

DEPOSIT_DEFAULT = Decimal(100_000)
FIRST_UID = 100_001


@dataclass(frozen=True, kw_only=True)
class Settings(FeedSettings):
    """How a venue is run."""

    deposit: Decimal = DEPOSIT_DEFAULT
    orders_per_s: int = ORDERS_PER_S_DEFAULT


class Venue(Feed):
    """One running venue.

    Raises: VenueSetupError for a feed that cannot be traded.
    """

    def __init__(self, source: MarketSource, keys: Iterable[ApiKey], plan: FaultPlan, settings: Settings) -> None:
        super().__init__(source, make_products(source.manifest), plan, settings)
        self.accounts = {
            key.key: Account(key, uid, self.markets, Desk(source.manifest), self.clock, settings.deposit)
            for uid, key in enumerate(keys, FIRST_UID)
        }
        self.budgets = {name: Budget(settings.orders_per_s) for name in self.accounts}
        self.private_counts = dict.fromkeys(self.accounts, 0)  # connections that keep an account's dead-man switch off
        self.dcp_window_s: dict[str, int] = {}
        self.dcp_timers: dict[str, asyncio.TimerHandle] = {}

    # The market

    def prime(self) -> None:
        """Play the feed's first second, and on until every symbol has a book; compile the desks on the way.

        Raises: VenueSetupError.
        """
        super().prime()
        for account in self.accounts.values():
            account.rehearse()

    def apply(self, rows: np.ndarray) -> None:
        """Let one market event happen now; funding is settled."""
        super().apply(rows)
        if rows[0]["kind"] == EventKind.FUNDING:
            market = self.by_index[int(rows[0]["instrument_index"])]
            for account in self.accounts.values():
                account.settle_funding(market.product.symbol, market.funding_rate_e9)

    def on_told(self, market: SymbolMarket, told: np.ndarray, now_ns: int) -> None:
        """Let the desks see the market."""
        for account in self.accounts.values():
            account.apply_market(told, now_ns)

    def race(self, account: Account, order: Order) -> None:
        """Let half of what is left of an order trade: a public trade that eats what is ahead of it, own orders too."""
        market = self.markets[order.product.symbol]
        if order.price_ticks is None or not order.left_lots:
            return
        displayed = market.sides[order.side].qty_lots.get(order.price_ticks, 0)
        side = Side.ASK if order.side == Side.BID else Side.BID
        own_lots = account.desk.lots_before(order.product.index, order.desk_id)
        qty_lots = displayed + own_lots + max(1, order.left_lots // 2)
        self.apply(make_rows(EventKind.TRADE, order.product.index, [(side, order.price_ticks, qty_lots)]))

    # Public topics

    def make_topic(self, name: str) -> Topic | None:
        """Return the topic of a name, None for a name that is no topic of this market."""
        return make_topic(name, self.markets)

    def restart_topic(self, name: str) -> None:
        """Let a book topic start again with u = 1."""
        topic = self.topics.get(name)
        if isinstance(topic, DepthTopic):
            topic.restarting = True

    # The dead-man switch

    def set_dcp(self, account: Account, window_s: int) -> None:
        """Cancel an account's orders when it has been without a private connection for so long."""
        self.dcp_window_s[account.key.key] = window_s

    def connected(self, account: Account) -> None:
        """Note a private connection of an account."""
        name = account.key.key
        self.private_counts[name] += 1
        timer = self.dcp_timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    def disconnected(self, account: Account) -> None:
        """Note that a private connection is gone; the last one starts the dead-man switch."""
        name = account.key.key
        self.private_counts[name] -= 1
        if self.private_counts[name] == 0 and name in self.dcp_window_s:
            loop = asyncio.get_running_loop()
            self.dcp_timers[name] = loop.call_later(
                self.dcp_window_s[name], lambda: account.cancel_all({}, "CancelByDCP")
            )
