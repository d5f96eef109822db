"""`mm bisect` as a user calls it: between commits of a made repository, between two configurations of one journal."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from mmfold.adapters.bisect import builds
from mmfold.adapters.cli.main import run
from tests.adapters.bisect.made_repository import Made, make_stand_in
from tests.reports.parity.recorded import record_steps

pytestmark = pytest.mark.usefixtures("same_kernels")
GOOD, BAD = {"prices": [1, 2, 3]}, {"prices": [1, 5, 3]}
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def mm(call: Call) -> Call:
    """Return a function that runs `mm bisect ...` and returns exit code, stdout and stderr."""
    return partial(call, "bisect")


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    """Return a repository, environments and the user's cache being stand-ins."""
    monkeypatch.setattr(builds, "make_environment", make_stand_in)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Made(tmp_path / "repository")


def test_the_commit_is_named_with_where_it_shows(mm: Call, made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = [(GOOD, "one"), (GOOD, "one"), (GOOD, "broken"), (GOOD, "one"), (BAD, "one"), (BAD, "one")]
    names = [made.commit({**said, "n": index}, lock) for index, (said, lock) in enumerate(plan)]
    words = ("--events", "demo", "--good", names[0], "--bad", "main", "--repository", made.place)
    code, told, err = mm(*words, "--json")
    found = json.loads(told)
    assert code == 0 and found["first_bad"]["name"] == names[4] and found["good"]["name"] == names[3]
    assert found["difference"]["seq"] == 11 and found["difference"]["bad"]["price"] == 5
    assert found["outcomes"] == {"bad": "[1, 5, 3]", "good": "[1, 2, 3]"} and found["unsure"] == []
    assert [one["why"] for one in found["skipped"]] in ([], ["pip fails: ERROR: no such package"])
    assert err.startswith("good ") and err.count("\n") == 2 + found["steps"]
    monkeypatch.chdir(made.place / "engine")
    code, told, err = mm(*words[:6])
    assert code == 0 and told.startswith(f"first bad {names[4][:10]}") and "shows first at seq 11" in told
    assert ", asked before" in err


def test_a_bundle_is_asked_about_too(mm: Call, made: Made, tmp_path: Path) -> None:
    names = [made.commit({**GOOD, "n": 0}), made.commit(BAD)]
    assert run(["bundle", "demo", "--out", str(tmp_path / "b.zip")]) == 0
    code, told, _ = mm(
        "--events", tmp_path / "b.zip", "--good", names[0], "--bad", names[1], "--repository", made.place
    )
    assert code == 0 and names[1][:10] in told


def test_only_such_as_do_not_build_are_left(mm: Call, made: Made) -> None:
    names = [made.commit({**GOOD, "n": 0}), made.commit(GOOD, "broken"), made.commit(BAD)]
    words = ("--events", "demo", "--good", names[0], "--bad", names[2], "--repository", made.place)
    code, told, _ = mm(*words)
    assert code == 0 and f"passed over  {names[1][:10]}  pip fails" in told and "any of 2 commits" in told


PLAIN = """\
mode: sent
strategy:
  {target_usd: 51000, levels_per_side: 1, enable_dynamic_spread: false, enable_inventory_skew: false,
   min_spread_bps: 20, enable_adverse_guard: false, quote_refresh_ms: 50, min_time_in_book_ms: 100}
risk: {max_inv_usd_per_symbol: 1000000, max_total_notional_usd: 1000000}
"""


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Return two configurations, of which one key of three matters to a short journal."""
    (tmp_path / "good.yaml").write_text(PLAIN)
    (tmp_path / "bad.yaml").write_text(
        PLAIN.replace("min_spread_bps: 20", "min_spread_bps: 24")
        + "throttle: {max_creates_per_sec: 9}\nlimits: {backoff_on_reject_ms: 1400}\n"
    )
    return tmp_path / "good.yaml", tmp_path / "bad.yaml"


def of_configs(journal: Path, pair: tuple[Path, Path]) -> tuple[object, ...]:
    return ("--events", journal, "--config-good", pair[0], "--config-bad", pair[1])


def test_the_key_is_named_with_where_it_shows(mm: Call, tmp_path: Path, pair: tuple[Path, Path]) -> None:
    journal = record_steps(tmp_path / "j", "book, ack, fill 9990x2, book, gap, book")
    before = sorted(path.name for path in journal.iterdir())
    code, told, err = mm(*of_configs(journal, pair), "--json")
    found = json.loads(told)
    assert code == 0, err
    assert [one["key"] for one in found["keys"]] == ["strategy.min_spread_bps"] and len(found["differing"]) == 3
    assert found["keys"][0] == {"bad": "24", "good": "20", "key": "strategy.min_spread_bps"}
    first = found["difference"]["decision"]
    assert first["a"]["text"] != first["b"]["text"] and first["a"]["seq"] == first["b"]["seq"]
    assert "changes it" in err and sorted(path.name for path in journal.iterdir()) == before
    code, told, _ = mm(*of_configs(journal, pair))
    assert code == 0 and "strategy.min_spread_bps  20 -> 24" in told and "2 other keys differ" in told
    assert "first difference after market event 1, X" in told


def test_a_question_picks_its_own_keys(mm: Call, tmp_path: Path, pair: tuple[Path, Path]) -> None:
    journal = record_steps(tmp_path / "j", "book, ack, fill 9990x2, book, gap, book")
    pair[1].write_text(pair[1].read_text() + "enabled: false\n")
    code, told, err = mm(*of_configs(journal, pair), "--fails-if", "placed == 0", "--json")
    assert code == 0, err
    assert [one["key"] for one in json.loads(told)["keys"]] == ["enabled"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 64, "give --good REV and --bad REV, or"),
        (("--good", "HEAD"), 64, "give --good REV and --bad REV, or"),
        (("--good", "a", "--bad", "b", "--config-good", "good.yaml"), 64, "give --good REV and"),
        (("--config-good", "good.yaml", "--config-bad", "none.yaml"), 64, "none.yaml"),
        (("--config-good", "good.yaml", "--config-bad", "good.yaml"), 2, "set the same\nthere is nothing to look for"),
        (("--config-good", "good.yaml", "--config-bad", "idle.yaml"), 2, "decides the same"),
        (("--config-good", "good.yaml", "--config-bad", "bad.yaml", "--fails-if", "placed >= 0"), 2, "already"),
        (("--config-good", "good.yaml", "--config-bad", "bad.yaml", "--fails-if", "placed < 0"), 2, "does not meet"),
        (("--config-good", "good.yaml", "--config-bad", "bad.yaml", "--fails-if", "plced < 0"), 1, "placed?"),
        (("--config-good", "good.yaml", "--config-bad", "bad.yaml", "--config", "bad.yaml"), 64, "--config is of"),
        (("--config-good", "good.yaml", "--config-bad", "wrong.yaml"), 1, "strategy.skew_coeff"),
        (("--good", "a", "--bad", "b", "--repository", "."), 1, "is no git checkout"),
        (("--good", "a", "--bad", "b", "--repository", "repository"), 1, "has no revision 'a'"),
        (("--good", "HEAD~1", "--bad", "HEAD", "--repository", "repository"), 2, "answer alike"),
        (("--good", "HEAD", "--bad", "HEAD", "--repository", "repository"), 2, "are one commit"),
        (("--good", "HEAD~1", "--bad", "HEAD", "--repository", "repository", "--config", "bad.yaml"), 1, "slice"),
        (("--good", "HEAD~1", "--bad", "HEAD", "--timeout", "soon"), 64, "is no time such as"),
    ],
)
def test_what_cannot_be_found_is_said(
    mm: Call, made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pair: tuple[Path, Path],
    words: tuple[str, ...], code: int, said: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    made.commit({**GOOD, "n": 0})
    made.commit({**GOOD, "n": 1})
    (tmp_path / "idle.yaml").write_text(PLAIN + "limits: {backoff_on_reject_ms: 1400}\n")
    (tmp_path / "wrong.yaml").write_text("strategy: {skew_coef: 1}\n")
    journal = record_steps(tmp_path / "j", "book, ack, fill 9990x2, book")
    ended, told, err = mm("--events", journal, *words)
    assert ended == code and said in err and not told


def test_a_journal_that_does_not_verify_is_told_first(mm: Call, made: Made, tmp_path: Path) -> None:
    journal = record_steps(tmp_path / "j", "book, ack, fill 9990x2, book")
    made.commit({**GOOD, "n": 0})
    segment = journal / "000000.mmj"
    data = bytearray(segment.read_bytes())
    data[-40] ^= 1
    segment.write_bytes(bytes(data))
    code, _, err = mm("--events", journal, "--good", "HEAD", "--bad", "HEAD", "--repository", made.place)
    assert code == 1 and "000000.mmj" in err
