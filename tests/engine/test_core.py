"""The core as drivers use it: witnesses, digests, checkpoints, and input that it must refuse without a change."""

from typing import Any

import numpy as np
import pytest

from mmfold.engine.codes import EventKind, Flag, Reason, Side
from mmfold.engine.core import Core, DigestDiffers, WitnessDiffers
from mmfold.engine.layout import LAYOUT_ID
from mmfold.engine.manifest import Manifest, canonical_json, encode_manifest
from mmfold.engine.params import ConfigPayloadError
from mmfold.engine.payload import payload_rows
from mmfold.engine.records import EVENT
from tests.engine.rows import PLAIN, House, book_event, event, make_manifest

PARAMS = {"params": {"X": PLAIN}}
WITNESSED = make_manifest(witnessed=True)
EVENTS = [
    book_event(EventKind.BOOK_SNAPSHOT, [(10_000, 5)], [(10_001, 5)], aux=10),
    book_event(EventKind.BOOK_DELTA, [], [(10_001, 0), (10_002, 4)], aux=11, order_id=10),
    event(EventKind.TRADE, side=Side.BID, price_ticks=10_002, qty_lots=1),
    event(EventKind.BOOK_GAP),
]


def make_core(manifest: Manifest = WITNESSED) -> Core:
    core = Core(manifest)
    core.configure(PARAMS)
    return core


def with_witnesses(events: list[np.ndarray], digest: bool = False) -> np.ndarray:
    """Return a journal of events and, behind each, what a core decides on it; a DIGEST at its end if asked for."""
    taken: list[np.ndarray] = []
    core = Core(WITNESSED, lambda effects: taken.append(effects.copy()))
    core.configure(PARAMS)
    parts: list[np.ndarray] = []
    for rows in [payload_rows(EventKind.MANIFEST, 0, encode_manifest(WITNESSED)), *events]:
        rows = rows.copy()
        rows["seq"] = int(parts[-1]["seq"][-1]) + 1 if parts else 0
        core.feed(rows)
        core.drain()
        parts += [rows, *taken]
        taken.clear()
    if digest:
        parts.append(payload_rows(EventKind.DIGEST, int(parts[-1]["seq"][-1]) + 1, core.digest_payload()))
    return np.concatenate(parts)


JOURNAL = with_witnesses(EVENTS, digest=True)
FIRST = int(np.flatnonzero(JOURNAL["kind"] == EventKind.PLACE)[0])


def test_a_journal_of_witnesses_is_what_it_should_be() -> None:
    kinds = [EventKind(kind).name for kind in JOURNAL["kind"] if kind != EventKind.MANIFEST]
    assert np.unique(JOURNAL["seq"]).tolist() == list(range(int(JOURNAL["seq"][-1]) + 1)), (
        "witnesses take their own seqs"
    )
    assert kinds == [
        "BOOK_SNAPSHOT", "BOOK_SNAPSHOT", "PLACE", "PLACE", "BOOK_DELTA", "BOOK_DELTA", "AMEND", "TRADE", "BOOK_GAP",
        "ALERT", "AUDIT", "CANCEL", "CANCEL", "AUDIT", "DIGEST", "DIGEST",
    ]  # fmt: skip


@pytest.mark.parametrize("batch_rows", [1, 3, 1000])
def test_true_witnesses_pass(batch_rows: int) -> None:
    core = make_core()
    ends = np.flatnonzero(JOURNAL["flags"] & 1) + 1
    start = 0
    for end in [*ends[::batch_rows], len(JOURNAL)]:
        core.feed(JOURNAL[start:end])
        start = end
    assert core.finish() == 0 and core.witnessed_count == 8


OTHER: dict[str, int] = {
    "seq": 1, "ts_exchange_ns": 1, "ts_receive_ns": 1, "price_ticks": 1, "qty_lots": 1, "order_id": 64, "aux": 1,
    "side": 1, "flags": 8, "instrument_index": 1, "code": 1,
}  # fmt: skip


@pytest.mark.parametrize("field", [name for name in EVENT.names or () if name != "kind"])
def test_a_difference_in_any_field_is_found_and_both_sides_shown(field: str) -> None:
    rows = JOURNAL.copy()
    rows[field][FIRST] += OTHER[field]
    with pytest.raises(WitnessDiffers) as caught:
        make_core().feed(rows)
    assert caught.value.seq == rows["seq"][FIRST]
    assert caught.value.witnessed == rows[FIRST] and caught.value.computed == JOURNAL[FIRST]


def test_another_kind_of_effect() -> None:
    rows = JOURNAL.copy()
    rows["kind"][FIRST] = EventKind.ALERT
    with pytest.raises(WitnessDiffers) as caught:
        make_core().feed(rows)
    assert caught.value.witnessed == rows[FIRST] and caught.value.computed == JOURNAL[FIRST]


