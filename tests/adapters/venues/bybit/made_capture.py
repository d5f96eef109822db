"""A Bybit capture of any length in each of the forms, shaped like a recorded stream but made of a counter's numbers."""

import json

from mmfold.adapters.importers.frames import Form

SYMBOLS = (("AAAUSDT", 1, 3), ("BBBUSDT", 2, 2))  # name, decimals of its tick and of its lot
TICKS = {"AAAUSDT": "0.1", "BBBUSDT": "0.01"}
LOTS = {"AAAUSDT": "0.001", "BBBUSDT": "0.01"}
START_MS = 1_786_310_819_000
CONNECTION = "BYBIT.ws.2"
PRICE_BASE, PRICE_SPAN = 600_000, 5_000


def mixed(number):
    """A number without a visible pattern (Knuth's multiplicative hash), the same on every machine."""
    return number * 2_654_435_761 % (1 << 32) >> 7


def steps(count, decimals):
    """A count of steps as the venue writes it, with all its decimals."""
    digits = str(count).zfill(decimals + 1)
    return f"{digits[:-decimals]}.{digits[-decimals:]}"


def levels(count, number, symbol, direction):
    _, tick, lot = symbol
    prices = (PRICE_BASE + direction * (mixed(number + index) % PRICE_SPAN) for index in range(count))
    return [[steps(price, tick), steps(mixed(number ^ price) % 9_000, lot)] for price in prices]


def book(number, symbol, update, kind="delta", count=7):
    ts_ms = START_MS + number
    bids, asks = levels(count, number, symbol, -1), levels(count, number, symbol, 1)
    if kind == "snapshot":
        bids, asks = ([[price, steps(5, symbol[2])] for price, _ in side] for side in (bids, asks))
    data = {"s": symbol[0], "b": bids, "a": asks, "u": update, "seq": number}
    return {"topic": f"orderbook.200.{symbol[0]}", "type": kind, "ts": ts_ms, "data": data, "cts": ts_ms - 1}


def trades(number, symbol, count=3):
    ts_ms, (name, tick, lot) = START_MS + number, symbol
    data = [
        {"T": ts_ms, "s": name, "S": "Buy" if mixed(number + index) & 1 else "Sell", "v": steps(1 + index, lot),
         "p": steps(PRICE_BASE + index, tick), "L": "PlusTick", "i": f"a9188a0a-82bc-50de-be60-{number:06x}{index:06x}",
         "BT": index == 2, "RPI": False, "seq": number}
        for index in range(count)
    ]  # fmt: skip
    return {"topic": f"publicTrade.{name}", "type": "snapshot", "ts": ts_ms, "data": data}


def ticker(number, symbol, **prices):
    data = {"symbol": symbol[0], "tickDirection": "ZeroPlusTick", "bid1Price": "6.2", "bid1Size": "6.054", **prices}
    topic = f"tickers.{symbol[0]}"
    return {"topic": topic, "type": "delta", "data": data, "cs": number, "ts": START_MS + number}


def kline(number, symbol):
    ts_ms = START_MS + number
    data = {"start": ts_ms, "end": ts_ms + 59_999, "interval": "1", "open": "1.5", "close": "1.5", "high": "1.5",
            "low": "1.5", "volume": "0.392", "turnover": "25.1", "confirm": False, "timestamp": ts_ms}  # fmt: skip
    return {"topic": f"kline.1.{symbol[0]}", "data": [data], "ts": ts_ms, "type": "snapshot"}


ACK = {"success": True, "ret_msg": "", "conn_id": "d8bu-j6akw", "req_id": "", "op": "subscribe"}


def messages(count):
    """Frames as the venue sends them, in a recorded stream's mixture: two in three are books, one in three a ticker."""
    made = [ACK]
    made += [book(0, symbol, 1, "snapshot", 200) for symbol in SYMBOLS]
    updates = [1] * len(SYMBOLS)
    for number in range(1, count - 2):
        which = mixed(number) % len(SYMBOLS)
        symbol, dice = SYMBOLS[which], mixed(number + 7) % 100
        if dice < 64:
            updates[which] += 1
            made.append(book(number, symbol, updates[which]))
        elif dice < 67:
            made.append(trades(number, symbol))
        elif dice < 69:
            made.append(kline(number, symbol))
        else:
            made.append(ticker(number, symbol, **({"markPrice": f"65117.{number % 100:02d}"} if dice < 75 else {})))
    return made


def frame_lines(frames, form):
    """Lines of one form of capture, without LF, of frames as text or as objects."""
    lines = []
    for number, frame in enumerate(frames):
        text = frame if isinstance(frame, bytes) else json.dumps(frame, separators=(",", ":")).encode()
        if form == Form.STAMPED:
            lines.append(b"%d %s" % (START_MS * 1_000_000 + number * 20_000_000, text))
        elif form == Form.CRYPTOFEED:
            lines.append(b"%d.%06d: %s" % (START_MS // 1_000 + number // 50, number % 50 * 20_000, text))
        else:
            ts = b"%d.%06d" % (START_MS // 1_000 + number // 50, number % 50 * 20_000)
            data = text.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
            lines.append(b'{"t":"recv","conn":"%s","ts":%s,"data":"%s"}' % (CONNECTION.encode(), ts, data))
    return lines
