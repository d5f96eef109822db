"""The wheel holds what it should, runs in an environment of its own and leaves nothing there."""

import email
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

from mmfold.adapters.requirements import module_of

REPO = Path(__file__).resolve().parent.parent
PACKAGES = ("adapters", "config", "engine", "journal", "replay", "reports")
MODULE = "__init__.py"  # of the one name itself
BESIDE = ("README.md", "CHANGELOG.md", "docs", "fixtures/demo.mmj")  # what errors name, what the tour runs on
PROJECT = ("CHANGELOG.md", "LICENSE", "README.md", "pyproject.toml")
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input")
MADE_ELSEWHERE = shutil.ignore_patterns("__pycache__", ".cache", "checkpoints")
HEAD = json.loads((REPO / "fixtures/demo.mmj/seal.json").read_text())["head"]
HOSTILE = "raise SystemExit('the working directory was imported')\n"


def call(*words: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command that knows nothing of the checkout but what its words say."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MM_", "PYTHON", "VIRTUAL_ENV"))}
    environ = kept | {"NUMBA_DISABLE_JIT": "1"} | environment
    return subprocess.run(
        [str(word) for word in words], cwd=cwd, env=environ, capture_output=True, text=True, check=False
    )


def called(*words: object, cwd: Path, **environment: str) -> str:
    done = call(*words, cwd=cwd, **environment)
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-2_000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel of a copy of the sources, so that nothing of an earlier build gets into it."""
    copy, out = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("dist")
    for name in (*PACKAGES, "docs", "fixtures", "tests"):
        shutil.copytree(REPO / name, copy / name, ignore=MADE_ELSEWHERE)
    for name in (MODULE, *PROJECT):
        shutil.copy(REPO / name, copy)
    called(*PIP, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", out, ".", cwd=copy)
    [path] = out.iterdir()
    return path


def source_files() -> dict[str, bytes]:
    """Return what the wheel should hold, by the name in it."""
    tops = [REPO / name for name in (MODULE, *PACKAGES, *BESIDE)]
    paths = [path for top in tops for path in (top, *top.rglob("*")) if path.is_file()]
    made = {"__pycache__", ".cache", "checkpoints"}
    return {
        f"mmfold/{path.relative_to(REPO).as_posix()}": path.read_bytes() for path in paths if not made & {*path.parts}
    }


def test_the_wheel_holds_code_and_what_it_reads_and_nothing_else(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        held = {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name}
    expected = source_files()
    assert sorted(held) == sorted(expected)
    assert held == expected
    for name in ("config/profiles/grid.yaml", "reports/templates/report.html.j2", "docs/examples/assumptions.yaml"):
        assert f"mmfold/{name}" in held
    assert not [name for name in held if re.search("generate|/tests/", name)]


def test_the_wheel_says_what_it_needs_and_what_it_starts(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        [facts] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        told = email.message_from_bytes(archive.read(facts))
        scripts = archive.read(facts.replace("METADATA", "entry_points.txt")).decode()
        tops = archive.read(facts.replace("METADATA", "top_level.txt")).decode()
    assert (told["Name"], told["Version"]) == ("mmfold", metadata.version("mmfold"))
    assert told.get_all("Requires-Dist") == metadata.requires("mmfold")
    assert scripts == "[console_scripts]\nmm = mmfold.adapters.cli.entry:main\n"
    assert tops == "mmfold\n"  # one name in everybody's site-packages


# Installed


def needed(extras: tuple[str, ...] = ()) -> list[metadata.Distribution]:
    """Return the distributions that mm needs, theirs too; an oracle that shares no code with mm."""
    found: dict[str, metadata.Distribution] = {}
    waiting = [(line, extras) for line in metadata.requires("mmfold") or []]
    while waiting:
        line, chosen = waiting.pop()
        wanted = Requirement(line)
        if wanted.marker and not any(wanted.marker.evaluate({"extra": extra}) for extra in ("", *chosen)):
            continue
        name = re.sub(r"[-_.]+", "-", wanted.name).lower()
        if name not in found:
            found[name] = metadata.distribution(name)
            waiting += [(one, tuple(wanted.extras)) for one in found[name].requires or []]
    return list(found.values())


def top_entries(distribution: metadata.Distribution) -> dict[str, Path]:
    """Return what a distribution has in site-packages."""
    names = {file.parts[0] for file in distribution.files or () if file.parts[0] not in ("..", "__pycache__")}
    assert names, distribution.name
    return {name: Path(str(distribution.locate_file(name))) for name in names}


class Installed:
    """An environment that holds the wheel and the packages of mm's core, as links: no extra, no tool, no checkout."""

    def __init__(self, place: Path, wheel: Path) -> None:
        assert not place.is_relative_to(REPO)
        self.place, self.wheel, self.prefix, self.cwd = place, wheel, place / "env", place / "cwd"
        self.packages = place / "packages"
        self.cwd.mkdir()
        self.packages.mkdir()
        for name in ("config.py", "engine.py"):
            (self.cwd / name).write_text(HOSTILE)
        for distribution in needed():
            for name, path in top_entries(distribution).items():
                if not (self.packages / name).exists():
                    (self.packages / name).symlink_to(path)
        called(sys.executable, "-m", "venv", "--without-pip", self.prefix, cwd=place)
        self.python, self.mm = self.prefix / "bin/python", self.prefix / "bin/mm"
        [self.site] = self.prefix.glob("lib/python*/site-packages")
        (self.site / "packages.pth").write_text(f"{self.packages}\n")

    def pip(self, *words: object) -> None:
        called(*PIP, "--python", self.python, *words, cwd=self.cwd)

    def install(self) -> None:
        self.pip("install", "--no-deps", "--no-index", self.wheel)

    def run(self, *words: object, **environment: str) -> str:
        return called(self.mm, *words, cwd=self.cwd, **environment)

    def snapshot(self) -> dict[str, tuple[int, int]]:
        """Return every entry of the environment with its size and time of change."""
        paths = sorted(self.prefix.rglob("*"))
        return {str(path): (path.lstat().st_size, path.lstat().st_mtime_ns) for path in paths if not path.is_dir()}


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    made = Installed(tmp_path_factory.mktemp("installed"), wheel)
    made.install()
    before = made.snapshot()
    yield made
    assert made.snapshot() == before, "something was written into the environment"


