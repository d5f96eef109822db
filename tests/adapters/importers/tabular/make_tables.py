"""Small tables in the formats that are documented, made from a journal's rows or by hand."""

import gzip
import zipfile
from decimal import Decimal

from mmfold.engine.codes import EventKind, Side
from mmfold.engine.records import NO_ORDER_ID

HEAD = "exchange,symbol,timestamp,local_timestamp"
L2 = f"{HEAD},is_snapshot,side,price,amount"
TRADES = f"{HEAD},id,side,price,amount"
QUOTES = f"{HEAD},ask_amount,ask_price,bid_price,bid_amount"
T0_US = 1_723_075_200_000_000
SIDES = {Side.BID: ("bid", "buy"), Side.ASK: ("ask", "sell"), Side.NONE: ("", "unknown")}


def l2(at_us, snapshot, side, price, amount, symbol="BTCUSDT"):
    """One row of incremental_book_L2, received 1.5 ms after the exchange's time."""
    return f"binance-futures,{symbol},{at_us},{at_us + 1_500},{snapshot},{side},{price},{amount}"


def trade(at_us, number, side, price, amount):
    """One row of trades."""
    return f"binance-futures,BTCUSDT,{at_us},{at_us + 1_500},{number},{side},{price},{amount}"


def quote(at_us, bid, ask):
    """One row of quotes."""
    return f"binance-futures,BTCUSDT,{at_us},{at_us + 1_500},{ask[1]},{ask[0]},{bid[0]},{bid[1]}"


BOOK = [
    l2(T0_US, "true", "bid", "61740.4", "1.5"),
    l2(T0_US, "true", "bid", "61740.3", "2"),
    l2(T0_US, "true", "ask", "61740.6", "0.001"),
    l2(T0_US + 1_000_000, "false", "ask", "61740.5", "0.3"),
    l2(T0_US + 1_000_000, "false", "bid", "61740.3", "0"),
    l2(T0_US + 2_000_000, "false", "ask", "61740.5", "0.0"),
]
TICKS = [
    trade(T0_US + 500_000, 7, "buy", "61740.6", "0.001"),
    trade(T0_US + 1_500_000, 8, "sell", "61740.4", "0.25"),
    trade(T0_US + 1_600_000, 9, "unknown", "61740.4", "0.25"),
]


def write(path, head, rows):
    """Write a CSV, packed as its name says."""
    text = "".join(f"{line}\n" for line in [head, *rows] if line is not None).encode()
    if path.name.endswith(".gz"):
        path.write_bytes(gzip.compress(text, mtime=0))
    elif path.name.endswith(".zip"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(path.with_suffix(".csv").name, text)
    else:
        path.write_bytes(text)
    return path


def export(rows, manifest):
    """Return a journal's book and trade rows as tables of tardis.dev: {head: lines}."""
    tables = {L2: [], TRADES: []}
    for row in rows:
        if row["kind"] not in (EventKind.BOOK_SNAPSHOT, EventKind.BOOK_DELTA, EventKind.TRADE):
            continue
        instrument = manifest.instruments[row["instrument_index"]]
        price = Decimal(int(row["price_ticks"])) * Decimal(instrument.tick_size)
        amount = Decimal(int(row["qty_lots"])) * Decimal(instrument.lot_size)
        times = f"{row['ts_exchange_ns'] // 1_000},{row['ts_receive_ns'] // 1_000}"
        head = f"somewhere,{instrument.symbol},{times}"
        side = SIDES[Side(int(row["side"]))]
        if row["kind"] == EventKind.TRADE:
            number = "" if row["order_id"] == NO_ORDER_ID else int(row["order_id"])
            tables[TRADES].append(f"{head},{number},{side[1]},{price:f},{amount:f}")
        else:
            is_snapshot = str(row["kind"] == EventKind.BOOK_SNAPSHOT).lower()
            tables[L2].append(f"{head},{is_snapshot},{side[0]},{price:f},{amount:f}")
    return tables
