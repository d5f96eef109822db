"""What a build costs beside another one: the same work in turns, by the median of pairs; must never mix two builds."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmfold.adapters.bench.builds import Bench, Build, CannotCompare

FIGURES = ("replay", "backtest", "backtest-journal", "import", "tick", "start")
ROUNDS = 7
TRIES = {"replay": 3, "backtest": 3, "import": 2, "start": 3}  # the best counts; of the others there is one
NOT_JUDGED = ("tick-p99",)  # too few ticks for a tail that a limit could stand on
MICROSECONDS = ("tick-p50", "tick-p99")
FASTER, SLOWER, ALIKE, BEYOND = "faster", "slower", "within the noise", "beyond the limit"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Asked:
    """What is compared.

    Units: limit_pct is how much slower a figure may be, None for any.
    """

    events: Path | None  # None: the market of the emulator's making
    figures: Sequence[str] = FIGURES
    repeat: int = 20
    rounds: int = ROUNDS
    limit_pct: float | None = None


@dataclass(frozen=True)
class Comparison:
    """One figure of both builds, in pairs that were measured one right after the other; less is better."""

    other: tuple[float, ...]
    this: tuple[float, ...]

    def __post_init__(self) -> None:
        assert len(self.other) == len(self.this) > 0
        assert min(self.other) > 0

    def ratios(self) -> list[float]:
        """Return this build's time over the other's, pair by pair."""
        return [this / other for other, this in zip(self.other, self.this, strict=True)]

    def ratio(self) -> float:
        """Return the median of the pairs' ratios: what disturbs a pair disturbs both, or only that pair."""
        return statistics.median(self.ratios())

    def ratio_of_medians(self) -> float:
        """Return the ratio of the two medians."""
        return statistics.median(self.this) / statistics.median(self.other)

    def ratio_of_least(self) -> float:
        """Return the ratio of the two shortest times, which other work on the machine disturbed least."""
        return min(self.this) / min(self.other)

    def is_beyond(self, limit_pct: float | None) -> bool:
        """Tell whether this build is slower by more than a limit: by the pairs and by the shortest times."""
        return limit_pct is not None and min(self.ratio(), self.ratio_of_least()) > 1 + limit_pct / 100

    def verdict(self, limit_pct: float | None = None) -> str:
        """Return the figure's verdict: a difference is one only where every pair has it."""
        if self.is_beyond(limit_pct):
            return BEYOND
        ratios = self.ratios()
        if min(ratios) > 1:
            return SLOWER
        return FASTER if max(ratios) < 1 else ALIKE

    def document(self, name: str, limit_pct: float | None) -> dict[str, Any]:
        """Return the figure as JSON."""
        limit_pct = None if name in NOT_JUDGED else limit_pct
        return {
            "unit": "us" if name in MICROSECONDS else "s",
            "other": list(self.other),
            "this": list(self.this),
            "other_median": statistics.median(self.other),
            "this_median": statistics.median(self.this),
            "ratio_of_medians": round(self.ratio_of_medians(), 4),
            "ratio_of_least": round(self.ratio_of_least(), 4),
            "ratio": round(self.ratio(), 4),
            "ratio_min": round(min(self.ratios()), 4),
            "ratio_max": round(max(self.ratios()), 4),
            "verdict": self.verdict(limit_pct),
        }


