"""One journal for each layout and rules so far, read for ever; the older ones were made by the builds that had them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mmfold.engine.layout import LAYOUT_ID
from mmfold.engine.rules import CHANGES, RULES
from mmfold.journal.log.reader import Journal
from mmfold.journal.log.verify import verify

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "fixtures" / "golden"
HERE = f"rules-{RULES}-layout-{LAYOUT_ID[:12]}.mmj"

# journal | its head: what a former build wrote is never written again
HEADS = {
    "rules-1-layout-unnamed.mmj": "6d3cc3a7",
    "rules-2-layout-82d466681aaa.mmj": "48994024",
    "rules-3-layout-ac951f4a04a5.mmj": "10740f00",
    "rules-4-layout-95b8c2af00b1.mmj": "4478e90b",
    "rules-5-layout-7a91dafe7f07.mmj": "6b3211ed",
    "rules-6-layout-b56c042e2aed.mmj": "84936262",
    "rules-7-layout-931e878b0c6f.mmj": "b27c0d91",
    "rules-8-layout-052250f10ee7.mmj": "4f35880b",
}
NAMES = sorted(path.name for path in GOLDEN.iterdir())


def replay(path: Path, *words: str) -> tuple[int, dict[str, Any]]:
    """Return exit code and document of `mm replay`."""
    command = [sys.executable, "-m", "mmfold.adapters.cli.main", "replay", "--events", str(path), "--json", *words]
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, json.loads(done.stdout)


def test_every_layout_and_rules_has_its_journal() -> None:
    assert set(NAMES) == set(HEADS)
    assert HERE in NAMES, "the layout or the rules changed: python fixtures/generate.py, then add the head above"
    assert {int(name.split("-")[1]) for name in NAMES} == set(CHANGES)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_whole_and_as_it_was_written(name: str) -> None:
    found = verify(GOLDEN / name)
    assert (found.ok, found.sealed) == (True, True) and found.head.startswith(HEADS[name])


@pytest.mark.parametrize("name", NAMES)
def test_its_decisions_are_compared_and_what_cannot_be_is_said(name: str) -> None:
    manifest = Journal(GOLDEN / name).manifest()
    code, document = replay(GOLDEN / name, "--strict")
    promises = document["promises"]
    assert promises["rules"] == {"build": RULES, "journal": manifest.rules}
    other = promises["other_rules"]
    assert (other is None) == (manifest.rules == RULES)
    added = 0 if other is None else other["difference_count"]
    # No raise so far changed an order on these events. Rules 5 tell first blocks: rows that no older journal has.
    assert (code, document["witnessed"]) == (2 if added else 0, sum(document["effects"].values()) - added)
    if other is not None:
        assert [each["rules"] for each in other["changes"]] == list(range(manifest.rules + 1, RULES + 1))
        assert other["kinds"] == ({"audit": added} if manifest.rules < 5 else {})
        assert (added > 0) == (manifest.rules < 5)
        assert {each["witnessed"] for each in other["differences"]} == ({"nothing"} if added else set())
        assert all(" block " in each["computed"] for each in other["differences"])
    is_here = manifest.layout == LAYOUT_ID
    assert promises["digests_compared"] == int(is_here)
    assert promises["digests_not_compared"] == ({} if is_here else {manifest.layout: 1})


def test_the_docs_have_every_raise() -> None:
    table = (ROOT / "docs" / "rules.md").read_text().split("## Rules so far", 1)[1].split("##", 1)[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line[:1] == "|"]
    assert {int(row[0]): row[2] for row in rows[2:]} == CHANGES
