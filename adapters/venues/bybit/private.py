"""Bybit v5 private streams to rows: own orders, executions, position, wallet; must never lose what is not ours.

Executions may come twice, by `execution` and `execution.fast`, and again by REST: the execution number of a FILL, or
of the second row of a FUNDING, is the key by which the session tells them apart.
Source: Bybit v5 docs, websocket private channels.
"""

from typing import Any

from mmfold.adapters.importers.outcome import RefusedError
from mmfold.adapters.importers.rows import Row, read_ts_ns
from mmfold.adapters.venues.bybit.entries import parse_execution, parse_order, parse_position, parse_wallet
from mmfold.adapters.venues.bybit.frames import keeping, parse_control
from mmfold.adapters.venues.frames import load_object
from mmfold.adapters.venues.ledger import Execution, Foreign, OrderLedger, OrderReport, as_rows
from mmfold.adapters.venues.listing import list_manifest
from mmfold.adapters.venues.order_port import Private
from mmfold.adapters.venues.port import Control, Ignored
from mmfold.engine.manifest import Manifest
from mmfold.engine.records import NO_TS_NS

CATEGORIES = ("linear", "inverse", "spot", "option")
UNUSED_CHANNELS = ("greeks", "dcp")


class PrivateParser:
    """Frames of the private stream to whole events; the ledger is shared with the requests and the REST answers."""

    def __init__(self, manifest: Manifest, ledger: OrderLedger, coin: str = "USDT") -> None:
        self.table = list_manifest(manifest)
        self.ledger = ledger
        self.coin = coin  # whose wallet balance is the account's cash

    def parse(self, frame: bytes, ts_receive_ns: int) -> Private | Control | Ignored:
        """Return what one frame says.

        Raises: MalformedFrame: nothing of the frame is taken as told.
        """
        message = load_object(frame)
        topic = message.get("topic")
        if topic is None:
            return parse_control(message, frame)
        with keeping(frame):
            return self.parse_topic(topic, message, ts_receive_ns)

    def parse_topic(self, topic: object, message: dict[str, Any], ts_receive_ns: int) -> Private | Ignored:
        """Return what a message of one topic says, entry by entry.

        Raises: RefusedError.
        """
        if not isinstance(topic, str):
            raise RefusedError("the topic is no string")
        channel = channel_of(topic)
        if channel.partition(".")[0] in UNUSED_CHANNELS:
            return Ignored(channel)
        times = (read_ts_ns(message, "creationTime") if "creationTime" in message else NO_TS_NS, ts_receive_ns)
        entries = message.get("data")
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise RefusedError('"data" is missing or not a list of objects')
        # All of it is read before any of it is taken as told: a bad entry must not swallow the news of the others.
        told = [(self.parse_entry(channel, entry, times), entry) for entry in entries]
        rows: list[Row] = []
        foreign: list[Foreign] = []
        for news, entry in told:
            if isinstance(news, Foreign):
                foreign.append(news)
            elif news is not None:
                rows += self.ledger.fold(news, str(entry.get("orderId", "")))
        return Private(as_rows(rows), tuple(foreign))

    def parse_entry(
        self, channel: str, entry: dict[str, Any], times: tuple[int, int]
    ) -> OrderReport | Execution | Row | list[Row] | Foreign | None:
        """Return what one entry says, None for a wallet without our coin.

        Raises: RefusedError.
        """
        if channel == "order":
            return parse_order(entry, times[1], self.table, self.ledger)
        if channel in ("execution", "execution.fast"):
            return parse_execution(entry, times[1], self.table, self.ledger, channel)
        if channel == "position":
            return parse_position(entry, times, self.table)
        if channel == "wallet":
            return parse_wallet(entry, times, self.coin)
        raise RefusedError(f"unknown topic {channel[:80]!r}")


def channel_of(topic: str) -> str:
    """Return a topic without its category: `execution.fast.linear` is `execution.fast`."""
    head, _, tail = topic.rpartition(".")
    return head if tail in CATEGORIES else topic
