"""One account before a book that the test sets: no clock, no server, no random market."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from mmfold.adapters.emulator.bybit.account import Account
from mmfold.adapters.emulator.bybit.keys import make_keys
from mmfold.adapters.emulator.market.clock import VenueClock
from mmfold.adapters.emulator.market.product import Product
from mmfold.adapters.emulator.market.symbol import SymbolMarket
from mmfold.adapters.emulator.market.synthetic import make_rows, synthetic_manifest
from mmfold.engine.codes import Continuity, EventKind, Side
from mmfold.replay.venue.desk import Desk
from tests.adapters.emulator.running import place

BID, ASK, SIZE = 600_000, 600_001, 1_000_000
TOUCH = ((Side.BID, BID, SIZE), (Side.ASK, ASK, SIZE))


class Bench:
    """An account at a book of one level a side, of as much as anybody takes."""

    def __init__(self, symbol: str = "BTCUSDT", levels: tuple[tuple[Side, int, int], ...] = TOUCH) -> None:
        self.symbol = symbol
        manifest = synthetic_manifest(0, [symbol])
        manifest = replace(manifest, instruments=tuple(replace(one, venue="bybit") for one in manifest.instruments))
        self.market = SymbolMarket(Product(manifest.instruments[0], 0), Continuity.IN_STREAM)
        (key,) = make_keys(None, 1)
        self.account = Account(key, 1, {symbol: self.market}, Desk(manifest), VenueClock(), Decimal(10**9))
        self.event(EventKind.BOOK_SNAPSHOT, list(levels))

    def event(self, kind: EventKind, levels: list[tuple[Side, int, int]]) -> None:
        now_ns = self.account.clock.now_ns()
        for told in self.market.apply(make_rows(kind, 0, levels), now_ns):
            self.account.apply_market(told, now_ns)

    def place(self, side: str, lots: int, ticks: int | None = None, **more: Any) -> dict[str, Any]:
        product = self.market.product
        price = None if ticks is None else product.price_text(ticks)
        return self.account.create(place(side, product.qty_text(lots), price, symbol=self.symbol, **more)).payload()

    @property
    def lots(self) -> int:
        return self.account.positions[self.symbol].lots

    def resting(self) -> list[tuple[str, int]]:
        """Return (link id, lots left) of what is open."""
        return [(order.link_id, order.left_lots) for order in self.account.open.values()]

    def ended(self) -> dict[str, str]:
        return {order.link_id: order.cancel_type for order in self.account.closed if order.link_id}
