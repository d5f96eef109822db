"""A value that shows itself to nobody who does not ask for it by name; must never be a str, a dataclass or a number.

Those would be printed, serialised or copied by code that does not know what it holds: orjson writes dataclasses and
subclasses of str, f-strings call `__format__`, a debugger's locals call `__repr__`.
"""

import hmac
from contextlib import suppress
from typing import NoReturn

from mmfold.adapters.redact import remember
from mmfold.adapters.secrets.errors import SecretError

MASK = "***"
MASK_HEAD_CHARS = 3
MASK_ALL_CHARS = 6  # a value of up to so many characters shows none of them
VALUE_BYTES_MAX = 65_536  # AWS Secrets Manager's own limit


def mask(value: str) -> str:
    """Return what may be shown of a value (spec/control.md 25)."""
    return MASK if len(value) <= MASK_ALL_CHARS else f"{value[:MASK_HEAD_CHARS]}...{MASK}"


def decode_value(data: bytes) -> str:
    """Return the text of a value as a file or a pipe has it.

    Raises: SecretError for what is no UTF-8: a replaced character would be a wrong value.
    """
    with suppress(UnicodeDecodeError):  # raised from in there, ours would carry the bytes along
        return data.decode()
    raise SecretError("the value is no UTF-8", "save it as plain text")


class Secret:
    """A value that is masked in every text; making one tells the redactor of it."""

    __slots__ = ("__value", "__weakref__")

    def __init__(self, value: str) -> None:
        """Take the value without the line end that files and pipes add.

        Raises: SecretError for an empty value, a control character or more than VALUE_BYTES_MAX.
        """
        value = value.rstrip("\r\n")
        if not value.strip():
            raise SecretError("the value is empty")
        if any(not one.isprintable() and one not in "\r\n\t" for one in value):
            raise SecretError("the value holds a control character", "was it pasted with something else?")
        if len(value.encode("utf-8", "surrogatepass")) > VALUE_BYTES_MAX:
            raise SecretError(f"the value is longer than {VALUE_BYTES_MAX:,} bytes")
        remember(value)
        self.__value = value

    def reveal(self) -> str:
        """Return the value itself: only where it is sent or stored, never to be kept."""
        return self.__value

    def is_same(self, other: "Secret") -> bool:
        """Compare two values in a time that says nothing about them."""
        return hmac.compare_digest(self.__value.encode(), other.__value.encode())

    def __repr__(self) -> str:
        return f"Secret({mask(self.__value)})"

    def __str__(self) -> str:
        return mask(self.__value)

    def __format__(self, spec: str) -> str:
        return format(mask(self.__value), spec)

    def __copy__(self) -> "Secret":
        return self

    def __deepcopy__(self, memo: object) -> "Secret":
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret does not leave its process: pass the key and fetch it there")
