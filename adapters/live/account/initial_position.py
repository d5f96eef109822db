"""What the account holds when a journal is new: its opening if asked for, else told and kept flat.

A session begins at its first reconciliation: what was executed before is in the opening, never one of its fills. Must
never invent a price: an opening stands at the venue's own average entry price.
"""

import numpy as np

from mmfold.adapters.live.account.handover import make_opening
from mmfold.adapters.live.account.reconcile import Reconciler, Seen, joined
from mmfold.adapters.live.session import Session
from mmfold.adapters.live.venue.rest_client import RestClient
from mmfold.adapters.logs import EventLog
from mmfold.adapters.venues.order_port import AnswerParser
from mmfold.adapters.venues.port import VenueUnreachable
from mmfold.engine.codes import EventKind
from mmfold.engine.records import NO_VALUE
from mmfold.engine.views import view_rows

FLAG = "--adopt-position"
LOOK_COUNT_MAX = 10
MONEY_KINDS = (EventKind.FILL, EventKind.FUNDING)


class FirstLook(Reconciler):
    """The reconciler of a new journal: its first word is the opening, and nothing of before counts."""

    def __init__(self, session: Session, rest: RestClient, parser: AnswerParser, seen: Seen, *, adopts: bool) -> None:
        super().__init__(session.manifest, rest, parser, seen)
        self.session = session
        self.adopts = adopts
        self.has_looked = False
        self.is_disturbed = False  # by an execution that a stream told while we looked
        self.log = EventLog("account")

    async def fills(self) -> np.ndarray:
        """Return the missed fills and fundings; the first time the openings, with nothing executed while we looked.

        Raises: VenueUnreachable, VenueError, MalformedFrame.
        """
        if self.has_looked:
            return await super().fills()
        for _ in range(LOOK_COUNT_MAX):
            await super().fills()  # remembered, so that nobody tells them again
            self.is_disturbed = False
            told = await super().positions()
            after = await super().fills()
            if not self.is_disturbed and not np.isin(after["kind"], MONEY_KINDS).any():
                self.has_looked = True
                return joined([self.open_from(row) for row in told[told["kind"] == EventKind.POSITION]])
        raise VenueUnreachable("the account trades all the time: its position cannot be read beside its fills")

    def news(self, rows: np.ndarray) -> np.ndarray:
        """Return what is new of a stream's rows; before the first look is over, without the account's money."""
        fresh = super().news(rows)
        if self.has_looked:
            return fresh
        is_money = np.isin(fresh["kind"], MONEY_KINDS)
        self.is_disturbed = self.is_disturbed or bool(is_money.any())
        return fresh[~is_money]

    def open_from(self, row: np.void) -> np.ndarray:
        """Return the opening of a venue's POSITION; none where nothing is held or it is not adopted."""
        index, lots = int(row["instrument_index"]), int(row["qty_lots"])
        symbol = self.session.manifest.instruments[index].symbol
        price_e8 = int(view_rows(np.atleast_1d(row), EventKind.POSITION)["average_price_e8"][0])
        if lots and self.adopts and price_e8 != NO_VALUE:
            self.log.info("position_adopted", symbol=symbol, lots=lots, average_price_e8=price_e8)
            return make_opening(index, int(row["ts_receive_ns"]), lots, price_e8)
        if lots:
            hint = f"{FLAG} on a new journal takes it over"
            self.log.warning("position_of_before", symbol=symbol, lots=lots, hint=hint)
        return joined([])
