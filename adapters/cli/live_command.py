"""`mm live`: trade, or rehearse it, at a venue; must never trade for real without two separate words for it."""

import asyncio
import os
import re
import shlex
import signal
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmfold.adapters.cli.errors import EXIT_KILLED, print_error
from mmfold.adapters.cli.interpreted import CORE, tell_compiling
from mmfold.adapters.cli.output import emit_json, print_warnings
from mmfold.adapters.cli.places import check_journal_place, keep_private
from mmfold.adapters.venues.registry import VENUES

if TYPE_CHECKING:
    from mmfold.adapters.live.operator.kill_switch import KillSwitch
    from mmfold.adapters.live.operator.web import WebServer
    from mmfold.adapters.live.runner import Runner
    from mmfold.adapters.live.start import Plan
    from mmfold.config.models import Config

MODES = ("paper", "shadow", "testnet", "live")
LIVE_ENABLE = "MM_LIVE_ENABLE"
PAGES_PORT = 8080
WARMUP_S, WARMUP_S_LOOPBACK = 90.0, 5.0  # spec/core.md; an emulator on this machine is for rehearsals
DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)?")
UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}


def parse_duration(ctx: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """Return seconds of 60s, 5m, 2h."""
    if value is None:
        return None
    match = DURATION.fullmatch(value)
    if match is None:
        raise click.BadParameter(f"{value!r} is no duration like 60s, 5m or 2h", ctx, parameter)
    return float(match[1]) * UNITS_S[match[2]]


@click.command(
    name="live",
    epilog="""Example: mm live --venue bybit --mode paper --symbols BTCUSDT --journal out/paper --for 10m

    With a strategy of your own: mm live --mode shadow --symbols BTCUSDT --strategy my.py:quote --journal out/s""",
    short_help="Trade at a venue, or rehearse it in paper or shadow.",
)
@click.option("--venue", default="bybit", show_default=True, metavar="V",
              help=f"{', '.join(VENUES)}; any of ccxt.pro, such as okx, in paper and shadow.")  # fmt: skip
@click.option("--mode", required=True, type=click.Choice(MODES), help="paper simulates fills, shadow sends nothing.")
@click.option("--symbols", required=True, metavar="A,B", help="Instruments to quote.")
@click.option("--journal", required=True, metavar="DIR", type=click.Path(path_type=Path), help="New, or to go on with.")
@click.option("--config", "config_path", metavar="FILE", type=click.Path(path_type=Path), help="Configuration.")
@click.option("--profile", metavar="NAME", help="A profile of config/profiles.")
@click.option("--strategy", metavar="FILE:FUNCTION", help="A strategy of your own: mm docs strategies.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one configuration key.")
@click.option("--endpoint", metavar="URL", help="Another address of the venue, such as an emulator's.")
@click.option("--for", "duration_s", callback=parse_duration, metavar="60s", help="Stop cleanly after so long.")
@click.option("--warmup", "warmup_s", default=None, callback=parse_duration, metavar="TIME",
              help="No quotes for so long after the start: 90s, 5s with an emulator of this machine.")  # fmt: skip
@click.option("--continue-from", metavar="DIR", type=click.Path(path_type=Path),
              help="Take over from this journal's session in a new --journal: position, money, orders.")  # fmt: skip
@click.option("--adopt-position", is_flag=True, help="Take over a position that the account has before a new journal.")
@click.option("--share-account", is_flag=True, help="Trade beside orders of another mm session on the account.")
@click.option(
    "--port",
    default=None,
    type=click.IntRange(0, 65535),
    help="Metrics and health pages: 8080, another if it is taken.",
)
@click.option("--keep-raw", is_flag=True, help="Keep every received frame beside the journal.")
@click.option("--anchor", "anchor_key", metavar="KEY", type=click.Path(path_type=Path),
              help="Sign what the journal holds as it grows, with this key of mm journal key.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end; logs go to stderr.")
def command(**asked: Any) -> int:
    """Trade at a venue, or rehearse it in paper or shadow.

    Everything that is seen and decided is in the journal: mm replay of it gives the same decisions. SIGINT and SIGTERM
    stop cleanly: all orders are cancelled and confirmed, the journal is sealed. SIGUSR1 (mm stop --now) is the kill
    switch, exit code 3: its account stays stopped until mm resume. SIGHUP reads the configuration again, as does a
    change of its file. Mode live needs MM_LIVE_ENABLE=1 in the environment too.
    """
    from mmfold.adapters.crash import forbid_core_dumps
    from mmfold.adapters.logs import setup_logs

    if asked["mode"] == "live" and os.environ.get(LIVE_ENABLE) != "1":
        raise click.UsageError(f"--mode live trades real money: set {LIVE_ENABLE}=1 in the environment too")
    logs = setup_logs(os.environ.get("LOG_LEVEL", "INFO"), is_queued=True)
    click.get_current_context().call_on_close(logs.close)
    forbid_core_dumps()
    plan = make_plan(asked)
    check_anchor_key(asked["anchor_key"])
    from mmfold.adapters.live.account.account_stop import (
        AccountStopped,  # the kernels come with it: after a strategy file
    )

    keep_private()
    check_journal_place(plan.journal)
    tell_plan(plan)
    try:
        result = asyncio.run(trade(plan, asked))
    except AccountStopped as error:
        print_error(str(error), error.hint)
        return EXIT_KILLED
    if asked["as_json"]:
        emit_json(result)
    else:
        tell_result(result)
    return EXIT_KILLED if result["killed"] else 0


def check_anchor_key(path: Path | None) -> None:
    """Check that the key of --anchor can sign, before anything is traded.

    Raises: SecretError, ProofError, OSError.
    """
    if path is not None:
        from mmfold.adapters.cli.journal_proof import read_signer
        from mmfold.journal.proof.anchor import check_kinds

        check_kinds(path, [read_signer(path)])


def split_symbols(text: str) -> tuple[str, ...]:
    """Return the symbols of a comma-separated list, in upper case, sorted.

    Raises: click.UsageError.
    """
    symbols = tuple(sorted({symbol.strip().upper() for symbol in text.split(",") if symbol.strip()}))
    if not symbols:
        raise click.UsageError("--symbols names none")
    return symbols


def make_plan(asked: dict[str, Any]) -> "Plan":
    """Return what was asked for, checked.

    Raises: click.UsageError, ConfigError, StrategyError, BadEndpoint.
    """
    refused = load_own_strategy(asked)  # first: nothing may have imported the kernels
    from mmfold.adapters.alerts.opening import open_channels
    from mmfold.adapters.live.runner import Pace
    from mmfold.adapters.live.start import Plan
    from mmfold.adapters.live.venue.endpoints import find_endpoints
    from mmfold.adapters.secrets.errors import SecretError
    from mmfold.adapters.venues.registry import order_venues, takes_orders
    from mmfold.config.errors import ConfigError
    from mmfold.config.load import load_config
    from mmfold.replay.strategy.file import StrategyError

    symbols, has_account = split_symbols(asked["symbols"]), asked["mode"] in ("testnet", "live")
    if has_account and not takes_orders(asked["venue"]):
        known = ", ".join(order_venues())
        raise click.UsageError(
            f"--mode {asked['mode']} at {asked['venue']}: mm sends orders to {known} alone. Of other venues it has "
            "the market, but no order entry, no private stream and no reconciliation: use --mode paper or shadow"
        )
    if asked["adopt_position"] and not has_account:
        raise click.UsageError(f"--adopt-position: --mode {asked['mode']} has no account, so no position")
    endpoints = find_endpoints(asked["venue"], asked["mode"], asked["endpoint"])
    warmup_s = asked["warmup_s"]
    if warmup_s is None:
        warmup_s = WARMUP_S_LOOPBACK if endpoints.is_loopback else WARMUP_S
    pace = Pace(warmup_s=warmup_s)
    plan = Plan(
        venue=asked["venue"], mode=asked["mode"], endpoints=endpoints, symbols=symbols, journal=asked["journal"],
        config=load_config(None), pace=pace, keep_raw=asked["keep_raw"], adopt_position=asked["adopt_position"],
        continue_from=asked["continue_from"], share_account=asked["share_account"],
    )  # fmt: skip
    try:
        if refused is not None:
            raise refused
        config = read_config(asked)
        channels = open_channels(config.alerts, os.environ)
    except (ConfigError, SecretError, StrategyError, OSError):
        asyncio.run(tell_left(plan))
        raise
    print_warnings(config.warnings)
    return replace(plan, config=config, channels=channels)


def load_own_strategy(asked: dict[str, Any]) -> Exception | None:
    """Load the strategy file that was named; returns why it cannot be, for when left orders have been seen to."""
    if asked["strategy"] is None:
        return None
    from mmfold.adapters.cli.own_strategy import load_strategy
    from mmfold.replay.strategy.file import StrategyError

    try:
        load_strategy(asked["strategy"])
    except (StrategyError, OSError) as error:
        return error
    return None


async def tell_left(plan: "Plan") -> None:
    """Cancel what a former session left at the venue and say so: a start that fails must not leave orders resting."""
    import aiohttp

    from mmfold.adapters.live.give_up import give_up

    async with aiohttp.ClientSession() as http:
        if said := await give_up(plan, http):
            click.echo(said, err=True)


def read_config(asked: dict[str, Any]) -> "Config":
    """Return the configuration; the core's mode follows from ours.

    Raises: ConfigError, StrategyMissing where the configuration and --strategy do not belong together.
    """
    from mmfold.config.load import load_config
    from mmfold.replay.strategy.file import StrategyMissing, check_given, loaded

    core_mode = "shadow" if asked["mode"] == "shadow" else "sent"
    own = ["strategy.name=user"] if loaded() is not None else []
    config = load_config(asked["config_path"], asked["profile"], [*own, *asked["overrides"], f"mode={core_mode}"])
    names = {config.strategy.name, *(config.for_symbol(symbol).strategy.name for symbol in config.per_symbol)}
    if "user" in names:
        check_given()
    elif own:
        raise StrategyMissing(
            f"strategy.name is {config.strategy.name}, and --strategy names another",
            "leave strategy.name to --strategy",
        )
    return config


def tell_plan(plan: "Plan") -> None:
    """Say what will be traded, where and how, before the first order."""
    from mmfold.replay.strategy.file import loaded

    risk = plan.config.risk
    click.echo(f"mm live  {plan.venue} {plan.mode}  {', '.join(plan.symbols)}  {plan.endpoints.rest}", err=True)
    limits = f"{risk.max_inv_usd_per_symbol} USD a symbol, {risk.max_total_notional_usd} USD in all"
    click.echo(f"limits   {limits}, {plan.config.strategy.target_usd} USD quoted a side", err=True)
    click.echo(f"journal  {plan.journal}", err=True)
    if (strategy := loaded()) is not None:
        click.echo(f"strategy {strategy.name}  sha256 {strategy.words()['strategy_sha256']}", err=True)
    tell_compiling(CORE)


async def trade(plan: "Plan", asked: dict[str, Any]) -> dict[str, Any]:
    """Run one session to its end and return what came out."""
    import aiohttp

    from mmfold.adapters.live.anchoring import anchored
    from mmfold.adapters.live.operator.alerting import at_desk, take_desk
    from mmfold.adapters.live.operator.kill_switch import KillSwitch
    from mmfold.adapters.live.start import make_runner

    async with aiohttp.ClientSession() as http, at_desk(plan) as desk:
        try:
            runner = await make_runner(plan, http)
        except Exception:
            await tell_left(plan)
            raise
        take_desk(runner, desk)
        switch, pages = KillSwitch(runner), None
        runner.status.is_live_enabled = os.environ.get(LIVE_ENABLE) == "1"
        try:
            async with anchored(runner.session, asked["anchor_key"], runner.log):
                pages = await open_pages(runner, asked["port"])
                await run_session(runner, switch, asked)
        finally:
            runner.raw.close()
            if pages is not None:
                await pages.stop()
    stop = runner.account_stop if switch.is_pulled else None
    return describe_end(runner) | {"killed": switch.is_pulled, "stopped_account": stop.account if stop else None}


async def open_pages(runner: "Runner", port: int | None) -> "WebServer":
    """Serve metrics and health on a port of this machine; a usual port that is taken gives way, an asked-for one does
    not.

    Raises: PortError.
    """
    from mmfold.adapters.live.operator.web import WebServer
    from mmfold.adapters.ports import PortError

    pages = WebServer(runner.status, port=PAGES_PORT if port is None else port)
    try:
        bound = await pages.start()
    except PortError:
        if port is not None:
            raise
        pages = WebServer(runner.status, port=0)
        bound = await pages.start()
    runner.log.info("pages", url=f"http://127.0.0.1:{bound}/status")
    return pages


async def run_session(runner: "Runner", switch: "KillSwitch", asked: dict[str, Any]) -> None:
    """Run until asked to stop: by a signal, by the time, by a failure."""
    from mmfold.adapters.live.operator.reload import watch_file

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, runner.stop_asked.set)
    loop.add_signal_handler(signal.SIGUSR1, switch.pull)
    runner.config_of = lambda more: read_config({**asked, "overrides": [*asked["overrides"], *more]})
    tasks: set[asyncio.Task[None]] = set()

    def reload() -> None:
        task = asyncio.ensure_future(reload_config(runner, asked))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    loop.add_signal_handler(signal.SIGHUP, reload)
    if asked["config_path"] is not None:
        tasks.add(asyncio.ensure_future(watch_file(asked["config_path"], reload)))
    timer = None
    if asked["duration_s"] is not None:
        timer = loop.call_later(asked["duration_s"], runner.stop_asked.set)
    try:
        await runner.run()
    finally:
        runner.status.phase = "stopped"
        for task in tasks:
            task.cancel()
        if timer is not None:
            timer.cancel()


