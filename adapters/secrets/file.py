"""Backend `file`: one JSON or YAML file that only its owner can read; must never read one that others may.

The document maps keys to values: {"mm-bot/dev/bybit/api_key": {"saved_at": "2024-08-08T00:00:00Z", "value": "..."}}; a
plain text instead of the object is accepted, its age is not known then.
"""

import fcntl
import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mmfold.adapters.secrets.backend import Listed, Stored
from mmfold.adapters.secrets.environment import SecretKey, parse_path
from mmfold.adapters.secrets.errors import BackendFailed, SecretError, SecretNotFound, UnsafeFile
from mmfold.adapters.secrets.value import Secret
from mmfold.journal.files.work import finished_file

VARIABLE = "SECRETS_FILE"
PATH_DEFAULT = "~/.config/mm/secrets.json"
FILE_BYTES_MAX = 1 << 20
PRIVATE = 0o600
OTHERS = stat.S_IRWXG | stat.S_IRWXO
YAML_SUFFIXES = (".yaml", ".yml")


class FileBackend:
    """Secrets in a file of mode 0600, replaced as a whole."""

    name = "file"

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.path = Path(environ.get(VARIABLE) or PATH_DEFAULT).expanduser()

    def check(self) -> None:
        """Read the file, if there is one.

        Raises: UnsafeFile, BackendFailed.
        """
        self.read()

    def fetch(self, key: SecretKey) -> Stored:
        """Return one secret."""
        stored = self.read()
        if key not in stored:
            raise SecretNotFound(f"{key.path} is not in {self.path}", f"mm secrets save {key.exchange} {key.field}")
        return stored[key]

    def write(self, key: SecretKey, value: Secret, now: datetime) -> None:
        """Replace the file by one with this value, or create it."""
        try:
            with self.alone():
                stored = self.read()
                stored[key] = Stored(key, value, now)
                self.replace(encode(stored, is_yaml=self.path.suffix in YAML_SUFFIXES))
        except OSError as error:
            raise BackendFailed(f"{self.path}: {error.strerror}", f"set {VARIABLE} to a path of yours") from None

    def names(self, secret_env: str) -> Iterable[Listed]:
        """Return the names of one environment."""
        return [Listed(key, one.saved_at) for key, one in self.read().items() if key.secret_env == secret_env]

    def read(self) -> dict[SecretKey, Stored]:
        """Return every secret; none where there is no file.

        Raises: UnsafeFile; BackendFailed for a document that cannot be used, with the place and never with its text.
        """
        try:
            # Not to block on a pipe: what kind of file it is, is known once it is open.
            with open(self.path, "rb", opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK)) as file:
                check_private(self.path, os.fstat(file.fileno()))  # of what was opened: a path can change meanwhile
                data = file.read(FILE_BYTES_MAX + 1)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise BackendFailed(f"{self.path}: {error.strerror}") from None
        if len(data) > FILE_BYTES_MAX:
            raise BackendFailed(f"{self.path}: longer than {FILE_BYTES_MAX:,} bytes")
        try:
            return parse(data, is_yaml=self.path.suffix in YAML_SUFFIXES)
        except SecretError as error:
            raise BackendFailed(f"{self.path}: {error}", error.hint) from None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the lock beside the file, so that two writers do not lose each other's value."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(
            self.path.with_name(f".{self.path.name}.lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
        )
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def replace(self, data: bytes) -> None:
        """Put a new document in the old one's place; it is private from its first byte on."""
        with finished_file(self.path.resolve(), PRIVATE) as file:
            file.write(data)


def check_private(path: Path, status: os.stat_result) -> None:
    """Refuse a file that is not the owner's alone.

    Raises: UnsafeFile.
    """
    if not stat.S_ISREG(status.st_mode):
        raise UnsafeFile(f"{path} is no regular file")
    if status.st_mode & OTHERS:
        mode = stat.S_IMODE(status.st_mode)
        raise UnsafeFile(
            f"{path} has mode {mode:04o}: others may use it", f"chmod 600 {path}, and rotate what is in it"
        )
    if status.st_uid not in (os.geteuid(), 0):
        raise UnsafeFile(f"{path} belongs to somebody else", "only its owner or the superuser may keep it")


def parse(data: bytes, *, is_yaml: bool) -> dict[SecretKey, Stored]:
    """Return the secrets of a document.

    Raises: SecretError with a line or a key, without a word of the document.
    """
    document: Any = None
    problem = ""
    try:
        document = load_yaml(data) if is_yaml else json.loads(data)
    except SecretError:
        raise
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        problem = f"line {line:,} is no JSON" if line else "is no JSON in UTF-8"
    if problem:
        raise SecretError(problem)  # outside of the block above: that error carries the whole document along
    if not isinstance(document, dict):
        raise SecretError(f"is no mapping of keys to values, found {type(document).__name__}")
    return dict(parse_entry(number, path, entry) for number, (path, entry) in enumerate(document.items(), start=1))


def load_yaml(data: bytes) -> Any:
    """Return a YAML document.

    Raises: SecretError with the line.
    """
    import yaml

    problem = ""
    try:
        return yaml.safe_load(data)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        problem = f"line {mark.line + 1:,} is no YAML" if mark is not None else "is no YAML"
    raise SecretError(problem)  # yaml's own message quotes the line, and the line may hold a value


def parse_entry(number: int, path: object, entry: Any) -> tuple[SecretKey, Stored]:
    """Return one secret of the document."""
    key = parse_path(path) if isinstance(path, str) else None
    if key is None:
        raise SecretError(f"entry {number} has a name that is none of ours", "for example: mm-bot/dev/bybit/api_key")
    fields = entry if isinstance(entry, dict) else {"value": entry}
    if not fields.keys() <= {"value", "saved_at"} or not isinstance(fields.get("value"), str):
        raise SecretError(f"{key.path} is no text", "put it in quotes: what looks like a number is one otherwise")
    try:
        return key, Stored(key, Secret(fields["value"]), parse_time(fields.get("saved_at")))
    except SecretError as error:
        raise SecretError(f"{key.path}: {error}", error.hint) from None


def parse_time(given: Any) -> datetime | None:
    """Return a UTC time; YAML may have made one of the text already."""
    if given is None:
        return None
    try:
        time = given if isinstance(given, datetime) else datetime.fromisoformat(given)
    except (TypeError, ValueError):
        raise SecretError("saved_at is no ISO time", "for example: 2024-08-08T00:00:00Z") from None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def encode(stored: dict[SecretKey, Stored], *, is_yaml: bool) -> bytes:
    """Return the document, keys sorted."""
    document = {}
    for key, one in sorted(stored.items()):
        entry = {"value": one.value.reveal()}
        if one.saved_at is not None:
            entry["saved_at"] = one.saved_at.strftime("%Y-%m-%dT%H:%M:%SZ")
        document[key.path] = entry
    if is_yaml:
        import yaml

        return yaml.safe_dump(document, allow_unicode=True).encode()
    return (json.dumps(document, indent=2, sort_keys=True) + "\n").encode()
