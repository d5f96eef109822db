"""A market that is played and published: the feed, its symbols, the topics; must never know accounts or a protocol."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import numpy as np
import orjson

from mmfold.adapters.emulator.errors import VenueSetupError
from mmfold.adapters.emulator.market.clock import Now, VenueClock
from mmfold.adapters.emulator.market.faults import FaultPlan, Faults
from mmfold.adapters.emulator.market.interest import Interest
from mmfold.adapters.emulator.market.product import Product
from mmfold.adapters.emulator.market.source import MarketSource
from mmfold.adapters.emulator.market.symbol import SymbolMarket
from mmfold.engine.limits import NS_PER_S

Document = dict[str, Any]
FLUSH_S = 0.005
PRIME_NS = NS_PER_S
PRIME_EVENT_COUNT_MAX = 200_000  # events in which every symbol must have shown its book
BURST_EVENT_COUNT = 64  # events between two turns of others while the feed is behind its time


class Topic(Protocol):
    """A stream of documents that are the same for all its subscribers."""

    def first(self, now: Now) -> list[Document]:
        """Return what a new subscriber is told."""

    def poll(self, now: Now) -> list[Document]:
        """Return what has become due."""


class Subscriber(Protocol):
    """Who is sent the frames of public topics."""

    def send_text(self, place: str, text: str) -> None:
        """Send one frame, unless a fault keeps it."""


@dataclass(frozen=True, kw_only=True)
class FeedSettings:
    """How a feed is played."""

    speed: float = 1.0
    latency_s: float = 0.0  # of every frame and answer that leaves


class Feed:
    """One running market.

    Raises: VenueSetupError for a feed that cannot be traded.
    """

    def __init__(
        self, source: MarketSource, products: Mapping[str, Product], plan: FaultPlan, settings: FeedSettings
    ) -> None:
        self.source, self.settings = source, settings
        self.clock = VenueClock()
        self.faults = Faults(plan)
        numbering = {symbol: product.instrument.continuity for symbol, product in products.items()}
        numbering |= source.numbering
        self.markets = {
            symbol: SymbolMarket(product, numbering[symbol], interest=Interest(self.clock.now_ms()))
            for symbol, product in products.items()
        }
        self.by_index = list(self.markets.values())
        self.topics: dict[str, Topic] = {}
        self.subscribers: dict[str, list[Subscriber]] = {}
        self.events = source.events()
        self.offset_ns = 0
        self.event_count = 0
        self.ended = False

    def make_topic(self, name: str) -> Topic | None:
        """Return the topic of a name, None for a name that is no topic of this venue."""
        raise AssertionError(name)

    def restart_topic(self, name: str) -> None:
        """Let the numbering of a topic's book begin again."""
        raise AssertionError(name)

    # The market

    def prime(self) -> None:
        """Play the feed's first second, and on until every symbol has a book.

        Raises: VenueSetupError.
        """
        for offset_ns, rows in islice(self.events, PRIME_EVENT_COUNT_MAX):
            self.offset_ns = offset_ns
            self.apply(rows)
            if offset_ns >= PRIME_NS and all(market.live for market in self.by_index):
                break
        missing = ", ".join(symbol for symbol, market in self.markets.items() if not market.live)
        if missing:
            raise VenueSetupError(f"{self.source.name}: no valid book of {missing}", "leave it out with --symbols")

    def apply(self, rows: np.ndarray) -> None:
        """Let one market event happen now."""
        now_ns = self.clock.now_ns()
        self.event_count += 1
        market = self.by_index[int(rows[0]["instrument_index"])]
        for told in market.apply(rows, now_ns):
            self.on_told(market, told, now_ns)

    def on_told(self, market: SymbolMarket, told: np.ndarray, now_ns: int) -> None:
        """Take what an event made of a market."""

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

    # Public topics

    def has_topic(self, name: str) -> bool:
        """Tell whether there is a topic."""
        return name in self.topics or self.make_topic(name) is not None

    def subscribe(self, name: str, subscriber: Subscriber) -> None:
        """Add a subscriber to a topic."""
        if name not in self.topics:
            topic = self.make_topic(name)
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
