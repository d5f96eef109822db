"""Bybit v5 without I/O: bytes and times in, rows or bytes out; must never open a socket or read a clock.

public      market streams to events                requests    effects to order requests
private     own orders, fills, position, cash       responses   their answers to outcome events
rest        start-up and reconciling                unified     any other venue, through ccxt
signing     signatures, auth, subscriptions         ledger      what the venue has told of own orders
"""

from mmfold.adapters.bybit.frames import Control, ControlKind, Ignored, MalformedFrame
from mmfold.adapters.bybit.ledger import Foreign, OrderLedger
from mmfold.adapters.bybit.private import Private, PrivateParser
from mmfold.adapters.bybit.public import PublicParser
from mmfold.adapters.bybit.requests import RequestEncoder
from mmfold.adapters.bybit.responses import Outcome, RequestBook
from mmfold.adapters.bybit.rest import RestParser, VenueError
from mmfold.adapters.bybit.signing import (
    Credentials,
    RestRequest,
    encode_auth,
    encode_ping,
    encode_subscribe,
    sign_rest,
)
from mmfold.adapters.bybit.unified import UnifiedParser

__all__ = [
    "Control", "ControlKind", "Ignored", "MalformedFrame", "Foreign", "OrderLedger", "Private", "PrivateParser",
    "PublicParser", "RequestEncoder", "Outcome", "RequestBook", "RestParser", "VenueError", "UnifiedParser",
    "Credentials", "RestRequest", "encode_auth", "encode_ping", "encode_subscribe", "sign_rest",
]  # fmt: skip
