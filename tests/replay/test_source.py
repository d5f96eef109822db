"""A replay's source: the same events, head and word for them in every form; what is wrong is told."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmfold.journal.convert import convert
from mmfold.journal.errors import Corrupt, JournalError, NotAJournal
from mmfold.journal.log.reader import Journal
from mmfold.replay.source import EventSource
from tests.journal.make_rows import journal_rows, write_journal

ROWS = journal_rows(400, (1, 2, 3, 1, 30, 1))
FORMS = ("j", "j/000000.mmj", "x.jsonl", "x.jsonl.zst", "x.jsonl.gz", "x.parquet")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with one journal in every form."""
    place = tmp_path_factory.mktemp("forms")
    write_journal(place / "j", ROWS)
    for name in FORMS[2:]:
        convert(place / "j", place / name)
    return place


@pytest.mark.parametrize("name", FORMS)
def test_every_form_holds_the_same_events(place: Path, name: str) -> None:
    source, journal = EventSource(place / name), Journal(place / "j")
    rows = np.concatenate(list(source.chunks(1_000)))
    assert rows.tobytes() == ROWS.tobytes() == np.concatenate(list(source.unverified_chunks())).tobytes()
    assert sum(len(chunk) for chunk in journal.verified_chunks()) == len(ROWS)
    assert source.head == journal.head.hex() and source.manifest == journal.manifest()
    assert source.sealed == (name != "j/000000.mmj")  # a segment on its own has no seal
    assert (source.row_count is None) == (".jsonl" in name)
    assert len(source.segment_starts()) == (name == "j")
    source.check_end()


@pytest.mark.parametrize("name", FORMS)
def test_every_form_is_read_from_an_event_on(place: Path, name: str) -> None:
    rows = np.concatenate(list(EventSource(place / name).chunks(100, seq_from=237)))
    assert rows.tobytes() == ROWS[ROWS["seq"] >= 237].tobytes()


def changed(place: Path, path: Path) -> None:
    table = pq.read_table(place / "x.parquet")
    column = table.schema.get_field_index("qty_lots")
    field, lots = table.schema.field(column), table["qty_lots"].to_pylist()
    lots[-1] += 1
    own = {key: value for key, value in pq.read_metadata(place / "x.parquet").metadata.items() if key[:3] == b"mm."}
    with pq.ParquetWriter(path, table.schema) as writer:
        writer.write_table(table.set_column(column, field, pa.array(lots, field.type)))
        writer.add_key_value_metadata(own)


def foreign(place: Path, path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), path)


def cut(place: Path, path: Path) -> None:
    path.write_bytes((place / "x.parquet").read_bytes()[:-9])


WRONG = [
    (changed, Corrupt, "head"),
    (foreign, NotAJournal, "found another Parquet file"),
    (cut, NotAJournal, "expected a Parquet file"),
    (lambda place, path: None, JournalError, "could not be read: .*No such file"),
]


@pytest.mark.parametrize(("make", "kind", "said"), WRONG)
def test_a_parquet_file_that_is_no_journal_is_told(place: Path, tmp_path: Path, make, kind, said: str) -> None:
    make(place, tmp_path / "y.parquet")
    with pytest.raises(kind, match=said):
        list(EventSource(tmp_path / "y.parquet").chunks())
