"""A session that goes on in a new journal: what the former one leaves, told as opening positions; must never decide.

A journal of other rules, or of another layout, is not gone on with: a build that decides otherwise would not repeat
what stands there (docs/rules.md). Its successor stands beside it, NAME.2, then NAME.3, unless another place is asked
for, and names its head; fills of the former run's orders that come late are fills of nobody's order.
"""

import os
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from mmfold.adapters.live.account.reconcile import Seen
from mmfold.adapters.live.session import has_segments, read_session_manifest
from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.core import Core
from mmfold.engine.layout import LAYOUT_ID
from mmfold.engine.limits import E8, MICROS_PER_UNIT, NS_PER_DAY
from mmfold.engine.manifest import Instrument, Manifest, encode_manifest
from mmfold.engine.payload import payload_rows
from mmfold.engine.records import EVENT, NO_ORDER_ID, NO_PRICE_TICKS, NO_TS_NS, NO_VALUE
from mmfold.engine.rules import RULES
from mmfold.engine.state import State
from mmfold.engine.views import OPENING_VIEW, VIEWS
from mmfold.journal.log.reader import Journal

# Keys of a manifest's `extra`; the parent's journal is named from its successor's.
PARENT_HEAD, PARENT_JOURNAL, FORMER_RUNS = "parent_head", "parent_journal", "former_runs"
FORMER_RUN_COUNT_MAX = 16  # whose orders are still recognised
SUCCESSOR_COUNT_MAX = 1_000
PARENT_DEPTH_MAX = 3  # journals whose executions a restart looks through, for sessions that were short


class CannotHandOver(Exception):
    """A former journal that a new one cannot go on from; the message says why, the hint what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True)
class Place:
    """Where a session is journaled, and the journal that it takes over from or took over from, None where there is
    none.
    """

    journal: Path
    former: Path | None = None


@dataclass(frozen=True)
class Former:
    """What a former session leaves."""

    path: Path
    manifest: Manifest
    head: str
    state: State

    @property
    def run_ids(self) -> tuple[str, ...]:
        """The former run and those before it, newest first: their orders are known by their ids."""
        return (self.manifest.run_id, *former_runs(self.manifest))[:FORMER_RUN_COUNT_MAX]

    def extra(self, journal: Path) -> dict[str, str]:
        """Return what the manifest of the new journal says of its parent."""
        beside = os.path.relpath(self.path.resolve(), journal.resolve())
        return {PARENT_HEAD: self.head, PARENT_JOURNAL: beside, FORMER_RUNS: ",".join(self.run_ids)}


def former_runs(manifest: Manifest) -> tuple[str, ...]:
    """Return the run ids that a session took over from, newest first."""
    return tuple(one for one in str(manifest.extra.get(FORMER_RUNS, "")).split(",") if one)


def own_runs(place: "Place", manifest: Manifest) -> tuple[str, ...]:
    """Return the run ids whose orders are a session's own: its own, those before and those it takes over.

    Raises: JournalError, ManifestError.
    """
    runs = (manifest.run_id, *former_runs(manifest))
    former = None if place.former is None else read_session_manifest(place.former)
    return runs if former is None else (*runs, former.run_id, *former_runs(former))


def parent_of(journal: Path, manifest: Manifest) -> Path | None:
    """Return the journal that a session took over from, None where it did not or where that is not there any more."""
    if PARENT_JOURNAL not in manifest.extra:
        return None
    parent = Path(os.path.normpath(journal.resolve() / str(manifest.extra[PARENT_JOURNAL])))
    return parent if has_segments(parent) else None


def read_seen(journal: Path, manifest: Manifest, depth: int = 0) -> Seen:
    """Return the executions and fundings that a journal holds and those that it took over from.

    The venue is asked from a minute before the last time on: what an opening has must not be told again.
    Raises: JournalError.
    """
    seen, parent = Seen(), parent_of(journal, manifest)
    if parent is not None and depth < PARENT_DEPTH_MAX:
        of_parent = Journal(parent).manifest()
        seen = renumbered(read_seen(parent, of_parent, depth + 1), of_parent, manifest)
    for rows in Journal(journal).chunks():
        seen.note(rows)
    return seen


def renumbered(seen: Seen, old: Manifest, new: Manifest) -> Seen:
    """Return what was seen under the instrument indexes of another manifest."""
    index_of = new.symbol_index()
    indexes = {index: index_of[each.symbol] for index, each in enumerate(old.instruments) if each.symbol in index_of}
    return Seen(
        executions={(indexes[i], number): ts for (i, number), ts in seen.executions.items() if i in indexes},
        fundings={(indexes[i], ts) for i, ts in seen.fundings if i in indexes},
        ts_last_ms=seen.ts_last_ms,
        ts_first_ms=seen.ts_first_ms,
        ts_forgotten_ns=seen.ts_forgotten_ns,
    )


def is_continued(manifest: Manifest) -> bool:
    """Tell whether this build may go on with a session's own journal."""
    return manifest.rules == RULES and manifest.layout == LAYOUT_ID


