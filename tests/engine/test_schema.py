"""What another build relies on: ids that stay, room that is fixed, a layout that has a name."""

import json

import numpy as np
import pytest

from mmfold.engine.codes import EventKind, Reason
from mmfold.engine.layout import LAYOUT_ID, layout_name, layout_text, record_text
from mmfold.engine.manifest import (
    CODE_VERSION,
    FIRST_RULES,
    Instrument,
    Manifest,
    ManifestError,
    canonical_json,
    encode_manifest,
    parse_manifest,
)
from mmfold.engine.params import audit_scale, param_name
from mmfold.engine.records import CELL, COUNTER, COUNTER_ROOM, EVENT, KIND_COUNT, PARAM, REASON_ROOM, record
from mmfold.engine.rules import CHANGES, RULES, changes_between
from mmfold.engine.schema import PARAM_FIELDS
from mmfold.engine.state import make_state
from mmfold.engine.views import MEANINGS, OPENING_VIEW, VIEWS, view_rows
from tests.engine.rows import make_manifest

# As AUDIT rows of every journal so far name them: a line is added for a new PARAM, none is ever changed.
PARAM_WORDS = """
strategy mode enabled maker_only post_only_block enable_dynamic_spread enable_inventory_skew enable_adverse_guard
quote_on_timer replace_overlap levels_per_side imbalance_levels active_per_side_max active_per_symbol_max
vola_half_life_ns guard_pause_ns min_time_in_book_ns quote_refresh_ns md_stale_ns reject_backoff_ns backoff_base_ns
backoff_ns_max throttle_window_s create_per_s_max amend_per_s_max cancel_per_s_max target_micros equity_micros
inventory_micros_max total_notional_micros_max position_lots_max grid_half_spread_ticks_e6
grid_skew_ticks_per_lot_e6 grid_qty_lots grid_notional_micros_max k_vola_spread min_spread_bps max_spread_bps
skew_coeff imbalance_cutoff level_spacing_coeff microprice_drift_bps replace_threshold_bps amend_price_threshold_bps
amend_size_threshold post_only_offset_bps min_qty_pad user_00 user_01 user_02 user_03 user_04 user_05 user_06 user_07
user_08 user_09 user_10 user_11 user_12 user_13 user_14 user_15 daily_loss_micros_max
optimal_gamma optimal_sigma optimal_a_per_s optimal_k optimal_horizon_s optimal_qty_lots optimal_quotes_max
liquidity_levels liquidity_alpha_ppm leverage_ppm mmr_ppm assumed_sl_ppm sl_buffer_ppm flip_cooldown_ns
circuit_window_s circuit_samples_min circuit_failed_ppm circuit_server_error_ppm circuit_rate_limited_ppm
circuit_open_ns circuit_probes_max circuit_probe_gap_ns
"""
PARAM_IDS = PARAM_WORDS.split()


def test_param_ids_are_frozen() -> None:
    assert {field.name: field.id for field in PARAM_FIELDS} == {name: index for index, name in enumerate(PARAM_IDS)}
    assert [param_name(index) for index in range(len(PARAM_IDS))] == PARAM_IDS
    assert (param_name(9_999), audit_scale(9_999)) == ("param 9999", 1)


def test_params_of_no_config_are_as_before_they_existed() -> None:
    params = make_state(make_manifest()).params[0]
    assert [params[field.name] for field in PARAM_FIELDS] == [field.absent for field in PARAM_FIELDS]
    assert PARAM.names == tuple(field.name for field in PARAM_FIELDS)


def test_what_is_counted_by_a_code_has_fixed_room() -> None:
    assert CELL["blocked_counts"].shape == (REASON_ROOM,) == (128,) and max(Reason) < REASON_ROOM
    assert KIND_COUNT == 256 and COUNTER.itemsize == 8 * COUNTER_ROOM == 512