class Contest:
    """Two builds that take turns."""

    def __init__(self, other: Build, this: Build, work: Path, asked: Asked, say: Say) -> None:
        self.other, self.this = Bench(other, work), Bench(this, work)
        self.both = (self.other, self.this)
        self.asked, self.say = asked, say
        self.events = self.other.home / "market" if asked.events is None else asked.events.resolve()
        self.work: dict[str, list[dict[str, Any]]] = {}  # by trial: what it did in the other build, in this one

    def prepare(self) -> list[dict[str, Any]]:
        """Have each build write its own journals of the market and run everything once; what it has then is warm.

        Raises: CannotCompare.
        """
        if self.asked.events is None and not self.events.exists():
            self.say("making a market ...")  # by the other build: an older one need not read what a newer one writes
            self.other.run("market", self.events, 1, 1)
        self.say("preparing the feed of both builds, which compiles what is not compiled ...")
        fed = self.at_once("feed")
        for name in self.asked.figures:
            self.say(f"warming up {name} of both builds ...")
            self.work[name] = [told["work"] for told in self.at_once(name)]
        return fed

    def at_once(self, name: str) -> list[dict[str, Any]]:
        """Run a trial that is not counted in both builds at the same time.

        Raises: CannotCompare.
        """
        for bench in self.both:
            bench.start(name, self.events, self.asked.repeat, 1)
        return [bench.finish() for bench in self.both]

    def measure(self, names: Sequence[str], rounds: int) -> dict[str, Comparison]:
        """Return each figure of a few rounds, the builds in turns and each first in every second round.

        Raises: CannotCompare.
        """
        found: dict[str, dict[str, list[float]]] = {}
        for number in range(rounds):
            for name in names:
                self.say(f"round {number + 1} of {rounds}: {name} ...")
                for bench in self.both if number % 2 == 0 else self.both[::-1]:
                    told = bench.run(name, self.events, self.asked.repeat, TRIES.get(name, 1))
                    for figure, value in told["figures"].items():
                        found.setdefault(figure, {"other": [], "this": []})[bench.build.label].append(value)
        return {figure: Comparison(tuple(pair["other"]), tuple(pair["this"])) for figure, pair in found.items()}

    def stop(self) -> None:
        """End what still runs."""
        for bench in self.both:
            bench.stop()


def beyond(found: dict[str, Comparison], limit_pct: float | None) -> list[str]:
    """Return the figures that are slower by more than a limit."""
    return [name for name, pair in found.items() if name not in NOT_JUDGED and pair.is_beyond(limit_pct)]


def trial_of(figure: str) -> str:
    """Return the trial that gives a figure."""
    return "tick" if figure in MICROSECONDS else figure


def compare(other: Build, this: Build, work: Path, asked: Asked, say: Say) -> dict[str, Any]:
    """Measure two builds side by side.

    A figure beyond the limit is measured again with twice the rounds, and only that counts: a shared machine is noisy.
    Raises: CannotCompare.
    """
    contest = Contest(other, this, work, asked, say)
    if contest.this.digest == contest.other.digest:
        say("both trees hold the same sources: what differs is the noise of this machine")
    try:
        fed = contest.prepare()
        if fed[0]["rows"] != fed[1]["rows"]:
            raise CannotCompare(
                f"the builds read different markets: {fed[0]['rows']:,} and {fed[1]['rows']:,} rows",
                "give a journal with --events that both read alike",
            )
        found = contest.measure(asked.figures, asked.rounds)
        first: dict[str, Comparison] = {}
        if again := beyond(found, asked.limit_pct):
            rounds = 2 * asked.rounds
            told = ", ".join(f"{name} {found[name].ratio():.3f}" for name in again)
            say(f"beyond {asked.limit_pct:g} %: {told}; measuring again, {rounds} rounds, and only that counts")
            first = {name: found[name] for name in again}
            anew = contest.measure(sorted({trial_of(name) for name in again}), rounds)
            found |= {name: anew[name] for name in again}
    finally:
        contest.stop()
    return {
        "builds": [
            {"label": bench.build.label, "sources": bench.digest, "version": told["version"]}
            for bench, told in zip(contest.both, fed, strict=True)
        ],
        "feed": {"rows": fed[0]["rows"], "repeat": asked.repeat, "synthetic": asked.events is None},
        "figures": {name: pair.document(name, asked.limit_pct) for name, pair in found.items()},
        "beyond": beyond(found, asked.limit_pct),
        "limit_pct": asked.limit_pct,
        "measured_again": {name: pair.document(name, asked.limit_pct) for name, pair in first.items()},
        "rounds": asked.rounds,
        "work": {
            name: {"same": pair[0] == pair[1], "other": pair[0], "this": pair[1]} for name, pair in contest.work.items()
        },
    }
