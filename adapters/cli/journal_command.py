"""`mm journal`: look into, verify, convert and recover journals; must never change one except by `recover --apply`."""

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmfold.adapters.bundled import DEMO
from mmfold.adapters.cli.errors import GateFailed
from mmfold.adapters.cli.interpreted import choose_mode, events_bytes
from mmfold.adapters.cli.journal_cat import cat
from mmfold.adapters.cli.journal_info import info
from mmfold.adapters.cli.journal_path import READ_JOURNAL
from mmfold.adapters.cli.journal_proof import (
    UNSIGNED_NOTE,
    VKEYS,
    anchor,
    check_kept_outside,
    check_proof,
    failed,
    key,
    prove,
)
from mmfold.adapters.cli.journal_slice import slice_command
from mmfold.adapters.cli.output import emit_json, progress

if TYPE_CHECKING:
    from mmfold.journal.convert import Conversion
    from mmfold.journal.errors import JournalError
    from mmfold.journal.log.verify import Verification
    from mmfold.journal.proof.note import Vkey
    from mmfold.journal.recovery.recover import Recovery

PATH = click.Path(path_type=Path)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
FORCE = click.option("--force", is_flag=True, help="Replace an output of the same kind that exists.")
HEAD_CHARS = 64
CUT_NOTE = "a chain alone cannot show a tail cut off at an event's end: keep this head outside and give it with --head"
NO_SEAL_NOTE = "not sealed: an end that was cut off before would not show; what was written holds what was found"
UNSEALED_NOTE = "unsealed: no line has a hash, so nothing vouches for the events; the head is that of what was found"
LETTERS = {
    "A": "there is no segment",
    "B": "whole and sealed",
    "C": "whole, not sealed: its writer did not close it",
    "D": "the last segment is empty",
    "E": "the last segment ends inside its header",
    "F": "the last segment is zeros",
    "G": "the last segment ends inside a frame header",
    "H": "the last segment ends inside a frame",
    "I": "the last segment ends with bytes that are no frame",
    "J": "the rows of the last frames did not all reach the disk",
    "K": "other than the seal says: recovery refuses",
    "L": "damage that a crash does not leave behind: recovery refuses",
}


@click.group(name="journal", help="Look into, verify, convert and recover journals.")
def command() -> None:
    """Hold the subcommands."""


command.add_command(info)
command.add_command(cat)
command.add_command(slice_command)
for one in (anchor, check_proof, key, prove):
    command.add_command(one)


