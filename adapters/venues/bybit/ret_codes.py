"""What the venue's return codes mean for a request of ours; must never call an outcome known that is not.

A code that is not in the table is a refusal: the venue understood the request and said no. Where the venue itself does
not know, or where the order may exist all the same, the outcome is UNKNOWN, and only the venue's word ends that.
Source: Bybit v5 docs, "Error Codes" (tables UTA, Spot Trade and WS OE General); the meanings are in our words.
"""

from typing import NamedTuple

from mmfold.adapters.venues.ledger import EndReason
from mmfold.adapters.venues.port import Verdict

HTTP_OK = 200
HTTP_BAD_REQUEST = 400
HTTP_FORBIDDEN = 403
HTTP_TIMEOUT = 408
HTTP_TOO_MANY = 429
HTTP_SERVER_ERROR = 500
TIME_WINDOW = 10002


class RetCode(NamedTuple):
    """One code of the venue."""

    verdict: Verdict
    meaning: str


REFUSED, GONE, LIMITED = Verdict.REFUSED, Verdict.GONE, Verdict.RATE_LIMITED
RET_CODES: dict[int, RetCode] = {
    0: RetCode(Verdict.DONE, "OK"),
    429: RetCode(LIMITED, "the trading service is under high load"),
    10000: RetCode(Verdict.UNKNOWN, "server timeout"),
    10001: RetCode(REFUSED, "a parameter is wrong"),
    TIME_WINDOW: RetCode(REFUSED, "the request's time is outside of the receive window: check the clock"),
    10003: RetCode(REFUSED, "the API key is not valid here"),
    10004: RetCode(REFUSED, "the signature is wrong"),
    10005: RetCode(REFUSED, "the API key has no permission for this"),
    10006: RetCode(LIMITED, "too many requests of this account"),
    10009: RetCode(REFUSED, "the address is banned"),
    10010: RetCode(REFUSED, "the address is not bound to the API key"),
    10014: RetCode(Verdict.UNKNOWN, "a duplicate of an earlier request"),
    10016: RetCode(Verdict.SERVER_ERROR, "internal server error or a restart of the service"),
    10018: RetCode(LIMITED, "too many requests of this address"),
    10019: RetCode(LIMITED, "the order service restarts and takes no new request: connect again"),
    10404: RetCode(REFUSED, "unknown operation or category"),
    10429: RetCode(LIMITED, "system level frequency protection"),
    20003: RetCode(LIMITED, "too many requests of this session"),
    20006: RetCode(REFUSED, "the request id was used before"),
    33004: RetCode(REFUSED, "the API key has expired"),
    40004: RetCode(Verdict.UNKNOWN, "the order changed while it was being replaced"),
    110001: RetCode(GONE, "the order does not exist"),
    110003: RetCode(REFUSED, "the price is out of the permitted range"),
    110004: RetCode(REFUSED, "the wallet balance is insufficient"),
    110005: RetCode(REFUSED, "the position's status does not permit this"),
    110006: RetCode(REFUSED, "the position's margin cannot be afforded"),
    110007: RetCode(REFUSED, "the available balance is insufficient"),
    110008: RetCode(GONE, "the order is finished or cancelled"),
    110009: RetCode(REFUSED, "too many stop orders"),
    110010: RetCode(GONE, "the order is cancelled already"),
    110012: RetCode(REFUSED, "the available balance is insufficient"),
    110017: RetCode(REFUSED, "the reduce-only rule is not met"),
    110020: RetCode(REFUSED, "too many active orders"),
    110021: RetCode(REFUSED, "the open interest limit is reached"),
    110022: RetCode(REFUSED, "the size is limited and cannot grow"),
    110023: RetCode(REFUSED, "the contract only takes orders that reduce the position"),
    110030: RetCode(Verdict.UNKNOWN, "the order id was used before"),
    110032: RetCode(REFUSED, "illegal order"),
    110072: RetCode(Verdict.UNKNOWN, "the order link id was used before"),
    110079: RetCode(REFUSED, "the order is being processed and cannot be changed now"),
    110094: RetCode(REFUSED, "the order's value is below the minimum"),
    170007: RetCode(Verdict.UNKNOWN, "timeout of the venue's backend"),
    170131: RetCode(REFUSED, "the balance is insufficient"),
    170136: RetCode(REFUSED, "the size is below the minimum"),
    170139: RetCode(GONE, "the order is filled"),
    170140: RetCode(REFUSED, "the order's value is below the minimum"),
    170141: RetCode(Verdict.UNKNOWN, "the order link id was used before"),
    170142: RetCode(GONE, "the order is cancelled"),
    170143: RetCode(GONE, "the order is not in the book"),
    170146: RetCode(Verdict.UNKNOWN, "the order's creation timed out"),
    170147: RetCode(Verdict.UNKNOWN, "the order's cancellation timed out"),
    170190: RetCode(GONE, "the order's cancellation is finished"),
    170210: RetCode(REFUSED, "the new order was rejected"),
    170213: RetCode(GONE, "the order does not exist"),
    170218: RetCode(REFUSED, "a post-only order's price would take"),
    170222: RetCode(LIMITED, "too many requests in this time"),
}


