"""What an instrument is: the capture's own list before the table, flags before both, and never a guess."""

import json

import orjson
import pytest

from mmfold.adapters.cli.main import run as mm
from mmfold.adapters.importers import load_importer
from mmfold.adapters.importers.outcome import ImportFailedError, ImportRequest
from mmfold.adapters.venues.bybit.rest import parse_instruments
from mmfold.adapters.venues.port import MalformedFrame
from mmfold.journal.log.reader import Journal

NS = 1_767_225_600_000_000_000


def lines(*messages):
    return b"".join(
        b"%d %s\n" % (NS + index * 1_000_000, message if isinstance(message, bytes) else orjson.dumps(message))
        for index, message in enumerate(messages)
    )


def run(tmp_path, source, data, **values):
    path = tmp_path / "in"
    path.write_bytes(data)
    request = ImportRequest(files=(path,), out=tmp_path / "out" / "j", force=True, **values)
    return load_importer(source)(request, lambda done: None)


def instruments(tmp_path):
    return {one.symbol: one for one in Journal(tmp_path / "out" / "j").manifest().instruments}


def row(symbol, tick="0.5", lot="0.01", **values):
    coins = {"baseCoin": "B", "quoteCoin": "Q", "settleCoin": "S"}
    sizes = {"qtyStep": lot, "minOrderQty": "0.05", "minNotionalValue": "7"}
    return {"symbol": symbol, **coins, "priceFilter": {"tickSize": tick}, "lotSizeFilter": sizes, **values}


def listed(*rows, category="linear"):
    return {"retCode": 0, "retMsg": "OK", "result": {"category": category, "list": list(rows)}, "time": 1}


