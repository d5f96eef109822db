"""`mm parity`: two journals of one market beside each other; must never compare what was not verified."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmfold.adapters.cli.errors import GateFailed
from mmfold.adapters.cli.interpreted import choose_mode, events_bytes
from mmfold.adapters.cli.journal_path import READ_JOURNAL
from mmfold.adapters.cli.output import emit_json, print_table, progress
from mmfold.adapters.cli.places import check_report, new_directory

if TYPE_CHECKING:
    from mmfold.replay.parity.session import Session

SETTING_ROWS_MAX = 12  # on the terminal; --json and --out have all


@click.command(
    name="parity",
    epilog="Example: mm parity out/live out/bt",
    short_help="Compare a live journal with a backtest of the same market.",
)
@click.argument("a", metavar="A", type=READ_JOURNAL)
@click.argument("b", metavar="B", type=READ_JOURNAL)
@click.option("--out", metavar="DIR", type=click.Path(path_type=Path), help="Write parity.json and PARITY.md.")
@click.option("--force", is_flag=True, help="Replace a report that exists.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(a: Path, b: Path, out: Path | None, force: bool, as_json: bool) -> None:
    """Compare a live journal with a backtest of the same market.

    A is the journal of a live or paper session, B one that mm backtest wrote from A's market. Named are the first
    decision or answer that differs, and what B's PnL differs by: fills, latency, fees and funding, which add up
    exactly. The exit code is 2 when anything differs.
    """
    choose_mode(max(a, b, key=events_bytes), workers=1)
    from mmfold.reports.parity.document import PARITY_NAMES, parity_document, write_parity

    if out is not None:
        check_report(out, PARITY_NAMES, inputs=(a, b), force=force)
    check_same_market(a, b, as_json)
    from mmfold.reports.parity.pnl import compare_sessions

    parity = compare_sessions(read_journal("A", a), read_journal("B", b))
    document = parity_document(parity)
    if out is not None:
        new_directory(out, lambda directory: write_parity(document, directory))
    if as_json:
        emit_json(document)
    else:
        print_parity(a, b, document, out)
    if parity.diverged:
        raise GateFailed


def check_same_market(a: Path, b: Path, as_json: bool) -> None:
    """Walk both markets in step.

    Raises: GateFailed with the first difference; JournalError, JsonlError.
    """
    from mmfold.replay.parity.market import compare_markets, differing_instrument
    from mmfold.replay.source import EventSource
    from mmfold.reports.parity.words import instrument_lines, market_lines

    manifests = [EventSource(path).manifest for path in (a, b)]
    instruments = differing_instrument(*manifests)
    if instruments is not None:
        event_count, lines = 0, instrument_lines(*instruments)
    else:
        event_count, difference = compare_markets(a, b)
        if difference is None:
            return
        lines = market_lines(difference, *manifests)
    if as_json:
        emit_json({"diverged": True, "market": {"difference": lines, "events": event_count}})
        raise GateFailed
    raise GateFailed("\n".join(lines))


def read_journal(name: str, path: Path) -> "Session":
    """Replay one journal and return what it holds of ours.

    Raises: GateFailed when it is not what its own core decides; NoDecisions, JournalError, JsonlError.
    """
    from mmfold.adapters.cli.replay_command import difference_text, digest_text
    from mmfold.engine.core import DigestDiffers, WitnessDiffers
    from mmfold.replay.parity.session import SessionReplay

    run = SessionReplay(path)
    try:
        with progress(run.source.row_count, f"replay {name}", "rows") as report:
            run.on_progress = report
            return run.session()
    except WitnessDiffers as error:
        raise GateFailed(f"{name} ({path}): {difference_text(error, run.manifest)}") from None
    except DigestDiffers as error:
        raise GateFailed(f"{name} ({path}): {digest_text(error)}") from None


def print_parity(a: Path, b: Path, document: dict[str, Any], out: Path | None) -> None:
    """Print the first difference, then the tables."""
    from mmfold.reports.parity.document import (
        COUNT_COLUMNS,
        MONEY_COLUMNS,
        PNL_TITLE,
        QTY_COLUMNS,
        count_rows,
        difference_texts,
        money_rows,
        setting_rows,
        timing_text,
        verdict_text,
    )

    click.echo(f"mm parity  A {a}   B {b}   one market, {document['market']['events']:,} events   both verified")
    click.echo(f"{verdict_text(document)}; {timing_text(document)}")
    for line in difference_texts(document):
        click.echo(line)
    settings = setting_rows(document)
    for name, before, after in settings[:SETTING_ROWS_MAX]:
        click.echo(f"  set  {name} {before} -> {after}")
    if len(settings) > SETTING_ROWS_MAX:
        click.echo(f"  set  and {len(settings) - SETTING_ROWS_MAX} more (--json)")
    click.echo()
    print_table(("symbol", "currency", *MONEY_COLUMNS), money_rows(document), PNL_TITLE)
    columns = [name.replace("_", " ") for name in (*COUNT_COLUMNS, *QTY_COLUMNS)]
    print_table(("symbol", *columns), count_rows(document), "Orders and fills")
    if out is not None:
        click.echo(f"report    {out / 'PARITY.md'}")
