"""Upcasters: old rows are verified as written and read as today's."""

from pathlib import Path

import numpy as np
import pytest

from mmfold.journal.errors import WrongVersion
from mmfold.journal.log import upcast
from mmfold.journal.log.reader import Journal
from mmfold.journal.log.segment import SegmentFile, encode_segment_header
from mmfold.journal.log.verify import verify
from tests.journal.make_rows import journal_rows, write_journal


def test_old_rows_pass_the_registered_upcasters_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = journal_rows(300)
    path = write_journal(tmp_path, rows, seal=False) / "000000.mmj"
    header = SegmentFile(path).header
    path.write_bytes(encode_segment_header(header._replace(schema_version=1)) + path.read_bytes()[128:])
    calls = []

    def to_2(old: np.ndarray) -> np.ndarray:
        calls.append(1)
        return old

    def to_3(old: np.ndarray) -> np.ndarray:
        calls.append(2)
        new = old.copy()
        new["qty_lots"] += 5
        return new

    monkeypatch.setattr(upcast, "SCHEMA_VERSION", 3)
    with pytest.raises(WrongVersion):
        list(Journal(tmp_path).chunks())
    monkeypatch.setattr(upcast, "UPCASTERS", {1: to_2, 2: to_3})
    for read in (Journal(tmp_path).chunks(), Journal(tmp_path).verified_chunks()):
        now = np.concatenate(list(read))
        assert (now["qty_lots"] == rows["qty_lots"] + 5).all()
    assert calls[:2] == [1, 2]
    assert verify(tmp_path).ok
