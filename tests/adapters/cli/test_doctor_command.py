"""`mm doctor` against a small venue on this machine: each fault is named, with a next step and a code."""

import asyncio
import hashlib
import hmac
import json
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from mmfold.adapters.cli.main import run
from mmfold.adapters.doctor import machine
from mmfold.adapters.doctor.check import Status, clean
from mmfold.adapters.doctor.venue import EndpointError, check_skew, parse_endpoint
from mmfold.engine.limits import NS_PER_MS
from mmfold.journal.log.lock import Lock

pytestmark = pytest.mark.usefixtures("guards")

REPO = Path(__file__).resolve().parents[3]
KEY, SECRET = "doctor-key-4711", "doctor-secret-of-the-test"
VARIABLES = (
    "EXCHANGE_ENV", "SECRETS_BACKEND", "MM_FAKE_SECRETS_JSON", "MM_LIVE_ENABLE", "MM_CONFIG_PATH", "MM_PORTS",
    "CONFIG_PATH", "LOG_LEVEL", "MM_BYBIT_API_KEY", "MM_BYBIT_API_SECRET",
)  # fmt: skip
Call = Callable[..., tuple[int, dict[str, Any], str]]
NAMES = ["env", "dependencies", "config", "journal", "ports", "venue", "clock", "instruments", "credentials"]


