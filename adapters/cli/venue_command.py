"""`mm venue`: run an emulated venue that real clients connect to; must never be given a key on the command line."""

import asyncio
import os
import signal
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmfold.adapters.cli.import_command import parse_symbols
from mmfold.adapters.cli.interpreted import DESK, tell_compiling
from mmfold.adapters.cli.journal_path import READ_JOURNAL
from mmfold.adapters.cli.output import emit_json
from mmfold.adapters.cli.shared_options import NumberRange

if TYPE_CHECKING:
    from collections.abc import Callable

    from mmfold.adapters.emulator.bybit.keys import ApiKey
    from mmfold.adapters.emulator.market.faults import FaultPlan
    from mmfold.adapters.emulator.market.source import MarketSource
    from mmfold.adapters.emulator.serving.listener import Listener

ACCOUNT_COUNT_MAX = 16
PORT_MAX = 65_535


def parse_listen(ctx: click.Context, parameter: click.Parameter, value: str) -> tuple[str, int]:
    """Return (host, port) of HOST:PORT; port 0 is any free one."""
    host, colon, port = value.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > PORT_MAX:
        raise click.BadParameter(f"{value!r} is not HOST:PORT, such as 127.0.0.1:8899", ctx, parameter)
    return host.strip("[]"), int(port)


def parse_deposit(ctx: click.Context, parameter: click.Parameter, value: str) -> Decimal:
    """Return an amount of money."""
    try:
        amount = Decimal(value)
    except InvalidOperation:
        amount = Decimal(-1)
    if not 0 <= amount <= 10**12:
        raise click.BadParameter(f"{value!r} is not an amount such as 100000", ctx, parameter)
    return amount


@click.group(name="venue", short_help="Run an emulated venue that real clients can trade on.")
def command() -> None:
    """Run an emulated venue that real clients can trade on.

    \b
    Example:
      mm venue bybit --listen 127.0.0.1:8899 --synthetic 7
    """


def feed_options(listen: str) -> "Callable[[Callable[..., None]], Callable[..., None]]":
    """Return what adds the options of every venue: where it listens, what market it plays, what goes wrong."""
    options = (
        click.option(
            "--listen", default=listen, show_default=True, callback=parse_listen, metavar="HOST:PORT",
            help="Where to listen; port 0 takes a free one.",
        ),
        click.option(
            "--feed", metavar="JOURNAL", type=READ_JOURNAL, help="Play a recorded market; demo: the bundled one."
        ),
        click.option(
            "--synthetic", metavar="SEED", type=click.IntRange(0), help="Make up a market; the default, with seed 0."
        ),
        click.option(
            "--speed", default=1.0, show_default=True, type=NumberRange(0.01, 1_000), help="Times real time."
        ),
        click.option("--once", is_flag=True, help="End a recorded market at its end instead of playing it over again."),
        click.option(
            "--faults", metavar="FILE", type=click.Path(path_type=Path), help="What goes wrong, as YAML or JSON."
        ),
        click.option("--symbols", metavar="A,B", callback=parse_symbols, help="Only these instruments."),
        click.option(
            "--latency", default=1.0, show_default=True, type=NumberRange(0, 10_000), metavar="MS",
            help="How long every frame and answer takes to leave.",
        ),
        click.option("--remote", is_flag=True, help="Allow an address that other machines reach."),
        click.option("--json", "as_json", is_flag=True, help="Print where it is as one JSON object."),
    )  # fmt: skip

    def add(function: "Callable[..., None]") -> "Callable[..., None]":
        for option in reversed(options):
            function = option(function)
        return function

    return add


def read_feed(venue: str, asked: dict[str, Any]) -> "tuple[MarketSource, FaultPlan]":
    """Return the market that was asked for, as a venue lists it, and the faults.

    Raises: click.UsageError, VenueSetupError, JournalError, JsonlError, OSError.
    """
    feed, synthetic = asked["feed"], asked["synthetic"]
    if feed is not None and synthetic is not None:
        raise click.UsageError("--feed and --synthetic are two markets: give one")
    from mmfold.adapters.emulator.market.faults import FaultPlan, load_plan
    from mmfold.adapters.emulator.market.source import journal_source, synthetic_source

    chosen = sorted(asked["symbols"])
    if feed is None:
        source = synthetic_source(synthetic or 0, chosen, venue)
    else:
        source = journal_source(feed, chosen, loop=not asked["once"], venue=venue)
    return source, load_plan(asked["faults"]) if asked["faults"] is not None else FaultPlan()


