"""What Binance's error codes and HTTP statuses mean for a question about the market; must never call an outcome known
that is not.

Source: Binance USD-M futures docs, "Error Codes" and "General Info", read 2026-11-30; the meanings are in our words.
"""

from typing import NamedTuple

from mmfold.adapters.venues.port import Verdict

HTTP_OK = 200
HTTP_BAD_REQUEST, HTTP_FORBIDDEN, HTTP_TIMEOUT, HTTP_BANNED, HTTP_TOO_MANY, HTTP_SERVER_ERROR = (
    400, 403, 408, 418, 429, 500,
)  # fmt: skip
LIMITED_STATUSES = {
    HTTP_FORBIDDEN: "the venue's firewall stops this address",
    HTTP_BANNED: "the address is banned for a while: it went on asking after too many requests",
    HTTP_TOO_MANY: "too many requests of this address",
}


class Code(NamedTuple):
    """One code of the venue."""

    verdict: Verdict
    meaning: str


REFUSED, LIMITED, FAILED = Verdict.REFUSED, Verdict.RATE_LIMITED, Verdict.SERVER_ERROR
CODES: dict[int, Code] = {
    -1000: Code(Verdict.UNKNOWN, "an error that the venue does not explain"),
    -1001: Code(FAILED, "internal error of the venue"),
    -1002: Code(REFUSED, "not authorized for this"),
    -1003: Code(LIMITED, "too many requests of this address"),
    -1004: Code(LIMITED, "the venue is busy"),
    -1006: Code(Verdict.UNKNOWN, "an answer of the venue's backend that it did not expect"),
    -1007: Code(Verdict.UNKNOWN, "timeout of the venue's backend"),
    -1008: Code(LIMITED, "the venue's own protection against load"),
    -1011: Code(REFUSED, "this address may not ask this"),
    -1014: Code(REFUSED, "parameters that do not go together"),
    -1015: Code(LIMITED, "too many orders"),
    -1016: Code(FAILED, "this service is no longer there"),
    -1020: Code(REFUSED, "the operation is not supported"),
    -1021: Code(REFUSED, "the request's time is outside of the receive window: check the clock"),
    -1022: Code(REFUSED, "the signature is wrong"),
    -1023: Code(REFUSED, "the start is after the end"),
    -1100: Code(REFUSED, "a parameter has characters that are not allowed"),
    -1101: Code(REFUSED, "too many parameters"),
    -1102: Code(REFUSED, "a parameter is missing or malformed"),
    -1103: Code(REFUSED, "a parameter that the venue does not know"),
    -1104: Code(REFUSED, "parameters that nothing read"),
    -1105: Code(REFUSED, "a parameter is empty"),
    -1106: Code(REFUSED, "a parameter that is not wanted here"),
    -1111: Code(REFUSED, "more decimal places than the instrument has"),
    -1112: Code(REFUSED, "the book is empty"),
    -1120: Code(REFUSED, "no such interval"),
    -1121: Code(REFUSED, "no such symbol"),
    -1122: Code(REFUSED, "the symbol does not trade"),
    -1125: Code(REFUSED, "the listen key does not exist"),
    -1127: Code(REFUSED, "more time than may be asked for at once"),
    -1128: Code(REFUSED, "optional parameters that do not go together"),
    -1130: Code(REFUSED, "the value of a parameter is not valid"),
    -5000: Code(REFUSED, "no such path or method"),
}  # fmt: skip


def judge(code: int, status: int = HTTP_OK) -> Code:
    """Return what a code says of the request; what the HTTP status says where the code is not known or it bans us.

    A code that is not in the table, under status 200, is a refusal: the venue understood the request and said no.
    """
    if status in LIMITED_STATUSES or (status != HTTP_OK and code not in CODES):
        return judge_status(status)
    return CODES.get(code, Code(REFUSED, "a code that this build does not know"))


def judge_status(status: int) -> Code:
    """Return what an HTTP status alone says of the request."""
    if status in LIMITED_STATUSES:
        return Code(LIMITED, LIMITED_STATUSES[status])
    is_refusal = HTTP_BAD_REQUEST <= status < HTTP_SERVER_ERROR and status != HTTP_TIMEOUT
    return Code(REFUSED, "the venue refuses it") if is_refusal else Code(FAILED, "the venue failed")
