"""Binance USD-M REST requests about the market and their answers; must never guess what an answer leaves out.

Source: Binance USD-M futures docs, market data REST pages of each path, read 2026-11-30.
"""

from typing import Any
from urllib.parse import urlencode

import orjson

from mmfold.adapters.importers.grid import read_integer
from mmfold.adapters.importers.outcome import RefusedError
from mmfold.adapters.importers.rows import TS_MS_MAX
from mmfold.adapters.importers.table import check_grids
from mmfold.adapters.venues.binance.codes import HTTP_OK, judge, judge_status
from mmfold.adapters.venues.binance.exchange_info import read_exchange_info
from mmfold.adapters.venues.port import MalformedFrame, RestRequest, VenueError
from mmfold.engine.limits import NS_PER_MS
from mmfold.engine.manifest import Instrument
from mmfold.journal.jsonl.decimals import FieldError

MARKET = "usdm"
TRADING = "TRADING"
ANSWER_BYTES_MAX = 16 << 20  # the list of all instruments is over 1 MB
DEPTH = 1_000  # levels a side of a snapshot, the most that there are
TEXT_CHARS_MAX = 200


def request_time() -> RestRequest:
    """Return the request for the venue's clock."""
    return RestRequest("GET", "/fapi/v1/time")


def request_instruments() -> RestRequest:
    """Return the request for the list of instruments, which comes whole."""
    return RestRequest("GET", "/fapi/v1/exchangeInfo")


def request_depth(symbol: str) -> RestRequest:
    """Return the request for a book snapshot."""
    return RestRequest("GET", "/fapi/v1/depth", urlencode({"symbol": symbol, "limit": DEPTH}))


def read_answer(body: bytes, status: int) -> dict[str, Any]:
    """Return the object that an answer is.

    Raises: VenueError where the venue said no, MalformedFrame.
    """
    if len(body) > ANSWER_BYTES_MAX:
        raise MalformedFrame(f"{len(body):,} bytes, at most {ANSWER_BYTES_MAX:,}", body)
    try:
        answer, reason = orjson.loads(body), "not a JSON object"
    except orjson.JSONDecodeError as error:
        answer, reason = None, f"not JSON: {error}"
    code = answer.get("code") if isinstance(answer, dict) else None
    if type(code) is int:
        raise VenueError(code, str(answer["msg"])[:TEXT_CHARS_MAX] if "msg" in answer else "", *judge(code, status))
    if status != HTTP_OK:
        raise VenueError(status, "HTTP status", *judge_status(status))
    if not isinstance(answer, dict):
        raise MalformedFrame(reason, body)
    return answer


def parse_time(body: bytes, status: int) -> int:
    """Return the venue's clock.

    Units: ns UTC. Raises: VenueError, MalformedFrame.
    """
    try:
        return read_integer(read_answer(body, status), "serverTime", TS_MS_MAX) * NS_PER_MS
    except RefusedError as error:
        raise MalformedFrame(str(error), body) from error


def parse_instruments(body: bytes, status: int, odd: dict[str, str] | None = None) -> list[Instrument]:
    """Return the instruments that trade; a row that cannot be taken hides no other: why goes into `odd`.

    Raises: VenueError; MalformedFrame, also when no row can be taken.
    """
    rows = read_answer(body, status).get("symbols")
    if not isinstance(rows, list):
        raise MalformedFrame('"symbols" is missing or not a list', body)
    found: dict[str, Instrument] = {}
    left_out: dict[str, str] = {} if odd is None else odd
    for row in rows:
        if isinstance(row, dict) and row.get("status") != TRADING:
            continue
        try:
            instrument = read_exchange_info(row, MARKET)
            check_grids(instrument)
        except (RefusedError, FieldError) as error:
            left_out[ascii(row.get("symbol") if isinstance(row, dict) else row)[:TEXT_CHARS_MAX]] = str(error)
            continue
        found.setdefault(instrument.symbol, instrument)
    if left_out and not found:
        raise MalformedFrame(next(reversed(left_out.values())), body)
    return list(found.values())