def find_place(journal: Path, continue_from: Path | None) -> Place:
    """Return where to journal: in what is there, or in a new journal that takes over from it.

    Raises: CannotHandOver, JournalError, ManifestError.
    """
    there = read_session_manifest(journal)
    if continue_from is None:
        return follow_successors(journal, there)
    if continue_from.resolve() == journal.resolve():
        raise CannotHandOver(f"--continue-from and --journal are both {journal}", "give --journal a new directory")
    former = read_session_manifest(continue_from)
    if former is None:
        raise CannotHandOver(f"{continue_from} holds no session to go on from", "check --continue-from")
    if there is None:
        return Place(journal, continue_from)
    if former.run_id not in former_runs(there):
        raise CannotHandOver(
            f"{journal} holds a session already, and not one that goes on from {continue_from}",
            "give --journal a new directory",
        )
    return follow_successors(journal, there, continue_from)  # started again: it took over the first time


def follow_successors(journal: Path, manifest: Manifest | None, former: Path | None = None) -> Place:
    """Return the newest journal of a session that was handed over, or the next one where that cannot be gone on with.

    Raises: CannotHandOver, JournalError, ManifestError.
    """
    place, number = journal, 1
    while manifest is not None and not (manifest.source == "live" and is_continued(manifest)):
        if manifest.source != "live":
            return Place(place)  # a recording decides nothing: any build goes on with it
        number += 1
        former, place = place, journal.with_name(f"{journal.name}.{number}")
        manifest = read_session_manifest(place)
        if manifest is None:
            return Place(place, former)
        if number > SUCCESSOR_COUNT_MAX:
            raise CannotHandOver(f"{journal} was handed over {number:,} times", "give another --journal")
    return Place(place, former)


def read_former(path: Path) -> Former:
    """Fold what a former session was told, with nothing decided, and return what it left.

    Raises: CannotHandOver, JournalError, ManifestError.
    """
    manifest = read_session_manifest(path)
    if manifest is None or not has_segments(path):
        raise CannotHandOver(f"{path} holds no session to go on from", "check --continue-from")
    # Positions come of fills alone: no quoter runs, not even one of a strategy file that is not there any more.
    quiet = {"params": {each.symbol: {"enabled": 0} for each in manifest.instruments}}
    core, journal = Core(manifest, override=quiet), Journal(path)
    core.out["witnessed"] = 0
    for rows in journal.verified_chunks():
        core.feed(rows[rows["kind"] != EventKind.DIGEST])
        core.drain()
    return Former(path, manifest, journal.head.hex(), core.state)


def opening_rows(former: Former, manifest: Manifest, ts_ns: int, *, goes_on_with_day: bool = True) -> np.ndarray:
    """Return one POSITION flagged OPENING per instrument: what the former session held and had earned and paid, and
    what the UTC day under way began with, unless a person has lifted the stop that it had.

    Raises: CannotHandOver for a position that the new instruments leave out or cannot count.
    """
    index_of = former.manifest.symbol_index()
    for symbol, index in index_of.items():
        lots = int(former.state.positions[index]["position_lots"])
        if lots and symbol not in manifest.symbol_index():
            raise CannotHandOver(
                f"{former.path} holds {lots:,} lots of {symbol}, which --symbols leaves out",
                f"add {symbol} to --symbols",
            )
    openings = []
    for index, instrument in enumerate(manifest.instruments):
        if instrument.symbol in index_of:
            openings.append(opening_of(former, index_of[instrument.symbol], instrument, index, ts_ns))
    if goes_on_with_day:
        put_day(openings, former, manifest, ts_ns)
    return np.concatenate(openings) if openings else np.zeros(0, EVENT)


def put_day(openings: list[np.ndarray], former: Former, manifest: Manifest, ts_ns: int) -> None:
    """Write into openings the UTC day that the former session was in, and what each symbol had made when it began.

    What the symbols that are left out have made in it is the first linear one's, which has an opening for it if need
    be: the account's loss stays what it was.
    Raises: CannotHandOver where there is none.
    """
    day = int(former.state.clock[0]["day_end_ns"]) // NS_PER_DAY - 1
    if day != ts_ns // NS_PER_DAY:
        return
    index_of, positions = former.manifest.symbol_index(), former.state.positions
    started = {one: int(positions[at]["day_start_micros"]) for one, at in index_of.items()}
    left_out = [at for one, at in index_of.items() if one not in manifest.symbol_index()]
    more_micros = int(positions["day_pnl_micros"][left_out].sum())
    if more_micros:
        linear = [(at, one.symbol) for at, one in enumerate(manifest.instruments) if not one.is_inverse]
        carriers = [one for one in linear if started.get(one[1], 0) != NO_VALUE]
        if not carriers:
            raise CannotHandOver(
                f"{former.path} has {more_micros:+,} micros of this day in symbols that --symbols leaves out",
                "add them to --symbols, or go on after midnight UTC",
            )
        index, symbol = carriers[0]
        if symbol not in index_of:
            openings.append(make_opening(index, ts_ns, 0, NO_VALUE))
        started[symbol] = started.get(symbol, 0) - more_micros
    for opening in openings:
        symbol = manifest.instruments[int(opening["instrument_index"][0])].symbol
        if started[symbol] != NO_VALUE:
            second = opening[1:].view(OPENING_VIEW)
            second["day"], second["day_start_micros"] = day, started[symbol]