def test_nothing_of_the_checkout_is_there(installed: Installed) -> None:
    program = "import mmfold, mmfold.engine as core, sys; print(core.__file__); print(*mmfold.__path__, *sys.path)"
    file, paths = called(installed.python, "-c", program, cwd=installed.cwd).splitlines()
    assert Path(file) == installed.site / "mmfold/engine/__init__.py"
    assert str(REPO) not in paths.split() and "__editable__" not in paths
    tops = {path.name for path in (installed.site / "mmfold").iterdir()}
    assert tops - {"__pycache__"} == {MODULE, *PACKAGES, *(name.partition("/")[0] for name in BESIDE)}
    claimed = call(installed.python, "-c", "import config", cwd=installed.cwd)
    assert "the working directory was imported" in claimed.stderr  # the name is everybody's again


def test_the_tour(installed: Installed) -> None:
    assert "Run the core over a journal" in installed.run("--help")
    assert installed.run("--version") == f"mm {metadata.version('mmfold')}\n"
    first = json.loads(installed.run("replay", "--events", "demo", "--json"))
    assert (first["head"], first["sealed"]) == (HEAD, True) and first["witnessed"] > 0
    assert f"head {HEAD}" in installed.run("journal", "verify", "demo")
    assert HEAD in installed.run("journal", "convert", "demo", "demo.jsonl")
    (installed.cwd / "part.jsonl").write_text(installed.run("journal", "cat", "demo", "--until", "150"))
    tested = json.loads(installed.run("backtest", "--events", "part.jsonl", "--out", "out/bt", "--json"))
    again = json.loads(installed.run("replay", "--events", "out/bt", "--json", "--report", "out/report"))
    assert tested["orders"] > 0
    assert [tested[key] for key in ("head", "state_digest")] == [again[key] for key in ("head", "state_digest")]
    assert "<html" in (installed.cwd / "out/report/report.html").read_text()
    assert f"{tested['fills']}" in installed.run("sql", "out/bt", "select count(*) as n from fills", "--csv").split()
    assert installed.run("docs", "journal") == (REPO / "docs/journal.md").read_text(encoding="utf-8")


def test_the_library(installed: Installed) -> None:
    program = (
        "import mmfold as mm, sys; print(mm.__file__, sorted(name for name in sys.modules if 'mmfold.' in name)); "
    )
    program += "j = mm.open('demo'); print(j.fills().num_rows, j.trades().num_rows); print(j.fills().to_pandas())"
    done = call(installed.python, "-c", program, cwd=installed.cwd)
    assert done.stdout.splitlines() == [f"{installed.site}/mmfold/__init__.py []", "23 356"]
    assert done.stderr.splitlines()[-1] == "ModuleNotFoundError: No module named 'pandas'"  # Arrow's own word


@pytest.mark.parametrize("words", [("journal", "recover", "demo", "--apply"), ("journal", "recover", "./demo")])
def test_the_bundled_journal_is_not_for_repairs(installed: Installed, words: tuple[str, ...]) -> None:
    assert call(installed.mm, *words, cwd=installed.cwd).returncode in (1, 64)


