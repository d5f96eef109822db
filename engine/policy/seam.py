"""The policy seam: what a policy is given, what it may answer, and the registry; must never hand out the state
itself.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Protocol

from mmfold.engine.codes import Reason
from mmfold.engine.manifest import Manifest, canonical_json


class Decision(NamedTuple):
    """A new value for one PARAM of one instrument, with why."""

    symbol: str
    param: str
    value: int | float
    reason: Reason


class View(NamedTuple):
    """What a policy sees: copies, so that it cannot write the state."""

    ts_now_ns: int
    params: Mapping[str, Mapping[str, int | float]]
    counters: Mapping[str, Mapping[str, int]]


class Policy(Protocol):
    """One policy: a frozen dataclass that holds its settings and memory and returns its successor."""

    @property
    def is_active(self) -> bool:
        """Whether `decide` may do anything at all; while no policy is active, none is asked."""

    def configure(self, values: Mapping[str, Any]) -> "Policy":
        """Return the policy with new settings; raises ValueError for an unknown key or a bad value."""

    def decide(self, view: View) -> tuple["Policy", list[Decision]]:
        """Return the policy after a due timer and what it decided."""


@dataclass(frozen=True, slots=True)
class PolicyState:
    """The memory of every policy, by name; its canonical JSON enters the state digest."""

    policies: tuple[tuple[str, Policy], ...]


def policy_json(policy_state: PolicyState) -> bytes:
    """Return the policies' canonical JSON."""
    return canonical_json({name: asdict(policy) for name, policy in policy_state.policies})  # type: ignore[call-overload]


def run_policies(policy_state: PolicyState, view: View, manifest: Manifest) -> tuple[PolicyState, list[Decision]]:
    """Run every policy in name order; a later one's word on a PARAM wins.

    Raises: AssertionError when a policy names a symbol that is not in the manifest.
    """
    symbols = set(manifest.symbol_index())
    policies, decisions = [], []
    for name, policy in policy_state.policies:
        after, decided = policy.decide(view)
        assert all(decision.symbol in symbols for decision in decided)
        policies.append((name, after))
        decisions += decided
    return PolicyState(tuple(policies)), decisions
