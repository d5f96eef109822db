"""A bundle: one zip of a journal and of what is said about it, to be sent; must never trust what a stranger packed.

Members have fixed names, times and order, so that the same members give the same file. A reader takes the journal's
members out and nothing else; a file with any other name, a link, a second directory or too much in it is refused whole.
"""

import atexit
import os
import re
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from mmfold.journal.errors import JournalError, NotAJournal
from mmfold.journal.files.plain_file import open_readable
from mmfold.journal.files.work import work_directory
from mmfold.journal.log.seal import SEAL_NAME

BUNDLE_SUFFIX = ".zip"
INDEX_NAME = "BUNDLE.json"
TEXT_NAMES = frozenset(
    (INDEX_NAME, "REPORT.md", "config.json", "config.yaml", "doctor.json", "report.json", "versions.json")
)
JOURNAL_PREFIX = "journal/"
JOURNAL_MEMBER = re.compile(rf"{JOURNAL_PREFIX}(?:\d{{6}}\.mmj|{re.escape(SEAL_NAME)})", re.ASCII)
JOURNAL_BYTES_MAX = 1 << 30  # unpacked: 16 million rows
MEMBER_COUNT_MAX = 256
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can say
MODE = stat.S_IFREG | 0o644
UNIX, LEVEL = 3, 6
PIECE_BYTES = 1 << 20
HINT = "make it again with mm bundle"

# Source: APPNOTE.TXT 6.3.10, 4.3.15 and 4.3.16: a zip ends in this record, which says where its directory is.
END = struct.Struct("<4s4H2LH")
END_MARK, LOCATOR_MARK, LOCATOR_BYTES = b"PK\x05\x06", b"PK\x06\x07", 20
DIRECTORY_BYTES_MAX = 1 << 16
ENCRYPTED = 1
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError, struct.error, OverflowError)

unpacked_places: dict[tuple[str, int, int, int], Path] = {}
at_end = ExitStack()
atexit.register(at_end.close)


def is_bundle(path: Path) -> bool:
    """Tell whether a path is a bundle's, by its name."""
    return path.name.endswith(BUNDLE_SUFFIX)


def write_bundle(file: IO[bytes], members: Mapping[str, bytes | Path]) -> None:
    """Pack members, given as bytes or as a file to read them from, in the order of their names.

    Raises: OSError.
    """
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive:
        for name in sorted(members):
            assert name in TEXT_NAMES or JOURNAL_MEMBER.fullmatch(name), name
            info = zipfile.ZipInfo(name, EPOCH)
            info.compress_type, info.create_system, info.external_attr = zipfile.ZIP_DEFLATED, UNIX, MODE << 16
            source = members[name]
            with archive.open(info, "w") as packed:
                if isinstance(source, bytes):
                    packed.write(source)
                    continue
                with source.open("rb") as unpacked:
                    while piece := unpacked.read(PIECE_BYTES):
                        packed.write(piece)


def unpacked_journal(path: Path) -> Path:
    """Return a directory with the journal of a bundle, which is there for as long as the process lives.

    Raises: NotAJournal for a file that is no bundle; OSError.
    """
    fd = open_readable(path)
    with open(fd, "rb") as file:
        found = os.fstat(fd)
        key = (os.path.realpath(path), found.st_ino, found.st_size, found.st_mtime_ns)
        if key not in unpacked_places:
            infos = journal_members(path, file)
            place = at_end.enter_context(work_directory(Path(tempfile.gettempdir(), f"mm-bundle-{os.getuid()}")))
            try:
                for info in infos:
                    unpack(file, info, place / info.filename.removeprefix(JOURNAL_PREFIX))
            except DAMAGED as error:
                raise refused(path, f"cannot be unpacked: {error}") from error
            unpacked_places[key] = place
        return unpacked_places[key]


def unpacked_bytes(path: Path) -> int:
    """Return how many bytes the journal of a bundle has.

    Raises: NotAJournal, OSError.
    """
    with open(open_readable(path), "rb") as file:
        return sum(info.file_size for info in journal_members(path, file))


