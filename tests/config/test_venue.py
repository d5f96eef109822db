"""Files of assumptions and calibrations: what is said is read exactly, what cannot be is refused with its place."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from mmfold.config.errors import ConfigError
from mmfold.config.load import key_names
from mmfold.config.venue import Calibration, VenueAssumptions, load_calibration, load_venue

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "assumptions.yaml"
SIX = dict.fromkeys(Calibration.model_fields, Decimal(0))


def test_the_example_says_every_key() -> None:
    said = load_venue(EXAMPLE)
    keys = {name for name in key_names(VenueAssumptions) if name != "latency.file"}
    for name in keys:
        value: Any = said
        for part in name.split("."):
            value = value[0] if isinstance(value, tuple) else value
            assert part in value.model_fields_set, f"{name} is not in the example"
            value = getattr(value, part)
    assert len(keys) > 30 and said.fees.tiers[2].maker_bps == Decimal("-0.2")


def test_what_is_not_said_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("latency: {entry_ms: 12.5}\nfees:\n")
    assert load_venue(path).model_dump(exclude_unset=True) == {"latency": {"entry_ms": Decimal("12.5")}, "fees": {}}


# text, what is wrong with it
MISTAKES = [
    ("latncy: {entry_ms: 1}", "E_CFG_KEY: latncy: unknown key, did you mean latency? (a.yaml line 1)"),
    ("latency:\n  entri_ms: 1", "latency.entri_ms: unknown key, did you mean latency.entry_ms? (a.yaml line 2)"),
    ("latency: {entry_ms: -1}", "latency.entry_ms: -1 is out of range [0, 60000]"),
    ("latency: {entry_ms: fast}", "latency.entry_ms: must be a number, not 'fast'"),
    ("latency: {file: x.csv, entry_ms: 3}", "latency: entry_ms says nothing where latencies are measured"),
    ("latency: 5", "latency: must be a section"),
    ("queue: {partial_fills: 1}", "queue.partial_fills: must be true or false, not 1"),
    ("queue: {model: 3}", "queue.model: must be text, not 3"),
    ("fees: {tiers: 3}", "fees: tiers must be a list of at most 16 sections"),
    ("fees:\n  tiers:\n    - {volume_usd: 0, makr_bps: 1}", "unknown key, did you mean fees.tiers.maker_bps?"),
    ("fees:\n  tiers:\n    - {volume_usd: 0, maker_bps: 1}", "fees.tiers.0.taker_bps: is missing (a.yaml line 2)"),
    ("fees:\n  tiers:\n    - {volume_usd: 0, maker_bps: 1, taker_bps: 400}", "400 is out of range [-327, 327]"),
    ("fees:\n  tiers:\n    - {volume_usd: 9, maker_bps: 1, taker_bps: 4}", "must begin at 0 and rise, not 9"),
    ("fills: {toxic_share: 1.5}", "fills.toxic_share: 1.5 is out of range [0, 1]"),
    ("account: {initial_margin: 0}", "account.initial_margin: 0 is out of range (0, 1]"),
    ("requests: {per_s: 1.5}", "requests.per_s: must be a whole number, not 1.5"),
    ("outages: {every_s: 1, for_ms: 2000}", "for_ms must be above 0 and below every_s, 1 s"),
    ("outages: {every_s: 1}", "for_ms must be above 0"),
    ("outages: {restart_share: 1}", "for_ms and restart_share need every_s"),
    ("timer_ms: 0", "timer_ms: 0 is out of range [1, 60000]"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), MISTAKES)
def test_a_mistake_has_key_range_and_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_venue(path)
    assert said in str(caught.value) and "a.yaml line" in str(caught.value) and "mm docs backtest" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", {}),
        ('{"latency_ms_mean": 15, "latency_ms_std": 5, "amend_latency_ms": 10, "cancel_latency_ms": 8,'
         '\t"toxic_sweep_prob": 0.02, "extra_slippage_bps": 5e-1}',
         {"latency_ms_mean": 15, "latency_ms_std": 5, "amend_latency_ms": 10, "cancel_latency_ms": 8,
          "toxic_sweep_prob": Decimal("0.02"), "extra_slippage_bps": Decimal("0.5")}),
    ],
)  # fmt: skip
def test_a_calibration_is_six_numbers_by_default_0(tmp_path: Path, text: str, expected: dict[str, Any]) -> None:
    path = tmp_path / "c.json"
    path.write_text(text)
    assert load_calibration(path).model_dump() == SIX | expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"latency_ms_mean": -1}', "latency_ms_mean: -1 is out of range [0, 60000] (c.json)"),
        ('{"latency_ms_std": -0.5}', "latency_ms_std: -0.5 is out of range"),
        ('{"toxic_sweep_prob": 1.1}', "toxic_sweep_prob: 1.1 is out of range [0, 1]"),
        ('{"toxic_sweep_prob": NaN}', "toxic_sweep_prob: must be a number, not nan"),
        ('{"extra_slippage_bps": Infinity}', "must be a number, not inf"),
        ('{"cancel_latency_ms": null}', "cancel_latency_ms: must be a number, not nothing"),
        ('{"amend_latency_ms": true}', "amend_latency_ms: must be a number, not true"),
        ('{"latency_mean_ms": 1}', "latency_mean_ms: unknown key, did you mean latency_ms_mean?"),
        ('{"latency_ms_mean": 1, "latency_ms_mean": 2}', "latency_ms_mean: set twice (c.json)"),
        ("[1]", "expected one JSON object"),
        ('{"latency_ms_mean": 1,\n}', "not JSON: "),
        (f'{{"latency_ms_mean": {"9" * 5_000}}}', "not JSON: "),
        ("\xff", "not JSON: "),
    ],
)
def test_a_bad_calibration_is_a_value_error(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "c.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=r"^E_CFG_") as caught:
        load_calibration(path)
    assert said in str(caught.value) and "c.json" in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for load in (load_venue, load_calibration):
        with pytest.raises(ConfigError, match="No such file"):
            load(tmp_path / "none")
