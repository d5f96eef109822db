"""`mm journal info`: what a journal is and is made of, as it says itself; must never stand for a verification."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmfold.adapters.cli.journal_path import READ_JOURNAL
from mmfold.adapters.cli.output import emit_json, print_table

if TYPE_CHECKING:
    from mmfold.engine.manifest import Manifest

NOT_VERIFIED = "as the file says: mm journal verify proves it"
MANIFEST_KEYS = ("run_id", "parent_run", "source", "seed", "code_version", "schema_version", "witnessed")
INSTRUMENT_KEYS = ("symbol", "venue", "contract", "tick_size", "lot_size")


@click.command(
    epilog="Example: mm journal info out/b",
    short_help="Show run, instruments, segments and head.",
)
@click.argument("path", type=READ_JOURNAL)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def info(path: Path, as_json: bool) -> None:
    """Show what a journal is of, its instruments, segments, head and checkpoints; nothing is verified."""
    from mmfold.adapters.cli.interpreted import choose_mode

    choose_mode(path, 1)
    document = describe(path)
    if as_json:
        emit_json(document)
    else:
        print_info(document)
    if document["seal_fault"] is not None:
        raise BrokenSeal(f"{path}: {document['seal_fault']}")


class BrokenSeal(click.ClickException):
    """The journal is not what its seal says; all that could be told of it is printed before."""

    hint = "mm journal verify says what is whole, mm journal recover what to do"


def describe(path: Path) -> dict[str, Any]:
    """Return what a journal in any form says of itself.

    Raises: JournalError, JsonlError where not even its start can be read.
    """
    from mmfold.journal.errors import Corrupt, TornTail
    from mmfold.journal.formats import Events, Form, form_of, read_facts

    form = form_of(path)
    document: dict[str, Any] = {
        "path": str(path),
        "form": form.value,
        **dict.fromkeys(("events", "fault", "head", "rows", *MANIFEST_KEYS)),
        **{"checkpoints": [], "has_hashes": True, "instruments": [], "recovered": [], "segments": []},
        **{"being_written": False, "bytes": 0, "seal_fault": None, "sealed": False, "torn_bytes": 0},
    }
    try:
        source = Events(path)
    except (Corrupt, TornTail) as error:
        if form is not Form.JOURNAL:
            raise
        return {**document, **describe_journal(path), "fault": error.message}  # one without events, for example
    document |= manifest_document(source.manifest)
    document["has_hashes"] = source.has_hashes
    if form is Form.JOURNAL:
        return {**document, **describe_journal(path)}
    if form is Form.BUNDLE:
        from mmfold.journal.bundle import unpacked_journal

        return {**document, **describe_journal(unpacked_journal(path)), "bytes": path.stat().st_size}
    document["bytes"] = path.stat().st_size
    if form is Form.PARQUET:
        facts = read_facts(path)
        document.update(rows=facts.row_count, head=facts.head, sealed=True)
    return document


def manifest_document(manifest: "Manifest") -> dict[str, Any]:
    """Return a manifest's summary."""
    instruments = [{key: getattr(one, key) for key in INSTRUMENT_KEYS} for one in manifest.instruments]
    return {**{key: getattr(manifest, key) for key in MANIFEST_KEYS}, "instruments": instruments}


def describe_journal(path: Path) -> dict[str, Any]:
    """Return what the segments of a journal, and the files beside them, say."""
    from mmfold.journal.log.checkpoints import list_checkpoints, seq_next_of
    from mmfold.journal.log.lock import is_locked
    from mmfold.journal.log.reader import Journal
    from mmfold.journal.log.seal import read_seal
    from mmfold.journal.recovery.recover import RECOVERED_NAME

    paths = Journal(path).segments
    segments = [describe_segment(segment, is_last=segment == paths[-1]) for segment in paths]
    last = segments[-1]
    head = next((one["head"] for one in reversed(segments) if one["head"]), None)
    document: dict[str, Any] = {
        "bytes": sum(one["bytes"] for one in segments),
        "events": sum(one["events"] for one in segments),
        "head": head,
        "rows": sum(one["rows"] for one in segments),
        "segments": segments,
        "torn_bytes": last["bytes"] - last["whole_bytes"],
    }
    if path.is_dir():
        aside = path / RECOVERED_NAME
        document["seal_fault"] = seal_fault(path, document)
        document["sealed"] = document["seal_fault"] is None and read_seal(path) is not None
        document["being_written"] = is_locked(path)
        document["checkpoints"] = [
            {"bytes": file.stat().st_size, "file": file.name, "seq_next": seq_next_of(file)}
            for file in list_checkpoints(path)
        ]
        document["recovered"] = sorted(file.name for file in aside.iterdir()) if aside.is_dir() else []
    return document


