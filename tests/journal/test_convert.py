"""From one form to another and back: the same events under the same head, or nothing at all."""

import json
import os
import resource
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmfold.engine.codes import EventKind
from mmfold.engine.manifest import Instrument, Manifest, encode_manifest
from mmfold.engine.payload import payload_rows
from mmfold.journal.convert import check_copy, convert, export_symbols, regrouped, target_form
from mmfold.journal.errors import Corrupt, JournalError, JournalFull, Locked, NotAJournal, TornTail
from mmfold.journal.files.publish import publishing
from mmfold.journal.formats import Events, Form, verify_form
from mmfold.journal.jsonl.file import JsonlError
from mmfold.journal.log.seal import read_seal
from mmfold.journal.log.segment import segment_paths
from mmfold.journal.log.verify import verify
from mmfold.journal.log.writer import Writer
from tests.journal.make_rows import book_rows, canonical_rows, files_of, forge_journal, journal_rows, write_journal

EVENT_COUNT = 2100  # three blocks
ROWS = canonical_rows(EVENT_COUNT)
NAMES = ("j", "j.mmj", "x.jsonl", "x.jsonl.gz", "x.jsonl.zst", "x.parquet")


@pytest.fixture(scope="module")
def forms(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the same journal in every form, by name."""
    directory = tmp_path_factory.mktemp("forms")
    journal = write_journal(directory / "j", ROWS, 40, segment_bytes_max=120_000)
    assert len(segment_paths(journal)) > 1
    for name in NAMES[1:]:
        convert(journal, directory / name)
    return {name: directory / name for name in NAMES}


def rows_of(path: Path) -> bytes:
    return b"".join(rows.tobytes() for rows in Events(path).chunks())


@pytest.mark.parametrize(("source", "name"), list(product(NAMES, NAMES)))
def test_every_form_becomes_every_form_with_the_same_head(forms, tmp_path: Path, source: str, name: str) -> None:
    done = convert(forms[source], tmp_path / name)
    assert (done.events, done.rows, done.head) == (EVENT_COUNT, len(ROWS), verify(forms["j"]).head)
    assert done.has_hashes and rows_of(tmp_path / name) == ROWS.tobytes()
    assert [path.name for path in tmp_path.iterdir()] == [name]  # nothing else is left
    if name.startswith("j"):
        assert read_seal(tmp_path / name).head == done.head
    else:
        assert (tmp_path / name).read_bytes() == forms[name].read_bytes()  # whatever it was made from


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seq_from", [0, 1, 1024, 2099, 2100])
def test_every_form_is_read_from_a_seq_on(forms, name: str, seq_from: int) -> None:
    rows = list(Events(forms[name]).chunks(100, seq_from))
    assert b"".join(chunk.tobytes() for chunk in rows) == ROWS[ROWS["seq"] >= seq_from].tobytes()


def test_rows_are_reported_written_and_read_back(forms, tmp_path: Path) -> None:
    for name in ("j2", "y.jsonl", "y.parquet"):
        seen: list[int] = []
        convert(forms["j"], tmp_path / name, on_rows=seen.append)
        assert seen == sorted(seen) and seen[-1] == 2 * len(ROWS)


def test_an_unsealed_file_is_taken_and_said_so(forms, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in forms["x.jsonl"].read_bytes().splitlines()]
    bare = [{key: value for key, value in line.items() if key not in ("prev", "hash", "seq")} for line in lines]
    (tmp_path / "hand.jsonl").write_text("".join(json.dumps(line) + "\n" for line in bare))
    done = convert(tmp_path / "hand.jsonl", tmp_path / "j")
    assert not done.has_hashes and done.head == verify(forms["j"]).head
    assert verify(tmp_path / "j").sealed and rows_of(tmp_path / "j") == ROWS.tobytes()


def test_a_living_writers_journal_is_taken_as_far_as_it_is_committed(tmp_path: Path) -> None:
    with Writer(tmp_path / "j") as writer:
        writer.append(ROWS[ROWS["seq"] < 50])
        head = writer.commit()
        writer.append(ROWS[ROWS["seq"] == 50])
        assert convert(tmp_path / "j", tmp_path / "x.jsonl").head == head.hex()
    assert verify(tmp_path / "j").events == 51


# Where nothing may be written


def old_file(path: Path) -> None:
    path.write_text("mine")


def old_journal(path: Path) -> None:
    write_journal(path, journal_rows(3))


def with_foreign_file(path: Path) -> None:
    old_journal(path)
    (path / "notes.txt").write_text("mine")


# name, what is there, force, said
TARGETS = [
    ("x.jsonl", old_file, False, "exists already"),
    ("j", old_journal, False, "exists already"),
    ("j", Path.mkdir, False, "exists already"),
    ("j", old_file, True, "expected a place for a journal directory, found a file"),
    ("x.jsonl", Path.mkdir, True, "expected a place for a file, found a directory"),
    ("j", with_foreign_file, True, 'found "notes.txt"'),
    ("x.csv", None, False, 'found ".csv"'),
    ("x.gz", None, False, 'found ".gz"'),
    ("no/such/j", None, False, "expected a directory"),
]


@pytest.mark.parametrize(("name", "before", "force", "said"), TARGETS)
def test_what_may_not_be_replaced_stays(forms, tmp_path: Path, name, before, force, said) -> None:
    if before is not None:
        before(tmp_path / name)
    files = files_of(tmp_path)
    with pytest.raises(JournalError, match=said) as caught:
        convert(forms["j"], tmp_path / name, force=force)
    assert caught.value.hint and files_of(tmp_path) == files


@pytest.mark.parametrize(("name", "before"), [("x.jsonl", old_file), ("j", old_journal), ("j", Path.mkdir)])
def test_force_replaces_what_is_of_the_same_kind(forms, tmp_path: Path, name, before) -> None:
    before(tmp_path / name)
    convert(forms["j"], tmp_path / name, force=True)
    assert rows_of(tmp_path / name) == ROWS.tobytes() and [path.name for path in tmp_path.iterdir()] == [name]


def test_force_replaces_what_a_link_means_and_not_the_link(forms, tmp_path: Path) -> None:
    old_journal(tmp_path / "far")
    (tmp_path / "j").symlink_to(tmp_path / "far")
    convert(forms["j"], tmp_path / "j", force=True)
    assert (tmp_path / "j").is_symlink() and verify(tmp_path / "far").events == EVENT_COUNT


def test_a_journal_under_its_writer_is_not_replaced(forms, tmp_path: Path) -> None:
    with Writer(tmp_path / "j") as writer:
        writer.append(journal_rows(3))
        writer.commit()
        with pytest.raises(Locked):
            convert(forms["x.jsonl"], tmp_path / "j", force=True)
    assert verify(tmp_path / "j").events == 3


@pytest.mark.parametrize("name", ["j", "j/x.jsonl", "."])
def test_a_journal_is_not_converted_over_into_or_around_itself(tmp_path: Path, name: str) -> None:
    write_journal(tmp_path / "j", ROWS)
    files = files_of(tmp_path)
    with pytest.raises(JournalError, match="expected another place"):
        convert(tmp_path / "j", tmp_path / name, force=True)
    assert files_of(tmp_path) == files


def test_an_exchange_that_fails_puts_the_old_back(tmp_path: Path) -> None:
    old_journal(tmp_path / "j")
    files = files_of(tmp_path)
    with pytest.raises(FileNotFoundError), publishing(tmp_path / "j") as part:
        assert part.parent.parent == tmp_path  # nothing was written there
    with pytest.raises(ZeroDivisionError), publishing(tmp_path / "j") as part:
        part.mkdir()
        raise ZeroDivisionError
    assert files_of(tmp_path) == files and [path.name for path in tmp_path.iterdir()] == ["j"]


# Sources that are not whole


def cut_tail(path: Path) -> None:
    segment = segment_paths(path)[-1]
    segment.write_bytes(segment.read_bytes()[:-10])


def flip(path: Path) -> None:
    segment = segment_paths(path)[0]
    data = bytearray(segment.read_bytes())
    data[5000] ^= 1
    segment.write_bytes(data)


@pytest.mark.parametrize("name", ["k", "x.jsonl", "x.parquet"])
@pytest.mark.parametrize(("harm", "error"), [(cut_tail, TornTail), (flip, Corrupt)])
def test_a_bad_source_leaves_nothing(tmp_path: Path, name: str, harm, error) -> None:
    write_journal(tmp_path / "j", ROWS, seal=False)
    harm(tmp_path / "j")
    with pytest.raises(error) as caught:
        convert(tmp_path / "j", tmp_path / name)
    assert caught.value.seq is not None and [path.name for path in tmp_path.iterdir()] == ["j"]


def test_rows_that_text_cannot_hold_are_refused(tmp_path: Path) -> None:
    rows = ROWS[ROWS["seq"] < 9].copy()
    rows["code"][-1] = 7  # a delta has no code
    write_journal(tmp_path / "j", rows)
    for name in ("x.jsonl", "x.parquet"):
        with pytest.raises(Corrupt, match=r"seq 8 \(book_delta\): row is not canonical: code"):
            convert(tmp_path / "j", tmp_path / name)
    assert convert(tmp_path / "j", tmp_path / "k").head == verify(tmp_path / "j").head  # bytes can


def test_steps_that_text_cannot_hold_are_refused(tmp_path: Path) -> None:
    tiny = Manifest(run_id="t", instruments=(Instrument(symbol="A", tick_size="0." + "0" * 50 + "1", lot_size="1"),))
    write_journal(tmp_path / "j", payload_rows(EventKind.MANIFEST, 0, encode_manifest(tiny)))
    for name in ("x.jsonl", "x.parquet"):
        with pytest.raises(Corrupt, match="a step of"):
            convert(tmp_path / "j", tmp_path / name)


def test_a_journal_without_manifest_or_start_is_refused(forms, tmp_path: Path) -> None:
    forge_journal(tmp_path / "j", book_rows([1, 1]))
    for source in (tmp_path / "j", segment_paths(forms["j"])[1]):
        with pytest.raises(Corrupt, match="expected the manifest at seq 0, found kind 11"):
            convert(source, tmp_path / "x.jsonl")
    with pytest.raises(NotAJournal):
        convert(tmp_path / "nowhere", tmp_path / "x.jsonl")


@pytest.fixture
def small_files() -> Iterator[None]:
    """Let no file grow over 20,000 bytes: what a quota and a full disk look like to a program."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("name", ["k", "x.jsonl", "x.jsonl.zst", "x.parquet"])
def test_no_room_leaves_nothing(forms, tmp_path: Path, name: str, small_files: None) -> None:
    with pytest.raises(JournalFull) as caught:
        convert(forms["j"], tmp_path / name)
    assert str(caught.value) == f"{tmp_path / name}: could not write: File too large; nothing was kept"
    assert caught.value.hint and list(tmp_path.iterdir()) == []


# Verification of the other forms


def metadata_of(path: Path) -> dict[bytes, bytes]:
    metadata = pq.read_metadata(path).metadata
    return {key: value for key, value in metadata.items() if key.startswith(b"mm.")}


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


# change of the lines -> (first bad seq, said)
LINES = {
    "edited": (lambda x: [*x[:7], x[7].replace(b'"kind"', b'"kind" ').replace(b"0.0", b"0.1"), *x[8:]], 7, "line 8"),
    "deleted": (lambda x: x[:7] + x[8:], 7, "seq 8 leaves a gap"),
    "inserted": (lambda x: [*x[:7], x[6], *x[7:]], 7, "seq 6 is there twice"),
    "swapped": (lambda x: [*x[:7], x[8], x[7], *x[9:]], 7, "seq 8 leaves a gap"),
    "cut inside a line": (lambda x: [*x[:7], x[7][:30]], 7, "ends inside a line"),
    "not JSON": (lambda x: [*x[:7], b"{\n", *x[8:]], 7, "not JSON"),
}


@pytest.mark.parametrize("name", LINES)
def test_a_changed_line_is_located_and_what_is_before_it_counted(forms, tmp_path: Path, name: str) -> None:
    change, seq, said = LINES[name]
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"".join(change(lines_of(forms["x.jsonl"]))))
    found = verify_form(path)
    assert not found.ok and found.first_bad is not None
    assert (found.first_bad["seq"], found.first_bad["file"]) == (seq, str(path)) and said in found.first_bad["reason"]
    assert found.first_bad["offset"] == len(b"".join(lines_of(forms["x.jsonl"])[:seq]))
    assert (found.events, found.rows) == (seq, int(np.searchsorted(ROWS["seq"], seq)))
    assert found.head == json.loads(lines_of(forms["x.jsonl"])[seq - 1])["hash"]


