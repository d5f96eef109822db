"""Sessions written line by line: `market_index kind #order [bid|ask] [price x lots] [maker] [Y]`.

An order's id holds its slot, so `#12` is the second order of level 1 on its side: the tens are the level.
"""

import numpy as np

from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.limits import ORDER_ID_SEQ_SHIFT
from mmfold.engine.orders import SLOTS_PER_LEVEL, SLOTS_PER_SIDE
from mmfold.engine.state import make_state
from mmfold.replay.parity.session import Session, read_session
from mmfold.replay.result import SAMPLE, ReplayResult
from tests.engine.rows import event, make_manifest

MARKET_COUNT = 1_000
MARKET_CODE = int(EventKind.BOOK_DELTA) << 16
MANIFEST = make_manifest("X", "Y", witnessed=True)


def written_rows(lines: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows that the lines stand for, and their places in the market."""
    sides: dict[int, Side] = {}
    rows, places = [np.zeros(0, event(EventKind.ACK).dtype)], []
    for seq, line in enumerate(lines):
        index, kind, order, *words = line.split()
        number = int(order.removeprefix("#"))
        fields: dict[str, int] = {"instrument_index": int("Y" in words), "seq": seq}
        for word in words:
            if word in ("bid", "ask"):
                sides[number] = Side[word.upper()]
            elif word == "maker":
                fields["flags"] = Flag.MAKER
            elif "x" in word:
                fields["price_ticks"], fields["qty_lots"] = map(int, word.split("x"))
        side = sides.get(number, Side.BID)
        if kind in ("place", "amend", "cancel", "fill"):
            fields["side"] = side
        fields["order_id"] = number << ORDER_ID_SEQ_SHIFT | side * SLOTS_PER_SIDE + number // 10 * SLOTS_PER_LEVEL
        rows.append(event(EventKind[kind.upper()], **fields))
        places.append((int(index), MARKET_CODE))
    return np.concatenate(rows), np.array(places, np.int64).reshape(-1, 2)


def written(text: str) -> Session:
    """Return the session of a text; lines are separated by line ends or semicolons."""
    lines = [line.strip() for line in text.replace(";", "\n").splitlines() if line.strip()]
    result = ReplayResult(
        manifest=MANIFEST,
        state=make_state(MANIFEST),
        events=len(lines),
        rows=len(lines),
        head="",
        sealed=False,
        state_digest="",
        effects_digest="",
        effect_counts={},
        fills=0,
        witnessed_count=0,
        samples=np.zeros(0, SAMPLE),
        fill_rows=np.zeros(0, event(EventKind.ACK).dtype),
    )
    return read_session(result, MARKET_COUNT, *written_rows(lines))
