"""`mm policies` and `mm config show --events`: what policies do in a journal, and what is in force there."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mmfold.adapters.cli.main import run
from mmfold.engine.codes import EventKind
from mmfold.engine.core import config_payload
from mmfold.engine.limits import NS_PER_MS
from mmfold.engine.manifest import canonical_json, encode_manifest
from mmfold.engine.payload import payload_rows
from mmfold.journal.log.writer import Writer
from tests.engine.rows import AUTOPOLICY, PLAIN, T0_NS, book_event, event, make_manifest
from tests.reports.parity.recorded import record_steps

Call = Callable[..., tuple[int, str, str]]
EAGER = {
    **AUTOPOLICY, "enabled": 1, "trigger_events_total": 1, "hysteresis_bad_required": 1, "cooldown_minutes": 0.0,
    "interval_s": 5.0,
}  # fmt: skip


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Return a market with a configuration: AutoPolicy is busy at once, the operator has pinned a threshold."""
    manifest = make_manifest()
    config = {"params": {"X": {**PLAIN, "levels_per_side": 4}}, "policies": {"autopolicy": EAGER}}
    pin = {"command": "pin", "symbol": "X", "params": {"replace_threshold_bps": 7.0}}
    events = [
        payload_rows(EventKind.MANIFEST, 0, encode_manifest(manifest)),
        payload_rows(EventKind.CONFIG, 1, config_payload(config)),
        book_event(EventKind.BOOK_SNAPSHOT, [(10_000, 5)], [(10_001, 5)], ts_receive_ns=T0_NS),
        payload_rows(EventKind.COMMAND, 3, canonical_json(pin)),
        event(EventKind.TIMER, ts_receive_ns=T0_NS + NS_PER_MS),
    ]
    with Writer(tmp_path / "j") as writer:
        for seq, rows in enumerate(events):
            rows["seq"] = seq
            writer.append(rows)
    return tmp_path / "j"


@pytest.fixture
def call(same_kernels: None, capfd: pytest.CaptureFixture[str]) -> Call:
    """Return a function that runs one command line and returns exit code, stdout and stderr."""

    def call(*words: object) -> tuple[int, str, str]:
        capfd.readouterr()
        code = run([str(word) for word in words])
        return code, *capfd.readouterr()

    return call


def document(call: Call, *words: object) -> Any:
    code, told, _ = call(*words, "--json")
    assert code == 0, told
    return json.loads(told)


def adjustment(param: str, value: float, op: str = "set", reason: str = "autopolicy") -> dict[str, Any]:
    return {"op": op, "param": param, "reason": reason, "symbol": "X", "value": value}


def test_what_stands_and_who_is_due(call: Call, journal: Path) -> None:
    found = document(call, "policies", "--events", journal)
    assert found["pins"] == [adjustment("replace_threshold_bps", 7.0, "pin", "command")]
    (policy,) = found["policies"]
    assert (policy["name"], policy["active"], policy["interval_s"], policy["runs"]) == ("autopolicy", True, 5.0, 1)
    assert policy["next_due"] == "2023-11-14T22:13:25Z"
    assert policy["adjustments"] == [
        adjustment("levels_per_side", 3), adjustment("min_time_in_book_ns", 0),
        adjustment("replace_threshold_bps", 5.75),
    ]  # fmt: skip


def test_before_its_first_run_nothing_stands(call: Call, journal: Path) -> None:
    (policy,) = document(call, "policies", "--events", journal, "--until", "2")["policies"]
    assert (policy["active"], policy["next_due"], policy["adjustments"]) == (True, None, [])


def test_base_and_in_force(call: Call, journal: Path) -> None:
    rows = {one["param"]: one for one in document(call, "config", "show", "--events", journal)["parameters"]}
    assert [(rows[name]["base"], rows[name]["effective"], rows[name]["by"]) for name in
            ("levels_per_side", "replace_threshold_bps", "min_spread_bps")] == [
        (4, 3, "autopolicy"), (5.0, 7.0, "pinned by the operator"), (20.0, 20.0, "operator"),
    ]  # fmt: skip
    assert rows["levels_per_side"]["key"] == "strategy.levels_per_side"


def test_tables_for_people(call: Call, journal: Path) -> None:
    code, text, _ = call("policies", "--events", journal)
    assert code == 0 and "autopolicy" in text and "operator" in text and "replace_threshold_bps" in text
    assert "pinned by the operator" in call("config", "show", "--events", journal)[1]


def test_a_setting_that_nothing_here_uses_is_told(call: Call, journal: Path) -> None:
    code, _, told = call("policies", "--events", journal, "--set", "per_symbol.Y.strategy.skew_coeff=0.3")
    assert code == 0 and told == "warning: per_symbol.Y is not used: no such instrument here (X)\n"


def test_until_is_of_a_journal(call: Call) -> None:
    code, _, told = call("config", "show", "--until", "3")
    assert code == 64 and "--until goes with --events" in told


def test_one_key_is_laid_over_a_journal_that_knows_no_policy(call: Call, tmp_path: Path) -> None:
    journal = record_steps(tmp_path / "j", "book, ack")
    found = document(call, "policies", "--events", journal, "--set", "strategy.skew_coeff=0.3")  # as it is anyway
    assert [(one["active"], one["interval_s"]) for one in found["policies"]] == [(False, None)]
