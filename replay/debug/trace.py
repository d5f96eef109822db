"""What each gate was asked during one event and what it said: the event is folded again, interpreted; must never change
a state that anybody keeps.

A compiled kernel cannot be watched. Where kernels are compiled the event is folded in a process of its own, which gets
the state before it and runs the same sources interpreted (law 1: both decide the same).
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from mmfold.engine.codes import Reason, Side, Unit
from mmfold.engine.core import Core
from mmfold.engine.gates.registry import GATES
from mmfold.engine.jit import JIT_ENABLED
from mmfold.engine.manifest import Manifest, encode_manifest, parse_manifest
from mmfold.engine.records import EVENT

TRACE_S_MAX = 60.0
MODULE = "mmfold.replay.debug.trace"


class TraceFailed(Exception):
    """The event could not be folded again beside; the message says why."""

    hint = "mm replay verifies the journal: run it first"


class Asked(NamedTuple):
    """One gate asked once.

    Units: price in ticks, quantity in lots as they were asked for; value and limit in `unit`, of a refusal only.
    """

    about: str  # what is asked about: engine/gates/registry.py
    gate: str
    symbol: str
    side: str  # none where the whole instrument is asked about
    price_ticks: int
    qty_lots: int
    passed: bool
    reason: str = ""
    value: int = 0
    limit: int = 0
    unit: str = ""


def trace(manifest: Manifest, state: bytes, document: dict[str, Any], rows: np.ndarray, strategy: str) -> list[Asked]:
    """Return what the gates were asked while one event is folded into a state.

    Shape: `state` is a Core's dump from before the event, `document` its configuration, `rows` the event; `strategy`
    names the strategy file, empty without one.
    Raises: TraceFailed.
    """
    if not JIT_ENABLED:
        return watched(manifest, state, document, rows)
    head = {"document": document, "state_bytes": len(state), "strategy": strategy}
    parts = [json.dumps(head).encode(), encode_manifest(manifest), state + rows.tobytes()]
    asked = b"".join(len(part).to_bytes(8, "little") + part for part in parts)
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    command = [sys.executable, "-P", "-m", MODULE]
    try:
        done = subprocess.run(
            command, input=asked, env=environment, capture_output=True, timeout=TRACE_S_MAX, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TraceFailed(f"the event could not be folded interpreted: {error}") from error
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise TraceFailed(f"the event could not be folded interpreted: {' '.join(last) or done.returncode}")
    return [Asked(*one) for one in json.loads(done.stdout)]


def watched(manifest: Manifest, state: bytes, document: dict[str, Any], rows: np.ndarray) -> list[Asked]:
    """Fold one event with every gate watched."""
    core = Core(manifest)
    core.load(state)
    core.document = document
    core.out["witnessed"] = 0
    seen: list[Asked] = []
    with watching(manifest, seen):
        core.feed(rows)
    return seen


@contextmanager
def watching(manifest: Manifest, seen: list[Asked]) -> Iterator[None]:
    """Have what every gate is asked appended to a list; of this process, whose kernels are interpreted."""
    gates = [(about, gate, gate.passes) for about, each in GATES.items() for gate in each]
    try:
        for about, gate, passes in gates:
            gate.passes = listening(about, gate.__name__.rpartition(".")[2], passes, manifest, seen)
        yield
    finally:
        for _, gate, passes in gates:
            gate.passes = passes


def listening(about: str, name: str, passes: Callable[..., Any], manifest: Manifest, seen: list[Asked]) -> Any:
    """Return a gate that notes what it is asked."""

    def ask_and_note(*arguments: Any) -> bool:
        cell, ask = arguments[-2:]
        symbol, side = manifest.instruments[int(cell["index"])].symbol, Side.NONE
        if about not in ("instrument", "level"):
            side = Side(int(ask["side"]))
        asked = int(ask["price_ticks"]), int(ask["qty_lots"])
        passed = bool(passes(*arguments))
        told: tuple[Any, ...] = ()
        if not passed:
            unit, reason = Unit(int(ask["unit"])), Reason(int(ask["reason"]))
            told = (reason.name.lower(), int(ask["value"]), int(ask["limit"]), unit.name.lower())
        seen.append(Asked(about, name, symbol, side.name.lower(), *asked, passed, *told))
        return passed

    return ask_and_note


def main() -> None:
    """Answer one question of `trace`, from stdin to stdout."""
    parts = []
    while size := sys.stdin.buffer.read(8):
        parts.append(sys.stdin.buffer.read(int.from_bytes(size, "little")))
    head, manifest = json.loads(parts[0]), parse_manifest(parts[1])
    if head["strategy"]:
        from mmfold.replay.strategy.file import install_strategy, read_strategy

        install_strategy(read_strategy(head["strategy"]))
    state, rows = parts[2][: head["state_bytes"]], np.frombuffer(parts[2][head["state_bytes"] :], EVENT)
    json.dump(watched(manifest, state, head["document"], rows), sys.stdout)


if __name__ == "__main__":
    main()
