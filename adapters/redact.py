"""What must not leave the process becomes `****`; must never raise, and never need more than linear time.

Two guards, one after the other. *Known values* are those that a `Secret` was made of in this process: they go wherever
they stand, whole, quoted, escaped or URL-encoded. *Patterns* catch what nobody told us about (spec/control.md 25): PEM,
values of sensitive names, credentials in URLs, e-mail and public IP addresses, hex and base64 from 20 characters on.

Order ids and our own hashes look like credentials and are what an operator searches a log for. They stay where their
name says what they are (`order_id`, `head`, ...); for outsiders the order ids go as well.
"""

import ipaddress
import re
from collections.abc import Mapping
from enum import Enum
from typing import Any
from urllib.parse import quote

REDACTED = "****"
KNOWN_CHARS_MIN = 6  # a shorter value would take half of every text with it
RUN_CHARS_MIN = 20  # of hex or base64
ODD_CHARS_MIN = 8  # characters of a run that are in no word, from which on it counts as random
DEPTH_MAX = 8


class Audience(Enum):
    """Who reads the text."""

    OPERATOR = "operator"  # our own logs: order ids stay
    OUTSIDER = "outsider"  # support, a venue, a public issue: order ids go


ORDER_NAMES = r"(?:(?:client|venue|parent)[_-]?order|order[_-]?link|order|exec)[_-]?ids?|cl[_-]?ord[_-]?id"
HASH_NAMES = r"head|hash|prev|digest|sha256|commit|(?:config|cfg|params|payload)[_-]?hash|fingerprint"
SENSITIVE_NAMES = (
    r"(?:pass(?:word|wd|phrase)|pwd|secret|token|credentials?|authorization|cookie|jwt|sign(?:ature)?"
    r"|(?:api|secret|access|private|hmac|listen|signing|encryption|ssh|auth|client)[_-]?key(?:[_-]?id)?)"
    r"(?:[_-]?(?:primary|secondary|old|new|value|string|binary|\d{1,3}))?"
)
QUOTE = r"\\{0,7}[\"']"  # JSON in JSON has escaped ones
SEPARATOR = rf"(?:{QUOTE})?\s{{0,3}}[:=]\s{{0,3}}(?:{QUOTE})?"
NAME_START = r"(?:(?<![A-Za-z])|(?-i:(?<=[a-z])(?=[A-Z])))"  # of a word: api_sign, apiSign, not design
# What stands after a sensitive name: in quotes, in escaped quotes, or up to where the next field may start.
VALUE = r"""
    (?:b(?=["']))? (?: \\{1,7}"[^"\\]*+(?:\\{1,7}")? | "(?:[^"\\]|\\.)*+"? | '(?:[^'\\]|\\.)*+'? )
    | (?(quoted) (?!\{)[^\s,}\]]++ | (?:(?:bearer|basic|token)\s{1,3})?[^\s&;"']++ )
"""
# Two passes: a long name in front of a value is itself a run. The first alternative that fits wins; every quantifier is
# bounded, possessive or takes all that it can meet.
STRUCTURES = re.compile(
    rf"""
      (?P<pem> -----BEGIN\ [A-Z0-9\ ]{{1,40}}-----.*?(?:-----END\ [A-Z0-9\ ]{{1,40}}-----|\Z) )
    | (?P<header_name> (?<![a-z])(?:(?:proxy-)?authorization|(?:set-)?cookie):\s{{0,3}} )(?P<header> [^\r\n"']++ )
    | (?P<name> {NAME_START}{SENSITIVE_NAMES}(?![A-Za-z])(?P<quoted>{QUOTE})?\s{{0,3}}(?:=>|[:=])\s{{0,3}} )
      (?P<value> {VALUE} )
    | (?P<pair> \(b?["'][\w-]{{0,40}}?{NAME_START}{SENSITIVE_NAMES}["'],\s{{0,3}}b?["'](?:[^"'\\]|\\.)*+["']\) )
    | (?P<bearer> (?<![a-z])(?:bearer|basic)\s{{1,3}}(?=[\w.~+/-]{{0,80}}[\d+/=._-])[\w.~+/-]{{8,}}=* )
    | (?P<login> (?<=://)[^\s/@:]{{0,256}}:[^\s/@]{{1,256}}(?=@) )
    | (?P<email> (?<![\w.+-])[\w.+-]{{1,64}}@[a-z0-9-]{{1,63}}(?:\.[a-z0-9-]{{1,63}}){{0,8}}\.[a-z]{{2,24}} )
    | (?P<ipv4> (?<![\w.])\d{{1,3}}(?:\.\d{{1,3}}){{3}}(?!\w|\.\d) )
    | (?P<ipv6> (?<![\w:.])(?=[0-9a-f]{{0,4}}:)[0-9a-f:]{{2,39}}(?![\w:]) )
    """,
    re.IGNORECASE | re.DOTALL | re.ASCII | re.VERBOSE,
)
RUNS = re.compile(
    rf"""
      (?<![a-z])(?P<order_name> (?:{ORDER_NAMES}){SEPARATOR} )(?P<order_id> [\w-]{{1,64}} )(?![\w+/-])
    | (?<![a-z])(?P<hash> (?:{HASH_NAMES})(?:{SEPARATOR}|\s)[0-9a-f]{{8,64}} )(?![\w+/-])
    | (?P<run> (?<![\w+/-])[\w+/-]{{{RUN_CHARS_MIN},}}={{0,2}} )
    """,
    re.IGNORECASE | re.ASCII | re.VERBOSE,
)
SENSITIVE_NAME = re.compile(rf"(?:.*?{NAME_START})?{SENSITIVE_NAMES}", re.IGNORECASE | re.ASCII | re.DOTALL)
PLAIN = re.compile(r"\w*", re.ASCII)
OPENING = re.compile(rf"b?({QUOTE})")
JSON_WORDS = ("null", "true", "false")
ORDER_NAME = re.compile(ORDER_NAMES, re.IGNORECASE)
HASH_NAME = re.compile(rf"(?:.*_)?(?:{HASH_NAMES})", re.IGNORECASE)
HASH = re.compile(r"[0-9a-f]{8,64}")
# A piece of a path or an identifier: one word with its number, words in CamelCase, a number, a date.
WORD = re.compile(
    r"(?:[a-z]{1,19}|[A-Z]{1,19}|[a-z]{0,19}(?:[A-Z][a-z]{2,18}){1,8})\d{0,6}|\d{1,19}|\d{1,8}[A-Z]{1,5}\d{0,6}Z?"
)
PIECES = re.compile(r"[/+_=-]+")

