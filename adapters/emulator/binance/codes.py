"""The venue's error codes and the error that carries one; must never leak a traceback to a client.

Source: Binance USD-M futures docs, "Error Codes" (read 2026-11-30).
"""

from enum import IntEnum


class Code(IntEnum):
    """`code` of an answer."""

    FAILED = -1001
    TOO_MANY = -1003
    MISSING = -1102
    NO_DEPTH = -1112
    INTERVAL = -1120
    SYMBOL = -1121
    PARAMETER = -1130
    PATH = -5000


STATUSES = {Code.FAILED: 500, Code.TOO_MANY: 429, Code.PATH: 404}
BAD_REQUEST = 400


class RefusedRequest(Exception):
    """A request that the venue refuses: its code, its text and the HTTP status."""

    def __init__(self, code: Code, message: str) -> None:
        self.code, self.message = code, message
        self.http_status = STATUSES.get(code, BAD_REQUEST)
        super().__init__(f"{int(code)} {message}")


def missing(name: str) -> RefusedRequest:
    """Return the refusal of a request without a parameter."""
    return RefusedRequest(Code.MISSING, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def not_valid(name: str) -> RefusedRequest:
    """Return the refusal of a parameter's value."""
    return RefusedRequest(Code.PARAMETER, f"Data sent for parameter '{name}' is not valid.")
