"""Text that goes into a bundle, without keys, hosts, users and places; must never change a figure.

What the journal's own rows say as well (its run, its head) stays: those were looked through before.
"""

import getpass
import re
import socket
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mmfold.adapters import redact
from mmfold.adapters.bundle.keys import HASH_TEXT, RUN, is_random

PLACE, HOST, USER = "<path>", "<host>", "<user>"
# A path in quotes, behind `key: `, or one without blanks; `//` of a URL and what follows it is none.
IN_PATH = r"""[^\s"'`,;:)|\]}]"""
ABSOLUTE = re.compile(
    r"""(?<=["'])(?:~\w*)?/[^"'\n]*(?=["'])|(?<=:[ ])(?:~\w*)?/[^\n#|]*[^\s#|]"""
    rf"""|(?<![\w.:/<>~-])(?:~\w*)?/{IN_PATH}+"""
)
DEPTH_MAX = 32


class Scrubber:
    """Redacts texts and documents; `count` tells how many of them were changed."""

    def __init__(self, keep: Iterable[str], places: Iterable[Path]) -> None:
        self.count = 0
        kept = sorted({one for one in keep if one}, key=lambda text: (-len(text), text))
        self.kept = re.compile("|".join(map(re.escape, kept)) or r"(?!)")
        self.own = own_words(places)

    def text(self, text: str) -> str:
        """Return a text as a stranger may read it."""
        placed = text
        for pattern, word in self.own:
            placed = pattern.sub(word, placed)
        placed = ABSOLUTE.sub(PLACE, placed)
        parts, at = [], 0
        for found in self.kept.finditer(placed):
            parts += [without_keys(placed[at : found.start()]), redact.redact_known(found.group())]
            at = found.end()
        scrubbed = "".join((*parts, without_keys(placed[at:])))
        self.count += scrubbed != text
        return scrubbed

    def document(self, value: Any, name: str = "", depth: int = 0) -> Any:
        """Return a value that JSON has with every text in it scrubbed; deeper ones are cut off."""
        if value is None or isinstance(value, bool):
            return value
        if depth >= DEPTH_MAX or redact.SENSITIVE_NAME.fullmatch(name):
            self.count += 1
            return redact.REDACTED
        if isinstance(value, int | float):
            return value
        if isinstance(value, dict):
            return {self.text(str(key)): self.document(one, str(key), depth + 1) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [self.document(one, name, depth + 1) for one in value]
        text = str(value)
        if redact.HASH_NAME.fullmatch(name) and redact.HASH.fullmatch(text):
            return redact.redact_known(text)
        return self.text(text)


def without_keys(text: str) -> str:
    """Return a text without known keys and without what has the form of one."""
    redacted = redact.redact(text)
    hashes = [found.span() for found in HASH_TEXT.finditer(redacted)]

    def replace(run: re.Match[str]) -> str:
        is_hash = any(start <= run.start() and run.end() <= end for start, end in hashes)
        return redact.REDACTED if is_random(run.group()) and not is_hash else run.group()

    return RUN.sub(replace, redacted)


def own_words(places: Iterable[Path]) -> list[tuple[re.Pattern[str], str]]:
    """Return what names this machine, its user and its directories, each with what stands for it, longest first."""
    words: dict[str, str] = {}
    for place in (Path.home(), Path.cwd(), Path(tempfile.gettempdir()), *places):
        for one in (place.absolute(), place.resolve()):
            words[str(one)] = PLACE
    host = socket.gethostname()
    words |= dict.fromkeys((host, host.partition(".")[0]), HOST)
    words[user_name()] = USER
    words.pop("", None)
    words.pop("/", None)
    found = sorted(words.items(), key=lambda one: (-len(one[0]), one[0]))
    return [(own_pattern(word, stands), stands) for word, stands in found]


def own_pattern(word: str, stands: str) -> re.Pattern[str]:
    """Return what finds a word of this machine, a directory with what is below it."""
    below = rf"(?:/{IN_PATH}*)?" if stands == PLACE else ""
    return re.compile(rf"(?<![\w-]){re.escape(word)}(?![\w-]){below}")


def user_name() -> str:
    """Return who is logged in, nothing where the system does not know."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
