"""What a build is: the sources that some modules depend on, and what computes in them; must never import a compiler.

The scan of imports may find a module too many, never one too few: a test compares it with the syntax tree.
"""

import os
import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

NAMESPACE = "mmfold"
ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
VERSION_FILES = {"llvmlite": "_version.py", "numba": "_version.py", "numpy": "version.py"}  # read, not imported
CPU_FIELDS = {
    b"vendor_id", b"cpu family", b"model", b"model name", b"stepping", b"flags",
    b"CPU implementer", b"CPU architecture", b"CPU variant", b"CPU part", b"CPU revision", b"Features",
}  # fmt: skip
CPU_BYTES_MAX = 1 << 13  # the first processor's block: Linux writes the text while it is read, and has many

GAP = rb"(?:[ \t\f]|\\\r?\n)+"
REST = rb"(?:\\\r?\n|[^\n#;])*"  # of a statement that may go on in the next line
NAMES = rb"\((?:[^)#]|#[^\n]*)*\)"
FROM_IMPORT = re.compile(rb"from" + GAP + rb"(\.*[\w.]*)" + GAP + rb"import\b[ \t]*(" + NAMES + rb"|" + REST + rb")")
PLAIN_IMPORT = re.compile(rb"import" + GAP + rb"(" + REST + rb"\bmmfold\b" + REST + rb")")
COMMENT = re.compile(rb"#[^\n]*")


class Source(NamedTuple):
    """One module of ours as it was read; `stamp` tells whether its file is still that one."""

    path: str
    digest: bytes
    imports: frozenset[str]
    stamp: tuple[int, int, int]

    def is_current(self) -> bool:
        """Tell whether the file was neither written nor replaced since it was read."""
        try:
            return stamp_of(os.stat(self.path)) == self.stamp
        except OSError:
            return False


def stamp_of(status: os.stat_result) -> tuple[int, int, int]:
    """Return what changes when a file is written or replaced."""
    return status.st_ino, status.st_mtime_ns, status.st_size


@cache
def is_package(module: str, root: str) -> bool:
    """Tell whether a name of ours is a package: a folder."""
    return os.path.isdir(root + module.removeprefix(NAMESPACE).replace(".", os.sep))


def module_path(module: str, root: str) -> str | None:
    """Return the file of a module of ours, None for a name that is none."""
    if module == NAMESPACE:
        return None  # its own module is the door for users: no kernel's business
    place = root + module.removeprefix(NAMESPACE).replace(".", os.sep)
    paths = [os.path.join(place, "__init__.py")] * is_package(module, root) + [f"{place}.py"]
    return next(filter(os.path.isfile, paths), None)


@cache
def read_source(module: str, root: str = ROOT) -> Source | None:
    """Return a module of ours, None for a name that is none; once a process, as it is imported once."""
    path = module_path(module, root)
    if path is None:
        return None
    descriptor = os.open(path, os.O_RDONLY)
    try:
        status = os.fstat(descriptor)
        data = os.read(descriptor, status.st_size + 1)
    finally:
        os.close(descriptor)
    package = module if path.endswith("__init__.py") else module.rpartition(".")[0]
    return Source(path, sha256(data).digest(), frozenset(imports_of(data, package, root)), stamp_of(status))


def imports_of(data: bytes, package: str, root: str = ROOT) -> set[str]:
    """Return the names below ours that a source of a package imports, wherever in it: a module, or nothing of ours.

    What stands behind `from package import` may be a module, behind `from module import` it is none.
    """
    found = set()
    for origin, names in FROM_IMPORT.findall(data):
        module = absolute_name(origin.decode(), package)
        if module.partition(".")[0] == NAMESPACE:
            found.add(module)
            if is_package(module, root):
                found |= {f"{module}.{name.decode()}" for name in re.findall(rb"\w+", COMMENT.sub(b"", names))}
    for names in PLAIN_IMPORT.findall(data):
        found |= {name.decode() for name in re.findall(rb"\bmmfold\.[\w.]+", names)}
    return found


def absolute_name(module: str, package: str) -> str:
    """Return a module's full name; one dot is the package, each more a package up."""
    below = module.lstrip(".")
    ups = len(module) - len(below) - 1
    if ups < 0:
        return module
    parts = package.split(".")
    return ".".join([*parts[: len(parts) - ups], *filter(None, [below])])


def closure(modules: Iterable[str], root: str = ROOT) -> dict[str, Source]:
    """Return the modules of ours, by name, that importing some imports, at once or later; their packages too."""
    found: dict[str, Source] = {}
    seen: set[str] = set()
    ahead = list(modules)
    while ahead:
        module = ahead.pop()
        if module in seen:
            continue
        seen.add(module)
        source = read_source(module, root)
        if source is not None:
            found[module] = source
            ahead += source.imports
            ahead.append(module.rpartition(".")[0])
    return found


def source_digest(modules: Iterable[str], root: str = ROOT) -> str:
    """Return the hash of all sources that some modules depend on, and of Python, numba and NumPy.

    Raises: ModuleNotFoundError for a module that is none of ours.
    """
    wanted = tuple(modules)
    sources = closure(wanted, root)
    if missing := set(wanted) - set(sources):
        raise ModuleNotFoundError(f"no source of {', '.join(sorted(missing))} below {root}")
    hasher = sha256(library_words())
    for module, source in sorted(sources.items()):
        hasher.update(module.encode() + b"\0" + source.digest)
    return hasher.hexdigest()


@cache
def library_words() -> bytes:
    """Return the versions of Python and of the libraries that compile and compute."""
    words = [sys.version.encode()]
    for library, file in VERSION_FILES.items():
        spec = find_spec(library)
        assert spec is not None and spec.origin is not None, library
        words.append(Path(spec.origin).with_name(file).read_bytes())
    return b"\0".join(words)


@cache
def cpu_words() -> bytes:
    """Return what names the processor that machine code is made for; numba's own name of it would need numba."""
    system, _, _, _, machine = os.uname()
    words = [system.encode(), machine.encode()]
    with suppress(OSError):
        descriptor = os.open("/proc/cpuinfo", os.O_RDONLY)
        try:
            text = os.read(descriptor, CPU_BYTES_MAX)
        finally:
            os.close(descriptor)
        lines = text.partition(b"\n\n")[0].splitlines()
        words += [line for line in lines if line.partition(b":")[0].strip() in CPU_FIELDS]
    return b"\n".join(words)
