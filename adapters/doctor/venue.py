"""What a session needs of the venue: an answer, one clock, its instruments, accepted keys; must never place an order.

Every request is a GET, is sent once to one host, follows no redirect and goes through no proxy: keys go nowhere else.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import NamedTuple
from urllib.parse import urlsplit

from mmfold.adapters.doctor.check import Check, fail, ok, warn
from mmfold.adapters.ports import is_loopback
from mmfold.adapters.venues.order_port import HedgeMode, OrderVenue
from mmfold.adapters.venues.port import Credentials, MalformedFrame, NativeVenue, RestRequest, VenueError
from mmfold.config.errors import ConfigError, nearest_text
from mmfold.config.models import Config
from mmfold.config.params import to_params
from mmfold.engine.limits import NS_PER_MS
from mmfold.engine.manifest import Instrument, Manifest, UncountedInstrument

TIMEOUT_S = 5.0
BODY_BYTES_MAX = 8 << 20  # a page of 1,000 instruments is about 1 MB
PAGE_COUNT_MAX = 30
RECV_WINDOW_MS = 5_000
CLOCK_TRY_COUNT = 3
SKEW_MS_WARN = 250
SKEW_MS_MAX = 1_000  # the venue refuses what is stamped later than a second ahead of its own clock
MANIFEST_RUN = "doctor"


class EndpointError(ValueError):
    """An endpoint that is no plain http(s) URL of a host."""

    hint = "such as https://api.bybit.com or http://127.0.0.1:8899"


class Unreachable(Exception):
    """No answer came, or none that can be one."""


class Endpoint(NamedTuple):
    """A host to ask."""

    scheme: str
    host: str
    port: int | None

    @property
    def keeps_keys(self) -> bool:
        """Whether nobody on the way reads what is sent."""
        return self.scheme == "https" or is_loopback(self.host)


class Answer(NamedTuple):
    """An answer and our clock around it."""

    status: int
    body: bytes
    ts_sent_ns: int
    ts_received_ns: int


class Found(NamedTuple):
    """What the first questions told, for the later ones."""

    checks: list[Check]
    offset_ns: int | None  # the venue's clock less ours, None where it did not answer


def parse_endpoint(url: str) -> Endpoint:
    """Return the host of a URL.

    Raises: EndpointError; it does not repeat the URL, which may hold a password.
    """
    try:
        parts = urlsplit(url)
        endpoint = Endpoint(parts.scheme, parts.hostname or "", parts.port)
    except ValueError as error:
        raise EndpointError("the endpoint is no URL") from error
    is_plain = parts.path in ("", "/") and not (parts.query or parts.fragment or "@" in parts.netloc)
    if endpoint.scheme not in ("http", "https") or not endpoint.host or not is_plain:
        raise EndpointError("the endpoint must be http:// or https:// and a host, without path, query or user")
    return endpoint


def connect(endpoint: Endpoint) -> HTTPConnection:
    """Return an open connection.

    Raises: OSError, HTTPException.
    """
    kind = HTTPSConnection if endpoint.scheme == "https" else HTTPConnection
    connection = kind(endpoint.host, endpoint.port, timeout=TIMEOUT_S)
    connection.connect()
    return connection


def ask(connection: HTTPConnection, request: RestRequest, headers: Mapping[str, str]) -> Answer:
    """Send one request.

    Raises: OSError, HTTPException, Unreachable for an answer that is too long.
    """
    ts_sent_ns = time.time_ns()
    connection.request(request.method, request.target, headers={"User-Agent": "mm", **headers})
    response = connection.getresponse()
    ts_received_ns = time.time_ns()
    body = response.read(BODY_BYTES_MAX + 1)
    if len(body) > BODY_BYTES_MAX:
        raise Unreachable(f"an answer of more than {BODY_BYTES_MAX:,} bytes")
    return Answer(response.status, body, ts_sent_ns, ts_received_ns)


def ask_once(endpoint: Endpoint, request: RestRequest, headers: Mapping[str, str] | None = None) -> Answer:
    """Connect, send one request, hang up.

    Raises: OSError, HTTPException, Unreachable.
    """
    connection = connect(endpoint)
    try:
        return ask(connection, request, headers or {})
    finally:
        connection.close()


def reason_of(error: Exception) -> str:
    """Return why a venue was not reached, in a line."""
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT_S:g} s"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def check_reachable(venue: NativeVenue, endpoint: Endpoint, url: str) -> Found:
    """Ask for the time, a few times on one connection: who answers, how fast, and how far the clocks are apart."""
    samples = []
    try:
        connection = connect(endpoint)
        try:
            for _ in range(CLOCK_TRY_COUNT):
                answer = ask(connection, venue.request_time(), {})
                venue_ns = venue.parse_time(answer.body, answer.status)
                trip_ns = answer.ts_received_ns - answer.ts_sent_ns
                samples.append((trip_ns, venue_ns - answer.ts_sent_ns - trip_ns // 2))
        finally:
            connection.close()
    except (OSError, HTTPException, Unreachable) as error:
        hint = "check the URL, the network and the firewall; proxies are not used"
        return Found([fail("venue", "venue_unreachable", f"{url}: {reason_of(error)}", hint)], None)
    except (MalformedFrame, VenueError) as error:
        hint = f"is this the venue's REST address? it did not answer as {venue.name.capitalize()} does"
        return Found([fail("venue", "venue_unreachable", f"{url}: {error}", hint)], None)
    trip_ns, offset_ns = min(samples)
    reached = ok("venue", f"{url} answers in {trip_ns / NS_PER_MS:,.1f} ms")
    return Found([reached, check_skew(offset_ns, trip_ns)], offset_ns)


def check_skew(offset_ns: int, trip_ns: int) -> Check:
    """Judge how far our clock is from the venue's."""
    skew_ms, sure_ms = abs(offset_ns) / NS_PER_MS, trip_ns / NS_PER_MS / 2
    text = f"{skew_ms:,.0f} ms {'behind' if offset_ns > 0 else 'ahead of'} the venue, give or take {sure_ms:,.0f} ms"
    hint = "set this machine's clock (timedatectl set-ntp true, or chronyc makestep)"
    if skew_ms > SKEW_MS_MAX:
        return fail("clock", "clock_skew", f"{text}; signed requests are refused beyond {SKEW_MS_MAX:,} ms", hint)
    if skew_ms > SKEW_MS_WARN:
        return warn("clock", "clock_skew", text, hint)
    return ok("clock", text)


