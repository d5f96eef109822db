"""The journal and the core of a running session in their commit order: input, step, effects, then release.

What `fold` returns is in the journal, written: it may leave the process. Must never send, wait or read a clock.
"""

import re
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mmfold.engine.codes import EventKind, OrderStatus
from mmfold.engine.core import Core, config_payload
from mmfold.engine.layout import LAYOUT_ID
from mmfold.engine.limits import ROW_BYTES, SEQ_MAX
from mmfold.engine.manifest import Manifest, canonical_json, encode_manifest, parse_manifest
from mmfold.engine.payload import payload_bytes, payload_rows
from mmfold.engine.records import EVENT, KIND_AT
from mmfold.journal.log.reader import Journal
from mmfold.journal.log.rows_kernel import number_event
from mmfold.journal.log.segment import segment_paths
from mmfold.journal.log.writer import Writer
from mmfold.journal.recovery.recover import recover
from mmfold.replay.checkpoint import checkpoint_key, find_checkpoint, load_checkpoint, save_checkpoint
from mmfold.replay.strategy.attribution import explain, strategy_blamed

UNCOMMITTED_ROW_COUNT_MAX = 16  # market rows that a crash may lose, and that a decision has to write first
CHECKPOINT_BLOCK_COUNT = 256  # chain blocks between two checkpoints
OPEN_STATUSES = (
    OrderStatus.CREATED, OrderStatus.SUBMITTED, OrderStatus.ACCEPTED, OrderStatus.AMENDING, OrderStatus.CANCELLING,
    OrderStatus.UNKNOWN,
)  # fmt: skip
IN_DOUBT = (OrderStatus.CREATED, OrderStatus.SUBMITTED, OrderStatus.AMENDING, OrderStatus.CANCELLING)
ACK = int(EventKind.ACK)  # from here on kinds are the venue's word on our orders, which no crash may lose
ORDER_KINDS = bytes((EventKind.PLACE, EventKind.AMEND, EventKind.CANCEL))


def has_segments(directory: Path) -> bool:
    """Tell whether a directory holds something of a journal."""
    return directory.is_dir() and bool(segment_paths(directory))


def read_session_manifest(directory: Path) -> Manifest | None:
    """Return the manifest of the session that a directory holds, None when there is none.

    Raises: JournalError, ManifestError.
    """
    if not has_segments(directory):
        return None
    recover(directory, apply=True)
    if not has_segments(directory):
        return None
    first = next(iter(Journal(directory).chunks()))
    return parse_manifest(payload_bytes(first[first["seq"] == 0]))


