"""Laws of the text forms: nothing is lost, the head is the same, and the fast reader is the slow one."""

import json
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmfold.engine.codes import EventKind
from mmfold.engine.jit import JIT_ENABLED
from mmfold.engine.manifest import Instrument, Manifest
from mmfold.journal.jsonl.decimals import FieldError, format_decimal, parse_decimal
from mmfold.journal.jsonl.fields import KINDS
from mmfold.journal.jsonl.file import JsonlError, JsonlReader, write_jsonl
from mmfold.journal.jsonl.lines import LineEncoder
from mmfold.journal.jsonl.tables import HOT_KINDS
from mmfold.journal.log.chain import Chain
from mmfold.journal.parquet import export_parquet, read_parquet
from tests.property.strategies import empty_row, event_rows, events, journal_rows, manifests

SLOW_ONLY = 1 << 60
FAST_AT_ONCE = 0
FEW = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))


def read(path: Path, fast_from_bytes: int, row_count: int = 65536) -> tuple[bytes, bytes, int]:
    """Return the rows' bytes, the head and the count of chunks."""
    reader = JsonlReader(path, fast_from_bytes)
    chunks = [chunk.tobytes() for chunk in reader.chunks(row_count)]
    return b"".join(chunks), reader.head, len(chunks)


def outcome(path: Path, fast_from_bytes: int) -> tuple[str, bytes]:
    """Return what reading ends in: rows, or the whole error."""
    try:
        return "rows", read(path, fast_from_bytes)[0]
    except JsonlError as error:
        return f"{error} | {error.hint}", b""


def head_of(rows: np.ndarray) -> bytes:
    chain = Chain()
    chain.update(rows)
    return chain.head


@FEW
@given(events(), st.booleans(), st.sampled_from((".jsonl", ".jsonl.gz", ".jsonl.zst")), st.integers(1, 9))
def test_jsonl_gives_the_same_rows_and_head(
    journal: tuple[Manifest, np.ndarray], sealed: bool, suffix: str, row_count: int
) -> None:
    manifest, rows = journal
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"x{suffix}"
        written = write_jsonl([rows], path, sealed)
        assert written.head == head_of(rows)
        reader = JsonlReader(path, SLOW_ONLY)
        assert (reader.manifest, reader.sealed) == (manifest, sealed)
        got, head, _ = read(path, SLOW_ONLY, row_count)
        assert (got, head) == (rows.tobytes(), written.head)


@pytest.mark.parametrize("kind", [EventKind(kind) for kind in KINDS if kind != EventKind.MANIFEST])
@settings(FEW, max_examples=8)
@given(st.data())
def test_every_kind_survives_text_and_parquet(kind: EventKind, data: st.DataObject) -> None:
    manifest = data.draw(manifests())
    rows = journal_rows(manifest, [data.draw(event_rows(kind, manifest)) for _ in range(3)])
    text = LineEncoder(manifest).encode(rows, None, b"")
    assert text == b"".join(
        json.dumps(json.loads(line), sort_keys=True, separators=(",", ":")).encode() + b"\n"
        for line in text.splitlines()
    ), "each line is canonical JSON"
    with TemporaryDirectory() as folder:
        path = Path(folder) / "x.jsonl"
        path.write_bytes(text)
        assert read(path, SLOW_ONLY)[0] == rows.tobytes()
        head = export_parquet([rows], manifest, Path(folder) / "x.parquet")
        assert b"".join(chunk.tobytes() for chunk in read_parquet(Path(folder) / "x.parquet")) == rows.tobytes()
        assert head == head_of(rows)


@pytest.mark.parametrize(("code", "key"), [(0, None), (1, -32_767), (1 << 15, 0), (32_868, 100), (65_535, 32_767)])
def test_the_fee_rate_of_a_fill_is_text_in_ppm(code: int, key: int | None, tmp_path: Path) -> None:
    manifest = Manifest(run_id="r", instruments=(Instrument(symbol="X", tick_size="1", lot_size="1"),))
    fill = empty_row(EventKind.FILL)
    fill["order_id"], fill["side"], fill["price_ticks"], fill["qty_lots"], fill["code"] = 7, 1, 100, 2, code
    rows = journal_rows(manifest, [fill])
    line = LineEncoder(manifest).encode(rows, None, b"").splitlines()[1]
    assert json.loads(line).get("fee_ppm") == key
    path = tmp_path / "x.jsonl"
    write_jsonl([rows], path, False)
    assert read(path, SLOW_ONLY)[0] == read(path, FAST_AT_ONCE)[0] == rows.tobytes()


