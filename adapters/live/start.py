"""From nothing to a runner: the venue's clock and instruments, the journal, keys, streams; must never send an order."""

import asyncio
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import orjson

from mmfold.adapters.alerts.channel import Channel
from mmfold.adapters.live.account.account import Account
from mmfold.adapters.live.account.account_stop import AccountStop, account_of, check_stop
from mmfold.adapters.live.account.foreign_orders import check_foreign
from mmfold.adapters.live.account.handover import Place, find_place, former_runs, own_runs, parent_of, read_seen
from mmfold.adapters.live.account.initial_position import FirstLook
from mmfold.adapters.live.account.left_orders import LeftOrders
from mmfold.adapters.live.account.opening import CannotStart, find_manifest, open_session
from mmfold.adapters.live.account.position_mode import check_one_way
from mmfold.adapters.live.account.reconcile import Reconciler, Seen
from mmfold.adapters.live.operator.status import LiveStatus
from mmfold.adapters.live.raw import RawFrames
from mmfold.adapters.live.runner import Pace, Runner
from mmfold.adapters.live.share import session_document
from mmfold.adapters.live.venue.dead_man import arm_dead_man
from mmfold.adapters.live.venue.endpoints import Endpoints
from mmfold.adapters.live.venue.gateway import Gateway, NoGateway, PaperGateway, VenueGateway
from mmfold.adapters.live.venue.native_market import open_native
from mmfold.adapters.live.venue.rest_client import RestClient
from mmfold.adapters.live.venue.stream import Stream, StreamPlan
from mmfold.adapters.logs import EventLog
from mmfold.adapters.secrets.environment import make_key, resolve_environment
from mmfold.adapters.secrets.errors import SecretError
from mmfold.adapters.secrets.registry import open_backend
from mmfold.adapters.secrets.value import Secret
from mmfold.adapters.venues.order_port import AccountParts, with_fees
from mmfold.adapters.venues.port import Credentials, MalformedFrame, VenueError, book_depth_of
from mmfold.adapters.venues.registry import client_name, client_venue, native_venue
from mmfold.config.models import Config
from mmfold.config.params import config_digest, unused_settings
from mmfold.engine.limits import NS_PER_MS, NS_PER_S
from mmfold.engine.manifest import Instrument, Manifest
from mmfold.journal.log.reader import Journal
from mmfold.replay.strategy.file import check_configured

CLOCK_SKEW_MAX_NS = 1 * NS_PER_S  # what a venue forgives ahead of its own clock
CLOCK_READING_COUNT_MAX = 3
EMULATOR_START_S = 60.0
EMULATOR_TOLD_S = 2.0
LENT_BYTES_MAX = 1 << 16
PAPER_LATENCY_NS = 10 * NS_PER_MS
LOG = EventLog("start")


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
    continue_from: Path | None = None  # a former session's journal that this one takes over from
    adopt_position: bool = False  # a position that a new journal's account has already
    channels: tuple[Channel, ...] = ()  # that alerts go out by
    share_account: bool = False  # with another session of mm, whose orders rest there

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
            body = await answer.content.read(LENT_BYTES_MAX)
            keys = orjson.loads(body)["keys"] if answer.status == 200 else []
    except (OSError, TimeoutError, aiohttp.ClientError, ValueError, KeyError, TypeError):
        return None
    return Credentials(Secret(keys[0]["key"]), Secret(keys[0]["secret"])) if keys else None


async def find_instruments(venue: str, symbols: tuple[str, ...], rest: RestClient) -> tuple[Instrument, ...]:
    """Return the asked-for instruments with the account's fees, where there is an account.

    Raises: CannotStart, VenueUnreachable, VenueError, MalformedFrame.
    """
    at, found = rest.venue, list[Instrument]()
    contract = at.capabilities.contracts[0]
    for symbol in symbols:
        try:
            http_status, body = await rest.ask(at.request_instruments(symbol))
            instruments, _ = at.parse_instruments(body, http_status)
        except VenueError as error:
            instruments = []
            LOG.warning("instrument_refused", symbol=symbol, reason=str(error))
        except MalformedFrame as error:
            raise CannotStart(f"{venue} {symbol}: {error}", "choose others with --symbols") from error
        if symbol not in [instrument.symbol for instrument in instruments]:
            raise CannotStart(f"{venue} has no {contract} instrument {symbol} that trades", "check --symbols")
        instrument = next(each for each in instruments if each.symbol == symbol)
        if rest.keys is not None:
            status, body = await rest.ask(rest.account_venue.request_fee_rate(instrument.contract, symbol))
            instrument = with_fees(instrument, rest.account_venue.parse_fee_rates(body, status))
        found.append(replace(instrument, book_depth=book_depth_of(at.capabilities)))
    return tuple(sorted(found, key=lambda each: each.symbol))


