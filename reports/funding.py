"""Which instruments were paid for by funding, told; must never leave out that a perpetual was not."""

import re
from typing import TYPE_CHECKING, Any

from mmfold.engine.manifest import Instrument
from mmfold.engine.printable import printable
from mmfold.replay.result import ReplayResult

if TYPE_CHECKING:
    from mmfold.replay.backtest import BacktestResult

# BTC-27DEC24, BTCUSDT-27DEC24, BTCUSDZ26, BTCUSDT_241227, BTC-USDT-241227: they expire and pay no funding
DATED_SYMBOL = re.compile(r".*([-_]\d{6}|[-_]\d{1,2}[A-Z]{3}\d{2}|USD[TC]?[FGHJKMNQUVXZ]\d{2})")


def is_perpetual(instrument: Instrument) -> bool:
    """Tell whether an instrument pays funding: a derivative whose symbol names no date."""
    return instrument.contract != "spot" and not DATED_SYMBOL.fullmatch(instrument.symbol)


def funding_notes(result: ReplayResult) -> list[str]:
    """Return how many settlements counted, and of which perpetuals there were none."""
    notes, without = [], []
    for index, one in enumerate(result.manifest.instruments):
        counters = result.state.counters[index]
        count, settled = int(counters["funding_count"]), int(counters["settlement_count"])
        if settled:
            notes.append(f"Funding of {one.symbol}: {settled:,} settlements, as the venue says they were paid.")
        elif count:
            notes.append(f"Funding of {one.symbol}: {count:,} settlements, computed: rate x mark price x position.")
        elif is_perpetual(one):
            without.append(one.symbol)
    if without:
        notes.append(
            f"No funding in this recording of {', '.join(without)}: what a position would have paid or received is not "
            "counted. mm backtest --funding FILE takes a history of rates."
        )
    return notes


def history_notes(result: "BacktestResult") -> list[str]:
    """Return what became of a funding history, one sentence; nothing without one."""
    feed = result.funding
    if feed is None:
        return []
    parts = [f"{feed.taken_count:,} of {len(feed.history.settlements):,} settlements were taken"]
    if feed.outside_count:
        parts.append(f"{feed.outside_count:,} are not within the recording's time")
    if feed.foreign_count:
        parts.append(f"{feed.foreign_count:,} are of other instruments")
    if feed.told_twice_count:
        parts.append(f"{feed.told_twice_count:,} that the recording tells too count once, as the file has them")
    return [f"Funding history {printable(feed.history.path.name)}: {'; '.join(parts)}."]


def history_document(result: "BacktestResult") -> dict[str, Any] | None:
    """Return what became of a funding history as plain JSON values, None without one."""
    feed = result.funding
    if feed is None:
        return None
    return {
        "outside": feed.outside_count,
        "of_others": feed.foreign_count,
        "sha256": feed.history.digest,
        "taken": feed.taken_count,
        "told_twice": feed.told_twice_count,
    }
