"""From nothing to a runner: the venue's clock and instruments, the journal, keys, streams; must never send an order."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import orjson

from adapters.bybit.ledger import OrderLedger
from adapters.bybit.private import PrivateParser
from adapters.bybit.requests import RequestEncoder
from adapters.bybit.responses import RequestBook
from adapters.bybit.rest import (
    RestParser,
    VenueError,
    parse_fee_rates,
    parse_instruments,
    request_fee_rate,
    request_instruments,
    with_fees,
)
from adapters.bybit.signing import Credentials
from adapters.live.account import Account
from adapters.live.endpoints import Endpoints
from adapters.live.gateway import BybitGateway, Gateway, NoGateway, PaperGateway
from adapters.live.raw import RawFrames
from adapters.live.reconcile import Reconciler, Seen
from adapters.live.rest_client import RestClient
from adapters.live.runner import Pace, Runner
from adapters.live.session import Session, make_run_id, read_session_manifest
from adapters.live.status import LiveStatus
from adapters.live.stream import Stream, StreamPlan
from adapters.logs import EventLog
from adapters.secrets.environment import make_key, resolve_environment
from adapters.secrets.errors import SecretError
from adapters.secrets.registry import open_backend
from adapters.secrets.value import Secret
from config.models import Config
from config.params import config_digest
from engine.limits import NS_PER_MS, NS_PER_S
from engine.manifest import Instrument, Manifest
from journal.reader import Journal
from replay.run import config_document

CATEGORY = "linear"
BOOK_DEPTH = 50
CLOCK_SKEW_MAX_NS = 1 * NS_PER_S  # what a venue forgives ahead of its own clock
PAPER_LATENCY_NS = 10 * NS_PER_MS
LOG = EventLog("start")


class CannotStart(Exception):
    """Something is missing before the first order; the message says what, the hint what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What was asked for on the command line."""

    venue: str
    mode: str  # paper, shadow, testnet, live
    endpoints: Endpoints
    symbols: tuple[str, ...]
    journal: Path
    config: Config
    pace: Pace
    keep_raw: bool = False

    @property
    def has_account(self) -> bool:
        """Whether orders go to a venue, so that keys are needed."""
        return self.mode in ("testnet", "live")


async def find_keys(plan: Plan, http: aiohttp.ClientSession) -> Credentials | None:
    """Return the keys of the environment's backend; an emulator on this machine lends one where there is none.

    Raises: CannotStart.
    """
    if not plan.has_account:
        return None
    environment = resolve_environment({**os.environ, "EXCHANGE_ENV": os.environ.get("EXCHANGE_ENV", plan.mode)})
    try:
        backend = open_backend(os.environ)
        stored = [
            backend.fetch(make_key(environment.secret_env, plan.venue, field)) for field in ("api_key", "api_secret")
        ]
        return Credentials(stored[0].value, stored[1].value)
    except SecretError as error:
        lent = await lend_keys(plan, http) if plan.endpoints.is_loopback else None
        if lent is None:
            raise CannotStart(f"no keys for {plan.mode}: {error}", "save them: mm secrets save --help") from error
        LOG.info("keys_lent", endpoint=plan.endpoints.rest)
        return lent


async def lend_keys(plan: Plan, http: aiohttp.ClientSession) -> Credentials | None:
    """Ask an emulator for a test key, None when it has none to give."""
    try:
        async with http.get(f"{plan.endpoints.rest}/emulator/keys", timeout=aiohttp.ClientTimeout(total=5)) as answer:
            keys = orjson.loads(await answer.read())["keys"] if answer.status == 200 else []
    except (OSError, TimeoutError, aiohttp.ClientError, ValueError, KeyError, TypeError):
        return None
    return Credentials(Secret(keys[0]["key"]), Secret(keys[0]["secret"])) if keys else None


async def find_instruments(plan: Plan, rest: RestClient) -> tuple[Instrument, ...]:
    """Return the asked-for instruments with the account's fees.

    Raises: CannotStart, VenueUnreachable, VenueError, MalformedFrame.
    """
    found: list[Instrument] = []
    for symbol in plan.symbols:
        try:
            http_status, body = await rest.ask(request_instruments(CATEGORY, symbol))
            instruments, _ = parse_instruments(body, http_status)
        except VenueError as error:
            instruments = []
            LOG.warning("instrument_refused", symbol=symbol, reason=str(error))
        if symbol not in [instrument.symbol for instrument in instruments]:
            raise CannotStart(f"{plan.venue} has no {CATEGORY} instrument {symbol} that trades", "check --symbols")
        instrument = next(each for each in instruments if each.symbol == symbol)
        if rest.keys is not None:
            status, body = await rest.ask(request_fee_rate(CATEGORY, symbol))
            instrument = with_fees(instrument, parse_fee_rates(body, status))
        found.append(instrument)
    return tuple(sorted(found, key=lambda each: each.symbol))


async def check_clock(rest: RestClient) -> None:
    """Learn the venue's clock and refuse one that is too far from ours.

    Raises: CannotStart, VenueUnreachable, VenueError, MalformedFrame.
    """
    offset_ns = await rest.read_clock()
    if abs(offset_ns) > CLOCK_SKEW_MAX_NS:
        raise CannotStart(
            f"this machine's clock is {-offset_ns / NS_PER_S:+.1f} s off the venue's",
            "synchronise it (chronyd, systemd-timesyncd): the venue refuses requests out of its time",
        )


async def make_runner(plan: Plan, http: aiohttp.ClientSession) -> Runner:
    """Open or take up the journal and wire a runner; nothing is connected yet.

    Raises: CannotStart, VenueUnreachable, VenueError, MalformedFrame, JournalError, ConfigError.
    """
    pace = plan.pace
    rest = RestClient(
        http, plan.endpoints.rest, None, recv_window_ms=pace.recv_window_ms, timeout_s=pace.rest_timeout_s
    )
    await check_clock(rest)  # before the keys: an address where nobody listens is told as that
    rest.keys = await find_keys(plan, http)
    manifest = await find_manifest(plan, rest)
    document = config_document(plan.config, manifest)
    session = Session(plan.journal, manifest)
    seen = Seen(ts_last_ms=rest.ts_ms())
    if session.resumed_events:
        seen = Seen()
        for rows in Journal(plan.journal).chunks():
            seen.note(rows)
    status = LiveStatus(
        mode=plan.mode, venue=plan.venue, manifest=session.manifest, state=session.core.state,
        journal=str(plan.journal), ts_started_ns=time.time_ns(), params_hash=config_digest(document["params"]),
        clock_offset_ns=rest.offset_ns,
    )  # fmt: skip
    runner = Runner(session, status, plan.pace, RawFrames(plan.journal, keep_all=plan.keep_raw))
    runner.gateway = make_gateway(plan, runner, rest, seen)
    add_streams(plan, runner, http, rest)
    runner.document = document
    return runner


async def find_manifest(plan: Plan, rest: RestClient) -> Manifest:
    """Return the manifest of the session in the journal's directory, or of a new one.

    Raises: CannotStart when the journal there is of something else; see `find_instruments`.
    """
    former = read_session_manifest(plan.journal)
    instruments = await find_instruments(plan, rest)
    if former is None:
        run_id = make_run_id(plan.mode, plan.venue, time.time_ns())
        extra = {"mode": plan.mode, "venue": plan.venue}
        return Manifest(run_id=run_id, instruments=instruments, source="live", witnessed=True, extra=extra)
    if former.extra.get("mode") != plan.mode or former.extra.get("venue") != plan.venue:
        was = f"{former.extra.get('mode', former.source)} at {former.extra.get('venue', 'no venue')}"
        raise CannotStart(f"{plan.journal} holds a session of {was}", "give another --journal")
    grids = [(each.symbol, each.tick_size, each.lot_size) for each in former.instruments]
    if grids != [(each.symbol, each.tick_size, each.lot_size) for each in instruments]:
        raise CannotStart(
            f"{plan.journal} holds other instruments, ticks or lots than were asked for",
            "give the same --symbols, or another --journal",
        )
    return former


def make_gateway(plan: Plan, runner: Runner, rest: RestClient, seen: Seen) -> Gateway:
    """Return where orders go, and give the runner what reads the answers."""
    manifest = runner.session.manifest
    if plan.mode == "shadow":
        return NoGateway()
    if plan.mode == "paper":
        return PaperGateway(manifest, runner.take, PAPER_LATENCY_NS, PAPER_LATENCY_NS)
    ledger = OrderLedger(manifest.run_id)
    reconciler = Reconciler(manifest, rest, RestParser(manifest, ledger), seen)
    runner.account = Account(runner, PrivateParser(manifest, ledger), reconciler)
    encoder = RequestEncoder(manifest, ledger, plan.pace.recv_window_ms)
    return BybitGateway(encoder, RequestBook(ledger), rest, runner.take, runner.ask_venue)


def add_streams(plan: Plan, runner: Runner, http: aiohttp.ClientSession, rest: RestClient) -> None:
    """Give the runner its connections: the market, and with an account the private and the order-entry one."""

    def add(stream_plan: StreamPlan, on_frame, on_up, on_down) -> Stream:  # type: ignore[no-untyped-def]
        stream = Stream(http, stream_plan, ts_ms=rest.ts_ms, on_frame=on_frame, on_up=on_up, on_down=on_down)
        runner.streams.append(stream)
        runner.status.streams[stream_plan.name] = stream.status
        return stream

    symbols = [instrument.symbol for instrument in runner.session.manifest.instruments]
    channels = (f"orderbook.{BOOK_DEPTH}", "publicTrade", "tickers")
    topics = tuple(f"{channel}.{symbol}" for symbol in symbols for channel in channels)
    pace = plan.pace
    market_url = plan.endpoints.public(CATEGORY)
    public = StreamPlan("public", market_url, topics, silence_s=pace.silence_market_s, ping_s=pace.ping_s)
    add(public, runner.on_public, runner.on_public_up, runner.on_public_down)
    if not plan.has_account:
        return
    private_topics = ("order", "execution", "position", "wallet")
    private = StreamPlan(
        "private", plan.endpoints.private, private_topics, rest.keys, pace.silence_account_s, pace.ping_s
    )
    account, gateway = runner.account, runner.gateway
    assert account is not None and isinstance(gateway, BybitGateway)
    add(private, account.on_private, account.on_private_up, account.on_private_down)

    async def nothing() -> None:
        """Order entry has nothing to catch up with."""

    async def on_trade(frame: bytes, ts_receive_ns: int) -> None:
        """Take a frame of the order-entry stream."""
        await gateway.on_told(runner.parsed("trade", frame, ts_receive_ns, gateway.requests.parse_socket))

    trade = StreamPlan("trade", plan.endpoints.trade, (), rest.keys, pace.silence_account_s, pace.ping_s)
    gateway.stream = add(trade, on_trade, nothing, gateway.on_down)
