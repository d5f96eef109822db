"""The units of a capture's times are found once a file, said, and kept."""

import json

import numpy as np
import pytest

from mmfold.adapters.importers import run as run_module
from mmfold.adapters.importers.frames import Form, parse_frame, sniff
from mmfold.adapters.importers.outcome import RefusedError
from mmfold.adapters.importers.units import SPOKEN_UNITS, STAMPED_UNITS, UNITS, Units, find_units
from mmfold.engine.codes import EventKind
from mmfold.engine.jit import JIT_ENABLED
from mmfold.journal.log.reader import Journal
from tests.adapters.importers.test_told_twice import bybit_trade, capture, depth, run, trade

T0_S = 1_767_225_600
MADE = {"binance": [depth(1), *(trade(n) for n in range(2, 60))], "bybit": [bybit_trade(str(n)) for n in range(60)]}


def in_unit(message, unit):
    """A message with its times in another unit than ms."""
    text = json.dumps(message, separators=(",", ":"))
    ms_text = str(T0_S * 1_000)[:8]
    found = json.loads(text)
    inner = found["data"] if isinstance(found["data"], list) else [found["data"]]
    for part in (found, *inner):
        for key in ("E", "T", "ts", "cts"):
            if key in part:
                assert str(part[key]).startswith(ms_text)
                part[key] = part[key] * 10**6 // UNITS[unit]
    return json.dumps(found, separators=(",", ":")).encode()


def lines_of(messages, form, receive, exchange):
    lines = []
    for index, message in enumerate(messages):
        stamp, text = (T0_S * 10**9 + index * 10**9) // UNITS[receive], in_unit(message, exchange)
        if form == Form.STAMPED:
            lines.append(b"%d %s" % (stamp, text))
        elif form == Form.CRYPTOFEED:
            lines.append(b"%d: %s" % (stamp, text))
        else:
            lines.append(b'{"t":"recv","conn":"c","ts":%d,"data":%s}' % (stamp, json.dumps(text.decode()).encode()))
    return lines


def times_of(tmp_path):
    rows = np.concatenate(list(Journal(tmp_path / "j").chunks()))
    rows = rows[(rows["kind"] == EventKind.TRADE) | (rows["kind"] == EventKind.BOOK_DELTA)]
    return rows[["ts_exchange_ns", "ts_receive_ns"]].tolist()


@pytest.mark.parametrize("source", MADE)
@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("receive", UNITS)
@pytest.mark.parametrize("exchange", UNITS)
def test_every_unit_of_both_clocks(tmp_path, monkeypatch, source, form, receive, exchange):
    usual = capture(lines_of(MADE[source], Form.STAMPED, "ns", "s" if exchange == "s" else "ms"))
    run(tmp_path, usual, source=source)
    expected = times_of(tmp_path)
    data = capture(lines_of(MADE[source], form, receive, exchange))
    for size in (1 << 40, 0) if JIT_ENABLED else (1 << 40,):
        monkeypatch.setattr(run_module, "FAST_LANE_BYTES_MIN", size)
        result = run(tmp_path, data, source=source)
        assert result.rejected == 0 and times_of(tmp_path) == expected
        assert result.document()["units"] == {"in0": {"receive": receive, "exchange": exchange}}


def test_a_time_in_another_unit_than_the_files_is_refused(tmp_path):
    lines = lines_of(MADE["binance"], Form.STAMPED, "ns", "ms")
    lines[20] = lines_of(MADE["binance"], Form.STAMPED, "us", "ms")[20]
    lines[30] = lines_of(MADE["binance"], Form.STAMPED, "ns", "us")[30]
    result = run(tmp_path, capture(lines))
    reasons = [json.loads(line)["reason"] for line in (tmp_path / "j.quarantine.jsonl").read_bytes().splitlines()]
    assert result.rejected == 2
    assert "is out of range: the file's are in ns" in reasons[0] and reasons[1].startswith('"T" 1767')


def test_two_files_in_two_units_are_one_stream(tmp_path):
    lines = lines_of(MADE["binance"], Form.STAMPED, "ns", "ms")
    others = lines_of(MADE["binance"], Form.CRYPTOFEED, "us", "us")
    run(tmp_path, capture(lines))
    expected = times_of(tmp_path)
    result = run(tmp_path, capture(lines[::2]), capture(others[1::2]))
    assert times_of(tmp_path) == expected and result.rejected == 0


FOUND = [
    ([1_767_225_600_000_000], [], Units(1_000, 1_000_000, 10**18)),
    ([], [1_767_225_600], Units(1, 1_000_000_000)),
    ([100, 101, 1_767_225_600_000], [1, 2], STAMPED_UNITS),  # one real time among numbers that are none
    ([1_767_225_600_000, 1_767_225_600_001, 1_767_225_600], [], Units(1_000_000, 1_000_000, 10**18)),
]


@pytest.mark.parametrize(("receive", "exchange", "units"), FOUND)
def test_what_most_are_in(receive, exchange, units):
    assert find_units(receive, exchange, STAMPED_UNITS) == units


def test_decimals_of_a_unit(tmp_path):
    milliseconds = Units(1_000_000, 1_000_000, 10**18)
    line = b"1767225600123.456789: {}"
    assert parse_frame(Form.CRYPTOFEED, line, milliseconds).ts_receive_ns == 1_767_225_600_123_456_789
    for line in (b"1767225600123.4567891: {}", b"1767225600: {}", b"99999999999999: {}"):
        with pytest.raises(RefusedError):
            parse_frame(Form.CRYPTOFEED, line, milliseconds)
    (tmp_path / "f").write_bytes(b"1767225600.5: {}\n")
    assert sniff(tmp_path / "f").units == Units(10**9, 10**6, 10**18) != SPOKEN_UNITS
