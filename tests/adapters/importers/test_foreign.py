"""A capture of one venue given to the importer of another is refused, and the other importer named."""

from pathlib import Path

import pytest

from mmfold.adapters.importers.outcome import ImportFailedError
from tests.adapters.importers.test_told_twice import BINANCE, BYBIT, capture, run, stamped

FOREIGN = [("binance", BYBIT, "bybit"), ("bybit", BINANCE, "binance")]


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(("source", "messages", "other"), FOREIGN)
def test_the_other_importer_is_named(tmp_path: Path, source: str, messages: list, other: str, strict: bool) -> None:
    with pytest.raises(ImportFailedError) as refused:
        run(tmp_path, capture(stamped(messages)), source=source, strict=strict)
    assert f"mm import {other}" in f"{refused.value} {refused.value.hint}" and not (tmp_path / "j").exists()
    # A few foreign lines among its own are set aside.
    own = BINANCE if source == "binance" else BYBIT
    result = run(tmp_path, capture(stamped([*own, *messages[:3]])), source=source)
    assert result.rejected == 3
    assert f"mm import {other} reads" in (tmp_path / "j.quarantine.jsonl").read_text()
