"""`mm secrets`: keep, look at and renew the keys of venues, search files for stray ones; must never print a value."""

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from mmfold.adapters.cli.errors import EXIT_ERROR, hint_of, print_error
from mmfold.adapters.cli.output import emit_json, print_table

if TYPE_CHECKING:
    from mmfold.adapters.secrets.backend import Backend
    from mmfold.adapters.secrets.environment import Environment, SecretKey
    from mmfold.adapters.secrets.scan import Finding

    Work = Callable[[Backend, str, datetime], dict[str, Any]]

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
EXCHANGE = click.argument("exchange")
FIELD = click.argument("field", metavar="api_key|api_secret")
SURPLUS = click.argument("surplus", nargs=-1, metavar="")
PATHS = click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))


@click.group(name="secrets", help="Keep, list and renew the keys of venues; search files for stray ones.")
def command() -> None:
    """Guard the process before anything is read."""
    from mmfold.adapters.crash import forbid_core_dumps
    from mmfold.adapters.logs import LEVELS, setup_logs

    level = os.environ.get("LOG_LEVEL", "")
    setup_logs(level if level in LEVELS else "WARNING")  # boto3 at DEBUG prints whole answers
    forbid_core_dumps()


@command.command(epilog="Example: mm secrets save bybit api_secret < secret.txt")
@EXCHANGE
@FIELD
@SURPLUS
@AS_JSON
def save(exchange: str, field: str, surplus: tuple[str, ...], as_json: bool) -> int:
    """Keep the first value of a key, read from stdin or asked for."""
    return write("save", exchange, field, surplus, as_json)


@command.command(epilog="Example: mm secrets rotate bybit api_secret < new.txt")
@EXCHANGE
@FIELD
@SURPLUS
@AS_JSON
def rotate(exchange: str, field: str, surplus: tuple[str, ...], as_json: bool) -> int:
    """Keep a new value of a key that has one, read from stdin or asked for."""
    return write("rotate", exchange, field, surplus, as_json)


@command.command(epilog="Example: mm secrets fetch bybit api_key --json")
@EXCHANGE
@FIELD
@AS_JSON
def fetch(exchange: str, field: str, as_json: bool) -> int:
    """Find a key and show the first characters of its value and its age, never the value."""
    from mmfold.adapters.secrets.backend import age_days
    from mmfold.adapters.secrets.environment import make_key

    def work(backend: "Backend", secret_env: str, now: datetime) -> dict[str, Any]:
        one = backend.fetch(make_key(secret_env, exchange, field))
        print_warnings(one.key, one.saved_at, now)
        return {"key": one.key.path, "value": str(one.value), "age_days": age_days(one.saved_at, now)}

    return act("fetch", work, as_json)


@command.command(name="list", epilog="Example: mm secrets list --json")
@AS_JSON
def list_command(as_json: bool) -> int:
    """List the keys of this environment and their ages."""
    from mmfold.adapters.secrets.backend import age_days, rotation_warning

    def work(backend: "Backend", secret_env: str, now: datetime) -> dict[str, Any]:
        rows = []
        for one in sorted(backend.names(secret_env), key=lambda listed: listed.key):
            print_warnings(one.key, one.saved_at, now)
            is_due = bool(rotation_warning(one.key, one.saved_at, now))
            rows.append({"key": one.key.path, "age_days": age_days(one.saved_at, now), "rotation_due": is_due})
        return {"secrets": rows}

    return act("list", work, as_json)


@command.command(epilog="Example: EXCHANGE_ENV=testnet mm secrets whoami --json")
@AS_JSON
def whoami(as_json: bool) -> int:
    """Say which backend and environment are in force and whether the backend answers."""

    def work(backend: "Backend", secret_env: str, now: datetime) -> dict[str, Any]:
        backend.check()
        return {}

    return act("whoami", work, as_json)


@command.command(epilog="Example: mm secrets scan out docs --stored")
@PATHS
@click.option(
    "--allowlist", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Default: .secretsallow"
)
@click.option("--stored", is_flag=True, help="Search for the values in the backend as well.")
@AS_JSON
def scan(paths: tuple[Path, ...], allowlist: Path | None, stored: bool, as_json: bool) -> int:
    """Search PATHS for credentials; exit 1 if there is one that the allowlist does not know.

    With CI_STRICT_SECRETS=1 allowed ones count as well. Compressed files are not opened.
    """
    from dataclasses import asdict

    from mmfold.adapters.secrets.registry import open_backend
    from mmfold.adapters.secrets.scan import ALLOWLIST_NAME, files_of, parse_allowlist, scan_file

    if stored:
        backend, environment = open_backend(os.environ), environment_in_force()
        for one in backend.names(environment.secret_env):
            backend.fetch(one.key)  # what becomes a Secret is a known value from then on
    chosen = allowlist or Path(ALLOWLIST_NAME)
    is_there = allowlist is not None or chosen.exists()
    allowed = parse_allowlist(chosen.read_text(encoding="utf-8", errors="replace"), str(chosen)) if is_there else ()
    findings: list[Finding] = []
    file_count = 0
    for path in files_of(paths):
        file_count += 1
        findings += scan_file(path, allowed)
    is_strict = os.environ.get("CI_STRICT_SECRETS") == "1"
    real_count = sum(is_strict or not one.is_allowed for one in findings)
    if as_json:
        status = "ERROR" if real_count else "OK"
        emit_json({"action": "scan", "files": file_count, "findings": list(map(asdict, findings)), "status": status})
    else:
        rows = [
            (one.path, str(one.line), one.rule, one.fingerprint, "yes" if one.is_allowed else "no") for one in findings
        ]
        if rows:
            print_table(("file", "line", "rule", "fingerprint", "allowed"), rows)
        click.echo(f"{file_count:,} files, {len(findings):,} findings, {real_count:,} of them real")
    return EXIT_ERROR if real_count else 0


