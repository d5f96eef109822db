"""What the product may know of a venue: its verbs, its facts, what its frames say; must never know one by name.

A native venue is spoken without I/O: a request or a frame is bytes that others carry, an answer is bytes that others
got. What it says becomes whole events, refusals and talk of the connection.
"""

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mmfold.engine.manifest import Instrument, Manifest

FRAME_BYTES_MAX = 4 << 20  # 200 levels a side are 10 kB, the list of all linear instruments is 600 kB


class MalformedFrame(Exception):
    """Bytes that cannot be understood; they are kept."""

    def __init__(self, reason: str, frame: bytes) -> None:
        super().__init__(reason)
        self.reason = reason
        self.frame = frame


class Verdict(enum.Enum):
    """What became of a request."""

    DONE = "done"  # taken: the private streams tell what came of it
    REFUSED = "refused"
    GONE = "refused: the order is not there any more"
    RATE_LIMITED = "not taken: too many requests"
    SERVER_ERROR = "unknown: the venue failed"
    UNKNOWN = "unknown"  # the order may or may not be there


class VenueError(Exception):
    """The venue answered no; the code, its meaning, and whether asking again may help."""

    def __init__(self, code: int, message: str, verdict: Verdict, meaning: str) -> None:
        super().__init__(f"the venue answered {code} {message!r}: {meaning}")
        self.code = code
        self.verdict = verdict


class VenueUnreachable(Exception):
    """The venue did not answer a question after several tries."""

    hint = "check the address and the network; nothing was sent that is not journaled"


class ControlKind(enum.Enum):
    """What a control frame answers."""

    PONG = "pong"
    AUTH = "auth"
    SUBSCRIBE = "subscribe"
    UNSUBSCRIBE = "unsubscribe"


@dataclass(frozen=True, slots=True)
class Control:
    """The venue's answer to a ping, an auth, a subscribe or an unsubscribe.

    `request_id` is empty where the request had none.
    """

    kind: ControlKind
    ok: bool
    request_id: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A frame that is understood and has no event in it."""

    what: str


Parsed = np.ndarray | Control | Ignored


class Revealable(Protocol):
    """A secret value that shows itself only when asked."""

    def reveal(self) -> str:
        """Return the value."""
        ...


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key and its secret."""

    api_key: Revealable
    api_secret: Revealable


@dataclass(frozen=True, slots=True)
class RestRequest:
    """One REST request, without host and signature; `query` and `body` are what is signed, byte for byte."""

    method: str
    path: str
    query: str = ""
    body: bytes = b""
    private: bool = False

    @property
    def target(self) -> str:
        """Path and query as they stand in the request line."""
        return f"{self.path}?{self.query}" if self.query else self.path


