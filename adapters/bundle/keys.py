"""Keys that must not be in a bundle: those that this machine knows, and what has the form of one; must never show one.

Stricter than the logs (adapters/redact.py) and than the scan of a checkout (adapters/secrets/scan.py): a bundle is read
by strangers, and it is made seldom enough that a person can look at a place that only seems to hold a key.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmfold.adapters import redact
from mmfold.adapters.secrets import env
from mmfold.adapters.secrets.file import FileBackend
from mmfold.adapters.secrets.memory import MemoryBackend
from mmfold.adapters.secrets.registry import backend_name
from mmfold.adapters.secrets.scan import matches
from mmfold.adapters.secrets.value import Secret
from mmfold.engine.codes import EventKind
from mmfold.journal.errors import JournalError
from mmfold.replay.excerpt import payloads

DIRECTORY_VARIABLES = ("PWD", "OLDPWD")  # the only ones whose names say "password" and whose values are none
ASKED_NOWHERE = "keys that {} keeps were not asked for: what has the form of a key is found all the same"
RUN_CHARS_MIN, DISTINCT_MIN = 16, 8
RUN = re.compile(rf"(?<![\w+/-])[\w+/-]{{{RUN_CHARS_MIN},}}={{0,2}}", re.ASCII)
OWN_PIECE = re.compile(r"[0-9a-f]{1,12}")  # of a run id of ours, of a uuid
HASH_TEXT = re.compile(rf"(?<![A-Za-z])(?:{redact.HASH_NAMES})[\s:=]\s?[0-9a-f]{{8,64}}(?![\w+/-])", re.ASCII)
OWN_HASH = re.compile(r"[0-9a-f]{64}")
DEPTH_MAX = 32
HINT = (
    "the rows of a journal are never changed: take a span without it (--from, --until), or make the key void at the "
    "venue; if it is none, {}"
)


class KeyInJournal(JournalError):
    """A key, or what has the form of one, in the text of an event."""


def learn_keys(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Make the redactor know every key that this process can read; returns what could not be asked.

    Raises: SecretError for a file of keys that cannot be read: what it holds could not be kept out.
    """
    for name, value in environ.items():
        if redact.SENSITIVE_NAME.fullmatch(name) and name not in DIRECTORY_VARIABLES:
            redact.remember(value)
    given = env.EnvBackend(environ)
    for variable in given.variables():
        found = env.read_variable(variable, environ)
        if found is not None and found.text.strip():
            Secret(found.text)
    FileBackend(environ).read()
    MemoryBackend(environ)
    name = backend_name(environ)
    return (ASKED_NOWHERE.format(name),) if name == "aws" else ()


def find_key(text: str) -> str:
    """Return by which rule a text holds a key, or nothing."""
    for _, _, rule, _ in matches(text):
        return rule
    return "random text" if any(is_random(one.group()) for one in RUN.finditer(HASH_TEXT.sub("", text))) else ""


def is_random(run: str) -> bool:
    """Tell whether a run of letters and digits is no word, no number, no name and no id of ours."""
    pieces = (piece for piece in redact.PIECES.split(run) if not redact.WORD.fullmatch(piece))
    odd = "".join(piece for piece in pieces if not OWN_PIECE.fullmatch(piece))
    classes = sum(any(test(one) for one in odd) for test in (str.islower, str.isupper, str.isdigit))
    return len(odd) >= redact.ODD_CHARS_MIN and classes >= 2 and len(set(odd)) >= DISTINCT_MIN


def check_journal(path: Path, parent: Path) -> None:
    """Check that no event of a journal holds a key; the place is told as the parent has it.

    Raises: KeyInJournal.
    """
    for seq, kind, payload in payloads(path):
        rule = find_key_in_payload(kind, payload)
        if rule:
            raise place_of(parent, rule, seq, kind)


def place_of(parent: Path, rule: str, seq: int, kind: EventKind) -> KeyInJournal:
    """Return the error with the seq of the journal that was asked for, which a slice numbers anew."""
    for parent_seq, parent_kind, payload in payloads(parent):
        if parent_kind == kind and find_key_in_payload(kind, payload) == rule:
            seq = parent_seq
            break
    message = f"the {kind.name} there holds a key ({rule}): nothing was written"
    what = "choose another run id" if kind == EventKind.MANIFEST else "say it otherwise to the next session"
    return KeyInJournal(parent, message, seq=seq, hint=HINT.format(what))


def find_key_in_payload(kind: EventKind, payload: bytes) -> str:
    """Return by which rule the text of an event holds a key, or nothing."""
    text = payload.decode("utf-8", "backslashreplace")
    if kind == EventKind.DIGEST:  # all of it is hashes
        return "known_value" if redact.redact_known(text) != text else ""
    for _, _, rule, _ in matches(text):
        return rule
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return find_key(text)
    for name, value in texts(document):
        is_own = kind == EventKind.MANIFEST or redact.HASH_NAME.fullmatch(name)
        if is_own and OWN_HASH.fullmatch(value) and redact.redact_known(value) == value:
            continue
        if rule := find_key(value) or find_key(name) or find_key(f'{name}="{value}"'):
            return rule
    return ""


def texts(value: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """Yield (name, text) of every text in a JSON value, and every name with an empty text."""
    if isinstance(value, dict) and depth < DEPTH_MAX:
        for key, one in value.items():
            yield str(key), ""
            yield from texts(one, str(key), depth + 1)
    elif isinstance(value, list) and depth < DEPTH_MAX:
        for one in value:
            yield from texts(one, name, depth + 1)
    elif isinstance(value, str):
        yield name, value
    elif value is not None and not isinstance(value, bool | int | float):
        yield name, json.dumps(value)
