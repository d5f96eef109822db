"""The simulated venue, written again as slowly and plainly as it can be: dicts, lists, sorts.

What is meant, rule by rule; a comment stands where a rule is not obvious. Shares nothing with replay/ but the names
of the queue models and of the codes.
"""

from fractions import Fraction
from math import ceil, floor

from mmfold.engine.codes import BookStatus, Continuity, EventKind, Flag, RequestOutcome, Side
from mmfold.engine.limits import ORDER_COUNT_MAX
from mmfold.engine.orders import SLOTS_PER_SIDE
from mmfold.replay.venue.queue import QueueModel
from mmfold.replay.venue.records import RejectCode
from tests.replay.venue.oracle_book import MILLION, NO, Account, Book
from tests.replay.venue.oracle_queue import Crowd, Order, hide, in_turn, settle, show
from tests.replay.venue.oracle_times import shift_of, venue_times
from tests.replay.venue.scenario import BOOK, Happening, Request, Scenario

OTHER = {Side.BID: Side.ASK, Side.ASK: Side.BID}
# kind, time of the venue, time of the core, instrument, order id, side, price, qty, execution number, flags, code
Answer = tuple[int, int, int, int, int, int, int, int, int, int, int]


class Oracle:
    """The venue's side of one instrument."""

    def __init__(self, scenario: Scenario, index: int, answers: list[Answer]) -> None:
        self.scenario, self.index, self.answers = scenario, index, answers
        self.rules = scenario.assumptions
        self.instrument = scenario.manifest.instruments[index]
        self.lot = float(self.instrument.lot_size)
        self.book = Book(self.instrument.continuity == Continuity.BESIDE_STREAM, depth=self.instrument.book_depth)
        self.crowd = Crowd()
        self.orders: dict[int, Order] = {}  # by slot, the last one that was accepted
        self.accepted: dict[int, int] = {}  # by slot, the last id
        self.account = Account(Fraction(self.instrument.tick_size) * Fraction(self.instrument.lot_size) * MILLION)
        self.executions = self.refused = self.liquidations = 0

    def resting(self, side: Side) -> list[Order]:
        return [order for _, order in sorted(self.orders.items()) if order.resting and order.side == side]

    def answer(self, kind: EventKind, ts_ns: int, order_id: int, **told: int) -> None:
        side, price, qty = told.get("side", Side.NONE), told.get("price", NO), told.get("qty", 0)
        flags, aux, code = told.get("flags", 0) | Flag.LAST, told.get("aux", NO), told.get("code", 0)
        local_ns = ts_ns + self.rules.response_latency_ns
        self.answers.append((kind, ts_ns, local_ns, self.index, order_id, side, price, qty, aux, flags, code))

    def refuse(self, one: Request, code: RejectCode) -> None:
        self.refused += 1
        self.answer(EventKind.REJECT, one.ts_ns, one.order_id, code=code)

    # The account

    def rate(self, maker: bool) -> tuple[int, int]:
        """Return a fill's fee rate and its code: of the tier that the volume has reached, else the instrument's."""
        tiers = [tier for tier in self.rules.fee_tiers if tier.volume_micros <= self.account.volume]
        source = tiers[-1] if tiers else self.instrument
        ppm = source.maker_fee_ppm if maker else source.taker_fee_ppm
        return ppm, 32768 + ppm if tiers else 0

    def book_fill(self, ts_ns: int, order_id: int, side: Side, price: int, lots: int, flags: int) -> None:
        """Tell a fill; slippage makes its price worse by a share of the mid, rounded up."""
        bid, ask = self.book.best(Side.BID), self.book.best(Side.ASK)
        sign = 1 if side == Side.BID else -1
        if bid is not None and ask is not None:
            price += sign * ceil(Fraction(bid + ask, 2) * self.rules.extra_slippage_ppm / MILLION)
        ppm, code = self.rate(bool(flags & Flag.MAKER))
        if flags & Flag.LIQUIDATION and self.rules.liquidation_fee_ppm:
            ppm = self.rules.liquidation_fee_ppm
            code = 32768 + ppm
        price = max(price, 1)
        told = {"side": side, "price": price, "qty": lots, "aux": self.executions, "flags": flags, "code": code}
        self.answer(EventKind.FILL, ts_ns, order_id, **told)
        self.executions += 1
        self.account.fill(sign, price, lots, ppm)

    def price_now(self) -> Fraction:
        if self.account.mark is not None:
            return self.account.mark
        bid, ask = self.book.best(Side.BID), self.book.best(Side.ASK)
        return Fraction(0) if bid is None or ask is None else Fraction(bid + ask, 2)

    def equity(self) -> Fraction:
        value = self.account.lots * self.price_now() * self.account.tick_value
        return self.rules.equity_micros + self.account.cash + value - self.account.fees

    def lacks_margin(self, side: Side, price: Fraction, added: int) -> bool:
        """Only what makes the position greater, with all orders of the side filled, binds margin."""
        if not self.rules.equity_micros:
            return False
        lots = self.account.lots if side == Side.BID else -self.account.lots
        worst = lots + sum(order.left for order in self.resting(side)) + added
        bound = worst * price * self.account.tick_value * self.rules.initial_margin_ppm / MILLION
        return worst > 0 and floor(bound) > self.equity()

    def check_margin(self, ts_ns: int) -> None:
        """Liquidate what the equity does not carry, against the displayed levels."""
        if not self.rules.equity_micros or not self.account.lots:
            return
        value = abs(self.account.lots) * self.price_now() * self.account.tick_value
        if self.equity() >= floor(value * self.rules.maintenance_margin_ppm / MILLION):
            return
        self.liquidations += 1
        for _, order in sorted(self.orders.items()):
            if order.resting:
                order.resting = False
                self.answer(EventKind.EXPIRED, ts_ns, order.order_id)
        side = Side.ASK if self.account.lots > 0 else Side.BID
        self.take(ts_ns, NO, side, None, abs(self.account.lots), Flag.LIQUIDATION)

    def take(self, ts_ns: int, order_id: int, side: Side, limit: int | None, lots: int, flags: int = 0) -> int:
        """Trade with the displayed levels, best first, up to a limit; returns what is left."""
        for price, shown in self.reachable(side, limit):
            filled = min(lots, shown)
            if filled:
                self.book_fill(ts_ns, order_id, side, price, filled, flags)
                lots -= filled
        return lots

    def reachable(self, side: Side, limit: int | None) -> list[tuple[int, int]]:
        sign = 1 if side == Side.BID else -1
        found = sorted(self.book.levels[OTHER[side]].items(), key=lambda level: sign * level[0])
        return [(price, lots) for price, lots in found if limit is None or sign * price <= sign * limit]

    def meets_own(self, side: Side, price: int | None) -> int | None:
        """Return the best own price on the other side that a price reaches."""
        sign = 1 if side == Side.BID else -1
        own = sorted((order.price for order in self.resting(OTHER[side])), key=lambda at: sign * at)
        return own[0] if own and (price is None or sign * own[0] <= sign * price) else None

    def expire(self, ts_ns: int) -> None:
        for _, order in sorted(self.orders.items()):
            if order.resting and order.expiry_ns is not None and order.expiry_ns <= ts_ns:
                order.resting = False
                self.answer(EventKind.EXPIRED, ts_ns, order.order_id)

    # The market

    def market(self, one: Happening, ts_ns: int) -> None:
        if one.kind == EventKind.BOOK_ORDER:
            self.crowd.change(one, [*self.resting(Side.BID), *self.resting(Side.ASK)])
            return
        if one.kind in BOOK:
            self.crowd.fresh.clear()
        restarts = self.book.restarts
        if one.kind == EventKind.TRADE and not one.block:  # a block trade happens off the book
            self.trade(one, ts_ns)
        elif one.kind == EventKind.BOOK_DELTA:
            is_taken = self.book.takes(one)
            self.drop(restarts, ts_ns)
            if is_taken:
                for at, price, qty in one.levels:
                    self.level(Side(at), price, qty, ts_ns)
                self.book.joined(one)
                self.book.look()
                self.settle()
        elif one.kind == EventKind.BOOK_SNAPSHOT:
            self.snapshot(one, ts_ns)
        elif one.kind == EventKind.MARK:
            self.account.mark = Fraction(one.price) if one.price else None
        self.check_margin(ts_ns)

    def drop(self, restarts: int, ts_ns: int) -> None:
        """End all orders when the venue has begun to number anew: nothing of before rests there."""
        for _, order in sorted(self.orders.items()):
            if order.resting and self.book.restarts != restarts:
                order.resting = False
                self.answer(EventKind.CANCELED, ts_ns, order.order_id)

    def level(self, side: Side, price: int, qty: int, ts_ns: int) -> None:
        before = self.book.shown(side, price)
        self.book.set(side, price, qty)
        for order in self.resting(side):
            if order.price == price and not qty and self.book.depth:
                hide(order, before)
            elif order.price == price:
                show(order, self.rules.queue_model, self.lot, before, qty)
        in_turn(self.resting(side))
        self.deal(OTHER[side], price, qty - before, ts_ns)

    def settle(self) -> None:
        for side in (Side.BID, Side.ASK):
            for order in self.resting(side):
                settle(order, self.rules.queue_model, self.lot, self.book)
            in_turn(self.resting(side))

    def snapshot(self, one: Happening, ts_ns: int) -> None:
        """Messages may be missing before it: it counts as one change of every level."""
        own = {side: sorted(self.resting(side), key=lambda order: order.turn) for side in (Side.BID, Side.ASK)}
        before = {order.order_id: self.book.shown(side, order.price) for side in own for order in own[side]}
        # What reached the first order of a side before is not new.
        seen = {side: sum(lots for _, lots in self.met(own[side][0])) if own[side] else 0 for side in own}
        restarts, is_taken = self.book.restarts, self.book.restart(one)
        self.drop(restarts, ts_ns)
        if not is_taken:
            return
        own = {side: [order for order in orders if order.resting] for side, orders in own.items()}
        for side, orders in own.items():
            for order in orders:
                shown = self.book.shown(side, order.price)
                if shown:
                    show(order, self.rules.queue_model, self.lot, before[order.order_id], shown)
                else:
                    hide(order, before[order.order_id])
        self.settle()
        for side in (Side.ASK, Side.BID):
            for price, lots in self.reachable(side, None):
                if self.resting(side) and price in dict(self.met(min(self.resting(side), key=lambda each: each.turn))):
                    self.deal(side, price, lots - min(lots, seen[side]), ts_ns)
                    seen[side] -= min(lots, seen[side])

    def met(self, order: Order) -> list[tuple[int, int]]:
        """Return the levels of the other side that reach an order."""
        return self.reachable(order.side, order.price)

    def deal(self, side: Side, price: int, lots: int, ts_ns: int, better: bool = False) -> int:
        """Lots at a price fill own orders of a side that they reach, in turn; returns what is left of them.

        Without partial fills the first is filled whole; the next has what was left of the lots, not of the fill.
        """
        whole = not self.rules.partial_fills
        for order in sorted(self.resting(side), key=lambda each: each.turn):
            sign = 1 if side == Side.BID else -1
            if lots > 0 and sign * order.price >= sign * price + better:
                reached = min(lots, order.left)
                order.front = 0.0
                self.fill(order, order.left if whole else reached, ts_ns)
                lots, whole = lots - reached, False
        return lots

    def trade(self, one: Happening, ts_ns: int) -> None:
        """Own orders at better prices come first; at the trade's price its queue has what they left."""
        side = OTHER[one.aggressor]
        lots = self.deal(side, one.price, one.qty, ts_ns, better=True)
        whole = not self.rules.partial_fills and lots == one.qty
        for order in sorted(self.resting(side), key=lambda each: each.turn):
            if order.price == one.price:
                order.front -= lots
                order.traded += one.qty
                past = max(0, int(-order.front + 0.5)) if order.front < 0 else 0
                if past:
                    order.front = 0.0
                    reached = min(past, order.left)
                    self.fill(order, order.left if whole else reached, ts_ns)
                    lots, whole = lots - reached, False

    def fill(self, order: Order, lots: int, ts_ns: int) -> None:
        assert 0 < lots <= order.left
        self.book_fill(ts_ns, order.order_id, order.side, order.price, lots, Flag.MAKER)
        order.left -= lots
        order.filled += lots
        order.resting = order.left > 0

    # The requests

    def crosses(self, side: Side, price: int) -> bool:
        best = self.book.best(OTHER[side])
        return best is not None and (price >= best if side == Side.BID else price <= best)

    def request(self, one: Request) -> None:
        slot = one.order_id % ORDER_COUNT_MAX
        order = self.orders.get(slot)
        assert one.side == (Side.BID if slot < SLOTS_PER_SIDE else Side.ASK)
        if one.kind == EventKind.PLACE:
            self.place(one, slot)
        elif order is None or not order.resting or order.order_id != one.order_id:
            self.refuse(one, RejectCode.UNKNOWN_ORDER)
        elif one.kind == EventKind.CANCEL:
            order.resting = False
            self.answer(EventKind.CANCELED, one.ts_ns, one.order_id)
        else:
            self.amend(one, order)

    def place_fault(self, one: Request, slot: int) -> RejectCode | None:
        # The core's ids in a slot grow: one that is not new repeats an order that was accepted before.
        order = self.orders.get(slot)
        if (order is not None and order.resting) or one.order_id <= self.accepted.get(slot, 0):
            return RejectCode.DUPLICATE
        if self.book.status != BookStatus.LIVE:
            return RejectCode.BOOK_INVALID
        if one.qty < self.instrument.min_qty_lots:
            return RejectCode.MIN_QTY
        bid, ask = self.book.best(Side.BID), self.book.best(Side.ASK)
        mid = Fraction(0) if bid is None or ask is None else Fraction(bid + ask, 2)
        price = Fraction(one.price) if one.price else mid
        if one.flags & Flag.REDUCE_ONLY:
            lots = -self.account.lots if one.side == Side.BID else self.account.lots
            open_lots = sum(other.left for other in self.resting(one.side))
            return RejectCode.REDUCE_ONLY if one.qty > lots - open_lots else None
        if price * one.qty * self.account.tick_value < self.instrument.min_notional_micros:
            return RejectCode.MIN_NOTIONAL
        # The venue rounds a market order's price for its margin down to a tick.
        return RejectCode.MARGIN if self.lacks_margin(one.side, Fraction(floor(price)), one.qty) else None

    def place(self, one: Request, slot: int) -> None:
        fault = self.place_fault(one, slot)
        if fault is not None:
            self.refuse(one, fault)
            return
        post_only, price = bool(one.flags & Flag.POST_ONLY), one.price or None
        if post_only and (self.crosses(one.side, one.price) or self.meets_own(one.side, price) is not None):
            self.answer(EventKind.EXPIRED, one.ts_ns, one.order_id)
            return
        self.accepted[slot] = one.order_id
        self.answer(EventKind.ACK, one.ts_ns, one.order_id)
        left = one.qty if post_only else self.trade_at_once(one)
        if left == 0:
            return
        stays = price is not None and not one.flags & (Flag.IOC | Flag.FOK)
        if not stays or self.meets_own(one.side, price) is not None:
            self.answer(EventKind.EXPIRED, one.ts_ns, one.order_id)
            return
        life = self.rules.order_lifetime_ns
        order = Order(one.order_id, one.side, one.price, left, one.ts_ns)
        order.filled, order.flags, order.expiry_ns = one.qty - left, one.flags, one.ts_ns + life if life else None
        self.crowd.join(order, self.book)
        self.orders[slot] = order
        in_turn(self.resting(one.side))

    def trade_at_once(self, one: Request) -> int:
        """Take what may be taken, before an own order's price; returns what is left."""
        own = self.meets_own(one.side, one.price or None)
        levels = self.reachable(one.side, one.price or None)
        sign = 1 if one.side == Side.BID else -1
        free = [(price, lots) for price, lots in levels if own is None or sign * price < sign * own]
        if one.flags & Flag.FOK and sum(lots for _, lots in free) < one.qty:
            return one.qty
        lots = one.qty
        for price, shown in free:
            filled = min(lots, shown)
            if filled:
                self.book_fill(one.ts_ns, one.order_id, one.side, price, filled, 0)
                lots -= filled
        return lots

    def amend(self, one: Request, order: Order) -> None:
        left = one.filled + one.qty - order.filled
        if self.book.status != BookStatus.LIVE:
            self.refuse(one, RejectCode.BOOK_INVALID)
        elif left <= 0:
            self.refuse(one, RejectCode.NOTHING_LEFT)
        elif self.crosses(one.side, one.price) or self.meets_own(one.side, one.price) is not None:
            self.refuse(one, RejectCode.WOULD_TAKE)
        elif left > order.left and order.flags & Flag.REDUCE_ONLY:
            self.refuse(one, RejectCode.REDUCE_ONLY)
        elif left > order.left and self.lacks_margin(one.side, Fraction(one.price), left - order.left):
            self.refuse(one, RejectCode.MARGIN)
        else:
            if one.price != order.price or left > order.left:
                order.price = one.price
                self.crowd.join(order, self.book)
                in_turn(self.resting(one.side))
            order.left = left
            self.answer(EventKind.AMENDED, one.ts_ns, one.order_id, price=one.price, qty=left)