@dataclass(frozen=True, slots=True)
class Hosts:
    """Where a venue is, without paths: `https://...` and `wss://...`."""

    rest: str
    sockets: str


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What a venue can do, as data.

    Units: `order_id_length_max` is of our own id of an order, `batch_order_count_max` 1 where there are no batches,
    `book_depths` levels a side that its stream has (0: all of them), `requests_per_s` of each kind of order entry,
    `queries_per_s` of each other private question; both until the venue's own answers tell.
    """

    contracts: tuple[str, ...]  # of engine/manifest.py
    book_start: str  # "stream": its first message is the book; "rest": a snapshot is asked for and bridged
    book_depths: tuple[int, ...]
    testnet: bool
    order_entry: bool  # False: a market alone, for `mm record` and paper and shadow sessions
    amend: bool = False
    batch_order_count_max: int = 1
    post_only: bool = False
    reduce_only: bool = False
    hedge_mode: bool = False
    dead_man: bool = False
    order_id_length_max: int = 0
    requests_per_s: int = 0
    queries_per_s: int = 0


BOOK_DEPTH = 50  # levels a side that a session asks for


def book_depth_of(capabilities: Capabilities) -> int:
    """Return how many levels a side a session takes: the least that suffice, else the most; 0 is all of them."""
    enough = [depth for depth in capabilities.book_depths if depth >= BOOK_DEPTH]
    return min(enough) if enough else 0 if 0 in capabilities.book_depths else max(capabilities.book_depths)


@dataclass(frozen=True, slots=True)
class SnapshotDue:
    """A book that waits for a snapshot by REST."""

    instrument_index: int
    request: RestRequest


class MarketParser(Protocol):
    """Frames of the market streams to whole events; `seq` is 0, which the journal's writer sets."""

    def parse(self, frame: bytes, ts_receive_ns: int) -> Parsed:
        """Return the rows of one frame, or what it is where it has none.

        Shape:  EVENT rows of whole events.
        Raises: MalformedFrame.
        """
        ...

    def forget_books(self) -> None:
        """Forget which books were seen: a connection begins or has ended."""
        ...

    def snapshots_due(self) -> Sequence[SnapshotDue]:
        """Return the snapshots to ask for now; each is told once until it has come, or its book needs a new one."""
        ...

    def parse_snapshot(self, due: SnapshotDue, body: bytes, http_status: int, ts_receive_ns: int) -> np.ndarray:
        """Return the rows of a snapshot that was asked for; none for one that is too old to continue: it is due again.

        Shape:  EVENT rows of one BOOK_SNAPSHOT.
        Raises: MalformedFrame, VenueError.
        """
        ...


class SocketTalk(Protocol):
    """How a venue's WebSockets are talked to, whatever they carry.

    `topics_per_subscribe` bounds one subscribe message; `ping` is None where the venue pings us and nothing is due.
    """

    topics_per_subscribe: int

    def auth(self, keys: Credentials, expires_ms: int, request_id: str) -> bytes:
        """Return the message that proves who we are."""
        ...

    def subscribe(self, topics: Sequence[str], request_id: str) -> bytes:
        """Return a subscribe message."""
        ...

    def ping(self) -> bytes | None:
        """Return the heartbeat."""
        ...

    def control(self, frame: bytes) -> Control | None:
        """Return the connection's talk in a frame, None for data.

        Raises: MalformedFrame.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class MarketSockets:
    """The connection of the market streams: its address and what to subscribe.

    `beside` are connections of their own for what the venue has elsewhere. They carry no books: when one is lost,
    nothing is missing from any, and its frames go to the same parser.
    """

    url: str
    topics: tuple[str, ...]
    beside: tuple["MarketSockets", ...] = ()


class NativeVenue(Protocol):
    """A venue that is spoken by our own code: the market side."""

    name: str
    hosts: Mapping[str, Hosts]  # "live", "testnet"
    capabilities: Capabilities
    talk: SocketTalk

    def request_time(self) -> RestRequest:
        """Return the request for the venue's clock."""
        ...

    def parse_time(self, body: bytes, http_status: int) -> int:
        """Return the venue's clock.

        Units: ns. Raises: MalformedFrame, VenueError.
        """
        ...

    def request_instruments(self, symbol: str, cursor: str = "") -> RestRequest:
        """Return the request for a page of instruments, of one symbol where one is given."""
        ...

    def parse_instruments(
        self, body: bytes, http_status: int, odd: dict[str, str] | None = None
    ) -> tuple[list[Instrument], str]:
        """Return the instruments of a page that trade, and the cursor of the next, empty at the end.

        `odd` gets the entries that cannot be taken, with the reason. Raises: MalformedFrame, VenueError.
        """
        ...

    def market_sockets(self, sockets: str, manifest: Manifest) -> MarketSockets:
        """Return where the market streams of a manifest's instruments are and what to subscribe there."""
        ...

    def market_parser(self, manifest: Manifest) -> MarketParser:
        """Return a parser of the market streams."""
        ...


MakeVenue = Callable[[], NativeVenue]
