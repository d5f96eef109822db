"""What ends a bisection before it has found anything; each says what to do.

BisectError       a repository, a revision or a build that cannot be used
AnswersAlike      good and bad answer alike, or the wrong way round: there is nothing to look for
"""


class BisectError(Exception):
    """A repository, a revision or a build that cannot be used."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class AnswersAlike(Exception):
    """Good and bad answer alike, or the wrong way round."""
