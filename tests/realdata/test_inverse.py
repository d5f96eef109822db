"""Backtests of a recorded inverse contract (../shared/data): the core trades it, accounts for it and replays."""

import json
import os
import subprocess
import sys
from fractions import Fraction
from math import ceil
from pathlib import Path

import numpy as np
import pytest

from mmfold.adapters.importers import load_importer
from mmfold.adapters.importers.outcome import ImportRequest
from mmfold.config.load import load_config
from mmfold.config.models import Config
from mmfold.engine.codes import EventKind, Side
from mmfold.engine.limits import PPM
from mmfold.journal.log.reader import Journal
from mmfold.journal.log.writer import Writer
from mmfold.replay.backtest import Assumptions, Backtest
from mmfold.replay.run import ReplayOptions, replay
from mmfold.reports.position import position_amounts
from mmfold.reports.tearsheet.fold import pnl_parts
from tests.differential.modes_child import events_of

pytestmark = pytest.mark.realdata

CAPTURE = "binance_raw_ws/cm_btcusd_perp_20240808.gz"
CONTRACT_USD, MAKER_PPM = 100, 100
OVERRIDES = {
    "ladder": (
        *("mode=sent", "strategy.min_spread_bps=0.1", "strategy.max_spread_bps=2", "strategy.target_usd=1000"),
        *("strategy.k_vola_spread=0.01", "strategy.enable_adverse_guard=false", "maker.post_only_offset_bps=0"),
    ),
    "grid": ("mode=sent", "strategy.quote_on_timer=true", "grid.qty=2", "grid.half_spread=0.1"),
}
PREFIX_EVENT_COUNT = 1_800
CHILD = """
import json, sys
from pathlib import Path
from mmfold.replay.backtest import Assumptions, Backtest
from tests.realdata.test_inverse import OVERRIDES, config_of
found = []
for name in OVERRIDES:
    result = Backtest(Path(sys.argv[1]), config_of(name), Assumptions()).run()
    found.append([result.state_digest, result.effects_digest, result.fills, result.effect_counts["place"]])
print(json.dumps(found))
"""


def config_of(name: str) -> Config:
    """Return the configuration of a strategy that quotes near the touch."""
    return load_config(None, "grid" if name == "grid" else None, list(OVERRIDES[name]))


@pytest.fixture(scope="module")
def market(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the capture as a journal."""
    out = tmp_path_factory.mktemp("coinm") / "journal"
    request = ImportRequest(files=(shared_data / CAPTURE,), out=out, market="coinm")
    load_importer("binance")(request, lambda _: None)
    return out


@pytest.mark.parametrize("name", OVERRIDES)
def test_an_inverse_contract_is_traded(market: Path, tmp_path: Path, name: str) -> None:
    with Writer(tmp_path / "journal") as writer:
        result = Backtest(market, config_of(name), Assumptions(), writer=writer).run()
    found = replay(tmp_path / "journal", ReplayOptions(checkpoints=False))
    assert (found.state_digest, found.effects_digest) == (result.state_digest, result.effects_digest)
    assert found.witnessed_count == sum(result.effect_counts.values()) and result.fills > 10
    rows = np.concatenate(list(Journal(tmp_path / "journal").chunks()))
    cash = lots = fees = contracts = 0
    for fill in rows[rows["kind"] == EventKind.FILL]:
        qty, sign = int(fill["qty_lots"]), 1 if fill["side"] == Side.BID else -1
        base_e9 = Fraction(qty * CONTRACT_USD * 10**9 * 10, int(fill["price_ticks"]))
        cash += int(base_e9) if sign > 0 else -ceil(base_e9)
        fees += ceil(base_e9 * MAKER_PPM / PPM)
        lots, contracts = lots + sign * qty, contracts + qty
    position, parts = found.state.positions[0], pnl_parts(found.state, 0)
    assert (position["position_lots"], position["fees_micros"]) == (lots, fees)
    assert position["realized_ticklots"] - position["cost_ticklots"] == cash
    mid_ticks = Fraction(int(found.state.signals[0]["mid_half_ticks"]), 2)
    assert parts.total == cash - ceil(lots * CONTRACT_USD * 10**10 / mid_ticks) - fees - parts.funding
    assert parts.total == parts.spread + parts.inventory - parts.fees - parts.funding
    assert position_amounts(found.manifest, found.state, 0).turnover == contracts * CONTRACT_USD


def test_compiled_is_interpreted_on_a_prefix(market: Path, tmp_path: Path) -> None:
    rows = np.concatenate(list(Journal(market).chunks()))
    with Writer(tmp_path / "prefix") as writer:
        for part in events_of(rows)[:PREFIX_EVENT_COUNT]:
            writer.append(part)
    found = []
    for disabled in ("0", "1"):
        env = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
        env |= {"NUMBA_DISABLE_JIT": disabled, "PYTHONPATH": os.pathsep.join(["."])}
        command = [sys.executable, "-W", "error", "-c", CHILD, str(tmp_path / "prefix")]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=110)
        assert done.returncode == 0 and not done.stderr, done.stderr
        found.append(json.loads(done.stdout))
    assert found[0] == found[1]
    assert all(fills > 0 and placed > 0 for _, _, fills, placed in found[0]), found[0]
