"""A policy that notes something at each run, and the tests' way to have every core know it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from mmfold.engine.codes import EventKind
from mmfold.engine.core import Core
from mmfold.engine.policy import registry
from mmfold.engine.policy.note import columns_of
from mmfold.engine.policy.seam import Adjust, Answer, Note, Policy, View
from tests.engine.rows import event

NUMBER, NAME = 5, "noter"


@dataclass(frozen=True, slots=True)
class Settings:
    enabled: int
    interval_s: float
    scale: int = 1


@dataclass(frozen=True, slots=True)
class Memory:
    runs: int = 0


Says = Callable[[Settings, Memory], list[Answer]]


def make_noter(says: Says, number: int = NUMBER, name: str = NAME) -> Policy:
    """Return a policy with something to say."""

    def decide(settings: Settings, memory: Memory, view: View) -> tuple[Memory, list[Answer]]:
        after = replace(memory, runs=memory.runs + 1)
        return after, says(settings, after)

    def adjust(settings: Settings, memory: Memory, view: View) -> list[Adjust]:
        return []

    return Policy(number, name, Settings, Memory, decide, adjust)


def weights(settings: Settings, memory: Memory) -> dict[str, Any]:
    """Return what the noter notes at a run: several parts, some of them not alike from run to run."""
    return {"run": memory.runs, "usd": {"X": 0.25 * settings.scale, "Y": None}, "why": "a tilt of the budget"}


NOTER = make_noter(lambda settings, memory: [Note("alloc", weights(settings, memory))])
SWITCHED_ON = {NAME: {"enabled": 1, "interval_s": 1.0}}


@pytest.fixture
def noting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register the noter with every core that is made, and with who names authors."""
    policies = (*registry.POLICIES, NOTER)
    monkeypatch.setitem(Core.__init__.__kwdefaults__, "policies", policies)
    monkeypatch.setattr(registry, "POLICIES", policies)


def note_rows(text: bytes, policy_id: int) -> np.ndarray:
    """Return the effects of a note, from seq 1 on."""
    columns = columns_of(text, policy_id)
    rows = np.concatenate([event(EventKind.NOTE) for _ in columns["code"]])
    for name, values in columns.items():
        rows[name] = values
    rows["seq"] += 1 + columns["code"]
    return rows
