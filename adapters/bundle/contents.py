"""The members of a bundle beside its journal, each scrubbed; must never ask a venue or a network.

versions.json   mm, its rules and build, Python, packages, machine
doctor.json     what `mm doctor` finds without a venue; the one member that is another one another time
config.json     the configuration at the end of the journal, as it was folded
config.yaml     the file of --config
report.json     the report of the journal, without what varies; REPORT.md the same to read
BUNDLE.json     what the journal was taken from, how its replay ended, and every member's hash
"""

import hashlib
import os
import platform
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from mmfold.adapters import redact
from mmfold.adapters.bundle.scrub import Scrubber
from mmfold.adapters.doctor import machine
from mmfold.adapters.doctor.check import Report
from mmfold.adapters.requirements import read_requirements
from mmfold.adapters.secrets.environment import resolve_environment
from mmfold.config.errors import ConfigError
from mmfold.engine.cache import core_digest
from mmfold.engine.layout import LAYOUT_ID
from mmfold.engine.manifest import CODE_VERSION, canonical_json
from mmfold.engine.rules import RULES
from mmfold.journal.bundle import INDEX_NAME, JOURNAL_PREFIX
from mmfold.journal.log.seal import SEAL_NAME
from mmfold.replay.excerpt import Excerpt, segment_files
from mmfold.replay.result import ReplayResult
from mmfold.replay.run import Replay, ReplayOptions
from mmfold.reports.page import render_markdown
from mmfold.reports.summary import build_report

SCHEMA_VERSION = 1
CONFIG_BYTES_MAX = 1 << 20
VARYING = "run"  # the key of a report under which stands what another run says otherwise


@dataclass
class Replayed:
    """How the replay of the bundle's journal ended; a bundle is made of what fails, too."""

    result: ReplayResult | None = None
    document: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""


def replay_journal(place: Path) -> Replayed:
    """Replay the journal that goes into the bundle, to its end or to where it fails."""
    try:
        run = Replay(place, ReplayOptions(sample=True, checkpoints=False))
    except Exception as error:
        return Replayed(error=error_text(error))
    try:
        result = run.run()
    except Exception as error:
        return Replayed(document=run.core.document, error=error_text(error))
    return Replayed(result=result, document=run.core.document)


def error_text(error: Exception) -> str:
    """Return what a replay ended with."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def make_members(
    excerpt: Excerpt, place: Path, parent: Path, config_path: Path | None, notes: tuple[str, ...]
) -> tuple[dict[str, bytes | Path], dict[str, Any]]:
    """Return the members by name, and the index that is one of them.

    Raises: ConfigError for a --config that cannot be read.
    """
    replayed = replay_journal(place)
    report = {} if replayed.result is None else build_report(replayed.result)
    report.pop(VARYING, None)
    own = {LAYOUT_ID, core_digest(), *report.get("digests", {}).values()}
    keep = {excerpt.head, excerpt.parent_head, excerpt.parent_run, *own, *hashes(report)}
    scrubber = Scrubber(keep, [place, parent.parent, parent])
    texts: dict[str, bytes | Path] = {
        "config.json": canonical_json(scrubber.document(dict(replayed.document))) + b"\n",
        "doctor.json": canonical_json(scrubber.document(doctor_document(parent, config_path))) + b"\n",
        "versions.json": canonical_json(scrubber.document(versions_document())) + b"\n",
    }
    if config_path is not None:
        texts["config.yaml"] = scrubber.text(read_config(config_path)).encode()
    if replayed.result is not None:
        texts["report.json"] = canonical_json(scrubber.document(report)) + b"\n"
        texts["REPORT.md"] = scrubber.text(render_markdown(replayed.result, build_report(replayed.result))).encode()
    files: dict[str, bytes | Path] = {
        f"{JOURNAL_PREFIX}{file.name}": file for file in (*segment_files(place), place / SEAL_NAME)
    }
    index = {
        **{key: value for key, value in asdict(excerpt).items() if key != "notes"},
        "members": {name: described(source) for name, source in sorted({**texts, **files}.items())},
        "notes": [scrubber.text(note) for note in (*excerpt.notes, *notes)],
        "replay": {"error": scrubber.text(replayed.error) or None, "ok": replayed.result is not None},
        "schema_version": SCHEMA_VERSION,
        "scrubbed_texts": scrubber.count,
    }
    return {INDEX_NAME: canonical_json(index) + b"\n", **texts, **files}, index


def hashes(value: Any, name: str = "") -> list[str]:
    """Return the hashes of ours that a report names."""
    if isinstance(value, dict):
        return [one for key, inner in value.items() for one in hashes(inner, key)]
    is_hash = isinstance(value, str) and redact.HASH_NAME.fullmatch(name) and redact.HASH.fullmatch(value)
    return [value] if is_hash else []


def described(source: bytes | Path) -> dict[str, Any]:
    """Return size and hash of a member."""
    if isinstance(source, bytes):
        return {"bytes": len(source), "sha256": hashlib.sha256(source).hexdigest()}
    with source.open("rb") as file:
        return {"bytes": source.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def read_config(path: Path) -> str:
    """Return the text of a configuration file.

    Raises: ConfigError, OSError.
    """
    with path.open("rb") as file:
        data = file.read(CONFIG_BYTES_MAX + 1)
    if len(data) > CONFIG_BYTES_MAX:
        raise ConfigError("E_CFG_TYPE", f"{path} is longer than {CONFIG_BYTES_MAX:,} bytes: no configuration")
    return data.decode("utf-8", "backslashreplace")


def versions_document() -> dict[str, Any]:
    """Return what decides, and on what."""
    packages: dict[str, str | None] = {}
    for one in read_requirements():
        try:
            packages[one.name] = metadata.version(one.name)
        except metadata.PackageNotFoundError:
            packages[one.name] = None
    return {
        "build": core_digest(),
        "jit": os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0"),
        "layout_hash": LAYOUT_ID,
        "mm": CODE_VERSION,
        "packages": packages,
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        "rules": RULES,
    }


def doctor_document(parent: Path, config_path: Path | None) -> dict[str, Any]:
    """Return what can be found out without a venue, ports and keys."""
    environment, report = resolve_environment(os.environ), Report()
    report.add(machine.check_environment(environment.exchange_env, os.environ))
    report.add(machine.check_dependencies(os.environ))
    report.add(machine.check_config(config_path)[0])
    report.add([machine.check_space(parent, shutil.disk_usage(parent.absolute().parent).free)])
    report.facts = {"exchange_env": environment.exchange_env, "system": machine.system_facts()}
    return report.document()
