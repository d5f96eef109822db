"""Two builds beside each other: the arithmetic, the turns, the limit, and that each really runs its own tree."""

import os
import shutil
import subprocess
from itertools import islice
from pathlib import Path
from typing import ClassVar

import pytest

from mmfold.adapters.bench import against, trial
from mmfold.adapters.bench.against import ALIKE, BEYOND, FASTER, SLOWER, Asked, Comparison, compare
from mmfold.adapters.bench.builds import PACKAGES, Bench, Build, CannotCompare, find_build, own_build
from mmfold.adapters.cli import bench_against
from mmfold.adapters.cli.main import run
from mmfold.adapters.emulator.market.product import make_products
from mmfold.adapters.emulator.market.symbol import SymbolMarket
from mmfold.adapters.emulator.market.synthetic import synthetic_events, synthetic_manifest
from mmfold.engine.codes import EventKind
from mmfold.engine.manifest import encode_manifest
from mmfold.engine.payload import payload_rows
from mmfold.journal.log.verify import verify
from mmfold.journal.log.writer import Writer

REPO = Path(__file__).resolve().parents[3]

# Arithmetic


@pytest.mark.parametrize(
    ("other", "this", "medians", "pairs", "verdict", "limited"),
    [
        ((2.0,), (2.0,), 1.0, 1.0, ALIKE, ALIKE),
        ((1.0, 1.0, 1.0), (1.2, 1.3, 1.25), 1.25, 1.25, SLOWER, BEYOND),
        ((1.0, 1.0, 1.0), (1.05, 1.04, 1.06), 1.05, 1.05, SLOWER, SLOWER),
        ((1.0, 1.0, 1.0), (1.1, 1.1, 1.1), 1.1, 1.1, SLOWER, SLOWER),  # exactly the limit is within it
        ((1.0, 1.0, 1.0), (0.9, 0.8, 0.7), 0.8, 0.8, FASTER, FASTER),
        ((1.0, 1.0, 1.0), (0.9, 1.5, 1.2), 1.2, 1.2, ALIKE, ALIKE),  # its shortest time is no longer: noise
        ((1.0, 1.0, 1.2), (1.2, 1.3, 1.15), 1.2, 1.2, ALIKE, BEYOND),  # one pair says otherwise, but too slow
        ((1.0, 2.0, 3.0), (1.1, 2.0, 2.7), 1.0, 1.0, ALIKE, ALIKE),
        # A burst over two pairs moves both medians' places, not the pairs' ratios.
        ((1.0, 4.0, 4.0), (1.0, 1.0, 4.0), 0.25, 1.0, ALIKE, ALIKE),
        ((1.0, 4.0, 5.0, 1.0), (1.02, 4.08, 5.1, 1.02), 2.55 / 2.5, 1.02, SLOWER, SLOWER),
    ],
)
def test_verdict_is_of_the_pairs(other, this, medians, pairs, verdict, limited):
    found = Comparison(other, this)
    assert found.ratio_of_medians() == pytest.approx(medians)
    assert found.ratio() == pytest.approx(pairs)
    assert found.verdict() == verdict
    assert found.verdict(10.0) == limited
    told = found.document("replay", 10.0)
    assert (told["ratio_min"], told["ratio_max"]) == pytest.approx((min(found.ratios()), max(found.ratios())), abs=1e-4)


def test_a_tail_is_told_and_not_judged():
    found = {"tick-p50": Comparison((1.0,), (1.0,)), "tick-p99": Comparison((1.0,), (9.0,))}
    assert against.beyond(found, 10.0) == []
    assert found["tick-p99"].document("tick-p99", 10.0)["verdict"] == SLOWER


# Turns


class Played(Bench):
    """A build whose trials take what a table says instead of running."""

    turns: ClassVar[list[tuple[str, str]]] = []
    times: ClassVar[dict[tuple[str, str], list[float]]] = {}
    works: ClassVar[dict[str, dict[str, int]]] = {}

    def __init__(self, build: Build, work: Path) -> None:
        self.build, self.home, self.digest = build, work / build.label, build.label

    def start(self, name: str, events: Path, repeat: int, tries: int) -> None:
        self.asked = name

    def finish(self) -> dict:
        return {"rows": 10, "version": "0", "work": self.works.get(self.build.label, {"rows": 10})}

    def run(self, name: str, events: Path, repeat: int, tries: int) -> dict:
        if name == "market":
            return {}
        self.turns.append((self.build.label, name))
        return {"figures": {name: self.times[self.build.label, name].pop(0)}}

    def stop(self) -> None:
        pass


