import pytest

from mmfold.config.instruments import InstrumentTableError, find_instrument, load_instrument_table


def test_every_row_of_our_table_is_an_instrument():
    table = load_instrument_table()
    rows = [
        (venue, market, symbol)
        for venue, markets in table.root.items()
        for market in markets
        for symbol in markets[market]
    ]
    assert len(rows) >= 14
    for venue, market, symbol in rows:
        instrument = find_instrument(venue, market, symbol)
        assert instrument is not None and instrument.symbol == symbol and instrument.venue == venue


@pytest.mark.parametrize(
    ("venue", "market", "symbol", "expected"),
    [
        ("binance", "usdm", "BTCUSDT", ("0.10", "0.001", "linear", 1, 100_000_000)),
        ("binance", "spot", "BTCUSDT", ("0.01", "0.000001", "spot", 10, 5_000_000)),
        ("binance", "coinm", "BTCUSD_PERP", ("0.1", "1", "inverse", 1, 0)),
        ("bybit", "linear", "SNTUSDT", ("0.00001", "10", "linear", 1, 5_000_000)),
    ],
)
def test_one_symbol_has_another_grid_on_another_market(venue, market, symbol, expected):
    found = find_instrument(venue, market, symbol)
    assert (found.tick_size, found.lot_size, found.contract, found.min_qty_lots, found.min_notional_micros) == expected


def test_what_is_not_in_the_table_is_not_found():
    assert find_instrument("binance", "usdm", "NOSUCH") is None
    assert find_instrument("bybit", "spot", "BTCUSDT") is None


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("binance: {spot: {A: {tick_size: '0.1'}}}", "binance.spot.A.lot_size"),
        ("binance: {spot: {A: {tick_size: '1e-1', lot_size: '1'}}}", "binance.spot.A.tick_size"),
        ("binance: {spot: {A: {tick_size: 0.1, lot_size: '1'}}}", "binance.spot.A.tick_size"),
        ("binance: {spot: {A: {tick_size: '0.1', lot_size: '1', tick: '1'}}}", "binance.spot.A.tick"),
        ("binance: {spot: {A: {tick_size: '0', lot_size: '1'}}}", "A: tick_size"),
        ("binance: {spot: {A: {tick_size: '1', lot_size: '0'}}}", "A: lot_size"),
        ("binance: {sport: {A: {tick_size: '1', lot_size: '1'}}}", "binance.sport: unknown market"),
        ("binance: [", "expected"),
    ],
)
def test_a_wrong_table_names_the_row(tmp_path, text, where):
    path = tmp_path / "instruments.yaml"
    path.write_text(text)
    with pytest.raises(InstrumentTableError, match=where.replace(".", r"\.")):
        load_instrument_table(path)