def seal_fault(path: Path, document: dict[str, Any]) -> str | None:
    """Return in what the seal and the frame headers differ, None where they do not or where there is no seal."""
    from mmfold.journal.errors import SealDiffers
    from mmfold.journal.log.seal import check_seal, read_seal

    try:
        seal = read_seal(path)
        if seal is not None:
            counts = {"events": document["events"], "rows": document["rows"], "segments": len(document["segments"])}
            check_seal(path, seal, head=bytes.fromhex(document["head"] or ""), **counts)
    except SealDiffers as error:
        return error.message
    return None


def describe_segment(path: Path, *, is_last: bool) -> dict[str, Any]:
    """Return what a segment's frame headers say, up to the first that is not one; its rows are not read."""
    from mmfold.journal.errors import JournalError
    from mmfold.journal.log.segment import SEGMENT_HEADER_BYTES, SegmentFile

    document: dict[str, Any] = {"file": path.name, "bytes": path.stat().st_size, "whole_bytes": 0, "fault": None}
    document |= {"seq_first": None, "seq_last": None, "events": 0, "rows": 0, "head": None}
    try:
        file = SegmentFile(path, is_last=is_last)
        document |= {"seq_first": file.header.seq_first, "whole_bytes": SEGMENT_HEADER_BYTES}
        for mark in file.marks():
            document["rows"] += mark.row_count
            document["whole_bytes"] = mark.end
            document["seq_last"], document["head"] = mark.seq_last, mark.digest.hex()
            document["events"] = mark.seq_last + 1 - file.header.seq_first
    except JournalError as error:
        document["fault"] = error.message
    return document


def print_info(document: dict[str, Any]) -> None:
    """Print what a person wants to know of a journal."""
    known = [f"{document[name]:,} {name}" for name in ("events", "rows", "bytes") if document[name] is not None]
    sealed = "sealed" if document["sealed"] or (document["form"] == "jsonl" and document["has_hashes"]) else "unsealed"
    sealed = sealed if document["seal_fault"] is None else "broken seal"
    writing = "  being written" if document["being_written"] else ""
    click.echo(f"{document['form']:<9} {document['path']}   {'  '.join(known)}   {sealed}{writing}")
    if document["fault"] is not None:
        click.echo(f"run       not known: {document['fault']}")
    else:
        print_manifest(document)
    if document["segments"]:
        print_segments(document)
    for one in document["checkpoints"]:
        click.echo(f"checkpoint at seq {one['seq_next']:,}   {one['bytes']:,} bytes   {one['file']}")
    if document["recovered"]:
        click.echo(f"set aside {len(document['recovered']):,} torn tails in {document['path']}/recovered")
    if document["torn_bytes"] and not document["being_written"]:
        click.echo(f"torn      {document['torn_bytes']:,} bytes after the last whole frame")
        click.echo(f"next      mm journal recover {document['path']}")


def print_manifest(document: dict[str, Any]) -> None:
    """Print which run it is, its head and its instruments."""
    parent = f" after {document['parent_run']}" if document["parent_run"] else ""
    witnessed = "with decisions" if document["witnessed"] else "market only"
    click.echo(f"run       {document['run_id']}{parent}   {document['source'] or 'no source'}   {witnessed}")
    click.echo(
        f"made by   mm {document['code_version']}   schema {document['schema_version']}   seed {document['seed']:,}"
    )
    head = "not known without reading it: mm journal verify"
    click.echo(f"head      {document['head']}   {NOT_VERIFIED}" if document["head"] else f"head      {head}")
    rows = [[instrument[key] for key in INSTRUMENT_KEYS] for instrument in document["instruments"]]
    print_table(("symbol", "venue", "contract", "tick", "lot"), rows)


def print_segments(document: dict[str, Any]) -> None:
    """Print the table of segments, and what is wrong with one below it."""
    columns = ("segment", "first seq", "last seq", "rows", "bytes")
    rows = []
    for one in document["segments"]:
        seqs = ["-" if one[key] is None else f"{one[key]:,}" for key in ("seq_first", "seq_last")]
        rows.append([one["file"], *seqs, f"{one['rows']:,}", f"{one['bytes']:,}"])
    print_table(columns, rows)
    for one in document["segments"]:
        if one["fault"] and not document["being_written"]:
            click.echo(f"fault     {one['file']}: {one['fault']}")