def test_the_first_difference_is_named() -> None:
    rows = JOURNAL.copy()
    rows["qty_lots"][FIRST + 1 :] += 1
    with pytest.raises(WitnessDiffers) as caught:
        make_core().feed(rows)
    assert caught.value.seq == rows["seq"][FIRST + 1]


def test_a_witness_that_nothing_decided() -> None:
    rows = np.insert(JOURNAL, FIRST + 2, JOURNAL[FIRST + 1])
    rows["seq"][FIRST + 2 :] += 1
    with pytest.raises(WitnessDiffers) as caught:
        make_core().feed(rows)
    assert caught.value.witnessed == rows[FIRST + 2] and caught.value.computed is None


def test_a_decision_without_its_witness() -> None:
    rows = np.delete(JOURNAL, FIRST + 1)
    with pytest.raises(WitnessDiffers) as caught:
        make_core().feed(rows)
    assert caught.value.seq == rows["seq"][FIRST + 1]  # the next input
    assert caught.value.witnessed is None and caught.value.computed == JOURNAL[FIRST + 1]


def test_decisions_that_a_crash_left_without_witnesses_are_counted() -> None:
    core = make_core()
    core.feed(JOURNAL[: FIRST + 1])
    assert core.finish() == 1 and core.witnessed_count == 1


def test_a_journal_without_witnesses_may_hold_effects() -> None:
    rows = JOURNAL[JOURNAL["kind"] != EventKind.DIGEST].copy()
    rows["qty_lots"][FIRST] += 1
    core = make_core(make_manifest())
    core.feed(rows)
    assert core.witnessed_count == 0


def test_a_digest_that_differs() -> None:
    core = make_core()
    core.feed(JOURNAL[JOURNAL["kind"] != EventKind.DIGEST])
    rows = payload_rows(EventKind.DIGEST, int(JOURNAL["seq"][-1]), bytes(32) + bytes.fromhex(LAYOUT_ID))
    with pytest.raises(DigestDiffers) as caught:
        core.feed(rows)
    assert (caught.value.seq, caught.value.witnessed) == (JOURNAL["seq"][-1], "00" * 32)
    assert caught.value.computed == core.state_digest()


@pytest.mark.parametrize("layout", ["", "ab" * 32], ids=["before 0.2.0", "another"])
def test_a_digest_of_another_layout_is_counted_and_not_compared(layout: str) -> None:
    core = make_core()
    core.feed(JOURNAL[JOURNAL["kind"] != EventKind.DIGEST])
    core.feed(payload_rows(EventKind.DIGEST, int(JOURNAL["seq"][-1]), bytes(32) + bytes.fromhex(layout)))
    assert (core.digest_count, core.digests_of_layouts) == (0, {layout: 1})


def test_advance_stops_behind_each_event_that_decided() -> None:
    rows = np.concatenate([payload_rows(EventKind.MANIFEST, 0, encode_manifest(WITNESSED)), *EVENTS])
    rows["seq"] = np.cumsum(np.r_[0, (rows["flags"][:-1] & 1)])
    core, ends, end = make_core(), [], 0
    while end < len(rows):
        end = core.advance(rows, end)
        ends.append((len(rows) - end, int(core.out[0]["effect_count"])))
        core.drain()
    assert ends == [(4, 2), (2, 1), (0, 5)]


def test_a_checkpoint_is_the_state() -> None:
    whole, first = make_core(), make_core()
    whole.feed(JOURNAL)
    cut = int(np.flatnonzero(JOURNAL["kind"] == EventKind.TRADE)[0])
    first.feed(JOURNAL[:cut])
    first.drain()
    second = make_core()
    second.load(first.dump())
    assert second.state_digest() == first.state_digest() and second.dump() == first.dump()
    second.feed(JOURNAL[cut:])
    assert second.state_digest() == whole.state_digest()


def test_a_checkpoint_of_another_layout_is_refused() -> None:
    with pytest.raises(ValueError, match="another layout"):
        make_core().load(make_core(make_manifest("X", "Y", witnessed=True)).dump())