def book(symbol, price="50000.5", size="1.00", update=100):
    data = {"s": symbol, "b": [[price, size]], "a": [], "u": update, "seq": update}
    return {"topic": f"orderbook.50.{symbol}", "type": "snapshot", "ts": NS // 10**6, "data": data}


def depth(symbol, first=1, last=2, previous=0, **values):
    data = {"e": "depthUpdate", "E": NS // 10**6, "T": NS // 10**6, "s": symbol, "U": first, "u": last, "pu": previous}
    levels = {"b": [["100.5", "2"]], "a": []}
    return {"stream": f"{symbol.lower()}@depth", "data": {**data, **levels, **values}}


ODD_ROWS = [
    (row("\u5e01\u5b89USDT"), "'\\u5e01\\u5b89USDT'", "1 to 32 printable ASCII"),
    (row("X" * 33), "'" + "X" * 33 + "'", "1 to 32 printable ASCII"),
    (row(""), "''", "1 to 32 printable ASCII"),
    (row("XUSDT", tick=""), "'XUSDT'", "tick_size '' is not a plain decimal number"),
    (row("XUSDT", tick="0"), "'XUSDT'", 'tick_size "0" is not a positive'),
    (row("XUSDT", tick="1e-9"), "'XUSDT'", "tick_size '1e-9' is not a plain decimal number"),
    (row("XUSDT", tick="0.0" + "1" * 19), "'XUSDT'", "digits"),
    (row("XUSDT", lot="0"), "'XUSDT'", "lot_size is 0"),
    (row("XUSDT", lot=None), "'XUSDT'", "lot_size '' is not a plain decimal number"),
    (row("XUSDT", baseCoin="\x1b[2J"), "'XUSDT'", "base_coin"),
    ({"symbol": "XUSDT"}, "'XUSDT'", "no symbol, priceFilter or lotSizeFilter"),
    (7, "7", "not an object"),
]


@pytest.mark.parametrize(("odd", "name", "reason"), ODD_ROWS)
def test_an_odd_row_is_left_out_by_name_and_the_rest_counts(tmp_path, odd, name, reason):
    result = run(tmp_path, "bybit", lines(listed(odd, row("BTCUSDT")), book("BTCUSDT")))
    found = instruments(tmp_path)["BTCUSDT"]
    assert (found.tick_size, found.lot_size, found.min_qty_lots, found.min_notional_micros) == (
        "0.5",
        "0.01",
        5,
        7_000_000,
    )
    assert (found.base_coin, found.quote_coin, found.settle_coin) == ("B", "Q", "S")
    (note,) = result.notes
    assert f"left out: instrument {name}".replace("'", "") in note.replace("'", "") and reason in note


@pytest.mark.parametrize(("odd", "name", "reason"), [case for case in ODD_ROWS if case[0] != 7])
def test_the_readers_of_a_session_leave_out_the_same_rows(odd, name, reason):
    left_out = {}
    body = {**listed(odd, row("BTCUSDT")), "retExtInfo": {}}
    if reason == "digits":
        pytest.skip("a session counts such a step out of its own limits")
    found, _ = parse_instruments(orjson.dumps(body), 200, left_out)
    assert [one.symbol for one in found] == ["BTCUSDT"] and list(left_out) == [name] and reason in left_out[name]
    with pytest.raises(MalformedFrame, match="instrument"):
        parse_instruments(orjson.dumps({**listed(odd), "retExtInfo": {}}))


@pytest.mark.parametrize("late", [False, True])
def test_the_captures_own_list_wins_wherever_it_stands(tmp_path, late):
    messages = [book("BTCUSDT", "50000.50"), listed(row("BTCUSDT"))]
    result = run(tmp_path, "bybit", lines(*(messages if late else reversed(messages))))
    assert (result.rejected, result.messages) == (0, 2)
    assert instruments(tmp_path)["BTCUSDT"].tick_size == "0.5"  # the table has 0.10


def test_a_late_list_describes_what_was_unknown(tmp_path):
    result = run(tmp_path, "bybit", lines(book("NEWUSDT"), listed(row("NEWUSDT")), listed(row("NEWUSDT", tick="0.25"))))
    assert result.events == {"book_snapshot": 1} and instruments(tmp_path)["NEWUSDT"].tick_size == "0.5"
    assert any("NEWUSDT is listed twice" in note for note in result.notes)


def exchange_info(market, symbol, **values):
    prices, sizes = (
        {"filterType": "PRICE_FILTER", "tickSize": "0.50"},
        {"filterType": "LOT_SIZE", "stepSize": "0.1", "minQty": "0.2"},
    )
    value = {"filterType": "MIN_NOTIONAL", "notional": "20"}
    if market == "spot":
        value = {"filterType": "NOTIONAL", "minNotional": "20.00"}
    one = {"symbol": symbol, "baseAsset": "BB", "quoteAsset": "QQ", "filters": [prices, sizes, value], **values}
    if market != "spot":
        one |= {"contractType": "PERPETUAL", "marginAsset": "MM"}
    if market == "coinm":
        one |= {"contractSize": 10, "filters": [prices, sizes]}
    return {"timezone": "UTC", "serverTime": 1, "symbols": [{"symbol": "\u5e01USDT", "filters": []}, one]}


@pytest.mark.parametrize(
    ("market", "symbol", "expected"),
    [
        ("usdm", "NEWUSDT", ("linear", "1", 2, 20_000_000, "MM")),
        ("coinm", "LTCUSD_PERP", ("inverse", "10", 2, 0, "MM")),
        ("spot", "NEWUSDT", ("spot", "1", 2, 20_000_000, "")),
    ],
)
def test_binance_exchange_info_describes_a_market(tmp_path, market, symbol, expected):
    message = depth(symbol)
    if market == "spot":
        del message["data"]["T"], message["data"]["pu"]
    result = run(tmp_path, "binance", lines(exchange_info(market, symbol), message))
    found = instruments(tmp_path)[symbol]
    told = (found.contract, found.contract_value, found.min_qty_lots, found.min_notional_micros, found.settle_coin)
    assert told == expected and (found.tick_size, found.lot_size, found.base_coin, found.quote_coin) == (
        "0.50",
        "0.1",
        "BB",
        "QQ",
    )
    assert result.skipped == {"instruments list": 1} and "u5e01USDT" in result.notes[0]


def test_an_inverse_contract_has_no_value_by_silence(tmp_path):
    grid = {"ticks": {"LTCUSD_PERP": "0.5"}, "lots": {"LTCUSD_PERP": "1"}}
    with pytest.raises(ImportFailedError, match="LTCUSD_PERP: contract value unknown") as caught:
        run(tmp_path, "binance", lines(depth("LTCUSD_PERP")), **grid)
    assert "--contract-value LTCUSD_PERP=VALUE" in caught.value.hint and not (tmp_path / "out" / "j").exists()
    run(tmp_path, "binance", lines(depth("LTCUSD_PERP")), **grid, contract_values={"LTCUSD_PERP": "10"})
    assert instruments(tmp_path)["LTCUSD_PERP"].contract_value == "10"
    with pytest.raises(ImportFailedError, match="is not inverse"):
        run(tmp_path, "binance", lines(depth("BTCUSDT")), contract_values={"BTCUSDT": "10"})


def test_all_unknown_symbols_are_told_at_once_with_what_to_paste(tmp_path, capsys):
    data = lines(depth("QUSD_PERP"), depth("PUSD_240927"), depth("BTCUSD_PERP"))
    with pytest.raises(
        ImportFailedError, match=r"in line 1 .*: 2 symbols of binance coinm unknown: QUSD_PERP .* PUSD_240927"
    ) as caught:
        run(tmp_path, "binance", data)
    for symbol in ("QUSD_PERP", "PUSD_240927"):
        flags = (
            f"--tick {symbol}=TICK --lot {symbol}=LOT --contract-value {symbol}=VALUE --min-notional {symbol}=NOTIONAL"
        )
        assert flags in caught.value.hint and f'{symbol}: {{tick_size: "TICK", lot_size: "LOT"' in caught.value.hint
    assert "--market coinm" in caught.value.hint
    # Pasted with its words it is refused, with numbers it imports.
    flags = caught.value.hint.split("in capitals: ")[1].split(", or the same")[0]
    command = ["import", "binance", str(tmp_path / "in"), "--out", str(tmp_path / "k"), "--json"]
    assert mm([*command, *flags.split()]) == 64
    for word, number in (("TICK", "0.5"), ("LOT", "1"), ("VALUE", "10"), ("NOTIONAL", "0")):
        flags = flags.replace(f"={word}", f"={number}")
    capsys.readouterr()
    assert mm([*command, *flags.split()]) == 0
    assert json.loads(capsys.readouterr().out)["symbols"] == ["BTCUSD_PERP", "PUSD_240927", "QUSD_PERP"]


def test_a_lot_flag_keeps_the_minimums(tmp_path):
    run(tmp_path, "binance", lines(depth("BTCUSDT")), lots={"BTCUSDT": "0.0005"})
    found = instruments(tmp_path)["BTCUSDT"]
    assert (found.lot_size, found.min_qty_lots, found.min_notional_micros) == ("0.0005", 2, 100_000_000)
    flags = {"min_notionals": {"BTCUSDT": "6.5"}, "min_qtys": {"BTCUSDT": "0.0021"}}
    run(tmp_path, "binance", lines(depth("BTCUSDT")), **flags)
    found = instruments(tmp_path)["BTCUSDT"]
    assert (found.lot_size, found.min_qty_lots, found.min_notional_micros) == ("0.001", 3, 6_500_000)


def test_what_is_assumed_is_said(tmp_path):
    grid = {"ticks": {"AAAUSDT": "0.5", "B": "1"}, "lots": {"AAAUSDT": "0.01"}}
    notes = " | ".join(run(tmp_path, "bybit", lines(book("AAAUSDT")), **grid).notes)
    for said in ("AAAUSDT: no minimum notional", "market linear, by the form of AAAUSDT", "does not have: B"):
        assert said in notes


@pytest.mark.parametrize("symbol", ["BTCUSD", "BTCUSDZ26"])
def test_bybits_inverse_symbols_do_not_become_linear(tmp_path, symbol):
    grid = {"ticks": {symbol: "0.5", "AUSDT": "0.5"}, "lots": {symbol: "1", "AUSDT": "1"}}
    run(tmp_path, "bybit", lines(book(symbol)), **grid)
    found = instruments(tmp_path)[symbol]
    assert (found.contract, found.contract_value) == ("inverse", "1")
    for first, second in ((symbol, "AUSDT"), ("AUSDT", symbol)):
        result = run(tmp_path, "bybit", lines(book(first), book(second)), **grid)
        assert (result.symbols, result.rejected) == ((first,), 1)
    with pytest.raises(ImportFailedError, match=f"--market linear: {symbol} is inverse"):
        run(tmp_path, "bybit", lines(book(symbol)), market="linear", **grid)


def test_a_symbol_of_two_lists_needs_a_market(tmp_path):
    data = lines(listed(row("AUSDT")), listed(row("AUSDT", tick="0.1"), category="spot"), book("AUSDT"))
    with pytest.raises(ImportFailedError, match="in several lists of the capture: linear, spot"):
        run(tmp_path, "bybit", data)
    run(tmp_path, "bybit", data, market="spot")
    assert instruments(tmp_path)["AUSDT"].contract == "spot"


@pytest.mark.parametrize("symbol", ["BTC-27DEC24-100000-C", "ETH-3JAN26-1250-P-USDT"])
def test_options_are_refused_by_name(tmp_path, symbol):
    grid = {"ticks": {symbol: "0.5"}, "lots": {symbol: "0.01"}}
    with pytest.raises(ImportFailedError, match=f"{symbol}: an option") as caught:
        run(tmp_path, "bybit", lines(book(symbol), book("BTCUSDT", "50000.10")), **grid)
    assert "--symbols" in caught.value.hint
    result = run(tmp_path, "bybit", lines(book(symbol), book("BTCUSDT", "50000.10")), symbols=frozenset({"BTCUSDT"}))
    assert result.symbols == ("BTCUSDT",) and result.skipped == {"other symbol": 1}
    address = b"wss://stream.bybit.com/v5/public/option <-> 1.5\n"
    with pytest.raises(ImportFailedError, match="options, which are not imported"):
        run(tmp_path, "bybit", address + b"1.6: " + orjson.dumps(book(symbol)) + b"\n")


FORCED = [
    ("spot", depth("BTCUSDT"), "usdm"),
    ("coinm", depth("BTCUSDT"), "usdm"),
    ("usdm", depth("BTCUSD_PERP"), "coinm"),
    ("usdm", {key: value for key, value in depth("BTCUSDT")["data"].items() if key not in ("T", "pu")}, "spot"),
]


@pytest.mark.parametrize(("market", "message", "shown"), FORCED)
def test_a_market_that_the_content_contradicts_is_refused(tmp_path, market, message, shown):
    with pytest.raises(ImportFailedError, match=f"--market {market}: BTC.* is {shown}"):
        run(tmp_path, "binance", lines(message), market=market)
    assert not (tmp_path / "out" / "j").exists()


def with_symbol(message, symbol):
    """A message whose data names another symbol than its envelope."""
    data = message.get("data", message)
    return {**message, "data": {**data, "s": symbol}} if "data" in message else {**data, "s": symbol}


SPOT = {key: value for key, value in depth("BTCUSDT")["data"].items() if key not in ("T", "pu")}
FLIPPED = [
    ("binance", depth("BTCUSDT"), "BTCUSDU"),
    ("binance", depth("BTCUSDT")["data"], "BTCUSDU"),
    ("binance", depth("BTCUSDT")["data"], "BTCUSDt"),
    ("binance", SPOT, "CTCUSDT"),
    ("binance", depth("BTCUSD_PERP"), "BTCUSD_PERQ"),
    ("binance", depth("BTCUSD_PERP")["data"], "CTCUSD_PERP"),
    ("bybit", book("BTCUSDT", "50000.10"), "BTCUSDU"),
]


@pytest.mark.parametrize("symbols", [frozenset(), frozenset({"BTCUSDT", "BTCUSD_PERP"})])
@pytest.mark.parametrize("at", [0, 2, 4])
@pytest.mark.parametrize(("source", "message", "symbol"), FLIPPED)
def test_one_flipped_bit_in_a_symbol_costs_one_line(tmp_path, source, message, symbol, at, symbols):
    messages = [message] * 5
    messages[at] = with_symbol(message, symbol)
    result = run(tmp_path, source, lines(*messages), symbols=symbols)
    assert sum(result.events.values()) == 4 and len(result.symbols) == 1
    assert result.rejected == 1 and result.skipped == {}
    entry = json.loads((tmp_path / "out" / "j.quarantine.jsonl").read_bytes())
    assert entry["line"] == at + 1 and symbol in entry["reason"]


def test_a_symbol_that_is_only_one_bit_off_is_asked_for_when_it_has_a_stream(tmp_path):
    messages = [depth("BTCUSDT")["data"], depth("BTCUSDU")["data"], depth("BTCUSDU")["data"]]
    with pytest.raises(ImportFailedError, match="BTCUSDU: tick and lot size unknown"):
        run(tmp_path, "binance", lines(*messages * 3))
    result = run(tmp_path, "binance", lines(*messages * 3), symbols=frozenset({"BTCUSDT"}))
    assert (result.symbols, result.rejected, result.skipped) == (("BTCUSDT",), 0, {"other symbol": 6})
