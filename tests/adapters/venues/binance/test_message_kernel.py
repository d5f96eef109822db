"""A law: Binance's fast lane and the parser make the same rows, counts and refusals of the same bytes."""

import gzip
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mmfold.adapters.importers.frames import Form
from mmfold.engine.jit import JIT_ENABLED
from tests.adapters.importers.take_lines import cuts_and_bytes, note_slow_lines, spoil
from tests.adapters.importers.take_lines import take as take_of_venue

pytestmark = pytest.mark.skipif(not JIT_ENABLED, reason="without JIT there is no fast lane")

GRIDS = {"ticks": {"A": "0.5", "B_C": "0.01"}, "lots": {"A": "0.001", "B_C": "10"}}
USDM = [
    b'{"stream":"a@depth@0ms","data":{"e":"depthUpdate","E":12,"T":11,"s":"A","U":5,"u":9,"pu":4,'
    b'"b":[["61776.50","0.412"],["1.0","0"]],"a":[["61777","1.000"]]}}',
    b'{"stream":"a@depth@0ms","data":{"e":"depthUpdate","E":12,"T":11,"s":"A","ps":"X","U":10,"u":10,"pu":9,"b":[],"a":[]}}',
    b'{"stream":"b@depth","data":{"e":"depthUpdate","E":12,"T":11,"s":"B_C","U":7,"u":9,"pu":3,"b":[],"a":[["0.01","70"]]}}',
    b'{"stream":"a@bookTicker","data":{"e":"bookTicker","u":11,"s":"A","b":"61800.0","B":"2.5","a":"61800.5","A":"0","T":1,"E":2}}',
    b'{"stream":"a@bookTicker","data":{"u":12,"e":"bookTicker","s":"A","ps":"X","b":"1","B":"2","a":"1.50","A":"3","T":1,"E":2}}',
    b'{"stream":"a@trade","data":{"e":"trade","E":12,"T":11,"s":"A","t":3,"p":"61800.50","q":"0.006","X":"MARKET","m":false}}',
    b'{"stream":"a@trade","data":{"e":"trade","E":12,"T":11,"s":"A","t":3,"p":"0","q":"0","X":"NA","m":true}}',
    b'{"stream":"a@aggTrade","data":{"e":"aggTrade","E":12,"a":87,"s":"A","p":"7.5","q":"297","f":12,"l":13,"T":11,"m":true}}',
]
SPOT = [
    b'{"stream":"a@depth@100ms","data":{"e":"depthUpdate","E":12,"s":"A","U":5,"u":9,"b":[["61737.50000000","0.00000000"]],"a":[]}}',
    b'{"stream":"a@bookTicker","data":{"u":9,"s":"A","b":"61837.50000000","B":"3.78800000","a":"61838.0","A":"1.5"}}',
    b'{"stream":"a@trade","data":{"e":"trade","E":12,"s":"A","t":3,"p":"61837.5","q":"0.02","T":11,"m":true,"M":true}}',
    b'{"stream":"a@aggTrade","data":{"e":"aggTrade","E":12,"s":"A","a":8,"p":"1.5","q":"2","f":1,"l":1,"T":11,"m":false,"M":true}}',
]


def take(lines, market, fast, form=Form.STAMPED, table=None):
    return take_of_venue("binance", lines, market, fast, form, GRIDS if table is None else table)


def stamped(messages):
    return [b"%d %s" % (1723161255030314667 + index, message) for index, message in enumerate(messages)]


@pytest.mark.parametrize(("messages", "market"), [(USDM, "usdm"), (SPOT, "spot")])
@pytest.mark.parametrize("form", Form)
def test_known_shapes_stay_in_the_fast_lane(messages, market, form, monkeypatch):
    lines = stamped(messages)
    if form == Form.CRYPTOFEED:
        lines = [b"1749833474.%s: %s" % (b"2851315"[: 1 + index], message) for index, message in enumerate(messages)]
    elif form == Form.CAPTURE:
        lines = [
            b'{"t":"recv","conn":"c","ts":1.%d,"data":%s}' % (1 + index, json.dumps(message.decode()).encode())
            for index, message in enumerate(messages)
        ]
    expected = take(lines, market, fast=False, form=form)
    assert expected == take(lines, market, fast=True, form=form)
    assert not expected[3] and not expected[4]
    # With the symbols known, no line but the trade beside the book goes the slow way.
    slow = note_slow_lines(monkeypatch)
    take(lines * 20, market, fast=True, form=form)
    assert len(slow) <= 20 * sum(b"NA" in line for line in lines) + 2


@given(data=st.data(), market=st.sampled_from(["usdm", "spot"]))
def test_spoiled_lines(data, market):
    lines = spoil(data, stamped(USDM if market == "usdm" else SPOT))
    assert take(lines, market, fast=False) == take(lines, market, fast=True)