def test_a_head_kept_outside_shows_lines_cut_off(forms, tmp_path: Path) -> None:
    whole = verify_form(forms["x.jsonl"])
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"".join(lines_of(forms["x.jsonl"])[:-1]))
    assert verify_form(path).ok and not verify_form(path, expect_head=whole.head).ok
    assert verify_form(forms["x.jsonl"], expect_head=whole.head.upper()).ok


def test_a_parquet_that_is_not_what_was_exported_is_seen(forms, tmp_path: Path) -> None:
    table = pq.read_table(forms["x.parquet"])
    place = table.schema.get_field_index("qty_lots")
    changed = pa.array([*table["qty_lots"].to_pylist()[:-1], 7])
    others = {
        "same": table,
        "cut": table.slice(0, 2000),
        "changed": table.set_column(place, table.schema.field(place), changed),
    }
    for name, other in others.items():
        path = tmp_path / f"{name}.parquet"
        with pq.ParquetWriter(path, other.schema) as writer:
            writer.write_table(other)
            writer.add_key_value_metadata({k.decode(): v.decode() for k, v in metadata_of(forms["x.parquet"]).items()})
        found = verify_form(path)
        assert found.ok == (name == "same"), name
        assert found.ok or (found.first_bad["seq"], found.events) == (0, 0)


