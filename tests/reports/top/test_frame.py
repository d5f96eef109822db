"""A frame says what the state is: the demo journal cut at many places, and rows made by hand."""

from pathlib import Path

import numpy as np
import pytest

from mmfold.engine.book import best_levels, levels
from mmfold.engine.codes import EventKind, Flag, OrderStatus, RequestOutcome, Side
from mmfold.engine.core import config_payload
from mmfold.engine.limits import NS_PER_MS, NS_PER_S
from mmfold.engine.manifest import encode_manifest
from mmfold.engine.orders import SLOTS_PER_SIDE
from mmfold.engine.payload import payload_rows
from mmfold.engine.records import EVENT, NO_ORDER_ID, NO_PRICE_TICKS, NO_VALUE
from mmfold.journal.log.checkpoints import save
from mmfold.journal.log.reader import Journal
from mmfold.replay.run import Replay, ReplayOptions
from mmfold.reports.money import instrument_units
from mmfold.reports.summary import symbols_json
from mmfold.reports.top.frame import SIDES, frame_document, ladder, latency_fields
from mmfold.reports.top.watch import DECISION_COUNT, Watch
from tests.journal.make_rows import write_journal
from tests.reports.examples import MANIFEST, START_NS

DEMO = Path(__file__).resolve().parents[3] / "fixtures" / "demo.mmj"
ROWS = np.concatenate(list(Journal(DEMO).chunks()))
DECISIONS = ROWS[(ROWS["kind"] >= EventKind.PLACE) & (ROWS["kind"] < EventKind.DIGEST)]


@pytest.fixture(scope="module")
def watched() -> Watch:
    watch = Watch(DEMO)
    watch.feed(ROWS)
    return watch


def test_the_figures_are_those_of_the_report(watched: Watch) -> None:
    document = frame_document(watched, 2924, bytes(32), None)
    result = Replay(DEMO, ReplayOptions(checkpoints=False)).run()
    for name, row in symbols_json(result).items():
        shown = document["symbols"][name]
        keys = ("realized", "unrealized", "spread", "inventory", "net")
        assert {key: shown["pnl"][key] for key in keys} == {key: row[f"{key}_pnl"] for key in keys}
        assert (shown["pnl"]["fees"], shown["pnl"]["funding"]) == (row["fees"], row["funding"])
        assert shown["position"]["qty"] == row["position"] and shown["mid"] == row["mid"]
        counts = {key: row[key] for key in ("placed", "amended", "cancelled", "rejected")}
        assert counts.items() <= shown["counters"].items() and shown["counters"]["filled"] == row["fills"]
        assert len(shown["orders"]) == sum(row["orders_live"].values())
    assert document["witnessed"] == result.witnessed_count == len(DECISIONS)


@pytest.mark.parametrize("cut", [3, 200, 1500, 2500, 2924])
def test_the_last_decisions_are_the_journals_wherever_it_ends(cut: int) -> None:
    watch = Watch(DEMO)
    for rows in np.array_split(ROWS[ROWS["seq"] <= cut], np.searchsorted(ROWS["seq"], range(100, cut, 100))):
        watch.feed(rows)
    found = watch.decisions()
    last = int(found[-1]["seq"])
    # Decided here at once, while their witnesses may be in the commit that follows.
    assert last >= int(DECISIONS[DECISIONS["seq"] <= cut][-1]["seq"])
    assert found.tobytes() == DECISIONS[DECISIONS["seq"] <= last][-DECISION_COUNT:].tobytes()


@pytest.mark.parametrize("cut", [100, 1000, 2924])
def test_the_ladder_is_the_top_of_the_book(cut: int) -> None:
    watch = Watch(DEMO)
    watch.feed(ROWS[ROWS["seq"] <= cut])
    for cell in watch.core.state.cells:
        for side in SIDES:
            assert best_levels(cell, side, 5) == levels(cell, side)[:5]


# | own orders (price, lots) on a bid side of 99 98 97 95 94, each with 10 | the ladder's (price, size, own) |
LADDERS = [
    ([], [(99, 10, None), (98, 10, None), (97, 10, None), (95, 10, None), (94, 10, None)]),
    ([(98, 3)], [(99, 10, None), (98, 10, 3), (97, 10, None), (95, 10, None), (94, 10, None)]),
    ([(98, 3), (98, 2)], [(99, 10, None), (98, 10, 5), (97, 10, None), (95, 10, None), (94, 10, None)]),
    ([(100, 3)], [(100, None, 3), (99, 10, None), (98, 10, None), (97, 10, None), (95, 10, None)]),
    ([(96, 3)], [(99, 10, None), (98, 10, None), (97, 10, None), (96, None, 3), (95, 10, None)]),
    ([(90, 3), (80, 1)], [(99, 10, None), (98, 10, None), (97, 10, None), (95, 10, None), (90, 10, 3)]),
]


