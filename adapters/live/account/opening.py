"""The journal that a session begins with: which it is, what its manifest says, what was in it; must never go on in a
journal of something else.
"""

import time
from dataclasses import replace
from pathlib import Path
from typing import Literal

from mmfold.adapters.live.account.account_stop import AccountStop
from mmfold.adapters.live.account.day_stop import is_lifted
from mmfold.adapters.live.account.handover import Place, describe, opening_rows, read_former
from mmfold.adapters.live.account.thaw import held_symbols
from mmfold.adapters.live.operator.pins import pins_of
from mmfold.adapters.live.session import Session, has_segments, make_run_id, read_session_manifest
from mmfold.adapters.logs import EventLog
from mmfold.engine.core import DigestDiffers, WitnessDiffers
from mmfold.engine.layout import LAYOUT_ID
from mmfold.engine.manifest import Instrument, Manifest
from mmfold.journal.log.reader import Journal
from mmfold.replay.strategy.file import check_recorded, loaded

RECORD = "record"  # the mode of a recording: the market only, no core
LOG = EventLog("start")


class CannotStart(Exception):
    """Something is missing before the first order; the message says what, the hint what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def open_session(
    place: Place, manifest: Manifest, sync: Literal["none", "commit"], stop: AccountStop | None = None
) -> Session:
    """Return the session of a journal; a new one, or one that a crash left without them, opens with what a former
    session held. `stop` is the account's, which a person may have lifted.

    Raises: CannotStart, CannotHandOver, JournalError.
    """
    former, opening, begins_anew = None, None, False
    is_new = not has_segments(place.journal)
    if place.former is not None and (is_new or Journal(place.journal).seq_next() <= 1):
        former = read_former(place.former)
        if is_new:
            manifest = replace(
                manifest, parent_run=former.manifest.run_id, extra=manifest.extra | former.extra(place.journal)
            )
        begins_anew = former.state.clock[0]["day_stopped"] == 1 and is_lifted(former.state, stop)
        opening = opening_rows(former, manifest, time.time_ns(), goes_on_with_day=not begins_anew)
    try:
        session = Session(place.journal, manifest, sync)
    except (WitnessDiffers, DigestDiffers) as error:
        raise CannotStart(
            f"{place.journal} was not decided as this build decides: {error}",
            f"go on in a new journal: --continue-from {place.journal} --journal {place.journal}-new",
        ) from error
    if former is not None and opening is not None:
        session.fold(opening)
        if begins_anew and stop is not None:
            session.commit()
            stop.use_up()
        assert place.former is not None
        for symbol, why in held_symbols(place.former, session.manifest, by_name=True).items():
            session.fold_command({"command": "freeze", "symbol": symbol, "why": why})
        for pin in pins_of(former.state, former.manifest, session.manifest):
            session.fold_command(pin)
        LOG.warning("session_handed_over", journal=str(place.journal), **describe(former))
    return session


def find_manifest(journal: Path, mode: str, venue: str, instruments: tuple[Instrument, ...]) -> Manifest:
    """Return the manifest of what a directory holds, which must be of the same kind, or of something new.

    Raises: CannotStart when the journal there is of something else, StrategyMissing, JournalError.
    """
    former, is_session = read_session_manifest(journal), mode != RECORD
    if former is None:
        run_id, extra = make_run_id(mode, venue, time.time_ns()), {"mode": mode, "venue": venue}
        if is_session and (strategy := loaded()) is not None:
            extra |= strategy.words()
        source = "live" if is_session else RECORD
        manifest = Manifest(run_id=run_id, instruments=instruments, source=source, extra=extra)
        return manifest.renewed(witnessed=True, layout=LAYOUT_ID) if is_session else manifest
    if former.extra.get("mode") != mode or former.extra.get("venue") != venue:
        was = f"{former.extra.get('mode', former.source)} at {former.extra.get('venue', 'no venue')}"
        raise CannotStart(f"{journal} holds a session of {was}", "give another --journal")
    grids = [(each.symbol, each.tick_size, each.lot_size) for each in former.instruments]
    if grids != [(each.symbol, each.tick_size, each.lot_size) for each in instruments]:
        raise CannotStart(
            f"{journal} holds other instruments, ticks or lots than were asked for",
            "give the same --symbols, or another --journal",
        )
    if is_session:
        go_on = f"--continue-from {journal} --journal {journal}-new goes on with the one you have"
        check_recorded(former, (go_on, go_on))
    return former
