"""One journal of the same lines, to the byte: however they are packed, named, ordered and cut into files."""

import gzip
import hashlib
import random
from pathlib import Path

import pytest
import zstandard

from mmfold.adapters.importers import load_importer
from mmfold.adapters.importers import run as run_module
from mmfold.adapters.importers.outcome import ImportRequest
from mmfold.engine.jit import JIT_ENABLED
from mmfold.journal.log.reader import Journal
from tests.adapters.importers.test_told_twice import BINANCE, GRIDS, capture, stamped
from tests.adapters.venues.bybit import made_capture as made

BYBIT = [made.book(0, made.SYMBOLS[0], 1, "snapshot", 3), *(made.trades(n, made.SYMBOLS[0]) for n in range(1, 60))]
CAPTURES = {"binance": stamped(BINANCE), "bybit": stamped(BYBIT)}
PACKINGS = {
    "capture.txt": bytes,
    "no-last-newline": lambda data: data[:-1],
    "b.gz": lambda data: gzip.compress(data, mtime=5),
    "two.members": lambda data: gzip.compress(data[:3000], 1) + gzip.compress(data[3000:]) + b"\0" * 512,
    "c.zst": zstandard.ZstdCompressor().compress,
}


def run(directory: Path, files: dict[str, bytes], source: str) -> tuple[str, dict[str, bytes]]:
    """Head and bytes of the journal of some files."""
    directory.mkdir()
    for name, data in files.items():
        (directory / name).write_bytes(data)
    request = ImportRequest(files=tuple(directory / name for name in files), out=directory / "j", **GRIDS)
    head = load_importer(source)(request, lambda done: None).head
    return head, {path.name: path.read_bytes() for path in (directory / "j").iterdir() if path.is_file()}


@pytest.fixture(params=[False, pytest.param(True, marks=pytest.mark.skipif(not JIT_ENABLED, reason="no fast lane"))])
def fast(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "FAST_LANE_BYTES_MIN", 0 if request.param else 1 << 40)


@pytest.mark.parametrize("source", CAPTURES)
@pytest.mark.parametrize("name", PACKINGS)
def test_packing_and_name_are_no_part_of_the_journal(fast: None, tmp_path: Path, source: str, name: str) -> None:
    data = capture(CAPTURES[source])
    plain = run(tmp_path / "plain", {"plain": data}, source)
    assert run(tmp_path / "packed", {name: PACKINGS[name](data)}, source) == plain
    manifest = Journal(tmp_path / "packed" / "j").manifest()
    assert manifest.run_id == f"import-{hashlib.sha256(data).hexdigest()[:12]}"
    other = run(
        tmp_path / "other", {"plain": data.replace(b'"v":"0.0', b'"v":"1.0').replace(b'"0.5"', b'"0.6"')}, source
    )
    assert other[0] != plain[0]


@pytest.mark.parametrize("source", CAPTURES)
def test_a_capture_cut_into_files_is_the_same_capture(fast: None, tmp_path: Path, source: str) -> None:
    lines = CAPTURES[source]
    whole = run(tmp_path / "whole", {"whole": capture(lines)}, source)
    for number, cuts in enumerate(([1], [30], [10, 50], [len(lines) - 1])):
        ends = zip([0, *cuts], [*cuts, len(lines)], strict=True)
        parts = {f"part{9 - start % 7}-{start}": capture(lines[start:end]) for start, end in ends}
        names = sorted(parts)
        random.Random(number).shuffle(names)
        files = {name: gzip.compress(parts[name]) if place % 2 else parts[name] for place, name in enumerate(names)}
        assert run(tmp_path / f"cut{number}", files, source) == whole


@pytest.mark.parametrize("source", CAPTURES)
def test_the_order_on_the_command_line_decides_nothing(fast: None, tmp_path: Path, source: str) -> None:
    # Both begin at the same time with other lines, and overlap.
    lines = CAPTURES[source]
    first, second = (
        capture(lines[:1] + lines[1:40:2]),
        capture([lines[2].replace(lines[2][:19], lines[0][:19]), *lines[3:45]]),
    )
    one = run(tmp_path / "one", {"a": first, "b": second}, source)
    assert run(tmp_path / "two", {"a": second, "b": first}, source) == one
    assert run(tmp_path / "three", {"z": gzip.compress(second), "y": first}, source) == one
