"""`mm journal slice`: a span of a journal as a new journal; must never decide what belongs to it."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mmfold.adapters.cli.interpreted import choose_mode, events_bytes
from mmfold.adapters.cli.journal_cat import parse_names
from mmfold.adapters.cli.journal_path import READ_JOURNAL
from mmfold.adapters.cli.moments import parse_moment
from mmfold.adapters.cli.output import emit_json, progress

if TYPE_CHECKING:
    from mmfold.replay.slice import Cut


@click.command(
    name="slice",
    epilog="Example: mm journal slice out/n --from 2024-08-08T12:00 --until 2024-08-08T12:05 --out out/part",
    short_help="Write a span of a journal to a new one.",
)
@click.argument("path", type=READ_JOURNAL)
@click.option("--from", "first", metavar="SEQ|TIME", help="The first event; a time is ISO, or ns since 1970.")
@click.option("--until", "last", metavar="SEQ|TIME", help="The last event; a time is ISO, or ns since 1970.")
@click.option("--symbols", metavar="A,B", callback=parse_names, help="These instruments only.")
@click.option("--market-only", is_flag=True, help="Leave out what a session did: settings, timers, orders, fills.")
@click.option("--out", required=True, metavar="NEW", type=click.Path(path_type=Path), help="The journal to write.")
@click.option("--force", is_flag=True, help="Replace a journal that exists.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def slice_command(
    path: Path,
    first: str | None,
    last: str | None,
    symbols: tuple[str, ...],
    market_only: bool,
    out: Path,
    force: bool,
    as_json: bool,
) -> None:
    """Write a span of a journal to a new, sealed one, which begins with the books as they stood and replays.

    Its manifest names the parent's run and head. Own orders, fills and positions are not cut in the middle: of a
    session's or a backtest's journal --market-only takes the market.
    """
    choose_mode(path, 1)
    import dataclasses

    from mmfold.replay.slice import slice_journal

    cut = parse_cut(first, last, symbols, market_only)
    total = 2 * (events_bytes(path) // 64) if path.is_dir() else None
    with progress(total, "slice", "rows") as report:
        found = slice_journal(path, out, cut, force=force, on_rows=report)
    if as_json:
        emit_json({**dataclasses.asdict(found), "out": str(out), "path": str(path)})
        return
    counts = f"{found.events:,} events  {found.rows:,} rows"
    click.echo(f"slice     {path} -> {out}   {counts}   head {found.head}")
    click.echo(
        f"parent    {found.parent_run}   seq {found.seq_first:,} to {found.seq_last:,}   head {found.parent_head}"
    )
    click.echo(f"opening   {found.opening_events:,} events make what was in force at the cut")
    click.echo(f"next      mm replay --events {out}")


def parse_cut(first: str | None, last: str | None, symbols: tuple[str, ...], market_only: bool) -> "Cut":
    """Return which events the options ask for.

    Raises: click.BadParameter, click.UsageError.
    """
    from mmfold.engine.limits import SEQ_MAX, TS_NS_MAX
    from mmfold.engine.records import NO_TS_NS
    from mmfold.replay.slice import Cut

    (seq_from, ts_from_ns), (seq_until, ts_until_ns) = parse_moment(first, "--from"), parse_moment(last, "--until")
    if first is None and last is None and not symbols and not market_only:
        raise click.UsageError("give --from, --until, --symbols or --market-only: mm journal convert copies a journal")
    return Cut(
        seq_from=seq_from or 0,
        seq_until=SEQ_MAX if seq_until is None else seq_until,
        ts_from_ns=NO_TS_NS if ts_from_ns is None else ts_from_ns,
        ts_until_ns=TS_NS_MAX if ts_until_ns is None else ts_until_ns,
        symbols=symbols,
        market_only=market_only,
    )
