"""A venue's compiled lane, one live frame at a time; must never take what the venue's parser would read otherwise."""

import importlib

import numpy as np

from mmfold.adapters.importers.fast_path import Lane, new_work
from mmfold.adapters.importers.table import SymbolTable
from mmfold.adapters.importers.units import STAMPED_UNITS
from mmfold.engine.limits import ROW_BYTES
from mmfold.engine.records import EVENT

LANE_BYTES_MAX = 1 << 16  # a longer frame takes the long way, and so does one of more rows
LANE_ROW_COUNT_MAX = 1 << 11
LF = b"\n"


class FrameLane:
    """The import's compiled reader of one frame; ready, compiled, when it is made. `scanner` is `module:function`."""

    def __init__(self, scanner: str, table: SymbolTable, *, is_futures: bool) -> None:
        module, _, function = scanner.partition(":")
        self.scan_frame = getattr(importlib.import_module(module), function)  # only here: it loads numba
        self.text = np.zeros(LANE_BYTES_MAX + 1, np.uint8)
        self.rows = np.zeros(LANE_ROW_COUNT_MAX, EVENT)
        self.text_bytes, self.row_bytes = self.text.data, self.rows.view(np.uint8).data
        work = new_work(STAMPED_UNITS)
        work["symbol_count"], work["is_futures"] = len(table.listings), is_futures
        self.lane = Lane(self.text, self.rows, table.records, work, *table.told)
        self.read(b"", 0)

    def read(self, frame: bytes, ts_receive_ns: int) -> np.ndarray | None:
        """Return the rows of a frame in the venue's own form, or None for the long way."""
        size = len(frame)
        if size > LANE_BYTES_MAX or LF in frame:
            return None
        self.text_bytes[:size] = frame
        self.text_bytes[size : size + 1] = LF
        count = self.scan_frame(self.lane, size + 1, ts_receive_ns)
        if not count:
            return None
        return np.frombuffer(bytearray(self.row_bytes[: count * ROW_BYTES]), EVENT)


def open_lane(scanner: str, table: SymbolTable, *, is_futures: bool = False) -> FrameLane | None:
    """Return a compiled lane, or None where nothing is compiled: the parser makes the same rows."""
    from mmfold.engine.jit import JIT_ENABLED  # only here: it loads numba

    return FrameLane(scanner, table, is_futures=is_futures) if JIT_ENABLED else None
