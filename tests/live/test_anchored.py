"""`mm live --anchor`: what a session journals is signed as it grows, and the session trades on where that fails."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from mmfold.adapters.cli.main import main
from mmfold.journal.errors import Locked
from mmfold.journal.log.seal import read_seal
from mmfold.journal.proof.anchor import alone, read_newest
from mmfold.journal.proof.note import KeyKind
from mmfold.journal.proof.signing import make_key
from tests.adapters.emulator.running import RunningVenue
from tests.live.processes import run_mm, running_venue

QUIET_S = 10.0


@pytest.fixture(scope="module")
def venue():
    with running_venue() as running:
        yield running


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return write_key(tmp_path / "k.pem", KeyKind.ED25519)


def write_key(path: Path, kind: KeyKind) -> Path:
    path.write_bytes(make_key("example.com/mm", kind, None))
    path.chmod(0o600)
    return path


def live_words(venue: RunningVenue, journal: Path, key: Path, duration: str = "3s") -> list[str]:
    more = ["--warmup", "0s", "--port", "0", "--for", duration, "--anchor", str(key), "--json"]
    return [
        "live",
        "--mode",
        "paper",
        "--symbols",
        "BTCUSDT",
        "--endpoint",
        venue.urls["rest"],
        "--journal",
        str(journal),
        *more,
    ]


def test_the_last_checkpoint_is_of_the_whole_sealed_journal(venue: RunningVenue, key: Path, tmp_path: Path) -> None:
    done = run_mm(*live_words(venue, tmp_path / "j", key))
    assert done.returncode == 0, done.stderr
    seal, newest = read_seal(tmp_path / "j"), read_newest(tmp_path / "j")
    assert seal is not None and newest is not None and newest.checkpoint.size == seal.events > 50
    assert "anchored" in done.stderr and "anchor_failed" not in done.stderr
    checkpoint = str(tmp_path / "j/proof/checkpoint")
    assert run_mm("journal", "verify", str(tmp_path / "j"), "--anchor", checkpoint).returncode == 0
    again = run_mm(*live_words(venue, tmp_path / "j", key))
    assert again.returncode == 0, again.stderr
    grown = read_newest(tmp_path / "j")
    assert grown is not None and grown.checkpoint.size > seal.events


@pytest.mark.parametrize("fault", ["absent", "open to others", "of a cosigner"])
def test_a_key_that_cannot_sign_is_told_before_anything_is_made(
    venue: RunningVenue, key: Path, tmp_path: Path, fault: str
) -> None:
    if fault == "absent":
        key.unlink()
    elif fault == "open to others":
        key.chmod(0o644)
    else:
        write_key(key, KeyKind.ML_DSA_44)
    done = run_mm(*live_words(venue, tmp_path / "j", key))
    assert done.returncode == 1 and "k.pem" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "j").exists()


def test_a_session_trades_on_where_its_anchoring_fails(venue: RunningVenue, key: Path, tmp_path: Path) -> None:
    (tmp_path / "j").mkdir()
    (tmp_path / "j/proof").write_text("in the way")
    done = run_mm(*live_words(venue, tmp_path / "j", key))
    assert done.returncode == 0, done.stderr
    assert "anchor_failed" in done.stderr and read_seal(tmp_path / "j") is not None


def test_an_anchoring_ends_with_the_session_that_it_is_beside(venue: RunningVenue, key: Path, tmp_path: Path) -> None:
    words = live_words(venue, tmp_path / "j", key, "60s")
    command = [sys.executable, "-m", main.__module__, *words]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as session:
        end_s = time.monotonic() + 60
        while not (tmp_path / "j/proof/checkpoint").exists():
            assert time.monotonic() < end_s and session.poll() is None
            time.sleep(0.05)
        session.kill()
    end_s = time.monotonic() + QUIET_S
    while is_anchored(tmp_path / "j"):
        assert time.monotonic() < end_s, "the anchoring outlives its session"
        time.sleep(0.1)


def is_anchored(journal: Path) -> bool:
    try:
        with alone(journal):
            return False
    except Locked:
        return True
