"""Which packages mm needs, as its own metadata says, and how to get one that is missing; must never import one."""

import re
from importlib import metadata
from typing import NamedTuple

DISTRIBUTION = "mmfold"
TOOLS = "dev"  # no command may need what this extra alone brings: that would be a fault of ours
PIN = re.compile(r"([\w.-]+)(?:\[[\w,-]+\])?==([^;\s]+)(?:\s*;\s*extra == [\"'](\w+)[\"'])?")
NAME = re.compile(r"[\w.-]+")
# Where a module is not named like its distribution.
MODULES = {"markdown_it_py": "markdown_it", "pillow": "pil", "python_dateutil": "dateutil", "pyyaml": "yaml"}


class Requirement(NamedTuple):
    """A package that mm is pinned to, of its core or of one of its extras."""

    name: str
    pinned: str
    extra: str | None

    @property
    def install(self) -> str:
        """The command that brings it."""
        return f"pip install '{DISTRIBUTION}[{self.extra}]'" if self.extra else f"pip install {DISTRIBUTION}"


def read_requirements() -> list[Requirement]:
    """Return what commands need, the core first.

    Raises: PackageNotFoundError where mm itself is not installed.
    """
    matches = map(PIN.fullmatch, metadata.requires(DISTRIBUTION) or [])
    found = [Requirement(*match.groups()) for match in matches if match and match[3] != TOOLS]
    return sorted(found, key=lambda one: one.extra or "")


def module_of(distribution: str) -> str:
    """Return the module that a distribution is imported by, in small letters."""
    name = re.sub(r"[-.]", "_", distribution).lower()
    return MODULES.get(name, name)


def modules_of(distribution: str, seen: set[str]) -> set[str]:
    """Return the modules that a distribution brings: its own and those of what it needs in turn."""
    module = module_of(distribution)
    if module in seen:
        return seen
    seen.add(module)
    try:
        needed = metadata.requires(distribution) or []
    except metadata.PackageNotFoundError:
        return seen
    for line in needed:
        match = NAME.match(line)
        if match and "extra ==" not in line:
            modules_of(match[0], seen)
    return seen


def missing_requirement(error: ModuleNotFoundError) -> Requirement | None:
    """Return what of ours brings the module that was not found; None of a module that nothing of ours brings."""
    module = (error.name or "").partition(".")[0].lower()
    try:
        found = [one for one in read_requirements() if module in modules_of(one.name, set())]
    except metadata.PackageNotFoundError:
        return None
    return min(found, key=lambda one: module_of(one.name) != module, default=None)  # itself rather than who needs it


def missing_text(error: ModuleNotFoundError) -> str:
    """Return in one line what is not installed, what brings it and how; nothing where that is not known."""
    found = missing_requirement(error)
    if found is None:
        return ""
    module = (error.name or "").partition(".")[0]
    why = f"the extra {found.extra} brings it" if found.extra else "mm cannot do without it"
    return f"{module} is not installed, {why}: {found.install}"
