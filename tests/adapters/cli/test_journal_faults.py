"""Bad input to `mm journal`: one clear line, the right exit code, nothing changed, nothing half written."""

import json
import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from mmfold.journal.log.segment import SegmentFile, encode_segment_header, segment_paths
from mmfold.journal.log.writer import Writer
from tests.journal.make_rows import (
    book_rows,
    canonical_rows,
    files_of,
    forge_journal,
)

EVENT_COUNT = 2100
ROWS = canonical_rows(EVENT_COUNT)
NOBODY = 65_534
LOOSE = ("x.jsonl.gz", "x.parquet")  # a gzip header's time and a Parquet file's statistics say nothing of events


def rewrite(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


def flip_a_row(journal: Path) -> None:
    mark = list(SegmentFile(segment_paths(journal)[1]).marks())[9]
    rewrite(segment_paths(journal)[1], lambda data: flipped(data, mark.offset + 64 + 24))


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def frames_of_segment_1(journal: Path, order: Callable[[list[bytes]], list[bytes]]) -> None:
    path = segment_paths(journal)[1]
    data = path.read_bytes()
    frames = [data[mark.offset : mark.end] for mark in SegmentFile(path).marks()]
    path.write_bytes(data[:128] + b"".join(order(frames)))


def cut_frames(journal: Path) -> None:
    path = segment_paths(journal)[-1]
    marks = list(SegmentFile(path).marks())
    rewrite(path, lambda data: data[: marks[-1].offset])


def half_frame(journal: Path) -> None:
    rewrite(segment_paths(journal)[-1], lambda data: data[:-65])


def no_seal_and_cut(journal: Path) -> None:
    (journal / "seal.json").unlink()
    half_frame(journal)


def version_9(journal: Path) -> None:
    path = segment_paths(journal)[0]
    header = encode_segment_header(SegmentFile(path).header._replace(schema_version=9))
    rewrite(path, lambda data: header + data[128:])


def no_manifest(journal: Path) -> None:
    shutil.rmtree(journal)
    forge_journal(journal, book_rows([1, 1]))


# what was done to the journal, exit code of verify, first bad seq, said by verify, letter of recover
HARMS = {
    "edited": (flip_a_row, 2, 1450, "something between seq 1450 and 1499 was changed", "L"),
    "deleted": (
        lambda j: frames_of_segment_1(j, lambda f: f[:3] + f[4:]),
        2,
        1150,
        "expected a frame from seq 1150",
        "L",
    ),
    "inserted": (lambda j: frames_of_segment_1(j, lambda f: [*f[:3], f[2], *f[3:]]), 2, 1150, "found one from", "L"),
    "swapped": (lambda j: frames_of_segment_1(j, lambda f: [f[1], f[0], *f[2:]]), 2, 1024, "found one from seq", "L"),
    "a whole frame cut off": (cut_frames, 2, 2050, "the tail was cut off", "K"),
    "half a frame cut off": (half_frame, 2, 2050, "expected", "K"),
    "torn": (no_seal_and_cut, 2, 2050, "expected", "H"),
    "last segment empty": (lambda j: segment_paths(j)[-1].write_bytes(b""), 2, 2048, "found an empty file", "K"),
    "first segment missing": (lambda j: segment_paths(j)[0].unlink(), 2, 0, "expected segment 000000.mmj", "L"),
    "a segment missing": (lambda j: segment_paths(j)[1].unlink(), 2, 1024, "expected segment 000001.mmj", "L"),
    "no manifest": (no_manifest, 2, 0, "expected the manifest at seq 0, found kind 11", "C"),
    "seal not one": (lambda j: (j / "seal.json").write_text("{"), 2, 2100, "expected a seal", "K"),
    "another version": (version_9, 1, None, "mm 0.2.0 reads, up to 1, found that of another build, 9", "L"),
    "other bytes": (lambda j: rewrite(segment_paths(j)[0], lambda d: b"x" + d[1:]), 1, None, "expected a segment", "L"),
}


@pytest.mark.parametrize("name", HARMS)
def test_a_harmed_journal_is_told_located_and_left_alone(mm, place: Path, name: str) -> None:
    harm, code, seq, said, letter = HARMS[name]
    harm(place / "j")
    files = files_of(place)
    found, out, err = mm("verify", place / "j")
    assert (found, out) == (code, "") and said in err
    found, out, _ = mm("verify", place / "j", "--json", "--workers", 2)
    assert found == code
    if seq is not None:
        document = json.loads(out)
        assert document["first_bad"]["seq"] == seq and not document["ok"] and said in document["first_bad"]["reason"]
        assert "next " in err and len(err.splitlines()) == 3
    else:
        assert out == "" and err.startswith("error: ")
    found, out, err = mm("recover", place / "j")
    assert (found, (out + err)[0]) == (2 if letter in "KL" else 0, letter)
    assert mm("recover", place / "j", "--json")[0] == found
    if letter in "KL":
        assert mm("recover", place / "j", "--apply")[0] == 2
    if name not in ("seal not one", "a whole frame cut off"):  # what the seal alone shows is no fault of the events
        for words in (["convert", "J", "X"], ["convert", "J", "K"], ["export", "J", "--parquet", "P"]):
            names = {"J": place / "j", "X": place / "x.jsonl", "K": place / "k", "P": place / "x.parquet"}
            found, out, err = mm(*(names.get(word, word) for word in words))
            assert (found, out) == (1, "") and err.startswith("error: ")
    assert files_of(place) == files


def test_what_cat_prints_before_a_fault_is_a_journal(mm, place: Path) -> None:
    flip_a_row(place / "j")
    code, out, err = mm("cat", place / "j")
    assert code == 1 and "000001.mmj seq 1,450" in err
    (place / "good.jsonl").write_text(out)
    assert mm("verify", place / "good.jsonl")[0] == 0
    assert len(out.splitlines()) == 1450


# words, exit code, said
MISTAKES = [
    (["verify", "NONE"], 1, "expected"),
    (["verify", "EMPTY"], 1, "expected segments (000000.mmj, ...), found none"),
    (["verify", "ZERO.jsonl"], 1, "the file is empty"),
    (["verify", "ZERO.parquet"], 1, "expected a Parquet file"),
    (["verify", "ZERO.txt"], 2, "found an empty file"),
    (["verify", "j", "--head", "12"], 64, "'12' is not a head of 64 hex digits"),
    (["verify", "j", "--workers", "0"], 64, "--workers"),
    (["info", "EMPTY"], 1, "found none"),
    (["info", "NONE.jsonl"], 1, "No such file"),
    (["cat", "NONE.parquet"], 1, "No such file"),
    (["cat", "j", "--kind", "plac"], 64, '"plac" is not one of manifest,'),
    (["cat", "j", "--symbol", "XRP"], 64, '"XRP" is not one of BTCUSDT'),
    (["cat", "j", "--kind", ","], 64, "no name given"),
    (["cat", "j", "--from", "-1"], 64, "--from"),
    (["cat", "NONE", "--follow"], 1, "found nothing"),
    (["cat", "j/000000.mmj", "--follow"], 1, "expected a journal directory to follow"),
    (["convert", "j", "x.csv"], 1, 'found ".csv"'),
    (["convert", "j", "j"], 1, "expected another place"),
    (["convert", "j", "EMPTY"], 1, "exists already"),
    (["convert", "j", "no/x.jsonl"], 1, "make it first"),
    (["convert", "ZERO.jsonl", "k"], 1, "the file is empty"),
    (["export", "j", "--parquet", "x.csv"], 64, "does not end with .parquet"),
    (["export", "j", "--parquet", "x.parquet", "--symbols", ","], 64, "no symbol given"),
    (["export", "j", "--parquet", "x.parquet", "--symbols", "XRP"], 1, 'unknown symbol "XRP"'),
    (["export", "j"], 64, "--parquet"),
    (["recover", "EMPTY"], 1, "found none"),
    (["recover", "ZERO.jsonl"], 1, "expected a journal directory"),
]


@pytest.mark.parametrize(
    ("words", "code", "said"), MISTAKES, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_a_mistake_is_told_in_a_line(mm, place: Path, monkeypatch, words, code, said) -> None:
    monkeypatch.chdir(place)
    (place / "EMPTY").mkdir()
    for name in ("ZERO.jsonl", "ZERO.parquet", "ZERO.txt"):
        (place / name).touch()
    files = files_of(place)
    found, out, err = mm(*words)
    assert (found, out) == (code, "") and said in err
    assert err.startswith("error: ") or code == 2
    assert files_of(place) == files


def test_a_second_writer_is_named(mm, place: Path) -> None:
    with Writer(place / "j"):
        files = files_of(place)
        for words in (["recover", place / "j", "--apply"], ["convert", place / "j/000000.mmj", place / "j"]):
            assert mm(*words)[0] == 1
        code, _, err = mm("recover", place / "j", "--apply")
        assert (code, f"found process {os.getpid()}" in err) == (1, True)
        mm("convert", place / "j", place / "x.jsonl")
        code, _, err = mm("convert", place / "x.jsonl", place / "j", "--force")
        assert code == 1 and "found a living one" in err
        (place / "x.jsonl").unlink()
        assert files_of(place) == files
        assert "being written" in mm("info", place / "j")[1]


@contextmanager
def as_nobody() -> Iterator[None]:
    """Give up the rights of root, which may read everything, for a while."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if was == 0:
            os.seteuid(0)


@pytest.mark.parametrize("name", ["j", "j/000000.mmj", "x.jsonl", "x.parquet"])
def test_what_may_not_be_read_is_said(mm, place: Path, name: str) -> None:
    mm("convert", place / "j", place / "x.jsonl")
    mm("convert", place / "j", place / "x.parquet")
    os.chmod(place / name, 0)
    for directory in (place, *place.parents[:-2]):
        os.chmod(directory, 0o755)
    for command in ("verify", "info", "cat", "recover"):
        with as_nobody():
            code, out, err = mm(command, place / name)
        said = "Permission denied" if command != "recover" or name == "j" else "expected a journal directory"
        assert (code, out) == (1, "") and err.startswith("error: ") and said in err, command
    os.chmod(place / name, 0o755)


@contextmanager
def small_disk(directory: Path) -> Iterator[Path]:
    """Give a place with less room than a conversion needs: a small tmpfs for root, else a limit of file size."""
    disk = directory / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False).returncode == 0:
        try:
            yield disk
        finally:
            subprocess.run(["umount", str(disk)], check=True)
        return
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        yield disk
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("name", ["k", "x.jsonl", "x.parquet"])
def test_a_full_disk_leaves_nothing(mm, place: Path, name: str) -> None:
    with small_disk(place) as disk:
        (disk / "filler").write_bytes(bytes(19_000 if name != "x.parquet" else 50_000))
        code, out, err = mm("convert", place / "j", disk / name)
        assert (code, out) == (1, "") and err.startswith(f"error: {disk / name}: could not write: ")
        assert "nothing was kept\n       free some space and run again\n" in err
        assert os.listdir(disk) == ["filler"]
        assert mm("verify", place / "j")[0] == 0


@pytest.mark.parametrize("name", ["j/000001.mmj", "j/seal.json", "x.jsonl", "x.jsonl.gz", "x.parquet"])
def test_no_flipped_byte_is_taken_for_a_bug_of_ours(mm, place: Path, name: str) -> None:
    if name.startswith("x"):
        mm("convert", place / "j", place / name)
    path = place / name
    data = path.read_bytes()
    for at in np.linspace(0, len(data) - 1, 12).astype(int).tolist():
        path.write_bytes(flipped(data, at))
        target = place / "j" if name.startswith("j") else path
        assert mm("verify", target)[0] in ((1, 2) if name not in LOOSE else (0, 1, 2)), at
        assert mm("info", target)[0] in (0, 1) and mm("cat", target, "--limit", 1)[0] in (0, 1), at
        code = mm("convert", target, place / "k")[0]
        assert code == 0 if (place / "k").exists() else code == 1, at
        shutil.rmtree(place / "k", ignore_errors=True)
