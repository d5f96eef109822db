"""Markets of ccxt as instruments: exact steps and minimums, contracts as base units, or refused."""

from typing import Any

import pytest

from mmfold.adapters.importers.outcome import RefusedError
from mmfold.adapters.live.venue.endpoints import find_endpoints
from mmfold.adapters.venues.ccxt.loading import UnknownVenue, aimed, find_market, make_exchange, read_market
from mmfold.adapters.venues.registry import client_name

SWAP: dict[str, Any] = {
    "id": "BTC-USDT-SWAP", "symbol": "BTC/USDT:USDT", "spot": False, "swap": True, "linear": True, "inverse": False,
    "contractSize": 0.01, "maker": 0.0002, "taker": 0.0005,
    "precision": {"price": 0.1, "amount": 0.01}, "limits": {"amount": {"min": 0.02}, "cost": {"min": None}},
}  # fmt: skip
SPOT: dict[str, Any] = {
    "id": "SHIBUSDT", "symbol": "SHIB/USDT", "spot": True, "swap": False, "linear": None, "inverse": None,
    "contractSize": None, "maker": None, "taker": None,
    "precision": {"price": 1e-08, "amount": 1.0}, "limits": {"amount": {"min": 1.0}, "cost": {"min": 5}},
}  # fmt: skip
INVERSE = SWAP | {
    "id": "BTCUSD",
    "linear": False,
    "inverse": True,
    "contractSize": 100,
    "precision": {"price": 0.5, "amount": 1},
}
DECIMALS = SPOT | {"precision": {"price": 2, "amount": 5}, "limits": {}}

# market, precision mode | contract, tick, lot, min lots, min notional, maker, taker, contract value | contract size
MARKETS = [
    (SWAP, 4, ("linear", "0.1", "0.0001", 2, 0, 200, 500, "1"), "0.01"),
    (SPOT, 4, ("spot", "0.00000001", "1", 1, 5_000_000, 100, 500, "1"), "1"),
    (INVERSE, 4, ("inverse", "0.5", "1", 1, 0, 200, 500, "100"), "1"),
    (DECIMALS, 2, ("spot", "0.01", "0.00001", 1, 0, 100, 500, "1"), "1"),
]


@pytest.mark.parametrize(("market", "mode", "wanted", "size"), MARKETS)
def test_market(market: dict[str, Any], mode: int, wanted: tuple[Any, ...], size: str) -> None:
    found, contract_size = read_market(market, mode)
    told = (
        found.contract, found.tick_size, found.lot_size, found.min_qty_lots, found.min_notional_micros,
        found.maker_fee_ppm, found.taker_fee_ppm, found.contract_value,
    )  # fmt: skip
    assert (told, contract_size, found.symbol) == (wanted, size, market["id"])


@pytest.mark.parametrize(
    ("change", "mode", "said"),
    [
        ({}, 3, "significant digits"),
        ({"precision": {}}, 4, "no number"),
        ({"linear": None, "option": True}, 4, "no spot, linear or inverse"),
        ({"contractSize": None}, 4, "what one contract is worth"),
        ({"contractSize": None, "linear": False, "inverse": True}, 4, "what one contract is worth"),
    ],
)
def test_market_without_a_grid_is_refused(change: dict[str, Any], mode: int, said: str) -> None:
    with pytest.raises(RefusedError, match=said):
        read_market(SWAP | change, mode)


def test_a_market_is_found_by_id_or_symbol() -> None:
    spot = SPOT | {"id": "BTCUSDT", "symbol": "BTC/USDT"}
    markets = {"BTC/USDT": spot, "BTC/USDT:USDT": SWAP | {"id": "BTCUSDT"}}
    assert find_market("x", markets, "BTC/USDT")["spot"]
    assert find_market("x", markets, "btcusdt")["swap"]  # the perpetual, where both share an id
    with pytest.raises(UnknownVenue, match="no market BTCUSDX") as failure:
        find_market("x", markets, "BTCUSDX")
    assert "BTCUSDT" in failure.value.hint


def test_an_unknown_venue_is_told_with_the_nearest() -> None:
    with pytest.raises(UnknownVenue, match="no venue 'okxx'") as failure:
        make_exchange("okxx", None)
    assert "okx" in failure.value.hint


def test_addresses_keep_their_paths() -> None:
    urls = {"rest": "https://api.{hostname}", "ws": {"linear": "wss://stream.{hostname}/v5/public/linear"}, "n": None}
    there = {"rest": "http://127.0.0.1:1", "ws": {"linear": "ws://127.0.0.1:1/v5/public/linear"}, "n": None}
    assert aimed(urls, "http://127.0.0.1:1") == there


@pytest.mark.parametrize(
    ("venue", "url", "name", "rest"),
    [
        ("bybit", None, None, "https://api.bybit.com"),
        ("ccxt:bybit", None, "bybit", "ccxt:bybit"),
        ("okx", None, "okx", "ccxt:okx"),
        ("okx", "http://127.0.0.1:1", "okx", "http://127.0.0.1:1"),
    ],
)
def test_which_way_a_venue_is_reached(venue: str, url: str | None, name: str | None, rest: str) -> None:
    assert (client_name(venue), find_endpoints(venue, "paper", url).rest) == (name, rest)