known_pattern: re.Pattern[str] | None = None
known_texts: frozenset[str] = frozenset()


def remember(value: str) -> None:
    """Take a value into the known ones, for as long as the process lives."""
    global known_pattern, known_texts
    if len(value) < KNOWN_CHARS_MIN:
        return
    forms = {value, value.strip(), repr(value)[1:-1], escape_json(value), quote(value, errors="replace")}
    forms.add(quote(value, safe="", errors="replace"))
    forms |= {line for line in value.splitlines() if len(line) >= RUN_CHARS_MIN}
    if not forms <= known_texts:
        known_texts |= {form for form in forms if len(form) >= KNOWN_CHARS_MIN}
        longest_first = sorted(known_texts, key=lambda text: (-len(text), text))
        known_pattern = re.compile("|".join(map(re.escape, longest_first)))


def escape_json(value: str) -> str:
    """Return a value as it stands between the quotes of a JSON string."""
    import json

    return json.dumps(value)[1:-1]


def redact_known(text: str) -> str:
    """Return a text without the known values, for what a user must be able to read to the letter otherwise."""
    return text if known_pattern is None else known_pattern.sub(REDACTED, text)


def redact(text: str, audience: Audience = Audience.OPERATOR) -> str:
    """Return a text without anything that looks like a credential or a person's data."""

    def replace_run(match: re.Match[str]) -> str:
        if match.lastgroup == "order_id":
            name = match["order_name"]
            hidden = f'"{REDACTED}"' if '"' in name and name[-1] not in "\"'" else REDACTED  # a number becomes a text
            return name + (hidden if audience is Audience.OUTSIDER else match["order_id"])
        return REDACTED if match.lastgroup == "run" and is_random(match.group()) else match.group()

    text = redact_known(text)
    if len(text) < RUN_CHARS_MIN and PLAIN.fullmatch(text):
        return text  # most fields of a log line: a symbol, a reason, a number
    return RUNS.sub(replace_run, STRUCTURES.sub(replace_structure, text))


