"""What the product may know of a venue that takes our orders: the account side of the port; must never do I/O.

What a venue says of an account is rows of whole events, and what in it is not ours. Its lists come in pages.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol, cast

import numpy as np

from mmfold.adapters.venues.ledger import Foreign
from mmfold.adapters.venues.pending import PendingRequests, RateLimit
from mmfold.adapters.venues.port import Control, Credentials, Ignored, NativeVenue, RestRequest
from mmfold.engine.manifest import Instrument, Manifest


class HedgeMode(Exception):
    """An account that holds long and short of a symbol apart; the message names the symbols."""

    def __init__(self, hedged: Mapping[str, bool], hint: str) -> None:
        names = ", ".join(f"{symbol}{' (with a position)' if held else ''}" for symbol, held in sorted(hedged.items()))
        super().__init__(f"the account is in hedge mode for {names}; mm trades in one-way mode")
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Private:
    """What a frame or a list of an account told: rows of whole events, and what is not ours."""

    rows: np.ndarray
    foreign: tuple[Foreign, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """The entries of one page and where the next one starts; `ts_ns` is the venue's time of the answer."""

    entries: list[dict[str, Any]]
    next_cursor: str
    category: str
    ts_ns: int
    body: bytes


class Resting(NamedTuple):
    """An open order by both its ids: ours, empty where it has none, and the venue's."""

    link_id: str
    venue_order_id: str


@dataclass(frozen=True, slots=True)
class FeeRate:
    """The account's fee rates of one instrument; positive is a cost, rounded up to a ppm."""

    symbol: str
    maker_ppm: int
    taker_ppm: int


def with_fees(instrument: Instrument, rates: Sequence[FeeRate]) -> Instrument:
    """Return an instrument with the account's fee rates, where they are known."""
    for rate in rates:
        if rate.symbol == instrument.symbol:
            return replace(instrument, maker_fee_ppm=rate.maker_ppm, taker_fee_ppm=rate.taker_ppm)
    return instrument


class Run(NamedTuple):
    """Effects of one kind and category, as many as one request carries, with the venue's words for them."""

    effects: np.ndarray
    operation: str
    body: str


class RequestEncoder(Protocol):
    """Effects to request bytes; what is placed is noted in the ledger before it leaves."""

    operations: Mapping[int, tuple[str, str]]  # by EventKind: the venue's names for one order and for a batch
    batch_count_max: int

    def split(self, effects: np.ndarray) -> Iterator[Run]:
        """Yield effects as runs that one request can carry, in their order."""
        ...

    def encode_socket(self, run: Run, request_id: str, ts_ms: int) -> bytes:
        """Return the order-entry message of a run.

        Units:  ts_ms is our clock corrected to the venue's; `request_id` must be new and plain.
        """
        ...

    def encode_rest(self, run: Run) -> RestRequest:
        """Return the REST request of a run."""
        ...


class PrivateParser(Protocol):
    """Frames of the private stream to whole events."""

    def parse(self, frame: bytes, ts_receive_ns: int) -> Private | Control | Ignored:
        """Return what one frame says.

        Raises: MalformedFrame: nothing of the frame is taken as told.
        """
        ...


class AnswerParser(Protocol):
    """The account's lists to whole events; `coin` is the one whose balance is the account's cash."""

    coin: str

    def parse_open_orders(
        self, pages: list[Page], contract: str, ts_receive_ns: int, symbol: str | None = None
    ) -> Private:
        """Return the OPEN_ORDERS of every instrument of a contract, or of one, after what no stream has told.

        Raises: MalformedFrame.
        """
        ...

    def parse_executions(self, pages: list[Page], ts_receive_ns: int) -> Private:
        """Return the FILLs and FUNDINGs of all pages, oldest first.

        Raises: MalformedFrame.
        """
        ...

    def parse_positions(self, pages: list[Page], contract: str, ts_receive_ns: int) -> Private:
        """Return the POSITION of every instrument of a contract, flat included.

        Raises: MalformedFrame.
        """
        ...

    def parse_wallet(self, body: bytes, ts_receive_ns: int, http_status: int) -> np.ndarray:
        """Return the BALANCE of the account, no row when it does not list the coin.

        Raises: VenueError, MalformedFrame.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class AccountParts:
    """What speaks for one run's account; all of them share one ledger."""

    encoder: RequestEncoder
    requests: PendingRequests
    private: PrivateParser
    answers: AnswerParser


