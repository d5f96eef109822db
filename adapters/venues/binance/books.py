"""Which books wait for a snapshot by REST: seen from the stream alone, by the core's own law of its numbering.

A book waits from its first message of a connection on, and again from each message before which some are missing or
at which the venue numbers anew. A snapshot is of use where the messages from that one on continue it. Must never look
at levels, and never hold a message: the core does (docs/data.md 7).
"""

from dataclasses import dataclass, field

import numpy as np

from mmfold.engine.limits import BOOK_HELD_DROP_ROW_COUNT, BOOK_HELD_ROW_COUNT_MAX
from mmfold.engine.numbering import Place, new_stream, run_follow_stream
from mmfold.engine.records import NO_SEQ, NO_TS_NS

# Of so many rows the core holds every one, whatever came before: it drops the oldest only where there is no room.
RUN_ROW_COUNT_MAX = BOOK_HELD_ROW_COUNT_MAX - BOOK_HELD_DROP_ROW_COUNT
NEWS = (Place.BREAK, Place.RESTART)


@dataclass
class BookWatch:
    """One book's stream, and what it needs.

    A run is the messages since the last break: `run_seq_prev` is the number that its first one continues.
    """

    stream: np.ndarray = field(default_factory=new_stream)
    waits: bool = False
    asked: bool = False
    run_seq_prev: int = 0
    run_row_count: int = 0

    def forget(self) -> None:
        """Forget the stream: another one begins."""
        self.stream = new_stream()
        self.waits = self.asked = False

    def follow(self, rows: np.ndarray) -> None:
        """Take one BOOK_DELTA."""
        begins = int(self.stream["stream_seq"][0]) == NO_SEQ
        place = run_follow_stream(self.stream, rows)
        if place in (Place.REPEAT, Place.LATE):
            return
        is_full = self.waits and self.run_row_count + len(rows) > RUN_ROW_COUNT_MAX
        if begins or place in NEWS:
            self.asked = self.asked and self.waits  # the answer that is under way may be of use
            self.waits = True
        if begins or is_full or place in NEWS:
            is_huge = len(rows) > RUN_ROW_COUNT_MAX  # no hold has room for it: the run begins behind it
            self.run_seq_prev, self.run_row_count = int(rows["aux" if is_huge else "order_id"][0]), 0
        self.run_row_count += len(rows)

    def take(self, rows: np.ndarray) -> bool:
        """Tell whether a BOOK_SNAPSHOT leads on to the run; one that does not is due again.

        One ahead of the stream by its number and behind it by its time is of a numbering that has ended.
        """
        if not self.waits:
            return False
        seq, ts_ns = int(rows["aux"][0]), int(rows["ts_exchange_ns"][0])
        stream_seq, stream_ts_ns = int(self.stream["stream_seq"][0]), int(self.stream["stream_ts_ns"][0])
        is_former = seq > stream_seq and NO_TS_NS not in (ts_ns, stream_ts_ns) and ts_ns < stream_ts_ns
        self.asked = False
        if seq < self.run_seq_prev or is_former:
            return False
        self.waits = False
        return True
