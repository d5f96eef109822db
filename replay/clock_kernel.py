"""How a recording's receive clock ran against the exchange's, event by event; must never see where it was cut.

A feed latency (receive less exchange time) that is near the one before it is in line. One that is not waits: when the
next ones agree with it, the clock made a step and a new stretch begins; when the old level comes back, it was wrong.
"""

# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False

from mmfold.engine.codes import Flag
from mmfold.engine.jit import entry, kernel
from mmfold.engine.records import I8, NO_TS_NS, record
from mmfold.replay.bounds import LATE_NS, OFF_NS, OUTLIER_NS, STRETCH_NS
from mmfold.replay.venue.records import NEVER_NS
from mmfold.replay.window import is_market_kind, is_venue_kind

TIMED = record(32, [("number", I8), ("exchange_ns", I8), ("receive_ns", I8), ("is_venue", I8)])

STRETCH = record(
    40,
    [
        ("number", I8),  # of its first event
        ("exchange_ns", I8),  # of its first event in line
        ("receive_ns", I8),
        ("count", I8),  # events in line
        ("floor_ns", I8),  # lowest latency of those of the venue, NEVER_NS without any
    ],
)

WRONG = record(
    80,
    [
        ("number", I8),
        ("exchange_ns", I8),  # as recorded
        ("receive_ns", I8),
        ("stretch", I8),  # -1 before the first
        ("level_ns", I8),  # of the event in line before it, as are the next two; NO_TS_NS without any
        ("exchange_before_ns", I8),
        ("receive_before_ns", I8),
        ("exchange_after_ns", I8),  # of the event in line after it; NO_TS_NS without any
        ("receive_after_ns", I8),
        ("is_venue", I8),
    ],
)

LINE = record(
    96,
    [
        ("stretch_count", I8),
        ("wrong_count", I8),
        ("open_first", I8),  # first wrong one that no event in line has followed
        ("level_ns", I8),
        ("exchange_ns", I8),  # of the last event in line
        ("receive_ns", I8),
        ("wait_count", I8),  # events that wait, and agree with each other
        ("wait_number", I8),
        ("wait_exchange_ns", I8),  # of the first that waits
        ("wait_receive_ns", I8),
        ("wait_level_ns", I8),  # of the last one
        ("wait_last_ns", I8),
    ],
)


@entry
def mark_kinds(kinds):
    """Mark each kind of event: 0 not of the market, 1 told to the core, 2 of the venue.

    Shape: kinds (256,) u1.
    """
    for kind in range(kinds.size):
        kinds[kind] = 2 if is_venue_kind(kind) else 1 if is_market_kind(kind) else 0


@entry
def take_times(chunk, number, market_kinds, timed):
    """Note the times of a chunk's market events, numbered from `number` on; returns how many there are.

    Shape: market_kinds as `mark_kinds` makes them; timed as long as the chunk.
    """
    count = 0
    starts = True
    for i in range(chunk.size):
        row = chunk[i]
        if starts and market_kinds[row["kind"]] != 0:
            timed[count]["number"] = number + count
            timed[count]["exchange_ns"] = row["ts_exchange_ns"]
            timed[count]["receive_ns"] = row["ts_receive_ns"]
            timed[count]["is_venue"] = market_kinds[row["kind"]] == 2
            count += 1
        starts = row["flags"] & Flag.LAST != 0
    return count


@kernel
def note_wrong(line, wrongs, event):
    """Note an event that is not in line, for the time being; one beyond the room is only counted."""
    index = line["wrong_count"]
    line["wrong_count"] += 1
    if index >= wrongs.size:
        return
    wrong = wrongs[index]
    wrong["number"], wrong["is_venue"] = event["number"], event["is_venue"]
    wrong["exchange_ns"], wrong["receive_ns"] = event["exchange_ns"], event["receive_ns"]
    wrong["stretch"] = line["stretch_count"] - 1
    wrong["level_ns"] = line["level_ns"]
    wrong["exchange_before_ns"], wrong["receive_before_ns"] = line["exchange_ns"], line["receive_ns"]
    wrong["exchange_after_ns"] = wrong["receive_after_ns"] = NO_TS_NS


@kernel
def is_fine(wrong):
    """Tell whether an event was in order after all: held up on its way, or after a quiet time."""
    exchange_ns, receive_ns = wrong["exchange_ns"], wrong["receive_ns"]
    if wrong["stretch"] < 0:
        single_ns, after_ns = receive_ns, wrong["receive_after_ns"]
        if receive_ns == NO_TS_NS:
            single_ns, after_ns = exchange_ns, wrong["exchange_after_ns"]
        elif exchange_ns != NO_TS_NS:
            return False
        return after_ns - OFF_NS <= single_ns <= after_ns + OUTLIER_NS
    if receive_ns == NO_TS_NS:
        low_ns, high_ns = wrong["exchange_before_ns"] - LATE_NS, wrong["exchange_after_ns"] + OUTLIER_NS
        return low_ns <= exchange_ns <= high_ns
    in_order = wrong["receive_before_ns"] - OUTLIER_NS <= receive_ns <= wrong["receive_after_ns"] + OUTLIER_NS
    if exchange_ns == NO_TS_NS or not in_order:
        return in_order
    late_ns = receive_ns - exchange_ns - wrong["level_ns"]
    return 0 < late_ns <= LATE_NS and exchange_ns >= wrong["exchange_before_ns"] - LATE_NS