def replace_structure(match: re.Match[str]) -> str:
    """Return what stands for one thing that its own form gives away."""
    if match.lastgroup == "value":
        is_quoted = match["quoted"] is not None
        is_word = is_quoted and match["value"] in JSON_WORDS
        return match.group() if is_word else match["name"] + redact_value(match["value"], is_quoted)
    if match.lastgroup == "header":
        return match["header_name"] + REDACTED
    if match.lastgroup in ("ipv4", "ipv6") and not is_public_address(match.group()):
        return match.group()
    return REDACTED


def redact_value(value: str, is_name_quoted: bool) -> str:
    """Return `****` in the quotes that a value has, or as JSON needs them, so that JSON stays JSON."""
    opening = OPENING.match(value)
    if opening is None:
        return f'"{REDACTED}"' if is_name_quoted else REDACTED
    closing = opening.group(1)
    is_closed = value.endswith(closing) and len(value) > opening.end()
    return f"{opening.group()}{REDACTED}{closing if is_closed else ''}"


def redact_fields(value: Any, audience: Audience = Audience.OPERATOR, name: str = "", depth: int = 0) -> Any:
    """Return a value that JSON has, redacted; what stands under a sensitive name goes whole.

    Units: integers beyond 64 bits, decimals and objects become text.
    """
    if value is None or isinstance(value, bool):
        return value
    if name and SENSITIVE_NAME.fullmatch(name):
        return REDACTED
    if type(value) is float or (type(value) is int and -(1 << 63) <= value < 1 << 63):
        return REDACTED if audience is Audience.OUTSIDER and ORDER_NAME.fullmatch(name) else value
    if depth >= DEPTH_MAX:
        return REDACTED
    if isinstance(value, Mapping):
        pairs = ((to_text(key), one) for key, one in value.items())
        return {redact(key, audience): redact_fields(one, audience, key, depth + 1) for key, one in pairs}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact_fields(one, audience, name, depth + 1) for one in value]
    return redact_named(name, to_text(value), audience)


def redact_named(name: str, text: str, audience: Audience) -> str:
    """Return the text of one named field, redacted by what its name promises."""
    if ORDER_NAME.fullmatch(name):
        return REDACTED if audience is Audience.OUTSIDER else redact_known(text)
    if HASH_NAME.fullmatch(name) and HASH.fullmatch(text):
        return redact_known(text)
    return redact(text, audience)


def to_text(value: Any) -> str:
    """Return a value's text; a value that cannot say what it is, is named by its type."""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "backslashreplace")
    try:
        return str(value)
    except Exception:
        return f"<{type(value).__name__}>"


def is_public_address(text: str) -> bool:
    """Tell whether a text is an IP address that others can reach."""
    try:
        return ipaddress.ip_address(text).is_global
    except ValueError:
        return False


def is_random(run: str) -> bool:
    """Tell whether a run of base64 characters is something else than words, numbers and separators."""
    return sum(len(piece) for piece in PIECES.split(run) if not WORD.fullmatch(piece)) >= ODD_CHARS_MIN
