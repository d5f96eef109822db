"""Search files for credentials that should not be there; must never print one, nor look at less than all of a file.

Stricter than `adapters/redact.py`, whose mistakes cost a word in a log: here each is a person's time. Bare hex and
base64 are no finding (a lock file is full of it), values of sensitive names are, if they look random. Known
values always are.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from mmfold.adapters import redact
from mmfold.adapters.secrets.errors import SecretError

CHUNK_BYTES = 1 << 22
OVERLAP_BYTES = 1 << 14  # what stands across two chunks is found if it is no longer than this
ALLOWLIST_NAME = ".secretsallow"
FINGERPRINT_CHARS = 12
DIRECTORIES_SKIPPED = frozenset(
    {
        ".git",
        ".venv",
        ".cache",
        ".hypothesis",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
        "__pycache__",
        "node_modules",
    }
)
VALUE_CHARS_MIN = 12
RULES = {
    "private_key": re.compile(r"-----BEGIN (?:[A-Z0-9]{1,20} ){0,4}PRIVATE KEY-----[^-]{0,8192}"),
    "aws_access_key": re.compile(r"(?<![A-Z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Z0-9])"),
    "token": re.compile(r"(?<!\w)(?:gh[pousr]_\w{36}|xox[abprs]-[\w-]{10,250}|sk_live_\w{16,250})", re.ASCII),
    "jwt": re.compile(r"(?<![\w.-])eyJ[\w-]{10,4096}\.eyJ[\w-]{10,4096}\.[\w-]{10,4096}", re.ASCII),
    "login": re.compile(r"(?<=://)[\w.~%-]{1,64}:[\w.~%!*+-]{8,128}(?=@[\w.-])", re.ASCII),
}
ASSIGNED = re.compile(
    rf"{redact.NAME_START}{redact.SENSITIVE_NAMES}(?![A-Za-z])\\?[\"']?\s{{0,3}}(?:=>|[:=])\s{{0,3}}"
    rf"(?:bearer\s|basic\s)?\\?[\"']?(?P<value>[\w+/.~-]{{{VALUE_CHARS_MIN},4096}}={{0,2}})(?![\w(\[.])",
    re.IGNORECASE | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One place that looks like a credential; the fingerprint names the value without telling it."""

    path: str
    line: int
    rule: str
    fingerprint: str
    is_allowed: bool


@dataclass(frozen=True, slots=True)
class Allowed:
    """One line of an allowlist: in which files which value is known to be harmless."""

    pattern: str
    fingerprint: str

    def covers(self, path: str, fingerprint: str) -> bool:
        """Tell whether this line speaks of a finding."""
        return self.fingerprint == fingerprint and fnmatchcase(path, self.pattern)


def parse_allowlist(text: str, name: str) -> tuple[Allowed, ...]:
    """Return the lines `GLOB FINGERPRINT # why`.

    Raises: SecretError for a line that is none, or that does not say why.
    """
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        entry, _, why = line.partition("#")
        words = entry.split()
        if not words:
            continue
        if len(words) != 2 or not re.fullmatch(rf"[0-9a-f]{{{FINGERPRINT_CHARS}}}", words[1]) or not why.strip():
            hint = "the fingerprint is what the scan prints"
            raise SecretError(f"{name} line {number:,}: expected GLOB FINGERPRINT # why", hint)
        found.append(Allowed(*words))
    return tuple(found)


def files_of(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the files of what was named, in order; links below a directory are not followed.

    Raises: OSError for a path that is not there.
    """
    for path in paths:
        if not path.is_dir():
            path.stat()
            yield path
            continue
        for directory, names, files in os.walk(path, onerror=fail):
            names[:] = sorted(name for name in names if name not in DIRECTORIES_SKIPPED)
            found = (Path(directory, name) for name in sorted(files))
            yield from (one for one in found if one.is_file() and not one.is_symlink())


def fail(error: OSError) -> None:
    """Stop at a directory that cannot be read: a scan that skips says less than it seems to."""
    raise error


def scan_file(path: Path, allowed: tuple[Allowed, ...]) -> Iterator[Finding]:
    """Yield what one file holds, in order, whatever its size and encoding."""
    covered: dict[str, int] = {}  # by rule: where in the file the last finding ended
    with path.open("rb") as file:
        offset, line, chunk, is_last = 0, 1, b"", False
        while not is_last:
            data = file.read(CHUNK_BYTES)
            chunk, is_last = chunk + data, len(data) < CHUNK_BYTES
            done = len(chunk) if is_last else max(0, len(chunk) - OVERLAP_BYTES)  # what starts later may go on later
            text = chunk.decode("latin-1")  # one character a byte: never fails, offsets stay
            for at, end, rule, value in sorted(matches(text)):
                if at < done and offset + at >= covered.get(rule, 0):
                    covered[rule] = offset + end
                    name = fingerprint(rule, value)
                    is_allowed = any(one.covers(path.as_posix(), name) for one in allowed)
                    yield Finding(path.as_posix(), line + text.count("\n", 0, at), rule, name, is_allowed)
            line += text.count("\n", 0, done)
            offset, chunk = offset + done, chunk[done:]


def matches(text: str) -> Iterator[tuple[int, int, str, str]]:
    """Yield start, end, rule and value of what a text holds."""
    if redact.known_pattern is not None:
        yield from ((*one.span(), "known_value", one.group()) for one in redact.known_pattern.finditer(text))
    for rule, pattern in RULES.items():
        for one in pattern.finditer(text):
            if rule != "login" or is_real(one.group().partition(":")[2]):
                yield *one.span(), rule, one.group()
    if "\0" not in text:  # in binary data a name and a value are neighbours by chance
        found = ((*one.span(), one["value"]) for one in ASSIGNED.finditer(text))
        yield from ((start, end, "assigned", value) for start, end, value in found if is_real(value))


def is_real(value: str) -> bool:
    """Tell a credential from a placeholder, a path, a name or a number."""
    classes = sum(any(test(one) for one in value) for test in (str.islower, str.isupper, str.isdigit))
    return classes >= 2 and len(set(value)) >= VALUE_CHARS_MIN // 2 and redact.is_random(value)


def fingerprint(rule: str, value: str) -> str:
    """Return what names a value in an allowlist."""
    return hashlib.sha256(f"{rule}:{value}".encode()).hexdigest()[:FINGERPRINT_CHARS]
