"""Small journals written by hand, in the language of scenarios: market and answers, decisions witnessed."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from mmfold.engine.codes import EventKind
from mmfold.engine.limits import NS_PER_MS
from mmfold.journal.log.writer import Writer
from mmfold.replay.record import Recorder
from tests.engine.rows import PLAIN, T0_NS, House, make_manifest, parse_input

SYMBOL = "XUSDT"
STILL = {"mode": 1, "min_time_in_book_ns": 1 << 60}  # orders are sent, and then neither moved nor pulled


class Tape(House):
    """A house whose events and decisions are journaled, at times counted in ms from the first event."""

    def __init__(self, path: Path, params: dict[str, int] = STILL, **instrument: object) -> None:
        self.manifest = replace(make_manifest(SYMBOL, **{"maker_fee_ppm": 100, **instrument}), source="by hand")
        self.writer = Writer(path)
        self.recorder = Recorder(self.writer, self.manifest, {"params": {SYMBOL: {**PLAIN, **params}}})
        self.core = self.recorder.core
        self.core.on_effects = self.take
        self.ts_ns = T0_NS
        self.names: list[int] = []

    def take(self, effects: np.ndarray) -> None:
        """Name the orders and pass the decisions on to the recorder."""
        self.names += [int(effect["order_id"]) for effect in effects if effect["kind"] == EventKind.PLACE]
        self.recorder.keep_effects(effects)

    def write(self, text: str) -> Path:
        """Write `ms | event` lines and end the journal."""
        for line in text.strip().splitlines():
            at_ms, _, command = line.partition("|")
            rows, _ = parse_input(self, " ".join(command.split()))
            rows["ts_receive_ns"] = T0_NS + int(at_ms) * NS_PER_MS
            self.recorder.append(rows)
        self.recorder.finish()
        self.writer.close()
        return Path(self.writer.directory)