async def await_emulator(endpoints: Endpoints) -> None:
    """Wait for a venue of this machine that is just being started: it compiles before it listens."""
    address = urlsplit(endpoints.rest)
    start_s, is_told = time.monotonic(), False
    while endpoints.is_loopback and (waited_s := time.monotonic() - start_s) < EMULATOR_START_S:
        try:
            _, writer = await asyncio.open_connection(address.hostname, address.port or 80)
        except OSError:
            if waited_s > EMULATOR_TOLD_S and not is_told:
                LOG.info("venue_awaited", endpoint=endpoints.rest, seconds_at_most=EMULATOR_START_S)
                is_told = True
            await asyncio.sleep(0.1)
            continue
        writer.close()
        return


async def check_clock(rest: RestClient) -> None:
    """Learn the venue's clock and refuse one that is too far from ours.

    Raises: CannotStart, VenueUnreachable, VenueError, MalformedFrame.
    """
    offset_ns = await rest.read_clock(CLOCK_READING_COUNT_MAX)
    if abs(offset_ns) - rest.round_trip_ns // 2 > CLOCK_SKEW_MAX_NS:
        raise CannotStart(
            f"this machine's clock is {-offset_ns / NS_PER_S:+.1f} s off the venue's",
            "synchronise it (chronyd, systemd-timesyncd): the venue refuses requests out of its time",
        )


async def make_runner(plan: Plan, http: aiohttp.ClientSession) -> Runner:
    """Open or take up the journal and wire a runner; nothing is connected yet.

    Raises: CannotStart, HedgeMode, UnknownVenue, VenueUnreachable, VenueError, MalformedFrame, JournalError,
        ConfigError.
    """
    await await_emulator(plan.endpoints)
    if client_name(plan.venue) is not None:
        return await make_client_runner(plan)
    pace = plan.pace
    rest = RestClient(
        http,
        native_venue(plan.venue),
        plan.endpoints.rest,
        recv_window_ms=pace.recv_window_ms,
        timeout_s=pace.rest_timeout_s,
    )
    await check_clock(rest)  # before the keys: an address where nobody listens is told as that
    rest.keys = await find_keys(plan, http)
    stop = None
    if rest.keys is not None:
        stop = AccountStop(account=account_of(plan.venue, plan.mode, rest.keys), venue=plan.venue, mode=plan.mode)
        check_stop(stop)
    instruments = await find_instruments(plan.venue, plan.symbols, rest)
    if plan.has_account:
        await check_one_way(rest, instruments)
    place, manifest = find_start(plan, instruments)
    if stop is not None:
        await check_foreign(rest, manifest, own_runs(place, manifest), is_shared=plan.share_account)
        stop = replace(stop, run_id=manifest.run_id, journal=str(place.journal.absolute()))
    runner = open_runner(plan, place, manifest, stop)
    runner.status.clock_offset_ns = rest.offset_ns
    session = runner.session
    seen = read_seen(session.directory, session.manifest)
    if is_first_look(seen, session.manifest):
        seen = Seen(ts_last_ms=rest.ts_ms())
    market = open_native(
        http, rest, plan.endpoints.sockets, session.manifest, runner.takers(), on_failed=runner.fail,
        silence_s=pace.silence_market_s, ping_s=pace.ping_s,
    )  # fmt: skip
    runner.add_market(market)
    if not plan.has_account:
        runner.gateway = simulate_gateway(plan, runner)
        return runner
    gateway = make_gateway(plan, runner, rest, seen)
    is_armed = await arm_dead_man(rest, plan.config.live.dead_man_window_s)
    add_account_streams(plan, runner, gateway, http, is_armed=is_armed)
    return runner


async def make_client_runner(plan: Plan) -> Runner:
    """Wire a runner to a venue's market through a client library: paper or shadow, which need no account.

    Raises: UnknownVenue, VenueUnreachable, CannotStart, JournalError, ConfigError.
    """
    assert not plan.has_account
    url = plan.endpoints.rest if plan.endpoints.sockets else None
    loaded = await client_venue(plan.venue).load(url, plan.symbols)
    runner = open_runner(plan, *find_start(plan, loaded.instruments))
    runner.gateway = simulate_gateway(plan, runner)
    runner.add_market(loaded.open(runner.session.manifest, runner.takers()))
    return runner


