"""The first commit that changes what a journal gives, found as git bisect does, without its state in the repository.

A commit that does not build or does not answer is passed over and named; where only such are left, the first bad one is
one of them. Must never call a commit good or bad that was not asked.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mmfold.adapters.bisect.answers import Answer, Asker
from mmfold.adapters.bisect.builds import Builder, Built, DoesNotBuild
from mmfold.adapters.bisect.errors import AnswersAlike, BisectError
from mmfold.adapters.bisect.repository import Commit, Repository
from mmfold.replay.debug.figures import Question


@dataclass(frozen=True)
class FoundCommit:
    """What a bisection found: `first` is bad and what it was made from is not, unless it is one of `unsure`."""

    first: Commit
    good: Commit  # asked, and nearest before it
    answers: tuple[Answer, Answer]  # of `good` and of `first`
    skipped: tuple[tuple[Commit, str], ...]
    unsure: tuple[Commit, ...]  # passed over, and the first bad one may be any of them
    steps: int
    difference: dict[str, Any] | None


@dataclass
class Search:
    """A bisection under way."""

    repository: Repository
    builder: Builder
    asker: Asker
    question: Question | None
    on_step: Callable[[str], None]
    good_outcome: str = ""
    steps: int = 0
    skipped: dict[str, tuple[Commit, str]] = field(default_factory=dict)
    known: dict[str, Answer] = field(default_factory=dict)

    def run(self, good_word: str, bad_word: str) -> FoundCommit:
        """Find the first bad commit between two.

        Raises: BisectError, AnswersAlike.
        """
        good, bad = (self.repository.commit(word) for word in (good_word, bad_word))
        if good.name == bad.name:
            raise AnswersAlike(f"{good_word} and {bad_word} are one commit, {good.short}")
        if not self.repository.is_ancestor(good.name, bad.name):
            hint = "swap them to find what mended it, if bad is older" if self.is_older(bad, good) else ""
            raise BisectError(f"good {good.short} is not in the history of bad {bad.short}", hint)
        self.check_ends(good, bad)
        goods = [good.name]
        while True:
            left = self.repository.candidates(bad.name, goods)
            asked = next((name for name in left[:-1] if name not in self.skipped), None)
            if asked is None:
                break
            commit = self.repository.described(asked)
            is_bad = self.judge(commit, f"{len(left) - 1:,} left")
            if is_bad is not None:
                bad, goods = (commit, goods) if is_bad else (bad, [*goods, asked])
        unsure = tuple(self.skipped[name][0] for name in left[:-1])
        before = self.nearest_good(bad, goods)
        return FoundCommit(
            bad, before, (self.known[before.name], self.known[bad.name]), tuple(self.skipped.values()), unsure,
            self.steps, self.asker.first_difference(self.built(before), self.built(bad)),
        )  # fmt: skip

    def is_older(self, commit: Commit, other: Commit) -> bool:
        """Tell whether a commit is in the history of another."""
        return self.repository.is_ancestor(commit.name, other.name)

    def check_ends(self, good: Commit, bad: Commit) -> None:
        """Ask both ends, which have to answer, and not alike.

        Raises: BisectError, AnswersAlike.
        """
        for word, commit in (("good", good), ("bad", bad)):
            try:
                self.known[commit.name] = self.answer(commit)
            except DoesNotBuild as error:
                hint = "give another revision: only those between may fail to build"
                raise BisectError(f"{word} {commit.short}: {error}", hint) from error
            self.on_step(f"{word:<4} {commit.short}  {self.known[commit.name].text}  {commit.subject}")
        first, last = self.known[good.name], self.known[bad.name]
        self.good_outcome = first.outcome
        if self.question is None and first.outcome == last.outcome:
            raise AnswersAlike(f"good {good.short} and bad {bad.short} answer alike: {first.text}")
        if self.question is not None:
            fails = [self.ends(answer, commit) for answer, commit in ((first, good), (last, bad))]
            if fails != [False, True]:
                words = {(True, True): "both meet", (False, False): "neither meets", (True, False): "good meets"}
                raise AnswersAlike(f"{words[fails[0], fails[1]]} {self.question.text!r}: nothing changed to bad")

    def ends(self, answer: Answer, commit: Commit) -> bool:
        """Tell whether one of the ends meets the question.

        Raises: BisectError.
        """
        assert self.question is not None
        try:
            return answer.fails(self.question)
        except DoesNotBuild as error:
            raise BisectError(f"{commit.short}: {error}", "ask without --fails-if") from error

    def judge(self, commit: Commit, left: str) -> bool | None:
        """Tell whether a commit is bad, None where it does not answer."""
        self.steps += 1
        head = f"step {self.steps}, {left}: {commit.short}"
        try:
            answer = self.answer(commit)
            is_bad = answer.outcome != self.good_outcome if self.question is None else answer.fails(self.question)
        except DoesNotBuild as error:
            self.skipped[commit.name] = (commit, str(error))
            self.on_step(f"{head} passed over, {error}  {commit.subject}")
            return None
        self.known[commit.name] = answer
        kept = ", asked before" if answer.is_cached else ""
        self.on_step(f"{head} {'bad' if is_bad else 'good'}, {answer.text}{kept}  {commit.subject}")
        return is_bad

    def answer(self, commit: Commit) -> Answer:
        """Return a commit's answer.

        Raises: DoesNotBuild.
        """
        return self.asker.answer(self.built(commit))

    def built(self, commit: Commit) -> Built:
        """Return a commit ready to run."""
        return self.builder.build(commit)

    def nearest_good(self, bad: Commit, goods: list[str]) -> Commit:
        """Return the good commit that the bad one was made from, else the one that was asked last."""
        parents = [name for name in self.repository.parents(bad.name) if name in goods]
        return self.repository.described(parents[0] if parents else goods[-1])