class SmallVenue:
    """Answers four paths as the venue documents them, and can be told to go wrong."""

    def __init__(self) -> None:
        self.ahead_ms = 0
        self.code = 0  # of every answer
        self.body: bytes | None = None  # instead of every answer
        self.hedged: dict[str, str] = {}  # symbol: size of its long side
        self.asked: list[str] = []
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.port: int = asyncio.run_coroutine_threadsafe(self.start(), self.loop).result(10)

    async def start(self) -> int:
        app = web.Application()
        app.router.add_get("/v5/market/time", self.on_time)
        app.router.add_get("/v5/market/instruments-info", self.on_instruments)
        app.router.add_get("/v5/account/wallet-balance", self.on_wallet)
        app.router.add_get("/v5/position/list", self.on_positions)
        self.runner = web.AppRunner(app)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        return int(self.runner.addresses[0][1])

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self.runner.cleanup(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()

    def now_ms(self) -> int:
        return time.time_ns() // NS_PER_MS + self.ahead_ms

    def answer(self, request: web.Request, result: dict[str, Any], code: int = 0) -> web.Response:
        self.asked.append(request.path)
        if self.body is not None:
            return web.Response(body=self.body)
        code = code or self.code
        message = f"no, {request.headers.get('X-BAPI-API-KEY')}" if code else "OK"  # a venue may repeat it
        return web.json_response(
            {
                "retCode": code,
                "retMsg": message,
                "result": {} if code else result,
                "retExtInfo": {},
                "time": self.now_ms(),
            }
        )

    async def on_time(self, request: web.Request) -> web.Response:
        now_ns = time.time_ns() + self.ahead_ms * NS_PER_MS
        return self.answer(request, {"timeSecond": str(now_ns // 10**9), "timeNano": str(now_ns)})

    async def on_instruments(self, request: web.Request) -> web.Response:
        category, cursor = request.query["category"], request.query.get("cursor", "")
        pages = {
            ("linear", ""): "BTCUSDT",
            ("linear", "next"): "ETHUSDT",
            ("inverse", ""): "BTCUSD",
            ("spot", ""): "XUSDT",
        }
        entry = {
            "symbol": pages[category, cursor], "status": "Trading", "priceFilter": {"tickSize": "0.10"},
            "lotSizeFilter": {"qtyStep": "0.001", "basePrecision": "0.001", "minOrderQty": "0.001"},
        }  # fmt: skip
        more = "next" if (category, cursor) == ("linear", "") else ""
        return self.answer(request, {"category": category, "list": [entry], "nextPageCursor": more})

    async def on_wallet(self, request: web.Request) -> web.Response:
        given = {name: request.headers[f"X-BAPI-{name}"] for name in ("API-KEY", "TIMESTAMP", "RECV-WINDOW", "SIGN")}
        text = f"{given['TIMESTAMP']}{given['API-KEY']}{given['RECV-WINDOW']}{request.query_string}"
        sign = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
        age_ms = self.now_ms() - int(given["TIMESTAMP"])
        code = 10003 if given["API-KEY"] != KEY else 10004 if given["SIGN"] != sign else 0
        if not code and not -1_000 < age_ms <= int(given["RECV-WINDOW"]):
            code = 10002
        return self.answer(request, {"list": [{"accountType": "UNIFIED", "coin": []}]}, code)

    async def on_positions(self, request: web.Request) -> web.Response:
        symbol = request.query["symbol"]
        if symbol not in self.hedged:
            return self.answer(request, {"list": [{"symbol": symbol, "positionIdx": 0, "size": "0"}]})
        sizes = {1: self.hedged[symbol], 2: "0"}
        sides = [{"symbol": symbol, "positionIdx": index, "size": size} for index, size in sizes.items()]
        return self.answer(request, {"list": sides, "nextPageCursor": ""})


@pytest.fixture(scope="module")
def small_venue() -> Iterator[SmallVenue]:
    started = SmallVenue()
    yield started
    started.close()


@pytest.fixture
def venue(small_venue: SmallVenue) -> SmallVenue:
    small_venue.ahead_ms, small_venue.code, small_venue.body = 0, 0, None
    small_venue.asked.clear()
    small_venue.hedged.clear()
    return small_venue


@pytest.fixture
def mm(
    venue: SmallVenue,
    free_port: int,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Call:
    """Return a function that runs `mm doctor --json` in an empty place and returns exit code, document and stderr."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)

    def call(*words: object, endpoint: str = "", ports: bool = True, **environ: str) -> tuple[int, dict[str, Any], str]:
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        capfd.readouterr()
        port = ("--port", str(free_port)) if ports else ()
        url = endpoint or f"http://127.0.0.1:{venue.port}"
        code = run(["doctor", "--json", "--endpoint", url, *port, *map(str, words)])
        told = capfd.readouterr()
        assert "Traceback" not in told.err
        kept = json.loads(os.environ.get("MM_FAKE_SECRETS_JSON", "{}")).values()
        assert not [value for value in kept if value in told.out + told.err]
        return code, json.loads(told.out) if told.out else {}, told.err

    return call


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def keys(secret_env: str, api_key: str = KEY, api_secret: str = SECRET) -> dict[str, str]:
    stored = {f"mm-bot/{secret_env}/bybit/api_key": api_key, f"mm-bot/{secret_env}/bybit/api_secret": api_secret}
    return {"MM_FAKE_SECRETS_JSON": json.dumps({name: value for name, value in stored.items() if value})}


TESTNET = {"EXCHANGE_ENV": "testnet"}
LIVE = {"EXCHANGE_ENV": "live", "MM_LIVE_ENABLE": "1"}


def test_all_well_is_exit_0_with_the_keys_of_the_spec(mm: Call, venue: SmallVenue, free_port: int) -> None:
    code, found, _ = mm("--symbols", "ETHUSDT,btcusdt", "--journal", "out/s", **TESTNET, **keys("testnet"))
    assert [one["name"] for one in found["checks"]] == [*NAMES, "position mode"]
    assert {one["status"] for one in found["checks"]} <= {"ok", "warn"} and code == 0
    assert set(found) == {
        "checks", "config_ok", "env", "errors", "ports_free", "status", "system", "warnings", "writable_dirs",
    }  # fmt: skip
    assert (found["config_ok"], found["errors"], found["status"]) == (True, [], "ok")
    assert (found["ports_free"], found["writable_dirs"]) == ({str(free_port): True}, {"out/s": True})
    assert found["env"] == {
        "EXCHANGE_ENV": "testnet", "MM_LIVE_ENABLE": False, "mode": "testnet", "secret_env": "testnet",
    }  # fmt: skip
    assert venue.asked.count("/v5/account/wallet-balance") == 1 and not Path("out").exists()


@pytest.mark.parametrize(("size", "text"), [("0", ""), ("0.00", ""), ("0.5", " (with a position)")])
def test_hedge_mode_is_told_before_a_session_meets_it(mm: Call, venue: SmallVenue, size: str, text: str) -> None:
    venue.hedged["ETHUSDT"] = size
    code, found, _ = mm("--symbols", "ETHUSDT,btcusdt", **TESTNET, **keys("testnet"))
    assert (code, found["errors"]) == (2, ["hedge_mode"])
    assert f"in hedge mode for ETHUSDT{text}; mm trades" in found["checks"][-1]["found"]
    assert "switch-mode with mode 0" in found["checks"][-1]["next"]


def test_without_keys_shadow_is_well(mm: Call, venue: SmallVenue) -> None:
    code, found, _ = mm()
    assert (code, found["errors"]) == (0, [])
    assert found["checks"][-1]["found"].endswith("none needed: mode shadow sends nothing")
    assert "2 linear instruments trade" in [one["found"] for one in found["checks"]]
    assert "/v5/account/wallet-balance" not in venue.asked


FAULTS = [
    # words, environment, exit code, errors, warnings
    ([], {"EXCHANGE_ENV": "Live"}, 0, [], ["bad_env:EXCHANGE_ENV"]),
    ([], {"MM_LIVE_ENABLE": "1"}, 0, [], ["live_enabled:shadow"]),
    ([], {**TESTNET}, 2, ["missing_secret:api_key", "missing_secret:api_secret"], []),
    ([], {**TESTNET, **keys("testnet", api_secret="")}, 2, ["missing_secret:api_secret"], []),
    ([], {**keys("dev", api_secret="")}, 0, [], ["missing_secret:api_secret"]),
    ([], {**TESTNET, **keys("testnet", api_key="another-key-than-ours")}, 2, ["credentials_refused:10003"], []),
    ([], {**TESTNET, **keys("testnet", api_secret="another-secret")}, 2, ["credentials_refused:10004"], []),
    ([], {**keys("dev", api_secret="another-secret")}, 0, [], ["credentials_refused:10004"]),
    ([], {**TESTNET, "SECRETS_BACKEND": "gcp"}, 2, ["secrets_backend"], []),
    ([], {**LIVE, **keys("prod")}, 0, [], []),
    ([], {**LIVE, **keys("prod"), "MM_LIVE_ENABLE": "yes"}, 2, ["missing_env:MM_LIVE_ENABLE"], []),
    (["--mode", "live"], {**keys("dev"), "MM_LIVE_ENABLE": "1"}, 2, ["mode_env:live"], []),
    (["--mode", "testnet"], keys("dev"), 0, [], ["mode_env:testnet"]),
    (["--mode", "paper"], {**TESTNET}, 0, [], []),
    (["--symbols", "BTCUSD,XUSDT"], {}, 0, [], []),
    (["--symbols", "BTCUSDX"], {}, 2, ["unknown_symbol:BTCUSDX"], []),
    (["--config", "none.yaml"], {}, 2, ["config_parse"], []),
    (["--config", "bad.yaml"], {}, 2, ["config_parse"], []),
    (["--config", "odd.yaml"], {}, 2, ["config_parse"], []),
    (["--config", "old.yaml"], {}, 0, [], ["config_warning"]),
    (["--config", "unused.yaml"], {}, 0, [], ["config_warning"]),
    ([], {"MM_CONFIG_PATH": "bad.yaml"}, 2, ["config_parse"], []),
    ([], {"CONFIG_PATH": "bad.yaml"}, 2, ["config_parse"], []),
    (["--journal", "bad.yaml"], {}, 2, ["writable_dir:bad.yaml"], []),
    (["--journal", "bad.yaml/s"], {}, 2, ["writable_dir:bad.yaml/s"], []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "environ", "code", "errors", "warnings"),
    FAULTS,
    ids=[" ".join([*one[0], *one[3], *one[4]]) for one in FAULTS],
)
def test_each_fault_is_named(
    mm: Call, words: list[str], environ: dict[str, str], code: int, errors: list[str], warnings: list[str]
) -> None:
    Path("bad.yaml").write_text("strategy: {levels_per_sid: 2}\n")
    Path("odd.yaml").write_text("per_symbol: {BTCUSDT: {strategy: {name: grid}, grid: {qty: 0.0005}}}\n")
    Path("old.yaml").write_text("allocator: {smoothing: {bias_cap: 0.1}}\n")
    Path("unused.yaml").write_text("grid: {qty: 0.001}\n")
    found_code, found, _ = mm(*words, **environ)
    assert found["errors"] == errors
    assert [one for one in found["warnings"] if not one.startswith(("other_version", "disk_low"))] == warnings
    assert found_code == code
    assert all(one["next"] for one in found["checks"] if one["status"] != "ok")


@pytest.mark.parametrize("ahead_ms", [60_000, -60_000])
def test_a_clock_off_by_a_minute_is_the_clock_and_not_the_key(mm: Call, venue: SmallVenue, ahead_ms: int) -> None:
    venue.ahead_ms = ahead_ms
    code, found, _ = mm(**TESTNET, **keys("testnet"))
    assert (code, found["errors"]) == (2, ["clock_skew"])
    [clock] = [one for one in found["checks"] if one["name"] == "clock"]
    assert ("behind" in clock["found"]) == (ahead_ms > 0) and "timedatectl" in clock["next"]


@pytest.mark.parametrize(
    ("offset_ms", "trip_ms", "status"),
    [(0, 1, Status.OK), (-250, 1, Status.OK), (251, 1, Status.WARN), (-1_000, 1, Status.WARN), (1_001, 9, Status.FAIL),
     (-60_000, 9, Status.FAIL)],
)  # fmt: skip
def test_skew(offset_ms: int, trip_ms: int, status: Status) -> None:
    assert check_skew(offset_ms * NS_PER_MS, trip_ms * NS_PER_MS).status is status


@pytest.mark.parametrize(
    ("code", "body", "error", "said"),
    [
        (10006, None, "venue_unreachable", "too many requests of this account"),
        (0, b"<html>\x1b[31mhello", "venue_unreachable", "not as Bybit"),
        (0, b"\x00\xff" * 50, "venue_unreachable", "not as Bybit"),
        (0, b"x" * (9 << 20), "venue_unreachable", "more than 8,388,608 bytes"),
        (0, b'{"retCode":0,"result":{"timeNano":"-5"}}', "venue_unreachable", "timeNano"),
    ],
    ids=["refuses", "html", "binary", "huge", "no time"],
)
def test_what_is_no_venue(mm: Call, venue: SmallVenue, code: int, body: bytes | None, error: str, said: str) -> None:
    venue.code, venue.body = code, body
    exit_code, found, _ = mm(**TESTNET, **keys("testnet"))
    assert (exit_code, found["errors"]) == (2, [error])
    [check] = [one for one in found["checks"] if one["name"] == "venue"]
    assert check["found"].isprintable() and len(check["found"]) < 500
    assert said in check["found"] or (said == "not as Bybit" and "did not answer as Bybit" in check["next"])
    assert "not tried" in found["checks"][-1]["found"] and "/v5/account/wallet-balance" not in venue.asked


def test_an_unreachable_venue(mm: Call, free_port: int) -> None:
    code, found, _ = mm(endpoint=f"http://127.0.0.1:{free_port}", **TESTNET, **keys("testnet"))
    assert (code, found["errors"]) == (2, ["venue_unreachable"])
    assert [one["name"] for one in found["checks"]] == [*NAMES[:6], "credentials"]
    assert "Connection refused" in found["checks"][5]["found"]


def test_keys_are_not_sent_in_the_clear_to_another_machine() -> None:
    assert not parse_endpoint("http://api.bybit.example").keeps_keys
    assert parse_endpoint("http://localhost:8899").keeps_keys and parse_endpoint("https://api.bybit.com").keeps_keys


@pytest.mark.parametrize(
    "url",
    ["", "bybit", "ftp://x", "https://", "https://x/path", "https://x?a=1", "https://u:p4ss@x", "https://x:99999"],
)
def test_an_endpoint_that_is_none_is_exit_1(mm: Call, url: str) -> None:
    with pytest.raises(EndpointError):
        parse_endpoint(url)
    if url:
        code, found, err = mm(endpoint=url)
        assert (code, found) == (1, {}) and err.startswith("error: the endpoint") and "p4ss" not in err


def test_busy_ports_are_named(mm: Call, venue: SmallVenue, free_port: int) -> None:
    code, found, _ = mm("--port", venue.port)
    assert (code, found["errors"]) == (2, [f"port_busy:{venue.port}"])
    assert found["ports_free"] == {str(free_port): True, str(venue.port): False}
    code, found, _ = mm(ports=False, MM_PORTS=f"{free_port}, {venue.port}")
    assert (code, found["errors"]) == (2, [f"port_busy:{venue.port}"])


@pytest.mark.parametrize("text", ["http", "0", "8080,", "70000", "٣"])
def test_mm_ports_that_are_none_are_exit_1(mm: Call, text: str) -> None:
    code, found, err = mm(ports=False, MM_PORTS=text)
    assert (code, found) == (1, {}) and err.startswith("error: MM_PORTS")


def test_a_journal_that_is_written_now(mm: Call) -> None:
    Path("j").mkdir()
    lock = Lock(Path("j"))
    try:
        code, found, _ = mm("--journal", "j")
    finally:
        lock.release()
    assert (code, found["errors"]) == (2, ["journal_locked:j"])
    assert mm("--journal", "j")[0] == 0 and sorted(path.name for path in Path("j").iterdir()) == ["writer.lock"]


@pytest.mark.parametrize(
    ("free_bytes", "status"),
    [(0, Status.FAIL), (machine.GIB - 1, Status.FAIL), (machine.GIB, Status.WARN), (10 * machine.GIB, Status.OK)],
)
def test_room_on_the_disk(free_bytes: int, status: Status) -> None:
    assert machine.check_space(Path("out"), free_bytes).status is status


def test_packages_that_are_missing_or_others(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["click==8.5.1", 'ccxt==0.0.1; extra == "live"', 'mm-none==1; extra == "live"', 'boto3==0; extra == "aws"']
    monkeypatch.setattr(metadata, "requires", {"mmfold": lines}.__getitem__)
    found = machine.check_dependencies({})
    assert [(one.token, one.status) for one in found if one.token != "other_version:click"] == [
        ("other_version:ccxt", Status.WARN), ("missing_dependency:mm-none", Status.FAIL),
    ]  # fmt: skip
    assert found[-1].next == "pip install 'mmfold[live]'" and "the extra live brings it" in found[-1].found
    assert "other_version:boto3" in [one.token for one in machine.check_dependencies({"SECRETS_BACKEND": "aws"})]


def test_a_person_reads_a_table_and_a_next_step(
    mm: Call, venue: SmallVenue, free_port: int, capfd: pytest.CaptureFixture[str]
) -> None:
    venue.ahead_ms = 60_000
    code = run(["doctor", "--endpoint", f"http://127.0.0.1:{venue.port}", "--port", str(free_port)])
    lines = [line.rstrip() for line in capfd.readouterr().out.splitlines()]
    assert code == 2 and lines[0] == f"mm doctor  bybit  mode shadow  http://127.0.0.1:{venue.port}"
    assert [line.split()[0] for line in lines if " ok " in line or " fail " in line or " warn " in line] == NAMES
    assert any(line.startswith("next  clock: set this machine's clock") for line in lines)
    assert lines[-1] == "rc_validator: failed (1 errors)"
    venue.ahead_ms = 0
    assert run(["doctor", "--endpoint", f"http://127.0.0.1:{venue.port}", "--port", str(free_port)]) == 0
    assert capfd.readouterr().out.endswith("\nrc_validator: ok\n")


def test_a_text_of_others_is_one_printable_line() -> None:
    assert clean("a\n\x1b[31mb\t" + "c" * 900) == "a ?[31mb " + "c" * 391 + "..."


def test_the_docs_list_every_token() -> None:
    files = [REPO / "adapters" / "doctor" / f"{name}.py" for name in ("machine", "venue", "credentials")]
    sources = "".join(path.read_text() for path in files)
    made = set(re.findall(r'(?:fail|warn)\)?\(\s*"\w+",\s*f?"(\w+)', sources)) | {"writable_dir"}
    text = (REPO / "docs" / "operations.md").read_text(encoding="utf-8").split("## mm doctor", 1)[1]
    assert {token for token in made if f"`{token}" not in text} == set() and len(made) > 15
