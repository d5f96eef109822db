"""`mm config`: show, explain, start, check, migrate a configuration; must never change one unasked."""

import difflib
import re
from pathlib import Path
from typing import Any

import click

from mmfold.adapters.cli.errors import EXIT_ERROR, EXIT_GATE, print_error
from mmfold.adapters.cli.journal_path import READ_JOURNAL
from mmfold.adapters.cli.output import emit_json, format_number, print_table, print_warnings
from mmfold.adapters.cli.own_strategy import load_strategy

FILE = click.Path(path_type=Path, dir_okay=False)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
PROFILE = click.option("--profile", metavar="NAME", help="A named set of values: canary, grid, shadow.")
STARTER_NAME = "mm.yaml"


@click.group(name="config", help="Show, explain, start, check and migrate a configuration.")
def command() -> None:
    """Hold the subcommands."""


@command.command(epilog="Example: mm config show --profile grid --set strategy.skew_coeff=0.5")
@click.option("--events", metavar="PATH", type=READ_JOURNAL, help="Show what was in force in a journal, and by whom.")
@click.option("--until", metavar="SEQ|TIME", help="With --events: after this event.")
@click.option("--config", "path", type=FILE, metavar="FILE", help="YAML laid over the defaults and the profile.")
@PROFILE
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="One value, over everything else.")
@click.option("--strategy", metavar="FILE:FUNCTION", help="A strategy file, whose PARAMS are settings user.*")
@AS_JSON
def show(
    events: Path | None, until: str | None, path: Path | None, profile: str | None, overrides: tuple[str, ...],
    strategy: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Print every setting in force and where it comes from; what nothing uses is marked.

    Of a journal: every parameter as configured (base) and as in force at its end, and who made the difference.
    """
    if events is not None:
        asked = {"config_path": path, "overrides": overrides, "profile": profile, "strategy": strategy, "until": until}
        show_in_force(events, asked, as_json)
        return
    if until is not None:
        raise click.UsageError("--until goes with --events")
    if strategy is not None:
        load_strategy(strategy)
    from mmfold.config.describe import describe, plain, to_document, to_text
    from mmfold.config.document import leaves
    from mmfold.config.load import load_config
    from mmfold.config.params import unused_keys, unused_settings

    config = load_config(path, profile, overrides)
    warnings, unused = [*config.warnings, *unused_settings(config)], unused_keys(config)
    print_warnings(warnings)
    document = to_document(config)
    if as_json:
        emit_json({"config": document, "origins": config.origins, "unused": unused, "warnings": warnings})
        return
    units = {one.key: one.unit for one in describe()}
    rows = []
    for key_path, value in leaves(config.model_dump()):
        key = ".".join(key_path)
        unit = units.get(".".join(key_path[2:]) if key_path[0] == "per_symbol" else key, "-")
        mark = f"; not used by {unused[key]}" if key in unused else ""
        rows.append((key, to_text(plain(value)), unit, config.origins.get(key, "-") + mark))
    print_table(("key", "value", "unit", "set by"), rows)


def show_in_force(events: Path, asked: dict[str, Any], as_json: bool) -> None:
    """Print the parameters in force at the end of a journal."""
    from mmfold.adapters.cli.policies_command import replayed
    from mmfold.reports.parameters import parameters_in_force

    result = replayed(events, asked)
    parameters = parameters_in_force(result.manifest, result.state)
    if as_json:
        emit_json({"parameters": [one._asdict() for one in parameters]})
        return
    rows = [(*one[:3], format_number(one.base), format_number(one.effective), one.by) for one in parameters]
    print_table(("symbol", "parameter", "key", "base", "in force", "by"), rows)


@command.command(name="describe", epilog="Example: mm config describe strategy.skew_coeff")
@click.argument("key", required=False)
@AS_JSON
def describe_command(key: str | None, as_json: bool) -> None:
    """Explain KEY, a section's keys, or all: meaning, unit, range, default, whether it may change at run time."""
    from mmfold.config.describe import describe, to_document, to_text

    settings = describe(key)
    if as_json:
        emit_json({"settings": [to_document(one) for one in settings]})
        return
    if len(settings) == 1:
        one = settings[0]
        facts = (
            ("meaning", one.meaning),
            ("unit", one.unit),
            ("range", one.range),
            ("default", to_text(one.default)),
            ("at run time", "may change" if one.runtime_mutable else "fixed"),
        )
        click.echo("\n".join([one.key, *(f"  {name:<12} {value}" for name, value in facts)]))
        return
    head = ("key", "default", "unit", "range", "mutable", "meaning")
    rows = [
        (one.key, to_text(one.default), one.unit, one.range, "yes" if one.runtime_mutable else "no", one.meaning)
        for one in settings
    ]
    print_table(head, rows)


@command.command(epilog=f"Example: mm config init {STARTER_NAME}")
@click.argument("path", type=FILE, default=STARTER_NAME)
@click.option("--force", is_flag=True, help="Replace a file that exists.")
@AS_JSON
def init(path: Path, force: bool, as_json: bool) -> None:
    """Write a small, commented configuration to PATH."""
    from mmfold.adapters.cli.config_files import write_file
    from mmfold.config.describe import starter_yaml
    from mmfold.journal.files import outputs

    outputs.check_file(path, force=force, is_read_back=True)
    write_file(path, starter_yaml().encode())
    if as_json:
        emit_json({"path": str(path)})
    else:
        click.echo(f"wrote {path}\nnext  mm config check {path}")


@command.command(epilog=f"Example: mm config check {STARTER_NAME} --strict")
@click.argument("paths", nargs=-1, type=FILE, metavar="[FILE]...")
@PROFILE
@click.option("--strict", is_flag=True, help="Exit 2 where a key has another name by now.")
@AS_JSON
def check(paths: tuple[Path, ...], profile: str | None, strict: bool, as_json: bool) -> None:
    """Check each FILE, mm.yaml unless said otherwise: every key known, every value in range, none by an old name.

    Exit 0: valid, with a warning for each renamed key and each that nothing uses. 1: not valid. 2: --strict found
    renamed keys.
    """
    checked = [check_file(path, profile) for path in paths or (Path(STARTER_NAME),)]
    for one in checked:
        print_warnings(one["warnings"])
        if not as_json:
            tell_checked(one, name_file=len(checked) > 1)
    if as_json:
        emit_json(check_document(checked))
    if any(one["error"] for one in checked):
        click.get_current_context().exit(EXIT_ERROR)
    if strict and any(one["renamed"] for one in checked):
        click.get_current_context().exit(EXIT_GATE)


def check_file(path: Path, profile: str | None) -> dict[str, Any]:
    """Return what a file holds, what is wrong with it, and which of its keys have another name by now."""
    from mmfold.config.aliases import ALIASES
    from mmfold.config.document import leaves, read_document
    from mmfold.config.errors import ConfigError
    from mmfold.config.load import load_config
    from mmfold.config.params import unused_settings
    from mmfold.config.renames import rename_keys

    found: dict[str, Any] = {"error": None, "hint": "", "keys": 0, "path": str(path)}
    found |= {"renamed": [], "symbols": [], "warnings": []}
    try:
        document = read_document(path)
        found["keys"] = sum(1 for _ in leaves(document.values))
        renamed = rename_keys(document, ALIASES)[1]
        found["renamed"], found["warnings"] = [one.document() for one in renamed], [one.text for one in renamed]
        config = load_config(path, profile)
        found["symbols"] = sorted(config.per_symbol)
        found["warnings"] = [*config.warnings, *unused_settings(config)]
    except ConfigError as error:
        found["error"], found["hint"] = str(error), error.hint
    return found


def check_document(checked: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what was found of each file and of all."""
    return {
        "files": checked,
        "keys": sum(one["keys"] for one in checked),
        "ok": not any(one["error"] for one in checked),
        "symbols": sorted({symbol for one in checked for symbol in one["symbols"]}),
        "warnings": [line for one in checked for line in one["warnings"]],
    }


def tell_checked(one: dict[str, Any], *, name_file: bool) -> None:
    """Print what was found of a file, a mistake to the error stream."""
    if one["error"]:
        print_error(f"{one['path']}: {one['error']}" if name_file else one["error"], one["hint"])
        return
    symbols = ", ".join(one["symbols"]) or "no symbol"
    click.echo(f"{one['path']}: ok, {one['keys']:,} keys set, own settings for {symbols}")
    if one["renamed"]:
        click.echo(f"next  mm config migrate {one['path']}")


@command.command(epilog=f"Example: mm config migrate {STARTER_NAME} --in-place")
@click.argument("path", type=FILE, metavar="FILE")
@click.option("--out", type=FILE, metavar="FILE", help="Write the result there.")
@click.option("--in-place", is_flag=True, help="Replace FILE by the result.")
@click.option("--dry-run", "--diff", "is_dry", is_flag=True, help="Show what would change, write nothing.")
@click.option("--force", is_flag=True, help="Replace what --out names, if it exists.")
@AS_JSON
def migrate(path: Path, out: Path | None, in_place: bool, is_dry: bool, force: bool, as_json: bool) -> None:
    """Give every renamed key of FILE its new name; comments, order and form stay.

    What changes is shown as a diff. Without --in-place or --out nothing is written. A key that cannot be edited cleanly
    is named with its line, and nothing is written then either.
    """
    from mmfold.adapters.cli.config_files import read_file, write_file
    from mmfold.config.migrate import migrate_text
    from mmfold.journal.files import outputs

    if out is not None and in_place:
        raise click.UsageError("one of --out and --in-place")
    read = read_file(path)
    text, found = migrate_text(read.text, path.name)
    if out is not None:
        outputs.check_file(out, inputs=[path], force=force, is_read_back=True)
    target = out or (path if in_place and found else None)
    if target is not None and not is_dry:
        write_file(target, read.encode(text), read, in_place=in_place)
    written = None if is_dry or target is None else str(target)
    diff = unified_diff(read.text, text, str(path), str(out or path))
    if as_json:
        emit_json({"diff": diff, "path": str(path), "renamed": [one.document() for one in found], "written": written})
        return
    click.echo(diff, nl=False)
    tell_migrated(path, len(found), written)


def tell_migrated(path: Path, count: int, written: str | None) -> None:
    """Say what came of a migration and what to do next."""
    if count == 0:
        click.echo(f"{path}: no key has another name by now" + (f"; copied to {written}" if written else ""))
    elif written is None:
        click.echo(f"{path}: {count:,} renamed, nothing written\nnext  mm config migrate {path} --in-place")
    else:
        click.echo(f"wrote {written}, {count:,} renamed\nnext  mm config check {written}")


def unified_diff(before: str, after: str, name_before: str, name_after: str) -> str:
    """Return the difference of two texts as `patch` reads it."""
    old, new = (re.findall(r"[^\n]*\n|[^\n]+", text) for text in (before, after))
    changes = difflib.unified_diff(old, new, name_before, name_after)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in changes)
