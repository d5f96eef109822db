"""Where the compiled kernels are kept; must never be shared by two builds, nor be written by another user.

What is kept is loaded as code. numba's own cache misses an edited constant of an imported module, so a directory is
keyed by the import closure of all modules that hold compiled functions (docs/adr/0010):

    <the user's caches>/mmfold/kernels/<build>/<checkout>[-<strategy and flags>]/

A directory that is refused ends nothing: the kernels are compiled and not kept, and that is said.
"""

import os
import re
import stat
import sys
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path

from mmfold.engine.closure import NAMESPACE, ROOT, closure, cpu_words, source_digest

# Every module with an `entry`: the machine code of one holds what is in all modules that it imports.
ENTRY_MODULES = (
    "mmfold.adapters.importers.gaps_kernel",
    "mmfold.adapters.importers.stamp_kernel",
    "mmfold.adapters.importers.tabular.told_kernel",
    "mmfold.adapters.venues.binance.message_kernel",
    "mmfold.adapters.venues.bybit.message_kernel",
    "mmfold.adapters.venues.bybit.request_kernel",
    "mmfold.engine.numbering",
    "mmfold.engine.step",
    "mmfold.journal.jsonl.kernel",
    "mmfold.journal.proof.sha256_kernel",
    "mmfold.journal.log.rows_kernel",
    "mmfold.replay.clock_kernel",
    "mmfold.replay.sampling",
    "mmfold.replay.theory.avellaneda",
    "mmfold.replay.theory.glft",
    "mmfold.replay.trades_once",
    "mmfold.replay.venue.desk",
    "mmfold.replay.venue.entering",
    "mmfold.replay.venue.loop",
    "mmfold.replay.window",
)
PACKAGES = {"adapters", "config", "engine", "journal", "replay", "reports"}
NEUTRAL_FLAGS = {"NUMBA_CACHE_DIR", "NUMBA_DISABLE_JIT"}  # any other one may change what is compiled

BUILD_NAME = re.compile(r"[0-9a-f]{16}")
VARIANT_NAME = re.compile(r"[0-9a-f]{8}-[0-9a-f]{16}")
REMOVED = ".removed-"
BUILD_COUNT_KEPT = 3
VARIANT_COUNT_KEPT = 8
NS_IN_USE = 3_600 * 10**9  # what was started within the hour may run

HINT_CHOOSE = "set XDG_CACHE_HOME to a directory of yours, and later starts need not compile"

strategy_digest = ""  # of the user's strategy file that is compiled into the kernels, empty without one


class CacheRefused(OSError):
    """A directory that compiled kernels are neither loaded from nor kept in; `hint` says what to do."""

    def __init__(self, message: str, hint: str = HINT_CHOOSE) -> None:
        super().__init__(message)
        self.hint = hint


def key_by_strategy(digest: str) -> None:
    """Make a user's strategy part of the key; before the kernels are imported, and for good: one a process."""
    global strategy_digest
    strategy_digest = digest


# What kernels are kept by


@cache
def build_digest() -> str:
    """Return the hash of the build: closure of the kernels, Python, numba, NumPy, processor."""
    return sha256(source_digest(ENTRY_MODULES).encode() + cpu_words()).hexdigest()[:16]


def variant_digest() -> str:
    """Return the hash of what this process compiles in its own way, a strategy and numba's settings; empty if none."""
    flags = {name: text for name, text in os.environ.items() if name.startswith("NUMBA_") and text}
    kept = sorted(flags.items() - {(name, flags.get(name)) for name in NEUTRAL_FLAGS})
    return sha256(repr((strategy_digest, kept)).encode()).hexdigest()[:16] if strategy_digest or kept else ""


def core_digest() -> str:
    """Return the hash that keys the compile cache: the build, a user's strategy, numba's settings."""
    return sha256(f"{build_digest()} {variant_digest()}".encode()).hexdigest()[:16]


@cache
def is_kept(path: str) -> bool:
    """Tell whether the functions of a file may be kept: file and closure are still what the key was made of.

    A process may import a kernel hours after its start, when another build stands on the disk.
    """
    sources = closure(ENTRY_MODULES).values()
    real = os.path.realpath(path)
    if real not in {source.path for source in sources}:
        ours = os.path.relpath(real, ROOT).split(os.sep)[0] in PACKAGES
        assert not ours, f"{path} has an entry: name its module in cache.ENTRY_MODULES"
        return False
    return all(source.is_current() for source in sources)


# Where they are kept


def user_directory() -> Path:
    """Return the directory of the user's caches by the XDG rule.

    Raises: CacheRefused where there is none.
    """
    chosen, home = (os.environ.get(name, "") for name in ("XDG_CACHE_HOME", "HOME"))
    if os.path.isabs(chosen):
        return Path(os.path.normpath(chosen))
    if os.path.isabs(home) and os.path.isdir(home):
        return Path(os.path.normpath(home)) / ".cache"
    raise CacheRefused("HOME names no directory")


