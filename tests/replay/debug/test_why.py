"""The chain of a decision: its gates say what the audit says, its order's life is what the journal holds."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmfold.engine.codes import AuditKind, EventKind, Reason, Unit
from mmfold.engine.jit import JIT_ENABLED
from mmfold.engine.records import NO_ORDER_ID
from mmfold.journal.errors import Corrupt
from mmfold.replay.debug.library import open_journal
from mmfold.replay.debug.moment import NoSuchEvent
from mmfold.replay.debug.trace import trace
from tests.conftest import REPO
from tests.engine.gates.test_gates import CASES
from tests.engine.rows import House, lines_of, make_manifest, parse_input
from tests.replay.debug.test_library import rows_of

DEMO = REPO / "fixtures" / "demo.mmj"
TRACED = dict(list(CASES.items())[::9]) if JIT_ENABLED else CASES  # compiled, each event is a process of its own


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """Return the demo journal, without checkpoints."""
    shutil.copytree(DEMO, tmp_path / "demo", ignore=shutil.ignore_patterns("checkpoints"))
    return tmp_path / "demo"


@pytest.mark.parametrize(("params", "instrument", "text"), TRACED.values(), ids=TRACED)
def test_a_gate_says_what_the_audit_says(params: dict[str, int | float], instrument: dict[str, Any], text: str) -> None:
    house, told = House(make_manifest(**instrument), **params), 0
    for line in lines_of(text):
        rows, after_ms = parse_input(house, line.split("|")[0].strip())
        house.core.drain()
        before, document = house.core.dump(), house.core.document
        blocks = [row for row in house.feed(rows, after_ms) if is_block(row)]
        if not blocks:
            continue
        asked = trace(house.manifest, before, document, house.rows[-1], "")
        refusals = {(one.reason, one.value, one.limit, one.unit) for one in asked if not one.passed}
        assert {told_of(row) for row in blocks} <= refusals
        told += len(blocks)
    assert told > 0


def is_block(row: np.void) -> bool:
    return bool(row["kind"] == EventKind.AUDIT and row["code"] == AuditKind.BLOCK)


def told_of(row: np.void) -> tuple[str, int, int, str]:
    unit = Unit.NONE if row["order_id"] == NO_ORDER_ID else Unit(int(row["order_id"]))
    return Reason(int(row["aux"])).name.lower(), int(row["price_ticks"]), int(row["qty_lots"]), unit.name.lower()


def test_an_order_is_followed_to_its_end(demo: Path) -> None:
    rows = rows_of(demo)
    fill = rows[rows["kind"] == EventKind.FILL][0]
    order_id = int(fill["order_id"])
    story = open_journal(demo).why(order_id, is_order=True)
    mine = rows[
        (rows["order_id"] == order_id) & (rows["kind"] != EventKind.AUDIT) & (rows["kind"] != EventKind.REQUEST_RESULT)
    ]
    assert story.seq == order_id >> 16 and story.order_id == order_id and story.ended
    assert story.life[story.life["kind"] != EventKind.REQUEST_RESULT]["seq"].tolist() == mine["seq"].tolist()
    assert [(one.fill_seq, one.horizon_ms) for one in story.markouts][:2] == [
        (int(fill["seq"]), ms) for ms in (200, 500)
    ]
    for one in story.markouts[:1]:
        state = open_journal(demo).at(ts_ns=int(fill["ts_receive_ns"]) + one.horizon_ms * 1_000_000).state
        mid = int(state.signals[int(fill["instrument_index"])]["mid_half_ticks"])
        sign = 1 if fill["side"] == 0 else -1
        assert one.half_ticks == sign * (mid - 2 * int(fill["price_ticks"]))


def test_what_came_of_an_order_is_verified_too(demo: Path) -> None:
    fill = rows_of(demo)[rows_of(demo)["kind"] == EventKind.FILL][-1]
    segment, changed = next(demo.glob("*.mmj")), fill.copy()
    changed["qty_lots"] += 1
    data = segment.read_bytes()
    assert data.count(fill.tobytes()) == 1
    segment.write_bytes(data.replace(fill.tobytes(), changed.tobytes()))
    with pytest.raises(Corrupt):
        open_journal(demo).why(int(fill["order_id"]), is_order=True)


def test_a_seq_leads_to_its_event_and_an_effect_to_its_cause(demo: Path) -> None:
    rows, looked = rows_of(demo), open_journal(demo)
    place = rows[rows["kind"] == EventKind.PLACE][-1]
    story = looked.why(int(place["seq"]))
    assert story.seq == int(place["order_id"]) >> 16 and story.order_id == int(place["order_id"])
    assert int(place["seq"]) in story.effects["seq"].tolist()
    whole = looked.why(story.seq)
    assert whole.effects.tobytes() == story.effects.tobytes() and whole.asked == story.asked
    assert {one.cause_seq for one in whole.since.values()} <= set(range(story.seq + 1)) and whole.since


@pytest.mark.parametrize("target", [10**6, 1 << 40, (1 << 40) + 7])
def test_a_number_that_is_nothing_is_said(demo: Path, target: int) -> None:
    with pytest.raises(NoSuchEvent):
        open_journal(demo).why(target)
