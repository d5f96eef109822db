"""Funding is told as the venue tells it: an execution of the position's side and size, then the wallet."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import orjson
import pytest

from mmfold.adapters.emulator.bybit.account import Account
from mmfold.adapters.emulator.bybit.keys import make_keys
from mmfold.adapters.emulator.market.clock import VenueClock
from mmfold.adapters.emulator.market.product import Product
from mmfold.adapters.emulator.market.symbol import SymbolMarket
from mmfold.adapters.emulator.market.synthetic import synthetic_manifest
from mmfold.adapters.venues.bybit.private import PrivateParser
from mmfold.adapters.venues.ledger import OrderLedger
from mmfold.engine.codes import Continuity, Side
from mmfold.replay.venue.desk import Desk

SYMBOL, MARK_E8 = "BTCUSDT", 50_000 * 10**8


def account_of(lots: int) -> tuple[Account, list[tuple[str, list[dict[str, Any]]]], PrivateParser]:
    """Return an account that holds lots, what it tells, and a parser of that."""
    manifest = synthetic_manifest(0, [SYMBOL])
    manifest = replace(manifest, instruments=tuple(replace(one, venue="bybit") for one in manifest.instruments))
    market = SymbolMarket(Product(manifest.instruments[0], 0), Continuity.IN_STREAM)
    market.mark_e8 = MARK_E8
    (key,) = make_keys(None, 1)
    account = Account(key, 1, {SYMBOL: market}, Desk(manifest), VenueClock(), Decimal(1_000))
    account.positions[SYMBOL].lots = lots
    told: list[tuple[str, list[dict[str, Any]]]] = []
    account.listeners.append(lambda topic, entries: told.append((topic, entries)))
    return account, told, PrivateParser(manifest, OrderLedger("r"))


@pytest.mark.parametrize(
    ("lots", "rate_e9", "side", "sign"),
    [(3, 100_000, Side.BID, 1), (-3, 100_000, Side.ASK, -1), (3, -25_000, Side.BID, -1), (-3, -25_000, Side.ASK, 1)],
)
def test_a_settlement_is_an_execution(lots: int, rate_e9: int, side: Side, sign: int) -> None:
    account, told, parser = account_of(lots)
    account.settle_funding(SYMBOL, rate_e9)
    assert [topic for topic, _ in told] == ["execution", "wallet"]
    rows = parser.parse(orjson.dumps({"topic": "execution", "data": told[0][1]}), 1).rows
    lot = Decimal(account.products[SYMBOL].lot)
    paid = sign * 3 * lot * 50_000 * abs(rate_e9) / 10**9
    assert (rows["aux"][0], rows["order_id"][0]) == (rate_e9, MARK_E8)
    assert (rows["side"][1], rows["qty_lots"][1], rows["aux"][1]) == (side, 3, int(paid * 10**6))
    assert account.wallet.cash() == 1_000 - paid
    assert [one.payload()["execType"] for one in account.executions] == ["Funding"], "and the list tells it again"


def test_without_a_position_there_is_nothing_to_tell() -> None:
    account, told, _ = account_of(0)
    account.settle_funding(SYMBOL, 100_000)
    assert not told and not account.executions
