"""One line per settlement currency in every report, as the listing names it; never a sum over two."""

from dataclasses import replace
from fractions import Fraction

import pytest

from mmfold.adapters.emulator.errors import VenueSetupError
from mmfold.adapters.emulator.market.product import pick_symbols
from mmfold.engine.manifest import COINS, Instrument, Manifest, ManifestError, encode_manifest, parse_manifest
from mmfold.engine.state import make_state
from mmfold.replay.result import ReplayResult
from mmfold.reports.money import instrument_units
from mmfold.reports.page import render_markdown
from mmfold.reports.summary import build_report
from mmfold.reports.top.frame import exposures
from mmfold.reports.top.lines import exposure_text
from tests.reports.examples import example_result

GRID = {"tick_size": "1", "lot_size": "1"}


def instrument(symbol: str, coins: str = "", **fields: str) -> Instrument:
    """An instrument whose listing says "base quote settle", a dash for what it does not say."""
    told = dict(zip(COINS, ("" if coin == "-" else coin for coin in coins.split()), strict=False))
    return Instrument(symbol=symbol, **GRID, **told, **fields)


CURRENCIES = [
    # symbol, what the listing says, contract | base, quote, money
    ("BTCUSDT", "", "linear", ("BTC", "USDT", "USDT")),
    ("BTCTUSD", "", "spot", ("BTC", "TUSD", "TUSD")),
    ("BTCBUSD", "", "spot", ("BTC", "BUSD", "BUSD")),
    ("BTCTRY", "", "spot", ("BTC", "TRY", "TRY")),
    ("USDTBRL", "", "spot", ("USDT", "BRL", "BRL")),
    ("BTCTUSD", "BTC X -", "spot", ("BTC", "X", "X")),
    ("BTCPERP", "BTC USDC USDC", "linear", ("BTC", "USDC", "USDC")),
    ("BTCUSDT-26SEP25", "BTC USDT USDT", "linear", ("BTC", "USDT", "USDT")),
    ("XUSDT", "X USDT USDC", "linear", ("X", "USDT", "USDC")),
    ("DOTUSD", "", "inverse", ("DOT", "USD", "mDOT")),
    ("DOTUSD", "DOT USD DOT", "inverse", ("DOT", "USD", "mDOT")),
    ("BNBUSD_PERP", "", "inverse", ("BNB", "USD", "mBNB")),
    ("ABC", "", "linear", ("", "", "quote of ABC")),
    ("ABC", "", "inverse", ("", "", "mABC")),
    ("ABCXYZ", "- XYZ -", "spot", ("ABC", "XYZ", "XYZ")),
]


@pytest.mark.parametrize(("symbol", "told", "contract", "expected"), CURRENCIES)
def test_currencies_are_the_listings_before_the_symbols(
    symbol: str, told: str, contract: str, expected: tuple[str, str, str]
) -> None:
    units = instrument_units(instrument(symbol, told, contract=contract))
    assert (units.base, units.quote, units.money) == expected


MIXED = Manifest(
    run_id="mixed",
    instruments=(
        instrument("AAAX", "AAA X -", contract="spot"), instrument("ABC"), instrument("BTCBUSD"), instrument("BTCTRY"),
        instrument("BTCTUSD"), instrument("BTCUSDT"), instrument("BTCUSD_PERP", contract="inverse"),
        instrument("ETHTRY"), instrument("XYZ"),
    ),
)  # fmt: skip
LINES = ["BUSD", "TRY", "TUSD", "USDT", "X", "mBTC", "quote of ABC", "quote of XYZ"]


def mixed_result() -> ReplayResult:
    """A finished replay in which the instrument at place n realised 10^n ticklots."""
    state = make_state(MIXED)
    for index in range(len(MIXED.instruments)):
        state.positions[index]["realized_ticklots"] = 10**index
        state.positions[index]["turnover_ticklots"] = 10**index
    params = {one.symbol: {} for one in MIXED.instruments}
    return replace(example_result(), manifest=MIXED, state=state, params=params)


def test_the_report_has_one_line_per_currency() -> None:
    result = mixed_result()
    report = build_report(result)
    found = report["totals"]["money"]
    assert list(found) == sorted(LINES)
    assert Fraction(found["TRY"]["net_pnl"]) == 10**3 + 10**7 and Fraction(found["USDT"]["net_pnl"]) == 10**5
    assert [found[one]["net_pnl"] for one in ("BUSD", "TUSD", "X", "quote of ABC", "quote of XYZ")] == [
        "100", "10000", "1", "10", "100000000",
    ]  # fmt: skip
    page = render_markdown(result, report)
    totals = [line for line in page.splitlines() if line.startswith("| TOTAL")]
    assert [line.split(" | ")[0].removeprefix("| TOTAL ") for line in totals] == sorted(LINES)
    assert all(" | - | - | - | - | - | " in line for line in totals), "counts of all symbols are no currency's"
    assert "| BTCTRY TRY | " in page and "| ETHTRY TRY | " in page


def test_the_live_view_sums_no_two_currencies() -> None:
    result = mixed_result()
    for index in range(len(MIXED.instruments)):
        result.state.positions[index]["position_lots"] = index + 1
        result.state.signals[index]["mid_half_ticks"] = 200
    found = exposures(MIXED, result.state)
    assert found["TRY"] == "1200" and found["BUSD"] == "300" and found["quote of ABC"] == "200" and len(found) == 8
    document = {"exposure": "9", "exposure_max": "10", "exposures": {"TRY": "1200", "USDT": "3"}}
    assert exposure_text(document) == "1,200 TRY, 3 USDT"
    assert exposure_text({**document, "exposures": {"USDT": "9"}}) == "9/10"


def test_coins_stand_in_a_manifest_only_where_they_are_said() -> None:
    plain = Manifest(run_id="r", instruments=(instrument("ABC"),))
    assert b"coin" not in encode_manifest(plain) and parse_manifest(encode_manifest(plain)) == plain
    told = Manifest(run_id="r", instruments=(instrument("ABC", "A B -"),))
    payload = encode_manifest(told)
    assert b'"base_coin":"A"' in payload and b"settle_coin" not in payload and parse_manifest(payload) == told


@pytest.mark.parametrize("coin", ["A B", "\x1b[2J", "\u5e01", "X" * 33])
def test_an_odd_coin_is_refused(coin: str) -> None:
    with pytest.raises(ManifestError, match="quote_coin"):
        Instrument(symbol="ABC", **GRID, quote_coin=coin)


def test_the_emulator_asks_the_listing_for_the_coin() -> None:
    fits = Manifest(run_id="r", instruments=(instrument("BTCPERP", "BTC USDC USDC"), instrument("XUSDT", "X TRY TRY")))
    assert [one.symbol for one in pick_symbols(fits, ["BTCPERP"])] == ["BTCPERP"]
    with pytest.raises(VenueSetupError, match="XUSDT"):
        pick_symbols(fits, ["XUSDT"])
