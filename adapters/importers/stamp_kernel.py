"""The receive times of many lines at once, compiled; must never judge otherwise than `merge.stamp_lines_slowly`."""

# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False

from contextlib import suppress

import numpy as np

from mmfold.adapters.importers.fast_path import new_work
from mmfold.adapters.importers.frames import Form, Sniffed, parse_frame
from mmfold.adapters.importers.kernel import CAPTURE_OPEN, CAPTURE_TIME
from mmfold.adapters.importers.merge import Lines
from mmfold.adapters.importers.outcome import RefusedError
from mmfold.adapters.importers.scan import LF, NINE, ZERO, match, scan_receive_time, scan_stamp, scan_string
from mmfold.engine.jit import entry, kernel
from mmfold.engine.records import NO_TS_NS


@kernel
def scan_line_time(text, work):
    """Return the receive time of the line at `pos`, or NO_TS_NS for one that only the parser understands."""
    if work["form"] != Form.CAPTURE:
        value, pos = scan_receive_time(text, work)
        return value if pos >= 0 and text[pos] != LF else NO_TS_NS
    pos = match(text, scan_string(text, match(text, work["pos"], CAPTURE_OPEN)), CAPTURE_TIME)
    if pos < 0 or (text[pos] == ZERO and ZERO <= text[pos + 1] <= NINE):
        return NO_TS_NS
    value, pos = scan_stamp(text, pos, work["receive_unit_ns"], work["ts_low_ns"])
    return value if pos >= 0 else NO_TS_NS


@entry
def scan_times(text, works, starts, times_ns):
    """Note where each line begins and when it was received, NO_TS_NS where it is not plain; returns their number.

    Shape: text u1, ending with LF; works one WORK; starts one longer than there are lines.
    """
    work = works[0]
    count = 0
    pos = 0
    while pos < text.size:
        work["pos"] = pos
        starts[count] = pos
        times_ns[count] = scan_line_time(text, work)
        while text[pos] != LF:
            pos += 1
        pos += 1
        count += 1
    starts[count] = pos
    return count


def stamp_lines(file: Sniffed, buffer: bytes) -> Lines:
    """Return where a buffer's lines begin and when they were received; a line without a time has that before it."""
    work = new_work(file.units)
    work["form"] = file.form
    line_count = buffer.count(b"\n")
    starts, times_ns = np.zeros(line_count + 1, np.int64), np.zeros(line_count, np.int64)
    assert scan_times(np.frombuffer(buffer, np.uint8), work, starts, times_ns) == line_count
    for index in np.flatnonzero(times_ns == NO_TS_NS).tolist():
        line = buffer[starts[index] : starts[index + 1] - 1].removesuffix(b"\r")
        with suppress(RefusedError):  # the session refuses it, with its reason
            times_ns[index] = parse_frame(file.form, line, file.units).ts_receive_ns
        if times_ns[index] == NO_TS_NS and index:
            times_ns[index] = times_ns[index - 1]
    return starts, times_ns
