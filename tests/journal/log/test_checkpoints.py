"""Checkpoints: a cache that is whole or not there."""

from pathlib import Path

import pytest

from mmfold.journal.log import checkpoints
from mmfold.journal.log.checkpoints import Checkpoint

HEAD = bytes(range(32))
META = {"events": 1024}


def test_nearest_is_the_last_at_or_before_of_the_same_key(tmp_path: Path) -> None:
    for seq_next in (1024, 4096, 10_240):
        checkpoints.save(tmp_path, "build-a", seq_next, HEAD, b"\0" * 5000 + seq_next.to_bytes(4, "big"), META)
    checkpoints.save(tmp_path, "build-b", 2048, HEAD, b"other", META)
    found = {seq: checkpoints.nearest(tmp_path, "build-a", seq) for seq in (0, 1023, 1024, 4095, 4096, 99_999)}
    assert {seq: c and c.seq_next for seq, c in found.items()} == {
        0: None, 1023: None, 1024: 1024, 4095: 1024, 4096: 4096, 99_999: 10_240,
    }  # fmt: skip
    assert found[4096] == Checkpoint("build-a", 4096, HEAD, b"\0" * 5000 + (4096).to_bytes(4, "big"), META)
    assert [path.name[:16] for path in checkpoints.list_checkpoints(tmp_path)] == [
        "0000000000001024", "0000000000002048", "0000000000004096", "0000000000010240",
    ]  # fmt: skip


def test_file_that_is_not_whole_is_as_good_as_none(tmp_path: Path) -> None:
    checkpoints.save(tmp_path, "k", 1024, HEAD, b"good", META)
    path = checkpoints.save(tmp_path, "k", 2048, HEAD, b"state" * 50, META)
    data = path.read_bytes()
    bad = [data[:cut] for cut in range(0, len(data), 7)]
    bad += [data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :] for at in range(0, len(data), 5)]
    for content in bad:
        path.write_bytes(content)
        nearest = checkpoints.nearest(tmp_path, "k", 3000)
        assert nearest is not None and nearest.state == b"good"


def test_states_of_zeros_are_small(tmp_path: Path) -> None:
    path = checkpoints.save(tmp_path, "k", 0, HEAD, bytes(10_000_000), META)
    assert path.stat().st_size < 100_000


def test_checkpoint_stands_at_a_block_boundary(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="block boundary"):
        checkpoints.save(tmp_path, "k", 1000, HEAD, b"", META)
    assert checkpoints.nearest(tmp_path, "k", 5000) is None
