"""An audit log is checked against a replay: every kind of tampering shows, and so does a log of something else."""

from pathlib import Path

import numpy as np
import pytest

from mmfold.engine.codes import EventKind, Side
from mmfold.reports.audit_check import AuditCheck, AuditDiffers
from tests.reports.examples import MANIFEST
from tests.reports.test_audit import effect, written

ROWS = [effect(kind=EventKind.CANCEL, order_id=number, side=Side.BID) for number in range(6)]
OTHER = [*ROWS[:3], effect(kind=EventKind.CANCEL, order_id=9, side=Side.BID), *ROWS[4:]]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "audit.jsonl"
    written(path, *ROWS)
    return path


def check(log: Path, *rows: np.ndarray) -> int:
    with AuditCheck(log, MANIFEST) as checking:
        for row in rows:
            checking.write(row)
    return checking.count


EDITED, CUT, FOREIGN = "edited, or not the line that followed", "cut off", "sound, but of another journal"
TAMPERINGS = {
    # what                (lines -> lines)                                               first, what is said
    "edited": (lambda x: [*x[:2], x[2].replace(b'"order_id":"2"', b'"order_id":"3"'), *x[3:]], 3, EDITED),
    "removed": (lambda x: [*x[:2], *x[3:]], 3, EDITED),
    "first removed": (lambda x: x[1:], 1, EDITED),
    "repeated": (lambda x: [*x[:3], x[2], *x[3:]], 4, EDITED),
    "swapped": (lambda x: [*x[:2], x[3], x[2], *x[4:]], 3, EDITED),
    "not JSON": (lambda x: [*x[:2], b"oops\n", *x[3:]], 3, EDITED),
    "not UTF-8": (lambda x: [*x[:2], b"\xff\x00\n", *x[3:]], 3, EDITED),
    "not an object": (lambda x: [*x[:5], b"[]\n"], 6, EDITED),
    "no hash of the line before": (lambda x: [*x[:5], b'{"sha256":1}\n'], 6, EDITED),
    "hash is a number": (lambda x: [*x[:5], b'{"prev_sha256":0,"sha256":1,"symbol":2}\n'], 6, EDITED),
    "nested": (lambda x: [*x[:5], b"[" * 5_000 + b"\n"], 6, EDITED),
    "one endless line": (lambda x: [*x[:5], b"x" * 1_000_000], 6, EDITED),
    "blank line": (lambda x: [*x, b"\n"], 7, EDITED),
    "repeated at the end": (lambda x: [*x, x[5]], 7, EDITED),
    "nested at the end": (lambda x: [*x, b"[" * 100_000 + b"\n"], 7, EDITED),
    "torn tail": (lambda x: [*x[:5], x[5][:40]], 6, EDITED),
    "cut at a line's end": (lambda x: x[:5], 6, CUT),
    "empty": (lambda x: [], 1, CUT),
    "spaces added": (lambda x: [*x[:5], x[5].replace(b":", b": ", 1)], 6, EDITED),
    "repeated key": (lambda x: [*x[:5], b'{"kind":"FAKE",' + x[5][1:]], 6, EDITED),
}


def test_a_log_is_its_journals_in_any_batches(log: Path) -> None:
    assert check(log, *ROWS) == check(log, np.concatenate(ROWS)) == 6


@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampering_shows(log: Path, name: str) -> None:
    change, first, said = TAMPERINGS[name]
    log.write_bytes(b"".join(change(log.read_bytes().splitlines(keepends=True))))
    with pytest.raises(AuditDiffers) as caught:
        check(log, *ROWS)
    text = str(caught.value)
    assert text.startswith(f"{log} line {first}: {said}") and len(text) < 800 and text.isprintable() is False
    assert all(line.isprintable() for line in text.splitlines())


@pytest.mark.parametrize(
    ("replayed", "first", "log_says", "replay_says"),
    [
        (OTHER, 4, "order_id=3", "order_id=9"),
        (ROWS[:5], 6, "order_id=5", "nothing more"),
    ],
)
def test_a_sound_log_of_another_journal_shows(
    log: Path, replayed: list, first: int, log_says: str, replay_says: str
) -> None:
    with pytest.raises(AuditDiffers) as caught:
        check(log, *replayed)
    head, in_log, in_replay = str(caught.value).splitlines()
    assert head.startswith(f"{log} line {first}: {FOREIGN}") and log_says in in_log and replay_says in in_replay


def test_a_replay_that_fails_says_so_and_not_that_the_log_ends(log: Path) -> None:
    with pytest.raises(RuntimeError), AuditCheck(log, MANIFEST):
        raise RuntimeError
