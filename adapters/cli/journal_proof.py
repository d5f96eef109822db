"""`mm journal key`, `anchor`, `prove`, `check-proof`: proofs for outsiders; must never print or keep a private key."""

import os
import signal
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmfold.adapters.bundled import DEMO
from mmfold.adapters.cli.errors import GateFailed
from mmfold.adapters.cli.interpreted import choose_mode, events_bytes
from mmfold.adapters.cli.interrupts import Interrupted, check_interrupts
from mmfold.adapters.cli.journal_path import READ_JOURNAL
from mmfold.adapters.cli.output import emit_json, progress
from mmfold.adapters.cli.shared_options import NumberRange

if TYPE_CHECKING:
    import numpy as np

    from mmfold.journal.errors import JournalError
    from mmfold.journal.proof.anchor import Anchored
    from mmfold.journal.proof.note import Vkey
    from mmfold.journal.proof.prove import Checked
    from mmfold.journal.proof.signing import Signer

PATH = click.Path(path_type=Path)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
PASSPHRASE = "MM_PROOF_KEY_PASSPHRASE"
KEY_BYTES_MAX = 1 << 16
ROWS_SHOWN = 8
NICE = 10  # beside a session: what it leaves of the processor
UNPINNED_NOTE = "the key is the proof's own word: compare it with what the signer published, or give that with --vkey"
UNCHECKED_NOTE = "no signature was checked: give the signer's key with --vkey"
UNSIGNED_NOTE = "the anchor's signature was not checked: give the signer's key with --vkey"


class VkeyType(click.ParamType):
    """A verifier key, NAME+ID+BASE64, or a file that holds one."""

    name = "vkey"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> "Vkey":
        """Return the key."""
        from mmfold.journal.proof.note import parse_vkey

        try:
            text = value
            if "+" not in value and os.path.isfile(value):
                with open(value, encoding="utf-8") as file:
                    text = file.read(KEY_BYTES_MAX).strip()
            return parse_vkey(text)
        except (ValueError, OSError) as error:
            self.fail(f"{str(value)[:80]!r} is no verifier key: {error}", param, ctx)


VKEYS = click.option(
    "--vkey",
    "vkeys",
    multiple=True,
    type=VkeyType(),
    metavar="VKEY",
    help="The signer's published key, or a file of it.",
)


