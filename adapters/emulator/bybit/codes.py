"""The venue's return codes and the error that carries one; must never leak a traceback to a client.

Source: Bybit v5 error code page (read 2026-11-20); texts that the page does not give are the venue's observed ones.
"""

from enum import IntEnum

from mmfold.replay.venue.records import RejectCode


class VenueCode(IntEnum):
    """`retCode` of an answer."""

    OK = 0
    PARAMETER = 10001
    TIME_WINDOW = 10002
    API_KEY = 10003
    SIGNATURE = 10004
    PERMISSION = 10005
    RATE_LIMIT = 10006
    SERVER = 10016
    ROUTE = 10017
    OP_UNKNOWN = 10404
    SYSTEM_PROTECTION = 10429
    AUTH_REPEATED = 20001
    REQUEST_ID_DUPLICATE = 20006
    ORDER_UNKNOWN = 110001
    PRICE_RANGE = 110003
    MARGIN = 110007
    REDUCE_ONLY = 110017
    ORDER_COUNT = 110020
    HELD = 110024
    POSITION_MODE_SAME = 110025
    ORDERED = 110028
    LEVERAGE_SAME = 110043
    QTY_FILLED = 110064
    LINK_ID_DUPLICATE = 110072
    NO_BOOK = 110066
    NOTIONAL = 110094


TOO_LATE_TO_CANCEL = "order not exists or too late to cancel"
TOO_LATE_TO_REPLACE = "order not exists or too late to replace"
MESSAGES = {
    VenueCode.OK: "OK",
    VenueCode.PARAMETER: "Request parameter error.",
    VenueCode.TIME_WINDOW: "invalid request, please check your server timestamp or recv_window param",
    VenueCode.API_KEY: "API key is invalid.",
    VenueCode.SIGNATURE: "error sign! please check your signature generation algorithm",
    VenueCode.PERMISSION: "Permission denied, please check your API key permissions.",
    VenueCode.RATE_LIMIT: "Too many visits. Exceeded the API Rate Limit.",
    VenueCode.SERVER: "Server error.",
    VenueCode.ROUTE: "Route not found.",
    VenueCode.OP_UNKNOWN: "op type is not found",
    VenueCode.SYSTEM_PROTECTION: "System level frequency protection",
    VenueCode.AUTH_REPEATED: "Repeat auth",
    VenueCode.REQUEST_ID_DUPLICATE: "reqId is duplicated",
    VenueCode.ORDER_UNKNOWN: TOO_LATE_TO_CANCEL,
    VenueCode.PRICE_RANGE: "Order price is out of permissible range",
    VenueCode.MARGIN: "ab not enough for new order",
    VenueCode.REDUCE_ONLY: "current position is zero, cannot fix reduce-only order qty",
    VenueCode.ORDER_COUNT: "Too many active orders",
    VenueCode.HELD: "You have an existing position, so position mode cannot be switched",
    VenueCode.POSITION_MODE_SAME: "Position mode is not modified",
    VenueCode.ORDERED: "You have an existing order, so position mode cannot be switched",
    VenueCode.LEVERAGE_SAME: "leverage not modified",
    VenueCode.QTY_FILLED: "The number of contracts modified cannot be less than or equal to the filled quantity",
    VenueCode.LINK_ID_DUPLICATE: "OrderLinkedID is duplicate",
    VenueCode.NO_BOOK: "No trading is allowed at the current time",
    VenueCode.NOTIONAL: "Order does not meet minimum order value",
}
assert set(MESSAGES) == set(VenueCode)
RET_CODES = {
    RejectCode.DUPLICATE: VenueCode.LINK_ID_DUPLICATE,
    RejectCode.UNKNOWN_ORDER: VenueCode.ORDER_UNKNOWN,
    RejectCode.BOOK_INVALID: VenueCode.NO_BOOK,
    RejectCode.PRICE: VenueCode.PRICE_RANGE,
    RejectCode.MIN_QTY: VenueCode.PARAMETER,
    RejectCode.MIN_NOTIONAL: VenueCode.NOTIONAL,
    RejectCode.REDUCE_ONLY: VenueCode.REDUCE_ONLY,
    RejectCode.WOULD_TAKE: VenueCode.PARAMETER,
    RejectCode.MARGIN: VenueCode.MARGIN,
    RejectCode.NOTHING_LEFT: VenueCode.QTY_FILLED,
}


def code_of(refusal: RejectCode) -> VenueCode:
    """Return the venue's code of what the desk refuses."""
    return RET_CODES.get(refusal, VenueCode.PARAMETER)


class VenueError(Exception):
    """A request that the venue refuses: its code, its text and the HTTP status of a REST answer."""

    def __init__(self, code: VenueCode, message: str = "", http_status: int = 200) -> None:
        self.code = code
        self.message = message or MESSAGES[code]
        self.http_status = http_status
        super().__init__(f"{int(code)} {self.message}")
