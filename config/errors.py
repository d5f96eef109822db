"""The one error of configuration; must never span more than one line.

ConfigError
    E_CFG_FILE       the file cannot be read, is not YAML or too large
    E_CFG_KEY        a key that does not exist, or not there
    E_CFG_TYPE       a value of the wrong kind
    E_CFG_RANGE      a value outside its range, or not exact in the instrument's units
    E_CFG_INVARIANT  values that contradict each other
"""

from difflib import get_close_matches
from typing import Literal

Code = Literal["E_CFG_FILE", "E_CFG_KEY", "E_CFG_TYPE", "E_CFG_RANGE", "E_CFG_INVARIANT"]


class ConfigError(ValueError):
    """A configuration that cannot be used: `CODE: key: what is wrong (where)`."""

    def __init__(self, code: Code, message: str, where: str = "", hint: str = "") -> None:
        """Put the parts on one line; `where` is a file and line, or what was given on the command line."""
        self.code: Code = code
        self.hint = hint  # what to do next, shown on a line of its own
        line = " ".join((f"{code}: {message} ({where})" if where else f"{code}: {message}").split())
        super().__init__("".join(one if one.isprintable() else "?" for one in line))


def nearest_text(word: str, known: list[str]) -> str:
    """Return `, did you mean ...?` for the known word nearest to a mistyped one, or nothing.

    One that the word begins is nearer than one of the same name in another section.
    """
    known = [key for key in known if not word.startswith(f"{key}.")]
    begun = [key for key in known if key.startswith(f"{word}_")]
    like = begun or [key for key in known if key.rpartition(".")[2] == word.rpartition(".")[2]]
    close = get_close_matches(word, like or known, n=1, cutoff=0.0 if like else 0.6)
    return f", did you mean {close[0]}?" if close else ""
