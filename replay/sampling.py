"""A thinned history of a replay, for reports: a SAMPLE per instrument every so many rows; never changes the state."""

from collections.abc import Iterator

import numpy as np

from mmfold.engine.book import is_better
from mmfold.engine.codes import Flag
from mmfold.engine.jit import entry
from mmfold.engine.limits import EVENT_ROW_COUNT_MAX, ORDER_COUNT_MAX
from mmfold.engine.orders import is_active, side_of_slot
from mmfold.engine.position import pnl_micros
from mmfold.engine.records import NO_PRICE_TICKS, NO_TS_NS
from mmfold.engine.state import State
from mmfold.replay.result import SAMPLE

SAMPLE_COUNT_MAX = 2_048  # per instrument; then every second one goes and the step doubles
ROW_STEP_FIRST = 32


@entry
def write_samples(clocks, cells, samples):
    """Write one SAMPLE per instrument.

    Shape: samples (n,) SAMPLE.
    """
    for i in range(cells.size):
        sample = samples[i]
        cell = cells[i]
        sample["ts_ns"] = clocks[0]["ts_now_ns"]
        sample["instrument_index"] = i
        sample["mid_half_ticks"] = cell["signal"]["mid_half_ticks"]
        sample["quote_bid_ticks"] = NO_PRICE_TICKS
        sample["quote_ask_ticks"] = NO_PRICE_TICKS
        sample["position_lots"] = cell["position"]["position_lots"]
        sample["pnl_micros"] = pnl_micros(cell)
        for slot in range(ORDER_COUNT_MAX):
            order = cell["orders"][slot]
            if is_active(order["status"]):
                side = np.int64(side_of_slot(slot))
                best = sample["quote_bid_ticks"] if side == 0 else sample["quote_ask_ticks"]
                if best == NO_PRICE_TICKS or is_better(side, order["price_ticks"], best):
                    if side == 0:
                        sample["quote_bid_ticks"] = order["price_ticks"]
                    else:
                        sample["quote_ask_ticks"] = order["price_ticks"]


class Sampler:
    """Collects samples at event ends, at rows that depend on the journal alone, not on how it was batched."""

    def __init__(self, instrument_count: int) -> None:
        self.instrument_count = instrument_count
        self.row_step = ROW_STEP_FIRST
        self.row_count = 0
        self.samples: list[tuple[int, np.ndarray]] = []

    def pieces(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        """Split whole events where the next samples are due."""
        while len(rows):
            due = self.row_step - self.row_count % self.row_step
            if due >= len(rows):
                self.row_count += len(rows)
                yield rows
                return
            end = due + int(np.argmax(rows["flags"][due - 1 : due - 1 + EVENT_ROW_COUNT_MAX] & Flag.LAST))
            self.row_count += end
            yield rows[:end]
            rows = rows[end:]

    def take(self, state: State) -> None:
        """Sample now when a step was completed; thins when there are too many."""
        step_index = self.row_count // self.row_step
        if (self.samples and self.samples[-1][0] == step_index) or state.clock[0]["ts_now_ns"] == NO_TS_NS:
            return
        block = np.zeros(self.instrument_count, SAMPLE)
        write_samples(state.clock, state.cells, block)
        self.samples.append((step_index, block))
        if len(self.samples) > SAMPLE_COUNT_MAX:
            self.row_step *= 2
            self.samples = [(index // 2, block) for index, block in self.samples if index % 2 == 0]

    def table(self, state: State) -> np.ndarray:
        """Return all samples and the end, in time order."""
        if state.clock[0]["ts_now_ns"] == NO_TS_NS:
            return np.zeros(0, SAMPLE)
        last = np.zeros(self.instrument_count, SAMPLE)
        write_samples(state.clock, state.cells, last)
        return np.concatenate([block for _, block in self.samples] + [last])
