"""The public and private WebSocket streams: subscribe, unsubscribe, ping, auth; must never take an order.

Source: Bybit v5 connect page and private stream pages (read 2026-11-20).
"""

from typing import Any

from aiohttp import web

from mmfold.adapters.emulator.bybit.account import Account
from mmfold.adapters.emulator.bybit.codes import VenueError
from mmfold.adapters.emulator.bybit.keys import check_socket_auth
from mmfold.adapters.emulator.bybit.payloads import make_uuid
from mmfold.adapters.emulator.bybit.venue import Venue
from mmfold.adapters.emulator.serving.session import Session

PRIVATE_TOPICS = ("order", "execution", "execution.fast", "position", "wallet", "greeks", "dcp.future")
DERIVATIVES = ("linear", "inverse", "option")
CATEGORIES = ("spot", *DERIVATIVES)
CATEGORIES_OF_TOPICS: dict[str, tuple[str, ...]] = {
    "order": CATEGORIES,
    "execution": CATEGORIES,
    "execution.fast": CATEGORIES,
    "position": DERIVATIVES,
}
OPS_OF_TOPICS = ("subscribe", "unsubscribe")


class Stream:
    """What both streams share: one client's topics and the answers to its operations."""

    def __init__(self, venue: Venue, request: web.Request) -> None:
        self.venue = venue
        self.session = Session(venue, request)
        self.topics: list[str] = []

    def on_message(self, message: dict[str, Any] | None) -> None:
        """Answer one frame of the client."""
        if message is None:
            self.reply("", {}, False, "error:invalid message")
            return
        op = message.get("op")
        if op == "ping":
            self.pong(message)
        elif op in OPS_OF_TOPICS:
            self.change_topics(str(op), message)
        else:
            self.on_other(op, message)

    def on_other(self, op: object, message: dict[str, Any]) -> None:
        """Answer an operation that only one stream has."""
        self.reply(str(op or ""), message, False, "error:invalid op")

    def change_topics(self, op: str, message: dict[str, Any]) -> None:
        """Subscribe or unsubscribe: all the topics of a request, or none."""
        names = message.get("args")
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            self.reply(op, message, False, "error:request args is invalid")
            return
        trouble = self.trouble(op, names)
        if trouble:
            self.reply(op, message, False, trouble)
            return
        for name in names:
            if op == "subscribe":
                self.topics.append(name)
                self.venue_subscribe(name)
            else:
                self.topics.remove(name)
                self.venue_unsubscribe(name)
        self.reply(op, message, True, "")
        for name in names if op == "subscribe" else ():
            self.welcome(name)

    def trouble(self, op: str, names: list[str]) -> str:
        """Return why a request about topics is refused, nothing if it is not."""
        for place, name in enumerate(names):
            if not self.is_topic(name):
                return f"error:handler not found,topic:{name}"
            known = name in self.topics or name in names[:place]
            if op == "subscribe" and known:
                return f"error:already subscribed,topic:{name}"
            if op == "unsubscribe" and name not in self.topics:
                return f"error:not subscribed,topic:{name}"
        return ""

    def is_topic(self, name: str) -> bool:
        """Tell whether this stream has a topic."""
        raise AssertionError(name)

    def venue_subscribe(self, name: str) -> None:
        """Begin to listen to a topic."""

    def venue_unsubscribe(self, name: str) -> None:
        """Cease to listen to a topic."""

    def welcome(self, name: str) -> None:
        """Send what a topic begins with."""

    def pong(self, message: dict[str, Any]) -> None:
        """Answer a ping."""
        self.reply("ping", message, True, "pong")

    def reply(self, op: str, message: dict[str, Any], success: bool, text: str) -> None:
        """Send the outcome of an operation."""
        told = {"success": success, "ret_msg": text, "conn_id": self.session.connection_id, "op": op}
        self.session.send(f"control:{op}", told | {"req_id": str(message.get("req_id") or "")})


class PublicStream(Stream):
    """`/v5/public/linear`; those of the categories that have no symbol here answer and have no topic."""

    async def run(self) -> web.StreamResponse:
        """Serve the client until it goes."""
        try:
            return await self.session.run(self.on_message)
        finally:
            for name in self.topics:
                self.venue_unsubscribe(name)

    def is_topic(self, name: str) -> bool:
        """Tell whether the venue has a topic."""
        return self.session.request.match_info["category"] == "linear" and self.venue.has_topic(name)

    def venue_subscribe(self, name: str) -> None:
        """Begin to listen to a topic."""
        self.venue.subscribe(name, self.session)

    def venue_unsubscribe(self, name: str) -> None:
        """Cease to listen to a topic."""
        self.venue.unsubscribe(name, self.session)

    def welcome(self, name: str) -> None:
        """Send what a topic begins with."""
        self.venue.welcome(name, self.session)


class PrivateStream(Stream):
    """`/v5/private`."""

    def __init__(self, venue: Venue, request: web.Request) -> None:
        super().__init__(venue, request)
        self.account: Account | None = None
        self.message_count = 0

    async def run(self) -> web.StreamResponse:
        """Serve the client until it goes."""
        try:
            return await self.session.run(self.on_message)
        finally:
            if self.account is not None:
                self.account.listeners.remove(self.on_private)
                self.venue.disconnected(self.account)

    def is_topic(self, name: str) -> bool:
        """Tell whether there is a private topic, for all categories or for one; one that is empty here is silent."""
        topic, _, category = name.rpartition(".")
        return name in PRIVATE_TOPICS or category in CATEGORIES_OF_TOPICS.get(topic, ())

    def on_other(self, op: object, message: dict[str, Any]) -> None:
        """Answer an authentication."""
        if op != "auth":
            super().on_other(op, message)
            return
        try:
            keys = {name: account.key for name, account in self.venue.accounts.items()}
            key = check_socket_auth(keys, message.get("args"), self.venue.clock.now_ms())
        except VenueError as error:
            self.reply("auth", message, False, error.message)
            return
        if self.account is None:
            self.account = self.venue.accounts[key.key]
            self.account.listeners.append(self.on_private)
            self.venue.connected(self.account)
        self.reply("auth", message, True, "")

    def change_topics(self, op: str, message: dict[str, Any]) -> None:
        """Subscribe or unsubscribe, once authenticated."""
        if self.account is None:
            self.reply(op, message, False, "Request not authorized")
            return
        super().change_topics(op, message)

    def on_private(self, topic: str, entries: list[dict[str, Any]]) -> None:
        """Send an account's news to those of the client's topics that it belongs to."""
        for name in self.topics:
            if name.removesuffix(".linear") != topic:
                continue
            told: dict[str, Any] = {"topic": name, "creationTime": self.venue.clock.now_ms(), "data": entries}
            if topic != "execution.fast":
                self.message_count += 1
                told = {"id": make_uuid(self.session.connection_id, self.message_count)} | told
            self.session.send(f"private:{name}", told)

    def pong(self, message: dict[str, Any]) -> None:
        """Answer a ping in the private stream's form."""
        told = {"op": "pong", "args": [str(self.venue.clock.now_ms())], "conn_id": self.session.connection_id}
        request_id = {"req_id": message["req_id"]} if "req_id" in message else {}
        self.session.send("control:ping", request_id | told)
