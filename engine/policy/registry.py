"""Which policies there are, in the order in which their adjustments are folded; a new one is one file and one line."""

from mmfold.engine.policy.autopolicy import AUTOPOLICY
from mmfold.engine.policy.seam import Policy

POLICIES: tuple[Policy, ...] = (AUTOPOLICY,)


def author_name(author: int) -> str:
    """Return who changed a PARAM: the operator, or a policy; of a newer build's its number."""
    if author == 0:
        return "operator"
    return next((policy.name for policy in POLICIES if policy.id == author), f"policy {author}")
