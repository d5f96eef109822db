"""Files that a report leaves behind: whole or not there at all; must never be half written under their own name."""

import os
from pathlib import Path


def temporary_path(path: Path) -> Path:
    """Return where a file is written before it takes its name."""
    return path.with_name(path.name + ".tmp")


def replace_file(path: Path) -> None:
    """Give a finished temporary file its name and make the name last (spec/reports.md 0.1)."""
    os.replace(temporary_path(path), path)
    try:
        directory = os.open(path.parent, os.O_RDONLY)
    except OSError:
        return  # some file systems cannot open a directory: the file itself is already on disk
    try:
        os.fsync(directory)
    except OSError:
        return
    finally:
        os.close(directory)


def write_artifact(path: Path, data: bytes) -> None:
    """Write a file atomically.

    Raises: OSError when the disk refuses; the file of that name, if any, is then untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_path(path)
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        replace_file(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
