"""The oracle's queues: own orders, the market's orders by number, what a change of a level means for a place."""

from dataclasses import dataclass, field
from math import log1p

from mmfold.engine.codes import Flag, Side
from mmfold.engine.limits import QTY_LOTS_MAX
from mmfold.replay.venue.queue import QueueModel
from tests.replay.venue.oracle_book import Book, away
from tests.replay.venue.scenario import Happening


@dataclass
class Order:
    order_id: int
    side: Side
    price: int
    left: int
    accepted_ns: int
    front: float = 0.0
    filled: int = 0
    flags: int = Flag.POST_ONLY
    expiry_ns: int | None = None
    traded: float = 0.0
    resting: bool = True
    ahead: set[int] = field(default_factory=set)  # numbers of the market's orders
    told: int = 0  # by how much the orders at the price grew since the level was last told
    joined: int = 0  # its turn among own orders
    hidden: bool = False  # its price is not shown
    last_shown: int = 0  # what it displayed when it was
    was_hidden: bool = False

    @property
    def turn(self) -> tuple[int, int]:
        """What sorts own orders of one side: the better price, then who joined its queue first."""
        return (away(self.side, self.price), self.joined)


class Crowd:
    """The market's orders of one instrument, as far as they were told of."""

    def __init__(self) -> None:
        self.orders: dict[int, tuple[Side, int, int]] = {}  # number: side, price, lots
        self.fresh: set[int] = set()  # joined since the last book message
        self.join_count = 0  # of own orders

    def join(self, order: Order, book: Book) -> None:
        """Put an own order behind what is displayed at its price and what the display does not have yet.

        Where nothing is shown because the feed does not go there, anything may be ahead.
        """
        shown = book.shown(order.side, order.price)
        order.ahead = {number for number, at in self.orders.items() if at[:2] == (order.side, order.price)}
        order.front = float(shown + sum(self.orders[number][2] for number in order.ahead & self.fresh))
        order.traded, order.told = 0.0, 0
        order.hidden = not shown and away(order.side, order.price) > book.edge(order.side)
        if order.hidden:
            order.front, order.last_shown, order.was_hidden = float(2 * QTY_LOTS_MAX), 0, True
        order.joined = self.join_count
        self.join_count += 1

    def change(self, one: Happening, resting: list[Order]) -> None:
        """Fold one change: less of an order keeps its place; more, or another price, is a new order's."""
        old = self.orders.get(one.number)
        place = (one.aggressor, one.price)
        if old is not None and old[:2] == place and 0 < one.qty <= old[2]:
            self.orders[one.number] = (*place, one.qty)
            self.left(one.number, old[:2], old[2] - one.qty, resting)
            return
        if old is not None:
            del self.orders[one.number]
            self.fresh.discard(one.number)
            self.left(one.number, old[:2], old[2], resting)
            for order in resting:
                order.ahead.discard(one.number)
        if one.qty:
            self.orders[one.number] = (*place, one.qty)
            self.fresh.add(one.number)
            for order in resting:
                order.told += one.qty if (order.side, order.price) == place else 0

    def left(self, number: int, place: tuple[Side, int], lots: int, resting: list[Order]) -> None:
        """Lots of an order went: ahead of ours they bring it forward, but for what trades have brought already."""
        for order in resting:
            if (order.side, order.price) == place:
                order.told -= lots
                if number in order.ahead:
                    by_trade = min(lots, order.traded)
                    order.traded -= by_trade
                    order.front = max(0.0, order.front - lots + by_trade)


def in_turn(orders: list[Order]) -> None:
    """Nobody has less ahead than an own order at the same price that joined before."""
    for order in orders:
        before = [one.front for one in orders if one.price == order.price and one.joined < order.joined]
        order.front = max([order.front, *before])


def hide(order: Order, shown: int) -> None:
    """A level that is no longer shown, or is gone: what follows its message tells."""
    if not order.hidden:
        order.hidden, order.last_shown = True, shown


def show(order: Order, model: QueueModel, lot: float, before: int, after: int) -> None:
    """What an order's level displays now; since it was last shown is one change."""
    requeue(order, model, lot, order.last_shown if order.hidden else before, after)
    order.hidden = False


def settle(order: Order, model: QueueModel, lot: float, book: Book) -> None:
    """After a message: a hidden order whose price is in the shown part, which has no level there, has none ahead."""
    if order.hidden and away(order.side, order.price) <= book.edge(order.side):
        show(order, model, lot, 0, 0)
    order.was_hidden |= order.hidden


def requeue(order: Order, model: QueueModel, lot: float, before: int, after: int) -> None:
    """What the trades at the price do not explain of a decrease happened ahead of the order or behind it."""
    if model == QueueModel.FIFO:
        unknown = max(0, before - after + order.told)  # orders that were not told of went, by trades before all
        order.traded = max(0.0, order.traded - unknown)
        order.told, order.front = 0, min(order.front, float(after))
        return
    decrease = before - after - order.traded
    order.traded = 0.0
    if decrease > 0:
        front, back = order.front, before - order.front
        share = behind(model, lot, front, back)
        order.front = front - (1.0 - share) * decrease + min(back - share * decrease, 0.0)
        order.front = max(order.front, 0.0)  # only trades fill
    order.front = min(order.front, float(after))


def behind(model: QueueModel, lot: float, front: float, back: float) -> float:
    """Return the share of a decrease that happens behind an order."""
    match model:
        case QueueModel.RISK_AVERSE:
            return 1.0
        case _ if back <= 0:
            return 0.0
        case _ if front <= 0:
            return 1.0
        case QueueModel.POWER:
            return back * back / (back * back + front * front)
        case QueueModel.QPOS:
            return back / (back + front)
    return log1p(back * lot) / (log1p(back * lot) + log1p(front * lot))