@command.command(epilog="Example: mm secrets redact < mm.log > for-support.log")
@click.argument("source", type=click.File("r", encoding="utf-8", errors="backslashreplace"), default="-")
def redact(source: TextIO) -> None:
    """Copy a log to stdout as outsiders may have it: redacted again, without order ids."""
    from mmfold.adapters.redact import Audience
    from mmfold.adapters.redact import redact as redact_text

    sys.stdout.write(redact_text(source.read(), Audience.OUTSIDER))


def write(action: str, exchange: str, field: str, surplus: tuple[str, ...], as_json: bool) -> int:
    """Read a value and give it to the backend."""
    from mmfold.adapters.secrets import backend as verbs
    from mmfold.adapters.secrets.environment import make_key
    from mmfold.adapters.secrets.errors import SecretError
    from mmfold.adapters.secrets.value import Secret

    def work(backend: "Backend", secret_env: str, now: datetime) -> dict[str, Any]:
        key = make_key(secret_env, exchange, field)
        if surplus:
            hint = "if a value stood there, the shell's history and the process list had it: make a new one"
            raise SecretError("a value is read from stdin or asked for, never taken from the command line", hint)
        value = Secret(read_value(key.path))
        if action == "save":
            verbs.save(backend, key, value, now)
        else:
            verbs.rotate(backend, key, value, now)
        if backend.name == "memory":
            click.echo("warning: the memory backend forgets at the end of this process", err=True)
        return {"key": key.path, "value": str(value)}

    return act(action, work, as_json)


def read_value(path: str) -> str:
    """Return what comes on stdin, or what a person types unseen."""
    from mmfold.adapters.secrets.value import VALUE_BYTES_MAX, decode_value

    if sys.stdin.isatty():
        return str(click.prompt(path, hide_input=True, confirmation_prompt=True, err=True))
    return decode_value(sys.stdin.buffer.read(VALUE_BYTES_MAX + 2))  # with a line end a value may still be too long


def act(action: str, work: "Work", as_json: bool) -> int:
    """Run one action on the backend in force, print its result, and return the exit code."""
    from mmfold.adapters.redact import redact_known
    from mmfold.adapters.secrets.errors import SecretError
    from mmfold.adapters.secrets.registry import BACKENDS, backend_name, open_backend

    environment = environment_in_force()
    name = backend_name(os.environ)
    document: dict[str, Any] = {
        "action": action,
        "backend": name if name in BACKENDS else "unknown",
        "exchange_env": environment.exchange_env,
        "secret_env": environment.secret_env,
    }
    try:
        document |= work(open_backend(os.environ), environment.secret_env, datetime.now(UTC))
    except SecretError as error:
        print_error(str(error), hint_of(error))
        if as_json:
            emit_json(document | {"error": redact_known(str(error)), "status": "ERROR"})
        return EXIT_ERROR
    document["status"] = "OK"
    if as_json:
        emit_json(document)
    else:
        print_document(document)
    return 0


def print_document(document: dict[str, Any]) -> None:
    """Print a result for a person: one line each, keys of an environment as a table."""
    rows = document.pop("secrets", None)
    place = f"{document['backend']}, EXCHANGE_ENV {document['exchange_env']} -> {document['secret_env']}"
    click.echo(f"{document['action']:<8} {document['status']}   {place}")
    if "key" in document:
        age = document.get("age_days")
        click.echo(f"  {document['key']}   {document['value']}{'' if age is None else f'   {age:,} days old'}")
    if rows:
        cells = [
            (
                row["key"],
                "-" if row["age_days"] is None else f"{row['age_days']:,}",
                "due" if row["rotation_due"] else "-",
            )
            for row in rows
        ]
        print_table(("key", "age days", "rotation"), cells)


def environment_in_force() -> "Environment":
    """Return what EXCHANGE_ENV stands for, and say so where it is not what it says."""
    from mmfold.adapters.secrets.environment import resolve_environment

    environment = resolve_environment(os.environ)
    for line in environment.warnings:
        click.echo(f"warning: {line}", err=True)
    return environment


def print_warnings(key: "SecretKey", saved_at: datetime | None, now: datetime) -> None:
    """Say that a key is due for a new value, if it is."""
    from mmfold.adapters.secrets.backend import rotation_warning

    line = rotation_warning(key, saved_at, now)
    if line:
        click.echo(f"warning: {line}", err=True)
