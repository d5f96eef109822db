"""Tick to order in one process: a frame's bytes in, a request's bytes out, the journal written on the way.

The market is the emulator's, on its own clock; orders meet the simulated venue, whose answers and the timers between
two frames are folded but not timed. Must never time anything that a session does not do.
"""

import gc
import time
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import orjson

from adapters.bybit.ledger import OrderLedger
from adapters.bybit.public import PublicParser
from adapters.bybit.requests import RequestEncoder
from adapters.emulator.clock import Now
from adapters.emulator.market import SymbolMarket
from adapters.emulator.product import make_products
from adapters.emulator.synthetic import synthetic_events, synthetic_manifest
from adapters.emulator.topics import DepthTopic
from adapters.live.rows import connection_row, timer_row
from adapters.live.session import Session, orders_of
from config.load import load_config
from engine.codes import ConnectionState
from engine.limits import NS_PER_MS, NS_PER_S
from engine.manifest import Manifest
from replay.run import config_document
from replay.venue.desk import Desk

SYMBOL = "BTCUSDT"
SEED = 7
DEPTH = 50
TS_START_NS = 1_700_000_000 * NS_PER_S
TIMER_NS = 100 * NS_PER_MS
WARM_COUNT = 200  # decisions that are not counted
MARKET_EVENT_COUNT = 120_000


class TimedSession(Session):
    """A session that adds up the time of its commits."""

    commit_ns = 0

    def commit(self) -> None:
        """Write what was folded, timed."""
        started_ns = time.perf_counter_ns()
        super().commit()
        self.commit_ns += time.perf_counter_ns() - started_ns


class Rehearsal:
    """A session, its parser and its encoder in front of a made-up market and a simulated venue."""

    def __init__(self, directory: Path) -> None:
        self.manifest = synthetic_manifest(SEED, [SYMBOL])
        self.session = TimedSession(directory, self.manifest)
        self.session.fold_config(config_document(load_config(None, None, ["mode=sent"]), self.manifest))
        self.parser = PublicParser(self.manifest)
        self.encoder = RequestEncoder(self.manifest, OrderLedger(self.manifest.run_id))
        self.desk = Desk(self.manifest)
        self.number = 0
        self.bytes_out = 0

    def answer(self, rows: np.ndarray) -> None:
        """Fold the venue's answers and carry out what they lead to."""
        if len(rows):
            rows["ts_receive_ns"] = rows["ts_exchange_ns"]
            self.carry_out(orders_of(self.session.fold(rows)), int(rows["ts_exchange_ns"][0]))

    def carry_out(self, orders: np.ndarray, ts_ns: int) -> None:
        """Let the simulated venue answer orders."""
        for order in orders:
            self.answer(self.desk.request(order, ts_ns))

    def encode(self, orders: np.ndarray, ts_ns: int) -> None:
        """Encode orders as the gateway does."""
        for run in self.encoder.split(orders):
            self.number += 1
            request_id = f"{run.effects['seq'].item(0)}-{self.number}"
            self.bytes_out += len(self.encoder.encode_socket(run, request_id, ts_ns // NS_PER_MS))

    def tick(self, frame: bytes, ts_ns: int) -> tuple[np.ndarray, tuple[int, int, int, int]]:
        """Take one frame; returns its orders and the ns of (parse, fold without commit, commit, encode)."""
        self.session.commit_ns = 0
        started_ns = time.perf_counter_ns()
        rows = self.parser.parse(frame, ts_ns)
        assert isinstance(rows, np.ndarray)
        parsed_ns = time.perf_counter_ns()
        effects = self.session.fold(rows)
        folded_ns = time.perf_counter_ns()
        orders = orders_of(effects)
        if len(orders):
            self.encode(orders, ts_ns)
        done_ns = time.perf_counter_ns()
        commit_ns = self.session.commit_ns
        parts = (parsed_ns - started_ns, folded_ns - parsed_ns - commit_ns, commit_ns, done_ns - folded_ns)
        return orders, parts


class Moment(NamedTuple):
    """What happens at one time: a book's frame, market events as the venue sees them, or only that time passes."""

    ts_ns: int
    told: list[np.ndarray]
    frame: bytes | None


def make_moments(manifest: Manifest, count: int) -> list[Moment]:
    """Return a market's moments; made before, so that its making is not between two frames."""
    product = make_products(manifest)[SYMBOL]
    market = SymbolMarket(product, product.instrument.continuity)
    topic = DepthTopic(f"orderbook.{DEPTH}.{SYMBOL}", market, DEPTH)
    moments: list[Moment] = []
    timer_due_ns = 0
    for offset_ns, rows in islice(synthetic_events(manifest), count):
        now_ns = TS_START_NS + offset_ns
        while offset_ns >= timer_due_ns:
            moments.append(Moment(TS_START_NS + timer_due_ns, [], None))
            timer_due_ns += TIMER_NS
        told = market.apply(rows, now_ns)
        documents = topic.poll(Now(now_ns, offset_ns))
        moments.append(Moment(now_ns, told, orjson.dumps(documents[0]) if documents else None))
    return moments


def measure_tick_to_order(directory: Path) -> dict[str, object]:
    """Return p50 and p99 of frames that led to an order, whole and in parts, in microseconds."""
    rehearsal = Rehearsal(directory)
    moments = make_moments(rehearsal.manifest, MARKET_EVENT_COUNT)
    gc.collect()
    gc.freeze()  # what was made before is no work of a session's collector
    deciding: list[tuple[int, ...]] = []
    quiet: list[int] = []
    for ts_ns, told, frame in moments:
        for rows in told:
            rehearsal.answer(rehearsal.desk.apply_market(rows, ts_ns))
        if not told:
            rehearsal.carry_out(orders_of(rehearsal.session.fold(timer_row(ts_ns))), ts_ns)
        if frame is None:
            continue
        orders, parts = rehearsal.tick(frame, ts_ns)
        if len(orders):
            deciding.append(parts)
            rehearsal.carry_out(orders, ts_ns)
        elif not quiet:
            rehearsal.session.fold(connection_row(ConnectionState.UP, ts_ns))
        quiet += [] if len(orders) else [sum(parts)]
    gc.unfreeze()
    rehearsal.session.close()
    figures = np.array(deciding[WARM_COUNT:], np.int64)
    p50, p99 = percentiles_us(figures.sum(axis=1))
    parts_us = {
        name: dict(zip(("p50", "p99"), percentiles_us(figures[:, place]), strict=True))
        for place, name in enumerate(("parse", "fold", "commit", "encode"))
    }
    return {
        "live_tick_to_order_us_p50": p50,
        "live_tick_to_order_us_p99": p99,
        "live_quiet_tick_us_p50": percentiles_us(np.array(quiet[WARM_COUNT:]))[0],
        "decisions": len(figures),
        "parts": parts_us,
    }


def percentiles_us(times_ns: np.ndarray) -> tuple[float, float]:
    """Return p50 and p99 in microseconds."""
    p50, p99 = np.percentile(times_ns, [50, 99])
    return round(float(p50) / 1e3, 1), round(float(p99) / 1e3, 1)
