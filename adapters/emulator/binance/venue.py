"""The market side of Binance's USD-M futures: symbols and streams over a feed; must never speak a protocol."""

from dataclasses import dataclass

import numpy as np

from mmfold.adapters.emulator.binance.symbol import Symbol, is_trade
from mmfold.adapters.emulator.binance.topics import DiffTopic, make_topic
from mmfold.adapters.emulator.market.faults import FaultPlan
from mmfold.adapters.emulator.market.feed import Feed, FeedSettings, Topic
from mmfold.adapters.emulator.market.product import list_products
from mmfold.adapters.emulator.market.source import MarketSource
from mmfold.adapters.emulator.market.symbol import SymbolMarket

WEIGHT_PER_MINUTE = 2_400
PING_S, PONG_S = 180.0, 600.0


@dataclass(frozen=True, kw_only=True)
class MarketSettings(FeedSettings):
    """How the venue is run.

    Units: weight_per_minute is what an address may ask in a minute; ping_s how often a client is pinged, pong_s how
    long it may leave that unanswered.
    """

    weight_per_minute: int = WEIGHT_PER_MINUTE
    ping_s: float = PING_S
    pong_s: float = PONG_S


class BinanceFeed(Feed):
    """One running market.

    Raises: VenueSetupError for a feed that cannot be traded.
    """

    def __init__(self, source: MarketSource, plan: FaultPlan, settings: MarketSettings) -> None:
        super().__init__(source, list_products(source.manifest), plan, settings)
        self.limits = settings
        self.symbols = {name: Symbol(market) for name, market in self.markets.items()}

    def make_topic(self, name: str) -> Topic | None:
        """Return the stream of a name, None for a name that is none."""
        return make_topic(name, self.symbols)

    def restart_topic(self, name: str) -> None:
        """Let the numbers of a stream's symbol begin again from below, for its streams and for REST."""
        symbol = self.symbols.get(name.partition("@")[0].upper())
        if symbol is not None:
            symbol.restart()

    def on_told(self, market: SymbolMarket, told: np.ndarray, now_ns: int) -> None:
        """Note a trade, and what a change of the book touches."""
        if is_trade(told):
            self.symbols[market.product.symbol].add_trade(told[0])
            return
        for topic in self.topics.values():
            if isinstance(topic, DiffTopic) and topic.market is market:
                topic.touch(told)
