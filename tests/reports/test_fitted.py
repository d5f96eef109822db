"""Tables on narrow terminals: every number is whole, whatever the width."""

import io

import pytest
from rich.console import Console
from rich.table import Table

from mmfold.reports.fitted import print_fitted

NUMBERS = ("64,890.55", "1,234,567", "-0.287719", "100%", "+0.0041")


def table() -> Table:
    made = Table(title="PnL")
    for header in ("symbol", "mid", "placed", "net PnL", "maker", "position"):
        made.add_column(header, no_wrap=header != "symbol")
    made.add_row("BTCUSDT", *NUMBERS)
    return made


@pytest.mark.parametrize("width", [10, 20, 40, 60, 80, 200])
def test_no_number_is_cut(width: int) -> None:
    console = Console(file=io.StringIO(), width=width)
    print_fitted(console, table())
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(number in said for number in NUMBERS) and "…" not in said
    assert "BTCUSDT" in said and "PnL" in said
