"""A law: Bybit's fast lane and the parser make the same rows, counts and refusals of the same bytes."""

import json

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from mmfold.adapters.importers.frames import Form
from mmfold.engine.codes import EventKind
from mmfold.engine.jit import JIT_ENABLED
from mmfold.engine.records import EVENT
from tests.adapters.importers.take_lines import cuts_and_bytes, note_slow_lines, spoil, take
from tests.adapters.venues.bybit import made_capture as made

pytestmark = pytest.mark.skipif(not JIT_ENABLED, reason="without JIT there is no fast lane")

TABLE = {"ticks": made.TICKS, "lots": made.LOTS}
A, B = made.SYMBOLS
FRAMES = [
    made.book(1, A, 1, "snapshot", 3),
    made.book(2, A, 2, count=2),
    made.trades(3, A),
    made.ticker(4, A),
    made.ticker(5, A, markPrice="65117.44", indexPrice="65137.76"),
    made.ticker(6, A, indexPrice="0.5"),
    made.kline(7, A),
    made.book(8, A, 3, count=0),
]
BOOK, DELTA, TRADES, TICKER, MARK, INDEX, KLINE, EMPTY = (
    json.dumps(frame, separators=(",", ":")).encode() for frame in FRAMES
)


def both(lines, form=Form.STAMPED, market="linear", table=TABLE):
    """What came of the lines, the same on both ways."""
    expected = take("bybit", lines, market, False, form, table)
    assert take("bybit", lines, market, True, form, table) == expected
    return expected


@pytest.mark.parametrize("form", Form)
def test_known_shapes_stay_in_the_fast_lane(form, monkeypatch):
    lines = made.frame_lines(FRAMES * 20, form)
    _, counts, _, refused, failure = both(lines, form)
    assert not refused and not failure
    assert counts[1] == {"book_snapshot": 20, "book_delta": 40, "trade": 3, "mark": 40}
    assert counts[2] == {"ticker": 20, "kline": 20, "trade told twice": 57}
    slow = note_slow_lines(monkeypatch)
    take("bybit", lines, "linear", True, form, TABLE)
    assert slow == lines[:1], "the first line makes the symbol, its book's depth and the connection known"


@pytest.mark.parametrize("form", Form)
def test_a_long_capture(form, monkeypatch):
    lines = made.frame_lines(made.messages(3_000), form)
    rows, counts, _, refused, _ = both(lines, form)
    assert len(rows) > 64 * 25_000 and not refused and counts[1]["trade"] > 100
    slow = note_slow_lines(monkeypatch)
    take("bybit", lines, "linear", True, form, TABLE)
    assert len(slow) <= 1 + len(made.SYMBOLS) + 1


@given(data=st.data(), form=st.sampled_from(Form))
def test_spoiled_lines(data, form):
    both(spoil(data, made.frame_lines(FRAMES + FRAMES[:3], form)), form)


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("message", [DELTA, TRADES, MARK, KLINE])
def test_every_cut_and_every_byte(message, form):
    both([made.frame_lines([BOOK], form)[0], *cuts_and_bytes(made.frame_lines([message], form)[0])], form)


