"""What --set lays over a journal: the keys that were set, as the journal's strategy reads them, and nothing else."""

from pathlib import Path

import pytest

from mmfold.config.load import load_config
from mmfold.config.params import config_document
from mmfold.engine.codes import EventKind
from mmfold.engine.core import config_payload
from mmfold.engine.manifest import encode_manifest
from mmfold.engine.payload import payload_rows
from mmfold.journal.log.writer import Writer
from mmfold.replay.patch import base_of, patch_of
from tests.engine.rows import make_manifest

GRID, LADDER = ("strategy.name=grid",), ("strategy.name=ladder",)


@pytest.mark.parametrize(
    ("overrides", "base", "names"),
    [
        (("strategy.target_usd=350",), (), {"target_micros"}),
        (("strategy.target_usd={default}",), (), {"target_micros"}),  # the journal may have had another
        (("grid.half_spread=2",), GRID, {"grid_half_spread_ticks_e6"}),
        (("grid.half_spread=2",), (), set()),  # of a journal whose strategy has no use for it
        (("grid.step_ms=700",), GRID, {"quote_refresh_ns"}),
    ],
)
def test_only_what_was_set_is_laid_over(overrides: tuple[str, ...], base: tuple[str, ...], names: set[str]) -> None:
    default = str(load_config(None).strategy.target_usd)
    asked = tuple(one.replace("{default}", default) for one in overrides)
    manifest = make_manifest("X", lot_size="0.001")
    patch = patch_of(load_config(None, None, (*base, *asked)), manifest, base)
    assert set(patch.get("params", {}).get("X", {})) == names
    assert not patch.get("policies")


@pytest.mark.parametrize(
    ("strategies", "overrides", "base"),
    [
        (("grid", "grid"), ("grid.qty=1",), GRID),
        (("grid", "grid"), ("per_symbol.X.grid.qty=1",), GRID),
        (("ladder", "ladder"), ("grid.qty=1",), LADDER),
        (("grid", "ladder"), ("grid.qty=1",), ()),  # which of both is meant is for the user to say
        (("grid", "grid"), ("strategy.skew_coeff=1",), ()),
        (("grid", "grid"), ("strategy.name=ladder", "grid.qty=1"), ()),
    ],
)
def test_a_strategys_own_keys_are_laid_over_the_one_in_force(
    tmp_path: Path, strategies: tuple[str, str], overrides: tuple[str, ...], base: tuple[str, ...]
) -> None:
    manifest = make_manifest("X", "Y", witnessed=True, lot_size="0.001")
    settings = [f"per_symbol.{symbol}.strategy.name={name}" for symbol, name in zip("XY", strategies, strict=True)]
    document = config_document(load_config(None, None, settings), manifest)
    with Writer(tmp_path / "j") as writer:
        writer.append(payload_rows(EventKind.MANIFEST, 0, encode_manifest(manifest)))
        writer.append(payload_rows(EventKind.CONFIG, 1, config_payload(document)))
    assert base_of(tmp_path / "j", overrides) == base
