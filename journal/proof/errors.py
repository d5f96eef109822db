"""The errors of proofs.

ProofError       a file or a request that cannot be used: not of its format, a seq that is not there
  CheckFailed    a check that was made and failed: another root, another signer, another event
"""

from mmfold.journal.errors import JournalError


class ProofError(JournalError):
    """A file or a request that cannot be used."""


class CheckFailed(ProofError):
    """A check that failed."""
