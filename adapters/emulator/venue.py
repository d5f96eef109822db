"""The venue as a whole: markets, accounts, topics and the player of the feed; must never speak a protocol."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import Any, Protocol

import numpy as np
import orjson

from mmfold.adapters.emulator.account import Account
from mmfold.adapters.emulator.budget import ORDERS_PER_S_DEFAULT, Budget
from mmfold.adapters.emulator.clock import VenueClock
from mmfold.adapters.emulator.codes import VenueSetupError
from mmfold.adapters.emulator.faults import FaultPlan, Faults
from mmfold.adapters.emulator.interest import Interest
from mmfold.adapters.emulator.keys import ApiKey
from mmfold.adapters.emulator.market import SymbolMarket
from mmfold.adapters.emulator.orders import Order
from mmfold.adapters.emulator.product import make_products
from mmfold.adapters.emulator.source import MarketSource
from mmfold.adapters.emulator.synthetic import make_rows
from mmfold.adapters.emulator.topics import DepthTopic, Topic, make_topic
from mmfold.engine.codes import EventKind, Side
from mmfold.engine.limits import NS_PER_S
from mmfold.replay.venue.desk import Desk

DEPOSIT_DEFAULT = Decimal(100_000)
FIRST_UID = 100_001
FLUSH_S = 0.005
PRIME_NS = NS_PER_S
PRIME_EVENT_COUNT_MAX = 200_000  # events in which every symbol must have shown its book
BURST_EVENT_COUNT = 64  # events between two turns of others while the feed is behind its time


class Subscriber(Protocol):
    """Who is sent the frames of public topics."""

    def send_text(self, place: str, text: str) -> None:
        """Send one frame, unless a fault keeps it."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a venue is run."""

    speed: float = 1.0
    latency_s: float = 0.0  # of every frame and answer that leaves
    deposit: Decimal = DEPOSIT_DEFAULT
    orders_per_s: int = ORDERS_PER_S_DEFAULT


class Venue:
    """One running venue.

    Raises: VenueSetupError for a feed that cannot be traded.
    """

    def __init__(self, source: MarketSource, keys: Iterable[ApiKey], plan: FaultPlan, settings: Settings) -> None:
        self.source, self.settings = source, settings
        self.clock = VenueClock()
        self.faults = Faults(plan)
        products = make_products(source.manifest)
        self.markets = {
            symbol: SymbolMarket(product, product.instrument.continuity, interest=Interest(self.clock.now_ms()))
            for symbol, product in products.items()
        }
        self.by_index = list(self.markets.values())
        self.accounts = {
            key.key: Account(key, uid, self.markets, Desk(source.manifest), self.clock, settings.deposit)
            for uid, key in enumerate(keys, FIRST_UID)
        }
        self.budgets = {name: Budget(settings.orders_per_s) for name in self.accounts}
        self.topics: dict[str, Topic] = {}
        self.subscribers: dict[str, list[Subscriber]] = {}
        self.private_counts = dict.fromkeys(self.accounts, 0)  # connections that keep an account's dead-man switch off
        self.dcp_window_s: dict[str, int] = {}
        self.dcp_timers: dict[str, asyncio.TimerHandle] = {}
        self.events = source.events()
        self.offset_ns = 0
        self.event_count = 0
        self.ended = False

    # The market

    def prime(self) -> None:
        """Play the feed's first second, and on until every symbol has a book; compile the desks on the way.

        Raises: VenueSetupError.
        """
        for offset_ns, rows in islice(self.events, PRIME_EVENT_COUNT_MAX):
            self.offset_ns = offset_ns
            self.apply(rows)
            if offset_ns >= PRIME_NS and all(market.live for market in self.by_index):
                break
        for account in self.accounts.values():
            account.rehearse()
        missing = ", ".join(symbol for symbol, market in self.markets.items() if not market.live)
        if missing:
            raise VenueSetupError(f"{self.source.name}: no valid book of {missing}", "leave it out with --symbols")

    def apply(self, rows: np.ndarray) -> None:
        """Let one market event happen now."""
        now_ns = self.clock.now_ns()
        self.event_count += 1
        market = self.by_index[int(rows[0]["instrument_index"])]
        for told in market.apply(rows, now_ns):
            for account in self.accounts.values():
                account.apply_market(told, now_ns)
        if rows[0]["kind"] == EventKind.FUNDING:
            for account in self.accounts.values():
                account.settle_funding(market.product.symbol, market.funding_rate_e9)

    async def play(self) -> None:
        """Play the feed to its end, each event at its time."""
        loop = asyncio.get_running_loop()
        start_s = loop.time() - self.offset_ns / NS_PER_S / self.settings.speed
        behind_count = 0
        for offset_ns, rows in self.events:
            wait_s = start_s + offset_ns / NS_PER_S / self.settings.speed - loop.time()
            behind_count = behind_count + 1 if wait_s <= 0 else 0
            if wait_s > 0 or behind_count % BURST_EVENT_COUNT == 0:
                await asyncio.sleep(max(0.0, wait_s))
            self.apply(rows)
            self.publish()
        self.ended = True

    async def publish_forever(self) -> None:
        """Send what has become due between two events of the feed."""
        while True:
            await asyncio.sleep(FLUSH_S)
            self.publish()

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

    def has_topic(self, name: str) -> bool:
        """Tell whether there is a topic."""
        return name in self.topics or make_topic(name, self.markets) is not None

    def subscribe(self, name: str, subscriber: Subscriber) -> None:
        """Add a subscriber to a topic."""
        if name not in self.topics:
            topic = make_topic(name, self.markets)
            assert topic is not None, name
            self.topics[name] = topic
        self.subscribers.setdefault(name, []).append(subscriber)

    def welcome(self, name: str, subscriber: Subscriber) -> None:
        """Send a new subscriber what a topic begins with."""
        now = self.clock.now()
        topic = self.topics[name]
        if len(self.subscribers[name]) > 1:
            self.broadcast(name, topic.poll(now), subscriber)
        for document in topic.first(now):
            subscriber.send_text(f"public:{name}", orjson.dumps(document).decode())

    def unsubscribe(self, name: str, subscriber: Subscriber) -> None:
        """Take a subscriber off a topic; a topic without any ends."""
        left = [other for other in self.subscribers.get(name, []) if other is not subscriber]
        if left:
            self.subscribers[name] = left
        else:
            self.subscribers.pop(name, None)
            self.topics.pop(name, None)

    def publish(self) -> None:
        """Send every topic's due documents to its subscribers."""
        now = self.clock.now()
        for name, topic in list(self.topics.items()):
            self.broadcast(name, topic.poll(now))

    def broadcast(self, name: str, documents: list[dict[str, Any]], besides: Subscriber | None = None) -> None:
        """Send documents to a topic's subscribers, each text made once."""
        for document in documents:
            text = orjson.dumps(document).decode()
            for subscriber in list(self.subscribers.get(name, ())):
                if subscriber is not besides:
                    subscriber.send_text(f"public:{name}", text)

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