def find_start(plan: Plan, instruments: tuple[Instrument, ...]) -> tuple[Place, Manifest]:
    """Return where a session in some instruments is journaled and its manifest; nothing is begun.

    Raises: CannotStart, CannotHandOver, JournalError, StrategyError.
    """
    place = find_place(plan.journal, plan.continue_from)
    return place, find_manifest(place.journal, plan.mode, plan.venue, instruments)


def open_runner(plan: Plan, place: Place, manifest: Manifest, stop: AccountStop | None = None) -> Runner:
    """Open or take up the journal of a session.

    Raises: CannotStart, CannotHandOver, JournalError, ConfigError, StrategyError.
    """
    document = session_document(plan.config, manifest, has_account=plan.has_account)
    check_configured(document)
    session = open_session(place, manifest, plan.config.journal.sync, stop)
    status = LiveStatus(
        mode=plan.mode, venue=plan.venue, manifest=session.manifest, state=session.core.state,
        lane=session.core.lane,
        journal=str(place.journal), ts_started_ns=time.time_ns(), params_hash=config_digest(document["params"]),
    )  # fmt: skip
    pace = replace(plan.pace, lag_ms_max=plan.config.live.max_lag_ms)
    runner = Runner(session, status, pace, RawFrames(place.journal, keep_all=plan.keep_raw))
    runner.account_stop, runner.document = stop, document
    for line in unused_settings(plan.config, session.manifest):
        runner.log.warning("config_warning", reason=line)
    return runner


def simulate_gateway(plan: Plan, runner: Runner) -> Gateway:
    """Return where the orders of a session without an account go."""
    if plan.mode == "shadow":
        return NoGateway()
    return PaperGateway(runner.session.manifest, runner.take, PAPER_LATENCY_NS, PAPER_LATENCY_NS)


def make_gateway(plan: Plan, runner: Runner, rest: RestClient, seen: Seen) -> VenueGateway:
    """Return where the account's orders go, and give the runner it and what reads the answers."""
    manifest = runner.session.manifest
    parts: AccountParts = rest.account_venue.account(manifest, plan.pace.recv_window_ms)
    session = runner.session
    if is_first_look(seen, manifest):
        reconciler: Reconciler = FirstLook(session, rest, parts.answers, seen, adopts=plan.adopt_position)
    else:
        reconciler = Reconciler(manifest, rest, parts.answers, seen)
    runner.account = Account(runner, parts.private, reconciler)
    if former_runs(manifest):
        parent = parent_of(session.directory, manifest)
        of_orders = (
            manifest if parent is None else Journal(parent).manifest()
        )  # its instruments: one may be left out now
        runner.account.left = LeftOrders(rest, of_orders, former_runs(manifest))
    gateway = VenueGateway(
        parts.encoder, parts.requests, rest, runner.take_answers, runner.ask_venue, manifest.instruments
    )
    runner.gateway = gateway
    return gateway


def is_first_look(seen: Seen, manifest: Manifest) -> bool:
    """Tell whether a session has yet to look at its account: a new one, or one that ended before it could."""
    return not seen.ts_first_ms and not former_runs(manifest)


def add_account_streams(
    plan: Plan, runner: Runner, gateway: VenueGateway, http: aiohttp.ClientSession, *, is_armed: bool
) -> None:
    """Give the runner its private and its order-entry connection."""
    rest, pace, account = gateway.rest, plan.pace, runner.account
    assert account is not None
    venue = rest.account_venue
    where = venue.account_sockets(plan.endpoints.sockets, dead_man=is_armed)

    def add(name: str, url: str, topics: tuple[str, ...], on_frame, on_up, on_down) -> Stream:  # type: ignore[no-untyped-def]
        stream_plan = StreamPlan(name, url, venue.talk, topics, rest.keys, pace.silence_account_s, pace.ping_s)
        stream = Stream(http, stream_plan, ts_ms=rest.ts_ms, on_frame=on_frame, on_up=on_up, on_down=on_down)
        runner.add_stream(stream)
        return stream

    async def nothing() -> None:
        """Order entry has nothing to catch up with."""

    async def on_trade(frame: bytes, ts_receive_ns: int) -> None:
        """Take a frame of the order-entry stream."""
        await gateway.on_told(runner.parsed("trade", frame, ts_receive_ns, gateway.requests.parse_socket))

    add(
        "private",
        where.private_url,
        where.private_topics,
        account.on_private,
        account.on_private_up,
        account.on_private_down,
    )
    gateway.stream = add("trade", where.order_url, (), on_trade, nothing, gateway.on_down)