def cache_directory(make: bool = False) -> Path:
    """Return the directory of exactly this process's kernels, checked as far as it is there; made when asked.

    Raises: CacheRefused where others could write what is loaded, or where it cannot be made.
    """
    place, variant = sha256(os.fsencode(ROOT)).hexdigest()[:8], variant_digest()
    names = (NAMESPACE, "kernels", build_digest(), f"{place}-{variant}" if variant else place)
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen:  # the user's word: who may write there is his affair
        directory = Path(chosen).absolute().joinpath(*names)
        if make:
            make_directory(directory, 0o777)
        return directory
    level = user_directory()
    check_surroundings(level)
    for name in names:
        level /= name
        if make:
            make_directory(level, 0o700)
        check_level(level)
    return level


def make_directory(level: Path, mode: int) -> None:
    """Make a directory and, in the same mode, those that it stands in.

    Raises: CacheRefused.
    """
    try:
        if not level.parent.exists():
            make_directory(level.parent, mode)
        level.mkdir(mode)
    except FileExistsError:
        return
    except OSError as error:
        raise error if isinstance(error, CacheRefused) else CacheRefused(f"{level}: {error.strerror}") from error


def status_of(path: Path, follows: bool) -> os.stat_result | None:
    """Return a path's status, None where nothing is.

    Raises: CacheRefused where that cannot be told.
    """
    try:
        return os.stat(path, follow_symlinks=follows)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CacheRefused(f"{path}: {error.strerror}") from error


def check_level(level: Path) -> None:
    """Check that a directory of ours is one, belongs to this user and is closed to others.

    Raises: CacheRefused.
    """
    status = status_of(level, follows=False)
    if status is None:
        return
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        raise CacheRefused(f"{level} is a symbolic link", "remove it: a directory is made in its place")
    if not stat.S_ISDIR(status.st_mode):
        raise CacheRefused(f"{level} is not a directory", "remove it: a directory is made in its place")
    if status.st_uid != os.geteuid():
        raise CacheRefused(f"{level} belongs to user {status.st_uid}")
    if mode & 0o077:
        raise CacheRefused(
            f"{level} is open to others, mode {mode:o}", "remove it: others may have written what it holds"
        )


def check_surroundings(directory: Path) -> None:
    """Check that nobody else could put another directory in the place of this one.

    Raises: CacheRefused.
    """
    real = Path(os.path.realpath(directory))
    for level in dict.fromkeys([directory, *directory.parents, real, *real.parents]):
        status = status_of(level, follows=True)
        if status is None:
            continue
        if status.st_uid not in (0, os.geteuid()):
            raise CacheRefused(f"{level} belongs to user {status.st_uid}")
        if status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX:
            raise CacheRefused(f"{level} can be written by others", f"chmod go-w {level}, or {HINT_CHOOSE}")


def use(directory: Path) -> None:
    """Mark a directory of kernels as used now and remove what has not been for long."""
    build = directory.parent
    with suppress(OSError):
        for used, names, count in (
            (build, BUILD_NAME, BUILD_COUNT_KEPT),
            (directory, VARIANT_NAME, VARIANT_COUNT_KEPT),
        ):
            os.utime(used)
            prune(used.parent, names, count, os.stat(used).st_mtime_ns)


def prune(parent: Path, names: re.Pattern[str], count: int, now_ns: int) -> None:
    """Remove all but the newest directories of ours in one, but none that was used within the hour.

    Other processes may do the same or start meanwhile: a directory is renamed first, so nobody meets half of one.
    """
    found: list[tuple[int, str]] = []
    left: list[tuple[int, str]] = []
    with os.scandir(parent) as entries:
        for entry in entries:
            name, mark, _ = entry.name.partition(REMOVED)
            if names.fullmatch(name) and entry.is_dir(follow_symlinks=False):
                status = entry.stat(follow_symlinks=False)
                if status.st_uid == os.geteuid():
                    (left if mark else found).append((status.st_mtime_ns, entry.path))
    found.sort(reverse=True)
    for used_ns, path in [*found[count:], *left]:
        if now_ns - used_ns > NS_IN_USE:
            from shutil import rmtree  # only here: it takes as long to import as all of this

            gone = path if REMOVED in path else f"{path}{REMOVED}{os.getpid()}"
            with suppress(OSError):
                os.rename(path, gone)
                rmtree(gone, ignore_errors=True)


def say_not_kept(reason: OSError) -> None:
    """Say on stderr that kernels are compiled and not kept; a worker process leaves that to its parent."""
    processes = sys.modules.get("multiprocessing.process")
    if processes is None or processes.current_process().name == "MainProcess":
        hint = getattr(reason, "hint", HINT_CHOOSE)
        sys.stderr.write(f"compiled kernels are not kept: {reason.strerror or reason}\n       {hint}\n")