def list_instruments(
    venue: NativeVenue, endpoint: Endpoint, wanted: frozenset[str], odd: dict[str, str]
) -> list[Instrument]:
    """Return the instruments that trade: of the first contract, then of the others until all that are wanted are there.

    `odd` gets the rows that cannot be taken, with the reason. A venue that refuses to tell of the others hides none of
    the first.
    Raises: OSError, HTTPException, Unreachable, MalformedFrame, VenueError.
    """
    found: list[Instrument] = []
    cursor = ""
    for _ in range(PAGE_COUNT_MAX):
        answer = ask_once(endpoint, venue.request_instruments("", cursor))
        try:
            page, cursor = venue.parse_instruments(answer.body, answer.status, odd)
        except VenueError:
            if not found:
                raise
            return found
        found += page
        is_first = not page or page[-1].contract == venue.capabilities.contracts[0]
        if not cursor or (wanted <= {one.symbol for one in found} and not (is_first and not wanted)):
            return found
    raise Unreachable(f"more than {PAGE_COUNT_MAX} pages of instruments")


def check_instruments(
    venue: NativeVenue, endpoint: Endpoint, symbols: Sequence[str], config: Config | None
) -> list[Check]:
    """Look the symbols up at the venue and lay the configuration over their ticks and lots."""
    odd: dict[str, str] = {}
    contract = venue.capabilities.contracts[0]
    try:
        found = list_instruments(venue, endpoint, frozenset(symbols), odd)
    except VenueError as error:
        return [fail("instruments", "instruments", str(error), "try again; the venue's status page may say more")]
    except (OSError, HTTPException, Unreachable, MalformedFrame) as error:
        hint = "is this the venue's REST address? its list could not be read"
        return [fail("instruments", "instruments", reason_of(error), hint)]
    listed = {one.symbol: one for one in reversed(found)}
    contract_count = sum(one.contract == contract for one in found)
    missing = [symbol for symbol in symbols if symbol not in listed]
    if missing:
        return [
            fail("instruments", f"unknown_symbol:{one}",
                 odd.get(ascii(one)) or f"{one} does not trade here{nearest_text(one, list(listed))}",
                 "correct the symbol")
            for one in missing
        ]  # fmt: skip
    chosen = tuple(listed[symbol] for symbol in sorted(symbols))
    uncounted = [refused for one in chosen if (refused := why_uncounted(one)) is not None]
    if uncounted:
        return uncounted
    if config is not None and symbols:
        try:
            to_params(config, Manifest(run_id=MANIFEST_RUN, instruments=chosen))
        except ConfigError as error:
            return [
                fail("instruments", "config_parse", str(error), error.hint or "mm config describe KEY explains a key")
            ]
    if symbols:
        return [ok("instruments", f"{', '.join(sorted(symbols))}: listed, and the settings fit their ticks and lots")]
    left_out = f"; left out, because they cannot be read: {', '.join(sorted(odd))}" if odd else ""
    return [ok("instruments", f"{contract_count:,} {contract} instruments trade{left_out}")]


