"""The session's port over real HTTP: what each page says, who is let in, what is refused; a canary is on none."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest

from mmfold.adapters.live.operator.status import LiveStatus
from mmfold.adapters.live.operator.web import CONNECTION_COUNT_MAX, RENDER_EVERY_S, WebServer
from mmfold.adapters.ports import PortError, is_loopback
from mmfold.adapters.secrets.errors import SecretError
from mmfold.adapters.secrets.value import Secret
from mmfold.engine.codes import Reason
from mmfold.engine.state import make_state
from mmfold.reports.metrics import METRICS
from tests.adapters.live.sessions import example_status
from tests.reports.examples import MANIFEST

pytestmark = pytest.mark.usefixtures("guards")

REPO = Path(__file__).resolve().parents[4]
TOKEN = "a token of thirty-two characters"
CANARY = "canary-of-the-venue-key"
SHA = "0123456789abcdef" * 2 + "01234567"
BUILD = {"GIT_SHA": SHA, "MM_BUILD_TIME": "2026-11-20T00:00:00Z"}


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


Ask = Callable[..., Awaitable[Answer]]


def serve(
    status: LiveStatus, use: Callable[[WebServer, Ask], Awaitable[Any]], host: str = "127.0.0.1", **environ: str
) -> Any:
    """Run a server on a free port and return what `use` returns."""

    async def run() -> Any:
        server = WebServer(status, host, 0, environ={**BUILD, **environ})
        port = await server.start()

        async def ask(path: str, method: str = "GET", **more: Any) -> Answer:
            async with session.request(method, f"http://127.0.0.1:{port}{path}", **more) as answer:
                return Answer(answer.status, dict(answer.headers), await answer.text())

        try:
            async with aiohttp.ClientSession() as session:
                return await use(server, ask)
        finally:
            await server.stop()

    return asyncio.run(run())


def get(status: LiveStatus, path: str, **environ: str) -> Answer:
    return serve(status, lambda server, ask: ask(path), **environ)


def test_metrics_are_those_of_the_session_now() -> None:
    async def use(server: WebServer, ask: Ask) -> list[Answer]:
        before = await ask("/metrics")
        server.status.state = make_state(MANIFEST)  # the fold starts anew
        await asyncio.sleep(RENDER_EVERY_S)
        return [before, await ask("/metrics")]

    before, after = serve(example_status(), use)
    assert before.headers["Content-Type"].startswith("text/plain; version=")
    assert "\nmm_rows_total 41230.0\n" in before.text and "\nmm_rows_total 0.0\n" in after.text
    assert before.text.isascii() and "\nmm_seq_next 41.0\n" in before.text


def test_status_shows_the_session() -> None:
    answer = get(example_status(), "/status")
    assert answer.status == 200 and answer.headers["Content-Type"] == "application/json"
    assert answer.text.isascii() and answer.text.endswith("}\n")
    page = answer.json
    expected = {
        "mode": "testnet",
        "venue": "bybit",
        "phase": "trading",
        "head": "9f" * 32,
        "seq_next": 41,
        "ready": True,
    }
    assert {name: page[name] for name in expected} == expected
    assert page["streams"]["private"] == {
        "frames": 7, "last_frame_age_ms": None, "reconnects": 0, "refused": 0, "up": True,
    }  # fmt: skip
    btc, eth = page["symbols"]["BTCUSDT"], page["symbols"]["ETHUSDT"]
    assert btc["order_latency_ms"] == {"count": 5, "p50_at_most": 50, "p99_at_most": None}
    assert (eth["order_latency_ms"]["count"], page["tick_to_order_us"]["p50_at_most"]) == (0, 30)
    assert btc["book"] == {"ask": ["61740.6", "0.25"], "bid": ["61740.4", "1.5"], "status": "live"}
    assert [{**order, "age_ms": 0} for order in btc["orders"]] == [
        {"age_ms": 0, "filled": "0.001", "order_id": "2748", "price": "61730", "qty": "0.003", "side": "bid",
         "status": "accepted"},
        {"age_ms": 0, "filled": "0.001", "order_id": "2780", "price": "61750", "qty": "0.003", "side": "ask",
         "status": "unknown"},
    ]  # fmt: skip
    assert (btc["position"], btc["pnl"]["net"], btc["pnl"]["money"]) == ("0.006", "2.726501", "USDT")
    assert btc["blocked"] is None and btc["blocked_counts"] == {"level_cap": 17, "min_spread": 3}
    assert eth["blocked"] == "md_stale" and eth["book"] == {"ask": None, "bid": None, "status": "empty"}


def take_down(status: LiveStatus) -> None:
    status.streams["public"].up = False


def freeze(status: LiveStatus) -> None:
    status.state.quoters[1]["frozen"] = 1


def pause(status: LiveStatus) -> None:
    status.state.quoters[1]["block_reason"] = Reason.GUARD_PAUSED


def pause_in_shadow(status: LiveStatus) -> None:
    pause(status)
    status.mode = "shadow"


def cannot_explain(status: LiveStatus) -> None:
    status.unexplained["BTCUSDT"] = "the venue has 3 lots more"


def warm_up(status: LiveStatus) -> None:
    status.phase = "warming"


@pytest.mark.parametrize(
    ("faults", "reasons"),
    [
        ([], None),
        ([take_down], ["stream_public_down"]),
        ([freeze], ["frozen_ETHUSDT"]),
        ([pause], ["guard_paused_effective"]),
        ([pause_in_shadow], None),
        ([cannot_explain], ["unexplained_BTCUSDT"]),
        ([warm_up], ["warming"]),
        ([warm_up, take_down, freeze], ["frozen_ETHUSDT", "stream_public_down", "warming"]),
    ],
    ids=lambda value: "+".join(one if isinstance(one, str) else one.__name__ for one in value or ["nothing"]),
)
def test_ready_or_why_not(faults: list[Callable[[LiveStatus], None]], reasons: list[str] | None) -> None:
    status = example_status()
    for fault in faults:
        fault(status)
    answer = get(status, "/readyz")
    assert answer.text == (
        '{"status":"ready"}\n' if reasons is None
        else json.dumps({"reasons": reasons, "status": "not_ready"}, separators=(",", ":")) + "\n"
    )  # fmt: skip
    assert answer.status == (200 if reasons is None else 503)


def test_health_and_version() -> None:
    async def use(server: WebServer, ask: Ask) -> list[Answer]:
        return [await ask("/healthz"), await ask("/version")]

    status = example_status()
    health, version = serve(status, use)
    assert health.status == 200 and set(health.json) == {"status", "uptime_seconds"} and health.json["status"] == "ok"
    assert health.json["uptime_seconds"] > 0 and isinstance(health.json["uptime_seconds"], int)
    built = {"build_time": "2026-11-20T00:00:00Z", "commit": SHA, "version": metadata.version("mmfold")}
    assert version.json == {**built, "params_hash": "5eed5eed5eed"}


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("POST", "/status", 405, '{"error":"method_not_allowed"}\n'),
        ("DELETE", "/metrics", 405, '{"error":"method_not_allowed"}\n'),
        ("HEAD", "/healthz", 405, ""),
        ("GET", "/", 404, '{"error":"not_found"}\n'),
        ("GET", "/status/", 404, '{"error":"not_found"}\n'),
        ("GET", "/../etc/passwd", 404, '{"error":"not_found"}\n'),
    ],
)
def test_only_these_pages_only_get(method: str, path: str, status: int, body: str) -> None:
    answer = serve(example_status(), lambda server, ask: ask(path, method))
    assert (answer.status, answer.text) == (status, body)
    assert answer.headers["Server"] == "mm"
    assert status != 405 or answer.headers["Allow"] == "GET"


def test_huge_requests_end_without_an_answer_that_repeats_them() -> None:
    async def use(server: WebServer, ask: Ask) -> list[int]:
        long_path = await ask("/" + "a" * 20_000)
        long_header = await ask("/healthz", headers={"X-Long": "b" * 20_000})
        assert "a" * 100 not in long_path.text
        assert (await ask("/healthz")).status == 200
        return [long_path.status, long_header.status]

    assert serve(example_status(), use) == [400, 400]


def test_a_page_is_made_four_times_a_second_at_most() -> None:
    async def use(server: WebServer, ask: Ask) -> list[int]:
        seen = []
        for pause_s in (0, 0, RENDER_EVERY_S):
            await asyncio.sleep(pause_s)
            server.status.seq_next += 1
            seen.append((await ask("/status")).json["seq_next"])
        return seen

    assert serve(example_status(), use) == [42, 42, 44]


def test_the_loop_goes_on_while_metrics_are_made() -> None:
    async def use(server: WebServer, ask: Ask) -> int:
        turns = 0

        async def trade() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(trade())
        bodies = await asyncio.gather(server.metrics.get(), server.metrics.get())
        task.cancel()
        assert bodies[0] is bodies[1]  # who comes in between waits and is given the same
        return turns

    assert serve(example_status(), use) >= len(METRICS)


def test_connections_are_few_and_trading_goes_on() -> None:
    async def use(server: WebServer, ask: Ask) -> int:
        assert server.server is not None
        port = server.server.sockets[0].getsockname()[1]
        pairs = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CONNECTION_COUNT_MAX + 8)]
        await asyncio.sleep(0.05)
        dropped = sum(reader.at_eof() or reader.exception() is not None for reader, _ in pairs)
        for _, writer in pairs:
            writer.close()
        await asyncio.sleep(0.05)
        assert (await ask("/healthz")).status == 200
        return dropped

    assert serve(example_status(), use) == 8


@pytest.mark.parametrize("given", ["", "Bearer ", f"Bearer {TOKEN}x", f"bearer {TOKEN}", TOKEN, f"Bearer {TOKEN}é"])
def test_a_token_is_asked_for_where_there_is_one(given: str) -> None:
    async def use(server: WebServer, ask: Ask) -> list[Answer]:
        headers = {"Authorization": given} if given else {}
        return [await ask(path, headers=headers) for path in ("/metrics", "/status", "/version", "/healthz", "/readyz")]

    status = example_status()
    status.phase = "warming"
    *closed, health, ready = serve(status, use, MM_WEB_TOKEN=TOKEN)
    assert [(one.status, one.text) for one in closed] == [(401, '{"error":"unauthorized"}\n')] * 3
    assert (health.status, ready.status, ready.text) == (200, 503, '{"status":"not_ready"}\n')


def test_the_token_opens_every_page(tmp_path: Path) -> None:
    async def use(server: WebServer, ask: Ask) -> list[Answer]:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        return [await ask(path, headers=headers) for path in ("/metrics", "/status", "/version", "/readyz")]

    (tmp_path / "token").write_text(TOKEN + "\n")
    status = example_status()
    status.phase = "warming"
    answers = serve(status, use, host="0.0.0.0", MM_WEB_TOKEN_FILE=str(tmp_path / "token"))
    assert [one.status for one in answers] == [200, 200, 200, 503]
    assert answers[3].json["reasons"] == ["warming"]
    assert not any(TOKEN in one.text for one in answers)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "mm.example"])
def test_other_machines_need_a_token(host: str) -> None:
    with pytest.raises(SecretError, match="that needs a token"):
        WebServer(example_status(), host, 0, environ=BUILD)
    with pytest.raises(SecretError, match="shorter than 16"):
        WebServer(example_status(), host, 0, environ={**BUILD, "MM_WEB_TOKEN": "short"})
    assert not is_loopback(host)


def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortError, match=f"port {port} of 127.0.0.1: Address already in use") as caught:
            asyncio.run(WebServer(example_status(), "127.0.0.1", port, environ=BUILD).start())
    assert f":{port}" in caught.value.hint and "another port" in caught.value.hint


def test_stopped_twice_the_port_is_free() -> None:
    async def run() -> None:
        server = WebServer(example_status(), "127.0.0.1", 0, environ=BUILD)
        port = await server.start()
        await server.stop()
        await server.stop()
        with socket.create_server(("127.0.0.1", port)):
            pass

    asyncio.run(run())


def test_a_canary_is_on_no_page() -> None:
    async def use(server: WebServer, ask: Ask) -> str:
        return "".join([(await ask(path)).text for path in ("/metrics", "/status", "/version", "/readyz", "/healthz")])

    status = example_status()
    status.phase = "warming"
    status.unexplained["BTCUSDT"] = f"refused with {CANARY}"
    status.params_hash = CANARY
    Secret(CANARY)
    text = serve(status, use)
    assert "refused with ****" in text and CANARY not in text


def test_a_fault_in_a_page_is_an_answer_and_a_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    status = example_status()
    status.order_latency[0].count += 1  # its buckets hold less than it says
    answer = get(status, "/metrics")
    assert (answer.status, answer.text) == (500, '{"error":"internal"}\n')
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == ["web_failed"]


@pytest.mark.parametrize(
    "host, status",
    [
        ("127.0.0.1:8080", 200), ("localhost:8080", 200), ("[::1]:8080", 200), ("LOCALHOST", 200),
        ("evil.example", 421), ("evil.example:8080", 421), ("127.0.0.1.evil.example", 421), ("[::", 421),
        ("192.168.1.7", 421),
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/status", "/metrics", "/healthz"])
def test_a_name_that_is_not_ours_reads_nothing(host: str, status: int, path: str) -> None:
    answer = serve(example_status(), lambda server, ask: ask(path, headers={"Host": host}))
    assert answer.status == status and (answer.text == '{"error":"host"}\n') == (status == 421)


def test_with_a_token_any_name_will_do() -> None:
    headers = {"Host": "bot.example", "Authorization": "Bearer " + "t" * 20}
    answer = serve(example_status(), lambda server, ask: ask("/status", headers=headers), MM_WEB_TOKEN="t" * 20)
    assert answer.status == 200


def test_silent_connections_keep_nobody_out_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmfold.adapters.live.operator.seats.SILENT_S", 0.3)

    async def use(server: WebServer, ask: Ask) -> Answer:
        assert server.server is not None
        port = server.server.sockets[0].getsockname()[1]
        pairs = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CONNECTION_COUNT_MAX)]
        for _, writer in pairs[::2]:
            writer.write(b"GET /status HTTP/1.1\r\nHost: local")  # and nothing more
        await asyncio.sleep(0.6)
        answer = await ask("/healthz")
        assert await asyncio.wait_for(pairs[1][0].read(), 2) == b""
        for _, writer in pairs:
            writer.close()
        await asyncio.sleep(0.5)
        assert (await ask("/healthz")).status == 200, "one that has asked is kept"
        return answer

    assert serve(example_status(), use).status == 200
