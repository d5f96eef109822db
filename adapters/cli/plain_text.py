"""What a terminal that is not UTF-8 is shown: for each character that it lacks one of its own; must never raise."""

import codecs
import io
import sys

ERRORS = "mm_plain"
# One character for one, so that columns stay aligned; what is not here is escaped.
PLAIN = {
    "…": "~", "·": ".", "•": "*", "–": "-", "—": "-", "−": "-", "×": "x", "±": "+", "µ": "u", "μ": "u", "σ": "s",
    "≤": "<", "≥": ">", "≈": "~", "→": ">", "←": "<", "↑": "^", "↓": "v", "▲": "^", "▼": "v", "●": "*", "✓": "y",
    "✗": "n", "█": "#", "▉": "#", "▊": "#", "▋": "#", "▌": "#", "▍": "#", "▎": "#", "▏": "#", "░": ".", "▒": ":",
    "▓": "#", "‘": "'", "’": "'", "“": '"', "”": '"', "\u00a0": " ", "\u202f": " ",
}  # fmt: skip


def plain(error: UnicodeError) -> tuple[str, int]:
    """Return what stands for the characters that an encoding lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(plain_character(one) for one in error.object[error.start : error.end]), error.end


def plain_character(one: str) -> str:
    """Return what stands for one character."""
    if "\u2500" <= one <= "\u257f":  # the lines and corners of boxes
        return "-" if one in "─━┄┅┈┉╌╍═╴╶╸╺╼╾" else "|" if one in "│┃┆┇┊┋╎╏║╵╷╹╻╽╿" else "+"
    return PLAIN.get(one) or one.encode("ascii", "backslashreplace").decode()


def settle_streams() -> None:
    """Let stdout and stderr take any text; what an encoding has is not changed."""
    codecs.register_error(ERRORS, plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors != ERRORS:
            stream.reconfigure(errors=ERRORS)
