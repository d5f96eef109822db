"""`mm secrets` as a person and a program use it; a canary in every backend is in nothing that comes out."""

import io
import json
import os
import pty
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from mmfold.adapters.cli.main import run

pytestmark = pytest.mark.usefixtures("guards")

REPO = Path(__file__).resolve().parents[3]
PATH = "mm-bot/dev/bybit/api_key"
CANARIES = ["canary of eighteen", "kQ9fX2mVb7LpZ4sT" + "w1", "canary 'quoted' \"twice\" & ünï"]
VARIABLES = ("EXCHANGE_ENV", "SECRETS_BACKEND", "SECRETS_FILE", "MM_FAKE_SECRETS_JSON", "LOG_LEVEL")
WHERE = ["memory", "env", "env file", "file", "aws"]
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def mm(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Call:
    """Return a function that runs `mm secrets ...` in an empty place and returns exit code, stdout and stderr."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)

    def call(*words: object, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8"))
        capfd.readouterr()
        code = run(["secrets", *map(str, words)])
        told = capfd.readouterr()
        return code, told.out, told.err

    return call


@pytest.fixture
def use_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("SECRETS_BACKEND", "file")
    monkeypatch.setenv("SECRETS_FILE", str(tmp_path / "keys" / "s.json"))
    monkeypatch.setenv("PYTHONPATH", str(REPO))
    return tmp_path / "keys" / "s.json"


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[str, str], None]]:
    """Return a function that puts a value into a backend from outside, and chooses that backend."""
    from moto import mock_aws

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():

        def put(where: str, value: str) -> None:
            monkeypatch.setenv("SECRETS_BACKEND", where.split()[0])
            monkeypatch.setenv("SECRETS_FILE", str(tmp_path / "s.json"))
            if where == "memory":
                monkeypatch.setenv("MM_FAKE_SECRETS_JSON", json.dumps({PATH: value}))
            elif where == "env":
                monkeypatch.setenv("MM_BYBIT_API_KEY", value)
            elif where == "env file":
                (tmp_path / "value").write_text(value)
                monkeypatch.setenv("MM_BYBIT_API_KEY_FILE", str(tmp_path / "value"))
            elif where == "file":
                (tmp_path / "s.json").write_text(json.dumps({PATH: value}))
                (tmp_path / "s.json").chmod(0o600)
            else:
                import boto3

                boto3.client("secretsmanager", region_name="us-east-1").create_secret(Name=PATH, SecretString=value)

        yield put


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("canary", CANARIES, ids=["words", "venue", "quotes"])
def test_a_canary_comes_out_of_no_command(mm: Call, plant, monkeypatch, tmp_path: Path, where, canary) -> None:
    plant(where, canary)
    monkeypatch.setenv("LOG_LEVEL", "DEBUG")  # boto3 logs every answer
    told = []
    for json_flag in ((), ("--json",)):
        for words in (("fetch", "bybit", "api_key"), ("list",), ("whoami",), ("scan", "--stored", tmp_path)):
            told.append(mm(*words, *json_flag))
        for words in (("save", "bybit", "api_key"), ("rotate", "bybit", "api_key"), ("save", "bybit", canary)):
            told.append(mm(*words, *json_flag, stdin=canary))
    codes = [code for code, _, _ in told]
    assert codes[:3] == codes[7:10] == [0, 0, 0] and codes[4:7] == codes[11:] == [1, 1, 1]
    everything = "\n".join(out + err for _, out, err in told)
    assert "can...***" in everything or "kQ9...***" in everything
    for form in (canary, canary[4:], json.dumps(canary)[1:-1], repr(canary)[1:-1]):
        assert form not in everything
    assert where != "aws" or '"logger":"botocore' in everything


def test_whoami_is_what_the_spec_says(mm: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXCHANGE_ENV", "testnet")
    code, out, err = mm("whoami", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "action": "whoami", "backend": "memory", "exchange_env": "testnet", "secret_env": "testnet", "status": "OK",
    }  # fmt: skip


@pytest.mark.parametrize("backend", ["gcp", "file", "env", "memory"])
def test_a_failure_says_error_and_exits_1(mm: Call, monkeypatch, use_file: Path, backend: str) -> None:
    use_file.parent.mkdir()
    use_file.write_text("{}")
    use_file.chmod(0o644)
    monkeypatch.setenv("MM_BYBIT_API_KEY_FILE", str(use_file.parent / "absent"))
    monkeypatch.setenv("MM_FAKE_SECRETS_JSON", "{")
    monkeypatch.setenv("SECRETS_BACKEND", backend)
    code, out, err = mm("whoami", "--json")
    document = json.loads(out)
    assert code == 1 and document["status"] == "ERROR" and err.startswith(f"error: {document['error']}")
    assert document["backend"] == ("unknown" if backend == "gcp" else backend)


def test_a_wrong_exchange_env_is_shadow_with_a_warning(mm: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXCHANGE_ENV", "Live")
    code, out, err = mm("whoami", "--json")
    assert code == 0 and json.loads(out)["secret_env"] == "dev"
    assert err == "warning: EXCHANGE_ENV: Live is none of shadow, testnet, live (case matters); taken as shadow\n"


def test_save_list_rotate_fetch(mm: Call, use_file: Path) -> None:
    assert mm("save", "bybit", "api_key", stdin="the first value\n")[:2] == (
        0, f"save     OK   file, EXCHANGE_ENV shadow -> dev\n  {PATH}   the...***\n",
    )  # fmt: skip
    assert mm("save", "bybit", "api_key", stdin="another")[0] == 1
    assert mm("rotate", "bybit", "api_secret", stdin="another")[0] == 1
    assert mm("rotate", "bybit", "api_key", stdin="another value\n")[0] == 0
    assert json.loads(use_file.read_text())[PATH]["value"] == "another value"
    listed = json.loads(mm("list", "--json")[1])
    assert listed["secrets"] == [{"age_days": 0, "key": PATH, "rotation_due": False}]
    fetched = json.loads(mm("fetch", "bybit", "api_key", "--json")[1])
    assert (fetched["key"], fetched["value"], fetched["status"]) == (PATH, "ano...***", "OK")
    code, out, err = mm("fetch", "okx", "api_key", "--json")
    assert code == 1 and json.loads(out)["status"] == "ERROR" and "mm secrets save okx api_key" in err


def test_an_old_value_is_to_be_rotated(mm: Call, use_file: Path) -> None:
    use_file.parent.mkdir()
    use_file.write_text(json.dumps({PATH: {"saved_at": "2024-01-01T00:00:00Z", "value": "value"}}))
    use_file.chmod(0o600)
    for words in (("list",), ("fetch", "bybit", "api_key")):
        code, _, err = mm(*words)
        assert code == 0 and f"warning: {PATH} is " in err and "mm secrets rotate bybit api_key" in err
    assert json.loads(mm("list", "--json")[1])["secrets"][0]["rotation_due"]


def test_a_typed_value_is_asked_for_twice_and_not_echoed(use_file: Path) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(
            sys.executable, [sys.executable, "-m", "mmfold.adapters.cli.main", "secrets", "save", "bybit", "api_key"]
        )
    shown = b""
    for prompt in (f"{PATH}: ".encode(), b"confirmation: "):
        while prompt not in shown:  # what is typed before a prompt is flushed
            shown += os.read(terminal, 1024)
        os.write(terminal, b"typed value\n")
    with suppress(OSError):  # a terminal whose other side is gone
        while data := os.read(terminal, 1024):
            shown += data
    os.close(terminal)
    assert os.waitpid(pid, 0)[1] == 0 and b"typed value" not in shown and b"typ...***" in shown
    assert json.loads(use_file.read_text())[PATH]["value"] == "typed value"


MISPLACED = ["save bybit api_key hunter2value", "rotate bybit hunter2value", "save hunter2Value x"]


@pytest.mark.parametrize("words", MISPLACED)
def test_a_value_on_the_command_line_is_refused_and_not_repeated(mm: Call, use_file: Path, words) -> None:
    code, out, err = mm(*words.split(), "--json", stdin="value of stdin")
    assert code == 1 and "hunter2" not in out + err and not use_file.exists()


@pytest.mark.parametrize("stdin", ["", "\n", "a\0b"])
def test_nothing_is_kept_of_what_is_no_value(mm: Call, use_file: Path, stdin: str) -> None:
    assert mm("save", "bybit", "api_key", stdin=stdin)[0] == 1
    assert not use_file.exists()


def test_the_memory_backend_says_that_it_forgets(mm: Call) -> None:
    code, _, err = mm("save", "bybit", "api_key", stdin="value")
    assert code == 0 and "forgets" in err


def test_scan_and_its_allowlist(mm: Call, monkeypatch, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "x.env").write_text("\nMM_BYBIT_API_KEY=q7Zx9KnW2vL" + "e4Tb8Rm1Yc\n")
    code, out, _ = mm("scan", "d", "--json")
    document = json.loads(out)
    [found] = document["findings"]
    assert (code, document["status"], document["files"]) == (1, "ERROR", 1)
    assert (found["path"], found["line"], found["rule"], found["is_allowed"]) == ("d/x.env", 2, "assigned", False)
    assert mm("scan", "d")[1].endswith("1 files, 1 findings, 1 of them real\n")
    for name, option in ((".secretsallow", ()), ("list", ("--allowlist", "list"))):
        (tmp_path / ".secretsallow").unlink(missing_ok=True)
        (tmp_path / name).write_text(f"d/*.env {found['fingerprint']}  # a sample\n")
        for strict, expected in (("0", 0), ("1", 1)):
            monkeypatch.setenv("CI_STRICT_SECRETS", strict)
            assert mm("scan", "d", *option)[0] == expected
    assert mm("scan", "absent")[0] == 1
    assert mm("scan")[0] == 64


def test_scan_finds_what_the_backend_holds(mm: Call, use_file: Path, tmp_path: Path) -> None:
    mm("save", "bybit", "api_key", stdin="plain words")
    (tmp_path / "artifact.bin").write_bytes(b"\0\1plain words\0")
    code, out, _ = mm("scan", "artifact.bin", "--stored", "--json")
    assert code == 1 and [one["rule"] for one in json.loads(out)["findings"]] == ["known_value"]


def test_redact_makes_a_log_fit_for_outsiders(mm: Call, tmp_path: Path) -> None:
    log = '{"api_key":"x","event":"order_placed","order_id":77}\n'
    assert mm("redact", stdin=log)[1] == '{"api_key":"****","event":"order_placed","order_id":"****"}\n'
    (tmp_path / "mm.log").write_text(log)
    assert mm("redact", "mm.log")[1].count("****") == 2
    assert mm("redact", "absent.log")[0] == 64


def test_every_subcommand_has_an_example(mm: Call) -> None:
    for name in ("save", "fetch", "rotate", "list", "whoami", "scan", "redact"):
        code, out, _ = mm(name, "--help")
        assert code == 0 and "Example: " in out and f"mm secrets {name}" in out
