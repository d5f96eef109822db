"""`mm doctor`: look at everything a session needs before it starts; must never change anything or show a key."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mmfold.adapters.cli.errors import EXIT_GATE
from mmfold.adapters.cli.import_command import parse_symbols
from mmfold.adapters.cli.output import emit_json, print_table, print_warnings
from mmfold.adapters.venues.registry import VENUES

if TYPE_CHECKING:
    from mmfold.adapters.doctor.check import Report

MODES = ("paper", "shadow", "testnet", "live")
PORTS_VARIABLE = "MM_PORTS"
CONFIG_VARIABLE = "MM_CONFIG_PATH"
PORT_DEFAULT = 8080
PORT_MAX = 65_535


def parse_ports(ctx: click.Context, parameter: click.Parameter, value: tuple[int, ...]) -> tuple[int, ...]:
    """Return the ports of the command line, else of MM_PORTS, else the default one.

    Raises: click.ClickException for an MM_PORTS that is no list of ports.
    """
    text = os.environ.get(PORTS_VARIABLE, "")
    if value or not text:
        return value or (PORT_DEFAULT,)
    words = [word.strip() for word in text.split(",")]
    if not all(word.isascii() and word.isdigit() and 0 < int(word) <= PORT_MAX for word in words):
        raise click.ClickException(f"{PORTS_VARIABLE} is no list of ports, such as 8080,8899")
    return tuple(map(int, words))


def config_variable() -> str | None:
    """Return the file that the environment names, by MM_CONFIG_PATH or an old name of it.

    Raises: ConfigError.
    """
    from mmfold.config.aliases import ALIASES

    path, warning = ALIASES.variable(CONFIG_VARIABLE, os.environ)
    print_warnings([warning] if warning else [])
    return path or None


@click.command(
    name="doctor",
    epilog="Example: mm doctor --venue bybit --mode testnet --config mm.yaml --journal out/s --port 8080",
    short_help="Check what a session needs, before it starts.",
)
@click.option("--venue", default="bybit", show_default=True, type=click.Choice(list(VENUES)), help="The venue to ask.")
@click.option("--mode", type=click.Choice(MODES), help="What the session will be; default: what EXCHANGE_ENV says.")
@click.option("--endpoint", metavar="URL", help="The venue's REST address; default: the venue's own for the mode.")
@click.option(
    "--config", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", default=config_variable,
    help=f"The session's configuration; default: {CONFIG_VARIABLE}.",
)  # fmt: skip
@click.option(
    "--journal", default=Path("out"), show_default=True, type=click.Path(path_type=Path), metavar="DIR",
    help="Where the session will write.",
)  # fmt: skip
@click.option(
    "--port", "ports", multiple=True, type=click.IntRange(1, PORT_MAX), metavar="P", callback=parse_ports,
    help=f"A port the session will listen on, may be repeated; default: {PORTS_VARIABLE}, else {PORT_DEFAULT}.",
)  # fmt: skip
@click.option("--symbols", metavar="A,B", callback=parse_symbols, help="Default: those of the configuration.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    venue: str, mode: str | None, endpoint: str | None, config: Path | None, journal: Path, ports: tuple[int, ...],
    symbols: frozenset[str], as_json: bool,
) -> int:  # fmt: skip
    """Check what a session needs, before it starts.

    Environment, packages, configuration, disk, ports, venue, clock, instruments, keys. Nothing is changed and no order
    is placed; with keys, signed questions are asked. Exit 0: all well, or warnings only. 2: a check failed. 1: an
    input that cannot be used.
    """
    from mmfold.adapters.crash import forbid_core_dumps
    from mmfold.adapters.doctor.check import Status, clean
    from mmfold.adapters.doctor.venue import parse_endpoint
    from mmfold.adapters.live.venue.endpoints import find_endpoints
    from mmfold.adapters.logs import LEVELS, setup_logs
    from mmfold.adapters.secrets.environment import resolve_environment

    level = os.environ.get("LOG_LEVEL", "")
    setup_logs(level if level in LEVELS else "WARNING")
    forbid_core_dumps()
    chosen_mode = mode or resolve_environment(os.environ).exchange_env
    url = endpoint or find_endpoints(venue, chosen_mode, None).rest
    parse_endpoint(url)
    report = examine(venue, chosen_mode, url, config, journal, ports, symbols)
    if as_json:
        emit_json(report.document())
    else:
        click.echo(f"mm doctor  {venue}  mode {chosen_mode}  {url}")
        print_table(("check", "status", "found"), [(one.name, one.status, clean(one.found)) for one in report.checks])
        for one in report.checks:
            if one.status is not Status.OK:
                click.echo(f"next  {one.name}: {clean(one.next)}")
        click.echo(report.verdict)
    return EXIT_GATE if report.tokens(Status.FAIL) else 0


def examine(
    venue: str, mode: str, url: str, config_path: Path | None, journal: Path, ports: tuple[int, ...],
    symbols: frozenset[str],
) -> "Report":  # fmt: skip
    """Run every check; what rests on an answer of the venue is left out where there is none."""
    from datetime import UTC, datetime

    from mmfold.adapters.doctor import machine
    from mmfold.adapters.doctor.check import Report, Status
    from mmfold.adapters.doctor.credentials import Door, check_credentials
    from mmfold.adapters.doctor.venue import check_instruments, check_reachable, parse_endpoint, unique
    from mmfold.adapters.secrets.environment import resolve_environment
    from mmfold.adapters.venues.registry import native_venue

    endpoint, environment, report = parse_endpoint(url), resolve_environment(os.environ), Report()
    report.add(machine.check_environment(mode, os.environ))
    report.add(machine.check_dependencies(os.environ))
    found, config = machine.check_config(config_path)
    report.add([*found, *machine.check_alerts(config, os.environ)])
    directory, free = machine.check_directory(journal), machine.check_ports(ports)
    report.add([*directory, *free])
    at = native_venue(venue)
    reached = check_reachable(at, endpoint, url)
    report.add(reached.checks)
    wanted = unique(symbols or (config.per_symbol if config else ()))
    if reached.offset_ns is not None:
        report.add(check_instruments(at, endpoint, wanted, config))
    door = Door(at, endpoint, reached.offset_ns, wanted)
    report.add(check_credentials(mode, os.environ, door, datetime.now(UTC)))
    report.facts = {
        "config_ok": config is not None,
        "env": {
            "EXCHANGE_ENV": environment.exchange_env,
            machine.LIVE_ENABLE: os.environ.get(machine.LIVE_ENABLE) == "1",
            "mode": mode,
            "secret_env": environment.secret_env,
        },
        "ports_free": {str(port): one.status is Status.OK for port, one in zip(ports, free, strict=True)},
        "system": machine.system_facts(),
        "writable_dirs": {str(journal): not any(one.token.startswith("writable_dir") for one in directory)},
    }
    return report