def journal_members(path: Path, file: IO[bytes]) -> list[zipfile.ZipInfo]:
    """Return the members that are the journal's, with every member checked.

    Raises: NotAJournal.
    """
    check_end(path, file)
    try:
        with zipfile.ZipFile(file) as archive:
            infos = archive.infolist()
    except DAMAGED as error:
        raise refused(path, f"its directory cannot be read: {error}") from error
    names: set[str] = set()
    for info in infos:
        check_member(path, info, names)
        names.add(info.filename)
    found = [info for info in infos if JOURNAL_MEMBER.fullmatch(info.filename)]
    size_bytes = sum(info.file_size for info in found)
    if size_bytes > JOURNAL_BYTES_MAX:
        raise refused(path, f"its journal has {size_bytes:,} bytes, at most {JOURNAL_BYTES_MAX:,}")
    for name in (INDEX_NAME, f"{JOURNAL_PREFIX}{SEAL_NAME}", f"{JOURNAL_PREFIX}000000.mmj"):
        if name not in names:
            raise refused(path, f"has no {name}")
    return found


def check_end(path: Path, file: IO[bytes]) -> None:
    """Check the record that a zip ends in, before anything of a size that it says is read.

    Raises: NotAJournal.
    """
    size_bytes = file.seek(0, os.SEEK_END)
    start = max(0, size_bytes - END.size - LOCATOR_BYTES)
    file.seek(start)
    tail = file.read(END.size + LOCATOR_BYTES)
    if len(tail) < END.size or tail[-END.size : -END.size + 4] != END_MARK:
        raise refused(path, "expected the end of a zip file without a comment, found other bytes")
    _, disk, first_disk, here, count, directory_bytes, offset, comment_bytes = END.unpack(tail[-END.size :])
    if tail.startswith(LOCATOR_MARK) or disk or first_disk or here != count or comment_bytes:
        raise refused(path, "is a zip file of a kind that no bundle is: zip64, in parts or with a comment")
    if count > MEMBER_COUNT_MAX or directory_bytes > DIRECTORY_BYTES_MAX:
        raise refused(path, f"has {count:,} members, at most {MEMBER_COUNT_MAX}")
    if offset + directory_bytes + END.size != size_bytes:
        raise refused(path, "has other bytes in front of it or behind its directory")


def check_member(path: Path, info: zipfile.ZipInfo, names: set[str]) -> None:
    """Check that a member is one of those a bundle has, once, a plain file, packed as ours are.

    Raises: NotAJournal.
    """
    name, kind = info.orig_filename, stat.S_IFMT(info.external_attr >> 16)
    if info.filename != name or not (name in TEXT_NAMES or JOURNAL_MEMBER.fullmatch(name)):
        raise refused(path, f"holds {name[:80]!r}, which no bundle does")
    if name in names:
        raise refused(path, f"holds {name} twice")
    if kind not in (0, stat.S_IFREG):
        raise refused(path, f"{name} is no plain file")
    if info.flag_bits & ENCRYPTED or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise refused(path, f"{name} is encrypted or packed in another way than a bundle's")


def unpack(file: IO[bytes], info: zipfile.ZipInfo, place: Path) -> None:
    """Write one member to a new file, at most as many bytes as its directory says.

    Raises: DAMAGED, OSError.
    """
    with zipfile.ZipFile(file) as archive, archive.open(info) as packed, place.open("xb") as unpacked:
        left_bytes = info.file_size
        while piece := packed.read(PIECE_BYTES):
            left_bytes -= len(piece)
            if left_bytes < 0:
                raise zipfile.BadZipFile(f"{info.filename} is longer than it says")
            unpacked.write(piece)
        if left_bytes:
            raise zipfile.BadZipFile(f"{info.filename} is shorter than it says")


def refused(path: Path, why: str) -> JournalError:
    """Return the error of a file that is no bundle."""
    return NotAJournal(path, f"expected a bundle, {why}", hint=HINT)
