"""A stop of an account that outlives its session: any next start of it finds it, until a person lifts it.

One small file per account in the user's state directory, private, replaced whole. Must never hold a key: an account is
known by a hash of the venue, the mode and its key's id.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from mmfold.adapters.venues.port import Credentials
from mmfold.engine.json_text import parse_json
from mmfold.journal.files.plain_file import read_plain, sync_directory
from mmfold.journal.files.work import finished_file

ACCOUNT_CHARS = 16
STOP_BYTES_MAX = 1 << 14
SUFFIX, LIFTED, USED = ".json", ".lifted", ".used"
UNREADABLE = "a stop that cannot be read"
PLACE_HINT = "set XDG_STATE_HOME to a directory of yours: a kill switch that is pulled is kept there until it is lifted"


class AccountStopped(Exception):
    """An account that was stopped and not lifted since; the hint says how."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class NoStatePlace(OSError):
    """There is no private directory to keep a stop in."""

    hint = PLACE_HINT


@dataclass(frozen=True, kw_only=True)
class AccountStop:
    """One account and, once it was stopped, why and when."""

    account: str
    venue: str
    mode: str
    run_id: str = ""
    journal: str = ""
    reason: str = ""
    ts_ns: int = 0

    @property
    def path(self) -> Path:
        """The file that keeps it."""
        return state_directory() / f"{self.account}{SUFFIX}"

    def keep(self, reason: str) -> None:
        """Write it down, durably and at once.

        Raises: OSError.
        """
        stopped = replace(self, reason=reason, ts_ns=time.time_ns())
        with finished_file(self.path, 0o600) as file:
            file.write(json.dumps(asdict(stopped), sort_keys=True, indent=1).encode() + b"\n")

    def was_lifted(self, reason: str, since_ns: int) -> bool:
        """Tell whether a stop for a reason that was kept since then is lifted by now."""
        lifted = self.path.with_suffix(LIFTED)
        if not os.path.lexists(lifted):
            return False
        last = read_stop(lifted)
        return last.reason == reason and last.ts_ns >= since_ns

    def use_up(self) -> None:
        """Keep a lift from counting for a stop that comes later: it was for the one before.

        Raises: OSError.
        """
        with suppress(FileNotFoundError):
            os.replace(self.path.with_suffix(LIFTED), self.path.with_suffix(USED))
            sync_directory(self.path.parent)


def account_of(venue: str, mode: str, keys: Credentials) -> str:
    """Return the name that an account has here: nothing leads from it to the key."""
    text = json.dumps([venue, mode, keys.api_key.reveal()])
    return hashlib.sha256(text.encode()).hexdigest()[:ACCOUNT_CHARS]


def state_directory() -> Path:
    """Return the directory of the stops, made private if it is not there yet.

    Raises: NoStatePlace, OSError.
    """
    chosen, home = (os.environ.get(name, "") for name in ("XDG_STATE_HOME", "HOME"))
    if not os.path.isabs(chosen) and not os.path.isabs(home):
        raise NoStatePlace(0, "neither XDG_STATE_HOME nor HOME names a directory")
    base = Path(chosen) if os.path.isabs(chosen) else Path(home) / ".local" / "state"
    directory = base / "mmfold" / "stopped"
    try:
        base.mkdir(parents=True, exist_ok=True)
        for level in (directory.parent, directory):
            level.mkdir(mode=0o700, exist_ok=True)
        found = os.stat(directory, follow_symlinks=False)
    except OSError as error:
        raise NoStatePlace(error.errno, error.strerror, str(directory)) from error
    if found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise NoStatePlace(0, f"{directory} is open to others: chmod 700 {directory}")
    return directory


def check_stop(account: AccountStop) -> None:
    """Check that an account is not stopped, and that a stop could be kept.

    Raises: AccountStopped, OSError.
    """
    path = account.path
    if os.path.lexists(path):
        stop = read_stop(path)
        raise AccountStopped(
            f"this account was stopped: {describe_stop(stop)}",
            f"look at the account and at that journal, then lift it: mm resume {account.account}",
        )


def read_stop(path: Path) -> AccountStop:
    """Return what a file says of a stop; one that cannot be read is a stop all the same."""
    try:
        document = parse_json(read_plain(path, STOP_BYTES_MAX))
        if isinstance(document, dict) and all(type(document[one.name]) is one.type for one in fields(AccountStop)):
            return AccountStop(**{one.name: document[one.name] for one in fields(AccountStop)})
    except (OSError, ValueError, KeyError):
        pass
    return AccountStop(account=path.stem, venue="", mode="", reason=UNREADABLE)


def list_stops() -> Iterator[AccountStop]:
    """Yield every account that is stopped.

    Raises: OSError.
    """
    for path in sorted(state_directory().glob(f"*{SUFFIX}")):
        yield read_stop(path)


def lift_stop(account: str) -> AccountStop | None:
    """Lift the stop of an account and return what it was, None where there is none; what it said is kept beside.

    Raises: OSError.
    """
    path = state_directory() / f"{account}{SUFFIX}"
    if Path(account).name != account or not os.path.lexists(path):
        return None
    stop = read_stop(path)
    os.replace(path, path.with_suffix(LIFTED))
    sync_directory(path.parent)
    return stop


def describe_stop(stop: AccountStop) -> str:
    """Return a stop in words."""
    if not stop.ts_ns:
        return f"{stop.reason} ({stop.account})"
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(stop.ts_ns // 1_000_000_000))
    said = f"{stop.reason} at {when}, {stop.venue} {stop.mode}, run {stop.run_id}, journal {stop.journal}"
    return "".join(one if one.isprintable() else "?" for one in said)
