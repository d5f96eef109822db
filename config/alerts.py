"""What `alerts.*` may hold as text: the words of a program, where a secret stands, a URL; must never read a secret."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, StrictStr
from pydantic_core import PydanticCustomError

WORD_COUNT_MAX = 64
TEXT_CHARS_MAX = 4_096
ENVIRONMENT, FILE = "env:", "file:"  # what stands before the name of a variable, the path of a file
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
LOOPBACK = ("localhost", "127.0.0.1", "::1")
ELSEWHERE = "keep it in a file or a variable: env:NAME or file:PATH"


def refuse(text: str) -> PydanticCustomError:
    """Return the error of a value that cannot be; it does not show the value, which may be a secret."""
    return PydanticCustomError("cfg_invariant", "{text}", {"text": text})


def check_words(words: tuple[str, ...]) -> tuple[str, ...]:
    """Check the words of a program; none is no program.

    Raises: PydanticCustomError.
    """
    if len(words) > WORD_COUNT_MAX or any(len(word) > TEXT_CHARS_MAX for word in words):
        raise refuse(f"more than {WORD_COUNT_MAX} words, or one of more than {TEXT_CHARS_MAX:,} characters")
    if words and not words[0]:
        raise refuse("the program's name is empty")
    if any("\0" in word for word in words):
        raise refuse("a word holds a zero byte")
    return words


def check_place(text: str) -> str:
    """Check the name of a place that holds a secret: `env:NAME` or `file:PATH`.

    Raises: PydanticCustomError.
    """
    name = text.removeprefix(ENVIRONMENT)
    is_variable = text.startswith(ENVIRONMENT) and VARIABLE.fullmatch(name) is not None
    is_file = text.startswith(FILE) and 0 < len(text) - len(FILE) <= TEXT_CHARS_MAX and "\0" not in text
    if not is_variable and not is_file:
        raise refuse(f"is neither env:NAME nor file:PATH: {ELSEWHERE}")
    return text


def check_webhook(text: str) -> str:
    """Check `env:NAME`, `file:PATH`, or a URL that holds no secret.

    Raises: PydanticCustomError.
    """
    if text.startswith((ENVIRONMENT, FILE)):
        return check_place(text)
    fault = url_fault(text)
    if fault:
        raise refuse(fault)
    address = urlsplit(text)
    if address.username is not None or address.password is not None or address.query or address.fragment:
        raise refuse(f"a login, a query or a fragment of a URL may be a secret: {ELSEWHERE}")
    return text


def url_fault(text: str) -> str:
    """Return what keeps a URL from being posted to, empty if nothing does; the URL is not told."""
    try:
        address = urlsplit(text)
        host, _ = address.hostname, address.port
    except ValueError:
        return "is no URL"
    if not host or len(text) > TEXT_CHARS_MAX or not text.isascii() or not text.isprintable() or " " in text:
        return "is no URL, such as https://hooks.example.com/alerts"
    if address.scheme == "https" or (address.scheme == "http" and host in LOOPBACK):
        return ""
    return "is neither https nor http on this machine"


Words = Annotated[tuple[StrictStr, ...], AfterValidator(check_words)]
Place = Annotated[StrictStr, AfterValidator(check_place)]
Webhook = Annotated[StrictStr, AfterValidator(check_webhook)]
