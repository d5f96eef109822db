"""The seal of a closed journal, `seal.json`: what the segments must hold; must never be half written.

A chain cannot show that its tail was cut off; the seal shows an honest cut (docs/data.md 3 and 4).
"""

from dataclasses import asdict, dataclass
from pathlib import Path

from mmfold.engine.json_text import parse_json
from mmfold.engine.manifest import SCHEMA_VERSION, canonical_json
from mmfold.journal.errors import JournalError, SealDiffers
from mmfold.journal.files.plain_file import NOT_PLAIN_ERRNOS, read_plain, sync_directory
from mmfold.journal.files.work import replace_file

SEAL_NAME = "seal.json"
SEAL_HINT = "restore it from a copy, or take what is whole: mm journal recover --salvage OUT"
SEAL_BYTES_MAX = 4096  # a seal has some 200


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
    data = seal_bytes(directory)
    return None if data is None else parse_seal(directory, data)


def seal_bytes(directory: Path) -> bytes | None:
    """Return what stands in the seal's file, None when there is none.

    Raises: JournalError for one that cannot be read, SealDiffers for what no seal can be: a link, a pipe, a long file.
    """
    path = directory / SEAL_NAME
    try:
        return read_plain(path, SEAL_BYTES_MAX)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in NOT_PLAIN_ERRNOS:
            message = f"expected a seal, found none that can be read: {error.strerror}"
            raise SealDiffers(path, message, hint=SEAL_HINT) from error
        raise JournalError(path, f"expected a readable seal: {error.strerror}") from error


def parse_seal(directory: Path, data: bytes) -> Seal:
    """Parse the bytes of a seal's file.

    Raises: SealDiffers when they are no seal.
    """
    path = directory / SEAL_NAME
    try:
        seal = Seal(**parse_json(data))
    except (ValueError, TypeError) as error:
        raise SealDiffers(path, f"expected a seal, found bytes that are not one: {error}", hint=SEAL_HINT) from error
    counts = (seal.events, seal.rows, seal.segments, seal.seq_last, seal.schema_version)
    if not all(type(count) is int for count in counts) or type(seal.head) is not str:
        raise SealDiffers(path, "expected a seal of whole numbers and a head, found other types", hint=SEAL_HINT)
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
        raise SealDiffers(path, message, seq=events, hint=SEAL_HINT)
    if events > seal.events:
        message = f"expected {seal.events:,} events as sealed, found {events:,}"
        raise SealDiffers(path, message, seq=seal.events, hint=SEAL_HINT)
    if head.hex() != seal.head:
        message = f"expected head {seal.head} as sealed, found {head.hex()}"
        raise SealDiffers(path, message, seq=seal.seq_last, hint=SEAL_HINT)
    if segments != seal.segments or seal.seq_last != events - 1 or rows not in (None, seal.rows):
        expected = f"{seal.segments} segments, {seal.rows} rows, seq_last {seal.seq_last}"
        found = f"{segments} segments, {'?' if rows is None else rows} rows, seq_last {events - 1}"
        raise SealDiffers(path, f"expected {expected} as sealed, found {found}", seq=events - 1, hint=SEAL_HINT)
