"""Bybit v5 behind the port: its addresses, what it can do, and what speaks for it; must never do I/O.

Source: Bybit v5 docs: integration guidance (base endpoints), websocket connect, rate limit rules, place order, batch
place order, set disconnect cancel all.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from mmfold.adapters.venues.bybit import requests, rest
from mmfold.adapters.venues.bybit.frames import parse_control
from mmfold.adapters.venues.bybit.messages import MARKETS
from mmfold.adapters.venues.bybit.position_mode import HEDGE_HINT, hedged_symbols
from mmfold.adapters.venues.bybit.private import PrivateParser
from mmfold.adapters.venues.bybit.public import PublicParser
from mmfold.adapters.venues.bybit.requests import BATCH_COUNT_MAX, ORDER_PATH, RequestEncoder
from mmfold.adapters.venues.bybit.responses import RequestBook, read_limit
from mmfold.adapters.venues.bybit.ret_codes import HINT_BY_CODE
from mmfold.adapters.venues.bybit.signing import encode_auth, encode_ping, encode_subscribe, sign_rest
from mmfold.adapters.venues.frames import load_object
from mmfold.adapters.venues.ledger import OrderLedger
from mmfold.adapters.venues.link_ids import LINK_ID_CHARS_MAX
from mmfold.adapters.venues.order_port import AccountParts, AccountSockets, FeeRate, Page, Resting
from mmfold.adapters.venues.pending import RateLimit
from mmfold.adapters.venues.port import (
    Capabilities,
    Control,
    Credentials,
    Hosts,
    MarketSockets,
    RestRequest,
    SocketTalk,
    book_depth_of,
)
from mmfold.engine.manifest import Instrument, Manifest

CAPABILITIES = Capabilities(
    contracts=MARKETS,
    book_start="stream",
    book_depths=(1, 50, 200, 1000),
    testnet=True,
    order_entry=True,
    amend=True,
    batch_order_count_max=BATCH_COUNT_MAX,
    post_only=True,
    reduce_only=True,
    hedge_mode=True,
    dead_man=True,
    order_id_length_max=LINK_ID_CHARS_MAX,
    requests_per_s=10,
    queries_per_s=5,
)
HOSTS = {
    "live": Hosts("https://api.bybit.com", "wss://stream.bybit.com"),
    "testnet": Hosts("https://api-testnet.bybit.com", "wss://stream-testnet.bybit.com"),
}
CONTRACT = CAPABILITIES.contracts[0]  # what sessions trade
ACCOUNT_TOPICS = ("order", "execution", "position", "wallet")
DEAD_MAN_TOPIC = "dcp.future"  # a connection that has it keeps the switch from firing
CURSOR_MARK = "|"  # between a category and the venue's own cursor


class BybitTalk:
    """The connections' own talk; the private and the order-entry stream have the same as the market's."""

    topics_per_subscribe = 10

    def auth(self, keys: Credentials, expires_ms: int, request_id: str) -> bytes:
        """Return the message that proves who we are."""
        return encode_auth(keys, expires_ms, request_id)

    def subscribe(self, topics: Sequence[str], request_id: str) -> bytes:
        """Return a subscribe message."""
        return encode_subscribe(tuple(topics), request_id)

    def ping(self) -> bytes:
        """Return the heartbeat."""
        return encode_ping()

    def control(self, frame: bytes) -> Control | None:
        """Return the connection's talk in a frame, None for data.

        Raises: MalformedFrame.
        """
        message = load_object(frame)
        return None if "topic" in message else parse_control(message, frame)


class BybitMarket:
    """The market side: the clock, the instruments, the public streams."""

    name = "bybit"
    hosts: Mapping[str, Hosts] = HOSTS
    capabilities = CAPABILITIES
    talk: SocketTalk = BybitTalk()

    def request_time(self) -> RestRequest:
        """Return the request for the venue's clock."""
        return rest.request_time()

    def parse_time(self, body: bytes, http_status: int) -> int:
        """Return the venue's clock.

        Units: ns. Raises: MalformedFrame, VenueError.
        """
        return rest.parse_time(body, http_status)

    def request_instruments(self, symbol: str, cursor: str = "") -> RestRequest:
        """Return the request for a page of instruments; the pages of one category are followed by the next one's."""
        category, _, place = cursor.partition(CURSOR_MARK)
        return rest.request_instruments(category or CONTRACT, symbol, place)

    def parse_instruments(
        self, body: bytes, http_status: int, odd: dict[str, str] | None = None
    ) -> tuple[list[Instrument], str]:
        """Return the instruments of a page that trade, and the cursor of the next, empty at the end.

        Raises: MalformedFrame, VenueError.
        """
        found, category, cursor = rest.read_instruments(body, http_status, odd)
        if not cursor:
            category = dict(pairwise(MARKETS)).get(category, "")
        return found, f"{category}{CURSOR_MARK}{cursor}" if category else ""

    def market_sockets(self, sockets: str, manifest: Manifest) -> MarketSockets:
        """Return where the public streams of a manifest's instruments are and their topics."""
        channels = (f"orderbook.{book_depth_of(CAPABILITIES)}", "publicTrade", "tickers")
        topics = tuple(f"{channel}.{each.symbol}" for each in manifest.instruments for channel in channels)
        return MarketSockets(url=f"{sockets}/v5/public/{CONTRACT}", topics=topics)

    def market_parser(self, manifest: Manifest) -> PublicParser:
        """Return a parser of the public streams."""
        return PublicParser(manifest)


