"""Fake builds of tomorrow: copies of the sources with another layout, other codes, other rules or another schema.

Each reads the golden journal of this build, and this build what they write: the whole way, in processes of their own.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mmfold.engine.layout import LAYOUT_ID
from mmfold.engine.manifest import CODE_VERSION
from mmfold.engine.rules import RULES
from tests.planted.build import ROOT, Edit, copy_packages

GOLDEN = ROOT / "fixtures" / "golden" / f"rules-{RULES}-layout-{LAYOUT_ID[:12]}.mmj"
NEW_RULES = RULES + 1
CHANGE = "quotes stand two ticks further out"

# name of a build -> (file, what stands there, what stands there in that build)
Edits = list[Edit]
COUNTED, NOVEL = '        ("crossed_count", I8),\n', '        ("novel", I8),\n'
RESERVED = '("reserved", I8, (COUNTER_ROOM - {}'
LAYOUT: Edits = [
    ("engine/records.py", COUNTED, COUNTED + NOVEL),
    ("engine/records.py", "BOOK = record(\n    200,", "BOOK = record(\n    208,"),
]
CODES: Edits = [
    ("engine/codes.py", "    CIRCUIT_OPEN = 32\n", "    CIRCUIT_OPEN = 32\n    NOVEL = 33\n"),
    (
        "engine/records.py",
        '("reserved", I8, (COUNTER_ROOM - 14',
        '("novel_count", I8),\n        ("reserved", I8, (COUNTER_ROOM - 15',
    ),
]
DECIDING: Edits = [
    ("engine/rules.py", f"RULES = {RULES}\n", f"RULES = {NEW_RULES}\n"),
    ("engine/rules.py", "CHANGES = {\n", f'CHANGES = {{\n    {NEW_RULES}: "{CHANGE}",\n'),
    ("engine/manifest.py", f'CODE_VERSION = "{CODE_VERSION}"', 'CODE_VERSION = "9.9.9"'),
    ("engine/quoting/maker.py", "    target[\"price_ticks\"] = ask[\"price_ticks\"]\n",
     "    target[\"price_ticks\"] = ask[\"price_ticks\"] + (-2 if side == 0 else 2)\n"),
]  # fmt: skip
UPCASTER = """import sys


def to_2(rows):
    print("upcast", len(rows), file=sys.stderr)
    return rows.copy()


"""
SCHEMA: Edits = [
    ("engine/manifest.py", "SCHEMA_VERSION = 1\n", "SCHEMA_VERSION = 2\n"),
    ("journal/log/upcast.py", "UPCASTERS: dict[int, Upcaster] = {}", "UPCASTERS: dict[int, Upcaster] = {1: to_2}"),
    ("journal/log/upcast.py", "Upcaster = Callable", UPCASTER + "Upcaster = Callable"),
]  # fmt: skip


def build(directory: Path, edits: Edits) -> dict[str, str]:
    """Copy the sources with some edits; returns the environment that runs them."""
    names = copy_packages(directory, edits)
    return {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(names), "PYTHONDONTWRITEBYTECODE": "1"}


def run(environment: dict[str, str], *words: object) -> tuple[int, str, str]:
    """Run Python in a build; returns exit code, output and diagnostics."""
    command = [sys.executable, *map(str, words)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout, done.stderr


def replay(environment: dict[str, str], path: Path, *words: str) -> tuple[int, dict[str, Any], str]:
    """Return exit code, document and diagnostics of `mm replay` in a build."""
    code, printed, told = run(
        environment, "-m", "mmfold.adapters.cli.main", "replay", "--events", path, "--json", *words
    )
    return code, json.loads(printed) if printed else {}, told


def make_golden(environment: dict[str, str], path: Path) -> None:
    """Let a build write its own golden journal."""
    program = (
        "import sys; from pathlib import Path; from generate import generate; generate(Path(sys.argv[1]), seconds=20)"
    )
    paths = os.pathsep.join((environment["PYTHONPATH"], str(ROOT / "fixtures")))
    code, _, told = run({**environment, "PYTHONPATH": paths}, "-c", program, path)
    assert code == 0, told


def test_another_layout_compares_decisions_and_no_digest(tmp_path: Path) -> None:
    code, document, told = replay(build(tmp_path, LAYOUT), GOLDEN, "--strict")
    assert code == 0, told
    promises = document["promises"]
    assert promises["layout"] != LAYOUT_ID and promises["other_rules"] is None
    assert (promises["digests_compared"], promises["digests_not_compared"]) == (0, {LAYOUT_ID: 1})
    assert document["witnessed"] == sum(document["effects"].values()) > 200


def test_a_new_reason_and_a_new_counter_are_the_same_layout(tmp_path: Path) -> None:
    code, document, told = replay(build(tmp_path, CODES), GOLDEN, "--strict")
    assert code == 0, told
    assert document["promises"]["layout"] == LAYOUT_ID and document["promises"]["digests_compared"] == 1


def test_other_rules_list_what_they_decide_otherwise(tmp_path: Path) -> None:
    environment = build(tmp_path, DECIDING)
    code, document, told = replay(environment, GOLDEN)
    assert code == 0, told
    other = document["promises"]["other_rules"]
    assert other["changes"] == [{"rules": NEW_RULES, "what": CHANGE}]
    assert other["difference_count"] > 0 and other["kinds"]["place"] > 0
    first = other["differences"][0]
    assert first["witnessed"].startswith("PLACE") and first["computed"].startswith("PLACE")
    assert first["witnessed"] != first["computed"]
    code, _, told = replay(environment, GOLDEN, "--strict")
    assert code == 2 and "--strict" in told


def test_a_newer_journal_is_refused_with_both_builds_named(tmp_path: Path) -> None:
    environment, newer = build(tmp_path, DECIDING), tmp_path / "newer.mmj"
    make_golden(environment, newer)
    assert replay(environment, newer, "--strict")[0] == 0
    here = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    for command in ("replay", "backtest"):
        words = ["--events", newer] + (["--out", tmp_path / "out"] if command == "backtest" else [])
        code, printed, told = run(here, "-m", "mmfold.adapters.cli.main", command, *words)
        assert (code, printed) == (1, "") and told.count("\n") <= 2
        assert "mm 9.9.9" in told and f"mm {CODE_VERSION}" in told and f"rules {NEW_RULES}" in told


@pytest.mark.parametrize("form", ["journal", "jsonl"])
def test_rows_of_an_older_schema_are_upcast(tmp_path: Path, form: str) -> None:
    environment, path = build(tmp_path, SCHEMA), GOLDEN
    if form == "jsonl":
        path = tmp_path / "old.jsonl"
        assert (
            run(
                {**os.environ, "NUMBA_DISABLE_JIT": "1"},
                "-m",
                "mmfold.adapters.cli.main",
                "journal",
                "convert",
                GOLDEN,
                path,
            )[0]
            == 0
        )
    code, document, told = replay(environment, path, "--strict")
    assert code == 0 and "upcast" in told, told
    assert document["witnessed"] == sum(document["effects"].values()) > 200
