"""The search over commits, in repositories made here: straight, forked, with commits that do not build or answer."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from mmfold.adapters.bisect import builds
from mmfold.adapters.bisect.answers import Asked, Asker
from mmfold.adapters.bisect.builds import Builder, DoesNotBuild, make_environment, prune, run_group, run_quietly
from mmfold.adapters.bisect.errors import AnswersAlike, BisectError
from mmfold.adapters.bisect.repository import Repository, find_repository
from mmfold.adapters.bisect.revisions import FoundCommit, Search
from mmfold.replay.debug.figures import parse_question
from tests.adapters.bisect.made_repository import Made, git, make_stand_in

GOOD, BAD = {"prices": [1, 2, 3]}, {"prices": [1, 5, 3, 4]}
FAILS = {"code": 1, "stderr": "warning: x\nerror: the disk is full\n       free some"}
DIFFERS = {"code": 2, "stderr": "decision differs at seq 8,123\n  witnessed  A\n  computed   B"}


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path / "repository")


class Lab:
    """What a search needs, its lines, and how often a revision was run."""

    def __init__(self, made: Made, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made, self.root = made, root
        self.lines: list[str] = []
        self.runs = 0
        root.mkdir(exist_ok=True)

        def counted(*words: Any) -> tuple[int, bytes, bytes]:
            self.runs += 1
            return run_group(*words)

        monkeypatch.setattr("mmfold.adapters.bisect.answers.run_group", counted)

    def find(self, good: str, bad: str, fails_if: str | None = None, **more: Any) -> FoundCommit:
        repository = Repository(self.made.place)
        question = None if fails_if is None else parse_question(fails_if, ["BTCUSDT", "ETHUSDT"])
        asked = Asked(Path("no journal"), more.get("head", "00"), None, None, more.get("timeout_s", 60.0))
        builder = Builder(repository, self.root, more.get("make", make_stand_in))
        return Search(repository, builder, Asker(asked, self.root), question, self.lines.append).run(good, bad)


@pytest.fixture
def lab(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    return Lab(made, tmp_path / "cache", monkeypatch)


@pytest.mark.parametrize("place", [1, 4, 8])
def test_the_first_commit_that_changes_the_output(lab: Lab, place: int) -> None:
    names = [lab.made.commit({**(BAD if index >= place else GOOD), "n": index}) for index in range(9)]
    found = lab.find(names[0], "HEAD")
    assert found.first.name == names[place] and found.good.name == names[place - 1]
    assert found.steps <= 3 and not found.skipped and not found.unsure
    assert [answer.outcome for answer in found.answers] == ["[1, 2, 3]", "[1, 5, 3, 4]"]
    first = {"good": {"seq": 11, "price": 2}, "bad": {"seq": 11, "price": 5}, "seq": 11}
    assert found.difference == first
    assert (
        len(lab.lines) == 2 + found.steps and lab.lines[0].startswith("good ") and "effects [1, 2, 3]" in lab.lines[0]
    )


def test_what_was_asked_is_not_asked_again(lab: Lab) -> None:
    names = [lab.made.commit({**(BAD if index >= 5 else GOOD), "n": index}) for index in range(9)]
    first = lab.find(names[0], names[8])
    before, lab.lines = lab.runs, []
    again = lab.find(names[0], names[8])
    assert again.first == first.first and lab.runs == before + 2, "the two whose decisions are compared"
    assert all(", asked before" in line for line in lab.lines[2:])
    lab.find(names[0], names[8], head="another journal")
    assert lab.runs == 2 * before + 2


@pytest.mark.parametrize(
    ("said", "lock", "why"),
    [
        (GOOD, "broken", "pip fails: ERROR: no such package"),
        (FAILS, "one", "its replay fails: the disk is full"),
        ({"code": 0}, "one", "its replay fails: it says nothing"),
        ({"code": 70, "stderr": "Traceback\nAssertionError: x"}, "one", "its replay fails: AssertionError: x"),
        ({"prices": [1], "sleep": 30}, "one", "it takes longer than 3 s"),
    ],
)
def test_a_commit_that_does_not_answer_is_passed_over(lab: Lab, said: dict[str, Any], lock: str, why: str) -> None:
    plan = [(GOOD, "one"), (GOOD, "one"), (said, lock), (GOOD, "one"), (BAD, "two")]
    names = [lab.made.commit({**what, "n": index}, packages) for index, (what, packages) in enumerate(plan)]
    found = lab.find(names[0], names[4], timeout_s=3.0)
    assert found.first.name == names[4] and found.good.name == names[3] and not found.unsure
    assert [(commit.name, said) for commit, said in found.skipped] == [(names[2], why)]
    assert [line for line in lab.lines if "passed over" in line]


def test_only_such_are_left(lab: Lab) -> None:
    plan = [(GOOD, "one"), (GOOD, "one"), (GOOD, "broken"), (BAD, "broken too"), (BAD, "one")]
    names = [lab.made.commit({**what, "n": index}, packages) for index, (what, packages) in enumerate(plan)]
    found = lab.find(names[0], names[4])
    assert found.first.name == names[4] and found.good.name == names[1]
    assert {commit.name for commit in found.unsure} == {names[2], names[3]}


@pytest.mark.parametrize("on_side", [True, False])
def test_a_fork_is_followed(lab: Lab, on_side: bool) -> None:
    base = lab.made.commit({**GOOD, "n": 0})
    git(lab.made.place, "checkout", "--quiet", "-b", "side")
    side = [lab.made.commit({**(BAD if on_side and index >= 2 else GOOD), "n": f"s{index}"}) for index in range(4)]
    git(lab.made.place, "checkout", "--quiet", "main")
    main = [lab.made.commit({**(BAD if not on_side and index >= 2 else GOOD), "n": f"m{index}"}) for index in range(4)]
    git(lab.made.place, "merge", "--quiet", "--strategy=ours", "--no-edit", "side")
    lab.made.commit({**BAD, "n": "end"})
    assert lab.find(base, "HEAD").first.name == (side if on_side else main)[2]


def test_older_trees_are_run_by_their_own_names(lab: Lab) -> None:
    names = [lab.made.commit({**GOOD, "n": 0}, namespace=""), lab.made.commit({**GOOD, "n": 1}, namespace="other")]
    names.append(lab.made.commit({**BAD, "n": 2}))
    assert lab.find(names[0], names[2]).first.name == names[2]


def test_a_decision_that_is_not_the_journals_is_an_answer(lab: Lab) -> None:
    names = [lab.made.commit({**said, "n": index}) for index, said in enumerate((GOOD, GOOD, DIFFERS, DIFFERS))]
    found = lab.find(names[0], names[3])
    assert found.first.name == names[2] and found.answers[1].said == DIFFERS["stderr"] and found.difference is None
    with pytest.raises(BisectError, match="ends before there are figures"):
        lab.find(names[0], names[3], "placed > 3")


def test_a_question_of_figures(lab: Lab) -> None:
    plan = ([1], [2], [2, 2], [2, 2, 2], [3, 3, 3], [3, 3, 3, 3])
    names = [lab.made.commit({"prices": prices}) for prices in plan]
    assert lab.find(names[0], names[5], "placed[BTCUSDT] > 2").first.name == names[3]
    assert lab.find(names[0], names[5], "end: placed >= 2").first.name == names[2]
    for text, said in (
        ("placed >= 0", "both meet"),
        ("placed > 9", "neither meets"),
        ("placed[BTCUSDT] < 2", "good meets"),
    ):
        with pytest.raises(AnswersAlike, match=said):
            lab.find(names[0], names[5], text)
    with pytest.raises(BisectError, match=r"tells no symbols\.BTCUSDT\.rejected"):
        lab.find(names[0], names[5], "rejected > 1")


def test_ends_that_do_not_serve_are_told(lab: Lab, tmp_path: Path) -> None:
    good = lab.made.commit({**GOOD, "n": 0})
    same, broken = lab.made.commit({**GOOD, "n": 1}), lab.made.commit(GOOD, "broken")
    for words, kind, said in (
        ((good, same), AnswersAlike, "answer alike: effects"),
        ((good, good), AnswersAlike, "are one commit"),
        ((same, good), BisectError, "not in the history"),
        ((good, broken), BisectError, "pip fails"),
        ((broken, "HEAD~9"), BisectError, "no revision 'HEAD~9'"),
        (("none", good), BisectError, "no revision 'none'"),
        (("--all", good), BisectError, "no revision '--all'"),
        (("", good), BisectError, "no revision ''"),
        (("HEAD:engine", good), BisectError, "no revision"),
    ):
        with pytest.raises(kind, match=said):
            lab.find(*words)
    with pytest.raises(BisectError, match="is no git checkout"):
        find_repository(tmp_path)
    with pytest.raises(BisectError, match="is no directory"):
        find_repository(tmp_path / "none")


def test_an_end_takes_nothing_away_and_leaves_nothing_half_done(lab: Lab) -> None:
    names = [lab.made.commit({**(BAD if index else GOOD), "n": index}, f"lock {index}") for index in range(4)]
    made: list[Path] = []

    def interrupted(place: Path, lock: Path) -> None:
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(place)
        make_stand_in(place, lock)

    with pytest.raises(KeyboardInterrupt):
        lab.find(names[0], names[3], make=interrupted)
    left = [path for path in lab.root.rglob("*") if path.name.endswith(".mm-work")]
    assert not left and len(list((lab.root / "environments").iterdir())) == 2
    assert git(lab.made.place, "worktree", "list").count("\n") == 0
    assert not git(lab.made.place, "status", "--porcelain") and git(lab.made.place, "for-each-ref").count("\n") == 0
    before = lab.runs
    assert lab.find(names[0], names[3]).first.name == names[1] and lab.runs <= before + 4


def test_what_is_kept_is_bounded(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builds, "TREE_COUNT_MAX", 3)
    monkeypatch.setattr(builds, "ENVIRONMENT_COUNT_MAX", 2)
    names = [lab.made.commit({**(BAD if index > 6 else GOOD), "n": index}, f"lock {index}") for index in range(9)]
    assert lab.find(names[0], names[8]).first.name == names[7]
    assert len(list((lab.root / "trees").iterdir())) == 3 and len(list((lab.root / "environments").iterdir())) == 2


def test_the_oldest_goes(tmp_path: Path) -> None:
    for index, name in enumerate(("b", "a", "d", "c")):
        (tmp_path / name).mkdir() if index % 2 else (tmp_path / name).write_text("x")
        os.utime(tmp_path / name, (index, index))
    (tmp_path / ".kept.mm-work").mkdir()
    prune(tmp_path, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".kept.mm-work", "c", "d"]


def test_a_link_out_of_the_tree_does_not_build(lab: Lab) -> None:
    names = [lab.made.commit({**GOOD, "n": 0})]
    (lab.made.place / "out").symlink_to("/etc/passwd")
    names.append(lab.made.commit({**GOOD, "n": 1}))
    (lab.made.place / "out").unlink()
    names.append(lab.made.commit({**BAD, "n": 2}))
    found = lab.find(names[0], names[2])
    assert found.first.name == names[2] and [commit.name for commit, _ in found.skipped] == [names[1]]


def test_a_program_ends_with_all_that_it_started(tmp_path: Path) -> None:
    script = f"sleep 30 & echo $! > {tmp_path}/pid; wait"
    with pytest.raises(DoesNotBuild, match="longer than"):
        run_group(["sh", "-c", script], 1.0, dict(os.environ), tmp_path)
    pid = int((tmp_path / "pid").read_text())
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            break
        if Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] == "Z":
            break
        time.sleep(0.05)
    else:
        os.kill(pid, signal.SIGKILL)
        raise AssertionError("it lives on")


def test_an_environment_is_made_of_the_lock_by_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(builds, "run_quietly", lambda command, what: commands.append(command))
    make_environment(tmp_path / "env", tmp_path / "lock")
    assert commands[0][1:] == ["-m", "venv", str(tmp_path / "env")]
    assert commands[1][0] == str(tmp_path / "env" / "bin" / "python")
    assert commands[1][-4:] == ["install", "--require-hashes", "-r", str(tmp_path / "lock")]


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'ERROR: no such package' >&2; echo 'note: try again' >&2; exit 1", "pip fails: ERROR: no such package"),
        ("echo 'killed' >&2; exit 9", "pip fails: killed"),
        ("exit 3", "pip fails: exit code 3"),
    ],
)
def test_why_a_build_fails_is_its_own_word(script: str, said: str) -> None:
    with pytest.raises(DoesNotBuild, match=said):
        run_quietly(["sh", "-c", script], "pip")
    run_quietly(["true"], "pip")
