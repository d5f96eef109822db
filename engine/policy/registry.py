"""Which policies there are; a new one is one file and one line here."""

from mmfold.engine.policy.autopolicy import AutoPolicy
from mmfold.engine.policy.seam import PolicyState


def make_policy_state() -> PolicyState:
    """Return every policy before its first event, in name order."""
    return PolicyState((("autopolicy", AutoPolicy()),))