def parse_head(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Return a head in lower-case hex."""
    if value is not None and (len(value) != HEAD_CHARS or set(value.lower()) - set("0123456789abcdef")):
        raise click.BadParameter(f"{value!r} is not a head of {HEAD_CHARS} hex digits", ctx, parameter)
    return value.lower() if value else None


@command.command(
    epilog="Example: mm journal verify out/b --workers 2",
    short_help="Check every byte, and say what is wrong where.",
)
@click.argument("path", type=READ_JOURNAL)
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Segments checked at once.")
@click.option("--head", metavar="HEX", callback=parse_head, help="The head that was kept outside.")
@click.option("--anchor", "kept", metavar="FILE", type=PATH, help="The checkpoint that was kept outside.")
@VKEYS
@AS_JSON
def verify(
    path: Path, workers: int, head: str | None, kept: Path | None, vkeys: "tuple[Vkey, ...]", as_json: bool
) -> None:
    """Check every byte of a journal directory, a segment, a .jsonl[.gz|.zst] or a .parquet.

    Exit code 0: whole. 2: not whole, or other than its seal, HEAD or the anchor says. 1: not even its start can be
    read (no journal, another version, no permission).
    """
    if vkeys and kept is None:
        raise click.UsageError("--vkey is the key of --anchor FILE")
    choose_mode(path, workers)
    from mmfold.journal.formats import Form, form_of, verify_form
    from mmfold.journal.log.verify import first_bad
    from mmfold.journal.proof.errors import CheckFailed

    form = form_of(path)
    is_binary = form is Form.JOURNAL
    started_s = time.perf_counter()
    total = events_bytes(path) if is_binary else None
    with progress(total, "verify", "bytes" if is_binary else "rows") as report:
        found = verify_form(path, workers=workers, expect_head=head, on_progress=report)
    seconds = time.perf_counter() - started_s
    differing: JournalError | None = None
    anchored: dict[str, Any] = {}
    if found.ok and kept is not None:
        try:
            origin, size = check_kept_outside(path, kept, vkeys)
            anchored = {"anchor": {"events": size, "origin": origin}}
        except CheckFailed as error:
            differing, found = error, dataclasses.replace(found, ok=False, first_bad=first_bad(error, 0))
    if as_json:
        emit_json({**verification_document(path, form.value, found, seconds), **anchored})
    if differing is not None:
        raise GateFailed("") if as_json else failed(differing, "restore a copy")
    if not found.ok:
        raise GateFailed("" if as_json else fault_text(path, found))
    if not as_json:
        sealed = "sealed" if found.sealed else "unsealed"
        counts = f"{found.events:,} events  {found.rows:,} rows"
        click.echo(f"ok        {path}   {counts}  {sealed}  head {found.head}   {seconds:.1f} s")
        if kept is not None:
            click.echo(f"anchor    {kept}   the first {size:,} events are those of {origin}")
            click.echo("" if vkeys else f"note      {UNSIGNED_NOTE}\n", nl=False)
        if form is Form.JSONL and not found.sealed:
            click.echo(f"note      {UNSEALED_NOTE}")
        elif head is None and kept is None and (form is Form.JSONL or (is_binary and not found.sealed)):
            click.echo(f"note      {CUT_NOTE}")


def verification_document(path: Path, form: str, found: "Verification", seconds: float) -> dict[str, Any]:
    """Return what `verify --json` prints."""
    document: dict[str, Any] = {name: getattr(found, name) for name in found.__dataclass_fields__}
    rate = round(found.rows / max(seconds, 1e-9))
    return {**document, "form": form, "path": str(path), "run": {"rows_per_s": rate, "seconds": round(seconds, 6)}}


def fault_text(path: Path, found: "Verification") -> str:
    """Return where a journal is not as it should be, what is whole, and what to do next."""
    bad = found.first_bad
    assert bad is not None
    place = "" if bad["offset"] is None else f" (byte {bad['offset']:,})"
    lines = [
        f"not ok    {bad['file']} seq {bad['seq']:,}{place}: {bad['reason']}",
        f"whole     {found.events:,} events  {found.rows:,} rows up to there   head {found.head}",
    ]
    if path.is_dir():
        lines.append(f"next      mm journal recover {path}   says whether a crash explains it, else restore a copy")
    else:
        lines.append("next      restore it from a copy, or write it again from its journal: mm journal convert")
    return "\n".join(lines)


@command.command(
    epilog="Example: mm journal convert out/b out/b.jsonl.zst",
    short_help="Write a journal in another form, with the same head.",
)
@click.argument("src", type=READ_JOURNAL)
@click.argument("dst", type=PATH)
@FORCE
@AS_JSON
def convert(src: Path, dst: Path, force: bool, as_json: bool) -> None:
    """Write a journal in another form, by DST's name: .jsonl, .jsonl.gz, .jsonl.zst, .parquet or a journal directory.

    What was written is read back; DST appears with SRC's head or not at all.
    """
    choose_mode(src, 1)
    from mmfold.journal.convert import convert as convert_journal

    result, seconds = timed(src, "convert", lambda report: convert_journal(src, dst, force=force, on_rows=report))
    if as_json:
        emit_json(conversion_document(src, dst, result, seconds))
        return
    counts = f"{result.events:,} events  {result.rows:,} rows"
    click.echo(f"converted {src} -> {dst}   {counts}   {seconds:.1f} s")
    click.echo(f"head      {result.head}   the same in both")
    if not result.has_hashes:
        click.echo(f"note      {src} is {UNSEALED_NOTE}")
    elif not result.sealed:
        click.echo(f"note      {src} is {NO_SEAL_NOTE}")


@command.command(
    epilog="Example: mm journal export out/b --parquet out/b.parquet --symbols BTCUSDT",
    short_help="Write a journal as Parquet, for DuckDB and others.",
)
@click.argument("path", type=READ_JOURNAL)
@click.option("--parquet", "out", required=True, metavar="FILE", type=PATH, help="Where to write, .parquet.")
@click.option("--symbols", metavar="SYMBOL,...", help="These only, and events about none; a table, not a journal.")
@FORCE
@AS_JSON
def export(path: Path, out: Path, symbols: str | None, force: bool, as_json: bool) -> None:
    """Write a journal as one Parquet file, which DuckDB, Polars and pandas read as it is."""
    if out.suffix != ".parquet":
        raise click.BadParameter(f'"{out}" does not end with .parquet', param_hint="--parquet")
    chosen = frozenset(part.strip() for part in (symbols or "").split(",") if part.strip())
    if symbols is not None and not chosen:
        raise click.BadParameter("no symbol given, such as BTCUSDT,ETHUSDT", param_hint="--symbols")
    choose_mode(path, 1)
    from mmfold.journal.convert import convert as convert_journal
    from mmfold.journal.convert import export_symbols

    def work(report: Callable[[int], None]) -> "Conversion":
        if chosen:
            return export_symbols(path, out, chosen, force=force, on_rows=report)
        return convert_journal(path, out, force=force, on_rows=report)

    result, seconds = timed(path, "export", work)
    query = example_query(out)
    if as_json:
        emit_json({**conversion_document(path, out, result, seconds), "query": query})
        return
    click.echo(f"exported  {path} -> {out}   {result.events:,} events  {result.rows:,} rows   {seconds:.1f} s")
    click.echo(f"head      {result.head}   the journal's" if result.head else "head      none: a part is no journal")
    if not result.has_hashes:
        click.echo(f"note      {path} is {UNSEALED_NOTE}")
    elif not result.sealed:
        click.echo(f"note      {path} is {NO_SEAL_NOTE}")
    click.echo(f"query     {python_line(query)}")


def timed(src: Path, label: str, work: Callable[[Callable[[int], None]], "Conversion"]) -> tuple["Conversion", float]:
    """Run a conversion under a progress bar and return its seconds as well; the rows are written, then read back."""
    started_s = time.perf_counter()
    total = 2 * (events_bytes(src) // 64) if src.is_dir() else None
    with progress(total, label, "rows") as report:
        result = work(report)
    return result, time.perf_counter() - started_s


def conversion_document(src: Path, dst: Path, result: "Conversion", seconds: float) -> dict[str, Any]:
    """Return what `convert --json` and `export --json` print."""
    return {
        "dst": str(dst),
        "events": result.events,
        "head": result.head,
        "rows": result.rows,
        "run": {"rows_per_s": round(result.rows / max(seconds, 1e-9)), "seconds": round(seconds, 6)},
        "src": str(src),
        "src_has_hashes": result.has_hashes,
        "src_sealed": result.sealed,
    }


def example_query(path: Path) -> str:
    """Return a query that says what an export holds."""
    name = str(path).replace("'", "''")
    return f"SELECT kind, symbol, count(*) AS n FROM '{name}' GROUP BY ALL ORDER BY ALL"


def python_line(query: str) -> str:
    """Return a shell line that runs a query, also where its path holds what a shell or Python would read otherwise."""
    import json
    import re

    program = f"import duckdb; duckdb.sql({json.dumps(query)}).show()"
    return 'python -c "' + re.sub(r'([\\"$`])', r"\\\1", program) + '"'


@command.command(
    epilog="Example: mm journal recover out/b --apply",
    short_help="Say what a crash left behind, and set it aside.",
)
@click.argument("path", type=READ_JOURNAL)
@click.option("--apply", is_flag=True, help="Set the torn bytes aside; without, only say what would be done.")
@click.option(
    "--salvage", "out", metavar="OUT", type=PATH, help="Write what is whole of a damaged journal to a new one."
)
@FORCE
@AS_JSON
def recover(path: Path, apply: bool, out: Path | None, force: bool, as_json: bool) -> None:
    """Say what a crash left behind, by the letter of a table (mm docs journal), and set it aside when told to.

    Nothing is ever deleted: torn bytes move to PATH/recovered. Exit code 2: the damage is not a crash's (K, L),
    nothing is changed. --salvage leaves PATH as it is and writes its whole commits before the damage to OUT, whose
    manifest names PATH's run and head.
    """
    if apply and path.resolve() == DEMO:
        raise click.UsageError("the bundled journal is never changed: copy it, and recover the copy")
    if out is not None:
        if apply:
            raise click.UsageError("give either --apply or --salvage OUT")
        salvage_journal(path, out, force, as_json)
        return
    from mmfold.journal.errors import Corrupt, NotAJournal, SealDiffers, WrongVersion
    from mmfold.journal.recovery.recover import recover as recover_journal

    try:
        found = recover_journal(path, apply=apply)
    except SealDiffers as error:
        raise refused("K", error, as_json) from None
    except (Corrupt, WrongVersion) as error:
        raise refused("L", error, as_json) from None
    except NotAJournal as error:
        if error.path == path:
            raise
        raise refused("L", error, as_json) from None
    if as_json:
        emit_json(recovery_document(path, found))
    else:
        click.echo("\n".join(recovery_lines(path, found)))


def salvage_journal(path: Path, out: Path, force: bool, as_json: bool) -> None:
    """Write what is whole of a damaged journal to a new one and say how much that is."""
    from mmfold.journal.recovery.salvage import salvage

    with progress(events_bytes(path) // 64, "salvage", "rows") as report:
        found = salvage(path, out, force=force, on_rows=report)
    if as_json:
        emit_json({**dataclasses.asdict(found), "out": str(out), "path": str(path)})
        return
    of = "" if found.sealed_events is None else f" of {found.sealed_events:,}"
    click.echo(f"salvaged  {path} -> {out}   {found.events:,}{of} events  {found.rows:,} rows   head {found.head}")
    click.echo(f"parent    head {found.parent_head}   whole up to head {found.prefix_head}")
    click.echo(f"fault     {found.fault}")
    if found.digests:
        click.echo(f"note      {found.digests:,} state digests in it are the parent's: mm replay compares them")
    click.echo(f"next      mm journal verify {out}")


def refused(letter: str, error: "JournalError", as_json: bool) -> GateFailed:
    """Return the failure that says why recovery leaves a journal alone."""
    if as_json:
        emit_json({"applied": False, "letter": letter, "meaning": LETTERS[letter], "refused": str(error)})
        return GateFailed("")
    hint = error.hint or "restore it from a copy"
    if "--salvage" not in hint:
        hint = f"{hint}, or take what is whole: mm journal recover --salvage OUT"
    return GateFailed(f"{letter}         {LETTERS[letter]}\n          {error}\nnext      nothing was changed; {hint}")


def recovery_document(path: Path, found: "Recovery") -> dict[str, Any]:
    """Return what `recover --json` prints."""
    document: dict[str, Any] = {name: getattr(found, name) for name in found.__dataclass_fields__}
    for name in ("aside_path", "segment"):
        document[name] = None if document[name] is None else str(document[name])
    return {**document, "meaning": LETTERS[found.letter], "path": str(path), "refused": None}


def recovery_lines(path: Path, found: "Recovery") -> list[str]:
    """Return what a person wants to know of a recovery."""
    lines = [
        f"{found.letter}         {path}: {LETTERS[found.letter]}",
        f"kept      {found.events:,} events  {found.rows:,} rows   head {found.head}",
    ]
    if found.segment is None:
        return [*lines, "next      nothing to do"]
    what = f"{found.aside_bytes:,} bytes of {found.segment.name} from byte {found.offset:,} on"
    if found.applied:
        return [*lines, f"set aside {what}, now in {found.aside_path}"]
    return [*lines, f"would set aside {what}", f"next      mm journal recover {path} --apply"]
