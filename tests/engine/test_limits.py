"""Positions and steps out of the expected: counted right, or refused in one line that says which instrument and range.

Nothing wraps silently: what does not fit 64 bits is told before it is made.
"""

from fractions import Fraction
from math import ceil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfold.adapters.cli.errors import hint_of, is_user_error
from mmfold.engine.beyond import BeyondLimits
from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.core import Core
from mmfold.engine.limits import MICROS_PER_UNIT, POSITION_LOTS_MAX, PPM
from mmfold.engine.manifest import Instrument, Manifest, ManifestError
from mmfold.engine.position import pnl_micros, share_of
from tests.engine.rows import House, event, make_manifest

# tick, lot, price in ticks, lots: a position of 450 USD of a coin at 4.5e-7; more lots than 2^31; a whole supply.
LARGE = [
    ("0.0000000001", "0.1", 4_500, 10_000_000_000),
    ("0.0000000001", "0.1", 4_500, (1 << 31) + 1),
    ("0.0000000001", "0.1", 4_500, 12_345_678_901_234),
    ("0.00000001", "1", 900, 1 << 43),
    ("0.1", "0.001", 600_000, 5_000_000_000),
    ("1", "1", 1_600_000_000, 700),
]


@pytest.mark.parametrize(("tick", "lot", "price", "lots"), LARGE)
def test_large_positions_are_counted_exactly(tick: str, lot: str, price: int, lots: int) -> None:
    house = House(make_manifest("X", tick_size=tick, lot_size=lot), enabled=0)
    unit = Fraction(tick) * Fraction(lot) * MICROS_PER_UNIT
    closed = lots // 3
    for side, price_ticks, qty in ((Side.BID, price, lots), (Side.ASK, price + 7, closed)):
        fields = {"side": side, "price_ticks": price_ticks, "qty_lots": qty, "flags": Flag.MAKER}
        house.feed(event(EventKind.FILL, order_id=0, **fields))
    position = house.cell["position"]
    rate = house.manifest.instruments[0].maker_fee_ppm
    assert position["position_lots"] == lots - closed and position["cost_ticklots"] == price * (lots - closed)
    assert position["realized_ticklots"] == 7 * closed
    fees = sum(ceil(Fraction(p * q * rate) * unit / PPM) for p, q in ((price, lots), (price + 7, closed)))
    assert position["fees_micros"] == fees
    # No mid was told: what is open is valued at the last fill.
    exact = 7 * closed * unit + 7 * (lots - closed) * unit - fees
    assert exact - 2 <= int(pnl_micros(house.cell)) <= exact


@given(st.integers(1, POSITION_LOTS_MAX), st.data())
def test_a_share_is_exact(whole: int, data: st.DataObject) -> None:
    part = data.draw(st.integers(0, whole))
    amount = data.draw(st.integers(0, (1 << 61) if whole < 1 << 61 else 0))
    assert int(share_of(np.int64(amount), np.int64(part), np.int64(whole))) == amount * part // whole


# What comes from outside and does not fit: fills one after the other, (side, price, lots).
BID, ASK = Side.BID, Side.ASK
BEYOND = [
    ("0.1", "0.001", [(BID, 1, POSITION_LOTS_MAX), (BID, 1, 1)]),
    ("0.1", "0.001", [(BID, 1 << 40, 1 << 44)]),
    ("0.1", "0.001", [(BID, 1 << 20, 1 << 33), (ASK, 1 << 20, 1 << 33)] * 4),  # turned over
    ("100", "1", [(ASK, 1 << 40, 1 << 20)]),
]


@pytest.mark.parametrize(("tick", "lot", "fills"), BEYOND)
def test_what_does_not_fit_is_told_in_one_line(tick: str, lot: str, fills: list[tuple[Side, int, int]]) -> None:
    house = House(make_manifest("X", tick_size=tick, lot_size=lot), enabled=0)
    before = None
    with pytest.raises(BeyondLimits, match=r"seq \d+: .* X, at most [\d,]+ lots of") as told:
        for side, price, lots in fills:
            before = house.cell["position"].copy()
            house.feed(event(EventKind.FILL, side=side, price_ticks=price, qty_lots=lots, order_id=0))
    assert is_user_error(told.value) and hint_of(told.value) and "\n" not in str(told.value)
    assert house.cell["position"] == before, "a fill that is refused changes nothing"


UNCOUNTED = [
    ({"lot_size": "0.0000000001"}, "lot_size 0.0000000001"),
    ({"lot_size": "3000000000"}, "lot_size 3000000000"),
    ({"tick_size": "0.0000000000001", "lot_size": "0.0000001"}, "tick_size 0.0000000000001 x lot_size 0.0000001"),
    ({"tick_size": "5000", "lot_size": "1"}, "tick_size 5000 x lot_size 1"),
    ({"min_qty_lots": 1 << 45}, "min_qty_lots"),
    ({"min_notional_micros": 1 << 63}, "min_notional_micros"),
    ({"min_notional_micros": -1}, "min_notional_micros"),
    ({"maker_fee_ppm": -2_000_000}, "maker_fee_ppm"),
]


@pytest.mark.parametrize(("fields", "key"), UNCOUNTED)
def test_an_instrument_without_room_is_refused_at_the_start(fields: dict[str, object], key: str) -> None:
    steps = {"tick_size": "0.1", "lot_size": "0.001"}
    manifest = Manifest(run_id="r", instruments=(Instrument(symbol="ODD", **{**steps, **fields}),))  # type: ignore[arg-type]
    with pytest.raises(ManifestError, match=f"ODD: {key}.* to ") as told:
        Core(manifest)
    assert is_user_error(told.value)


COUNTED = [("0.0000000001", "0.1"), ("0.0000000001", "0.00000001"), ("0.000000000000001", "100"), ("1000", "1")]


@pytest.mark.parametrize(("tick", "lot"), COUNTED)
def test_odd_steps_with_room_are_counted(tick: str, lot: str) -> None:
    Core(Manifest(run_id="r", instruments=(Instrument(symbol="ODD", tick_size=tick, lot_size=lot),)))


def test_no_order_leads_beyond_what_may_be_held() -> None:
    # The target would be 1.1e16 lots: as many as may be held are quoted, and after them none.
    manifest = make_manifest("X", tick_size="0.0000000001", lot_size="0.00000001")
    house = House(manifest, inventory_micros_max=0, target_micros=51_000_000_000)
    house.play(f"""
        book 4500x9 / 4502x9 @10 | | bid.open_lots={POSITION_LOTS_MAX}
        fill #1 4496x{POSITION_LOTS_MAX} maker | | position.position_lots={POSITION_LOTS_MAX} bid.open_order_count=0 \
            blocked.risk_limit=1
    """)
