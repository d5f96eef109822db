"""Files that a report leaves behind: whole or not there at all; must never be half written under their own name."""

from pathlib import Path

from mmfold.journal.files.outputs import write_file


def write_artifact(path: Path, data: bytes) -> None:
    """Write a file atomically, in a directory that is made where there is none (spec/reports.md 0.1).

    Raises: OSError when the disk refuses; the file of that name, if any, is then untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, data)
