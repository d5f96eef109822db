"""Questions and answers about the market: a table of what is asked, what is read, and what is refused."""

from typing import Any

import orjson
import pytest

from mmfold.adapters.venues.binance import rest
from mmfold.adapters.venues.binance.codes import CODES, judge
from mmfold.adapters.venues.binance.public import BinanceParser
from mmfold.adapters.venues.binance.venue import SYMBOL_COUNT_MAX, BinanceVenue, TooManySymbols
from mmfold.adapters.venues.port import MalformedFrame, NativeVenue, VenueError, Verdict
from mmfold.engine.manifest import Instrument, Manifest
from tests.adapters.venues.binance.words import MANIFEST

VENUE: NativeVenue = BinanceVenue()


def row(symbol: str = "A", **more: Any) -> dict[str, Any]:
    filters = [
        {"filterType": "PRICE_FILTER", "minPrice": "0.10", "maxPrice": "100", "tickSize": "0.10"},
        {"filterType": "LOT_SIZE", "minQty": "0.003", "maxQty": "10", "stepSize": "0.001"},
        {"filterType": "MIN_NOTIONAL", "notional": "100"},
    ]
    names = {"baseAsset": "A", "quoteAsset": "USDT", "marginAsset": "USDT", "contractType": "PERPETUAL"}
    return {"symbol": symbol, "status": "TRADING", **names, "filters": filters} | more


def listed(*rows: Any) -> bytes:
    return orjson.dumps({"timezone": "UTC", "symbols": list(rows)})


def test_what_is_asked() -> None:
    asked = [VENUE.request_time(), VENUE.request_instruments("A"), rest.request_depth("A")]
    assert [request.target for request in asked] == [
        "/fapi/v1/time", "/fapi/v1/exchangeInfo", "/fapi/v1/depth?symbol=A&limit=1000",
    ]  # fmt: skip
    assert all(request.method == "GET" and not request.private and not request.body for request in asked)


def test_streams_of_books_and_of_marks_are_apart() -> None:
    books = VENUE.market_sockets("wss://x", MANIFEST)
    (marks,) = books.beside
    assert (books.url, marks.url) == ("wss://x/public/stream", "wss://x/market/stream")
    assert books.topics == (
        "a@depth@100ms", "a@trade", "a@bookTicker", "b@depth@100ms", "b@trade", "b@bookTicker",
    )  # fmt: skip
    assert marks.topics == ("a@markPrice@1s", "b@markPrice@1s")
    instruments = [Instrument(symbol=f"A{n:02}", tick_size="1", lot_size="1") for n in range(SYMBOL_COUNT_MAX + 1)]
    VENUE.market_sockets("wss://x", Manifest(run_id="r", instruments=tuple(instruments[1:])))
    with pytest.raises(TooManySymbols, match="67 symbols"):
        VENUE.market_sockets("wss://x", Manifest(run_id="r", instruments=tuple(instruments)))


def test_the_parser_is_of_the_port() -> None:
    assert isinstance(VENUE.market_parser(MANIFEST), BinanceParser)
    assert not VENUE.capabilities.order_entry and VENUE.capabilities.book_start == "rest"


def test_time() -> None:
    assert VENUE.parse_time(b'{"serverTime":1700000000001}', 200) == 1_700_000_000_001_000_000


def test_instruments() -> None:
    odd: dict[str, str] = {}
    pages = VENUE.parse_instruments(
        listed(row(), row("B", status="SETTLING"), row("C", filters=[]), row(), "x", row("D", baseAsset="D")), 200, odd
    )
    found, cursor = pages
    assert [(one.symbol, one.tick_size, one.lot_size, one.min_qty_lots) for one in found] == [
        ("A", "0.10", "0.001", 3), ("D", "0.10", "0.001", 3),
    ]  # fmt: skip
    first = found[0]
    assert (first.venue, first.contract, first.min_notional_micros) == ("binance", "linear", 100_000_000)
    assert (first.base_coin, first.quote_coin, first.settle_coin, cursor) == ("A", "USDT", "USDT", "")
    assert set(odd) == {"'C'", "'x'"}
    assert VENUE.parse_instruments(listed(), 200) == ([], "")
    with pytest.raises(MalformedFrame, match="tick_size"):
        VENUE.parse_instruments(listed(row(filters=[])), 200)


REFUSED = [
    (400, b'{"code":-1121,"msg":"Invalid symbol."}', -1121, Verdict.REFUSED, "no such symbol"),
    (200, b'{"code":-1121,"msg":"Invalid symbol."}', -1121, Verdict.REFUSED, "no such symbol"),
    (200, b'{"code":-7777}', -7777, Verdict.REFUSED, "does not know"),
    (429, b'{"code":-1003,"msg":"Too many requests."}', -1003, Verdict.RATE_LIMITED, "too many"),
    (418, b'{"code":-1003,"msg":"banned"}', -1003, Verdict.RATE_LIMITED, "banned"),
    (418, b'{"code":-1,"msg":"banned"}', -1, Verdict.RATE_LIMITED, "banned"),
    (403, b"<html>", 403, Verdict.RATE_LIMITED, "firewall"),
    (404, b"<html>", 404, Verdict.REFUSED, "refuses"),
    (404, b'{"code":-5000,"msg":"Path /x, Method GET is invalid"}', -5000, Verdict.REFUSED, "no such path"),
    (408, b"", 408, Verdict.SERVER_ERROR, "failed"),
    (502, b"<html>", 502, Verdict.SERVER_ERROR, "failed"),
    (503, b'{"code":-9,"msg":"x"}', -9, Verdict.SERVER_ERROR, "failed"),
    (503, b'{"code":-1008,"msg":"x"}', -1008, Verdict.RATE_LIMITED, "protection"),
    (500, b'{"code":-1001,"msg":"x"}', -1001, Verdict.SERVER_ERROR, "internal"),
    (200, b'{"code":-1007,"msg":null}', -1007, Verdict.UNKNOWN, "timeout"),
    (503, b"[]", 503, Verdict.SERVER_ERROR, "failed"),
]


@pytest.mark.parametrize(("status", "body", "code", "verdict", "meaning"), REFUSED)
def test_refusals(status: int, body: bytes, code: int, verdict: Verdict, meaning: str) -> None:
    with pytest.raises(VenueError, match=meaning) as caught:
        VENUE.parse_time(body, status)
    assert (caught.value.code, caught.value.verdict) == (code, verdict)


@pytest.mark.parametrize("body", [
    b"", b"[]", b"{", b"{}", b'{"serverTime":"5"}', b'{"serverTime":-1}', b'{"serverTime":9223372036854775807}',
    b'{"code":"0"}', b'{"code":true}',
])  # fmt: skip
def test_malformed_answers(body: bytes) -> None:
    with pytest.raises(MalformedFrame):
        VENUE.parse_time(body, 200)
    with pytest.raises(MalformedFrame):
        VENUE.parse_instruments(body, 200)


def test_no_code_is_called_done() -> None:
    assert all(code < 0 and one.verdict != Verdict.DONE and one.meaning for code, one in CODES.items())
    assert judge(-1121).verdict == Verdict.REFUSED