def played(monkeypatch, other: list[float], this: list[float], rounds: int, limit_pct: float | None) -> tuple:
    monkeypatch.setattr(against, "Bench", Played)
    monkeypatch.setattr(Played, "turns", [])
    monkeypatch.setattr(Played, "times", {("other", "replay"): list(other), ("this", "replay"): list(this)})
    builds = [Build(label, REPO, "") for label in ("other", "this")]
    said: list[str] = []
    asked = Asked(None, ("replay",), 1, rounds, limit_pct)
    return compare(*builds, Path("nowhere"), asked, said.append), said


def test_builds_take_turns_and_each_is_first_in_every_second_round(monkeypatch):
    document, _ = played(monkeypatch, [1.0, 2.0, 3.0], [2.0, 4.0, 6.0], 3, None)
    assert [label for label, _ in Played.turns] == ["other", "this", "this", "other", "other", "this"]
    assert document["figures"]["replay"]["other"] == [1.0, 2.0, 3.0]
    assert document["figures"]["replay"]["this"] == [2.0, 4.0, 6.0]
    assert document["beyond"] == [] and document["measured_again"] == {}


@pytest.mark.parametrize(
    ("this", "beyond", "again", "ratio"),
    [
        ([1.0] * 2, [], [], 1.0),
        ([1.3] * 2 + [1.0] * 4, [], ["replay"], 1.0),  # a false alarm: the first rounds do not count
        ([1.3] * 2 + [1.2] * 4, ["replay"], ["replay"], 1.2),
    ],
)
def test_a_figure_beyond_the_limit_is_measured_again_and_only_that_counts(monkeypatch, this, beyond, again, ratio):
    document, said = played(monkeypatch, [1.0] * 6, this, 2, 10.0)
    assert document["beyond"] == beyond
    assert list(document["measured_again"]) == again
    assert document["figures"]["replay"]["ratio"] == ratio
    assert any("measuring again, 4 rounds" in text for text in said) == bool(again)


def test_other_work_is_told(monkeypatch, capsys):
    monkeypatch.setattr(Played, "works", {"this": {"rows": 9}})
    document, _ = played(monkeypatch, [1.0], [1.0], 1, None)
    assert document["work"]["replay"] == {"same": False, "other": {"rows": 10}, "this": {"rows": 9}}
    bench_against.print_comparison(
        {**document, "hardware": dict.fromkeys(("processor", "cores", "python", "numba", "load_1min"))}
    )
    assert "replay: this build does other work: rows 10 -> 9" in capsys.readouterr().out


# Trees


def copy_of(tree: Path) -> Path:
    for package in PACKAGES:
        shutil.copytree(REPO / package, tree / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPO / "pyproject.toml", tree)
    return tree


def change(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def small_market(path: Path) -> Path:
    manifest = synthetic_manifest(7, ["BTCUSDT"])
    product = make_products(manifest)["BTCUSDT"]
    market = SymbolMarket(product, product.instrument.continuity)
    with Writer(path) as writer:
        writer.append(payload_rows(EventKind.MANIFEST, 0, encode_manifest(manifest)))
        for offset_ns, rows in islice(synthetic_events(manifest), 600):
            for told in market.apply(rows, trial.TS_START_NS + offset_ns):
                told["seq"], told["ts_receive_ns"] = writer.seq_next, told["ts_exchange_ns"]
                writer.append(told)
    return path


@pytest.mark.parametrize(
    ("pyproject", "namespace"),
    [
        ('[tool.setuptools.package-dir]\n"mmfold.engine" = "engine"\n', "mmfold"),
        ('[tool.setuptools]\npackages = ["engine"]\n', ""),
        ('[tool.setuptools.package-dir]\n"a.b.engine" = "engine"\n', "a.b"),
    ],
)
def test_a_build_is_known_by_how_it_maps_its_packages(tmp_path, pyproject, namespace):
    for package in PACKAGES:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "pyproject.toml").write_text(pyproject)
    assert find_build(tmp_path) == Build("other", tmp_path, namespace)
    assert own_build() == Build("this", REPO, "mmfold")


