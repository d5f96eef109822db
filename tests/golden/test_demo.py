"""Golden: the bundled journal gives the same bytes for ever, compiled, bounds-checked and interpreted.

A change that is meant: `pytest tests/golden --snapshot-update`, and say in the commit what changed and why.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from mmfold.journal.log.verify import verify
from tests.compile_first import CHECKED

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "fixtures" / "demo.mmj"
ORDERS = "9b283597eb9a042c"  # PLACE, AMEND and CANCEL of the demo, the same since rules 1
LINE_COUNT = 40  # of the long artifacts the first lines are kept as text, the whole as its hash chain or digest
MODES = {
    "compiled": {"NUMBA_DISABLE_JIT": "0"},
    "interpreted": {"NUMBA_DISABLE_JIT": "1", "PYTHONWARNINGS": "error", "PYTHONHASHSEED": "7"},
    "bounds_checked": {"NUMBA_DISABLE_JIT": "0", **CHECKED},
}


def run_mode(mode: str, out: Path) -> Path:
    """Replay the demo in one mode in its own process; return the directory of everything it wrote."""
    environment = {**os.environ, **MODES[mode], "PYTHONPATH": str(ROOT)}
    outputs = {"metrics": "metrics.txt", "audit": "audit.jsonl", "effects": "effects.jsonl", "report": "report"}
    command = [sys.executable, "-m", "mmfold.adapters.cli.main", "replay", "--events", "fixtures/demo.mmj", "--json"]
    for option, name in outputs.items():
        command += [f"--{option}", str(out / name)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    del document["run"]
    (out / "result.json").write_text(json.dumps(document, indent=1, sort_keys=True))
    return out


@pytest.fixture(scope="module")
def run_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled run."""
    return run_mode("compiled", tmp_path_factory.mktemp("compiled"))


def test_result(run_directory: Path, snapshot: SnapshotAssertion) -> None:
    assert (run_directory / "result.json").read_text() == snapshot


def test_metrics(run_directory: Path, snapshot: SnapshotAssertion) -> None:
    assert (run_directory / "metrics.txt").read_text() == snapshot


def test_audit(run_directory: Path, snapshot: SnapshotAssertion) -> None:
    lines = (run_directory / "audit.jsonl").read_text().splitlines()
    assert "\n".join([*lines[:LINE_COUNT], lines[-1]]) == snapshot


def test_effects(run_directory: Path, snapshot: SnapshotAssertion) -> None:
    lines = (run_directory / "effects.jsonl").read_text().splitlines()
    assert "\n".join([*lines[:LINE_COUNT], f"{len(lines)} lines", lines[-1]]) == snapshot


def test_orders_are_those_of_the_first_release(run_directory: Path) -> None:
    digest, names, count = hashlib.sha256(), {}, 0
    for line in (run_directory / "effects.jsonl").read_text().splitlines():
        effect = json.loads(line)
        if effect["kind"] in ("place", "amend", "cancel"):
            del effect["seq"]  # and the id that is made of it: what is told beside the orders moves both
            effect["order_id"] = names.setdefault(effect["order_id"], len(names))
            digest.update(json.dumps(effect, sort_keys=True).encode())
            count += 1
    assert (count, digest.hexdigest()[:16]) == (858, ORDERS)


def test_report(run_directory: Path, snapshot: SnapshotAssertion) -> None:
    document = json.loads((run_directory / "report" / "report.json").read_text())
    document.pop("run", None)
    assert json.dumps(document, indent=1, sort_keys=True) == snapshot


@pytest.mark.parametrize("mode", ["interpreted", "bounds_checked"])
def test_every_mode_writes_the_same_bytes(mode: str, run_directory: Path, tmp_path: Path) -> None:
    other = run_mode(mode, tmp_path)
    names = sorted(path.relative_to(other) for path in other.rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(run_directory) for path in run_directory.rglob("*") if path.is_file())
    for name in names:
        left, right = (run_directory / name).read_bytes(), (other / name).read_bytes()
        if name.name == "report.json":
            left, right = (json.dumps({**json.loads(text), "run": None}).encode() for text in (left, right))
        assert left == right, name


def test_the_generator_still_makes_this_journal(tmp_path: Path) -> None:
    program = "import sys; from pathlib import Path; from generate import generate; generate(Path(sys.argv[1]))"
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(ROOT / "fixtures")}
    command = [sys.executable, "-c", program, str(tmp_path / "demo.mmj")]
    subprocess.run(command, env=environment, check=True, timeout=120)
    made, kept = tmp_path / "demo.mmj", DEMO
    assert sorted(path.name for path in made.iterdir()) == sorted(path.name for path in kept.iterdir())
    for path in kept.iterdir():
        assert (made / path.name).read_bytes() == path.read_bytes(), path.name


def test_the_bundled_journal_is_sound() -> None:
    found = verify(DEMO)
    assert (found.ok, found.sealed) == (True, True)
