"""Where compiled kernels are kept: by which name, whom the place must belong to, what is removed from it."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from mmfold.engine import cache
from mmfold.engine.cache import CacheRefused, cache_directory

REPO = Path(__file__).resolve().parents[2]
HOUR_NS = 3_600 * 10**9
OTHER_UID = 12_345
IS_ROOT = os.geteuid() == 0


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a directory of caches of one's own."""
    for name in [name for name in os.environ if name.startswith("NUMBA_") and name not in cache.NEUTRAL_FLAGS]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr(cache, "strategy_digest", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "own" / "caches"))
    return tmp_path / "own" / "caches"


# By which name


def test_the_place_of_a_process(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = cache_directory()
    assert plain.parent == base / "mmfold" / "kernels" / cache.build_digest()
    assert not base.exists()  # who only asks leaves nothing
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    assert cache_directory() == plain
    found = {plain}
    for flag, text in (("NUMBA_BOUNDSCHECK", "1"), ("NUMBA_OPT", "1"), ("NUMBA_OPT", "2")):
        with monkeypatch.context() as context:
            context.setenv(flag, text)
            found.add(cache_directory())
    for key in ("a", "b"):
        monkeypatch.setattr(cache, "strategy_digest", key)
        found.add(cache_directory())
    assert len(found) == 6 and {path.parent for path in found} == {plain.parent}
    assert all(cache.VARIANT_NAME.fullmatch(path.name) for path in found - {plain})
    assert not cache.VARIANT_NAME.fullmatch(plain.name)


def test_two_checkouts_of_one_build_keep_apart(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = cache_directory()
    monkeypatch.setattr(cache, "ROOT", "elsewhere")
    assert cache_directory() != here and cache_directory().parent == here.parent


# XDG_CACHE_HOME | HOME | where the kernels are, below the test's directory; None is refused
PLACES = [
    ("{}/x", "{}/h", "x"),
    (None, "{}/h", "h/.cache"),
    ("", "{}/h", "h/.cache"),
    ("relative", "{}/h", "h/.cache"),
    ("{}/x/../y", "{}/h", "y"),
    ("{}/h/link", "{}/h", "h/link"),
    ("{}/x", None, "x"),
    (None, None, None),
    (None, "", None),
    (None, "relative", None),
    (None, "{}/missing", None),
]


@pytest.mark.parametrize(("chosen", "home", "expected"), PLACES)
def test_where_it_is(
    chosen: str | None,
    home: str | None,
    expected: str | None,
    tmp_path: Path,
    base: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "h").mkdir()
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "h" / "link").symlink_to(tmp_path / "real")
    for name, value in (("XDG_CACHE_HOME", chosen), ("HOME", home)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value.format(tmp_path))
    if expected is None:
        with pytest.raises(CacheRefused, match="HOME names no directory") as refused:
            cache_directory(make=True)
        assert "XDG_CACHE_HOME" in refused.value.hint
        return
    found = cache_directory(make=True)
    assert found.relative_to(tmp_path / expected).parts[:2] == ("mmfold", "kernels")
    assert found.is_dir()


def test_the_users_own_choice_wins(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(shared))
    found = cache_directory(make=True)
    assert found.is_dir() and found.is_relative_to(shared)
    cache.use(found)


# Whom it belongs to


def test_what_is_made_is_closed(base: Path) -> None:
    mask = os.umask(0)
    try:
        found = cache_directory(make=True)
    finally:
        os.umask(mask)
    assert cache_directory(make=True) == found
    for level in [found, *list(found.parents)[:5]]:
        assert stat.S_IMODE(level.stat().st_mode) == 0o700, level
    assert list(found.parents)[4] == base.parent


def open_to(mode: int, depth: int) -> Callable[[Path], Path]:
    """Return what opens a level, of those from the caches' directory down to the kernels', to others."""

    def change(found: Path) -> Path:
        level = [found, *found.parents][depth]
        level.chmod(mode)
        return level

    return change


def linked(depth: int) -> Callable[[Path], Path]:
    def change(found: Path) -> Path:
        level = [found, *found.parents][depth]
        level.rename(level.with_name("moved"))
        level.symlink_to(level.with_name("moved"))
        return level

    return change


def owned(depth: int) -> Callable[[Path], Path]:
    def change(found: Path) -> Path:
        level = [found, *found.parents][depth]
        os.chown(level, OTHER_UID, -1)
        return level

    return change


def filed(found: Path) -> Path:
    found.rmdir()
    found.write_text("")
    return found


NEEDS_ROOT = pytest.mark.skipif(not IS_ROOT, reason="only root gives a directory away")
MODES_OPEN = (0o770, 0o702, 0o755)
# what is changed: 0 kernels of the checkout, 1 build, 2 kernels, 3 mmfold, 4 the user's caches, 5 above | what is said
REFUSED = [
    *((open_to(mode, depth), f"is open to others, mode {mode:o}") for depth in range(4) for mode in MODES_OPEN),
    *((linked(depth), "is a symbolic link") for depth in range(4)),
    *(pytest.param(owned(depth), f"belongs to user {OTHER_UID}", marks=NEEDS_ROOT) for depth in range(6)),
    *((open_to(mode, depth), "can be written by others") for depth in (4, 5) for mode in (0o770, 0o777)),
    (filed, "is not a directory"),
]  # fmt: skip


@pytest.mark.parametrize("make", [False, True])
@pytest.mark.parametrize(("change", "said"), REFUSED)
def test_what_is_refused(change: Callable[[Path], Path], said: str, make: bool, base: Path) -> None:
    level = change(cache_directory(make=True))
    with pytest.raises(CacheRefused) as refused:
        cache_directory(make=make)
    assert str(refused.value) == f"{level} {said}"
    assert refused.value.hint


@pytest.mark.parametrize(("depth", "mode"), [(4, 0o755), (5, 0o755), (4, 0o1777), (5, 0o1777), (5, 0o711)])
def test_what_is_not_refused(depth: int, mode: int, base: Path) -> None:
    found = cache_directory(make=True)
    open_to(mode, depth)(found)
    assert cache_directory(make=True) == found


@pytest.mark.parametrize("blocked", [0, 1, 2])
def test_a_place_that_cannot_be_made_is_refused(blocked: int, base: Path) -> None:
    level = [base, base / "mmfold", base / "mmfold" / "kernels"][blocked]
    level.parent.mkdir(parents=True, mode=0o700)
    for above in (base.parent, base, base / "mmfold"):
        if above.is_dir():
            above.chmod(0o700)
    level.write_text("in the way")
    with pytest.raises(CacheRefused):
        cache_directory(make=True)
    assert level.read_text() == "in the way"


# What is removed


def aged(path: Path, hours: float, now_ns: int) -> Path:
    path.mkdir()
    (path / "step.run-1.nbc").write_bytes(b"x")
    used_ns = now_ns - int(hours * HOUR_NS)
    os.utime(path, ns=(used_ns, used_ns))
    return path


# hours since builds were used, of ours now 0 | how many of them stay
AGES = [
    ([], 0),
    ([2, 3], 2),
    ([2, 3, 4, 5], 2),
    ([0.1, 0.2, 0.3, 0.9, 5, 6], 4),
    ([0.5, 2, 3], 2),
    ([-1, 2, 3], 2),
]


@pytest.mark.parametrize(("ages", "stay"), AGES)
def test_the_newest_three_builds_stay_and_what_may_run(ages: list[float], stay: int, base: Path) -> None:
    ours = cache_directory(make=True)
    now_ns = ours.stat().st_mtime_ns
    others = [aged(ours.parent.with_name(f"{index:016x}"), hours, now_ns) for index, hours in enumerate(ages)]
    (ours / "engine").mkdir()
    cache.use(ours)
    assert [path.exists() for path in others] == [True] * stay + [False] * (len(ages) - stay)
    assert (ours / "engine").is_dir()
    assert not list(ours.parents[1].glob("*removed*"))


def test_the_newest_strategies_of_a_build_stay_and_its_checkouts(base: Path) -> None:
    ours = cache_directory(make=True)
    now_ns = ours.stat().st_mtime_ns
    others = [aged(ours.parent / f"{ours.name}-{index:016x}", 2 + index, now_ns) for index in range(10)]
    checkout = aged(ours.parent / "0123abcd", 99, now_ns)
    cache.use(ours)
    assert [path.exists() for path in others] == [True] * 8 + [False] * 2
    assert checkout.exists()


def test_only_directories_of_ours_are_removed(base: Path, tmp_path: Path) -> None:
    ours = cache_directory(make=True)
    kernels, now_ns = ours.parents[1], ours.stat().st_mtime_ns
    for index in range(3):
        aged(kernels / f"{index:016x}", 2, now_ns)
    precious = aged(tmp_path / "precious", 99, now_ns)
    link = kernels / f"{77:016x}"
    link.symlink_to(precious)
    os.utime(link, ns=(0, 0), follow_symlinks=False)
    (kernels / f"{78:016x}").write_text("a file")
    os.utime(kernels / f"{78:016x}", ns=(0, 0))
    named = [aged(kernels / name, 99, now_ns) for name in ("notes", "0" * 15, "G" * 16, "0" * 16 + "-old")]
    inside = aged(kernels / f"{79:016x}", 99, now_ns)
    (inside / "link").symlink_to(precious)
    os.utime(inside, ns=(0, 0))
    half = aged(kernels / f"{80:016x}.removed-123", 99, now_ns)
    fresh = aged(kernels / f"{81:016x}.removed-123", 0.1, now_ns)
    if IS_ROOT:
        named.append(aged(kernels / f"{82:016x}", 99, now_ns))
        os.chown(named[-1], OTHER_UID, -1)
    cache.use(ours)
    assert link.is_symlink() and (kernels / f"{78:016x}").is_file()
    assert all(path.is_dir() for path in named)
    assert (precious / "step.run-1.nbc").is_file()
    assert not inside.exists() and not half.exists() and fresh.exists()


# What may be kept


def test_functions_of_sources_that_changed_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    step = str(REPO / "engine" / "step.py")
    cache.is_kept.cache_clear()
    assert cache.is_kept(step)
    assert not cache.is_kept(__file__)  # a kernel of a test
    with pytest.raises(AssertionError, match=r"name its module in cache\.ENTRY_MODULES"):
        cache.is_kept(str(REPO / "engine" / "another.py"))
    cache.is_kept.cache_clear()
    sources = dict(cache.closure(cache.ENTRY_MODULES))
    limits = sources["mmfold.engine.limits"]
    sources["mmfold.engine.limits"] = limits._replace(stamp=(*limits.stamp[:2], limits.stamp[2] + 1))
    monkeypatch.setattr(cache, "closure", lambda modules: sources)
    assert not cache.is_kept(step)
    cache.is_kept.cache_clear()
