"""MINIMIZE.md and its picture: how a journal shrank, and what in it leads to the failure; must never run anything.

Same journal, same predicate, same bytes: what varies from run to run is told by the command alone.
"""

import json
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from mmfold.engine.codes import EventKind
from mmfold.engine.limits import ORDER_ID_SEQ_SHIFT
from mmfold.engine.printable import printable
from mmfold.journal.jsonl.lines import LineEncoder
from mmfold.replay.minimize.books import STREAM
from mmfold.replay.minimize.orders import HAVE_ORDER_ID
from mmfold.replay.minimize.output import JSONL_NAME, OUTPUT_NAMES, TEST_NAME
from mmfold.replay.minimize.shrink import Minimized, size_words
from mmfold.reports.decision import decision_text
from mmfold.reports.figures import BID, Label, Size
from mmfold.reports.notes import first_parts
from mmfold.reports.tearsheet.charts import draw

PAGE_NAME, PICTURE_NAME = "MINIMIZE.md", "minimize.svg"
ALL_NAMES = OUTPUT_NAMES | {PAGE_NAME, PICTURE_NAME}
SIZE = Size(10.4, 3.2, 9.0, 0.82, 1.5, 8)
TEXT_CHARS_MAX = 160
DECISIONS_SHOWN_MAX, EVENTS_SHOWN_MAX = 6, 200


def page_text(minimized: Minimized, head: str) -> str:
    """Return MINIMIZE.md."""
    return "\n".join([*head_lines(minimized, head), *step_lines(minimized), *chain_lines(minimized)]) + "\n"


def head_lines(minimized: Minimized, head: str) -> Iterator[str]:
    """Yield what was found, of what, and how to use it."""
    recording, result = minimized.recording, minimized.result
    yield "# MINIMIZE"
    yield ""
    yield f"`{cell(minimized.predicate.name)}` fails: {cell(str(minimized.signature))}."
    yield ""
    yield "| | parent | minimized |"
    yield "|---|---:|---:|"
    yield f"| inputs | {len(recording.inputs):,} | {len(result.inputs):,} |"
    yield f"| events with decisions | {recording.events:,} | {result.count():,} |"
    yield f"| rows of inputs | {len(recording.inputs.rows):,} | {len(result.inputs.rows):,} |"
    yield f"| run | {cell(recording.parent.run_id)} | {cell(recording.manifest.run_id)} |"
    yield f"| head | {recording.head} | {head} |"
    yield f"| fails at seq | {minimized.failing_seq:,} | {int(result.inputs.first['seq'][-1]):,} |"
    yield ""
    if minimized.is_whole:
        yield "No single event, and no order with its answers, can be taken out: the result is 1-minimal over these."
    else:
        yield "The work was ended before it was through: a smaller journal may fail as well."
    if minimized.fell_back:
        yield "A smaller candidate failed under the parent's seqs only: this is the smallest that fails under its own."
    if minimized.flaky_count:
        times = f"{minimized.flaky_count:,} times"
        yield f"Code of yours answered otherwise when asked again, {times}: those candidates were not taken."
    yield ""
    yield f"Replay: `mm replay --events` this directory, or `{JSONL_NAME}`. Test: `pytest {TEST_NAME}`."


def step_lines(minimized: Minimized) -> Iterator[str]:
    """Yield the table of steps."""
    yield ""
    yield "## Steps"
    yield ""
    yield f"![how the journal shrank]({PICTURE_NAME})"
    yield ""
    yield "| step | inputs | rows | runs so far |"
    yield "|---|---:|---:|---:|"
    for step in minimized.steps:
        yield f"| {step.what} | {step.events:,} | {step.rows:,} | {step.runs:,} |"
    yield ""
    yield f"Result: {size_words(minimized.steps, len(minimized.result.inputs))} events."
    yield (
        f"{minimized.runs:,} runs, {minimized.rows_replayed:,} rows replayed; {minimized.invalid_count:,} candidates "
        "broke a book that the journal does not break and were not counted as failing."
    )