def opening_of(former: Former, former_index: int, instrument: Instrument, index: int, ts_ns: int) -> np.ndarray:
    """Return the opening of one instrument, in its lots as they are now.

    Raises: CannotHandOver.
    """
    row, old = former.state.positions[former_index], former.manifest.instruments[former_index]
    lots = Fraction(int(row["position_lots"])) * Fraction(old.lot_size) / Fraction(instrument.lot_size)
    if lots.denominator != 1 or old.contract != instrument.contract:
        held = f"{int(row['position_lots']):,} lots of {old.lot_size} ({old.contract})"
        raise CannotHandOver(
            f"{instrument.symbol}: {held} are no whole lots of {instrument.lot_size} ({instrument.contract})",
            "close the position at the venue, then start a new --journal",
        )
    numerator, denominator = old.tick_value_micros()
    tick_value = Fraction(numerator, denominator)
    cost = int(row["cost_ticklots"]) * tick_value
    opening = make_opening(index, ts_ns, int(lots), average_price_e8(cost, lots, instrument))
    # The average price is rounded: what that changes of the cost goes into what was earned, so that the sum stays.
    numerator, denominator = instrument.tick_value_micros()
    rounded = opened_cost_ticklots(instrument, opening) * Fraction(numerator, denominator)
    earned = int(row["opening_pnl_micros"]) + int(row["realized_ticklots"]) * tick_value + rounded - cost
    opening.view(VIEWS[EventKind.POSITION])["pnl_before_micros"][0] = round(earned)
    second = opening[1:].view(OPENING_VIEW)
    second["fees_before_micros"] = int(row["opening_fees_micros"]) + int(row["fees_micros"])
    second["funding_before_micros"] = int(row["opening_funding_micros"]) + int(row["funding_micros"])
    return opening


def average_price_e8(cost_micros: Fraction, lots: Fraction, instrument: Instrument) -> int:
    """Return the average price x 1e8 of lots that cost so much, the sentinel of none.

    An inverse contract's cost is minus its base value, in 1e-9 base: contract value x lots / price.
    """
    if not lots:
        return NO_VALUE
    if instrument.is_inverse:
        value = Fraction(instrument.contract_value) * Fraction(instrument.lot_size) * lots
        return max(1, round(value * E8 / (-cost_micros / (MICROS_PER_UNIT * 1_000))))
    return max(1, round(cost_micros / MICROS_PER_UNIT / (lots * Fraction(instrument.lot_size)) * E8))


def make_opening(index: int, ts_ns: int, lots: int, price_e8: int) -> np.ndarray:
    """Return the two rows of a POSITION flagged OPENING, with no money of before.

    Units: price_e8 is the average price x 1e8.
    """
    rows = np.zeros(2, EVENT)
    rows["ts_exchange_ns"], rows["ts_receive_ns"] = NO_TS_NS, ts_ns
    rows["price_ticks"], rows["order_id"], rows["aux"] = NO_PRICE_TICKS, NO_ORDER_ID, NO_VALUE
    rows["kind"], rows["side"], rows["instrument_index"] = EventKind.POSITION, Side.NONE, index
    rows["flags"] = (Flag.OPENING, Flag.OPENING | Flag.LAST)
    rows["qty_lots"][0] = lots
    first, second = rows.view(VIEWS[EventKind.POSITION]), rows[1:].view(OPENING_VIEW)
    first["average_price_e8"][0], first["pnl_before_micros"][0] = price_e8, 0
    second["fees_before_micros"], second["funding_before_micros"] = 0, 0
    return rows


def opened_cost_ticklots(instrument: Instrument, opening: np.ndarray) -> int:
    """Return the cost that the core gives an opening: it is asked, so that there is one way to count.

    Raises: CannotHandOver for a position that the core does not take over.
    """
    manifest = Manifest(run_id="opening", instruments=(instrument,))
    core, rows = Core(manifest), opening.copy()
    rows["seq"], rows["instrument_index"] = 1, 0
    core.feed(payload_rows(EventKind.MANIFEST, 0, encode_manifest(manifest)))
    core.feed(rows)
    position = core.state.positions[0]
    if position["position_lots"] != opening["qty_lots"][0]:
        lots = int(opening["qty_lots"][0])
        raise CannotHandOver(
            f"{instrument.symbol}: a position of {lots:,} lots is beyond what mm counts", "close it at the venue first"
        )
    return int(position["cost_ticklots"])


def describe(former: Former) -> dict[str, Any]:
    """Return what a log line says of a hand-over."""
    positions = former.state.positions["position_lots"].tolist()
    symbols = [each.symbol for each in former.manifest.instruments]
    return {
        "former": str(former.path),
        "head": former.head[:16],
        "rules": former.manifest.rules,
        "positions": {symbol: lots for symbol, lots in zip(symbols, positions, strict=True) if lots},
    }
