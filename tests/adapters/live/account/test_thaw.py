"""A session that ended as asked quotes again when it is started again; what somebody froze stays frozen."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mmfold.adapters.live.account.handover import Place
from mmfold.adapters.live.account.opening import open_session
from mmfold.adapters.live.account.thaw import COMMANDED, END, UNEXPLAINED, ended_symbols, held_symbols
from mmfold.adapters.live.lag import BEHIND
from mmfold.adapters.live.session import Session
from mmfold.engine.manifest import Instrument, Manifest
from tests.adapters.emulator.running import RunningVenue
from tests.adapters.live.account.test_initial_position import has_placed
from tests.adapters.live.until import plan_session, run_session
from tests.engine.rows import AUTOPOLICY

LISTED = tuple(Instrument(symbol=symbol, tick_size="0.1", lot_size="0.001") for symbol in "AB")
MANIFEST = Manifest(run_id="t", instruments=LISTED, source="live")


PIN = {"command": "pin", "symbol": "A", "params": {"levels_per_side": 1}}
AUTOPOLICY_ON = {"policies": {"autopolicy": {**AUTOPOLICY, "enabled": 1}}}
ASKED = {"policy": "autopolicy", "level": 1}


def freeze(*symbols: str) -> list[dict[str, Any]]:
    return [{"command": "freeze", "symbol": symbol} for symbol in symbols]


def unfreeze(*symbols: str) -> list[dict[str, Any]]:
    return [{"command": "unfreeze", "symbol": symbol} for symbol in symbols]


@pytest.mark.parametrize(
    "commands, thawed",
    [
        ([], ""),
        ([END], "AB"),
        ([*freeze("A"), END], "B"),
        ([END, *freeze("A")], "B"),
        ([*freeze("A"), *unfreeze("A"), END], "AB"),
        ([END, *unfreeze("A", "B")], ""),
        ([*freeze("A"), {"command": "freeze", "symbol": "B", "why": BEHIND}], "B"),
        ([*freeze("A"), END, *unfreeze("B"), END], "B"),
        ([{"command": "freeze"}, END], ""),
        ([END, {"command": "cancel", "symbol": "A", "order_id": 9}], "AB"),
        ([END, PIN, ASKED], "AB"),
    ],
)
def test_what_the_end_froze_and_nothing_else(tmp_path: Path, commands: list[dict[str, Any]], thawed: str) -> None:
    session = Session(tmp_path, MANIFEST)
    session.fold_config(AUTOPOLICY_ON)
    for command in commands:
        session.fold_command(command)
    session.commit()
    assert "".join(ended_symbols(tmp_path, MANIFEST)) == thawed
    session.close()


UNCLEAR = {"command": "freeze", "symbol": "B", "why": UNEXPLAINED}


@pytest.mark.parametrize(
    "commands, held",
    [
        ([END], {}),
        ([UNCLEAR, END], {"B": UNEXPLAINED}),  # a person has to look at the position
        ([UNCLEAR, *unfreeze("B"), END], {}),
        ([*freeze("A"), UNCLEAR, END], {"A": COMMANDED, "B": UNEXPLAINED}),
        ([{"command": "freeze"}], {"A": COMMANDED, "B": COMMANDED}),
        ([UNCLEAR, {"command": "unfreeze"}], {}),
        ([{"command": "freeze", "symbol": "B", "why": BEHIND}, *freeze("A")], {"A": COMMANDED}),
        ([PIN, UNCLEAR, ASKED], {"B": UNEXPLAINED}),  # other words of a person are no freezes
    ],
)
def test_what_stays_frozen_is_told_with_its_reason(
    tmp_path: Path, commands: list[dict[str, Any]], held: dict[str, str]
) -> None:
    session = Session(tmp_path, MANIFEST)
    session.fold_config(AUTOPOLICY_ON)
    for command in commands:
        session.fold_command(command)
    session.commit()
    assert held_symbols(tmp_path, MANIFEST) == held
    assert not set(held) & set(ended_symbols(tmp_path, MANIFEST))
    session.close()


@pytest.mark.parametrize(
    "commands, kept",
    [
        ([], ""),
        ([END], ""),
        ([{"command": "freeze"}], ""),  # the end of a build that gave no reason
        ([*freeze("A"), END], "A"),
        ([*freeze("A", "B"), *unfreeze("A"), END], "B"),
        ([*freeze("A", "B"), {"command": "unfreeze"}], ""),
        ([{"command": "freeze", "symbol": "B", "why": BEHIND}, *freeze("A")], "A"),
        ([PIN, *freeze("B"), ASKED], "B"),
    ],
)
def test_a_journal_that_takes_over_keeps_what_somebody_froze(
    tmp_path: Path, commands: list[dict[str, Any]], kept: str
) -> None:
    former = Session(tmp_path / "a", MANIFEST)
    former.fold_config(AUTOPOLICY_ON)
    for command in commands:
        former.fold_command(command)
    former.commit()
    former.close()
    session = open_session(Place(tmp_path / "b", tmp_path / "a"), replace(MANIFEST, run_id="u"), "none")
    frozen = session.core.state.quoters["frozen"].tolist()
    assert "".join(one.symbol for one, at in zip(LISTED, frozen, strict=True) if at) == kept
    assert "".join(held_symbols(tmp_path / "b", MANIFEST)) == kept, "with its reason"
    session.close()
    assert not ended_symbols(tmp_path / "b", MANIFEST)


def test_a_session_quotes_again(running: RunningVenue, tmp_path: Path) -> None:
    running.set_faults()
    plan = plan_session(running, tmp_path / "j", "maker.post_only_offset_bps=0", "strategy.min_spread_bps=40",
                        "strategy.max_spread_bps=60")  # fmt: skip
    first = run_session(plan, has_placed)
    placed = int(first.session.core.state.counters["placed_count"].sum())
    assert first.session.core.state.quoters["frozen"].all()
    again = run_session(plan, lambda runner: runner.session.core.state.counters["placed_count"].sum() > placed)
    assert again.session.core.state.counters["placed_count"].sum() > placed > 0
