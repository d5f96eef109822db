"""What a generated test asks: does this journal still fail? Must import no kernel before a strategy file is loaded."""

from os import PathLike
from pathlib import Path


def failure_of(journal: PathLike[str] | str, fails_if: str, *, strategy: str | None = None) -> str | None:
    """Return how a journal fails a predicate under this build, None where it passes.

    Raises: JournalError, JsonlError, PredicateError, StrategyMissing.
    """
    if strategy is not None:
        from mmfold.replay.strategy.file import install_strategy, read_strategy

        install_strategy(read_strategy(strategy))
    from mmfold.replay.minimize.predicate import parse_predicate
    from mmfold.replay.minimize.recording import read_recording
    from mmfold.replay.minimize.rival import release
    from mmfold.replay.minimize.trial import Trial, check_core_error

    recording = read_recording(Path(journal), fails_if=fails_if)
    predicate = parse_predicate(fails_if, recording.manifest)
    try:
        outcome = Trial(recording.manifest, predicate, takes_all=True).run(recording.inputs)
    finally:
        release(predicate)
    check_core_error(outcome, fails_if)
    return None if outcome.signature is None else str(outcome.signature)