def test_an_export_of_some_symbols_is_a_table_and_no_journal(tmp_path: Path) -> None:
    instruments = tuple(Instrument(symbol=name, tick_size="0.1", lot_size="0.1") for name in ("A", "B"))
    rows = book_rows([2] * 30, 1)
    rows["order_id"] = rows["aux"] = -(1 << 62)
    rows["instrument_index"] = rows["seq"] % 2
    manifest = payload_rows(EventKind.MANIFEST, 0, encode_manifest(Manifest(run_id="t", instruments=instruments)))
    write_journal(tmp_path / "j", np.concatenate([manifest, rows]))
    path = tmp_path / "b.parquet"
    done = export_symbols(tmp_path / "j", path, frozenset("B"))
    counts = duckdb.sql(f"SELECT kind, symbol, count(*) FROM '{path}' GROUP BY ALL ORDER BY ALL").fetchall()
    assert counts == [("book_delta", "B", 30), ("manifest", None, len(manifest))]
    assert (done.events, done.rows, done.head) == (16, 30 + len(manifest), None)
    with pytest.raises(NotAJournal, match="expected an export of a whole journal"):
        verify_form(path)
    with pytest.raises(JournalError, match='unknown symbol "C"') as caught:
        export_symbols(tmp_path / "j", tmp_path / "c.parquet", frozenset("AC"))
    assert "A, B" in caught.value.hint and sorted(os.listdir(tmp_path)) == ["b.parquet", "j"]


