"""The older minimizer on its own event lists, which are no journals: a guard's reason is all that fails in them.

    {"ts_ms":0,"type":"quote","symbol":"BTCUSDT","bid":100.0,"ask":100.5}
    {"ts_ms":2000,"type":"guard","reason":"DRIFT_EDGE"}

Source: spec/reports.md 14. What is no such event (no JSON object, no `type`, no whole `ts_ms`) is left out and counted.
Must never take a list whose reason is another one.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmfold.engine.manifest import canonical_json
from mmfold.engine.printable import printable
from mmfold.journal.files.compressed import read_pieces
from mmfold.journal.formats import JSONL_SUFFIXES
from mmfold.journal.jsonl.decimals import FieldError
from mmfold.replay.minimize.failure import MinimizeError

TYPES = ("quote", "trade", "guard", "cancel", "tick")
REASONS = ("DRIFT", "REG")  # the first that a guard's reason begins with wins
NO_REASON = "NONE"
LINE_BYTES_MAX = 1 << 20
TS_MS_MAX = 1 << 53
LOOK_LINE_COUNT = 64  # of a file that may be such a list

Event = dict[str, Any]


@dataclass(frozen=True)
class Reduced:
    """What is left of a list, and how it came about; with no reason to fail it is all of it."""

    events: list[Event]
    steps: list[str]
    reason: str
    parent_events: int
    lines_left_out: int


def is_event_list(path: Path) -> bool:
    """Tell whether a file is a list of such events, by the first of its lines that is an object."""
    if not path.name.endswith(JSONL_SUFFIXES) or not path.is_file():
        return False
    try:
        for place, line in enumerate(lines_of(path)):
            event = parse_event(line)
            if event is not None:
                return event["type"] in TYPES and "seq" not in event
            if place >= LOOK_LINE_COUNT or is_object(line):
                return False
    except FieldError:
        return False
    return False


def run_case(path: Path | str) -> dict[str, Any]:
    """Return {"fail": whether a guard tells DRIFT or REG, "reason": which, "metrics": {"events_total", "types"}}.

    Raises: OSError, MinimizeError for packed data that is damaged.
    """
    events, _ = read_events(Path(path))
    reason = reason_of(events)
    types = Counter(event["type"] for event in events)
    metrics = {"events_total": len(events), "types": dict(sorted(types.items()))}
    return {"fail": reason != NO_REASON, "metrics": metrics, "reason": reason}


def reduce_case(path: Path | str) -> Reduced:
    """Return the list made smaller for the same reason: by time, then by symbols, then by types.

    Raises: OSError, MinimizeError for packed data that is damaged.
    """
    events, lines_left_out = read_events(Path(path))
    reason, whole = reason_of(events), len(events)
    if reason == NO_REASON:
        return Reduced(events, ["no-fail: baseline passes"], reason, whole, lines_left_out)
    steps = [f"baseline: fail=True reason={reason}"]
    for reduce_by in (by_time, by_symbol, by_type):
        events = reduce_by(events, reason, steps)
    return Reduced(events, steps, reason, whole, lines_left_out)


def by_time(events: list[Event], reason: str, steps: list[str]) -> list[Event]:
    """Bisect the time down to one moment: the left half if it fails alike, else the right one."""
    low, high = (pick(event["ts_ms"] for event in events) for pick in (min, max))
    while low < high:
        middle = (low + high) // 2
        for side, first, last in (("left", low, middle), ("right", middle + 1, high)):
            half = [event for event in events if first <= event["ts_ms"] <= last]
            if reason_of(half) == reason:
                events, low, high = half, first, last
                steps.append(f"time-slice: kept {side} [{first},{last}]")
                break
        else:
            raise AssertionError("a guard that tells the reason stands in one of two halves")
    return events


def by_symbol(events: list[Event], reason: str, steps: list[str]) -> list[Event]:
    """Leave out each symbol that the reason does not need."""
    return without_each(events, reason, steps, "drop-symbol", lambda event: event.get("symbol"))


def by_type(events: list[Event], reason: str, steps: list[str]) -> list[Event]:
    """Leave out each type that the reason does not need."""
    return without_each(events, reason, steps, "drop-type", lambda event: event["type"])


def without_each(
    events: list[Event], reason: str, steps: list[str], word: str, name_of: Callable[[Event], Any]
) -> list[Event]:
    """Leave out the events of each name in turn, in the order of the names, where the rest fails alike."""
    for name in sorted({name for event in events if isinstance(name := name_of(event), str)}):
        rest = [event for event in events if name_of(event) != name]
        if reason_of(rest) == reason:
            events = rest
            steps.append(f"{word}: {printable(name)}")
    return events


def reason_of(events: list[Event]) -> str:
    """Return why a list fails: the first of REASONS that any guard tells."""
    told = [str(event.get("reason")) for event in events if event["type"] == "guard"]
    return next((reason for reason in REASONS if any(one.startswith(reason) for one in told)), NO_REASON)


def read_events(path: Path) -> tuple[list[Event], int]:
    """Return the events of a file in their order, and how many of its lines are none.

    Raises: OSError, MinimizeError.
    """
    events, lines_left_out = [], 0
    try:
        for line in lines_of(path):
            event = parse_event(line)
            if event is not None:
                events.append(event)
            else:
                lines_left_out += bool(line.strip())
    except FieldError as error:
        raise MinimizeError(f"{path}: {error}", error.hint) from error
    return events, lines_left_out


def lines_of(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file, one that is longer than LINE_BYTES_MAX cut to something that is no JSON.

    Raises: OSError, FieldError.
    """
    rest = b""
    for piece in read_pieces(path):
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines
        if len(rest) > LINE_BYTES_MAX:
            rest = b"[" * LINE_BYTES_MAX
    if rest:
        yield rest


def parse_event(line: bytes) -> Event | None:
    """Return the event of a line, None for what is none; a number that is not finite becomes 0."""
    found = parse_object(line)
    if found is None or not isinstance(found.get("type"), str) or type(found.get("ts_ms")) is not int:
        return None
    return finite(found) if abs(found["ts_ms"]) <= TS_MS_MAX else None


def parse_object(line: bytes) -> dict[str, Any] | None:
    """Return the JSON object of a line, None where there is none."""
    try:
        found = json.loads(line) if len(line) <= LINE_BYTES_MAX else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def is_object(line: bytes) -> bool:
    """Tell whether a line is a JSON object."""
    return parse_object(line) is not None


def finite(value: Any) -> Any:
    """Return a JSON value whose numbers are finite (spec/reports.md 0.1)."""
    if isinstance(value, float) and not math.isfinite(value):
        return 0.0
    if isinstance(value, dict):
        return {name: finite(one) for name, one in value.items()}
    return [finite(one) for one in value] if isinstance(value, list) else value


def encode_events(events: list[Event]) -> bytes:
    """Return events as lines (spec/reports.md 0.3)."""
    return b"".join(canonical_json(event) + b"\n" for event in events)


def page_of(reduced: Reduced) -> bytes:
    """Return the page: what was done, what is left."""
    steps = "".join(f"- {step}\n" for step in reduced.steps)
    text = f"REPRO MINIMIZER\n\nSteps:\n\n{steps}\nResult: events={len(reduced.events)}\n"
    return text.encode("ascii", "backslashreplace")