@pytest.mark.parametrize(
    ("there", "said"),
    [([], "is no directory"), (["x"], "no engine/__init__.py"), (PACKAGES, "pyproject.toml cannot be read")],
)
def test_what_is_no_checkout_is_refused_in_one_line(tmp_path, capsys, there, said):
    tree = tmp_path / "tree"
    for package in there:
        (tree / package).mkdir(parents=True)
        (tree / package / "__init__.py").touch()
    assert run(["bench", "--against", str(tree)]) == 1
    error, hint = capsys.readouterr().err.splitlines()
    assert error.startswith("error: ") and str(tree) in error and said in error
    assert "git worktree add" in hint


def test_a_market_is_made_by_a_build_of_today(tmp_path, monkeypatch):
    monkeypatch.setattr(trial, "SYNTHETIC_EVENT_COUNT", 20)
    trial.make_market(trial.Trial("mmfold.", [], REPO, tmp_path, tmp_path / "market", 1, 1))
    made = verify(tmp_path / "market")
    assert made.ok and made.events == 20


def test_each_build_runs_its_own_tree(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    other = copy_of(tmp_path / "other")
    change(other / "engine" / "manifest.py", 'CODE_VERSION = "0.', 'CODE_VERSION = "9.')
    change(other / "engine" / "quoting" / "ladder.py", "spread_bps * 0.5 + max", "spread_bps * 0.75 + max")
    before = sorted(other.rglob("*"))
    asked = Asked(small_market(tmp_path / "market"), ("replay",), 1, 1)
    document = compare(find_build(other), own_build(), tmp_path / "work", asked, lambda text: None)
    versions = [told["version"] for told in document["builds"]]
    assert versions[0] == f"9.{versions[1].partition('.')[2]}"
    work = document["work"]["replay"]
    assert not work["same"] and work["other"]["effects_digest"] != work["this"]["effects_digest"]
    assert work["this"]["rows"] > 100
    assert len(document["figures"]["replay"]["this"]) == 1
    assert sorted(other.rglob("*")) == before  # no cache, no bytecode


def test_another_build_under_our_name_is_not_us(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    other = copy_of(tmp_path / "other")
    change(other / "engine" / "manifest.py", 'CODE_VERSION = "0.', 'CODE_VERSION = "9.')
    bench = Bench(find_build(other), tmp_path / "work")
    assert bench.run("feed", small_market(tmp_path / "market"), 1, 1)["version"].startswith("9.")


@pytest.mark.parametrize("text", ["", "OWN = 1\n"], ids=["a folder before", "a module"])
def test_a_copy_is_a_package_whatever_is_installed(tmp_path, text):
    tree = copy_of(tmp_path / "other")
    if text:
        (tree / "__init__.py").write_text(text)
    bench = Bench(find_build(tree), tmp_path / "work")
    assert (bench.packages / "__init__.py").read_text() == text
    assert bench.digest == find_build(tree).digest()


def test_a_module_of_another_tree_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    bench = Bench(Build("other", copy_of(tmp_path / "other"), "mmfold"), tmp_path / "work")
    shutil.rmtree(bench.packages / "journal")
    (bench.packages / "journal").symlink_to(REPO / "journal")
    with pytest.raises(CannotCompare, match=r"feed failed in other build .*: mmfold\.journal.* is not in "):
        bench.run("feed", small_market(tmp_path / "market"), 1, 1)


def test_a_failing_build_is_told_in_its_own_words(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    with pytest.raises(
        CannotCompare, match=r"feed failed in this build .*: .*nowhere: expected a journal, found nothing"
    ) as caught:
        Bench(own_build(), tmp_path / "work").run("feed", tmp_path / "nowhere", 1, 1)
    assert "--out DIR" in caught.value.hint


def test_caches_belong_to_exactly_these_sources(tmp_path):
    build = Build("other", copy_of(tmp_path / "other"), "mmfold")
    before = build.digest()
    assert before == Build("other", tmp_path / "other", "mmfold").digest()
    change(build.tree / "engine" / "limits.py", "\n", "\n\n")
    assert build.digest() != before


# The command


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--against", ".", "--soak", "1s"], 64),
        (["--against", ".", "--backtest"], 64),
        (["--against", ".", "--live", "--figure", "replay"], 64),
        (["--limit", "10", "--live"], 64),
        (["--rounds", "3", "--events", "x"], 64),
        (["--against", ".", "--figure", "speed"], 64),
    ],
)
def test_options_that_do_not_go_together(words, code):
    assert run(["bench", *words]) == code


def test_beyond_the_limit_is_exit_code_2_and_names_the_figure(monkeypatch, capsys):
    figure = Comparison((1.0, 1.0), (1.25, 1.25)).document("replay", 10.0)
    document = {
        "builds": [{"label": label, "sources": "0", "version": "0"} for label in ("other", "this")],
        "feed": {"rows": 1, "repeat": 1, "synthetic": True}, "figures": {"replay": figure}, "beyond": ["replay"],
        "limit_pct": 10.0, "measured_again": {"replay": figure}, "rounds": 2, "work": {},
    }  # fmt: skip
    monkeypatch.setattr(bench_against, "compare", lambda *_: dict(document))
    assert run(["bench", "--against", str(REPO), "--limit", "10"]) == 2
    told = capsys.readouterr()
    assert "replay by 25.0 %" in told.err
    assert "beyond the limit" in told.out and "which do not count" in told.out
    monkeypatch.setattr(bench_against, "compare", lambda *_: {**document, "beyond": []})
    assert run(["bench", "--against", str(REPO), "--limit", "10"]) == 0


# The short form of the check


def git(tree: Path, *words: str) -> str:
    names = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", *names, *words], cwd=tree, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def clone(tmp_path):
    if shutil.which("git") is None:
        pytest.skip("no git")
    tree = tmp_path / "clone"
    (tree / ".ci").mkdir(parents=True)
    shutil.copy(REPO / ".ci" / "against", tree / ".ci")
    (tree / "mm").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tree / "mm").chmod(0o755)
    (tree / "before.txt").touch()
    git(tree, "init", "--quiet")
    git(tree, "add", ".")
    git(tree, "commit", "--quiet", "-m", "The build before")
    (tree / ".ci" / "baseline").write_text(git(tree, "rev-parse", "HEAD") + "\n")
    (tree / "before.txt").unlink()
    return tree


