"""Our own JSONL to a binary journal; must never leave out or repair a line.

An event's place in the chain depends on every line before it, so a line that is wrong ends the import: there is nothing
to set aside. The journal has the file's head.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from mmfold.adapters.importers.outcome import ImportFailedError, ImportRequest, ImportResult
from mmfold.adapters.importers.output import check_out, work_directory
from mmfold.engine.codes import EventKind, Flag
from mmfold.journal.files.publish import publish
from mmfold.journal.jsonl.file import JsonlReader
from mmfold.journal.log.writer import Writer


def import_jsonl(request: ImportRequest, on_progress: Callable[[int], None]) -> ImportResult:
    """Import one JSONL journal, all or nothing.

    Units:  on_progress gets the number of input bytes when the file is done: the reader does not tell before.
    Raises: ImportFailedError, journal.jsonl.JsonlError with line and byte.
    """
    if len(request.files) != 1:
        raise ImportFailedError("one JSONL file is one journal", "import the files one by one")
    given = (request.ticks, request.lots, request.min_qtys, request.min_notionals, request.contract_values)
    if request.symbols or request.market or request.salvage or any(given):
        raise ImportFailedError(
            "--symbols, --market, --salvage and what is said of instruments are for venue captures",
            "a JSONL journal brings its own manifest",
        )
    check_out(request)
    path = request.files[0]
    events: Counter[str] = Counter()
    try:
        reader = JsonlReader(path)
        with work_directory(request.out) as work:
            with Writer(work / "journal") as writer:
                for rows in counted(reader.chunks(), events):
                    writer.append(rows)
                head = writer.commit()
                row_count = writer.row_count
            publish(work / "journal", Path(os.path.realpath(request.out)), work)
    except OSError as error:
        raise ImportFailedError(f"{error.filename or path}: {error.strerror or error}") from error
    on_progress(path.stat().st_size)
    return ImportResult(
        messages=sum(events.values()),
        events=dict(events),
        rows=row_count,
        gaps=events.get("book_gap", 0),
        rejected=0,
        skipped={},
        head=head.hex(),
        symbols=tuple(instrument.symbol for instrument in reader.manifest.instruments),
        out=str(request.out),
    )


def counted(chunks: Iterator[np.ndarray], events: Counter[str]) -> Iterator[np.ndarray]:
    """Yield chunks as they are and count their events by kind."""
    for rows in chunks:
        kinds = np.bincount(rows["kind"][(rows["flags"] & Flag.LAST) != 0])
        for kind in np.flatnonzero(kinds).tolist():
            events[EventKind(kind).name.lower()] += int(kinds[kind])
        yield rows
