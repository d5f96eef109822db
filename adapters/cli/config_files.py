"""A configuration file taken as one piece and put back as one piece; must never touch what is no regular file."""

import os
import stat
from pathlib import Path
from typing import NamedTuple

from mmfold.config.document import CONFIG_BYTES_MAX
from mmfold.config.errors import ConfigError
from mmfold.journal.files.work import finished_file

BOM = b"\xef\xbb\xbf"


class ConfigFile(NamedTuple):
    """A file as it was read: which one, its text, and whether a byte order mark stands before it."""

    path: Path
    status: os.stat_result
    text: str
    has_bom: bool

    def encode(self, text: str) -> bytes:
        """Return another text as the bytes that this file would have."""
        return (BOM if self.has_bom else b"") + text.encode()


def read_file(path: Path) -> ConfigFile:
    """Read a configuration file that is to be edited.

    Raises: ConfigError.
    """
    try:
        # Not to wait for a pipe's writer: what it is, is known once it is open.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            status = os.fstat(file.fileno())
            check_regular(path, status)
            data = file.read(CONFIG_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError("E_CFG_FILE", f"{path}: {error.strerror}") from error
    if len(data) > CONFIG_BYTES_MAX:
        raise ConfigError("E_CFG_FILE", f"{path}: larger than {CONFIG_BYTES_MAX:,} bytes")
    try:
        return ConfigFile(path, status, data.removeprefix(BOM).decode(), data.startswith(BOM))
    except UnicodeDecodeError as error:
        raise ConfigError("E_CFG_FILE", f"{path}: byte {error.start:,} is not UTF-8") from error


def write_file(path: Path, data: bytes, origin: ConfigFile | None = None, *, in_place: bool = False) -> None:
    """Write a file that is either whole or as it was; one that is replaced keeps its mode and its owner.

    A link is followed to the file that it names. A new file has the mode of its `origin`, which `in_place` is the file
    to replace and must be as it was when it was read.

    Raises: ConfigError for what is no regular file, has changed since or belongs to somebody else; OSError.
    """
    target = Path(os.path.realpath(path))
    try:
        present = target.stat()
    except FileNotFoundError:
        present = None
    if present is not None:
        check_regular(path, present)
    if in_place and (origin is None or present is None or changed(present, origin.status)):
        raise ConfigError("E_CFG_FILE", f"{path}: changed since it was read", hint="nothing was written: run again")
    like = present or (origin.status if origin else None)
    with finished_file(target, stat.S_IMODE(like.st_mode) if like else None) as file:
        if present is not None:
            keep_owner(path, file.fileno(), present)
        file.write(data)


def check_regular(path: Path, status: os.stat_result) -> None:
    """Refuse a device, a pipe, a directory.

    Raises: ConfigError.
    """
    if not stat.S_ISREG(status.st_mode):
        raise ConfigError("E_CFG_FILE", f"{path} is no regular file")


def changed(now: os.stat_result, before: os.stat_result) -> bool:
    """Tell whether a file was written to, or is another one."""
    return not os.path.samestat(now, before) or (now.st_mtime_ns, now.st_size) != (before.st_mtime_ns, before.st_size)


def keep_owner(path: Path, descriptor: int, present: os.stat_result) -> None:
    """Give a new file the owner of the one that it replaces.

    Raises: ConfigError where that is not ours to give.
    """
    mine = os.fstat(descriptor)
    if (mine.st_uid, mine.st_gid) == (present.st_uid, present.st_gid):
        return
    try:
        os.fchown(descriptor, present.st_uid, present.st_gid)
    except PermissionError as error:
        hint = "nothing was written: run as its owner, or write another file with --out"
        raise ConfigError("E_CFG_FILE", f"{path} belongs to somebody else", hint=hint) from error