@kernel
def end_wrongs(line, wrongs, exchange_ns, receive_ns):
    """Tell those that wait for it which event in line came after them, and forget those that were fine."""
    kept = line["open_first"]
    for index in range(line["open_first"], min(line["wrong_count"], wrongs.size)):
        wrong = wrongs[index]
        wrong["exchange_after_ns"], wrong["receive_after_ns"] = exchange_ns, receive_ns
        if not is_fine(wrong):
            wrongs[kept] = wrong
            kept += 1
    if line["wrong_count"] <= wrongs.size:
        line["wrong_count"] = kept
    line["open_first"] = min(line["wrong_count"], wrongs.size)


@kernel
def open_stretch(line, stretches, number, exchange_ns, receive_ns):
    """Begin a stretch."""
    stretch = stretches[line["stretch_count"]]
    line["stretch_count"] += 1
    stretch["number"], stretch["exchange_ns"], stretch["receive_ns"] = number, exchange_ns, receive_ns
    stretch["count"] = 0
    stretch["floor_ns"] = NEVER_NS


@kernel
def take_in_line(line, stretches, event):
    """Add an event in line to the stretch under way."""
    latency_ns = event["receive_ns"] - event["exchange_ns"]
    stretch = stretches[line["stretch_count"] - 1]
    stretch["count"] += 1
    if event["is_venue"] != 0:
        stretch["floor_ns"] = min(stretch["floor_ns"], latency_ns)
    line["level_ns"], line["exchange_ns"], line["receive_ns"] = latency_ns, event["exchange_ns"], event["receive_ns"]
    line["wait_count"] = 0


@kernel
def begin_after_step(line, stretches, wrongs):
    """Begin a stretch with the events that wait: they were not wrong."""
    end_count = min(line["wrong_count"], wrongs.size)
    first = end_count
    while first > 0 and wrongs[first - 1]["number"] >= line["wait_number"]:
        first -= 1
    exchange_ns, receive_ns = line["wait_exchange_ns"], line["wait_receive_ns"]
    line["wrong_count"] = first
    line["open_first"] = min(line["open_first"], first)
    end_wrongs(line, wrongs, exchange_ns, receive_ns)
    open_stretch(line, stretches, line["wait_number"], exchange_ns, receive_ns)
    for index in range(first, end_count):
        event = wrongs[index]
        if event["exchange_ns"] != NO_TS_NS and event["receive_ns"] != NO_TS_NS:
            take_in_line(line, stretches, event)


@kernel
def wait_or_begin(line, stretches, wrongs, event, steady_count):
    """Let an event that is not in line wait for those that agree with it; with enough of them begin a stretch."""
    exchange_ns, latency_ns = event["exchange_ns"], event["receive_ns"] - event["exchange_ns"]
    near = abs(latency_ns - line["wait_level_ns"]) <= OUTLIER_NS and exchange_ns >= line["wait_last_ns"] - OFF_NS
    if line["wait_count"] == 0 or not near:
        line["wait_count"] = 0
        line["wait_number"] = event["number"]
        line["wait_exchange_ns"], line["wait_receive_ns"] = exchange_ns, event["receive_ns"]
    line["wait_count"] += 1
    line["wait_level_ns"], line["wait_last_ns"] = latency_ns, exchange_ns
    note_wrong(line, wrongs, event)
    if line["wait_count"] >= steady_count:
        begin_after_step(line, stretches, wrongs)


@kernel
def follow_one(line, stretches, wrongs, event, steady_count):
    """Take one event."""
    exchange_ns, receive_ns = event["exchange_ns"], event["receive_ns"]
    known = line["stretch_count"] > 0
    if receive_ns == NO_TS_NS or exchange_ns == NO_TS_NS:
        told_ns, before_ns = receive_ns, line["receive_ns"]
        if receive_ns == NO_TS_NS:
            told_ns, before_ns = exchange_ns, line["exchange_ns"]
        if told_ns != NO_TS_NS and not (known and abs(told_ns - before_ns) <= OUTLIER_NS):
            note_wrong(line, wrongs, event)
        return
    latency_ns = receive_ns - exchange_ns
    if known and abs(latency_ns - line["level_ns"]) <= OUTLIER_NS and abs(exchange_ns - line["exchange_ns"]) <= OFF_NS:
        end_wrongs(line, wrongs, exchange_ns, receive_ns)
        if exchange_ns - stretches[line["stretch_count"] - 1]["exchange_ns"] >= STRETCH_NS:
            open_stretch(line, stretches, event["number"], exchange_ns, receive_ns)
        take_in_line(line, stretches, event)
    else:
        wait_or_begin(line, stretches, wrongs, event, steady_count)


@entry
def follow(lines, stretches, wrongs, timed, steady_count):
    """Take events up to the last, or until the stretches are full; returns how many were taken.

    Shape: lines one LINE; stretches STRETCH, wrongs WRONG; timed TIMED.
    """
    line = lines[0]
    for i in range(timed.size):
        if line["stretch_count"] == stretches.size:
            return i
        follow_one(line, stretches, wrongs, timed[i], steady_count)
    return timed.size


@entry
def finish(lines, stretches, wrongs, steady_count):
    """End with the last event: those that still wait begin a stretch if they are a quarter of what makes one."""
    line = lines[0]
    if line["wait_count"] > 0 and line["wait_count"] * 4 >= steady_count and line["stretch_count"] < stretches.size:
        begin_after_step(line, stretches, wrongs)
    if line["stretch_count"] > 0:
        after_ns = LATE_NS - OUTLIER_NS
        end_wrongs(line, wrongs, line["exchange_ns"] + after_ns, line["receive_ns"] + after_ns)
    return line["stretch_count"]
