"""A stop of an account: private, whole, without a key in it, in force until a person lifts it."""

import os
import stat
from pathlib import Path

import pytest

from mmfold.adapters.cli.main import run
from mmfold.adapters.live.account.account_stop import (
    AccountStop,
    AccountStopped,
    NoStatePlace,
    account_of,
    check_stop,
    lift_stop,
    list_stops,
)
from mmfold.adapters.secrets.value import Secret
from mmfold.adapters.venues.port import Credentials

KEYS = Credentials(Secret("a-key-of-an-account"), Secret("and-its-secret-too"))
STOP = AccountStop(account=account_of("bybit", "live", KEYS), venue="bybit", mode="live", run_id="r", journal="/j")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "mmfold" / "stopped"


def test_it_holds_until_it_is_lifted(place: Path) -> None:
    check_stop(STOP)
    STOP.keep("kill switch")
    other = Credentials(Secret("another-key-than-that"), Secret("and-its-secret-too"))
    check_stop(AccountStop(account=account_of("bybit", "live", other), venue="bybit", mode="live"))
    check_stop(AccountStop(account=account_of("bybit", "testnet", KEYS), venue="bybit", mode="testnet"))
    with pytest.raises(AccountStopped, match=r"kill switch at 2.*run r, journal /j") as caught:
        check_stop(STOP)
    assert f"mm resume {STOP.account}" in caught.value.hint
    lifted = lift_stop(STOP.account)
    assert lifted is not None and lifted.reason == "kill switch" and lifted.ts_ns > 0
    check_stop(STOP)
    assert lift_stop(STOP.account) is None and list(list_stops()) == []


def test_it_is_private_and_tells_no_key(place: Path) -> None:
    before = os.umask(0)
    try:
        STOP.keep("kill switch")
    finally:
        os.umask(before)
    (path,) = place.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(place.stat().st_mode) == 0o700
    assert KEYS.api_key.reveal() not in path.read_text() and KEYS.api_secret.reveal() not in path.read_text()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"account": 1}', b"[" * 9_000, b" " * (1 << 15)])
def test_one_that_cannot_be_read_is_a_stop(place: Path, content: bytes) -> None:
    STOP.keep("kill switch")
    STOP.path.write_bytes(content)
    with pytest.raises(AccountStopped, match="cannot be read"):
        check_stop(STOP)
    assert lift_stop(STOP.account) is not None
    check_stop(STOP)


def test_a_link_in_its_place_is_a_stop_and_is_not_followed(place: Path, tmp_path: Path) -> None:
    (tmp_path / "foreign").write_text("kept")
    STOP.path.symlink_to(tmp_path / "foreign")
    with pytest.raises(AccountStopped):
        check_stop(STOP)
    STOP.keep("kill switch")
    assert (tmp_path / "foreign").read_text() == "kept" and not STOP.path.is_symlink()


def test_a_place_open_to_others_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place.mkdir(parents=True)
    place.chmod(0o777)
    with pytest.raises(NoStatePlace, match="chmod 700"):
        check_stop(STOP)
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.delenv("HOME", raising=False)
    with pytest.raises(NoStatePlace, match="neither XDG_STATE_HOME nor HOME"):
        check_stop(STOP)


def test_the_command_lists_and_lifts(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    assert run(["resume"]) == 0 and "no account is stopped" in capsys.readouterr().out
    STOP.keep("kill switch")
    assert run(["resume"]) == 0 and f"{STOP.account}  kill switch at 2" in capsys.readouterr().out
    for wrong in ("0" * 16, "../stopped/x", ".."):
        assert run(["resume", wrong]) == 64 and "mm resume lists" in capsys.readouterr().err
    assert run(["resume", STOP.account]) == 0 and "lifted    kill switch" in capsys.readouterr().out
    check_stop(STOP)
