"""The keys in which two configurations differ, and a smallest set of them that answers as the bad one."""

from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from random import Random

import pytest

from mmfold.config.load import load_config
from mmfold.config.models import Config
from mmfold.replay.debug.keys import KeySearch, Setting, differing_settings, names_of

BAD = """\
strategy: {min_spread_bps: 3.5, levels_per_side: 2, enable_adverse_guard: false}
maker: {post_only_mode: block}
risk: {max_position_base: 2, equity_usd: 10000}
per_symbol:
  X: {strategy: {skew_coeff: 0.5}}
"""
KEYS = {
    "strategy.min_spread_bps": "3.5", "strategy.levels_per_side": "2", "strategy.enable_adverse_guard": "false",
    "maker.post_only_mode": '"block"', "risk.max_position_base": "2", "per_symbol.X.strategy.skew_coeff": "0.5",
}  # fmt: skip


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    return write(tmp_path / "good.yaml", "mode: shadow\n"), write(tmp_path / "bad.yaml", BAD)


def test_what_differs_is_what_is_in_force(pair: tuple[Path, Path]) -> None:
    good, bad = map(load_config, pair)
    found = differing_settings(good, bad)
    assert {one.key: one.bad for one in found} == KEYS, "what repeats the default is no difference"
    assert {one.key: one.good for one in found}["risk.max_position_base"] == "null"
    back = differing_settings(bad, good)
    assert {one.key: (one.good, one.bad) for one in back} == {one.key: (one.bad, one.good) for one in found}


@pytest.mark.parametrize("is_back", [False, True])
def test_all_keys_together_make_the_bad_one(pair: tuple[Path, Path], is_back: bool) -> None:
    paths = pair[::-1] if is_back else pair
    good, bad = map(load_config, paths)
    made = KeySearch(paths[0], lambda config: True, ()).config(differing_settings(good, bad))
    assert not differing_settings(made, bad)
    for symbol in ("X", "Y"):
        one, other = (each.for_symbol(symbol).model_dump(exclude={"per_symbol"}) for each in (made, bad))
        assert one == other


def needs(keys: set[str], good: Config) -> Callable[[Config], bool]:
    """Return an answer that is bad where all of some keys are set as the bad one has them."""
    return lambda config: keys <= {one.key for one in differing_settings(good, config)}


@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_exactly_the_needed_keys_are_found(pair: tuple[Path, Path], count: int) -> None:
    good, bad = map(load_config, pair)
    differing = differing_settings(good, bad)
    for keys in combinations(sorted(KEYS), count):
        search = KeySearch(pair[0], needs(set(keys), good), differing)
        search.reduce()
        assert {one.key for one in search.best} == set(keys) and search.runs <= 30


def test_the_set_is_one_that_was_tried_and_none_of_it_can_go(pair: tuple[Path, Path]) -> None:
    good, bad = map(load_config, pair)
    differing = differing_settings(good, bad)
    for seed in range(30):
        random = Random(seed)
        answers = {
            subset: random.random() < 0.4 for count in range(1, 6) for subset in combinations(sorted(KEYS), count)
        }
        answers[tuple(sorted(KEYS))] = True

        def answer(config: Config, answers: dict[tuple[str, ...], bool] = answers) -> bool:
            return answers[tuple(sorted(one.key for one in differing_settings(good, config)))]

        search = KeySearch(pair[0], answer, differing)
        assert search.is_bad(differing)
        search.reduce()
        best = tuple(sorted(one.key for one in search.best))
        assert answers[best]
        if len(best) > 1:
            assert not any(answers[subset] for subset in combinations(best, len(best) - 1))


def test_what_is_no_configuration_is_passed_over(tmp_path: Path) -> None:
    good = write(tmp_path / "good.yaml", "strategy: {min_spread_bps: 2, max_spread_bps: 5}\n")
    bad = write(tmp_path / "bad.yaml", "strategy: {min_spread_bps: 8, max_spread_bps: 9}\n")
    lines: list[str] = []
    differing = differing_settings(load_config(good), load_config(bad))
    search = KeySearch(good, lambda config: config.strategy.min_spread_bps == 8, differing, on_step=lines.append)
    search.reduce()
    assert len(search.best) == 2 and (search.runs, search.invalid) == (1, 1), "the lower bound alone is above the upper"
    assert [line for line in lines if line.startswith("strategy.min_spread_bps: passed over, ")]


def test_settings_in_words() -> None:
    many = tuple(Setting(f"k{index}", "0", "1") for index in range(5))
    assert names_of(many) == "k0, k1, k2 and 2 more" and names_of(many[:2]) == "k0, k1"
