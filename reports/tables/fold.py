"""The replay behind the tables of fills, orders, equity and markouts; must never decide or change anything."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmfold.engine.codes import Mode
from mmfold.reports.tables.orders import OrderLife, OrderLog
from mmfold.reports.tearsheet.fold import Events, Tearsheet, TearsheetFold


class Folded(NamedTuple):
    """What one replay found."""

    sheet: Tearsheet
    lives: list[OrderLife]


class TablesFold(TearsheetFold):
    """The tearsheet's replay, which keeps every order; of any journal, with or without decisions."""

    def __init__(self, path: Path, on_progress: Callable[[int], None]) -> None:
        super().__init__(path)
        self.on_progress = on_progress
        self.log = OrderLog(len(self.manifest.instruments))
        self.orders = self.log

    def take_config(self, rows: np.ndarray, events: Events) -> None:
        """Keep what the CONFIG events say, and where nothing is sent: a decision is the last word there."""
        super().take_config(rows, events)
        params = self.config.get("params", {})
        for index, instrument in enumerate(self.manifest.instruments):
            mode = params.get(instrument.symbol, {}).get("mode", Mode.SHADOW)
            self.log.is_shadow[index] = mode == Mode.SHADOW

    def folded(self) -> Folded:
        """Replay to the end and return what was found.

        Raises: JournalError, JsonlError, WitnessDiffers, DigestDiffers, StrategyError.
        """
        sheet = self.tearsheet()
        return Folded(sheet, self.log.finished(self.core.state))
