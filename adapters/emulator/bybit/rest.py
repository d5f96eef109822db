"""The venue's REST face: envelope, signatures, budgets and faults around queries and order entry; must never trade.

Source: Bybit v5 integration guidance, rate limit and error pages (read 2026-11-20).
"""

import asyncio
from typing import Any
from urllib.parse import unquote

import orjson
from aiohttp import web

from mmfold.adapters.emulator.bybit.account import Account
from mmfold.adapters.emulator.bybit.budget import Allowance
from mmfold.adapters.emulator.bybit.codes import MESSAGES, VenueCode, VenueError
from mmfold.adapters.emulator.bybit.histories import PRIVATE_HISTORIES, PUBLIC_HISTORIES
from mmfold.adapters.emulator.bybit.keys import RECV_WINDOW_MS_DEFAULT, check_signature, check_window
from mmfold.adapters.emulator.bybit.orders import Params
from mmfold.adapters.emulator.bybit.payloads import make_uuid
from mmfold.adapters.emulator.bybit.queries import PRIVATE_QUERIES, PUBLIC_QUERIES
from mmfold.adapters.emulator.bybit.trading import OPERATIONS, operate, weight
from mmfold.adapters.emulator.bybit.venue import Venue
from mmfold.adapters.emulator.market.faults import Fault, FaultRule
from mmfold.adapters.emulator.serving.rest_face import RestFace

ORDER_PREFIX = "/v5/order/"
ORDER_PATHS = {f"{ORDER_PREFIX}{name}": name for name in OPERATIONS}
PUBLIC_ROUTES = PUBLIC_QUERIES | PUBLIC_HISTORIES
PRIVATE_ROUTES = PRIVATE_QUERIES | PRIVATE_HISTORIES


def envelope(venue: Venue, code: VenueCode, message: str, result: Any, extra: Any) -> dict[str, Any]:
    """Return an answer's document."""
    return {
        "retCode": int(code),
        "retMsg": message,
        "result": result,
        "retExtInfo": extra,
        "time": venue.clock.now_ms(),
    }


class Rest(RestFace):
    """Answers REST requests for one venue."""

    def __init__(self, venue: Venue) -> None:
        super().__init__(venue)
        self.venue = venue

    async def answer(self, request: web.Request, fault: FaultRule | None) -> web.Response:
        """Carry out one request and return its answer."""
        allowance: list[Allowance] = []
        status = 200
        try:
            result, extra = await self.carry_out(request, fault, allowance)
            code, message = VenueCode.OK, MESSAGES[VenueCode.OK]
        except VenueError as error:
            code, message, result, extra, status = error.code, error.message, {}, {}, error.http_status
        body = orjson.dumps(envelope(self.venue, code, message, result, extra))
        headers = {"Timenow": str(self.venue.clock.now_ms()), "Traceid": make_uuid("rest", self.request_count)}
        for spent in allowance:
            headers |= spent.headers()
        return web.Response(status=status, body=body, headers=headers, content_type="application/json")

    async def carry_out(
        self, request: web.Request, fault: FaultRule | None, allowance: list[Allowance]
    ) -> tuple[Any, Any]:
        """Check and carry out one request; what its budget says is appended to `allowance`.

        Raises: VenueError.
        """
        route = (request.method, request.path)
        operation = ORDER_PATHS.get(request.path) if request.method == "POST" else None
        if operation is None and route not in PUBLIC_ROUTES and route not in PRIVATE_ROUTES:
            raise VenueError(VenueCode.ROUTE, http_status=404)
        body = await read_body(request)
        if fault is not None and fault.fault in (Fault.RATE_LIMITED, Fault.SERVER_ERROR):
            raise VenueError(VenueCode.RATE_LIMIT if fault.fault == Fault.RATE_LIMITED else VenueCode.SERVER)
        if route in PUBLIC_ROUTES:
            return PUBLIC_ROUTES[route](self.venue, dict(request.query)), {}
        account = self.authenticate(request, body)
        params = parse_body(body) if request.method == "POST" else dict(request.query)
        group = f"order.{operation}" if operation is not None else request.path
        cost = weight(operation, params) if operation is not None else 1
        spent = self.venue.budgets[account.key.key].spend(group, self.venue.clock.now(), cost)
        allowance.append(spent)
        if not spent.allowed:
            raise VenueError(VenueCode.RATE_LIMIT)
        if operation is None:
            return PRIVATE_ROUTES[route](self.venue, account, params), {}
        if fault is not None and fault.fault == Fault.CANCEL_RACE:
            race(self.venue, account, params)
        return operate(operation, account, params)

    def authenticate(self, request: web.Request, body: bytes) -> Account:
        """Return the account that signed a request.

        Raises: VenueError.
        """
        headers = request.headers
        name, signature = headers.get("X-BAPI-API-KEY", ""), headers.get("X-BAPI-SIGN", "")
        if not name or not signature:
            raise VenueError(VenueCode.API_KEY, "authentication headers are missing", http_status=401)
        account = self.venue.accounts.get(name)
        if account is None:
            raise VenueError(VenueCode.API_KEY)
        timestamp = headers.get("X-BAPI-TIMESTAMP", "")
        window = headers.get("X-BAPI-RECV-WINDOW", "")
        check_window(timestamp, window or RECV_WINDOW_MS_DEFAULT, self.venue.clock.now_ms())
        start = f"{timestamp}{name}{window}".encode()
        if request.method == "POST":
            check_signature(account.key, start + body, signature)
            return account
        query = request.raw_path.partition("?")[2]
        try:
            check_signature(account.key, start + query.encode(), signature)
        except VenueError:
            check_signature(account.key, start + unquote(query).encode(), signature)  # signed before it was quoted
        return account


def race(venue: Venue, account: Account, params: Params) -> None:
    """Let a trade come before a request that names an open order."""
    order = account.find(params)
    if order is not None and order.is_open:
        venue.race(account, order)


async def read_body(request: web.Request) -> bytes:
    """Return a request's body; the application bounds its size.

    Raises: VenueError.
    """
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise VenueError(VenueCode.PARAMETER, "params error: body too large", http_status=413) from error
    except (ConnectionError, asyncio.IncompleteReadError) as error:
        raise VenueError(VenueCode.PARAMETER, "params error: body incomplete", http_status=400) from error


def parse_body(body: bytes) -> dict[str, Any]:
    """Return the object that a body holds.

    Raises: VenueError.
    """
    try:
        params = orjson.loads(body or b"{}")
    except ValueError as error:
        raise VenueError(VenueCode.PARAMETER, "params error: body is not JSON") from error
    if not isinstance(params, dict):
        raise VenueError(VenueCode.PARAMETER, "params error: body is not an object")
    return params