class Session:
    """One journal with its core: a new one, or a former one taken up where it ended.

    Raises: JournalError, WitnessDiffers, DigestDiffers, StrategyRaised.
    """

    def __init__(self, directory: Path, manifest: Manifest, sync: Literal["none", "commit"] = "none") -> None:
        self.directory = directory
        self.manifest = manifest if manifest.witnessed else manifest.renewed(witnessed=True, layout=LAYOUT_ID)
        self.core = Core(self.manifest, self.keep_effects)
        self.key = checkpoint_key(self.manifest, {}, None)
        self.decided: list[np.ndarray] = []
        self.resumed_events = 0
        self.uncommitted_rows = 0
        self.failed = False  # a write failed: nothing is folded any more
        is_new = not has_segments(directory)
        with strategy_blamed(self.core):
            unwitnessed = [] if is_new else self.resume()
        self.writer = Writer(directory, sync=sync)
        self.block_saved = self.writer.seq_next // 1024
        if is_new:
            self.fold(payload_rows(EventKind.MANIFEST, 0, encode_manifest(self.manifest)))
        for effects in unwitnessed:  # decided but not written before the crash, so never sent
            self.writer.append(effects)
        self.writer.commit()

    @property
    def seq_next(self) -> int:
        """The seq that the next event gets."""
        return self.writer.seq_next

    def keep_effects(self, effects: np.ndarray) -> None:
        """Take the effects of one event."""
        self.decided.append(effects)

    def resume(self) -> list[np.ndarray]:
        """Fold what the journal holds, from its newest checkpoint on; returns the last effects that lack a witness."""
        journal = Journal(self.directory)
        checkpoint = find_checkpoint(self.directory, self.key, SEQ_MAX)
        if checkpoint is not None and not load_checkpoint(self.core, checkpoint):
            checkpoint = None
        seq, base = (0, None) if checkpoint is None else (checkpoint.seq_next, checkpoint.head)
        self.resumed_events = seq
        for rows in journal.verified_chunks(seq_from=seq, base=base):
            self.core.feed(rows)
            self.resumed_events = int(rows[-1]["seq"]) + 1
            if self.core.out[0]["witness_index"] == self.core.out[0]["effect_count"]:
                self.core.drain()
                self.decided.clear()
        place = self.core.out[0]
        missing = place["effects"][int(place["witness_index"]) : int(place["effect_count"])].copy()
        self.core.drain()
        self.decided.clear()
        return [missing] if len(missing) else []

    def fold(self, rows: np.ndarray) -> np.ndarray:
        """Journal and fold whole events, decisions behind each; returns the decisions, written if there are any.

        The rows are numbered in place. Raises: JournalFull, JournalError: nothing was decided then that may leave.
        """
        assert not self.failed
        made: list[np.ndarray] = []
        start = 0
        try:
            while start < len(rows):
                end = number_event(rows, start, self.writer.seq_next)
                effects = self.decide(rows[start:end])
                if effects is not None:
                    made.append(effects)
                start = end
            self.uncommitted_rows += len(rows)
            if made or rows["kind"].item(0) >= ACK or self.uncommitted_rows >= UNCOMMITTED_ROW_COUNT_MAX:
                self.commit()
        except BaseException:
            self.failed = True
            raise
        if len(made) == 1:
            return made[0]
        return np.concatenate(made) if made else NO_EFFECTS

    def decide(self, event: np.ndarray) -> np.ndarray | None:
        """Fold and journal one numbered event and, behind it, what it decides; returns that.

        Raises: what breaks the core, with the event journaled, StrategyRaised where a strategy file does; JournalError.
        """
        data = event.tobytes()
        event = np.frombuffer(data, EVENT)  # read-only, as the core takes it
        try:
            self.core.advance(event, 0)
            self.core.drain()
        except BaseException as error:
            self.writer.append(event)
            told = explain(error, self.core.state)
            if told is not None:
                raise told from error
            raise
        if not self.decided:
            self.writer.append(event)
            return None
        effects = self.decided.pop()
        assert not self.decided, "one event's effects come at once"
        self.writer.append(np.frombuffer(data + effects.tobytes(), EVENT))
        return effects

    def commit(self) -> None:
        """Write what was folded.

        Raises: JournalFull, JournalError.
        """
        self.writer.commit()
        self.uncommitted_rows = 0

    def check_journal(self) -> None:
        """Check that the journal is on the disk as it was written.

        Raises: Displaced: nothing is folded, journaled or sealed any more.
        """
        try:
            self.writer.check_in_place()
        except BaseException:
            self.failed = True
            raise

    def fold_config(self, document: dict[str, Any]) -> np.ndarray:
        """Journal and apply a CONFIG."""
        return self.fold(payload_rows(EventKind.CONFIG, self.seq_next, config_payload(document)))

    def fold_command(self, document: dict[str, Any]) -> np.ndarray:
        """Journal and carry out a COMMAND."""
        return self.fold(payload_rows(EventKind.COMMAND, self.seq_next, canonical_json(document)))

    def open_orders(self) -> list[tuple[int, int, OrderStatus]]:
        """Return (instrument_index, order_id, status) of every order that may still be filled."""
        found = []
        for index, orders in enumerate(self.core.state.orders):
            for slot in np.flatnonzero(np.isin(orders["status"], OPEN_STATUSES)).tolist():
                found.append((index, int(orders[slot]["order_id"]), OrderStatus(int(orders[slot]["status"]))))
        return found

    def save_checkpoint(self) -> None:
        """Save the state if a block ends here and the last checkpoint is old; for the next start."""
        block, rest = divmod(self.seq_next, 1024)
        if rest or block - self.block_saved < CHECKPOINT_BLOCK_COUNT or self.failed:
            return
        self.commit()
        save_checkpoint(self.directory, self.key, self.core, self.seq_next, self.writer.head, 0)
        self.block_saved = block

    def close(self) -> None:
        """End the journal with the state's digest and its seal."""
        if not self.failed:
            self.writer.append(payload_rows(EventKind.DIGEST, self.seq_next, self.core.digest_payload()))
        self.writer.close(seal=not self.failed)


NO_EFFECTS = np.zeros(0, EVENT)


def orders_of(effects: np.ndarray) -> np.ndarray:
    """Return the PLACE, AMEND and CANCEL among effects; mostly they are all."""
    kinds = effects.tobytes()[KIND_AT::ROW_BYTES]
    return effects[[kind in ORDER_KINDS for kind in kinds]] if kinds.strip(ORDER_KINDS) else effects


def make_run_id(mode: str, venue: str, ts_ns: int) -> str:
    """Return the id of a new session: its orders' link ids carry a hash of it, so two sessions never share one."""
    return re.sub(r"[^a-z0-9-]", "", f"{mode}-{venue}-{ts_ns}")
