"""The venue's REST face: paths, errors, and the weight that an address has used in a minute; must never trade.

Source: Binance USD-M futures docs, "General Info", "Error Codes" (read 2026-11-30).
"""

import orjson
from aiohttp import web

from mmfold.adapters.emulator.binance.codes import Code, RefusedRequest
from mmfold.adapters.emulator.binance.queries import QUERIES, weight_of
from mmfold.adapters.emulator.binance.venue import BinanceFeed
from mmfold.adapters.emulator.market.faults import Fault, FaultRule
from mmfold.adapters.emulator.serving.rest_face import RestFace

PREFIX = "/fapi/v1/"
MINUTE_MS = 60_000
ADDRESS_COUNT_MAX = 10_000


class Weights:
    """What each address has used of its minute, by the clock that never goes back."""

    def __init__(self) -> None:
        self.minute = 0
        self.used: dict[str, int] = {}

    def spend(self, address: str, weight: int, pace_ms: int) -> int:
        """Count a question and return what the address has used."""
        if pace_ms // MINUTE_MS != self.minute or len(self.used) >= ADDRESS_COUNT_MAX:
            self.minute = pace_ms // MINUTE_MS
            self.used.clear()
        self.used[address] = self.used.get(address, 0) + weight
        return self.used[address]


class BinanceRest(RestFace):
    """Answers REST requests for one venue."""

    def __init__(self, venue: BinanceFeed) -> None:
        super().__init__(venue)
        self.venue = venue
        self.weights = Weights()

    async def answer(self, request: web.Request, fault: FaultRule | None) -> web.Response:
        """Carry out one request and return its answer."""
        params = dict(request.query)
        name = request.path.removeprefix(PREFIX) if request.path.startswith(PREFIX) else ""
        pace_ms = self.venue.clock.now().pace_ns // 1_000_000
        used = self.weights.spend(request.remote or "", weight_of(name, params), pace_ms)
        headers, status = {"X-MBX-USED-WEIGHT-1M": str(used)}, 200
        try:
            if used > self.venue.limits.weight_per_minute or (fault is not None and fault.fault == Fault.RATE_LIMITED):
                headers["Retry-After"] = str(1 + (MINUTE_MS - pace_ms % MINUTE_MS) // 1_000)
                limit = f"current limit is {self.venue.limits.weight_per_minute} requests per minute"
                raise RefusedRequest(Code.TOO_MANY, f"Too many requests; {limit}.")
            if fault is not None and fault.fault == Fault.SERVER_ERROR:
                raise RefusedRequest(Code.FAILED, "Internal error; unable to process your request. Please try again.")
            if request.method != "GET" or name not in QUERIES:
                raise RefusedRequest(Code.PATH, f"Path {request.path}, Method {request.method} is invalid")
            document = QUERIES[name](self.venue, params)
        except RefusedRequest as error:
            document, status = {"code": int(error.code), "msg": error.message}, error.http_status
        return web.Response(
            status=status, body=orjson.dumps(document), headers=headers, content_type="application/json"
        )
