"""The session's HTTP port, to be looked at and never to be told anything: GET only; must never slow down trading.

/metrics  Prometheus text            /healthz  the process runs          /version  what was built
/status   one JSON object            /readyz   it trades, or why not

It shares the loop with trading: what costs more than a lookup is made in small parts, at most four times a second, and
given out again in between; connections are few (seats.py). Where MM_WEB_TOKEN is set (or MM_WEB_TOKEN_FILE, or
/run/secrets/mm_web_token) a request brings it as `Authorization: Bearer TOKEN`; other machines are not let in without
one. Health needs no token, because probes have none, and tells no reasons then.
Source: spec/control.md 25, 26.
"""

import asyncio
import hmac
import os
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from prometheus_client import CONTENT_TYPE_LATEST

from mmfold.adapters.live.build import Build, read_build
from mmfold.adapters.live.operator.document import status_document, uptime_seconds
from mmfold.adapters.live.operator.metrics import make_registry, render_live_metrics
from mmfold.adapters.live.operator.seats import Door, Seats
from mmfold.adapters.live.operator.status import LiveStatus
from mmfold.adapters.logs import EventLog
from mmfold.adapters.ports import is_loopback, take_port
from mmfold.adapters.redact import redact_known
from mmfold.adapters.secrets.env import read_variable
from mmfold.adapters.secrets.errors import SecretError
from mmfold.adapters.secrets.value import Secret
from mmfold.engine.manifest import canonical_json

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

HOST_DEFAULT = "127.0.0.1"
PORT_DEFAULT = 8080
TOKEN_VARIABLE = "MM_WEB_TOKEN"
TOKEN_CHARS_MIN = 16
RENDER_EVERY_S = 0.25
CONNECTION_COUNT_MAX = 32
KEEPALIVE_S = 75.0  # a Prometheus that asks each minute keeps its connection
SHUTDOWN_S = 1.0
ANSWER_S = 5.0  # in which an answer has to be taken
HTTP_OK, HTTP_UNAUTHORIZED, HTTP_MISDIRECTED, HTTP_FAULT, HTTP_NOT_READY = 200, 401, 421, 500, 503
WORDS = {404: "not_found", 405: "method_not_allowed"}
PLAIN_HEADERS = {"Cache-Control": "no-store", "Server": "mm", "X-Content-Type-Options": "nosniff"}

log = EventLog("mm.web")


def read_token(environ: Mapping[str, str]) -> Secret | None:
    """Return the token that requests have to bring, None where nobody set one.

    Raises: SecretError for one that is easily guessed or cannot be read.
    """
    found = read_variable(TOKEN_VARIABLE, environ)
    if found is None:
        return None
    if len(found.text.strip()) < TOKEN_CHARS_MIN:
        raise SecretError(f"{TOKEN_VARIABLE} is shorter than {TOKEN_CHARS_MIN} characters", "openssl rand -hex 32")
    return Secret(found.text)


class Rendered:
    """A body that is made anew only when it is older than RENDER_EVERY_S, in parts between which the loop goes on."""

    def __init__(self, render: Callable[[], Iterator[bytes]]) -> None:
        self.render = render
        self.made_s = float("-inf")
        self.body = b""
        self.lock = asyncio.Lock()

    async def get(self) -> bytes:
        """Return the body."""
        async with self.lock:
            if time.monotonic() - self.made_s >= RENDER_EVERY_S:
                parts = []
                for part in self.render():
                    parts.append(redact_known(part.decode()).encode())
                    await asyncio.sleep(0)
                self.body, self.made_s = b"".join(parts), time.monotonic()
            return self.body


