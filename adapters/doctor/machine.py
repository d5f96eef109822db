"""What a session needs of this machine: environment, packages, configuration, disk, ports; must never leave a file."""

import os
import platform
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from mmfold.adapters.alerts.opening import open_channels
from mmfold.adapters.doctor.check import Check, fail, ok, warn
from mmfold.adapters.ports import PortError, take_port
from mmfold.adapters.requirements import DISTRIBUTION, read_requirements
from mmfold.adapters.secrets.environment import SECRET_ENV_BY_EXCHANGE_ENV, resolve_environment
from mmfold.adapters.secrets.errors import SecretError
from mmfold.adapters.secrets.registry import backend_name
from mmfold.config.errors import ConfigError
from mmfold.config.load import load_config
from mmfold.config.models import Config
from mmfold.config.params import unused_settings
from mmfold.journal.log.lock import is_locked

HOST = "127.0.0.1"
LIVE_ENABLE = "MM_LIVE_ENABLE"
GIB = 1 << 30
FREE_BYTES_MIN = GIB  # four segments of a journal
FREE_BYTES_LOW = 10 * GIB  # a busy symbol fills one or two GiB a day


def check_environment(mode: str, environ: Mapping[str, str]) -> list[Check]:
    """Compare the mode with what the environment permits and chooses keys by."""
    environment = resolve_environment(environ)
    is_enabled = environ.get(LIVE_ENABLE) == "1"
    known = ", ".join(SECRET_ENV_BY_EXCHANGE_ENV)
    found = [warn("env", "bad_env:EXCHANGE_ENV", line, f"set one of {known}") for line in environment.warnings]
    if mode in SECRET_ENV_BY_EXCHANGE_ENV and mode != environment.exchange_env:
        text = (
            f"mode {mode}, but EXCHANGE_ENV {environment.exchange_env}: keys of {environment.secret_env} would be used"
        )
        found.append((fail if mode == "live" else warn)("env", f"mode_env:{mode}", text, f"export EXCHANGE_ENV={mode}"))
    if mode == "live" and not is_enabled:
        text = f"mode live, but {LIVE_ENABLE} is not 1: mm live refuses to start"
        found.append(
            fail("env", f"missing_env:{LIVE_ENABLE}", text, f"export {LIVE_ENABLE}=1 when real orders are meant")
        )
    if mode != "live" and is_enabled:
        text = f"{LIVE_ENABLE}=1 permits real orders, which mode {mode} does not need"
        found.append(warn("env", f"live_enabled:{mode}", text, f"unset {LIVE_ENABLE}"))
    if found:
        return found
    chosen = f"EXCHANGE_ENV {environment.exchange_env} (keys of {environment.secret_env})"
    return [ok("env", f"mode {mode}, {chosen}, {LIVE_ENABLE} {'set' if is_enabled else 'not set'}")]


def check_dependencies(environ: Mapping[str, str]) -> list[Check]:
    """Compare what is installed with what mm is pinned to."""
    extras = {None, "live"} | ({"aws"} if backend_name(environ) == "aws" else set())
    try:
        required = [one for one in read_requirements() if one.extra in extras]
    except metadata.PackageNotFoundError:
        text, hint = f"{DISTRIBUTION} itself is not installed", "make venv in its checkout, or install its wheel"
        return [fail("dependencies", f"missing_dependency:{DISTRIBUTION}", text, hint)]
    found = []
    for one in required:
        try:
            installed = metadata.version(one.name)
        except metadata.PackageNotFoundError:
            brought = f", the extra {one.extra} brings it" if one.extra else ""
            text = f"{one.name} is not installed{brought}"
            found.append(fail("dependencies", f"missing_dependency:{one.name}", text, one.install))
            continue
        if installed != one.pinned:
            text = f"{one.name} {installed} is installed, mm is tested with {one.pinned}"
            found.append(warn("dependencies", f"other_version:{one.name}", text, one.install))
    text = f"{len(required)} packages as pinned, Python {platform.python_version()}"
    return found or [ok("dependencies", text)]


def check_config(path: Path | None) -> tuple[list[Check], Config | None]:
    """Read the configuration as a session would."""
    try:
        config = load_config(path)
    except ConfigError as error:
        return [fail("config", "config_parse", str(error), error.hint or "mm config describe KEY explains a key")], None
    found = [warn("config", "config_warning", line, f"mm config migrate {path} --in-place") for line in config.warnings]
    found += [warn("config", "config_warning", line, "take it out of that file") for line in unused_settings(config)]
    place = "the defaults (no --config)" if path is None else str(path)
    own = f", own settings for {', '.join(sorted(config.per_symbol))}" if config.per_symbol else ""
    return found or [ok("config", f"{place}{own}")], config


def check_alerts(config: Config | None, environ: Mapping[str, str]) -> list[Check]:
    """Find out whether every channel of alerts can be opened; nothing is sent, and none is nothing to tell."""
    if config is None:
        return []
    try:
        channels = open_channels(config.alerts, environ)
    except (ConfigError, SecretError) as error:
        return [fail("alerts", "alert_channel", str(error), error.hint or "mm docs alerts")]
    if not channels:
        return []
    names = " and ".join(one.name for one in channels)
    return [ok("alerts", f"{names}, from {config.alerts.min_severity} on; not tried: mm alerts test")]


def check_directory(path: Path) -> list[Check]:
    """Find out whether a journal can be written at a path, which need not exist yet."""
    token, choose = f"writable_dir:{path}", "or choose another --journal"
    parent = next(one for one in (path, *path.absolute().parents) if one.exists())
    if not parent.is_dir():
        return [fail("journal", token, f"{parent} is a file, a directory is needed", f"move it away, {choose}")]
    try:
        with tempfile.TemporaryFile(dir=parent) as file:
            file.write(b"mm")
            file.flush()
            os.fsync(file.fileno())
        free_bytes = shutil.disk_usage(parent).free
        is_taken = parent == path and is_locked(path)
    except OSError as error:
        return [fail("journal", token, f"{parent}: {error.strerror}", f"check owner and permissions, {choose}")]
    if is_taken:
        text = f"{path}: another process writes this journal"
        return [fail("journal", f"journal_locked:{path}", text, f"stop that session, {choose}")]
    return [check_space(path, free_bytes)]


def check_space(path: Path, free_bytes: int) -> Check:
    """Judge the room that is left on a disk."""
    text = f"{path}: writable, {free_bytes / GIB:,.1f} GiB free"
    if free_bytes >= FREE_BYTES_LOW:
        return ok("journal", text)
    if free_bytes >= FREE_BYTES_MIN:
        return warn(
            "journal", f"disk_low:{path}", text, f"free some: below {FREE_BYTES_LOW // GIB} GiB it fills in days"
        )
    return fail(
        "journal", f"disk_full:{path}", text, f"free at least {FREE_BYTES_MIN // GIB} GiB, or choose another disk"
    )


def check_ports(ports: Sequence[int]) -> list[Check]:
    """Find out whether each port can be listened on, by doing so."""
    found = []
    for port in ports:
        try:
            take_port(HOST, port).close()
            found.append(ok("ports", f"port {port} of {HOST} is free"))
        except PortError as error:
            found.append(fail("ports", f"port_busy:{port}", error.strerror or "", error.hint))
    return found


def system_facts() -> dict[str, Any]:
    """Return what the machine is."""
    return {"machine": platform.machine(), "python": platform.python_version(), "system": platform.system()}