CONFIGS: list[tuple[Any, str]] = [
    ({"params": {"Z": {"enabled": 0}}}, "unknown symbol 'Z'"),
    ({"params": {"X": {"enabled": 0, "enabeld": 0}}}, "unknown param 'enabeld'"),
    ({"params": {"X": {"mode": 1, "enabled": 0.5}}}, "not an integer"),
    ({"params": {"X": {"mode": 1, "enabled": True}}}, "not a number"),
    ({"params": {"X": {"mode": 1, "k_vola_spread": "2"}}}, "not a number"),
    ({"params": {"X": {"mode": 1, "levels_per_side": 11}}}, "not within 1..10"),
    ({"params": {"X": {"mode": 1, "levels_per_side": 0}}}, "not within 1..10"),
    ({"params": {"X": {"mode": 1, "active_per_side_max": 0}}}, "not at least 1"),
    ({"params": {"X": {"mode": 1, "strategy": 9}}}, "not a code"),
    ({"params": {"X": {"mode": 1, "target_micros": -1}}}, "not within"),
    ({"params": {"X": {"mode": 1, "md_stale_ns": 1 << 62}}}, "out of range"),
    ({"params": {"X": {"mode": 1}}, "policies": {"autopilot": {}}}, "unknown policy"),
    ({"params": {"X": {"mode": 1}}, "policies": {"autopolicy": {"levle": 1}}}, "unknown key"),
    ({"params": {"X": {"mode": 1}}, "policy_interval_ns": 0}, "not a positive integer"),
    ({"params": {"X": {"mode": 1}}, "policies": []}, "object of objects"),
    ({"params": {"X": 1}}, "object of objects"),
    ({"params": {"X": {"mode": 1}}, "policy_interval_ns": True}, "not a positive integer"),
    ({"parms": {}}, "CONFIG payload must be"),
    ([], "CONFIG payload must be"),
]


@pytest.mark.parametrize(("document", "message"), CONFIGS)
def test_a_bad_config_changes_nothing(document: Any, message: str) -> None:
    core = make_core()
    before = core.state.params.tobytes(), core.state.base.tobytes(), core.lane.members
    with pytest.raises(ConfigPayloadError, match=message):
        core.feed(payload_rows(EventKind.CONFIG, 0, canonical_json(document)))
    assert (core.state.params.tobytes(), core.state.base.tobytes(), core.lane.members) == before


@pytest.mark.parametrize("payload", [b"", b"{", b'{"params":{"X":{"k_vola_spread":NaN}}}', b"\xff"])
def test_a_config_that_is_no_json(payload: bytes) -> None:
    with pytest.raises(ConfigPayloadError):
        make_core().feed(payload_rows(EventKind.CONFIG, 0, payload))


COMMANDS = [
    b"{",
    b"[]",
    b"{}",
    b'{"command":"unfreez"}',
    b'{"command":"freeze","symbol":"Z"}',
    b'{"command":["freeze"]}',
]


@pytest.mark.parametrize("payload", COMMANDS)
def test_a_bad_command_changes_nothing(payload: bytes) -> None:
    core = make_core()
    with pytest.raises(ConfigPayloadError):
        core.feed(payload_rows(EventKind.COMMAND, 0, payload))
    assert core.state.quoters["frozen"].tolist() == [0]


def test_a_given_configuration_is_laid_over_the_journals_own() -> None:
    core = Core(WITNESSED, override={"params": {"X": {"enabled": 1}}})
    core.configure(PARAMS)
    core.feed(payload_rows(EventKind.CONFIG, 0, canonical_json({"params": {"X": {"enabled": 0}}})))
    assert core.state.params["enabled"].tolist() == [1]


@pytest.mark.parametrize(
    ("rows", "seq"),
    [
        (event(200, seq=5), 5),  # no such kind
        (event(0, seq=5), 5),
        (event(EventKind.TIMER, seq=0), 0),  # seq does not grow
        (event(EventKind.TRADE, seq=5, instrument_index=1), 5),
        (event(EventKind.BBO, seq=5, side=0), 5),  # half a BBO
        (event(EventKind.FILL, seq=5, side=0, price_ticks=1), 5),  # nothing filled
        (event(EventKind.BOOK_DELTA, seq=5, side=0, price_ticks=-1, qty_lots=1), None),  # the book is empty: ignored
        (book_event(EventKind.BOOK_SNAPSHOT, [(-1, 1)], [], seq=5), 5),
        (book_event(EventKind.BOOK_SNAPSHOT, [(1, -1)], [], seq=5), 5),
        (event(EventKind.FUNDING, seq=5, aux=1, flags=Flag.PAID), 5),  # half a settlement
    ],
)
def test_a_broken_invariant_stops_with_its_seq(rows: np.ndarray, seq: int | None) -> None:
    core = make_core(make_manifest())
    core.feed(payload_rows(EventKind.MANIFEST, 0, encode_manifest(WITNESSED)))
    if seq is None:
        core.feed(rows)
        return
    with pytest.raises(AssertionError, match=f"invariant broken at seq {seq}"):
        core.feed(rows)


def test_shadow_orders_rest_at_once_and_sent_ones_wait() -> None:
    shadow, sent = House(mode=0), House(mode=1)
    for house, status in ((shadow, "accepted"), (sent, "created")):
        house.play(f"book 10000x5 / 10001x5 @10 | | #1={status} #2={status}")
        assert {int(effect["code"]) for effect in house.taken} == {Reason.QUOTE}
