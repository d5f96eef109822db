"""Faults on demand: rules that say what goes wrong where and when, drawn by counter; must never act by themselves.

A place is named `public:TOPIC`, `private:TOPIC` (frames that leave), `trade:OP` (WebSocket requests) or `rest:PATH`.
"""

import asyncio
from collections.abc import Iterable
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mmfold.adapters.emulator.errors import VenueSetupError
from mmfold.adapters.emulator.market.synthetic import draw
from mmfold.engine.limits import PPM

RULE_COUNT_MAX = 256
FILE_BYTES_MAX = 1 << 20


class Fault(StrEnum):
    """What can go wrong."""

    DISCONNECT = "disconnect"  # the connection is cut
    HALF_OPEN = "half_open"  # the connection stays, nothing passes in either direction
    MALFORMED = "malformed"  # the frame or body is cut in the middle
    DUPLICATE = "duplicate"  # the frame comes twice
    REORDER = "reorder"  # the frame comes after the next one
    DROP = "drop"  # the frame is lost: a gap in a book's sequence
    STALE = "stale"  # frames are held back, then all come
    RESTART = "restart"  # the book starts again: with u = 1, or with numbers from below
    ACK_DELAYED = "ack_delayed"  # the answer comes late
    ACK_LOST = "ack_lost"  # carried out, never answered
    REQUEST_LOST = "request_lost"  # not carried out, never answered
    HTTP_ERROR = "http_error"  # not carried out, HTTP `status`
    RATE_LIMITED = "rate_limited"  # not carried out, the code of too many requests
    SERVER_ERROR = "server_error"  # not carried out, the code of a server error
    CANCEL_RACE = "cancel_race"  # a trade fills half of the order just before the request
    CLOCK_SKEW = "clock_skew"  # the venue's clock is off by `skew_ms`


FRAME_FAULTS = frozenset(
    {Fault.DISCONNECT, Fault.HALF_OPEN, Fault.MALFORMED, Fault.DUPLICATE, Fault.REORDER, Fault.DROP, Fault.STALE,
     Fault.RESTART}
)  # fmt: skip
REQUEST_FAULTS = frozenset(
    {Fault.DISCONNECT, Fault.HALF_OPEN, Fault.MALFORMED, Fault.DUPLICATE, Fault.ACK_DELAYED, Fault.ACK_LOST,
     Fault.REQUEST_LOST, Fault.HTTP_ERROR, Fault.RATE_LIMITED, Fault.SERVER_ERROR, Fault.CANCEL_RACE, Fault.CLOCK_SKEW}
)  # fmt: skip


class FaultRule(BaseModel):
    """One thing that goes wrong: at the places that match, after some chances, each so many, so often."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fault: Fault
    at: str = Field("*", max_length=200, description="place, with * and ?")
    after: Annotated[int, Field(ge=0)] = 0  # chances that pass first
    every: Annotated[int, Field(ge=1)] = 1  # then each n-th
    chance_ppm: Annotated[int, Field(ge=0, le=PPM)] = PPM
    count: Annotated[int, Field(ge=1)] | None = 1  # times at most; null: without end
    duration_ms: Annotated[int, Field(ge=0, le=600_000)] = 1_000  # of half_open, stale, clock_skew, ack_delayed
    skew_ms: Annotated[int, Field(ge=-86_400_000, le=86_400_000)] = 60_000
    status: Literal[403, 429, 500, 502, 503, 504] = 503


class FaultPlan(BaseModel):
    """A file of faults."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 0
    rules: Annotated[tuple[FaultRule, ...], Field(max_length=RULE_COUNT_MAX)] = ()


def parse_plan(document: Any) -> FaultPlan:
    """Return the plan of a document.

    Raises: VenueSetupError with the key at fault.
    """
    try:
        return FaultPlan.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "faults"
        names = ", ".join(sorted(Fault))
        raise VenueSetupError(
            f"{place}: {first['msg']}", f"mm docs emulator has the keys; faults are {names}"
        ) from error


def load_plan(path: Path) -> FaultPlan:
    """Read a plan from a YAML or JSON file.

    Raises: VenueSetupError, OSError.
    """
    if path.stat().st_size > FILE_BYTES_MAX:
        raise VenueSetupError(f"{path}: more than {FILE_BYTES_MAX:,} bytes", "a plan of faults is a short file")
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise VenueSetupError(f"{path}: {error}", "write it as YAML or JSON") from error
    return parse_plan(document or {})


class ArmedRule:
    """A rule and how often it had its chance."""

    def __init__(self, rule: FaultRule, seed: int, number: int) -> None:
        self.rule, self.seed, self.number = rule, seed, number
        self.chance_count = self.fired_count = 0

    def fires(self, place: str) -> bool:
        """Count one chance at a place and tell whether the fault happens."""
        rule = self.rule
        if (rule.count is not None and self.fired_count >= rule.count) or not fnmatchcase(place, rule.at):
            return False
        self.chance_count += 1
        turn = self.chance_count - 1 - rule.after
        if turn < 0 or turn % rule.every:
            return False
        if draw(self.seed, self.number, self.chance_count) % PPM >= rule.chance_ppm:
            return False
        self.fired_count += 1
        return True

    def report(self) -> dict[str, Any]:
        """Return the rule with its counts."""
        return self.rule.model_dump(mode="json") | {"chances": self.chance_count, "fired": self.fired_count}


class Faults:
    """All rules in force."""

    def __init__(self, plan: FaultPlan) -> None:
        self.rules: list[ArmedRule] = []
        self.number = 0
        self.add(plan)

    def add(self, plan: FaultPlan) -> None:
        """Put more rules in force.

        Raises: VenueSetupError when they become too many.
        """
        if len(self.rules) + len(plan.rules) > RULE_COUNT_MAX:
            raise VenueSetupError(f"more than {RULE_COUNT_MAX} fault rules", "clear them first")
        for rule in plan.rules:
            self.number += 1
            self.rules.append(ArmedRule(rule, plan.seed, self.number))

    def clear(self) -> None:
        """Drop all rules."""
        self.rules.clear()

    def at_frame(self, place: str) -> FaultRule | None:
        """Return what happens to a frame that leaves."""
        return self.first(place, FRAME_FAULTS) if self.rules else None

    def at_request(self, place: str) -> FaultRule | None:
        """Return what happens to a request."""
        return self.first(place, REQUEST_FAULTS) if self.rules else None

    def first(self, place: str, faults: Iterable[Fault]) -> FaultRule | None:
        """Return the first rule that fires at a place."""
        return next((armed.rule for armed in self.rules if armed.rule.fault in faults and armed.fires(place)), None)

    def report(self) -> list[dict[str, Any]]:
        """Return every rule with its counts."""
        return [armed.report() for armed in self.rules]


async def hold(rule: FaultRule) -> None:
    """Wait for a rule's duration."""
    await asyncio.sleep(rule.duration_ms / 1_000)
