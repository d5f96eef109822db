"""Which freezes a session lifts when it goes on: those of its end or lag, never one that somebody else asked for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mmfold.adapters.live.lag import BEHIND
from mmfold.engine.codes import EventKind
from mmfold.engine.json_text import parse_json
from mmfold.engine.manifest import Manifest
from mmfold.engine.payload import payload_bytes
from mmfold.journal.reader import Journal

END = {"command": "freeze", "why": "session_end"}  # the core reads no reason
OURS = (END["why"], BEHIND)
UNEXPLAINED = "unexplained"  # a position: a person lifts it
COMMANDED = "commanded"


def ended_symbols(journal: Path, manifest: Manifest) -> tuple[str, ...]:
    """Return the symbols that the session itself froze (end, lag), without those frozen for another reason too.

    Raises: JournalError.
    """
    ended: set[str] = set()
    asked: set[str] = set()
    for command in commands_of(journal):
        symbols = {command["symbol"]} if "symbol" in command else set(manifest.symbol_index())
        if command.get("command") == "freeze" and command.get("why") in OURS:
            ended |= symbols
        elif command.get("command") == "freeze":
            asked |= symbols
        elif command.get("command") == "unfreeze":
            ended -= symbols
            asked -= symbols
    return tuple(sorted(ended - asked))


def held_symbols(journal: Path, manifest: Manifest) -> dict[str, str]:
    """Return why each symbol that stays frozen is: the last reason that was not the session's own.

    Raises: JournalError.
    """
    held: dict[str, str] = {}
    for command in commands_of(journal):
        symbols = (command["symbol"],) if "symbol" in command else tuple(manifest.symbol_index())
        if command["command"] == "freeze" and command.get("why") not in OURS:
            held |= dict.fromkeys(symbols, command.get("why", COMMANDED))
        elif command["command"] == "unfreeze":
            held = {symbol: why for symbol, why in held.items() if symbol not in symbols}
    return held


def kept_symbols(journal: Path, manifest: Manifest) -> tuple[str, ...]:
    """Return the symbols that somebody froze by name and nobody lifted, of those in another manifest: a journal that
    takes over keeps them frozen. A freeze of all symbols was the end of a session, in builds that gave no reason.

    Raises: JournalError.
    """
    asked: set[str] = set()
    for command in commands_of(journal):
        if command.get("command") == "freeze" and command.get("why") not in OURS:
            asked |= {command["symbol"]} if "symbol" in command else set()
        elif command.get("command") == "unfreeze":
            asked -= {command["symbol"]} if "symbol" in command else set(asked)
    return tuple(sorted(asked & manifest.symbol_index().keys()))


def commands_of(journal: Path) -> Iterator[dict[str, Any]]:
    """Yield the COMMANDs of a journal that was folded before, so they are well formed."""
    for rows in Journal(journal).chunks():
        found = rows[rows["kind"] == EventKind.COMMAND]
        for event in np.split(found, np.flatnonzero(np.diff(found["seq"])) + 1):
            if len(event):
                yield parse_json(payload_bytes(event))
