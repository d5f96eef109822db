"""A session under faults, looked into end to end: where it parts, why, what if, a file for a stranger, made small."""

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmfold.engine.codes import EventKind
from mmfold.journal.log.seal import read_seal
from tests.live.laws import check_all, read_rows
from tests.live.processes import run_mm
from tests.live.stage import TIGHT, stage

BOUND_S = 15.0
OTHER = "strategy.target_usd=200"
EVENTS_MAX = 30
FAULTS = (
    {"fault": "drop", "at": "public:orderbook.*", "count": 2},
    {"fault": "disconnect", "at": "private:*", "count": 1},
    {"fault": "ack_lost", "at": "trade:order.*", "count": 1},
    {"fault": "drop", "at": "private:execution", "count": 2},
)


async def record(journal: Path) -> None:
    async with stage(journal, 3) as staged:
        await staged.begin(TIGHT)
        await staged.quoting(BOUND_S)
        for rule in FAULTS:
            staged.arm(rule)
            await asyncio.sleep(0.6)
        staged.arm()
        await staged.quoting(BOUND_S)
        await staged.end()
        check_all(journal, staged.account, staged.worst)


def document(*words: object, code: int = 0) -> dict[str, Any]:
    done = run_mm(*map(str, words), "--json")
    assert done.returncode == code, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("looking") / "j"
    asyncio.run(record(path))
    return path


def test_a_live_journal_with_faults_in_it_is_looked_into_end_to_end(journal: Path) -> None:
    rows, out = read_rows(journal), journal.parent
    fills = rows[rows["kind"] == EventKind.FILL]
    assert (
        len(fills) > 2
        and (rows["kind"] == EventKind.BOOK_GAP).any()
        and (rows["kind"] == EventKind.REQUEST_RESULT).any()
    )
    fill = fills[0]
    seq, order_id = int(fill["seq"]), int(fill["order_id"])

    # What was, and why: the position is that of the fills so far, the order's story has its decision and the fill.
    before = fills[fills["seq"] <= seq]
    held = int(np.where(before["side"] == 0, before["qty_lots"], -before["qty_lots"]).sum())
    at = document("at", "--events", journal, "--seq", seq)
    assert at["seq"] == seq and at["event"]["kind"] == "fill", at
    assert float(at["symbols"]["BTCUSDT"]["position"]["qty"]) == pytest.approx(held * 0.001)
    why = document("why", "--events", journal, order_id, "--order")
    assert why["seq"] == order_id >> 16 and "fill" in json.dumps(why)

    # Where it parts from itself under other settings: first behind the configuration, and not at all under its own.
    assert document("diff", journal, journal)["differs"] is False
    assert document("diff", journal, "--set", OTHER, code=2)["differs"] is True

    # What if: the fork's past is the journal's own, and its figures say how far to trust them.
    fork = document("fork", "--events", journal, "--at", seq, "--set", OTHER, "--out", out / "f")
    forked = read_rows(out / "f")
    past = forked[(forked["seq"] > 0) & (forked["seq"] <= seq)]
    assert past.tobytes() == rows[(rows["seq"] > 0) & (rows["seq"] <= seq)].tobytes()
    assert fork["trust"] is not None and document("replay", "--events", out / "f")["effects"]

    # A file for a stranger replays as the session did; made small from there it still fails for the same reason.
    bundle = document("bundle", journal, "--out", out / "b.zip")
    seal = read_seal(journal)
    assert seal is not None and bundle["parent_head"] == seal.head
    digests = [document("replay", "--events", one)["state_digest"] for one in (out / "b.zip", journal)]
    assert digests[0] == digests[1]
    small = document("minimize", "--events", out / "b.zip", "--fails-if", "fills > 2", "--out", out / "m")
    assert small["events"] <= EVENTS_MAX and small["parent_head"] == seal.head
    assert document("replay", "--events", out / "m")["fills"] == 3