async def reload_config(runner: "Runner", asked: dict[str, Any]) -> None:
    """Read the configuration again and journal what may change at run time; anything else is refused whole."""
    from mmfold.adapters.live.operator.reload import changed_keys, immutable_keys
    from mmfold.adapters.live.share import session_document
    from mmfold.config.errors import ConfigError
    from mmfold.config.keys import key_text
    from mmfold.config.params import unused_settings
    from mmfold.replay.strategy.file import StrategyError

    try:
        config = read_config(asked)
        document = session_document(config, runner.session.manifest, has_account=runner.account is not None)
    except (ConfigError, StrategyError, OSError) as error:
        runner.log.error("config_refused", reason=str(error))
        return
    for line in (*config.warnings, *unused_settings(config, runner.session.manifest)):
        runner.log.warning("config_warning", reason=line)
    if runner.alerts.settings not in (None, config.alerts):
        runner.log.warning("config_warning", reason="alerts: a change holds from the next start on")
    changed = changed_keys(runner.session.core.document, document)
    refused = sorted({key_text(key) for key in immutable_keys(changed)})
    if refused:
        runner.log.error("config_refused", reason=f"cannot change while running: {', '.join(refused)}")
    elif changed:
        runner.log.info("config_changed", keys=sorted({key_text(key) for key in changed}))
        await runner.configure(document)
    else:
        runner.log.info("config_unchanged")


