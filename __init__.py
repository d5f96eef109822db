"""mm as a library: `import mmfold as mm; mm.open("out/bt").fills()` gives Arrow tables of a journal (docs/python.md).

The folders beside this file are its packages (docs/adr/0019). Every command imports this module: it must never import
one of them before it is asked for a journal.
"""

from os import PathLike
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmfold.reports.tables.journal import Tables

__all__ = ["open"]


def open(path: str | PathLike[str], *, exact: bool = False, strategy: str | None = None) -> "Tables":
    """Open a journal in any form, to be looked at as Arrow tables; `demo` is the bundled one.

    `strategy`, as FILE:FUNCTION, names the strategy file that the journal was made with, where there is one.
    Units: prices and sizes as the venue has them, in float64, with `exact` in decimal128.
    Raises: JournalError, StrategyError, OSError; the tables say what reading them may raise.
    """
    from mmfold.adapters.bundled import journal_named

    if strategy is not None:
        from mmfold.replay.strategy.file import install_strategy, read_strategy

        install_strategy(read_strategy(strategy))
    from mmfold.reports.tables.journal import Tables

    return Tables(journal_named(path), exact=exact)