@click.command(
    epilog="Example: mm journal key --out k.pem --name example.com/mm",
    short_help="Make a key that signs checkpoints.",
)
@click.option("--out", required=True, metavar="FILE", type=PATH, help="Where to write the private key, mode 0600.")
@click.option("--name", required=True, metavar="NAME", help="Who signs: a URL without its scheme, example.com/mm.")
@click.option("--ml-dsa", is_flag=True, help="An ML-DSA-44 key, to cosign with, instead of Ed25519.")
@AS_JSON
def key(out: Path, name: str, ml_dsa: bool, as_json: bool) -> None:
    """Make a private key and print its verifier key, which is what outsiders get.

    Where MM_PROOF_KEY_PASSPHRASE is set (or its _FILE), the key is encrypted with it. A file that exists is never
    replaced.
    """
    from mmfold.journal.files.outputs import check_file
    from mmfold.journal.files.plain_file import open_plain, sync_directory
    from mmfold.journal.files.publish import working
    from mmfold.journal.proof.note import NAME, KeyKind
    from mmfold.journal.proof.signing import make_key, parse_signer

    if not NAME.fullmatch(name):
        raise click.BadParameter(f'"{name}" has a space or a plus sign', param_hint="--name")
    check_file(out)
    passphrase = read_passphrase()
    pem = make_key(name, KeyKind.ML_DSA_44 if ml_dsa else KeyKind.ED25519, passphrase)
    vkey = parse_signer(pem, passphrase, out).vkey
    with working(out) as work:
        with open(open_plain(work / out.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        os.link(work / out.name, out)  # unlike a rename it never takes another file's place
    sync_directory(out.absolute().parent)
    if as_json:
        emit_json({"encrypted": passphrase is not None, "out": str(out), "vkey": str(vkey)})
        return
    click.echo(f"key       {out}   {'encrypted' if passphrase else 'not encrypted'}, for its owner only: keep a copy")
    click.echo(f"vkey      {vkey}")


@click.command(
    epilog="Example: mm journal anchor out/bt --key k.pem",
    short_help="Sign what a journal holds, for outsiders.",
)
@click.argument("path", type=READ_JOURNAL)
@click.option("--key", "key_path", required=True, metavar="FILE", type=PATH, help="The private key, Ed25519 in PEM.")
@click.option("--cosign", metavar="FILE", type=PATH, help="An ML-DSA-44 key that signs as well.")
@click.option("--origin", metavar="TEXT", help="The log's name, instead of the key's name and the run.")
@click.option("--follow", is_flag=True, help="Go on beside a living writer, until the journal is sealed or Ctrl-C.")
@click.option(
    "--every", "every_s", metavar="SECONDS", default=60.0, show_default=True, type=NumberRange(1.0),
    help="With --follow: how often what has come is signed.",
)  # fmt: skip
@click.option("--beside", metavar="PID", type=click.IntRange(1), help="With --follow: end when this process has.")
@AS_JSON
def anchor(
    path: Path, key_path: Path, cosign: Path | None, origin: str | None, follow: bool, every_s: float,
    beside: int | None, as_json: bool,
) -> None:  # fmt: skip
    """Verify a journal, keep its Merkle tree in PATH/proof and sign its root: a checkpoint.

    Keep the checkpoint where the journal's writer cannot change it. Of a journal under its writer it is what is
    committed; a later call goes on, and --follow does so by itself, hashing each event once and at low priority. Exit
    code 2: the journal does not verify, is not the one that was anchored before, or the key is another.
    """
    if path.resolve() == DEMO:
        raise click.UsageError("the bundled journal is never changed: copy it, and anchor the copy")
    choose_mode(path, 1)
    from mmfold.journal.errors import Corrupt, SealDiffers, TornTail
    from mmfold.journal.proof.anchor import anchor_journal
    from mmfold.journal.proof.errors import CheckFailed
    from mmfold.journal.proof.following import follow_journal

    signers = [read_signer(one) for one in (key_path, cosign) if one is not None]
    started_s = time.perf_counter()
    try:
        if follow:
            os.nice(NICE)
            on_turn = check_interrupts if beside is None else partial(check_beside, beside)
            for done in follow_journal(path, signers, origin=origin, every_s=every_s, on_turn=on_turn):
                tell_anchored(path, done, signers, time.perf_counter() - started_s, as_json)
                sys.stdout.flush()
            return
        with progress(events_bytes(path) // 64, "anchor", "rows") as report:
            done = anchor_journal(path, signers, origin=origin, now_s=int(time.time()), on_rows=report)
    except (CheckFailed, Corrupt, SealDiffers, TornTail) as error:
        raise failed(error, f"mm journal verify {path}") from None
    tell_anchored(path, done, signers, time.perf_counter() - started_s, as_json)


def check_beside(pid: int) -> None:
    """Raise when a process that was worked for is gone, or when a person asks for the end.

    Raises: Interrupted.
    """
    check_interrupts()
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        raise Interrupted(signal.SIGHUP) from None
    except PermissionError:
        return  # it lives, and is another user's


def tell_anchored(path: Path, done: "Anchored", signers: "list[Signer]", seconds: float, as_json: bool) -> None:
    """Print what was anchored."""
    if as_json:
        emit_json(anchor_document(path, done, signers, seconds))
        return
    root = done.signed.checkpoint.root.hex()
    more = f", {done.events - done.events_before:,} of them new" if done.events_before else ""
    click.echo(f"anchored  {path}   {done.events:,} events{more}  {done.rows:,} rows   {seconds:.1f} s")
    click.echo(f"origin    {done.signed.checkpoint.origin}")
    click.echo(f"root      {root}   head {done.head}")
    for signer in signers:
        click.echo(f"signed    {signer.vkey.name}   key {signer.vkey.key_id.hex()}, {signer.vkey.kind.name.lower()}")
    click.echo(f"anchor    {done.path}   keep a copy where the journal's writer cannot change it")
    click.echo(f"next      mm journal prove {path} --seq {done.events - 1} > p.txt")


def anchor_document(path: Path, done: "Anchored", signers: "list[Signer]", seconds: float) -> dict[str, Any]:
    """Return what `anchor --json` prints."""
    return {
        "checkpoint": str(done.signed.note),
        "events": done.events,
        "events_before": done.events_before,
        "head": done.head,
        "origin": done.signed.checkpoint.origin,
        "out": str(done.path),
        "path": str(path),
        "root": done.signed.checkpoint.root.hex(),
        "rows": done.rows,
        "run": {"rows_per_s": round(done.rows / max(seconds, 1e-9)), "seconds": round(seconds, 6)},
        "tiles_written": done.tiles_written,
        "vkeys": [str(signer.vkey) for signer in signers],
    }


@click.command(
    epilog="Example: mm journal prove out/bt --seq 1234 > p.txt",
    short_help="Write the proof that an event was anchored.",
)
@click.argument("path", type=READ_JOURNAL)
@click.option("--seq", type=click.IntRange(min=0), help="The event.")
@click.option("--old", metavar="CHECKPOINT", type=PATH, help="Prove that the journal continues this one instead.")
@AS_JSON
def prove(path: Path, seq: int | None, old: Path | None, as_json: bool) -> None:
    """Print a proof that holds without the journal: that an event is in the newest checkpoint, or that this
    checkpoint continues an older one.

    Exit code 1: no such event, or it is not anchored yet. 2: the journal is not what was anchored.
    """
    if (seq is None) == (old is None):
        raise click.UsageError("give either --seq N or --old CHECKPOINT")
    from mmfold.journal.proof.errors import CheckFailed
    from mmfold.journal.proof.prove import prove_event, prove_growth, read_checkpoint

    try:
        text = str(prove_growth(path, read_checkpoint(old), old) if old is not None else prove_event(path, seq or 0))
    except CheckFailed as error:
        raise failed(error, f"mm journal verify {path}") from None
    if as_json:
        emit_json({"bytes": len(text.encode()), "path": str(path), "proof": text, "seq": seq})
        return
    click.echo(text, nl=False)


@click.command(
    name="check-proof",
    epilog="Example: mm journal check-proof p.txt --vkey signer.vkey",
    short_help="Check a proof without its journal.",
)
@click.argument("path", metavar="FILE", type=PATH)
@VKEYS
@click.option("--origin", metavar="TEXT", help="The log that it must be of.")
@click.option("--old", metavar="CHECKPOINT", type=PATH, help="The older checkpoint that a proof of growth is about.")
@AS_JSON
def check_proof(path: Path, vkeys: "tuple[Vkey, ...]", origin: str | None, old: Path | None, as_json: bool) -> None:
    """Check what `mm journal prove` wrote: signature, path and event. Every key that is given must have signed.

    Exit code 2: it does not hold. 1: it is no proof.
    """
    from mmfold.journal.proof.errors import CheckFailed
    from mmfold.journal.proof.prove import check_proof as check
    from mmfold.journal.proof.prove import read_checkpoint

    try:
        found = check(path, vkeys, None if old is None else (read_checkpoint(old), old))
        told = found.proof.signed.checkpoint.origin
        if origin not in (None, told):
            raise CheckFailed(path, f"expected a proof of {origin}, found one of {told}")
    except CheckFailed as error:
        raise failed(error, "") from None
    if as_json:
        emit_json(proof_document(path, found))
        return
    click.echo("\n".join(proof_lines(path, found)))


def proof_document(path: Path, found: "Checked") -> dict[str, Any]:
    """Return what `check-proof --json` prints."""
    rows = None if found.rows is None else [row_document(row) for row in found.rows]
    wanted = found.proof.signed.checkpoint
    return {
        "events": wanted.size,
        "ok": True,
        "old_events": getattr(found.proof, "old_size", None),
        "origin": wanted.origin,
        "path": str(path),
        "pinned": found.is_pinned,
        "root": wanted.root.hex(),
        "rows": rows,
        "seq": getattr(found.proof, "index", None),
        "vkeys": [str(vkey) for vkey in found.vkeys],
    }


def proof_lines(path: Path, found: "Checked") -> list[str]:
    """Return what a person wants to know of a proof that holds."""
    wanted = found.proof.signed.checkpoint
    document = proof_document(path, found)
    if found.rows is None:
        old = f"{document['old_events']:,}"
        lines = [f"ok        {path}   the log of {wanted.size:,} events continues that of {old}"]
    else:
        lines = [f"ok        {path}   event {document['seq']:,} of {wanted.size:,}, {len(found.rows):,} rows"]
    lines += [f"origin    {wanted.origin}   root {wanted.root.hex()}"]
    lines += [f"signed    {vkey}" for vkey in found.vkeys]
    for row in [] if found.rows is None else found.rows[:ROWS_SHOWN]:
        told = row_document(row)
        lines.append("row       " + "  ".join(f"{name} {told[name]}" for name in told if name not in ("seq", "hex")))
    if found.rows is not None and len(found.rows) > ROWS_SHOWN:
        lines.append(f"          and {len(found.rows) - ROWS_SHOWN:,} more: --json has all")
    note = UNPINNED_NOTE if found.vkeys else UNCHECKED_NOTE
    return lines if found.is_pinned else [*lines, f"note      {note}"]


def row_document(row: "np.void") -> dict[str, Any]:
    """Return the fields of a row that say something, and its bytes."""
    from mmfold.engine.codes import EventKind
    from mmfold.engine.records import NO_VALUE

    assert row.dtype.names is not None
    kind = next((one.name.lower() for one in EventKind if one == row["kind"]), str(row["kind"]))
    fields = {name: int(row[name]) for name in row.dtype.names if name != "kind"}
    return {
        "kind": kind,
        **{name: value for name, value in fields.items() if value != NO_VALUE},
        "hex": row.tobytes().hex(),
    }


def check_kept_outside(path: Path, kept: Path, vkeys: "tuple[Vkey, ...]") -> tuple[str, int]:
    """Check that a journal begins with what a checkpoint says; returns the checkpoint's origin and size.

    Raises: CheckFailed, ProofError, JournalError.
    """
    from mmfold.journal.proof.prove import check_anchor, read_checkpoint
    from mmfold.journal.proof.signing import check_signed

    signed = read_checkpoint(kept)
    check_signed(signed, vkeys, kept)
    with progress(events_bytes(path) // 64 if path.is_dir() else None, "anchor", "rows") as report:
        check_anchor(path, signed, kept, report)
    return signed.checkpoint.origin, signed.checkpoint.size


def failed(error: "JournalError", next_step: str) -> GateFailed:
    """Return a failed check as it is told."""
    hint = error.hint or next_step
    return GateFailed(f"not ok    {error}" + (f"\nnext      {hint}" if hint else ""))


def read_signer(path: Path) -> "Signer":
    """Return the private key of a file that only its owner can read.

    Raises: SecretError, ProofError, OSError.
    """
    from mmfold.adapters.secrets.file import check_private
    from mmfold.journal.proof.signing import parse_signer

    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        check_private(path, os.fstat(file.fileno()))
        pem = file.read(KEY_BYTES_MAX)
    return parse_signer(pem, read_passphrase(), path)


def read_passphrase() -> bytes | None:
    """Return the passphrase of the key, None where nothing says one.

    Raises: SecretError.
    """
    from mmfold.adapters.secrets.env import read_variable
    from mmfold.adapters.secrets.value import Secret

    found = read_variable(PASSPHRASE, os.environ)
    return None if found is None else Secret(found.text).reveal().encode()