ODD = [
    (0, b'"61776.50"', b'"0"'),
    (0, b'"61776.50"', b'"0.00"'),
    (0, b'"U":5', b'"U":05'),
    (0, b'"U":5', b'"U":10'),
    (0, b'"U":5', b'"U":-5'),
    (0, b'"U":5', b'"U":5,"U":5'),
    (0, b'"U":5', b'"U":5.0'),
    (0, b'"T":11', b'"T":4611686018428'),
    (0, b'"E":12', b'"E":"12"'),
    (0, b'"s":"A",', b""),
    (0, b'"pu":4,', b""),
    (0, b'"a":', b'"b":'),
    (0, b'"0.412"]', b'"0.412","1"]'),
    (0, b'"0.412"', b'"0.4125"'),
    (0, b'"0.412"', b'"17592186044417"'),
    (0, b"a@depth@0ms", b"a@depth20@0ms"),
    (0, b"a@depth@0ms", "\N{GREEK SMALL LETTER ALPHA}".encode()),
    (0, b'{"stream"', b'{ "stream"'),
    (0, b"]]}}", b"]]}} "),
    (3, b'"61800.0"', b'"61800.3"'),
    (3, b'"bookTicker"', b'"bookTicket"'),
    (3, b',"T":1', b""),
    (5, b'"q":"0.006"', b'"q":"0"'),
    (5, b'"p":"61800.50"', b'"p":"0"'),
    (5, b"false", b"null"),
    (5, b'"MARKET"', b'"ADL"'),
    (5, b'"X":"MARKET",', b""),
    (7, b'"q":"297"', b'"q":"297","nq":"1"'),
]


@pytest.mark.parametrize(("which", "good", "odd"), ODD)
def test_odd_lines(which, good, odd):
    assert good in USDM[which]
    lines = stamped([USDM[which], USDM[which].replace(good, odd, 1), USDM[which]])
    assert take(lines, "usdm", fast=False) == take(lines, "usdm", fast=True)


def test_every_cut_and_every_byte():
    for message in (USDM[0], USDM[3], USDM[5]):
        lines = cuts_and_bytes(stamped([message])[0])
        assert take(lines, "usdm", fast=False) == take(lines, "usdm", fast=True)


@pytest.mark.parametrize(
    "stamp",
    [
        "1",
        "01",
        "4611686018427387903",
        "4611686018427387904",
        "9999999999999999999",
        "12345678901234567890",
        "",
        "-1",
        "1 ",
    ],
)
def test_receive_times_at_their_limits(stamp):
    lines = [stamped([USDM[3]])[0], stamp.encode() + b" " + USDM[3]]
    assert take(lines, "usdm", fast=False) == take(lines, "usdm", fast=True)


@pytest.mark.parametrize(
    "stamp", ["1", "1.", "1.123456789", "1.1234567890", "4611686018.4", "4611686018.5", "9999999999", "0.1", ".1"]
)
def test_receive_seconds_at_their_limits(stamp):
    lines = [b"1.5: " + USDM[3], stamp.encode() + b": " + USDM[3]]
    assert take(lines, "usdm", fast=False, form=Form.CRYPTOFEED) == take(lines, "usdm", fast=True, form=Form.CRYPTOFEED)


@given(
    price=st.from_regex(r"[0-9]{1,21}(\.[0-9]{1,20})?", fullmatch=True),
    tick=st.sampled_from(["0.1", "0.25", "5", "0.00000001", "0.000000000000000001", "1000"]),
)
@example(price="999999999999999999", tick="1000")
@example(price="1099511627776", tick="1")
@example(price="1099511627777", tick="1")
def test_decimals(price, tick):
    message = USDM[5].replace(b"61800.50", price.encode())
    lines = stamped([message.replace(b'"%s"' % price.encode(), b'"1000"'), message])
    grids = {"ticks": {"A": tick}, "lots": {"A": "0.001"}}
    assert take(lines, "usdm", fast=False, table=grids) == take(lines, "usdm", fast=True, table=grids)


def test_more_rows_than_the_buffer_holds():
    levels = b",".join(b'["%d","1"]' % price for price in range(1, 40_001))
    line = USDM[0].replace(b'["61777","1.000"]', levels)
    lines = stamped([line] * 5)
    fast = take(lines, "usdm", fast=True)
    assert len(fast[0]) == 5 * 40_002 * 64
    assert fast == take(lines, "usdm", fast=False)


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["usdm_btcusdt_20240808", "cm_btcusd_perp_20240808", "spot_btcusdt_20240808"])
def test_recorded_feeds(shared_data, name):
    with gzip.open(shared_data / "binance_raw_ws" / f"{name}.gz") as file:
        lines = file.read(1_500_000).split(b"\n")[:-1]
    market = {"usdm": "usdm", "cm": "coinm", "spot": "spot"}[name.partition("_")[0]]
    lines = [line for line in lines if b"lastUpdateId" not in line]
    expected = take(lines, market, fast=False, table={})
    assert expected[0] and not expected[3]
    assert expected == take(lines, market, fast=True, table={})
