"""`replay`: feed a journal to the core and give back what it decided and became; must never change an event."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmfold.engine.codes import EventKind
from mmfold.engine.core import Core
from mmfold.engine.records import EVENT
from mmfold.journal.formats import Form
from mmfold.journal.log.chain import Chain
from mmfold.journal.log.checkpoints import Checkpoint
from mmfold.replay.checkpoint import checkpoint_key, find_checkpoint, load_checkpoint, save_checkpoint
from mmfold.replay.comparing import ComparingFeed
from mmfold.replay.result import SAMPLE, ReplayResult
from mmfold.replay.sampling import Sampler
from mmfold.replay.source import EventSource
from mmfold.replay.strategy.attribution import strategy_blamed
from mmfold.replay.strategy.file import check_configured, check_recorded

if TYPE_CHECKING:
    from mmfold.config.models import Config

EFFECT_NAMES = {
    "place": EventKind.PLACE,
    "amend": EventKind.AMEND,
    "cancel": EventKind.CANCEL,
    "audit": EventKind.AUDIT,
    "alert": EventKind.ALERT,
}
RARE_EFFECT_NAMES = {"note": EventKind.NOTE}  # told where there are any


@dataclass(frozen=True, kw_only=True)
class ReplayOptions:
    """What a replay may be asked for.

    Units: until_ts_ns is compared with the receive time; effects before `seq_from` are not handed out.
    """

    config: "Config | None" = None  # replaces the journal's own CONFIG events
    config_is_patch: bool = False  # only the keys that were set replace them, and what follows from those
    base: tuple[str, ...] = ()  # of a patch: KEY=VALUE texts that the keys were laid over (replay/patch.py)
    seq_from: int = 0
    until_seq: int | None = None
    until_ts_ns: int | None = None
    sample: bool = False
    checkpoints: bool = True
    beside_strategy: bool = False  # the strategy file of this process may be one that the journal does not know


def until_rows(rows: np.ndarray, options: ReplayOptions) -> tuple[np.ndarray, bool]:
    """Cut a chunk at the first event after --until; tells whether there was one."""
    end = len(rows)
    if options.until_seq is not None:
        end = int(np.searchsorted(rows["seq"], options.until_seq, side="right"))
    if options.until_ts_ns is not None:
        late = (rows["ts_receive_ns"][:end] > options.until_ts_ns) & (rows["kind"][:end] > EventKind.COMMAND)
        late &= rows["kind"][:end] != EventKind.DIGEST
        if late.any():
            end = int(np.searchsorted(rows["seq"], rows["seq"][int(np.argmax(late))]))
    return rows[:end], end < len(rows)


def named_counts(kind_counts: Sequence[int] | np.ndarray) -> dict[str, int]:
    """Return how many effects there are of each kind by its name; of a note its parts."""
    counts = {name: int(kind_counts[kind]) for name, kind in EFFECT_NAMES.items()}
    return counts | {name: int(kind_counts[kind]) for name, kind in RARE_EFFECT_NAMES.items() if kind_counts[kind]}


class Replay:
    """One replay under way: a core, its source, and what is collected beside."""

    def __init__(self, path: Path, options: ReplayOptions) -> None:
        self.options = options
        self.source = EventSource(path)
        self.manifest = self.source.manifest
        if not options.beside_strategy or "strategy_sha256" in self.manifest.extra:
            check_recorded(self.manifest)
        self.document = self.configured()
        check_configured(self.document)
        self.core = Core(self.manifest, self.take_effects, override=self.override())
        self.comparing: ComparingFeed | None = None
        if self.manifest.witnessed and not self.core.compares:
            self.comparing = ComparingFeed(self.core)
        if not self.manifest.witnessed:
            self.core.configure(self.document)  # a witnessed journal brings its own, from nothing
        self.key = checkpoint_key(self.manifest, self.document, self.override())
        self.sampler = Sampler(len(self.manifest.instruments)) if options.sample else None
        self.writers: list[Callable[[np.ndarray], None]] = []  # get the effects
        self.on_progress: Callable[[int], None] = lambda rows: None
        self.fill_rows: list[np.ndarray] = []
        self.rows = 0
        self.seq_next = 0

    def configured(self) -> dict[str, Any]:
        """Return the CONFIG document asked for, else mm's own; nothing where a witnessed journal brings its own."""
        if self.options.config is None and self.manifest.witnessed:
            return {}
        from mmfold.config.load import load_config  # a fifth of the start of a command that needs none of it
        from mmfold.config.params import config_document

        return config_document(self.options.config or load_config(None), self.manifest)

    def override(self) -> dict[str, Any] | None:
        """Return what is laid over a witnessed journal's own CONFIG: all of another one, or the keys that were set."""
        if self.options.config is None or not self.options.config_is_patch:
            return None if self.options.config is None else self.document
        from mmfold.replay.patch import patch_of

        return patch_of(self.options.config, self.manifest, self.options.base)

    def take_effects(self, effects: np.ndarray) -> None:
        """Hand effects on, those of the asked-for part."""
        if self.comparing is not None:
            self.comparing.take(effects)
        if self.writers:
            wanted = effects[effects["seq"] > self.options.seq_from] if self.options.seq_from else effects
            for write in self.writers:
                write(wanted)

    def run(self) -> ReplayResult:
        """Replay to the end or to --until.

        Raises: JournalError, JsonlError, WitnessDiffers, DigestDiffers, ConfigPayloadError, StrategyRaised,
            AssertionError.
        """
        started_s = time.perf_counter()
        chain = Chain() if self.is_cut() else None
        checkpoint = self.restore()
        for chunk in self.chunks(checkpoint):
            rows, cut = until_rows(chunk, self.options) if self.is_cut() else (chunk, False)
            if len(rows):
                self.feed(rows)
                if chain is not None and checkpoint is None:
                    chain.update(rows)
            if cut:
                self.source.check_end()
                break
        self.core.finish()
        if self.comparing is not None:
            self.comparing.finish()
        head = self.source.head if chain is None else chain.head.hex()
        return self.result(head, time.perf_counter() - started_s)

    def is_cut(self) -> bool:
        """Tell whether the replay may end before the journal does."""
        return self.options.until_seq is not None or self.options.until_ts_ns is not None

    def restore(self) -> Checkpoint | None:
        """Go on from the nearest checkpoint when asked to start late."""
        is_journal = self.source.form is Form.JOURNAL
        if not self.options.seq_from or not is_journal or self.is_cut() or self.comparing is not None:
            return None
        checkpoint = find_checkpoint(self.source.path, self.key, self.options.seq_from)
        return checkpoint if checkpoint is not None and self.restore_from(checkpoint) else None

    def restore_from(self, checkpoint: Checkpoint) -> bool:
        """Take over a checkpoint's state and what was counted up to it; False when it is none of this core."""
        if not load_checkpoint(self.core, checkpoint):
            return False
        self.rows = int(checkpoint.meta["rows"])
        self.seq_next = checkpoint.seq_next
        return True

    def chunks(self, checkpoint: Checkpoint | None) -> Iterator[np.ndarray]:
        """Yield verified events, from the checkpoint on if there is one."""
        if checkpoint is None:
            return self.source.chunks()
        return self.source.chunks(seq_from=checkpoint.seq_next, base=checkpoint.head)

    def feed(self, rows: np.ndarray) -> None:
        """Fold a chunk, sampling in between; leave a checkpoint where a segment starts."""
        for part in self.at_segment_starts(rows):
            with strategy_blamed(self.core):
                self.fold(part)
            self.rows += len(part)
            self.seq_next = int(part[-1]["seq"]) + 1
        self.on_progress(self.rows)

    def fold(self, rows: np.ndarray) -> None:
        """Fold rows, sampling in between when that was asked for."""
        feed = self.core.feed if self.comparing is None else self.comparing.feed
        if self.sampler is None:
            feed(rows)
            return
        self.fill_rows.append(rows[rows["kind"] == EventKind.FILL])
        for piece in self.sampler.pieces(rows):
            feed(piece)
            self.sampler.take(self.core.state)

    def at_segment_starts(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        """Split a chunk where a segment starts and save the state there, unless it is saved already."""
        if self.options.checkpoints and self.comparing is None:  # a comparison starts at the start
            for seq_first, base in self.source.segment_starts():
                if int(rows[0]["seq"]) < seq_first <= int(rows[-1]["seq"]):
                    middle = int(np.searchsorted(rows["seq"], seq_first))
                    yield rows[:middle]
                    rows = rows[middle:]
                if int(rows[0]["seq"]) == seq_first == self.seq_next and seq_first > 0:
                    save_checkpoint(self.source.path, self.key, self.core, seq_first, base, self.rows)
        yield rows

    def result(self, head: str, seconds: float) -> ReplayResult:
        """Return what the replay found."""
        core = self.core
        return ReplayResult(
            manifest=self.manifest,
            state=core.state,
            events=self.seq_next,
            rows=self.rows,
            head=head,
            sealed=self.source.sealed,
            state_digest=core.state_digest(),
            effects_digest=core.effects_digest.hexdigest(),
            effect_counts=named_counts(core.effect_kind_counts),
            fills=int(core.state.kind_counts[EventKind.FILL]),
            witnessed_count=self.witnessed_count(),
            samples=self.sampler.table(core.state) if self.sampler is not None else np.zeros(0, SAMPLE),
            fill_rows=np.concatenate(self.fill_rows) if self.fill_rows else np.zeros(0, EVENT),
            params=core.document.get("params", {}),
            policies=core.lane.members,
            digest_count=core.digest_count,
            digests_of_layouts=core.digests_of_layouts,
            comparison=self.comparing.comparison if self.comparing is not None else None,
            source=str(self.source.path),
            seconds=seconds,
        )

    def witnessed_count(self) -> int | None:
        """Return how many decisions are identical to the witnessed ones, None where there are none."""
        if self.comparing is not None:
            return self.comparing.comparison.identical_count
        return self.core.witnessed_count if self.manifest.witnessed else None


def replay(path: Path, options: ReplayOptions) -> ReplayResult:
    """Replay a journal; see `Replay.run`."""
    return Replay(path, options).run()
