"""Two cells of the matrix on small journals, and that every bug can be planted (tests/planted/matrix.py has all)."""

from pathlib import Path

import pytest

from tests.planted.bugs import BACKTEST, BUGS
from tests.planted.build import ROOT, planted_build
from tests.planted.market import INSTRUMENT, market_rows, write_rows
from tests.planted.matrix import EVENTS_MAX, ROWS_SHARE, Matrix, run_backtest
from tests.replay.venue.market import GRID

MARKET_EVENT_COUNT = 160
SEED = 15  # something is held at the settlement


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Matrix:
    place = tmp_path_factory.mktemp("planted")
    return Matrix(place, planted_build(place / "sound"), 600)


@pytest.fixture(scope="module")
def journal(matrix: Matrix) -> Path:
    market = write_rows(matrix.place / "market", (INSTRUMENT,), market_rows(MARKET_EVENT_COUNT, quiet=0.0, seed=SEED))
    return run_backtest(market, matrix.place / BACKTEST, GRID)


@pytest.mark.parametrize(("name", "measures"), [("book not cleared on restart", True), ("wrong funding sign", False)])
def test_a_planted_bug_is_shrunk_to_a_test_that_it_fails(
    matrix: Matrix, journal: Path, monkeypatch: pytest.MonkeyPatch, name: str, measures: bool
) -> None:
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    cell = matrix.cell(name, BUGS[name], BACKTEST, journal, measures=measures)
    assert not cell.faults
    assert 1 < cell.left <= EVENTS_MAX < cell.events and len(cell.seconds) == 3
    assert not measures or cell.ratio >= ROWS_SHARE


@pytest.mark.parametrize("name", BUGS)
def test_a_bug_can_be_planted(name: str) -> None:
    file, old, new = BUGS[name].edit
    assert (ROOT / file).read_text().count(old) == 1 and old != new


def test_a_text_that_is_not_there_is_no_build(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"engine/step\.py"):
        planted_build(tmp_path, ("engine/step.py", "no such text", "none"))
