"""`mm bundle`: one file of a journal and its surroundings for a bug report; must never let a key into it."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmfold.adapters.cli.interpreted import choose_mode
from mmfold.adapters.cli.journal_path import READ_JOURNAL
from mmfold.adapters.cli.moments import parse_moment
from mmfold.adapters.cli.output import emit_json, print_warnings, progress
from mmfold.adapters.cli.shared_options import AS_JSON

if TYPE_CHECKING:
    from mmfold.replay.excerpt import Excerpt, Span

OUT_DEFAULT = "mm-bundle.zip"


@click.command(
    name="bundle",
    epilog="Example: mm bundle out/s --until 8123 --out report.zip",
    short_help="Pack a journal for a bug report, without keys.",
)
@click.argument("path", type=READ_JOURNAL)
@click.option("--from", "first", metavar="SEQ|TIME", help="The first event; a time is ISO, or ns since 1970.")
@click.option("--until", "last", metavar="SEQ|TIME", help="The last event; a time is ISO, or ns since 1970.")
@click.option("--market-only", is_flag=True, help="Leave out what a session did: settings, orders, fills.")
@click.option("--config", "config_path", metavar="FILE", type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help="Also this configuration file, redacted.")  # fmt: skip
@click.option("--strategy", metavar="FILE:FUNCTION", help="The strategy file that the journal was made with.")
@click.option("--out", metavar="FILE", default=OUT_DEFAULT, show_default=True, type=click.Path(path_type=Path),
              help="The bundle to write, a .zip.")  # fmt: skip
@click.option("--force", is_flag=True, help="Replace a file that exists.")
@AS_JSON
def command(
    path: Path, first: str | None, last: str | None, market_only: bool, config_path: Path | None, strategy: str | None,
    out: Path, force: bool, as_json: bool,
) -> None:  # fmt: skip
    """Pack a journal for a bug report, without keys.

    A zip of the journal, its configuration, the versions, what mm doctor finds offline, and the report. All of a
    journal of up to a million rows; of a longer one the end, unless --from and --until say which part. Keys, hosts,
    users and paths are redacted; a key in the journal's own rows refuses the bundle. Every command that reads a
    journal reads it.
    """
    from mmfold.journal.bundle import is_bundle
    from mmfold.journal.files.outputs import check_file

    if not is_bundle(out):
        raise click.BadParameter(f"{out} does not end in .zip, by which a bundle is known", param_hint="--out")
    check_file(out, inputs=[path, *([config_path] if config_path else [])], force=force, is_read_back=True)
    span = parse_span(first, last, market_only)
    if strategy is None:
        choose_mode(path, 1)
    else:
        from mmfold.adapters.cli.own_strategy import load_strategy

        load_strategy(strategy)
    excerpt, index = pack(path, span, config_path, out)
    document = {key: value for key, value in index.items() if key not in ("schema_version", "members")}
    document |= {"bytes": out.stat().st_size, "members": sorted(index["members"]), "out": str(out), "path": str(path)}
    if as_json:
        emit_json(document)
    else:
        print_result(document, excerpt)


def parse_span(first: str | None, last: str | None, market_only: bool) -> "Span":
    """Return which part of the journal the options ask for.

    Raises: click.BadParameter.
    """
    (seq_from, ts_from_ns), (seq_until, ts_until_ns) = parse_moment(first, "--from"), parse_moment(last, "--until")
    from mmfold.replay.excerpt import Span

    return Span(
        seq_from=seq_from, seq_until=seq_until, ts_from_ns=ts_from_ns, ts_until_ns=ts_until_ns, market_only=market_only
    )


def pack(path: Path, span: "Span", config_path: Path | None, out: Path) -> "tuple[Excerpt, dict[str, Any]]":
    """Take the part of the journal, look through it, and write the bundle whole or not at all.

    Raises: JournalError, KeyInJournal, NoSlice, SecretError.
    """
    from mmfold.adapters.bundle.contents import make_members
    from mmfold.adapters.bundle.keys import check_journal, learn_keys
    from mmfold.adapters.bundle.sealed import check_bundle
    from mmfold.journal.bundle import write_bundle
    from mmfold.journal.files.publish import publishing
    from mmfold.replay.excerpt import take_excerpt

    unasked = learn_keys(os.environ)
    with publishing(out) as part:
        place = part.with_name("journal")
        with progress(None, "bundle", "rows") as report:
            excerpt = take_excerpt(path, place, span, report)
        check_journal(place, path)
        members, index = make_members(excerpt, place, path, config_path, unasked)
        with part.open("wb") as file:
            write_bundle(file, members)
            file.flush()
            os.fsync(file.fileno())
        check_bundle(part)
    return excerpt, index


def print_result(document: dict[str, Any], excerpt: "Excerpt") -> None:
    """Print what was packed, what of it fails, and what to do with it."""
    from mmfold.engine.printable import printable

    out = document["out"]
    click.echo(f"bundle    {document['path']} -> {out}   {document['bytes']:,} bytes   head {excerpt.head}")
    click.echo(
        f"journal   {excerpt.kind}: seq {excerpt.seq_first:,} to {excerpt.seq_last:,} of {excerpt.parent_events:,} "
        f"events   {excerpt.rows:,} rows   parent {printable(excerpt.parent_run)}, head {excerpt.parent_head}"
    )
    if not document["replay"]["ok"]:
        click.echo(f"replay    ends with {printable(document['replay']['error'])}")
    click.echo(f"redacted  {document['scrubbed_texts']} texts; look at the file before you send it")
    print_warnings(document["notes"])
    click.echo(f"next      mm replay --events {out}   what whoever gets it sees")
