"""Lines through a session, with the fast lane or without, and everything that came of them; and ways to spoil lines."""

import random
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from mmfold.adapters.importers.fast_path import FastLane
from mmfold.adapters.importers.frames import Form
from mmfold.adapters.importers.outcome import ImportFailedError
from mmfold.adapters.importers.quarantine import Quarantine
from mmfold.adapters.importers.session import Session
from mmfold.adapters.importers.spool import Spool
from mmfold.adapters.importers.table import Context, SymbolTable
from mmfold.adapters.venues.registry import CAPTURES, load
from mmfold.engine.records import EVENT

PIECES = [
    b"", b"0", b"-", b"1e5", b".", b"5", b'"', b"\\", b'\\"', b"{}", b"[", b"]", b",", b":", b" ", b"\r", b"\x00",
    b"\xff", b"null", b"true", b"99999999999999999999", b'"e":"trade",', b'"T":4,', b"pu", b"u", b"\xc3\xa9",
    b"@depth5", b"0.0000000000000000001", b'"markPrice":"1",', b'\\"seq\\":1', b"orderbook.1.", b"snapshot",
]  # fmt: skip


class MemoryQuarantine(Quarantine):
    """The real one keeps a file; here the entries themselves are compared."""

    __slots__ = ("entries",)

    def __init__(self, path):
        super().__init__(path)
        self.entries = []

    def add(self, file_name, line, byte, reason, raw):
        self.entries.append((line, byte, reason, raw))


def take(venue, lines, market, fast, form=Form.STAMPED, table=None):
    """Everything that came of some lines: rows, counts, symbols, refusals, failure."""
    table = SymbolTable(venue=venue, **(table or {}))
    captures = load(CAPTURES[venue])
    session = Session(
        captures=captures,
        context=Context(table=table, market=market),
        spool=Spool(Path("never-written")),
        quarantine=MemoryQuarantine(Path("never-written")),
        fast_lane=FastLane(captures.scanner) if fast else None,
        strict=False,
    )
    failure = ""
    try:
        session.read_buffer(Path("f"), form, b"".join(line + b"\n" for line in lines), 1, 0)
    except ImportFailedError as error:
        failure = str(error)
    rows = np.concatenate([np.empty(0, EVENT), *session.spool.parts()])
    counts = (session.message_count, dict(session.events), dict(session.skipped), session.seq, session.ts_receive_ns)
    symbols = table.records[: len(table.listings)].tobytes()
    return rows.tobytes(), counts, symbols, session.quarantine.entries, failure


def note_slow_lines(monkeypatch):
    """Return a list that gets every line which goes to the parser from now on."""
    slow = []
    read_line = Session.read_line

    def note(self, place, form, line):
        slow.append(line)
        read_line(self, place, form, line)

    monkeypatch.setattr(Session, "read_line", note)
    return slow


def spoil(data, lines):
    """Lines with one to four spans of a few bytes replaced, as hypothesis draws them."""
    lines = list(lines)
    for _ in range(data.draw(st.integers(1, 4))):
        which = data.draw(st.integers(0, len(lines) - 1))
        start = data.draw(st.integers(0, len(lines[which])))
        end = data.draw(st.integers(start, min(len(lines[which]), start + 6)))
        piece = data.draw(st.sampled_from(PIECES) | st.binary(max_size=2).filter(lambda text: b"\n" not in text))
        lines[which] = lines[which][:start] + piece + lines[which][end:]
    return lines


def cuts_and_bytes(good):
    """A line cut at each place, and with each byte replaced by another, between two good ones."""
    rng = random.Random(2)
    lines = [good[:cut] for cut in range(len(good))]
    lines += [good[:at] + bytes([rng.choice(b'0918.-"[]{},: aTu\\')]) + good[at + 1 :] for at in range(len(good))]
    return [good, *lines, good]
