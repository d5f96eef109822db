"""A market of any number of events, made column by column: a mid that walks, a silence, a settlement and a restart.

Shape: one book of 2 x LEVEL_COUNT levels next to each other; an event is a trade at the touch, one level's size, or a
step of the mid.
"""

from pathlib import Path

import numpy as np

from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.limits import E8, NS_PER_MS, NS_PER_S
from mmfold.engine.manifest import Instrument, Manifest, encode_manifest
from mmfold.engine.payload import payload_rows
from mmfold.engine.records import EVENT, NO_ORDER_ID, NO_PRICE_TICKS, NO_VALUE
from mmfold.journal.log.writer import Writer

START_NS = 1_790_000_000 * NS_PER_S
STEP_NS = 25 * NS_PER_MS
LATENCY_NS = 2 * NS_PER_MS
MID_TICKS = 10_000
LEVEL_COUNT = 10
SILENCE_NS = 9 * NS_PER_S
JUMP_TICKS = 400  # of a restart: farther than all levels
FUNDING_AT, SILENCE_AT, RESTART_AT = 0.7, 0.8, 0.9  # of all events
QUIET = 0.6  # before, trades are none of the book, so that little is filled
INSTRUMENT = Instrument(symbol="XUSDT", venue="bybit", tick_size="0.1", lot_size="0.001", maker_fee_ppm=100)


def blank(count: int, ts_ns: np.ndarray, kind: EventKind) -> np.ndarray:
    """Return rows of one kind, received a little after they happened."""
    rows = np.zeros(count, EVENT)
    rows["kind"], rows["side"] = kind, Side.NONE
    rows["ts_exchange_ns"], rows["ts_receive_ns"] = ts_ns, ts_ns + LATENCY_NS
    rows["price_ticks"], rows["order_id"], rows["aux"] = NO_PRICE_TICKS, NO_ORDER_ID, NO_VALUE
    return rows


def snapshot(mid: int, ts_ns: int, number: int) -> np.ndarray:
    """Return a whole book."""
    rows = blank(2 * LEVEL_COUNT, np.full(2 * LEVEL_COUNT, ts_ns), EventKind.BOOK_SNAPSHOT)
    depth = np.arange(1, LEVEL_COUNT + 1)
    rows["side"] = np.repeat((Side.BID, Side.ASK), LEVEL_COUNT)
    rows["price_ticks"] = np.concatenate((mid - depth, mid + depth))
    rows["qty_lots"], rows["aux"] = 20, number
    rows["flags"][-1] = Flag.LAST
    return rows


def stretch(random: np.random.Generator, count: int, mid: int, ts_ns: int, number: int) -> tuple[np.ndarray, int]:
    """Return so many events behind a snapshot, which is the first of them, and where the mid is then."""
    what = random.choice(3, count, p=(0.25, 0.5, 0.25))  # trade, size, step
    steps = np.where(what == 2, random.choice((-1, 1), count), 0)
    mids = mid + np.cumsum(steps)
    before = mids - steps
    times = ts_ns + STEP_NS * np.arange(1, count + 1)
    numbers = number + np.cumsum(what != 0)
    trades = blank(count, times, EventKind.TRADE)
    trades["side"] = random.integers(0, 2, count)
    trades["price_ticks"] = np.where(trades["side"] == Side.BID, before + 1, before - 1)
    trades["qty_lots"] = random.integers(1, 40, count)
    sizes = blank(count, times, EventKind.BOOK_DELTA)
    sizes["side"] = random.integers(0, 2, count)
    depth = random.integers(1, LEVEL_COUNT + 1, count)
    sizes["price_ticks"] = np.where(sizes["side"] == Side.BID, before - depth, before + depth)
    sizes["qty_lots"] = random.integers(1, 60, count)
    moves = np.repeat(blank(count, times, EventKind.BOOK_DELTA), 4).reshape(count, 4)
    up = steps > 0
    moves["side"][:] = (Side.BID, Side.BID, Side.ASK, Side.ASK)
    moves["price_ticks"] = np.stack(
        (
            np.where(up, before, before - LEVEL_COUNT - 1),
            np.where(up, before - LEVEL_COUNT, before - 1),
            np.where(up, before + 1, before),
            np.where(up, before + LEVEL_COUNT + 1, before + LEVEL_COUNT),
        ),
        axis=1,
    )
    moves["qty_lots"] = np.stack((np.full(count, 20), np.zeros(count), *np.where(up, ((0,), (20,)), ((20,), (0,)))), 1)
    moves["qty_lots"][~up] = (20, 0, 20, 0)
    for rows in (sizes, moves):
        rows["aux"] = numbers if rows.ndim == 1 else numbers[:, None]
        rows["order_id"] = rows["aux"] - 1
    trades["flags"] = sizes["flags"] = moves["flags"][:, 3] = Flag.LAST
    order = np.concatenate((np.arange(count), np.arange(count), np.repeat(np.arange(count), 4)))
    chosen = np.concatenate((what == 0, what == 1, np.repeat(what == 2, 4)))
    rows = np.concatenate((trades, sizes, moves.reshape(-1)))[chosen]
    rows = rows[np.argsort(order[chosen], kind="stable")]
    return np.concatenate((snapshot(mid, ts_ns, number), rows)), int(mids[-1])


