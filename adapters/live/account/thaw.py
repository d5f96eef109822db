"""Which freezes a session lifts when it goes on: those of its end or lag, never one that somebody else asked for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mmfold.adapters.live.lag import BEHIND
from mmfold.adapters.logs import EventLog
from mmfold.engine.codes import EventKind
from mmfold.engine.commands import FREEZE_COMMANDS
from mmfold.engine.json_text import parse_json
from mmfold.engine.manifest import Manifest
from mmfold.engine.payload import payload_bytes
from mmfold.journal.log.reader import Journal

END = {"command": "freeze", "why": "session_end"}  # the core reads no reason
OURS = (END["why"], BEHIND)
UNEXPLAINED = "unexplained"  # a position: a person lifts it
COMMANDED = "commanded"
UNFREEZE = FREEZE_COMMANDS[0]


def ended_symbols(journal: Path, manifest: Manifest) -> tuple[str, ...]:
    """Return the symbols that the session itself froze (end, lag), without those frozen for another reason too.

    Raises: JournalError.
    """
    ended: set[str] = set()
    asked: set[str] = set()
    for command, symbols in freezes_of(journal, manifest):
        if command["command"] == UNFREEZE:
            ended -= symbols
            asked -= symbols
        elif command.get("why") in OURS:
            ended |= symbols
        else:
            asked |= symbols
    return tuple(sorted(ended - asked))


def held_symbols(journal: Path, manifest: Manifest, *, by_name: bool = False) -> dict[str, str]:
    """Return why each symbol that stays frozen is, sorted: the last reason that was not the session's own.

    `by_name` is for a journal that takes over, with its manifest: a freeze of all symbols was the end of a session, in
    builds that gave no reason.
    Raises: JournalError.
    """
    held: dict[str, str] = {}
    for command, symbols in freezes_of(journal, manifest):
        if command["command"] == UNFREEZE:
            held = {symbol: why for symbol, why in held.items() if symbol not in symbols}
        elif command.get("why") not in OURS and ("symbol" in command or not by_name):
            held |= dict.fromkeys(symbols, command.get("why", COMMANDED))
    return dict(sorted(held.items()))


def say_held(journal: Path, manifest: Manifest, log: EventLog) -> None:
    """Log which symbols stay frozen, why, and what lifts that.

    Raises: JournalError.
    """
    for symbol, why in held_symbols(journal, manifest).items():
        log.warning("still_frozen", symbol=symbol, why=why, hint=f"mm unfreeze {symbol} lifts it")


def freezes_of(journal: Path, manifest: Manifest) -> Iterator[tuple[dict[str, Any], set[str]]]:
    """Yield the freezes and unfreezes of a journal that was folded before, each with its symbols of a manifest."""
    known = set(manifest.symbol_index())
    for rows in Journal(journal).chunks():
        found = rows[rows["kind"] == EventKind.COMMAND]
        for event in np.split(found, np.flatnonzero(np.diff(found["seq"])) + 1):
            command = parse_json(payload_bytes(event)) if len(event) else {}
            if command.get("command") in FREEZE_COMMANDS:
                yield command, known & {command["symbol"]} if "symbol" in command else known