def test_names_say_the_form() -> None:
    assert [target_form(Path(name)) for name in NAMES] == [Form.JOURNAL] * 2 + [Form.JSONL] * 3 + [Form.PARQUET]


@pytest.mark.parametrize("name", ["x.jsonl", "x.parquet"])
def test_an_empty_file_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises((JsonlError, NotAJournal)):
        verify_form(tmp_path / name)


@pytest.mark.parametrize("chunk_row_count", [1, 7, 100, 5000])
def test_regrouping_does_not_depend_on_the_chunks(chunk_row_count: int) -> None:
    rows = np.concatenate([journal_rows(1), book_rows([3, 1, 40, 2] * 20, 1)])
    ends = np.flatnonzero(rows["flags"] & 1) + 1
    cuts = sorted({int(ends[np.searchsorted(ends, place)]) for place in range(1, len(rows), chunk_row_count)})
    groups = list(regrouped(iter(np.split(rows, cuts)), 32))
    assert np.concatenate(groups).tobytes() == rows.tobytes()
    assert all(group["flags"][-1] & 1 for group in groups)
    assert all(len(group) <= 32 or len(np.unique(group["seq"])) == 1 for group in groups)
    assert [len(group) for group in groups] == [len(group) for group in regrouped(iter([rows]), 32)]


@pytest.mark.parametrize("name", ["x.jsonl", "j"])
def test_a_copy_that_reads_back_otherwise_is_refused(forms, tmp_path: Path, name: str) -> None:
    source = Events(forms["j"])
    assert sum(len(rows) for rows in source.chunks()) == len(ROWS)
    check_copy(forms[name], tmp_path / name, source, lambda rows: None)
    part = tmp_path / name
    if name == "j":
        write_journal(part, ROWS[ROWS["seq"] < EVENT_COUNT - 1])
    else:
        part.write_bytes(b"".join(lines_of(forms[name])[:-1]))
    with pytest.raises(Corrupt, match="did not read back as"):
        check_copy(part, tmp_path / "y", source, lambda rows: None)
