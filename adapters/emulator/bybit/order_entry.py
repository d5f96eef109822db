"""Order entry over WebSocket, `/v5/trade`; must never hold an order.

Source: Bybit v5 WebSocket trade guideline (read 2026-11-20) and recorded answers.
"""

from collections import OrderedDict
from typing import Any

import orjson
from aiohttp import web

from mmfold.adapters.emulator.bybit.account import Account
from mmfold.adapters.emulator.bybit.budget import Allowance
from mmfold.adapters.emulator.bybit.codes import MESSAGES, VenueCode, VenueError
from mmfold.adapters.emulator.bybit.keys import RECV_WINDOW_MS_DEFAULT, check_socket_auth, check_window
from mmfold.adapters.emulator.bybit.payloads import make_uuid
from mmfold.adapters.emulator.bybit.rest import race
from mmfold.adapters.emulator.bybit.trading import OPERATIONS, operate, weight
from mmfold.adapters.emulator.bybit.venue import Venue
from mmfold.adapters.emulator.market.faults import Fault, FaultRule
from mmfold.adapters.emulator.serving.session import Session

REQUEST_ID_CHARS_MAX = 36
REQUEST_ID_COUNT_MAX = 10_000
PREFIX = "order."
REFUSALS = {
    Fault.RATE_LIMITED: VenueCode.RATE_LIMIT,
    Fault.SERVER_ERROR: VenueCode.SERVER,
    Fault.HTTP_ERROR: VenueCode.SYSTEM_PROTECTION,
}


class OrderEntry:
    """One client's order entry."""

    def __init__(self, venue: Venue, request: web.Request) -> None:
        self.venue = venue
        self.session = Session(venue, request)
        self.account: Account | None = None
        self.request_ids: OrderedDict[str, None] = OrderedDict()

    async def run(self) -> web.StreamResponse:
        """Serve the client until it goes."""
        return await self.session.run(self.on_message)

    def on_message(self, message: dict[str, Any] | None) -> None:
        """Answer one frame of the client."""
        if message is None:
            self.reply({}, VenueCode.PARAMETER, "params error: message is not an object", {})
            return
        op = message.get("op")
        if op == "ping":
            told = {"retCode": 0, "retMsg": "OK", "op": "pong", "data": [str(self.venue.clock.now_ms())]}
            ids = {"reqId": message["reqId"]} if "reqId" in message else {}
            self.session.send("control:ping", ids | told | {"connId": self.session.connection_id})
        elif op == "auth":
            self.authenticate(message)
        else:
            self.on_order(str(op or ""), message)

    def authenticate(self, message: dict[str, Any]) -> None:
        """Take the client's signature."""
        try:
            if self.account is not None:
                raise VenueError(VenueCode.AUTH_REPEATED)
            keys = {name: account.key for name, account in self.venue.accounts.items()}
            key = check_socket_auth(keys, message.get("args"), self.venue.clock.now_ms())
        except VenueError as error:
            self.reply(message, error.code, error.message, {})
            return
        self.account = self.venue.accounts[key.key]
        self.reply(message, VenueCode.OK, MESSAGES[VenueCode.OK], {})

    def reply(
        self, message: dict[str, Any], code: VenueCode, text: str, more: dict[str, Any], fault: FaultRule | None = None
    ) -> None:
        """Send the outcome of a request; its id comes back if it had one."""
        op = str(message.get("op") or "")
        ids = {"reqId": message["reqId"]} if "reqId" in message else {}
        told = ids | {"retCode": int(code), "retMsg": text, "op": op} | more
        text = orjson.dumps(told | {"connId": self.session.connection_id}).decode()
        self.session.send_under(fault, f"trade:{op}", text)

    def on_order(self, op: str, message: dict[str, Any]) -> None:
        """Carry out one request, or let a fault do what it does."""
        rule = self.venue.faults.at_request(f"trade:{op}")
        fault = rule.fault if rule is not None else None
        if rule is not None and fault == Fault.CLOCK_SKEW:
            self.venue.clock.skew(rule.skew_ms, rule.duration_ms)
        if rule is not None and fault in (Fault.DISCONNECT, Fault.HALF_OPEN):
            self.session.suffer(rule, f"trade:{op}", "")
            return
        if fault == Fault.REQUEST_LOST:
            return
        allowance: list[Allowance] = []
        result: dict[str, Any] = {}
        extra: dict[str, Any] = {}
        code, text = VenueCode.OK, MESSAGES[VenueCode.OK]
        try:
            result, extra = self.carry_out(op, message, fault, allowance)
        except VenueError as error:
            code, text = error.code, error.message
        if fault == Fault.ACK_LOST:
            return
        headers = allowance[0].headers() if allowance else {}
        headers |= {"Traceid": make_uuid(self.session.connection_id, len(self.request_ids))}
        headers |= {"Timenow": str(self.venue.clock.now_ms())}
        more = {"data": result, "retExtInfo": extra, "header": headers}
        shape = rule if fault in (Fault.MALFORMED, Fault.DUPLICATE) else None
        if rule is not None and fault == Fault.ACK_DELAYED:
            self.session.loop.call_later(rule.duration_ms / 1_000, self.reply, message, code, text, more, shape)
        else:
            self.reply(message, code, text, more, shape)

    def carry_out(
        self, op: str, message: dict[str, Any], fault: Fault | None, allowance: list[Allowance]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Check and carry out one request; what its budget says is appended to `allowance`.

        Raises: VenueError.
        """
        operation = op.removeprefix(PREFIX)
        if not op.startswith(PREFIX) or operation not in OPERATIONS or operation == "cancel-all":
            raise VenueError(VenueCode.OP_UNKNOWN)
        if self.account is None:
            raise VenueError(VenueCode.PERMISSION)
        if fault in REFUSALS:
            raise VenueError(REFUSALS[fault])
        header = message.get("header")
        if not isinstance(header, dict):
            raise VenueError(VenueCode.PARAMETER, "params error: header is required")
        window = header.get("X-BAPI-RECV-WINDOW") or RECV_WINDOW_MS_DEFAULT
        check_window(header.get("X-BAPI-TIMESTAMP", ""), window, self.venue.clock.now_ms())
        self.check_request_id(message)
        args = message.get("args")
        if not isinstance(args, list) or len(args) != 1 or not isinstance(args[0], dict):
            raise VenueError(VenueCode.PARAMETER, "params error: args must be one object")
        params = args[0]
        if params.get("category") != "linear":
            raise VenueError(VenueCode.OP_UNKNOWN, "category is not correct/supported")
        cost = weight(operation, params)
        spent = self.venue.budgets[self.account.key.key].spend(f"{PREFIX}{operation}", self.venue.clock.now(), cost)
        allowance.append(spent)
        if not spent.allowed:
            raise VenueError(VenueCode.RATE_LIMIT)
        if fault == Fault.CANCEL_RACE:
            race(self.venue, self.account, params)
        return operate(operation, self.account, params)

    def check_request_id(self, message: dict[str, Any]) -> None:
        """Check that a request's id is new on this connection.

        Raises: VenueError.
        """
        if "reqId" not in message:
            return
        request_id = str(message["reqId"])
        if len(request_id) > REQUEST_ID_CHARS_MAX:
            raise VenueError(VenueCode.PARAMETER, "params error: reqId too long")
        if request_id in self.request_ids:
            raise VenueError(VenueCode.REQUEST_ID_DUPLICATE)
        self.request_ids[request_id] = None
        if len(self.request_ids) > REQUEST_ID_COUNT_MAX:
            self.request_ids.popitem(last=False)
