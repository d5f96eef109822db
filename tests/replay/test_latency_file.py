"""Files of measured latencies: CSV and Parquet give the same samples; what cannot be used is refused with its row."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmfold.replay.assumptions import LatencySample
from mmfold.replay.latency_file import COLUMNS, LatencyFileError, read_latencies
from mmfold.replay.venue.records import LATENCY_SAMPLE_COUNT_MAX

HEAD = ",".join(COLUMNS)
ROWS = [(1_000, 1_200, 1_250), (5_000, 5_000, 5_000), (9_000, 9_007, 9_100)]
SAMPLES = (LatencySample(1_000, 200, 50), LatencySample(5_000, 0, 0), LatencySample(9_000, 7, 93))


def csv_file(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("head", [HEAD, f"\ufeff{HEAD}", f" {HEAD.replace(',', ' , ')}", f"{HEAD},host"])
def test_csv(tmp_path: Path, head: str) -> None:
    more = ",tokyo" if "host" in head else ""
    lines = [",".join(map(str, row)) + more for row in ROWS]
    assert read_latencies(csv_file(tmp_path / "l.csv", head, *lines, "")) == SAMPLES


@pytest.mark.parametrize("kind", [pa.int64(), pa.uint64(), pa.int32()])
def test_parquet(tmp_path: Path, kind: pa.DataType) -> None:
    columns = dict(zip(COLUMNS, (pa.array(values, kind) for values in zip(*ROWS, strict=True)), strict=True))
    pq.write_table(pa.table({"other": ["x"] * 3, **columns}), tmp_path / "l.parquet")
    assert read_latencies(tmp_path / "l.parquet") == SAMPLES


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "column request_ts_ns is missing, the first line has nothing"),
        ([HEAD], "holds no row"),
        (["1000,1200,1250"], "column request_ts_ns is missing, the first line has 1000, 1200, 1250"),
        (["request_ts_ns,venue_ts_ns", "1,2"], "column response_ts_ns is missing"),
        ([HEAD, "1000,1200"], "line 2: 2 cells under 3 columns"),
        ([HEAD, "1000,1200,1250", "2000,2e3,2001"], 'line 3: venue_ts_ns "2e3" is not a whole number of ns'),
        ([HEAD, "1000,,1250"], 'line 2: venue_ts_ns "" is not a whole number'),
        ([HEAD, "-1,5,6"], 'line 2: request_ts_ns "-1" is not a whole number'),
        ([HEAD, "2000,2001,2002", "2000,2001,2002"], "line 3: request_ts_ns 2000 is not after the row before, 2000"),
        ([HEAD, "2000,1999,2002"], "line 2: venue_ts_ns 1999 is before request_ts_ns 2000, a latency below 0"),
        ([HEAD, "2000,2009,2002"], "line 2: response_ts_ns 2002 is before venue_ts_ns 2009"),
        ([HEAD, f"5,{10**16},{10**16}"], "line 2: venue_ts_ns 10000000000000000 is more than 30 days after"),
        ([HEAD, '"1,2,3'], "line 2: 1 cells under 3 columns"),
        ([HEAD, *(f"{n},{n},{n}" for n in range(LATENCY_SAMPLE_COUNT_MAX + 1))], "more than 65,536 rows"),
    ],
)
def test_a_bad_file_is_refused_with_the_row(tmp_path: Path, lines: list[str], said: str) -> None:
    with pytest.raises(LatencyFileError) as caught:
        read_latencies(csv_file(tmp_path / "l.csv", *lines) if lines else csv_file(tmp_path / "l.csv"))
    assert said in str(caught.value) and "l.csv" in str(caught.value) and HEAD in caught.value.hint


def test_a_file_that_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_bytes(b"\x93NUMPY\xff\xfe")
    with pytest.raises(LatencyFileError, match="is not text"):
        read_latencies(tmp_path / "l.csv")
    (tmp_path / "l.parquet").write_text(HEAD)
    with pytest.raises(LatencyFileError, match="is not a Parquet file"):
        read_latencies(tmp_path / "l.parquet")
    pq.write_table(pa.table({name: [1.5] for name in COLUMNS}), tmp_path / "f.parquet")
    with pytest.raises(LatencyFileError, match="request_ts_ns holds double, not whole numbers"):
        read_latencies(tmp_path / "f.parquet")
    pq.write_table(pa.table({name: pa.array([1, None]) for name in COLUMNS}), tmp_path / "n.parquet")
    with pytest.raises(LatencyFileError, match='row 2: request_ts_ns "None" is not a whole number'):
        read_latencies(tmp_path / "n.parquet")
    with pytest.raises(FileNotFoundError):
        read_latencies(tmp_path / "none.csv")
