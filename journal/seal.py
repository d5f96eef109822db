"""The seal of a closed journal, `seal.json`: what the segments must hold; must never be half written.

A chain cannot show that its tail was cut off; the seal shows an honest cut (docs/data.md 3 and 4).
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from mmfold.engine.manifest import SCHEMA_VERSION, canonical_json
from mmfold.journal.errors import JournalError, SealDiffers

SEAL_NAME = "seal.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """What a closed journal holds; `head` is hex."""

    events: int
    head: str
    rows: int
    segments: int
    seq_last: int
    schema_version: int = SCHEMA_VERSION


def read_seal(directory: Path) -> Seal | None:
    """Return the seal, None when the journal was not closed.

    Raises: SealDiffers when the file is not a seal.
    """
    path = directory / SEAL_NAME
    try:
        seal = Seal(**json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise JournalError(path, f"expected a readable seal: {error.strerror}") from error
    except (ValueError, TypeError) as error:
        raise SealDiffers(path, f"expected a seal, found bytes that are not one: {error}") from error
    counts = (seal.events, seal.rows, seal.segments, seal.seq_last, seal.schema_version)
    if not all(type(count) is int for count in counts) or type(seal.head) is not str:
        raise SealDiffers(path, "expected a seal of whole numbers and a head, found other types")
    return seal


def write_seal(directory: Path, seal: Seal) -> None:
    """Write the seal so that it is there whole or not at all."""
    replace_file(directory / SEAL_NAME, canonical_json(asdict(seal)) + b"\n")


def remove_seal(directory: Path) -> None:
    """Remove the seal, if any: the journal is open."""
    (directory / SEAL_NAME).unlink(missing_ok=True)
    sync_directory(directory)


def check_seal(directory: Path, seal: Seal, *, events: int, head: bytes, segments: int, rows: int | None) -> None:
    """Compare the seal with what the segments hold; `rows` may be unknown.

    Raises: SealDiffers, at the first seq that is missing or too many.
    """
    path = directory / SEAL_NAME
    if events < seal.events:
        message = f"expected {seal.events:,} events as sealed, found {events:,}: the tail was cut off"
        raise SealDiffers(path, message, seq=events, hint="restore the segments from a copy")
    if events > seal.events:
        raise SealDiffers(path, f"expected {seal.events:,} events as sealed, found {events:,}", seq=seal.events)
    if head.hex() != seal.head:
        raise SealDiffers(path, f"expected head {seal.head} as sealed, found {head.hex()}", seq=seal.seq_last)
    if segments != seal.segments or seal.seq_last != events - 1 or rows not in (None, seal.rows):
        expected = f"{seal.segments} segments, {seal.rows} rows, seq_last {seal.seq_last}"
        found = f"{segments} segments, {'?' if rows is None else rows} rows, seq_last {events - 1}"
        raise SealDiffers(path, f"expected {expected} as sealed, found {found}", seq=events - 1)


def replace_file(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole and durable, or as it was before."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
