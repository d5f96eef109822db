"""What a session does about the core's alerts; must never decide: it asks the venue, the market or a person."""

from typing import TYPE_CHECKING

import numpy as np

from mmfold.adapters.alerts.kinds import Happening
from mmfold.adapters.live.account import day_stop
from mmfold.engine.codes import AlertCode, EventKind

if TYPE_CHECKING:
    from mmfold.adapters.live.runner import Runner

OF_BOOKS = (AlertCode.BOOK_GAP, AlertCode.BOOK_INVALID, AlertCode.BOOK_OVERFLOW)


async def act_on_alerts(runner: "Runner", effects: np.ndarray) -> None:
    """Log the alerts among effects and do what each asks for."""
    for alert in effects[effects["kind"] == EventKind.ALERT]:
        symbol = runner.session.manifest.instruments[int(alert["instrument_index"])].symbol
        code, detail = AlertCode(int(alert["code"])), int(alert["aux"])
        runner.log.warning("alert", alert=code.name.lower(), symbol=symbol, detail=detail)
        seq, ts_ns = int(alert["seq"]), int(alert["ts_receive_ns"])
        runner.alerts.tell(code, symbol=symbol, seq=seq, detail=detail, ts_ns=ts_ns)
        if code == AlertCode.DAILY_LOSS:
            day_stop.stop(runner)
        elif code == AlertCode.ORDER_UNKNOWN and runner.account is not None:
            runner.account.note_unknown(detail)
        elif code == AlertCode.POSITION_DIFFERS and runner.account is not None:
            runner.account.note_position()
        elif code in OF_BOOKS:
            await runner.resync()


def say_stopping(runner: "Runner") -> None:
    """Say that a session is about to end, and what it ends of if that is a failure."""
    runner.log.info("stopping", failed=runner.failure is not None)
    if runner.failure is not None:
        runner.alerts.tell_failure(runner.failure)


def say_unconfirmed(runner: "Runner") -> None:
    """Say that a session has ended and orders of it may rest."""
    open_count = len(runner.session.open_orders())
    runner.log.error("orders_unconfirmed", open_orders=open_count)
    runner.alerts.tell(Happening.ORDERS_UNCONFIRMED, why=f"{open_count} orders may rest")
