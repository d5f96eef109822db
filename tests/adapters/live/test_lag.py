"""A loop that runs behind its venue stops quoting until it has caught up, and lifts no freeze of somebody else."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmfold.adapters.alerts.dispatch import AlertDesk
from mmfold.adapters.live.lag import BEHIND, CAUGHT_UP_LOOK_COUNT, LATE_LOOK_COUNT, LagWatch
from mmfold.adapters.live.operator.status import LiveStatus
from mmfold.adapters.live.runner import Pace
from mmfold.adapters.live.session import Session
from mmfold.engine.limits import NS_PER_MS
from mmfold.engine.manifest import Instrument, Manifest

LISTED = tuple(Instrument(symbol=symbol, tick_size="0.1", lot_size="0.001") for symbol in "AB")
MANIFEST = Manifest(run_id="t", instruments=LISTED, source="live")
T0_NS = 1_700_000_000_000_000_000
BOUND_MS = 1_000


class Played:
    """As much of a runner as the watch looks at."""

    is_ending = False

    def __init__(self, directory: Path, bound_ms: int) -> None:
        self.session = Session(directory, MANIFEST)
        self.pace = Pace(lag_ms_max=bound_ms)
        self.commands: list[dict[str, Any]] = []
        self.alerts = AlertDesk()
        self.status = LiveStatus(
            mode="testnet", venue="bybit", manifest=MANIFEST, state=self.session.core.state, journal="",
            ts_started_ns=0, params_hash="",
        )  # fmt: skip

    async def command(self, document: dict[str, Any]) -> None:
        self.commands.append(document)
        self.session.fold_command(document)

    def look(self, watch: LagWatch, lags_ms: list[int], offset_ns: int = 0) -> list[str]:
        """Let it look at messages of a lag each; returns the commands since."""
        before = len(self.commands)
        for lag_ms in lags_ms:
            books = self.session.core.state.books
            now_ns = max(int(books["ts_receive_ns"].max()), T0_NS) + NS_PER_MS
            books["ts_receive_ns"][0], books["ts_exchange_ns"][0] = now_ns, now_ns - lag_ms * NS_PER_MS + offset_ns
            asyncio.run(watch.look())
        return [f"{one['command']} {one['symbol']}" for one in self.commands[before:]]


@pytest.fixture
def played(tmp_path: Path) -> Played:
    return Played(tmp_path / "j", BOUND_MS)


LATE, SOON = BOUND_MS + 1, BOUND_MS // 2
FREEZES, UNFREEZES = ["freeze A", "freeze B"], ["unfreeze A", "unfreeze B"]


def test_it_is_frozen_and_quoted_again(played: Played) -> None:
    watch = LagWatch(played)  # type: ignore[arg-type]
    assert played.look(watch, [LATE] * (LATE_LOOK_COUNT - 1) + [SOON] + [LATE] * (LATE_LOOK_COUNT - 1)) == []
    assert played.look(watch, [LATE]) == FREEZES
    assert played.alerts.counts.raised == {"loop_behind": 1}
    assert {one["why"] for one in played.commands} == {BEHIND} and played.session.core.state.quoters["frozen"].all()
    assert "behind_A" in played.status.not_ready()
    assert played.look(watch, [LATE] * 50 + [SOON] * (CAUGHT_UP_LOOK_COUNT - 1) + [SOON + 1] + [SOON]) == []
    assert played.look(watch, [SOON] * CAUGHT_UP_LOOK_COUNT) == UNFREEZES
    assert not played.session.core.state.quoters["frozen"].any() and not played.status.behind


def test_what_somebody_else_froze_stays_so(played: Played) -> None:
    asyncio.run(played.command({"command": "freeze", "symbol": "A"}))
    watch = LagWatch(played)  # type: ignore[arg-type]
    assert played.look(watch, [LATE] * LATE_LOOK_COUNT) == ["freeze B"]
    played.status.unexplained["B"] = "a position"
    assert played.look(watch, [SOON] * CAUGHT_UP_LOOK_COUNT) == []
    assert played.session.core.state.quoters["frozen"].all()


def test_the_clocks_of_both_sides_need_not_agree(played: Played) -> None:
    watch = LagWatch(played)  # type: ignore[arg-type]
    played.status.clock_offset_ns = 60_000 * NS_PER_MS
    assert played.look(watch, [SOON] * 5, offset_ns=played.status.clock_offset_ns) == []


def test_the_same_message_is_looked_at_once(played: Played) -> None:
    watch = LagWatch(played)  # type: ignore[arg-type]
    asyncio.run(watch.look())  # no book yet
    assert played.look(watch, [LATE]) == []
    for _ in range(LATE_LOOK_COUNT):
        asyncio.run(watch.look())
    assert played.commands == [] and np.all(played.session.core.state.quoters["frozen"] == 0)