def why_uncounted(instrument: Instrument) -> Check | None:
    """Return why a session refuses an instrument whose ticks and lots the core has no room for, None if it does not."""
    try:
        instrument.check_countable()
    except UncountedInstrument as error:
        return fail("instruments", f"uncounted:{instrument.symbol}", str(error), error.hint)
    return None


class SignedDoor(NamedTuple):
    """Where signed questions are asked, with the clock corrected: a wrong clock must not look like a wrong key."""

    venue: OrderVenue
    endpoint: Endpoint
    keys: Credentials
    offset_ns: int

    def ask(self, request: RestRequest) -> Answer:
        """Ask one question.

        Raises: OSError, HTTPException, Unreachable.
        """
        ts_ms = (time.time_ns() + self.offset_ns) // NS_PER_MS
        return ask_once(self.endpoint, request, self.venue.sign(request, self.keys, ts_ms, RECV_WINDOW_MS))


def check_accepted(door: SignedDoor, path: str) -> Check:
    """Send one signed question."""
    if not door.endpoint.keeps_keys:
        text = f"{path}: not tried, keys are not sent over plain http to another machine"
        return fail("credentials", "insecure_endpoint", text, "use an https:// endpoint")
    try:
        answer = door.ask(door.venue.request_wallet("USDT"))
        door.venue.read_page(answer.body, answer.status)
    except VenueError as error:
        hint = door.venue.hint_of(error.code) or "try again; look the code up in the venue's documentation"
        return fail("credentials", f"credentials_refused:{error.code}", f"{path}: {error}", hint)
    except (OSError, HTTPException, Unreachable, MalformedFrame) as error:
        return fail("credentials", "venue_unreachable", f"{path}: {reason_of(error)}", "try again")
    return ok("credentials", f"{path}: the venue accepts them")


def check_one_way(door: SignedDoor, symbols: Sequence[str]) -> list[Check]:
    """Ask for the position mode of the symbols: in hedge mode a session does not start."""
    venue, hedged = door.venue, dict[str, bool]()
    for symbol in symbols:
        try:
            answer = door.ask(venue.request_positions(venue.capabilities.contracts[0], symbol))
            hedged |= venue.hedged([venue.read_page(answer.body, answer.status)])
        except (VenueError, OSError, HTTPException, Unreachable, MalformedFrame) as error:
            text = f"{symbol}: {reason_of(error)}"
            return [warn("position mode", "position_mode_unknown", text, "try again; mm live asks once more")]
    if hedged:
        return [fail("position mode", "hedge_mode", str(HedgeMode(hedged, venue.hedge_hint)), venue.hedge_hint)]
    return [ok("position mode", f"{', '.join(symbols)}: one-way")] if symbols else []


def unique(symbols: Iterable[str]) -> list[str]:
    """Return symbols in upper case, each once, sorted."""
    return sorted({symbol.upper() for symbol in symbols})
