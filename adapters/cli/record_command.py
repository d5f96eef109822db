"""`mm record`: journal a venue's market, nothing else; must never need a key or send an order."""

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmfold.adapters.cli.live_command import parse_duration, split_symbols
from mmfold.adapters.cli.output import emit_json
from mmfold.adapters.cli.places import check_journal_place, keep_private
from mmfold.adapters.venues.registry import VENUES

if TYPE_CHECKING:
    from mmfold.adapters.live.recorder import Recorder, RecordPlan


@click.command(
    name="record",
    epilog="Example: mm record --venue bybit --symbols BTCUSDT,ETHUSDT --journal out/rec --for 1h",
    short_help="Journal a venue's market, nothing else.",
)
@click.option(
    "--venue", default="bybit", show_default=True, metavar="V",
    help=f"{', '.join(VENUES)}, or any of ccxt.pro such as okx; ccxt:bybit takes Bybit through ccxt too.",
)  # fmt: skip
@click.option("--symbols", required=True, metavar="A,B", help="The venue's ids, or ccxt's such as BTC/USDT:USDT.")
@click.option("--journal", required=True, metavar="DIR", type=click.Path(path_type=Path), help="New, or to go on with.")
@click.option(
    "--config", "config_path", metavar="FILE", type=click.Path(path_type=Path), help="For its journal section."
)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one key, such as journal.sync.")
@click.option("--for", "duration_s", callback=parse_duration, metavar="60s", help="Stop cleanly after so long.")
@click.option("--endpoint", metavar="URL", help="Another address of the venue, such as an emulator's.")
@click.option("--keep-raw", is_flag=True, help="Keep every received frame beside the journal.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end; logs go to stderr.")
def command(**asked: Any) -> None:
    """Journal a venue's market, nothing else.

    Books, trades and mark prices. Ctrl-C, SIGTERM and mm stop end it cleanly: the journal is sealed. A lost connection
    is a gap in the books until their next snapshot. The journal is like an import's: mm backtest and mm replay take it
    as their market.
    """
    from mmfold.adapters.live.recorder import RecordPlan
    from mmfold.adapters.live.venue.endpoints import find_endpoints
    from mmfold.adapters.logs import setup_logs
    from mmfold.config.load import load_config

    config = load_config(asked["config_path"], None, list(asked["overrides"]))
    plan = RecordPlan(
        venue=asked["venue"], endpoints=find_endpoints(asked["venue"], "live", asked["endpoint"]),
        symbols=split_symbols(asked["symbols"]), journal=asked["journal"], keep_raw=asked["keep_raw"],
        sync=config.journal.sync,
    )  # fmt: skip
    keep_private()
    check_journal_place(plan.journal)
    logs = setup_logs(os.environ.get("LOG_LEVEL", "INFO"), is_queued=True)
    click.get_current_context().call_on_close(logs.close)
    click.echo(f"mm record  {plan.venue}  {', '.join(plan.symbols)}  {plan.endpoints.rest}  {plan.journal}", err=True)
    result = asyncio.run(record(plan, asked["duration_s"]))
    if asked["as_json"]:
        emit_json(result)
    else:
        tell_result(result)


async def record(plan: "RecordPlan", duration_s: float | None) -> dict[str, Any]:
    """Record until a signal or the time ends it, and return what came out."""
    import aiohttp

    from mmfold.adapters.live.recorder import make_recorder

    async with aiohttp.ClientSession() as http:
        recorder = await make_recorder(plan, http)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
            loop.add_signal_handler(number, recorder.stop_asked.set)
        timer = None if duration_s is None else loop.call_later(duration_s, recorder.stop_asked.set)
        started_s = time.monotonic()
        try:
            await recorder.run()
        finally:
            if timer is not None:
                timer.cancel()
            recorder.close()
    return describe(recorder, time.monotonic() - started_s)


def describe(recorder: "Recorder", seconds: float) -> dict[str, Any]:
    """Return what a recording came to; `kinds` counts the events of this run."""
    from mmfold.engine.codes import EventKind

    kinds = {kind.name.lower(): int(count) for kind in EventKind if (count := recorder.kind_counts[kind])}
    return {
        "events": recorder.writer.seq_next,
        "gaps": recorder.gaps,
        "head": recorder.writer.head.hex(),
        "journal": str(recorder.directory),
        "kinds": kinds,
        "reconnects": recorder.status.reconnects,
        "refused": recorder.status.refused,
        "rows": recorder.writer.row_count,
        "run": {"seconds": round(seconds, 3)},
        "run_id": recorder.manifest.run_id,
        "symbols": [instrument.symbol for instrument in recorder.manifest.instruments],
    }


def tell_result(result: dict[str, Any]) -> None:
    """Print what a recording came to and what to do next."""
    kinds = "  ".join(f"{name} {count:,}" for name, count in sorted(result["kinds"].items()))
    click.echo(f"{result['events']:,} events  {result['rows']:,} rows  head {result['head'][:12]}  {kinds}")
    click.echo(f"gaps {result['gaps']}  reconnects {result['reconnects']}  refused {result['refused']}")
    click.echo(f"next      mm backtest --events {result['journal']} --out DIR")
