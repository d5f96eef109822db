"""The made-up market is a function of its seed, always a valid deep book, and trades at its touch."""

from itertools import islice

import numpy as np
import pytest

from mmfold.adapters.emulator.errors import VenueSetupError
from mmfold.adapters.emulator.market.synthetic import DEPTH, SHAPES, STEP_NS, synthetic_events, synthetic_manifest
from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.limits import NS_PER_S

EVENT_COUNT = 3_000


def take(seed: int, count: int = EVENT_COUNT) -> list[tuple[int, np.ndarray]]:
    return list(islice(synthetic_events(synthetic_manifest(seed, [])), count))


def test_the_seed_decides() -> None:
    def rows(seed: int) -> bytes:
        return b"".join(event.tobytes() for _, event in take(seed, 300))

    assert rows(1) == rows(1) != rows(2)


@pytest.mark.parametrize("seed", [0, 7, 2**40])
def test_every_event_keeps_the_book_valid(seed: int) -> None:
    books: dict[tuple[int, int], dict[int, int]] = {(index, side): {} for index in (0, 1) for side in (0, 1)}
    last_ns = 0
    trade_count = 0
    for offset_ns, rows in take(seed):
        assert offset_ns >= last_ns and rows["flags"][-1] & Flag.LAST and not np.any(rows["flags"][:-1])
        last_ns = offset_ns
        index, kind = int(rows[0]["instrument_index"]), rows[0]["kind"]
        bids, asks = books[index, Side.BID], books[index, Side.ASK]
        if kind == EventKind.TRADE:
            trade_count += 1
            touch = min(asks) if rows[0]["side"] == Side.BID else max(bids)
            levels = asks if rows[0]["side"] == Side.BID else bids
            price = int(rows[0]["price_ticks"])
            assert price in levels and (price == touch or abs(price - touch) <= 6 * SHAPES["BTCUSDT"].unit_ticks)
            assert 0 < rows[0]["qty_lots"] <= levels[price]
        if kind not in (EventKind.BOOK_SNAPSHOT, EventKind.BOOK_DELTA):
            continue
        assert list(rows["side"]) == sorted(rows["side"])  # bids first
        for side, price, qty in rows[["side", "price_ticks", "qty_lots"]].tolist():
            if qty:
                books[index, side][price] = qty
            else:
                del books[index, side][price]
        assert len(bids) == len(asks) == DEPTH and 0 < max(bids) < min(asks)
    assert trade_count * NS_PER_S / last_ns > 20  # a second, both symbols together


def test_the_price_moves_but_comes_back() -> None:
    firsts = [rows[0] for _, rows in take(3, 20_000)]
    mids = [row["aux"] for row in firsts if row["kind"] == EventKind.MARK and row["instrument_index"] == 0]
    changes = np.abs(np.diff(np.array(mids, np.float64)) / mids[0])
    assert 2e-5 < changes.mean() < 5e-4  # per second
    assert max(mids) / min(mids) < 1.2


def test_symbols_are_chosen() -> None:
    assert [one.symbol for one in synthetic_manifest(0, ["ETHUSDT"]).instruments] == ["ETHUSDT"]
    with pytest.raises(VenueSetupError, match="no synthetic market for DOGEUSDT"):
        synthetic_manifest(0, ["DOGEUSDT"])
    assert STEP_NS * 20 == NS_PER_S