def short_form(tree: Path, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [tree / ".ci" / "against", "./mm"],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


def test_the_check_compares_with_the_commit_of_the_baseline(clone):
    for _ in range(2):  # the second time it is unpacked
        done = short_form(clone)
        assert done.returncode == 0, done.stderr
        words = done.stdout.splitlines()
        assert words[:2] == ["bench", "--against"] and words[words.index("--limit") + 1] == "10"
        assert {"replay", "backtest", "tick"} <= set(words)
        assert (clone / words[2] / "before.txt").exists()
        assert "The build before" in done.stderr
    assert [path.name for path in (clone / "out" / "against" / "trees").iterdir()] == [Path(words[2]).name]


def test_the_check_says_what_it_could_not_compare(clone):
    (clone / ".ci" / "baseline").write_text("0" * 40 + "\n")
    done = short_form(clone)
    assert done.returncode == 0 and done.stdout == ""
    assert "NOT compared" in done.stderr and "0" * 40 in done.stderr
    assert short_form(clone, MM_BENCH_AGAINST="HEAD").stdout.splitlines()[0] == "bench"
    done = short_form(clone, MM_BENCH_AGAINST="nothing")  # what was asked for by hand is no notice
    assert done.returncode == 1 and "names no commit" in done.stderr


def test_the_baseline_is_one_whole_commit():
    line = (REPO / ".ci" / "baseline").read_text()
    assert len(line) == 41 and int(line, 16)