ODD = [
    (BOOK, b'"u":1', b'"u":-1'),
    (BOOK, b'"u":1', b'"u":1.0'),
    (BOOK, b'"u":1', b'"u":4611686018427387904'),
    (BOOK, b'"0.005"]]', b'"0.000"]]'),
    (BOOK, b"orderbook.200", b"orderbook.50"),
    (BOOK, b"orderbook.200", b"orderbook.0200"),
    (BOOK, b"orderbook.200", b"orderbook.rpi"),
    (BOOK, b"orderbook.200.AAAUSDT", b"orderbook.200.AAA.USDT"),
    (BOOK, b"orderbook.200.AAAUSDT", b"orderbook.200"),
    (BOOK, b'"snapshot"', b'"restart"'),
    (DELTA, b'"AAAUSDT","b"', b'"AAAUSD","b"'),
    (DELTA, b'"AAAUSDT","b"', b'"BBBUSDT","b"'),
    (DELTA, b'"u":2', b'"u":3'),
    (DELTA, b'"u":2', b'"u":0'),
    (DELTA, b',"cts":1786310819001', b""),
    (DELTA, b',"cts":1786310819001', b',"cts":4611686018428'),
    (DELTA, b',"cts":1786310819001', b',"cts":null'),
    (DELTA, b'"ts":1786310819002', b'"ts":"x"'),
    (DELTA, b',"seq":2', b""),
    (DELTA, b'"a":[', b'"a":[[],'),
    (DELTA, b'"a":[', b'"a":[["1.00","1"],'),
    (DELTA, b'"a":[', b'"a":[["1.05","1"],'),
    (DELTA, b'"a":[', b'"a":[["0","1"],'),
    (TRADES, b'"S":"Buy"', b'"S":"buy"'),
    (TRADES, b',"L":"PlusTick"', b""),
    (TRADES, b',"RPI":false', b""),
    (TRADES, b',"RPI":false', b',"RPI":null'),
    (TRADES, b',"seq":3', b""),
    (TRADES, b',"BT":false', b',"BT":true'),
    (TRADES, b',"BT":false', b',"BT":1'),
    (TRADES, b',"BT":false', b""),
    (TRADES, b'"v":"0.003"', b'"v":"0"'),
    (TRADES, b'"v":"0.003"', b'"v":"0.0035"'),
    (TRADES, b'"T":1786310819003', b'"T":4611686018428'),
    (TRADES, b'"s":"AAAUSDT"', b'"s":"BBBUSDT"'),
    (TRADES, b'"data":[', b'"data":[],"x":['),
    (MARK, b'"symbol":"AAAUSDT",', b""),
    (MARK, b'"symbol":"AAAUSDT",', b'"symbol":"QQQ",'),
    (MARK, b'"markPrice":"65117.44"', b'"markPrice":""'),
    (MARK, b'"markPrice":"65117.44"', b'"markPrice":65117.44'),
    (MARK, b'"markPrice":"65117.44"', b'"markPrice":"0"'),
    (MARK, b'"markPrice":"65117.44"', b'"markPrice":"1.123456789"'),
    (MARK, b'"markPrice":"65117.44"', b'"markPrice":"99999999999"'),
    (MARK, b'"markPrice":"65117.44"', b'"markPrice":"7","markPrice":"8"'),
    (MARK, b'"markPrice":"65117.44"', b'"mark\\u0050rice":"7"'),
    (MARK, b'"indexPrice":"65137.76"', b'"indexPrice":"x"'),
    (MARK, b'"ts":1786310819005', b'"ts":-1'),
    (MARK, b',"cs":5', b""),
    (TICKER, b'"bid1Size":"6.054"', b'"bid1Size":6.054'),
    (TICKER, b'"bid1Size":"6.054"', b'"bid1Size":{}'),
    (KLINE, b'"confirm":false', b'"confirm":nope'),
    (KLINE, b"}]", b"},{}]"),
]


@pytest.mark.parametrize("form", [Form.STAMPED, Form.CAPTURE])
@pytest.mark.parametrize(("message", "good", "odd"), ODD)
def test_odd_lines(message, good, odd, form):
    assert good in message
    changed = good.join(message.split(good)[:-1]) + odd + message.split(good)[-1]
    both(made.frame_lines([BOOK, changed, message, changed, INDEX, message, EMPTY], form), form)


CAPTURE_LINES = [
    (b'"t":"recv"', b'"t":"send"'),
    (b'"t":"recv"', b'"t":"http"'),
    (b'"conn":"BYBIT.ws.2",', b""),
    (b"BYBIT.ws.2", b"BYBIT.ws.22"),
    (b"BYBIT.ws.2", b"BYBIT.ws."),
    (b'"ts":1', b'"ts":01'),
    (b'"ts":1', b'"ts": 1'),
    (b'"ts":1', b'"ts":-1'),
    (b'"ts":1', b'"ts":4611686018'),
    (b'"ts":1', b'"ts":"1"'),
    (b'"ts":1786310819.', b'"ts":0.'),
    (b'"ts":1786310819.', b'"ts":1786310819.0000'),
    (b'\\"data', b'\\\\"data'),
    (b'\\"data', b"\\u0022data"),
    (b'\\"data', b"\\data"),
    (b'\\"data', b'"data'),
    (b"AAAUSDT", b"AA\xc3\x84"),
    (b'"}', b'"} '),
    (b'"}', b'","x":1}'),
    (b'"}', b'"'),
]


@pytest.mark.parametrize(("good", "odd"), CAPTURE_LINES)
def test_odd_lines_of_a_capture(good, odd):
    lines = made.frame_lines([BOOK, DELTA, DELTA], Form.CAPTURE)
    assert good in lines[1]
    lines[1] = lines[1].replace(good, odd, 1) if good != b'"}' else lines[1][:-2] + odd
    both([*lines, b'{"t":"recv","conn":"BYBIT.ws.2","ts":1.5,"data":""}', lines[2]], Form.CAPTURE)


def opened(connection, market):
    address = f"wss://stream.bybit.com/v5/public/{market}"
    return b'{"t":"connect","conn":"%s","ts":1.5,"addr":"%s"}' % (connection.encode(), address.encode())


def test_connections_of_another_market_are_passed_over_at_full_speed(monkeypatch):
    own = made.frame_lines([BOOK, DELTA], Form.CAPTURE)
    other = [line.replace(b"BYBIT.ws.2", b"spot") for line in own]
    lines = [opened("BYBIT.ws.2", "linear"), opened("spot", "spot"), *own, *other, *own, *other * 5]
    assert both(lines, Form.CAPTURE, market="")[1][2] == {"connect": 2, "other market": 12}
    slow = note_slow_lines(monkeypatch)
    take("bybit", lines, "", True, Form.CAPTURE, TABLE)
    assert slow == [*lines[:3], other[0]]
    reopened = [*lines, opened("spot", "linear"), *other]
    assert both(reopened, Form.CAPTURE, market="")[1][2] == {"connect": 3, "other market": 12}


