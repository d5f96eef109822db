"""The last look at a bundle before it gets its name: every byte as it is sent, and unpacked; must never be skipped."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from mmfold.adapters import redact
from mmfold.adapters.bundle.keys import KeyInJournal
from mmfold.adapters.secrets.scan import matches
from mmfold.journal.bundle import JOURNAL_PREFIX

PIECE_BYTES = 1 << 22
OVERLAP_CHARS = 1 << 14  # what stands across two pieces is found if it is no longer than this


def check_bundle(path: Path) -> None:
    """Check that no known key stands anywhere, and in no text what has the form of one.

    Raises: KeyInJournal with the member.
    """
    with path.open("rb") as file:
        check_stream(path, path.name, file, known_rule)
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            rule_of = known_rule if info.filename.startswith(JOURNAL_PREFIX) else any_rule
            with archive.open(info) as member:
                check_stream(path, info.filename, member, rule_of)


def check_stream(path: Path, name: str, stream: IO[bytes], rule_of: Callable[[str], str]) -> None:
    """Look through what a stream gives, piece by piece.

    Raises: KeyInJournal.
    """
    before = ""
    while piece := stream.read(PIECE_BYTES):
        text = before + piece.decode("latin-1")  # one character a byte: never fails
        if rule := rule_of(text):
            hint = "please report which command made it, without the journal: this is a fault of mm"
            raise KeyInJournal(path, f"{name} would hold a key ({rule}): nothing was written", hint=hint)
        before = text[-OVERLAP_CHARS:]


def known_rule(text: str) -> str:
    """Return the rule of keys that are known, where a text holds one."""
    found = redact.known_pattern is not None and redact.known_pattern.search(text)
    return "known_value" if found else ""


def any_rule(text: str) -> str:
    """Return the first rule by which a text holds a key, or nothing."""
    return next((rule for _, _, rule, _ in matches(text)), "")
