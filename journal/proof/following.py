"""Anchoring a journal while it grows, from a process beside its writer; must never hold the writer up, nor wake often.

The tree's right edge stays in memory: an event is hashed once, when it comes. A follower reads what is committed.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from mmfold.journal.log.follow import Follower
from mmfold.journal.log.seal import read_seal
from mmfold.journal.proof.anchor import Anchor, Anchored, alone, open_log
from mmfold.journal.proof.signing import Signer

TURN_S = 1.0  # between two looks: what came in the meantime is hashed at once


def follow_journal(
    path: Path, signers: Sequence[Signer], *, origin: str | None, every_s: float, on_turn: Callable[[], None]
) -> Iterator[Anchored]:
    """Anchor what is there, then every `every_s` what has come, until the journal is sealed; yields each anchoring.

    Raises: NotAJournal, Corrupt, SealDiffers, WrongVersion; ProofError, CheckFailed; Locked; OSError.
    """
    _, origin = open_log(path, signers, origin)
    with alone(path), ExitStack() as stack:
        anchor = Anchor(path, signers, origin)
        follower = stack.enter_context(Follower(path))
        take_new(anchor, follower, on_turn)
        if anchor.is_mending_needed:
            anchor, follower = anchor.mended(), stack.enter_context(Follower(path))
        due_s, is_first = time.monotonic(), True
        while True:
            seal = read_seal(path)
            take_new(anchor, follower, on_turn)
            is_ended = seal is not None and seal.events == anchor.events
            is_new = is_first or anchor.events > anchor.size_before
            if is_new and (is_ended or time.monotonic() >= due_s):
                yield anchor.signed(int(time.time()), follower.head)
                due_s, is_first = time.monotonic() + every_s, False
            if is_ended:
                return
            on_turn()
            time.sleep(TURN_S)


def take_new(anchor: Anchor, follower: Follower, on_turn: Callable[[], None]) -> None:
    """Take all that is committed."""
    while len(rows := follower.next_rows(0)):
        anchor.take(rows)
        on_turn()