def test_a_second_depth_is_passed_over_at_full_speed(monkeypatch):
    shallow, third = (BOOK.replace(b".200.", depth) for depth in (b".1.", b".50."))
    lines = made.frame_lines([BOOK, *[shallow, DELTA] * 6, third, third, shallow], Form.STAMPED)
    assert both(lines)[1][2] == {"orderbook.1 beside orderbook.200": 7, "orderbook.50 beside orderbook.200": 2}
    slow = note_slow_lines(monkeypatch)
    take("bybit", lines, "linear", True, Form.STAMPED, TABLE)
    assert len(slow) == 4
    unnamed = BOOK.replace(b".200.", b".")
    assert both(made.frame_lines([unnamed, *[BOOK] * 3], Form.STAMPED))[1][2] == {"orderbook.200 beside orderbook.": 3}


def test_a_restart_is_the_parsers(monkeypatch):
    restart = json.dumps(made.book(4, A, 1)).replace(", ", ",").replace(": ", ":").encode()
    empty = restart.replace(b'"b":[[', b'"b":[["59000.0","0.000"],[')
    lines = made.frame_lines([BOOK, DELTA, restart, DELTA, empty, empty.replace(b"delta", b"snapshot")], Form.STAMPED)
    counts = both(lines)[1]
    assert counts[1] == {"book_snapshot": 4, "book_delta": 2} and not counts[2]
    slow = note_slow_lines(monkeypatch)
    take("bybit", lines, "linear", True, Form.STAMPED, TABLE)
    assert len(slow) == 4


def test_an_index_price_comes_with_the_last_mark_price():
    rows, counts, *_ = both(made.frame_lines([BOOK, INDEX, MARK, INDEX], Form.STAMPED))
    marks = np.frombuffer(rows, EVENT)
    marks = marks[marks["kind"] == EventKind.MARK]
    assert marks["aux"].tolist() == [6_511_744_000_000] * 2 and counts[2] == {"ticker": 1}
    assert marks["order_id"].tolist() == [6_513_776_000_000, 50_000_000]


def test_symbols_that_are_not_wanted():
    frames = [made.book(number, symbol, number) for number in range(2, 10) for symbol in (A, B)]
    counts = both(made.frame_lines(frames, Form.STAMPED), table={**TABLE, "wanted": frozenset({"BBBUSDT"})})[1]
    assert counts[1:3] == ({"book_delta": 8}, {"other symbol": 8})


def test_more_rows_than_the_buffer_holds():
    wide = made.book(1, A, 1, count=16_500)
    rows = both(made.frame_lines([wide, wide, BOOK, wide, wide], Form.STAMPED))[0]
    assert len(rows) == (4 * 33_000 + 6) * 64
    many = [made.trades(number, A, count=66_000) for number in (1, 2)]
    assert both(made.frame_lines(many, Form.STAMPED))[1][1] == {"trade": 132_000}


def test_a_message_longer_than_the_room_for_one(monkeypatch):
    monkeypatch.setattr("mmfold.adapters.importers.fast_path.MESSAGE_BYTES_MAX", len(DELTA) + DELTA.count(b'"') + 9)
    lines = made.frame_lines([BOOK, DELTA, BOOK, DELTA], Form.CAPTURE)
    slow = note_slow_lines(monkeypatch)
    take("bybit", lines, "linear", True, Form.CAPTURE, TABLE)
    assert slow == [lines[0], lines[2]], "one does not fit, the other does"
    both(lines, Form.CAPTURE)


RECORDED = [
    ("bybit_v5_l2_trades/bybit_v5_linear_BTCUSDT_ETHUSDT.jsonl.zst", Form.CAPTURE, 11_826),
    ("bybit_v5_l1/bybit_v5_linear_orderbook1.cryptofeed-v2.txt", Form.CRYPTOFEED, 396),
]


@pytest.mark.realdata
@pytest.mark.parametrize(("name", "form", "row_count"), RECORDED)
def test_recorded_feeds(shared_data, name, form, row_count):
    raw = (shared_data / name).read_bytes()
    text = zstandard.ZstdDecompressor().decompressobj().decompress(raw) if name.endswith(".zst") else raw
    lines = text.rstrip(b"\n").split(b"\n")
    rows, _, _, refused, failure = both(lines, form, market="", table={})
    assert len(rows) == 64 * row_count and not refused and not failure
    frames = [json.loads(line)["data"].encode() for line in lines if b'"t":"recv"' in line]
    for other in Form if frames else ():
        assert len(both(made.frame_lines(frames, other), other, table={})[0]) == 64 * row_count


@pytest.mark.realdata
@given(data=st.data())
def test_spoiled_recorded_lines(shared_data, data):
    name, form, _ = RECORDED[1]
    lines = (shared_data / name).read_bytes().rstrip(b"\n").split(b"\n")[:20]
    both(spoil(data, lines), form, market="", table={})
