"""The peer's program is asked for before anything is measured, not after."""

from pathlib import Path

import pytest

from mmfold.adapters.bench import peer
from mmfold.adapters.bench.peer import PeerFailed, find_program


@pytest.mark.parametrize(("asked", "said"), [(None, "beside this installation"), (Path("nowhere.py"), "at nowhere.py")])
def test_a_program_that_is_not_there(monkeypatch: pytest.MonkeyPatch, asked: Path | None, said: str) -> None:
    monkeypatch.setattr(peer, "PROGRAM", Path("elsewhere.py"))
    with pytest.raises(PeerFailed, match=said) as caught:
        find_program(asked)
    assert caught.value.hint == "give it with --peer-program FILE"


def test_the_one_that_is_asked_for_wins(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("")
    assert find_program(tmp_path / "own.py") == tmp_path / "own.py"
