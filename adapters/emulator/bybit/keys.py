"""API keys of the emulator and the signatures made with them; must never print a key that was given to it.

Source: Bybit v5 integration guidance and WebSocket connect pages (read 2026-11-20).
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass

from mmfold.adapters.emulator.bybit.codes import VenueCode, VenueError
from mmfold.adapters.emulator.errors import VenueSetupError

KEYS_VARIABLE = "MM_VENUE_KEYS"
KEY_BYTES, SECRET_BYTES = 9, 18
RECV_WINDOW_MS_DEFAULT = 5_000
RECV_WINDOW_MS_MAX = 60_000
AHEAD_MS_MAX = 1_000  # how far a request's time may be ahead of the venue's


@dataclass(frozen=True)
class ApiKey:
    """One account's key.

    `generated`: made by the emulator for this run, so it may be shown.
    """

    key: str
    secret: str
    generated: bool

    def __repr__(self) -> str:
        return f"ApiKey({self.key[:3]}...)"


def make_keys(given: str | None, count: int) -> list[ApiKey]:
    """Return the keys of KEY:SECRET[,KEY:SECRET...], or as many new ones as asked for.

    Raises: VenueSetupError.
    """
    if not given:
        return [ApiKey(secrets.token_hex(KEY_BYTES), secrets.token_hex(SECRET_BYTES), True) for _ in range(count)]
    keys = []
    for number, pair in enumerate(given.split(","), 1):
        key, colon, secret = pair.strip().partition(":")
        if not key or not colon or not secret:
            raise VenueSetupError(f"{KEYS_VARIABLE}: entry {number} is not KEY:SECRET", "set it to KEY:SECRET[,...]")
        keys.append(ApiKey(key, secret, False))
    if len({key.key for key in keys}) != len(keys):
        raise VenueSetupError(f"{KEYS_VARIABLE} has a key twice", "each account needs a key of its own")
    return keys


def sign(secret: str, text: bytes) -> str:
    """Return the HMAC-SHA256 of a text, hex."""
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


def check_signature(key: ApiKey, text: bytes, signature: str) -> None:
    """Check a signature in constant time.

    Raises: VenueError.
    """
    if not hmac.compare_digest(sign(key.secret, text).encode(), signature.lower().encode()):
        raise VenueError(VenueCode.SIGNATURE)


def parse_ms(text: object, name: str) -> int:
    """Return a time or span in ms.

    Raises: VenueError.
    """
    digits = str(text)
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 16):
        raise VenueError(VenueCode.PARAMETER, f"params error: {name} invalid")
    return int(digits)


def check_window(timestamp: object, recv_window: object, now_ms: int) -> None:
    """Check that a request is not too old and not from the future: now - window <= timestamp < now + 1 s.

    Raises: VenueError.
    """
    sent_ms = parse_ms(timestamp, "timestamp")
    window_ms = min(parse_ms(recv_window, "recv_window"), RECV_WINDOW_MS_MAX)
    if not now_ms - window_ms <= sent_ms < now_ms + AHEAD_MS_MAX:
        raise VenueError(
            VenueCode.TIME_WINDOW,
            "invalid request, please check your server timestamp or recv_window param. "
            f"req_timestamp[{sent_ms}],server_timestamp[{now_ms}],recv_window[{window_ms}]",
        )


def check_socket_auth(keys: dict[str, ApiKey], args: object, now_ms: int) -> ApiKey:
    """Return the key that signed a WebSocket's [key, expires, signature].

    Raises: VenueError.
    """
    if not isinstance(args, list) or len(args) != 3:
        raise VenueError(VenueCode.PARAMETER, "Params Error")
    name, expires, signature = (str(arg) for arg in args)
    if parse_ms(expires, "expires") <= now_ms:
        raise VenueError(VenueCode.TIME_WINDOW, f"Request expired. expires[{expires}],server_timestamp[{now_ms}]")
    key = keys.get(name)
    if key is None:
        raise VenueError(VenueCode.API_KEY)
    check_signature(key, f"GET/realtime{expires}".encode(), signature)
    return key