NEEDS = [
    # words, environment, the module that is missing, the extra that brings it
    ("live --mode paper --symbols BTCUSDT --journal out/s", {}, "aiohttp", "live"),
    ("live --venue okx --mode paper --symbols BTC/USDT:USDT --journal out/s", {}, "aiohttp", "live"),
    ("record --symbols BTCUSDT --journal out/s", {}, "aiohttp", "live"),
    ("venue bybit --listen 127.0.0.1:0", {}, "aiohttp", "live"),
    ("bench --live", {}, "aiohttp", "live"),
    ("bench --soak 1s", {}, "aiohttp", "live"),
    ("secrets list", {"SECRETS_BACKEND": "aws"}, "boto3", "aws"),
]


@pytest.mark.parametrize(("words", "environment", "module", "extra"), NEEDS, ids=[row[0] for row in NEEDS])
def test_a_missing_extra_is_named_in_one_line(
    installed: Installed, words: str, environment: dict[str, str], module: str, extra: str
) -> None:
    done = call(installed.mm, *words.split(), cwd=installed.cwd, **environment)
    [line] = [line for line in done.stderr.splitlines() if "error:" in line]
    assert line.endswith(f"{module} is not installed, the extra {extra} brings it: pip install 'mmfold[{extra}]'")
    assert (done.returncode, done.stdout) == (1, "") and "Traceback" not in done.stderr
    assert words.startswith("bench") or done.stderr == f"{line}\n"  # a bench says what it is at
    assert not (installed.cwd / "out/s").exists()


def test_a_command_that_needs_no_extra_runs_without(installed: Installed) -> None:
    demo = installed.site / "mmfold/fixtures/demo.mmj"
    assert json.loads(installed.run("top", "--journal", demo, "--once", "--json"))["ended"] == "sealed"
    done = call(installed.mm, "stop", "--journal", "out/none", cwd=installed.cwd)
    assert (done.returncode, done.stderr.splitlines()[0]) == (1, "error: nothing runs on out/none")


def test_the_preflight_reports_missing_extras(installed: Installed) -> None:
    words = ("doctor", "--endpoint", "http://127.0.0.1:1", "--journal", "out/s", "--json")
    done = call(installed.mm, *words, cwd=installed.cwd, SECRETS_BACKEND="aws")
    found = json.loads(done.stdout)
    missing = {f"missing_dependency:{name}" for name in ("aiohttp", "boto3", "ccxt", "websockets")}
    assert done.returncode == 2 and missing <= set(found["errors"])
    said = {one["found"]: one["next"] for one in found["checks"] if one["name"] == "dependencies"}
    assert said["aiohttp is not installed, the extra live brings it"] == "pip install 'mmfold[live]'"
    assert [one["next"] for one in found["checks"] if one["name"] == "credentials"] == ["pip install 'mmfold[aws]'"]


@pytest.mark.parametrize(
    ("distribution", "words"),
    [
        ("click", "--help"),
        ("numpy", "replay --events demo"),
        ("pyyaml", "config show"),
        ("annotated_types", "config show"),  # pydantic needs it
    ],
)
def test_a_missing_package_of_the_core_is_named_as_well(installed: Installed, distribution: str, words: str) -> None:
    taken = [installed.packages / name for name in top_entries(metadata.distribution(distribution))]
    aside = installed.place / "aside"
    aside.mkdir()
    for path in taken:
        path.rename(aside / path.name)
    try:
        done = call(installed.mm, *words.split(), cwd=installed.cwd)
    finally:
        for path in taken:
            (aside / path.name).rename(path)
        aside.rmdir()
    module = module_of(distribution)
    expected = f"error: {module} is not installed, mm cannot do without it: pip install mmfold\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", expected)


def test_uninstalled_it_leaves_nothing(wheel: Path, tmp_path: Path) -> None:
    made = Installed(tmp_path, wheel)
    before = sorted(map(str, made.prefix.rglob("*")))
    made.install()
    assert made.mm.exists()
    made.run("journal", "verify", "demo")
    made.pip("uninstall", "--yes", "mmfold")
    assert sorted(map(str, made.prefix.rglob("*"))) == before
    assert call(made.python, "-c", "import mmfold", cwd=made.cwd).returncode == 1


# Which module is whose


def test_every_needed_package_is_known_by_its_module() -> None:
    packages = needed(("live", "aws"))
    assert len(packages) > 30
    for distribution in packages:
        modules = {name.partition(".")[0].lower() for name in top_entries(distribution)}
        assert module_of(distribution.name) in modules, distribution.name