@command.command(
    name="bybit",
    epilog="Example: mm venue bybit --listen 127.0.0.1:8899 --feed out/b --speed 5 --faults faults.yaml",
    short_help="Bybit v5: REST, public, private and order-entry WebSocket.",
)
@feed_options("127.0.0.1:8899")
@click.option(
    "--accounts", default=1, show_default=True, type=click.IntRange(1, ACCOUNT_COUNT_MAX),
    help="Test keys to make; those of MM_VENUE_KEYS (KEY:SECRET,...) replace them.",
)  # fmt: skip
@click.option("--deposit", default="100000", show_default=True, callback=parse_deposit, help="Cash of each account.")
@click.option(
    "--orders-per-s", default=10, show_default=True, type=click.IntRange(1, 10_000),
    help="Requests of each kind of order entry that an account may send in a second.",
)  # fmt: skip
def bybit(accounts: int, deposit: Decimal, orders_per_s: int, **asked: Any) -> None:
    """Speak Bybit v5 on this machine: real clients trade here when only their URL is changed.

    The market is a recorded journal or made up from a seed; orders are matched by the backtest's simulated venue.
    """
    source, plan = read_feed("bybit", asked)
    from mmfold.adapters.emulator.bybit.keys import KEYS_VARIABLE, make_keys
    from mmfold.adapters.emulator.bybit.server import Server
    from mmfold.adapters.emulator.bybit.venue import Settings, Venue

    keys = make_keys(os.environ.get(KEYS_VARIABLE), accounts)
    settings = Settings(
        speed=asked["speed"], latency_s=asked["latency"] / 1_000, deposit=deposit, orders_per_s=orders_per_s
    )
    tell_compiling(DESK)

    def make() -> Server:
        return Server(Venue(source, keys, plan, settings), *asked["listen"], remote=asked["remote"])

    asyncio.run(serve("bybit", make, keys, asked["as_json"]))


@command.command(
    name="binance",
    epilog="Example: mm venue binance --listen 127.0.0.1:8898 --synthetic 7 --faults faults.yaml",
    short_help="Binance USD-M futures, the market alone: REST and streams.",
)
@feed_options("127.0.0.1:8898")
def binance(**asked: Any) -> None:
    """Speak the market side of Binance's USD-M futures on this machine: real clients read here when only their URL is
    changed.

    The market is a recorded journal or made up from a seed. There are no accounts and no orders.
    """
    source, plan = read_feed("binance", asked)
    from mmfold.adapters.emulator.binance.server import BinanceServer
    from mmfold.adapters.emulator.binance.venue import BinanceFeed, MarketSettings

    settings = MarketSettings(speed=asked["speed"], latency_s=asked["latency"] / 1_000)

    def make() -> BinanceServer:
        return BinanceServer(BinanceFeed(source, plan, settings), *asked["listen"], remote=asked["remote"])

    asyncio.run(serve("binance", make, [], asked["as_json"]))


async def serve(name: str, make_server: "Callable[[], Listener]", keys: "list[ApiKey]", as_json: bool) -> None:
    """Run a server until SIGINT or SIGTERM."""
    server = make_server()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        await server.start()
        tell(name, server, keys, as_json)
        await server.run(stop)
    finally:
        await server.close()


def tell(name: str, server: "Listener", keys: "list[ApiKey]", as_json: bool) -> None:
    """Say where the venue is, what it trades and with which keys; secrets only of keys made for this run."""
    urls, symbols = server.urls(), list(server.feed.markets)
    shown = [{"key": key.key, "secret": key.secret if key.generated else "***"} for key in keys]
    if as_json:
        told: dict[str, Any] = {"urls": urls, "symbols": symbols, "market": server.feed.source.name}
        emit_json(told | ({"keys": shown} if keys else {}))
        return
    click.echo(f"mm venue {name}  {', '.join(symbols)}  market: {server.feed.source.name}")
    for place, url in urls.items():
        click.echo(f"  {place:<8} {url}")
    for key in shown:
        click.echo(f"  key      {key['key']}  secret {key['secret']}")
    click.echo("ready, Ctrl-C ends it")
