"""An inverse contract's tearsheet: money in thousandths of the base, turnover in quote, every figure by hand."""

from fractions import Fraction
from math import ceil, floor
from pathlib import Path

import pytest

from mmfold.reports.tearsheet.fold import Tearsheet, fold_backtest
from mmfold.reports.tearsheet.markouts import HORIZONS_MS
from mmfold.reports.tearsheet.metrics import tearsheet_document
from mmfold.reports.tearsheet.page import write_tearsheet
from tests.reports.tearsheet.tape import SYMBOL, Tape

LOTS, BOUGHT, SOLD = 51, 9_990, 10_010  # of 1,000 quote each, at a tick of 1
# Mid 10,000 until 150 ms, then 10,002 until the sale is past.
ROUND_TRIP = f"""
       0 | book 9999x9 / 10001x9 @1
      10 | ack #1
      10 | ack #2
      50 | fill #1 {BOUGHT}x{LOTS} maker
     150 | delta 10001x9 / 10001x0 10003x9 @2<1
    1050 | fill #2 {SOLD}x{LOTS} maker
    2500 | timer
"""


def base_e9(price: int) -> Fraction:
    """Return what the lots are worth at a price, in 1e-9 base."""
    return Fraction(LOTS * 1_000 * 10**9, price)


@pytest.fixture(scope="module")
def sheet(tmp_path_factory: pytest.TempPathFactory) -> Tearsheet:
    tape = Tape(tmp_path_factory.mktemp("tape") / "j", contract="inverse", contract_value="1000")
    return fold_backtest(tape.write(ROUND_TRIP))


def test_money_by_hand(sheet: Tearsheet) -> None:
    found = tearsheet_document(sheet)["figures"]["totals"]["mX"]
    paid, got, fees = floor(base_e9(BOUGHT)), ceil(base_e9(SOLD)), 0
    fees += ceil(base_e9(BOUGHT) / 10_000) + ceil(base_e9(SOLD) / 10_000)
    spread = paid - floor(base_e9(10_000)) + ceil(base_e9(10_002)) - got
    assert found["pnl_micros"] == {
        "spread": spread, "inventory": paid - got - spread, "fees": fees, "funding": 0, "total": paid - got - fees
    }  # fmt: skip
    assert (found["currency"], found["turnover"], found["turnover_currency"]) == ("mX", "102000", "USDT")
    assert found["net_bps"] == float(round(Fraction((paid - got - fees) * 10_000, paid + got), 6))
    assert (found["max_drawdown_ratio"], found["hit_rate"]) == (None, 1.0)  # equity is in quote, the fall is not
    assert sheet.fill_notes["realized_micros"].sum() == paid - got - fees


@pytest.mark.parametrize(("horizon_ms", "after_sale"), [(100, 10_002), (200, 10_002), (1_000, 10_002)])
def test_markouts_by_hand(sheet: Tearsheet, horizon_ms: int, after_sale: int) -> None:
    entry = tearsheet_document(sheet)["figures"]["symbols"][SYMBOL]["markouts"][HORIZONS_MS.index(horizon_ms)]
    # Bought: base given up less what it is worth at the mid later; 100 ms after it the mid has just moved.
    gain = base_e9(BOUGHT) - base_e9(10_002) + base_e9(after_sale) - base_e9(SOLD)
    assert entry["bps"] == pytest.approx(float(10_000 * gain / (base_e9(BOUGHT) + base_e9(SOLD))), abs=2e-6)
    assert entry["fills"] == 2


def test_the_page_names_the_currencies(sheet: Tearsheet, tmp_path: Path) -> None:
    page = write_tearsheet(tmp_path, {"base": sheet}).read_text()
    markdown = (tmp_path / "REPORT.md").read_text()
    assert "<small>mX</small>" in page and "<small>contracts</small>" in page and "<small>base / 1,000</small>" in page
    assert "| Net PnL | mX |" in markdown and "| Turnover | USDT | 102000.000000 |" in markdown
    assert "| Max drawdown | % of equity | - |" in markdown and "thousandths of the base currency" in markdown
