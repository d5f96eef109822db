"""A peer's program run in the same sitting on the same feed; must never be a figure from a page."""

import json
import subprocess
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).resolve().parents[3] / "shared" / "bench" / "hftbacktest_grid.py"  # beside a checkout
TIMEOUT_S = 600


class PeerFailed(Exception):
    """The peer's program did not give its figures; the message says why."""

    def __init__(
        self, message: str, hint: str = "give an interpreter that has hftbacktest: --peer /path/to/venv/bin/python"
    ) -> None:
        super().__init__(message)
        self.hint = hint


def find_program(asked: Path | None) -> Path:
    """Return the peer's program; there is one beside a checkout only.

    Raises: PeerFailed.
    """
    program = asked or PROGRAM
    if not program.is_file():
        place = f"at {asked}" if asked else "beside this installation"
        raise PeerFailed(f"there is no program of the peer {place}", "give it with --peer-program FILE")
    return program


def run_peer(python: Path, program: Path, capture: Path, repeat: int) -> dict[str, Any]:
    """Return the peer's JSON figures: rows per second of its two depth implementations and of its converter.

    Raises: PeerFailed.
    """
    try:
        done = subprocess.run(
            [python, program, capture, str(repeat)], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerFailed(f"{python}: {error}") from error
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        reason = done.stderr.strip().splitlines()[-1:] or ["it printed nothing"]
        raise PeerFailed(f"the peer's program failed: {reason[0]}")
    figures: dict[str, Any] = json.loads(lines[-1])
    return figures