def test_a_new_counter_changes_no_layout_and_any_other_field_does() -> None:
    assert len(LAYOUT_ID) == 64 and "counters[64]" in layout_text() and "guard_trip_count" not in layout_text()
    assert "enabled:int" in layout_text(), "the policies' state is part of it"
    fields = [("a", "<i8"), ("b", "<f8", (2, 3))]
    assert record_text(np.dtype(fields)) == "{a:<i8,b:<f8[2][3]}"
    for other in ([*fields, ("c", "<i8")], fields[::-1], [("a", "<f8"), fields[1]], [("z", "<i8"), fields[1]]):
        assert record_text(np.dtype(other)) != record_text(np.dtype(fields))
    assert layout_name("") != layout_name(LAYOUT_ID) == LAYOUT_ID[:12]


def test_rules_are_told_between_two_builds() -> None:
    assert max(CHANGES) == RULES and changes_between(RULES, RULES) == []
    assert changes_between(1, RULES) == changes_between(RULES, 1) == [(n, CHANGES[n]) for n in range(2, RULES + 1)]


PLAIN = Manifest(run_id="x", instruments=(Instrument(symbol="X", tick_size="1", lot_size="1"),))


def test_a_manifest_of_before_keeps_its_bytes() -> None:
    old = encode_manifest(PLAIN)
    assert b"rules" not in old and b"layout" not in old
    assert encode_manifest(parse_manifest(old)) == old and parse_manifest(old).rules == FIRST_RULES
    new = PLAIN.renewed(witnessed=True, layout=LAYOUT_ID)
    assert parse_manifest(encode_manifest(new)) == new and (new.rules, new.layout) == (RULES, LAYOUT_ID)


# what a newer build may have written | what the refusal names
NEWER = [
    ({"rules": RULES + 1}, f"rules {RULES + 1}"),
    ({"schema_version": 2}, "schema 2"),
    ({"colour": "blue"}, "key colour"),
]


@pytest.mark.parametrize(("change", "named"), NEWER, ids=[named for _, named in NEWER])
def test_a_newer_journal_is_refused_in_one_line_with_both_builds(change: dict, named: str) -> None:

    document = {**json.loads(encode_manifest(PLAIN)), "code_version": "9.9.9", **change}
    with pytest.raises(ManifestError) as caught:
        parse_manifest(canonical_json(document))
    said = str(caught.value)
    assert "mm 9.9.9" in said and f"mm {CODE_VERSION}" in said and named in said and "\n" not in said


@pytest.mark.parametrize("change", [{"rules": 0}, {"rules": "2"}, {"schema_version": None}, {"schema_version": 0}])
def test_numbers_that_no_build_writes_are_refused(change: dict) -> None:

    with pytest.raises(ManifestError, match="not a manifest of mm"):
        parse_manifest(canonical_json({**json.loads(encode_manifest(PLAIN)), **change}))


def test_views_are_the_same_bytes_under_other_names() -> None:
    rows = np.zeros(3, EVENT)
    rows["aux"], rows["order_id"] = (1, 2, 3), (4, 5, 6)
    deltas = view_rows(rows, EventKind.BOOK_DELTA)
    assert deltas["venue_seq"].tolist() == [1, 2, 3] and deltas["venue_seq_prev"].tolist() == [4, 5, 6]
    deltas["venue_seq"][0] = 9
    assert rows["aux"][0] == 9 and np.shares_memory(rows, deltas)
    for kind, view in VIEWS.items():
        assert [view[name] for name in view.names] == [EVENT[name] for name in EVENT.names], kind
        assert set(MEANINGS.get(kind, {}).values()) <= set(view.names)
    assert OPENING_VIEW.names[-6:] == EVENT.names[-6:] or "fees_before_micros" in OPENING_VIEW.names


def test_a_record_without_room_for_its_fields_is_refused() -> None:
    with pytest.raises(AssertionError):
        record(8, [("a", "<i8"), ("b", "<i8")])
