"""What the account holds when a journal is new: a position from before, adopted if asked for, else told.

Must never invent a price: an adopted position is FILLs at the venue's own average entry price.
"""

import numpy as np

from mmfold.adapters.bybit.ledger import NOBODYS_ORDER_ID, Execution, as_rows, fill_row
from mmfold.adapters.bybit.link_ids import execution_number
from mmfold.adapters.bybit.rest import RestParser
from mmfold.adapters.live.reconcile import Reconciler, Seen, joined
from mmfold.adapters.live.rest_client import RestClient
from mmfold.adapters.live.session import Session
from mmfold.adapters.logs import EventLog
from mmfold.engine.codes import EventKind, Side
from mmfold.engine.records import NO_PRICE_TICKS

FLAG = "--adopt-position"


class FirstLook(Reconciler):
    """The reconciler of a new journal: its first word on positions comes with the FILLs that explain them."""

    def __init__(self, session: Session, rest: RestClient, parser: RestParser, seen: Seen, *, adopts: bool) -> None:
        super().__init__(session.manifest, rest, parser, seen)
        self.session = session
        self.adopts = adopts
        self.has_looked = False
        self.log = EventLog("account")

    async def positions(self) -> np.ndarray:
        """Return the POSITION of every instrument and the BALANCE; the first time, opening FILLs before them.

        Raises: VenueUnreachable, VenueError, MalformedFrame.
        """
        told = await super().positions()
        if self.has_looked:
            return told
        self.has_looked = True
        opening = [self.open_from(row) for row in told[told["kind"] == EventKind.POSITION]]
        return joined([*opening, told])

    def open_from(self, row: np.void) -> np.ndarray:
        """Return the FILL that leads from our position to the venue's, without a fee; none where it is not adopted."""
        index = int(row["instrument_index"])
        listing = self.parser.listings[index]
        lots = int(row["qty_lots"]) - int(self.session.core.state.positions[index]["position_lots"])
        if not lots:
            return as_rows([])
        price_ticks = int(row["price_ticks"])
        if not self.adopts or price_ticks == NO_PRICE_TICKS:
            hint = f"{FLAG} on a new journal takes it over"
            self.log.warning("position_of_before", symbol=listing.symbol, lots=lots, hint=hint)
            return as_rows([])
        self.log.info("position_adopted", symbol=listing.symbol, lots=lots, price_ticks=price_ticks)
        execution = Execution(
            listing=listing,
            order_id=NOBODYS_ORDER_ID,
            side=Side.BID if lots > 0 else Side.ASK,
            price_ticks=price_ticks,
            qty_lots=abs(lots),
            number=execution_number(f"adopted/{self.session.manifest.run_id}/{listing.symbol}"),
            is_maker=False,
            fee_ppm=0,
            times=(int(row["ts_exchange_ns"]), int(row["ts_receive_ns"])),
        )
        return self.seen.news(as_rows([fill_row(execution)]))
