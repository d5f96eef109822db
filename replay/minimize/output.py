"""What a minimization leaves: a sealed journal, the same as JSONL, a test; must never say more than was run.

000000.mmj, seal.json   the journal, its manifest naming the parent's head
x.jsonl                 the same events, the same head
test_regression.py      asserts that the failure does not happen: it fails until the fault is mended
"""

import os
from pathlib import Path

from mmfold.journal.files.outputs import write_file
from mmfold.journal.jsonl.file import write_jsonl
from mmfold.replay.minimize.failure import MinimizeError
from mmfold.replay.minimize.predicate import FILE_FUNCTION
from mmfold.replay.minimize.renumber import write_journal
from mmfold.replay.minimize.shrink import Minimized

JSONL_NAME, TEST_NAME = "x.jsonl", "test_regression.py"
OUTPUT_NAMES = frozenset((JSONL_NAME, TEST_NAME))

ASKED = "mmfold.replay.minimize.regression:failure_of"
TEST_TEXT = '''"""Made by mm minimize from {source}, head {head}.

{signature}: the journal beside this file does that, and this test fails until it does not.
"""

from pathlib import Path

from {module} import {function}

HERE = Path(__file__).resolve().parent
FAILS_IF = {fails_if}


def test_the_failure_does_not_happen() -> None:
    failure = {function}(HERE / "{jsonl}", FAILS_IF{strategy})
    assert failure is None, f"it fails as it did: {{failure}}"
'''


def write_output(minimized: Minimized, part: Path, out: Path, strategy: str | None = None) -> str:
    """Write journal, JSONL and test into a new directory that will be `out`; returns the head.

    Raises: JournalError, OSError.
    """
    head = write_journal(minimized.result, part)
    written = write_jsonl(minimized.result.chunks(), part / JSONL_NAME)
    if written.head.hex() != head:
        raise MinimizeError(f"{JSONL_NAME} has head {written.head.hex()}, the journal {head}")
    write_file(part / TEST_NAME, regression_text(minimized, out, strategy).encode())
    return head


def regression_text(minimized: Minimized, out: Path, strategy: str | None) -> str:
    """Return the test."""
    recording = minimized.recording
    fails_if = ascii(minimized.predicate.name)
    if found := FILE_FUNCTION.fullmatch(minimized.predicate.name):
        fails_if = beside(Path(found[1]), out, found[2])
    given = ""
    if strategy is not None:
        path, _, function = strategy.rpartition(":")
        given = f", strategy={beside(Path(path), out, function)}"
    module, _, function = ASKED.partition(":")
    return TEST_TEXT.format(
        source=ascii(str(recording.path))[1:-1], head=recording.head, signature=in_docstring(str(minimized.signature)),
        module=module, function=function, fails_if=fails_if, jsonl=JSONL_NAME, strategy=given,
    )  # fmt: skip


def beside(path: Path, out: Path, function: str) -> str:
    """Return the expression of FILE:FUNCTION as it is found from the test's own place."""
    relative = os.path.relpath(path.resolve(), out.resolve())
    return f'f"{{HERE / {relative!a}}}:{function}"'


def in_docstring(text: str) -> str:
    """Return a text that ends no docstring."""
    return ascii(text)[1:-1].replace('"', "'")
