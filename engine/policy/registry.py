"""Which policies there are; a new one is one file and one line here."""

from engine.policy.autopolicy import AutoPolicy
from engine.policy.seam import PolicyState


def make_policy_state() -> PolicyState:
    """Return every policy before its first event, in name order."""
    return PolicyState((("autopolicy", AutoPolicy()),))