@pytest.mark.parametrize(("own", "expected"), LADDERS)
def test_own_orders_are_marked_in_the_ladder(
    tmp_path: Path, own: list[tuple[int, int]], expected: list[tuple[int, ...]]
) -> None:
    rows = np.zeros(6, EVENT)
    rows["kind"], rows["side"], rows["qty_lots"], rows["seq"] = EventKind.BOOK_SNAPSHOT, Side.BID, 10, 2
    rows["price_ticks"] = [99, 98, 97, 95, 94, 90]
    rows["flags"][-1], rows["ts_receive_ns"] = Flag.LAST, START_NS
    watch = watch_of(tmp_path, rows)
    for slot, (price_ticks, qty_lots) in enumerate(own):
        order = watch.core.state.orders[0, SLOTS_PER_SIDE * Side.BID + slot]
        order["status"], order["price_ticks"], order["qty_lots"] = OrderStatus.ACCEPTED, price_ticks, qty_lots
    units = instrument_units(MANIFEST.instruments[0])
    shown = ladder(watch.core.state, 0, Side.BID, units)
    assert [(one["price"], one["qty"], one["own"]) for one in shown] == [
        (units.price(price), size and units.qty(size), mine and units.qty(mine)) for price, size, mine in expected
    ]


def watch_of(directory: Path, *events: np.ndarray) -> Watch:
    """Return the fold of a manifest, a configuration that quotes nothing, and these events."""
    config = {"params": {one.symbol: {"enabled": 0} for one in MANIFEST.instruments}}
    head = [
        payload_rows(EventKind.MANIFEST, 0, encode_manifest(MANIFEST)),
        payload_rows(EventKind.CONFIG, 1, config_payload(config)),
    ]
    rows = np.concatenate([*head, *events])
    watch = Watch(write_journal(directory / "made", rows))
    watch.feed(rows)
    return watch


def rate_rows(answers: list[tuple[RequestOutcome, int]]) -> np.ndarray:
    """Return one REQUEST_RESULT per (outcome, latency in ns), 10 ms apart."""
    rows = np.zeros(len(answers), EVENT)
    rows["seq"] = 2 + np.arange(len(answers))
    rows["ts_receive_ns"] = START_NS + 10 * NS_PER_MS * np.arange(len(answers))
    rows["kind"], rows["side"], rows["flags"] = EventKind.REQUEST_RESULT, Side.NONE, Flag.LAST
    rows["price_ticks"], rows["order_id"] = NO_PRICE_TICKS, NO_ORDER_ID
    rows["code"], rows["aux"] = zip(*answers, strict=True)
    return rows


def test_request_times_are_of_the_answered_ones(tmp_path: Path) -> None:
    answers = [(RequestOutcome.OK, (100 - i) * NS_PER_MS) for i in range(99)]
    answers += [(RequestOutcome.REFUSED, NS_PER_MS), (RequestOutcome.TIMEOUT, 9 * NS_PER_S)]
    answers += [(RequestOutcome.OK, NO_VALUE), (RequestOutcome.RATE_LIMITED, 7 * NS_PER_S)]
    document = frame_document(watch_of(tmp_path, rate_rows(answers)), 0, bytes(32), START_NS + 4 * NS_PER_S)
    assert document["latency"] == {"count": 100, "p50_ms": 50.0, "p99_ms": 99.0}
    assert document["time"] == {"event": "2024-08-08T23:54:18.020Z", "lag_s": 2.98}


@pytest.mark.parametrize(
    ("times_ms", "p50", "p99"), [([], None, None), ([3], 3, 3), ([1, 2], 1, 2), (list(range(1, 201)), 100, 198)]
)
def test_percentiles_are_by_nearest_rank(times_ms: list[int], p50: float | None, p99: float | None) -> None:
    fields = latency_fields([time_ms * NS_PER_MS for time_ms in times_ms])
    assert (fields["p50_ms"], fields["p99_ms"]) == (p50, p99)


def test_a_fold_from_a_checkpoint_shows_the_same_state(tmp_path: Path, watched: Watch) -> None:
    copy = write_journal(tmp_path / "demo", ROWS)
    first = Watch(copy)
    assert first.checkpoint is None
    boundary = 1024
    first.feed(ROWS[ROWS["seq"] < boundary])
    if first.core.out[0]["witness_index"] < first.core.out[0]["effect_count"]:
        pytest.fail("the demo has a decision at the boundary: choose another")
    first.core.drain()
    meta = {
        "document": first.core.document,
        "effects_digest": first.core.effects_digest.value.hex(),
        "rows": first.row_count,
        "witnessed_count": first.core.witnessed_count,
    }
    key = Replay(copy, ReplayOptions(checkpoints=False)).key
    save(copy, key, boundary, bytes(32), first.core.dump(), meta)
    late = Watch(copy)
    assert late.checkpoint is not None and late.checkpoint.seq_next == boundary
    late.feed(ROWS[ROWS["seq"] >= boundary])
    assert frame_document(late, 0, b"", None) == frame_document(watched, 0, b"", None)
