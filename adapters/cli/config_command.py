"""`mm config`: show, explain, start and check a configuration; must never change one that exists without --force."""

from pathlib import Path

import click

from mmfold.adapters.cli.output import emit_json, print_table

FILE = click.Path(path_type=Path, dir_okay=False)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
PROFILE = click.option("--profile", metavar="NAME", help="A named set of values: canary, grid, shadow.")
STARTER_NAME = "mm.yaml"


@click.group(name="config", help="Show, explain, start and check a configuration.")
def command() -> None:
    """Hold the subcommands."""


@command.command(epilog="Example: mm config show --profile grid --set strategy.skew_coeff=0.5")
@click.option("--config", "path", type=FILE, metavar="FILE", help="YAML laid over the defaults and the profile.")
@PROFILE
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="One value, over everything else.")
@AS_JSON
def show(path: Path | None, profile: str | None, overrides: tuple[str, ...], as_json: bool) -> None:
    """Print every setting in force and where it comes from."""
    from mmfold.config.describe import describe, plain, to_document, to_text
    from mmfold.config.document import leaves
    from mmfold.config.load import load_config

    config = load_config(path, profile, overrides)
    print_warnings(config.warnings)
    document = to_document(config)
    if as_json:
        emit_json({"config": document, "origins": config.origins, "warnings": list(config.warnings)})
        return
    units = {one.key: one.unit for one in describe()}
    rows = []
    for key_path, value in leaves(config.model_dump()):
        key = ".".join(key_path)
        unit = units.get(".".join(key_path[2:]) if key_path[0] == "per_symbol" else key, "-")
        rows.append((key, to_text(plain(value)), unit, config.origins.get(key, "-")))
    print_table(("key", "value", "unit", "set by"), rows)


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
    from mmfold.config.describe import starter_yaml
    from mmfold.config.errors import ConfigError
    from mmfold.journal.outputs import check_file, write_file

    if path.exists() and not force:
        raise ConfigError("E_CFG_FILE", f"{path} exists already; --force replaces it")
    check_file(path, force=force)
    write_file(path, starter_yaml().encode())
    if as_json:
        emit_json({"path": str(path)})
    else:
        click.echo(f"wrote {path}\nnext  mm config check {path}")


@command.command(epilog=f"Example: mm config check {STARTER_NAME}")
@click.argument("path", type=FILE, metavar="FILE")
@PROFILE
@AS_JSON
def check(path: Path, profile: str | None, as_json: bool) -> None:
    """Check FILE: every key known, every value in range."""
    from mmfold.config.document import leaves, read_document
    from mmfold.config.load import load_config

    config = load_config(path, profile)
    key_count = sum(1 for _ in leaves(read_document(path).values))
    symbols = sorted(config.per_symbol)
    print_warnings(config.warnings)
    if as_json:
        emit_json({"keys": key_count, "ok": True, "symbols": symbols, "warnings": list(config.warnings)})
        return
    click.echo(f"{path}: ok, {key_count:,} keys set, own settings for {', '.join(symbols) or 'no symbol'}")


def print_warnings(warnings: tuple[str, ...]) -> None:
    """Print each warning as one line of the error stream."""
    for line in warnings:
        click.echo(f"warning: {line}", err=True)