def chain_lines(minimized: Minimized) -> Iterator[str]:
    """Yield the cause chain and every event with what it decided."""
    events = minimized.result.inputs.events()
    chain = chain_of(events)
    yield ""
    yield "## Cause chain"
    yield ""
    encoder = LineEncoder(minimized.recording.manifest)
    for number, place in enumerate(chain, 1):
        yield f"{number}. {event_words(encoder, events[place])}"
    yield ""
    yield "## Events"
    yield ""
    skipped = max(0, len(events) - EVENTS_SHOWN_MAX)
    if skipped:
        yield f"The last {EVENTS_SHOWN_MAX:,} of {len(events):,}."
        yield ""
    for place in range(skipped, len(events)):
        yield f"- {event_words(encoder, events[place])}"
        effects = minimized.result.decided[place]
        decided = first_parts(effects)
        for row in decided[:DECISIONS_SHOWN_MAX]:
            yield f"  - seq {int(row['seq']):,} {cell(decision_text(row, minimized.recording.manifest, effects))}"
        if len(decided) > DECISIONS_SHOWN_MAX:
            yield f"  - and {len(decided) - DECISIONS_SHOWN_MAX:,} more decisions"


def chain_of(events: list[np.ndarray]) -> list[int]:
    """Return the places of what led to the last event: the order's deciding event, its book, the configuration."""
    place_of = {int(rows["seq"][0]): place for place, rows in enumerate(events)}
    found, place = {len(events) - 1}, len(events) - 1
    row = events[place][0]
    if row["kind"] in HAVE_ORDER_ID and row["order_id"] >= 0:
        place = place_of.get(int(row["order_id"]) >> ORDER_ID_SEQ_SHIFT, place)
        found.add(place)
    for kinds in (STREAM, (EventKind.CONFIG,)):
        before = (one for one in range(place, -1, -1) if one not in found and leads(events[one][0], kinds, row))
        found |= set(islice(before, 1))
    return sorted(found)


def leads(row: np.void, kinds: Sequence[int], last: np.void) -> bool:
    """Tell whether an event is of some kinds and, where it is a book's, of the instrument of the last one."""
    return row["kind"] in kinds and (kinds is not STREAM or row["instrument_index"] == last["instrument_index"])


def event_words(encoder: LineEncoder, rows: np.ndarray) -> str:
    """Return an input in a line: seq, kind and what its JSONL line says."""
    document = json.loads(encoder.encode(rows, None, b""))
    text = ", ".join(f"{key} {value}" for key, value in document.items() if key not in ("seq", "kind"))
    text = text if len(text) <= TEXT_CHARS_MAX else f"{text[: TEXT_CHARS_MAX - 3]}..."
    return f"seq {int(rows['seq'][0]):,} **{document['kind']}** {cell(text)}"


def cell(text: str) -> str:
    """Return a text as a table's cell may show it."""
    return printable(text).replace("|", "\\|").replace("`", "'")


def picture(minimized: Minimized) -> str:
    """Return the picture of the shrinking: inputs by runs, logarithmic."""
    steps = minimized.steps
    runs = np.array([*(step.runs for step in steps), minimized.runs], float)
    counts = np.array([*(step.events for step in steps), len(minimized.result.inputs)], float)

    def paint(panels: list[Axes]) -> None:
        (panel,) = panels
        panel.set_yscale("log")
        panel.step(runs, counts, where="post", color=BID, linewidth=1.4)
        panel.plot(runs, counts, color=BID, linestyle="none", marker="o", markersize=3.5)
        panel.set_title("Inputs of the smallest journal that fails alike, by runs", loc="left", fontsize="medium")
        panel.set_ylim(0.7, counts.max() * 1.6)
        panel.set_xlim(0, max(1.0, runs.max()))
        ticks = [10**power for power in range(int(np.log10(counts.max())) + 1)]
        panel.yaxis.set_minor_locator(NullLocator())
        panel.set_yticks(ticks, [f"{tick:,}" for tick in ticks])
        label = Label(float(counts[-1]), f"{int(counts[-1]):,}", BID)
        panel.annotate(
            label.text, (runs[-1], counts[-1]), (7, 0), textcoords="offset points", color=label.color, va="center"
        )

    return draw(SIZE, "How the journal shrank", (1.0,), paint)
