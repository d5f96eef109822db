"""A venue's REST face, whatever it speaks: what faults do to a request and to its answer; must never carry one out."""

import asyncio

from aiohttp import web

from mmfold.adapters.emulator.market.faults import Fault, FaultRule, hold
from mmfold.adapters.emulator.market.feed import Feed

SILENT = frozenset({Fault.DISCONNECT, Fault.HALF_OPEN, Fault.REQUEST_LOST})  # not carried out, no answer


class RestFace:
    """Answers REST requests for one venue; `answer` of a kind of venue carries them out."""

    def __init__(self, venue: Feed) -> None:
        self.feed = venue
        self.request_count = 0

    async def answer(self, request: web.Request, fault: FaultRule | None) -> web.Response:
        """Carry out one request and return its answer."""
        raise AssertionError

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request, or let a fault do what it does."""
        self.request_count += 1
        fault = self.feed.faults.at_request(f"rest:{request.path}")
        if fault is not None and fault.fault == Fault.CLOCK_SKEW:
            self.feed.clock.skew(fault.skew_ms, fault.duration_ms)
        if fault is not None and fault.fault in SILENT:
            return await self.cut_off(request, fault)
        if fault is not None and fault.fault == Fault.HTTP_ERROR:
            return web.Response(status=fault.status, text=f"{fault.status}")
        answer = await self.answer(request, fault)
        await asyncio.sleep(self.feed.settings.latency_s)
        if fault is not None and fault.fault in (Fault.ACK_DELAYED, Fault.ACK_LOST):
            await hold(fault)
        if fault is not None and fault.fault == Fault.ACK_LOST:
            return await self.cut_off(request, None)
        if fault is not None and fault.fault == Fault.MALFORMED and isinstance(answer.body, bytes):
            answer.body = answer.body[: len(answer.body) // 2]
        return answer

    async def cut_off(self, request: web.Request, fault: FaultRule | None) -> web.Response:
        """Drop the connection, after a silence where the fault is one."""
        if fault is not None and fault.fault != Fault.DISCONNECT:
            await hold(fault)
        if request.transport is not None:
            request.transport.abort()
        return web.Response()