def run_oracle(scenario: Scenario) -> tuple[list[Oracle], list[Answer | Happening]]:
    """Return the venue's end and everything that the core receives, in order."""
    answers: list[Answer] = []
    venues = [Oracle(scenario, index, answers) for index in range(len(scenario.manifest.instruments))]
    shift_ns = shift_of(scenario.market)
    end_ns = max(one.receive_ns for one in scenario.market) + shift_ns  # the venue's clock ends with the market
    # At equal times the market comes first, as Python's sort keeps it; then what ends by the clock, then requests.
    by_order = scenario.assumptions.queue_model == QueueModel.FIFO
    steps = [
        *venue_times(scenario.market, shift_ns, by_order),
        *((one.ts_ns, one) for one in scenario.requests),
    ]
    seconds: dict[int, int] = {}
    for ts_ns, one in sorted(steps, key=lambda pair: pair[0]):
        until_ns = ts_ns - isinstance(one, Happening)
        for due_ns in sorted({e for v in venues for o in v.orders.values() if (e := o.expiry_ns) and e <= until_ns}):
            for venue in venues if due_ns < end_ns else ():
                venue.expire(due_ns)
        if isinstance(one, Happening):
            venues[one.instrument].market(one, ts_ns)
            continue
        second = ts_ns // 1_000_000_000
        seconds[second] = seconds.get(second, 0) + 1
        if 0 < scenario.assumptions.request_per_s_max < seconds[second]:
            venues[one.instrument].answer(
                EventKind.REQUEST_RESULT, ts_ns, one.order_id, code=RequestOutcome.RATE_LIMITED
            )
        else:
            venues[one.instrument].request(one)
    for due_ns in sorted({e for v in venues for o in v.orders.values() if (e := o.expiry_ns) and e < end_ns}):
        for venue in venues:
            venue.expire(due_ns)
    local: list[tuple[int, Answer | Happening]] = []
    now_ns = NO
    for one in scenario.market:
        now_ns = max(now_ns, one.receive_ns + shift_ns)  # a receive clock that steps back does not turn time back
        local.append((now_ns, one))
    local += [(answer[2], answer) for answer in answers]
    return venues, [what for _, what in sorted(local, key=lambda pair: pair[0])]
