"""The feed of a benchmark, made from a journal: a raw capture and a long journal with decisions; never for trading."""

import gzip
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import numpy as np
import orjson

from mmfold.config.load import load_config
from mmfold.config.params import config_document
from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.limits import NS_PER_MS, NS_PER_S
from mmfold.engine.manifest import Instrument, Manifest
from mmfold.engine.records import EVENT
from mmfold.journal.jsonl.decimals import format_decimal
from mmfold.journal.log.writer import Writer
from mmfold.replay.record import Recorder, market_rows
from mmfold.replay.source import EventSource

BATCH_ROW_COUNT = 65_536
BOOK_KINDS = (EventKind.BOOK_SNAPSHOT, EventKind.BOOK_DELTA, EventKind.BBO)


def read_market(path: Path) -> tuple[Manifest, np.ndarray]:
    """Return a journal's manifest and its market events in one array."""
    source = EventSource(path)
    return source.manifest, np.concatenate([np.zeros(0, EVENT), *market_rows(source.chunks())])


def busiest_rows(manifest: Manifest, rows: np.ndarray) -> tuple[Instrument, np.ndarray]:
    """Return the instrument with most rows and those rows: peers take one instrument."""
    index = int(np.bincount(rows["instrument_index"]).argmax())
    return manifest.instruments[index], rows[rows["instrument_index"] == index]


def capture_lines(instrument: Instrument, rows: np.ndarray) -> Iterator[bytes]:
    """Yield the events as raw Binance USD-M frames with their receive times, one a line."""
    tick, lot = Decimal(instrument.tick_size), Decimal(instrument.lot_size)
    stream = instrument.symbol.lower()
    ends = np.flatnonzero(rows["flags"] & Flag.LAST) + 1
    columns = {name: rows[name].tolist() for name in EVENT.names or ()}
    for start, end in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True):
        pairs: tuple[list[list[str]], list[list[str]]] = ([], [])
        for i in range(start, end):
            if columns["side"][i] != Side.NONE:
                price = format_decimal(columns["price_ticks"][i], tick)
                pairs[columns["side"][i]].append([price, format_decimal(columns["qty_lots"][i], lot)])
        ts_ms = max(0, columns["ts_exchange_ns"][start]) // NS_PER_MS
        frame = capture_frame(instrument.symbol, columns, start, pairs, ts_ms)
        if frame is not None:
            name, data = frame
            body = data if name is None else {"stream": f"{stream}@{name}", "data": data}
            yield b"%d %s\n" % (columns["ts_receive_ns"][start], orjson.dumps(body))


def capture_frame(
    symbol: str, columns: dict[str, list[int]], start: int, pairs: tuple[list[list[str]], list[list[str]]], ts_ms: int
) -> tuple[str | None, dict[str, object]] | None:
    """Return one event's (stream, data) in the venue's words and key order; None for what the venue does not send."""
    kind, seq, bids, asks = columns["kind"][start], columns["aux"][start], *pairs
    if kind == EventKind.BOOK_SNAPSHOT:
        return None, {"lastUpdateId": seq, "E": ts_ms, "T": ts_ms, "symbol": symbol, "bids": bids, "asks": asks}
    if kind == EventKind.BOOK_DELTA:
        previous = columns["order_id"][start]
        head = {"e": "depthUpdate", "E": ts_ms, "T": ts_ms, "s": symbol, "U": previous + 1, "u": seq, "pu": previous}
        return "depth@0ms", {**head, "b": bids, "a": asks}
    if kind == EventKind.BBO:
        best = {"b": bids[0][0], "B": bids[0][1], "a": asks[0][0], "A": asks[0][1], "T": ts_ms, "E": ts_ms}
        return "bookTicker", {"e": "bookTicker", "u": seq, "s": symbol, **best}
    if kind == EventKind.TRADE:
        price, qty = (bids or asks)[0]
        trade = {"t": seq, "p": price, "q": qty, "X": "MARKET", "m": bool(asks)}
        return "trade", {"e": "trade", "E": ts_ms, "T": ts_ms, "s": symbol, **trade}
    return None


def write_capture(path: Path, instrument: Instrument, rows: np.ndarray) -> None:
    """Write a raw capture, gzip."""
    with gzip.open(path, "wb", compresslevel=6) as file:
        file.writelines(capture_lines(instrument, rows))


def repeated(rows: np.ndarray, repeat: int) -> Iterator[np.ndarray]:
    """Yield the events `repeat` times, times and venue seqs shifted so that they go on rising."""
    is_book = np.isin(rows["kind"], BOOK_KINDS)
    is_delta = rows["kind"] == EventKind.BOOK_DELTA
    span_ns = int(np.ptp(rows["ts_receive_ns"])) + NS_PER_S
    span_seq = int(np.ptp(rows["aux"][is_book])) + 1_000 if is_book.any() else 0
    ends = np.flatnonzero(rows["flags"] & Flag.LAST) + 1
    for turn in range(repeat):
        part = rows.copy()
        part["ts_receive_ns"] += turn * span_ns
        part["ts_exchange_ns"] += turn * span_ns
        part["aux"][is_book] += turn * span_seq
        part["order_id"][is_delta] += turn * span_seq
        start = 0
        while start < len(part):
            end = int(ends[min(int(np.searchsorted(ends, start + BATCH_ROW_COUNT)), len(ends) - 1)])
            yield part[start:end]
            start = end


def write_long_journal(directory: Path, manifest: Manifest, rows: np.ndarray, repeat: int) -> None:
    """Write the events `repeat` times with the decisions of a shadow session as witnesses."""
    document = config_document(load_config(None), manifest)
    with Writer(directory) as writer:
        recorder = Recorder(writer, manifest, document)
        for part in repeated(rows, repeat):
            recorder.append(part)
        recorder.finish()
