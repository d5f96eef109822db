"""One finding of the preflight and all of them together; must never show a secret or what a venue may have made of one.

Source: spec/control.md 24, RC validator: the tokens and the keys of its JSON.
"""

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from mmfold.adapters.redact import redact_known

TEXT_CHARS_MAX = 400  # a venue's own words may be far longer


class Status(enum.StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One finding: what was looked at, what was found, and what to do next; `token` names a fault for programs."""

    name: str
    status: Status
    found: str
    next: str = ""
    token: str = ""

    def __post_init__(self) -> None:
        assert (self.status is Status.OK) == (not self.token), f"{self.name}: a fault has a token, and nothing else has"
        assert self.next or self.status is Status.OK, f"{self.name}: a fault says what to do next"


def ok(name: str, found: str) -> Check:
    """Return what is as it should be."""
    return Check(name, Status.OK, found)


def warn(name: str, token: str, found: str, next_step: str) -> Check:
    """Return what somebody should look at."""
    return Check(name, Status.WARN, found, next_step, token)


def fail(name: str, token: str, found: str, next_step: str) -> Check:
    """Return what keeps a session from running."""
    return Check(name, Status.FAIL, found, next_step, token)


@dataclass
class Report:
    """All findings, and the facts that the validator's document wants beside them."""

    checks: list[Check] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def add(self, checks: Iterable[Check]) -> None:
        """Take findings in."""
        self.checks += checks

    def tokens(self, status: Status) -> list[str]:
        """Return the tokens of a status, sorted."""
        return sorted({clean(one.token) for one in self.checks if one.status is status})

    @property
    def verdict(self) -> str:
        """The validator's line."""
        count = sum(one.status is Status.FAIL for one in self.checks)
        return f"rc_validator: failed ({count} errors)" if count else "rc_validator: ok"

    def document(self) -> dict[str, Any]:
        """Return the findings for a program."""
        errors = self.tokens(Status.FAIL)
        return {
            **self.facts,
            "checks": [
                {"found": clean(one.found), "name": one.name, "next": clean(one.next), "status": str(one.status)}
                for one in self.checks
            ],
            "errors": errors,
            "status": "failed" if errors else "ok",
            "warnings": self.tokens(Status.WARN),
        }


def clean(text: str) -> str:
    """Return a text as it may be shown: no known secret, one line, printable, not endless."""
    line = " ".join(redact_known(text).split())
    line = "".join(one if one.isprintable() else "?" for one in line)
    return line if len(line) <= TEXT_CHARS_MAX else f"{line[:TEXT_CHARS_MAX]}..."