def market_rows(count: int, quiet: float = QUIET, seed: int = 11) -> np.ndarray:
    """Return about so many events, not numbered; the first ones, by their share, fill few orders."""
    random = np.random.default_rng(seed)
    bounds = [round(count * share) for share in (0, FUNDING_AT, SILENCE_AT, RESTART_AT, 1)]
    parts, mid, ts_ns, number = [], MID_TICKS, START_NS, 1_000
    for place, size in enumerate(np.diff(bounds).tolist()):
        rows, mid_next = stretch(random, size, mid, ts_ns, number)
        if place and place < 3:
            rows = rows[2 * LEVEL_COUNT :]  # goes on where the last one ended
        parts.append(rows)
        mid, ts_ns, number = mid_next, int(rows["ts_exchange_ns"][-1]), int(rows["aux"][rows["aux"] > 0][-1])
        if place == 0:
            parts.append(settlement(ts_ns, mid))
        elif place == 1:
            parts.append(silent_trades(ts_ns, mid))
            ts_ns += SILENCE_NS
        else:
            mid, number, ts_ns = mid + JUMP_TICKS, 1, ts_ns + NS_PER_S
    found = np.concatenate(parts)
    begin_ns = START_NS + round(count * quiet) * STEP_NS
    is_quiet = (found["kind"] == EventKind.TRADE) & (found["ts_exchange_ns"] < begin_ns)
    found["flags"][is_quiet] |= np.uint16(Flag.BLOCK)
    return found


def settlement(ts_ns: int, mid: int) -> np.ndarray:
    """Return a funding at a positive rate, with its price."""
    rows = blank(1, np.array([ts_ns]), EventKind.FUNDING)
    rows["flags"], rows["aux"], rows["order_id"] = Flag.LAST, 100_000, mid * E8 // 10
    return rows


def silent_trades(ts_ns: int, mid: int) -> np.ndarray:
    """Return trades, one a second, while nothing is heard of the book."""
    rows = blank(8, ts_ns + NS_PER_S * np.arange(1, 9), EventKind.TRADE)
    rows["side"], rows["price_ticks"], rows["qty_lots"], rows["flags"] = Side.BID, mid + 1, 3, Flag.LAST
    return rows


def write_rows(path: Path, instruments: tuple[Instrument, ...], rows: np.ndarray, run_id: str = "planted") -> Path:
    """Write a recording of whole events, numbered from 1."""
    first = np.concatenate(([True], (rows["flags"][:-1] & Flag.LAST) != 0))
    rows = rows.copy()
    rows["seq"] = np.cumsum(first)
    with Writer(path) as writer:
        writer.append(
            payload_rows(EventKind.MANIFEST, 0, encode_manifest(Manifest(run_id=run_id, instruments=instruments)))
        )
        writer.append(rows)
        writer.commit()
    return path