@dataclass(frozen=True, kw_only=True)
class AccountSockets:
    """Where the private and the order-entry stream are, and what to subscribe to of the first."""

    private_url: str
    private_topics: tuple[str, ...]
    order_url: str


class OrderVenue(NativeVenue, Protocol):
    """A venue that takes orders: the account side.

    `order_path` begins what the requests of order entry are counted by: it and their operation.
    """

    order_path: str
    hedge_hint: str  # how a person leaves hedge mode there

    def sign(self, request: RestRequest, keys: Credentials, ts_ms: int, recv_window_ms: int) -> dict[str, str]:
        """Return the headers of a private request."""
        ...

    def read_limit(self, headers: object) -> RateLimit | None:
        """Return what the headers of an answer say of the rate limit."""
        ...

    def read_page(self, body: bytes, http_status: int) -> Page:
        """Return one page of a list.

        Raises: VenueError, MalformedFrame.
        """
        ...

    def check_done(self, body: bytes, http_status: int) -> None:
        """Check that the venue said yes.

        Raises: VenueError, MalformedFrame.
        """
        ...

    def hint_of(self, code: int) -> str:
        """Return what a person does about a code that refuses keys, empty where that is not known."""
        ...

    def account(self, manifest: Manifest, recv_window_ms: int) -> AccountParts:
        """Return what speaks for the account of a run."""
        ...

    def account_sockets(self, sockets: str, *, dead_man: bool) -> AccountSockets:
        """Return where the account's streams are; with a dead-man switch their topics keep it."""
        ...

    def request_fee_rate(self, contract: str, symbol: str) -> RestRequest:
        """Return the request for the account's fee rates."""
        ...

    def parse_fee_rates(self, body: bytes, http_status: int) -> list[FeeRate]:
        """Return the account's fee rates.

        Raises: VenueError, MalformedFrame.
        """
        ...

    def request_open_orders(self, contract: str, symbol: str, cursor: str = "") -> RestRequest:
        """Return the request for a page of open orders."""
        ...

    def resting(self, pages: Sequence[Page]) -> list[Resting]:
        """Return the open orders of all pages, whoever placed them.

        Raises: MalformedFrame.
        """
        ...

    def request_executions(self, contract: str, symbol: str, start_ms: int, cursor: str = "") -> RestRequest:
        """Return the request for a page of executions since a time, newest first."""
        ...

    def request_positions(self, contract: str, symbol: str, cursor: str = "") -> RestRequest:
        """Return the request for a page of positions."""
        ...

    def hedged(self, pages: Sequence[Page]) -> dict[str, bool]:
        """Return the symbols in hedge mode, and of each whether it holds a position."""
        ...

    def request_wallet(self, coin: str) -> RestRequest:
        """Return the request for the wallet balance of a coin."""
        ...

    def request_cancel(self, contract: str, symbol: str, venue_order_id: str) -> RestRequest:
        """Return the request that cancels one order, whoever placed it."""
        ...

    def request_cancel_all(self, contract: str, symbol: str) -> RestRequest:
        """Return the request that cancels every order of a symbol, ours or not."""
        ...

    def request_dead_man(self, window_s: int) -> RestRequest:
        """Return the request that has the venue cancel all when we are gone for so long."""
        ...


def with_orders(venue: NativeVenue) -> OrderVenue:
    """Return a venue as the one that takes orders, which its capabilities say it is."""
    assert venue.capabilities.order_entry, f"{venue.name} takes no orders"
    return cast("OrderVenue", venue)