class WebServer:
    """The pages of one session on one port."""

    def __init__(
        self,
        status: LiveStatus,
        host: str = HOST_DEFAULT,
        port: int = PORT_DEFAULT,
        *,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """Take the token and the build from the environment.

        Raises: SecretError for an address that other machines reach, without a token.
        """
        self.status, self.host, self.port = status, host, port
        self.token = read_token(environ)
        if self.token is None and not is_loopback(host):
            hint = f"set {TOKEN_VARIABLE}_FILE to a file that holds one (openssl rand -hex 32), or listen on 127.0.0.1"
            raise SecretError(f"{host} can be reached from other machines: that needs a token", hint)
        self.build: Build = read_build(environ)
        registry = make_registry(status)
        self.metrics = Rendered(lambda: render_live_metrics(registry))
        self.document = Rendered(lambda: iter([json_body(status_document(status, time.time_ns()))]))
        self.runner = web.AppRunner(
            self.make_app(),
            access_log=None,
            handle_signals=False,
            keepalive_timeout=KEEPALIVE_S,
            lingering_time=0,
            shutdown_timeout=SHUTDOWN_S,
        )
        self.server: asyncio.Server | None = None
        self.seats = Seats(self.serve_one, CONNECTION_COUNT_MAX)

    def make_app(self) -> web.Application:
        """Return the pages; a GET has no body, so none is read."""
        app = web.Application(middlewares=[self.answer, self.guard])
        pages = {
            "/metrics": self.on_metrics,
            "/status": self.on_status,
            "/healthz": self.on_health,
            "/readyz": self.on_ready,
            "/version": self.on_version,
        }
        for path, handler in pages.items():
            app.router.add_get(path, handler, allow_head=False)
        return app

    async def start(self) -> int:
        """Listen and return the port, which port 0 leaves to the system.

        Raises: PortError.
        """
        assert self.server is None, "started twice"
        listener = take_port(self.host, self.port)
        try:
            await self.runner.setup()
            self.server = await asyncio.get_running_loop().create_server(lambda: Door(self.seats), sock=listener)
        except BaseException:
            listener.close()
            raise
        port = int(listener.getsockname()[1])
        log.info("web_listening", host=self.host, port=port, token=self.token is not None)
        return port

    async def stop(self) -> None:
        """Stop listening and drop who is connected; a second time it does nothing."""
        if self.server is not None:
            self.server.close()
            self.server = None
            await self.runner.cleanup()

    def serve_one(self) -> asyncio.Protocol:
        """Return what answers a new connection."""
        assert self.runner.server is not None
        return self.runner.server()

    def is_asked_for(self, request: web.Request) -> bool:
        """Tell whether a request names us as its host: a page of the web that lets its own name mean this machine does
        not, and reads nothing here without a token.
        """
        try:
            name = urlsplit(f"//{request.headers.get(hdrs.HOST, '')}").hostname
        except ValueError:
            return False
        return self.token is not None or name is None or name == self.host or is_loopback(name)

    @web.middleware
    async def answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer one request to its last byte, for a bounded time: who does not read is dropped."""
        self.seats.begin(request.protocol)
        try:
            async with asyncio.timeout(ANSWER_S):
                response = await handler(request)
                await response.prepare(request)
                await response.write_eof()
                return response
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
            raise
        finally:
            self.seats.end(request.protocol)

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer every failure as JSON: a fault in here is ours to mend, never a reason to stop trading."""
        try:
            if not self.is_asked_for(request):
                return json_response({"error": "host"}, HTTP_MISDIRECTED)
            return await handler(request)
        except web.HTTPException as error:
            allowed = {"Allow": "GET"} if error.status == web.HTTPMethodNotAllowed.status_code else {}
            return json_response({"error": WORDS.get(error.status, error.reason)}, error.status, allowed)
        except Exception as error:
            log.error("web_failed", error=error, path=request.path)
            return json_response({"error": "internal"}, HTTP_FAULT)

    def is_authorized(self, request: web.Request) -> bool:
        """Tell whether a request may see figures; takes the same time whatever it brings."""
        if self.token is None:
            return True
        given = request.headers.get(hdrs.AUTHORIZATION, "").encode("utf-8", "surrogateescape")
        return hmac.compare_digest(given, f"Bearer {self.token.reveal()}".encode())

    async def on_metrics(self, request: web.Request) -> web.Response:
        """Show the metrics."""
        if not self.is_authorized(request):
            return unauthorized()
        return web.Response(
            body=await self.metrics.get(), headers=PLAIN_HEADERS | {hdrs.CONTENT_TYPE: CONTENT_TYPE_LATEST}
        )

    async def on_status(self, request: web.Request) -> web.Response:
        """Show the session."""
        return respond(await self.document.get()) if self.is_authorized(request) else unauthorized()

    async def on_version(self, request: web.Request) -> web.Response:
        """Show what was built and with which parameters it runs; null is what nobody knows."""
        if not self.is_authorized(request):
            return unauthorized()
        return json_response({**self.build._asdict(), "params_hash": self.status.params_hash})

    async def on_health(self, request: web.Request) -> web.Response:
        """Say that the loop runs."""
        return json_response({"status": "ok", "uptime_seconds": uptime_seconds(self.status, time.time_ns())})

    async def on_ready(self, request: web.Request) -> web.Response:
        """Say whether the session trades."""
        reasons = self.status.not_ready()
        if not reasons:
            return json_response({"status": "ready"})
        told: dict[str, Any] = {"reasons": reasons} if self.is_authorized(request) else {}
        return json_response({"status": "not_ready", **told}, HTTP_NOT_READY)


def json_body(document: dict[str, Any]) -> bytes:
    """Return a document as one line: sorted keys, ASCII."""
    return canonical_json(document) + b"\n"


def respond(body: bytes, status: int = HTTP_OK, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return a JSON body as a response."""
    whole = {**PLAIN_HEADERS, hdrs.CONTENT_TYPE: "application/json", **(headers or {})}
    return web.Response(body=body, status=status, headers=whole)


def json_response(
    document: dict[str, Any], status: int = HTTP_OK, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return a document as a response, without what is known to be secret."""
    return respond(redact_known(json_body(document).decode()).encode(), status, headers)


def unauthorized() -> web.Response:
    """Return the answer to a request without the token."""
    return json_response({"error": "unauthorized"}, HTTP_UNAUTHORIZED, {hdrs.WWW_AUTHENTICATE: "Bearer"})
