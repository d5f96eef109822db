"""Documents and files that hold secrets: what is refused, and that no refusal repeats a word of them."""

import os
import traceback
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mmfold.adapters.secrets.backend import rotate, save
from mmfold.adapters.secrets.environment import SecretKey
from mmfold.adapters.secrets.errors import BackendFailed, NotWritable, SecretNotFound, UnsafeFile
from mmfold.adapters.secrets.file import FileBackend
from mmfold.adapters.secrets.memory import MemoryBackend
from mmfold.adapters.secrets.value import Secret

pytestmark = pytest.mark.usefixtures("guards")

KEY = SecretKey("dev", "bybit", "api_key")
PATH = KEY.path
CANARY = "canary-never-a-Secret"  # so that it is the error, not the redactor, that keeps it
NOW = datetime(2024, 8, 8, tzinfo=UTC)


def private(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_bytes(text.encode())
    path.chmod(mode)
    return path


BAD_DOCUMENTS = [
    # name, text, what is said
    ("s.json", f'{{"{PATH}": "{CANARY}"', "line 1 is no JSON"),
    ("s.json", f'{{"{PATH}":\n\n "{CANARY}" x}}', "line 3 is no JSON"),
    ("s.json", f'["{CANARY}"]', "no mapping"),
    ("s.json", f'{{"{CANARY}": "x"}}', "entry 1 has a name that is none of ours"),
    ("s.json", f'{{"{PATH}": {{"value": "x", "{CANARY}": 1}}}}', f"{PATH} is no text"),
    ("s.json", f'{{"{PATH}": {{"value": "x1", "saved_at": "{CANARY}"}}}}', "saved_at is no ISO time"),
    ("s.json", f'{{"{PATH}": ""}}', "the value is empty"),
    ("s.json", "[" * 100_000, "no JSON"),
    ("s.yaml", f"{PATH}: [{CANARY}", "is no YAML"),
    ("s.yaml", f"{PATH}: {CANARY}: x", "line 1 is no YAML"),
    ("s.yaml", f"{PATH}: !!python/object:{CANARY} x", "line 1 is no YAML"),
    ("s.yaml", f"{PATH}: 12345", f"{PATH} is no text"),
    ("s.yaml", f"{PATH}: {{value: x1, saved_at: 2024-99-99}}", "no"),
    ("s.yml", CANARY, "no mapping"),
    ("s.json", " " * (1 << 21), "longer than"),
]


@pytest.mark.parametrize(("name", "text", "said"), BAD_DOCUMENTS)
def test_a_bad_file_is_told_without_its_text(tmp_path: Path, name: str, text: str, said: str) -> None:
    path = private(tmp_path / name, text)
    with pytest.raises(BackendFailed, match=said) as caught:
        FileBackend({"SECRETS_FILE": str(path)}).fetch(KEY)
    assert str(path) in str(caught.value)
    assert CANARY not in "".join(traceback.format_exception(caught.value)) + caught.value.hint


@pytest.mark.parametrize("text", [f'{{"{PATH}": "{CANARY}"', f'["{CANARY}"]', f'{{"{CANARY}": 1}}', "[" * 100_000])
def test_bad_fakes_are_told_without_their_text(text: str) -> None:
    with pytest.raises(BackendFailed, match="MM_FAKE_SECRETS_JSON") as caught:
        MemoryBackend({"MM_FAKE_SECRETS_JSON": text})
    assert CANARY not in "".join(traceback.format_exception(caught.value))


MODES = [(0o600, True), (0o400, True), (0o640, False), (0o604, False), (0o620, False), (0o601, False), (0o644, False)]


@pytest.mark.parametrize(("mode", "accepted"), MODES)
def test_only_the_owner_may_read_or_write_the_file(tmp_path: Path, mode: int, accepted: bool) -> None:
    path = private(tmp_path / "s.json", f'{{"{PATH}": "value"}}', mode)
    backend = FileBackend({"SECRETS_FILE": str(path)})
    if accepted:
        assert backend.fetch(KEY).value.reveal() == "value"
        return
    for act in (lambda: backend.fetch(KEY), lambda: backend.write(KEY, Secret("new value"), NOW)):
        with pytest.raises(UnsafeFile, match=f"mode {mode:04o}"):
            act()
    assert path.read_text() == f'{{"{PATH}": "value"}}'


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_a_written_file_is_private_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "s.json"
    before = os.umask(umask)
    try:
        save(FileBackend({"SECRETS_FILE": str(path)}), KEY, Secret("value"), NOW)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    assert {one.name for one in tmp_path.iterdir()} == {"s.json", ".s.json.lock"}


def test_a_plain_text_is_a_value_of_unknown_age_and_a_link_stays_one(tmp_path: Path) -> None:
    private(tmp_path / "real.yaml", f"{PATH}: value\nmm-bot/prod/okx/api_key: {{value: other, saved_at: 2024-08-08}}\n")
    (tmp_path / "s.yaml").symlink_to(tmp_path / "real.yaml")
    backend = FileBackend({"SECRETS_FILE": str(tmp_path / "s.yaml")})
    with pytest.raises(BackendFailed, match="saved_at is no ISO time"):
        backend.fetch(KEY)
    private(tmp_path / "real.yaml", f"{PATH}: value\n")
    assert backend.fetch(KEY).saved_at is None
    rotate(backend, KEY, Secret("new value"), NOW)
    assert (tmp_path / "s.yaml").is_symlink() and backend.fetch(KEY).saved_at == NOW


def test_a_pipe_is_no_file_of_secrets(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "s.json", 0o600)
    with pytest.raises(UnsafeFile, match="no regular file"):
        FileBackend({"SECRETS_FILE": str(tmp_path / "s.json")}).check()


def test_a_directory_that_cannot_be_used_is_the_users_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(BackendFailed):
        FileBackend({"SECRETS_FILE": str(tmp_path / "file" / "s.json")}).write(KEY, Secret("value"), NOW)


# The env backend


def open_env(run_secrets: Path, **environ: str):
    from mmfold.adapters.secrets.env import EnvBackend

    return EnvBackend(environ, run_secrets)


def test_a_variable_is_its_file_then_the_mount_then_itself(tmp_path: Path) -> None:
    named = private(tmp_path / "named", "from the file\n")
    mount = tmp_path / "mount"
    mount.mkdir()
    environ = {"MM_BYBIT_API_KEY_FILE": str(named), "MM_BYBIT_API_KEY": "from the variable", "BYBIT_API_KEY": "plain"}
    told = []
    (mount / "mm_bybit_api_key").write_text("from the mount\n")
    told.append(open_env(mount, **environ).fetch(KEY).value.reveal())
    del environ["MM_BYBIT_API_KEY_FILE"]
    told.append(open_env(mount, **environ).fetch(KEY).value.reveal())
    (mount / "mm_bybit_api_key").unlink()
    told.append(open_env(mount, **environ).fetch(KEY).value.reveal())
    del environ["MM_BYBIT_API_KEY"]
    told.append(open_env(mount, **environ).fetch(KEY).value.reveal())
    assert told == ["from the file", "from the mount", "from the variable", "plain"]
    with pytest.raises(SecretNotFound, match="MM_BYBIT_API_KEY is not set"):
        open_env(mount).fetch(KEY)


def test_a_default_is_the_last_word(tmp_path: Path) -> None:
    from mmfold.adapters.secrets.env import read_variable

    assert read_variable("STORAGE_PG_PASSWORD", {}, tmp_path) is None
    assert read_variable("STORAGE_PG_PASSWORD", {}, tmp_path, default="x").text == "x"


def test_a_named_file_that_is_not_there_is_no_reason_to_look_elsewhere(tmp_path: Path) -> None:
    backend = open_env(tmp_path, MM_BYBIT_API_KEY_FILE=str(tmp_path / "absent"), MM_BYBIT_API_KEY="value")
    for act in (backend.check, lambda: backend.fetch(KEY)):
        with pytest.raises(BackendFailed, match="MM_BYBIT_API_KEY_FILE"):
            act()


def test_only_our_variables_are_listed_and_none_is_written(tmp_path: Path) -> None:
    (tmp_path / "bybit_api_secret").write_text("x")
    backend = open_env(tmp_path, MM_OKX_API_KEY="a", BYBIT_API_KEY="b", OPENAI_API_KEY="c", MM_X="d", MM__API_KEY="e")
    listed = {(one.key.exchange, one.key.field) for one in backend.names("dev")}
    assert listed == {("okx", "api_key"), ("bybit", "api_key"), ("bybit", "api_secret")}
    with pytest.raises(NotWritable):
        backend.write(KEY, Secret("value"), NOW)