class BybitVenue(BybitMarket):
    """Both sides: the account's streams, requests, lists and limits too."""

    order_path = ORDER_PATH
    hedge_hint = HEDGE_HINT

    def sign(self, request: RestRequest, keys: Credentials, ts_ms: int, recv_window_ms: int) -> dict[str, str]:
        """Return the headers of a private request."""
        return sign_rest(request, keys, ts_ms, recv_window_ms)

    def read_limit(self, headers: object) -> RateLimit | None:
        """Return what the headers of an answer say of the rate limit."""
        return read_limit(headers)

    def read_page(self, body: bytes, http_status: int) -> Page:
        """Return one page of a list.

        Raises: VenueError, MalformedFrame.
        """
        return rest.read_page(body, http_status)

    def check_done(self, body: bytes, http_status: int) -> None:
        """Check that the venue said yes.

        Raises: VenueError, MalformedFrame.
        """
        rest.read_result(body, http_status)

    def hint_of(self, code: int) -> str:
        """Return what a person does about a code that refuses keys, empty where that is not known."""
        return HINT_BY_CODE.get(code, "")

    def account(self, manifest: Manifest, recv_window_ms: int) -> AccountParts:
        """Return what speaks for the account of a run."""
        ledger = OrderLedger(manifest.run_id)
        return AccountParts(
            encoder=RequestEncoder(manifest, ledger, recv_window_ms), requests=RequestBook(ledger),
            private=PrivateParser(manifest, ledger), answers=rest.RestParser(manifest, ledger),
        )  # fmt: skip

    def account_sockets(self, sockets: str, *, dead_man: bool) -> AccountSockets:
        """Return where the account's streams are; with a dead-man switch their topics keep it."""
        topics = (*ACCOUNT_TOPICS, DEAD_MAN_TOPIC) if dead_man else ACCOUNT_TOPICS
        return AccountSockets(
            private_url=f"{sockets}/v5/private", private_topics=topics, order_url=f"{sockets}/v5/trade"
        )

    def request_fee_rate(self, contract: str, symbol: str) -> RestRequest:
        """Return the request for the account's fee rates."""
        return rest.request_fee_rate(contract, symbol)

    def parse_fee_rates(self, body: bytes, http_status: int) -> list[FeeRate]:
        """Return the account's fee rates.

        Raises: VenueError, MalformedFrame.
        """
        return rest.parse_fee_rates(body, http_status)

    def request_open_orders(self, contract: str, symbol: str, cursor: str = "") -> RestRequest:
        """Return the request for a page of open orders."""
        return rest.request_open_orders(contract, symbol, cursor=cursor)

    def resting(self, pages: Sequence[Page]) -> list[Resting]:
        """Return the open orders of all pages, whoever placed them.

        Raises: MalformedFrame.
        """
        return rest.read_resting(pages)

    def request_executions(self, contract: str, symbol: str, start_ms: int, cursor: str = "") -> RestRequest:
        """Return the request for a page of executions since a time, newest first."""
        return rest.request_executions(contract, symbol, start_ms, cursor)

    def request_positions(self, contract: str, symbol: str, cursor: str = "") -> RestRequest:
        """Return the request for a page of positions."""
        return rest.request_positions(contract, symbol, cursor=cursor)

    def hedged(self, pages: Sequence[Page]) -> dict[str, bool]:
        """Return the symbols in hedge mode, and of each whether it holds a position."""
        return hedged_symbols(pages)

    def request_wallet(self, coin: str) -> RestRequest:
        """Return the request for the wallet balance of a coin."""
        return rest.request_wallet(coin)

    def request_cancel(self, contract: str, symbol: str, venue_order_id: str) -> RestRequest:
        """Return the request that cancels one order, whoever placed it."""
        return requests.request_cancel(contract, symbol, venue_order_id)

    def request_cancel_all(self, contract: str, symbol: str) -> RestRequest:
        """Return the request that cancels every order of a symbol, ours or not."""
        return requests.request_cancel_all(symbol, contract)

    def request_dead_man(self, window_s: int) -> RestRequest:
        """Return the request that has the venue cancel all when we are gone for so long.

        It holds for all derivatives of the account, whoever placed them, until it is set otherwise at the venue.
        """
        return requests.request_dead_man(window_s)
