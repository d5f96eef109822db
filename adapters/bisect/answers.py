"""What a revision says of a journal: its `mm replay --json`, kept so that a bisection that was ended goes on.

A replay whose decisions are not the journal's own (exit code 2) is an answer too: the first difference is what it says.
Any other failure is none. Must never take an answer about another journal, build or configuration.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from mmfold.adapters.bisect.builds import ANSWER_COUNT_MAX, Built, DoesNotBuild, prune, run_group
from mmfold.engine.manifest import canonical_json
from mmfold.journal.files.work import finished_file
from mmfold.replay.debug.figures import NoFigure, Question

DIFFERS = 2
LINE_CHARS_MAX = 400


@dataclass(frozen=True)
class Asked:
    """What every revision is asked."""

    events: Path
    head: str
    config: Path | None
    strategy: str | None
    timeout_s: float

    def words(self) -> list[str]:
        """Return the words behind `mm`."""
        words = ["replay", "--events", str(self.events.absolute()), "--json"]
        words += [] if self.config is None else ["--config", str(self.config.absolute())]
        return words + ([] if self.strategy is None else ["--strategy", self.strategy])

    def key(self, built: Built) -> str:
        """Return what an answer is kept by."""
        config = b"" if self.config is None else self.config.read_bytes()
        strategy = b"" if self.strategy is None else Path(self.strategy.rpartition(":")[0]).read_bytes()
        depends = [
            self.head,
            built.key,
            self.strategy or "",
            *(hashlib.sha256(one).hexdigest() for one in (config, strategy)),
        ]
        return hashlib.sha256(canonical_json(depends)).hexdigest()


@dataclass(frozen=True)
class Answer:
    """One revision's answer: the digest of what it decides, or the first decision that is not the journal's."""

    document: dict[str, Any]
    said: str
    is_cached: bool = False

    @property
    def outcome(self) -> str:
        """What is compared between revisions."""
        return self.said or str(self.document["effects_digest"])

    @property
    def text(self) -> str:
        """The outcome in a few words."""
        return self.said.splitlines()[0] if self.said else f"effects {self.outcome[:12]}"

    def fails(self, question: Question) -> bool:
        """Tell whether its figures meet a question.

        Raises: DoesNotBuild where it does not tell them.
        """
        if self.said:
            raise DoesNotBuild(f"it ends before there are figures: {self.text}")
        try:
            return question.fails(self.document)
        except NoFigure as error:
            raise DoesNotBuild(f"its replay {error}") from error


class Asker:
    """Asks revisions, or finds what they answered before."""

    def __init__(self, asked: Asked, root: Path) -> None:
        self.asked, self.root = asked, root / "answers"
        self.root.mkdir(mode=0o700, exist_ok=True)

    def answer(self, built: Built) -> Answer:
        """Return the answer of a revision.

        Raises: DoesNotBuild where it gives none.
        """
        place = self.root / f"{self.asked.key(built)}.json"
        try:
            kept = json.loads(place.read_bytes())
            found = Answer(kept["document"], kept["said"], is_cached=True)
            if found.outcome:
                os.utime(place)
                return found
        except (OSError, ValueError, KeyError, TypeError):
            pass
        found = self.ask(built)
        with finished_file(place) as file:
            file.write(canonical_json({"document": found.document, "said": found.said}))
        prune(self.root, ANSWER_COUNT_MAX)
        return found

    def ask(self, built: Built) -> Answer:
        """Run a revision's replay.

        Raises: DoesNotBuild.
        """
        code, out, err = self.run(built, self.asked.words())
        if code == DIFFERS:
            return Answer({}, text_of(err))
        try:
            document = json.loads(out)
            if code == 0 and isinstance(document["effects_digest"], str):
                return Answer(document, "")
        except (ValueError, KeyError, TypeError):
            pass
        told = text_of(err).splitlines() or ["it says nothing"]
        line = next((one for one in reversed(told) if one.startswith("error: ")), told[-1])
        raise DoesNotBuild(f"its replay fails: {line.removeprefix('error: ')[:LINE_CHARS_MAX]}")

    def run(self, built: Built, words: list[str]) -> tuple[int, bytes, bytes]:
        """Run a revision's `mm` in a directory of its own, with caches of its own."""
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("MM_", "PYTHON"))}
        environ |= {"PYTHONPATH": str(built.path), "XDG_CACHE_HOME": str(built.path / "cache")}
        environ.pop("NUMBA_CACHE_DIR", None)
        with tempfile.TemporaryDirectory(prefix="mm-bisect-") as directory:
            return run_group(built.command(words), self.asked.timeout_s, environ, Path(directory))

    def first_difference(self, good: Built, bad: Built) -> dict[str, Any] | None:
        """Return the first decision that two revisions differ in, by the place where a witness of it would stand."""
        with tempfile.TemporaryDirectory(prefix="mm-bisect-") as directory:
            places = []
            for name, built in (("good", good), ("bad", bad)):
                place = Path(directory, f"{name}.jsonl")
                code, _, _ = self.run(built, [*self.asked.words(), "--effects", str(place)])
                if code or not place.exists():
                    return None
                places.append(place)
            for a, b in zip_longest(*map(effects_of, places)):
                if a != b:
                    first = min((one for one in (a, b) if one is not None), key=lambda one: int(one["seq"]))
                    return {"bad": b, "good": a, "seq": int(first["seq"])}
        return None


def effects_of(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the decisions of a file, one a line."""
    with path.open("rb") as file:
        for line in file:
            yield json.loads(line)


def text_of(data: bytes) -> str:
    """Return what a program said, without the ends of lines that a terminal needs."""
    return data.decode(errors="replace").strip()