# What a person does about a refusal of keys.
HINT_BY_CODE = {
    TIME_WINDOW: "set this machine's clock (timedatectl set-ntp true)",
    10003: "the key is of another environment or was deleted: check EXCHANGE_ENV, or mm secrets rotate bybit api_key",
    10004: "api_secret does not belong to api_key: mm secrets rotate bybit api_secret",
    10005: "give the key the rights to read and trade contracts at the venue",
    10009: "this address is banned at the venue: ask its support",
    10010: "add this machine's address to those of the key at the venue",
    33004: "make a new key at the venue, then mm secrets rotate bybit api_key and api_secret",
}


def judge(code: int) -> Verdict:
    """Return what a return code says of the request."""
    return RET_CODES[code].verdict if code in RET_CODES else Verdict.REFUSED


def judge_http(status: int) -> Verdict | None:
    """Return what an HTTP status alone says of the request, or None where its body does.

    Source: Bybit v5 docs, "Error Codes": 403 is an IP rate limit (or a wrong request, which took nothing either).
    """
    if status in (HTTP_FORBIDDEN, HTTP_TOO_MANY):
        return Verdict.RATE_LIMITED
    if status == HTTP_OK:
        return None
    is_refusal = HTTP_BAD_REQUEST <= status < HTTP_SERVER_ERROR and status != HTTP_TIMEOUT
    return Verdict.REFUSED if is_refusal else Verdict.SERVER_ERROR


def meaning_of(code: int) -> str:
    """Return a return code's meaning in words."""
    return RET_CODES[code].meaning if code in RET_CODES else "a code that this build does not know"


END_REASONS = {
    "CancelByUser": EndReason.USER,
    "CancelByReduceOnly": EndReason.REDUCE_ONLY,
    "CancelByPrepareLiq": EndReason.LIQUIDATION,
    "CancelAllBeforeLiq": EndReason.LIQUIDATION,
    "CancelByPrepareAdl": EndReason.ADL,
    "CancelAllBeforeAdl": EndReason.ADL,
    "CancelByAdmin": EndReason.ADMIN,
    "CancelBySettle": EndReason.SETTLE,
    "CancelBySmp": EndReason.SELF_MATCH,
    "CancelByDCP": EndReason.DISCONNECT,
    "EC_PerCancelRequest": EndReason.USER,
    "EC_BySelfMatch": EndReason.SELF_MATCH,
    "EC_PostOnlyWillTakeLiquidity": EndReason.WOULD_TAKE,
    "EC_NoImmediateQtyToFill": EndReason.NOTHING_TO_FILL,
    "EC_CancelForNoFullFill": EndReason.NOTHING_TO_FILL,
    "EC_NoEnoughQtyToFill": EndReason.NOTHING_TO_FILL,
}
# The venue ended the order by its own terms, nobody cancelled it: EXPIRED.
EXPIRES = (EndReason.WOULD_TAKE, EndReason.NOTHING_TO_FILL)
SAID_NOTHING = ("", "UNKNOWN", "EC_NoError")


def end_reason(cancel_type: object, reject_reason: object) -> EndReason:
    """Return why an order ended; the reject reason is the more exact of the two where it says something."""
    for text in (reject_reason, cancel_type):
        if isinstance(text, str) and text not in SAID_NOTHING:
            return END_REASONS.get(text, EndReason.OTHER)
    return EndReason.NONE