def describe_end(runner: "Runner") -> dict[str, Any]:
    """Return what a session came to."""
    from mmfold.reports.money import qty_text

    session, state, instruments = runner.session, runner.session.core.state, runner.session.manifest.instruments
    counters = state.counters
    held = {one.symbol: int(state.positions[index]["position_lots"]) for index, one in enumerate(instruments)}
    return {
        "cancelled": int(counters["cancelled_count"].sum()),
        "events": session.seq_next,
        "fills": int(state.positions["fill_count"].sum()),
        "head": session.writer.head.hex(),
        "journal": str(session.directory),
        "mode": runner.status.mode,
        "open_orders": len(session.open_orders()),
        "orders": int(counters["placed_count"].sum()),
        "position": held,
        "position_qty": {one.symbol: qty_text(one, held[one.symbol]) for one in instruments},
        "reconnects": {name: stream.reconnects for name, stream in runner.status.streams.items()},
        "rejected": int(counters["rejected_count"].sum()),
        "run_id": session.manifest.run_id,
        "unexplained": runner.status.unexplained,
    }


def tell_result(result: dict[str, Any]) -> None:
    """Print what a session came to and what to do next."""
    from mmfold.replay.strategy.file import loaded

    position = ", ".join(f"{symbol} {qty}" for symbol, qty in result["position_qty"].items())
    click.echo(
        f"orders {result['orders']}  fills {result['fills']}  rejected {result['rejected']}  position {position}"
    )
    click.echo(f"open orders {result['open_orders']}  head {result['head'][:12]}  {result['events']:,} events")
    for symbol, reason in result["unexplained"].items():
        click.echo(f"kept flat: {symbol}: {reason}; on a new journal --adopt-position takes it over")
    if result["stopped_account"]:
        click.echo(f"stopped   no session of this account starts until: mm resume {result['stopped_account']}")
    strategy = loaded()
    given = "" if strategy is None else f" --strategy {shlex.quote(f'{strategy.path}:{strategy.function}')}"
    click.echo(f"next      mm replay --events {shlex.quote(result['journal'])}{given}")