@pytest.mark.parametrize("wrong", [b"32768", b"-32768", b"1.5", b'"10"', b"true", b"null"])
def test_a_fee_rate_that_no_code_stands_for_is_refused(wrong: bytes, tmp_path: Path) -> None:
    manifest = Manifest(run_id="r", instruments=(Instrument(symbol="X", tick_size="1", lot_size="1"),))
    fill = empty_row(EventKind.FILL)
    fill["order_id"], fill["side"], fill["price_ticks"], fill["qty_lots"], fill["code"] = 7, 1, 100, 2, 32_768
    text = LineEncoder(manifest).encode(journal_rows(manifest, [fill]), None, b"")
    path = tmp_path / "x.jsonl"
    path.write_bytes(text.replace(b'"fee_ppm":0', b'"fee_ppm":' + wrong))
    with pytest.raises(JsonlError, match="fee_ppm"):
        read(path, SLOW_ONLY)


needs_jit = pytest.mark.skipif(not JIT_ENABLED, reason="the compiled reader is off, the reference reads every line")


@needs_jit
@FEW
@given(events(kinds=HOT_KINDS, count_max=30), st.booleans(), st.integers(1, 40))
def test_fast_reader_equals_reference(journal: tuple[Manifest, np.ndarray], sealed: bool, row_count: int) -> None:
    _, rows = journal
    with TemporaryDirectory() as folder:
        path = Path(folder) / "x.jsonl"
        write_jsonl([rows], path, sealed)
        assert read(path, FAST_AT_ONCE, row_count) == read(path, SLOW_ONLY, row_count)
        assert read(path, FAST_AT_ONCE, row_count)[:2] == (rows.tobytes(), head_of(rows))


@st.composite
def edits(draw: st.DrawFn, text: bytes) -> bytes:
    """Return a text with one byte changed, inserted or removed, or one line moved."""
    at = draw(st.integers(0, len(text) - 1))
    byte = draw(st.one_of(st.sampled_from(b'0123456789"{}[],:.-+eE \n\\abt'), st.integers(0, 255)))
    verb = draw(st.sampled_from(("change", "insert", "remove", "swap", "cut")))
    if verb == "swap":
        lines = text.splitlines(keepends=True)
        one, two = draw(st.integers(0, len(lines) - 1)), draw(st.integers(0, len(lines) - 1))
        lines[one], lines[two] = lines[two], lines[one]
        return b"".join(lines)
    if verb == "cut":
        return text[:at]
    return text[:at] + (bytes([byte]) if verb != "remove" else b"") + text[at + (verb != "insert") :]


@settings(FEW, max_examples=100)
@given(
    events(kinds=(*HOT_KINDS, EventKind.CONFIG, EventKind.AUDIT, EventKind.NOTE), count_max=6), st.booleans(), st.data()
)
def test_one_wrong_byte_is_an_error_or_says_the_same(
    journal: tuple[Manifest, np.ndarray], sealed: bool, data: st.DataObject
) -> None:
    _, rows = journal
    with TemporaryDirectory() as folder:
        path = Path(folder) / "x.jsonl"
        write_jsonl([rows], path, sealed)
        path.write_bytes(data.draw(edits(path.read_bytes())))
        slow = outcome(path, SLOW_ONLY)
        if JIT_ENABLED:
            assert outcome(path, FAST_AT_ONCE) == slow, "the fast reader and the reference end alike"
        if sealed and slow[0] == "rows":
            # A cut at a line's end is an honest prefix; any other accepted text says the same in other bytes.
            assert slow[1] == rows.tobytes()[: len(slow[1])]


grids = st.sampled_from(("0.1", "0.10", "0.5", "2.5", "1", "100", "0.00000001", "0.00025", "1E+2", "1E-7"))


@given(st.integers(-(10**9), 10**9), grids)
def test_decimal_text_is_exact_and_shortest(units: int, step: str) -> None:
    size = Decimal(step)
    text = format_decimal(units, size)
    assert Decimal(text) == units * size
    assert "e" not in text.lower() and (text == "0" or "." not in text or not text.endswith(("0", ".")))
    assert parse_decimal(text, size, signed=True) == units


@given(st.decimals(0, 10**6, allow_nan=False, places=6), grids)
def test_parsing_never_rounds(value: Decimal, step: str) -> None:
    size = Decimal(step)
    try:
        assert parse_decimal(f"{value:f}", size) * size == value
    except FieldError:
        assert value % size != 0
