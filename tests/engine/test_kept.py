"""What processes do with kept kernels: load them whatever was edited elsewhere, mend them, do without them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mmfold.engine import cache
from mmfold.engine.cache import cache_directory
from mmfold.engine.jit import JIT_ENABLED

pytestmark = pytest.mark.skipif(not JIT_ENABLED, reason="about compiled kernels: NUMBA_DISABLE_JIT is set")

REPO = Path(__file__).resolve().parents[2]
PACKAGES = ("adapters", "config", "engine", "journal", "replay", "reports")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a copy of the sources as a wheel lays them out."""
    for package in PACKAGES:
        target = tmp_path / "site" / "mmfold" / package
        shutil.copytree(REPO / package, target, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "site"


def run(program: list[str], checkout: Path, caches: Path, **more: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    environment = kept | {"NUMBA_DISABLE_JIT": "0", "PYTHONPATH": str(checkout), "XDG_CACHE_HOME": str(caches)} | more
    done = subprocess.run(
        [sys.executable, *program],
        env=environment,
        cwd=checkout,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


def files_of(caches: Path) -> dict[str, tuple[int, int]]:
    """Return every kept file with what changes when it is written."""
    found = {}
    for path in sorted(caches.rglob("*.nb?")):
        found[str(path.relative_to(caches))] = (path.stat().st_ino, path.stat().st_mtime_ns)
    return found


REPLAY = ["-m", "mmfold.adapters.cli.main", "replay", "--events", str(REPO / "fixtures" / "demo.mmj"), "--json"]
WHERE = ["-c", "from mmfold.engine.cache import cache_directory; print(cache_directory())"]


def test_an_edited_command_compiles_nothing(checkout: Path, tmp_path: Path) -> None:
    # What this checkout has compiled, maybe just now, is laid where the copy looks: one build, another place.
    run(REPLAY, REPO, cache.user_directory())
    with pytest.MonkeyPatch.context() as context:
        for name in [name for name in os.environ if name.startswith("NUMBA_")]:
            context.delenv(name)
        compiled = cache_directory()
    caches = tmp_path / "caches"
    copied = Path(run(WHERE, checkout, caches).stdout.strip())
    assert copied.parent.name == compiled.parent.name and copied.name != compiled.name
    copied.parent.mkdir(parents=True)
    shutil.copytree(compiled, copied)
    for level in [copied, *list(copied.parents)[:4]]:
        level.chmod(0o700)
    before = files_of(caches)
    assert [name for name in before if "/step.run-" in name]
    assert json.loads(run(REPLAY, checkout, caches).stdout)["run"]["jit"] is True
    assert files_of(caches) == before
    stop = checkout / "mmfold" / "adapters" / "cli" / "stop_command.py"
    stop.write_text(stop.read_text().replace('"""', '"""Edited. ', 1))
    for path in checkout.rglob("*.py"):
        os.utime(path)
    assert json.loads(run(REPLAY, checkout, caches).stdout)["run"]["jit"] is True
    assert files_of(caches) == before
    limits = checkout / "mmfold" / "engine" / "limits.py"
    limits.write_text(limits.read_text() + "\nEDITED = 1\n")
    assert Path(run(WHERE, checkout, caches).stdout.strip()).parent != copied.parent


FEED = """
import numpy as np
from mmfold.journal.log.rows_kernel import are_whole_events

def feed():
    print(are_whole_events(np.zeros(64, "<i8"), 0))
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return a cache with one small kernel in it, and what it answers."""
    caches = tmp_path_factory.mktemp("small") / "caches"
    return caches, run(["-c", FEED + "feed()"], REPO, caches).stdout


@pytest.mark.parametrize("damage", [b"", b"garbage"], ids=["empty", "garbage"])
@pytest.mark.parametrize("suffix", ["*.nbi", "*.nbc"])
def test_a_damaged_file_is_compiled_anew(damage: bytes, suffix: str, small: tuple[Path, str], tmp_path: Path) -> None:
    caches, answer = tmp_path / "caches", small[1]
    shutil.copytree(small[0], caches)
    names = set(files_of(caches))
    assert len(names) == 2
    [path] = caches.rglob(suffix)
    path.write_bytes(damage)
    done = run(["-c", FEED + "feed()"], REPO, caches)
    assert (done.stdout, done.stderr) == (answer, "")
    mended = files_of(caches)
    assert set(mended) == names and path.stat().st_size > len(damage)
    assert run(["-c", FEED + "feed()"], REPO, caches).stdout == answer
    assert files_of(caches) == mended


WORKERS = """
if __name__ == "__main__":
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context
    feed()
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        pool.submit(feed).result()
"""


def test_a_refused_place_is_said_once_and_nothing_is_kept(tmp_path: Path) -> None:
    ours = tmp_path / "caches" / "mmfold"
    ours.mkdir(parents=True)
    ours.chmod(0o777)
    script = tmp_path / "script.py"
    script.write_text(FEED + WORKERS)
    done = run([str(script)], REPO, ours.parent)
    assert done.stderr.splitlines() == [
        f"compiled kernels are not kept: {ours} is open to others, mode 777",
        "       remove it: others may have written what it holds",
    ]
    assert len(done.stdout.splitlines()) == 2 and len(set(done.stdout.splitlines())) == 1
    assert list(ours.iterdir()) == []


FULL = """
import errno, os
from mmfold.engine import kept

def save(*arguments):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

kept.FunctionCache.save_overload = save
"""


def test_a_full_disk_is_said_and_the_answer_comes(tmp_path: Path) -> None:
    caches = tmp_path / "caches"
    done = run(["-c", FULL + FEED + "feed()\nfeed()"], REPO, caches)
    assert done.stderr.splitlines()[0] == "compiled kernels are not kept: No space left on device"
    assert len(done.stderr.splitlines()) == 2 and len(done.stdout.splitlines()) == 2
    assert files_of(caches) == {}


def test_the_sources_stay_as_they_are() -> None:
    assert not [path for package in PACKAGES for path in (REPO / package).rglob("*.nb?")]
