"""Notes of policies: what one may say, that its parts give it back to the byte, and that a replay verifies them."""

import json
from enum import IntEnum
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfold.engine.codes import EventKind
from mmfold.engine.core import Core, WitnessDiffers
from mmfold.engine.limits import (
    EFFECT_COUNT_MAX,
    EFFECT_COUNT_PER_EVENT_MAX,
    NOTE_BYTES_MAX,
    NOTE_PART_BYTES,
    POLICY_ROOM,
)
from mmfold.engine.manifest import canonical_json, encode_manifest
from mmfold.engine.payload import payload_rows
from mmfold.engine.policy.lane import PolicyBroken
from mmfold.engine.policy.note import (
    DEPTH_MAX,
    PART_COLUMNS,
    are_parts,
    note_text,
    notes_in,
)
from mmfold.engine.policy.seam import Answer, Note, Policy
from mmfold.engine.records import EVENT
from tests.engine.noting import NAME, NOTER, NUMBER, Memory, Settings, make_noter, note_rows, weights
from tests.engine.rows import House, event, make_manifest
from tests.property.strategies import documents, topics

LONGEST = "x" * (NOTE_BYTES_MAX - len('{"a":{"b":""}}'))


def house_of(*policies: Policy) -> House:
    house = House(policies=policies)
    house.core.configure({"policies": {one.name: {"enabled": 1, "interval_s": 1.0} for one in policies}})
    return house


def saying(*answers: Answer) -> Policy:
    return make_noter(lambda settings, memory: list(answers))


@given(topics(), documents(), st.integers(1, POLICY_ROOM - 1))
def test_parts_give_the_note_back(topic: str, document: dict[str, Any], policy_id: int) -> None:
    try:
        text = note_text(topic, document)
    except ValueError:
        assert len(canonical_json({topic: document})) > NOTE_BYTES_MAX or depth(document) > DEPTH_MAX
        return
    rows = note_rows(text, policy_id)
    assert are_parts(rows).all() and len(rows) == -(-len(text) // NOTE_PART_BYTES)
    (told,) = notes_in(rows)
    assert (told.seq, told.policy_id, told.text, told.is_whole) == (1, policy_id, text, True)
    assert told.read() == (topic, json.loads(json.dumps(document)))


def depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(depth, inner), default=0) if isinstance(value, dict | list) else 0


class Code(IntEnum):
    ONE = 1


REFUSED: list[tuple[Any, Any, str]] = [
    ("a", {"b": LONGEST + "x"}, "4,097 bytes"),
    ("a", {"b": float("nan")}, "JSON compliant"),
    ("a", {"b": float("-inf")}, "JSON compliant"),
    ("a", {"b": {1: 2}}, "keys are text"),
    ("a", {"b": {1, 2}}, "no plain JSON"),
    ("a", {"b": b"x"}, "no plain JSON"),
    ("a", {"b": np.float64(1.5)}, "no plain JSON"),
    ("a", {"b": np.int64(1)}, "no plain JSON"),
    ("a", {"b": Code.ONE}, "no plain JSON"),
    ("a", {"b": [[[[[[[[1]]]]]]]]}, "deep"),
    ("a", [1], "an object"),
    ("", {}, "topic"),
    ("Alloc", {}, "topic"),
    ("a b", {}, "topic"),
    ("a" * 33, {}, "topic"),
    ("\N{LATIN SMALL LETTER E WITH ACUTE}", {}, "topic"),
    ("a\n", {}, "topic"),
    (None, {}, "topic"),
]


@pytest.mark.parametrize(("topic", "document", "what"), REFUSED, ids=range(len(REFUSED)))
def test_a_note_that_cannot_be_is_our_bug_and_leaves_no_part(topic: Any, document: Any, what: str) -> None:
    house = house_of(saying(Note(topic, document)))
    with pytest.raises(PolicyBroken, match=rf"policy {NAME} failed at seq 1: ValueError: .*{what}"):
        house.play("timer")
    house.core.drain()
    assert not house.taken


def test_more_than_one_note_in_a_run_is_our_bug() -> None:
    house = house_of(saying(Note("a", {}), Note("b", {})))
    with pytest.raises(PolicyBroken, match="more than one note"):
        house.play("timer")


TAKEN: list[tuple[str, Any, bytes]] = [
    ("a", {}, b'{"a":{}}'),
    ("a_2", {"b": (1, 2.5, None, True), "a": "\u20ac\x7f"}, b'{"a_2":{"a":"\\u20ac\\u007f","b":[1,2.5,null,true]}}'),
    ("a", MappingProxyType({"b": MappingProxyType({})}), b'{"a":{"b":{}}}'),
    ("a", {"b": [[[[[[[1]]]]]]]}, b'{"a":{"b":[[[[[[[1]]]]]]]}}'),
    ("a", {"b": LONGEST}, b'{"a":{"b":"' + LONGEST.encode() + b'"}}'),
]


@pytest.mark.parametrize(("topic", "document", "text"), TAKEN, ids=range(len(TAKEN)))
def test_a_note_is_effects_of_the_run(topic: str, document: Any, text: bytes) -> None:
    house = house_of(saying(Note(topic, document)))
    before = house.seq
    effects = np.array(house.feed(event(EventKind.TIMER)), EVENT)
    parts = effects[effects["kind"] == EventKind.NOTE]
    (told,) = notes_in(effects)
    assert (told.policy_id, told.text, told.is_whole) == (NUMBER, text, True)
    assert len(parts) == -(-len(text) // 24) and parts["code"].tolist() == list(range(len(parts)))
    assert parts["seq"].tolist() == list(range(before + 1, before + 1 + len(parts)))  # numbered as any effect is
    assert set(parts["ts_receive_ns"].tolist()) == {house.ts_ns} and set(parts["instrument_index"].tolist()) == {0}
    assert house.cell["counter"]["audit_count"] == np.sum(effects["kind"] == EventKind.AUDIT)


def test_the_longest_note_of_every_policy_fits_one_event() -> None:
    long = Note("a", {"b": LONGEST})
    noters = [make_noter(lambda settings, memory: [long], n, f"policy_{n}") for n in range(1, POLICY_ROOM)]
    house = house_of(*noters)
    effects = np.array(house.feed(event(EventKind.TIMER)), EVENT)
    told = list(notes_in(effects))
    assert [one.policy_id for one in told] == list(range(1, POLICY_ROOM)) and all(one.is_whole for one in told)
    count = int(np.sum(effects["kind"] == EventKind.NOTE))
    assert count == (POLICY_ROOM - 1) * 171 == 2_565 <= EFFECT_COUNT_PER_EVENT_MAX / 6


def test_a_full_buffer_is_drained_between_events_and_loses_no_part() -> None:
    house, had = house_of(saying(Note("a", {"b": LONGEST}))), EFFECT_COUNT_MAX - EFFECT_COUNT_PER_EVENT_MAX
    rows = np.concatenate([event(EventKind.TIMER) for _ in range(2)])
    rows["seq"] = 1, 1000
    rows["ts_receive_ns"] = house.ts_ns + 1_000_000_000 * np.arange(2)
    house.core.effect_count[0] = had  # as many as there may be before an event
    house.core.feed(rows)
    assert had + 171 <= len(house.taken) < had + 2 * 171  # they went out before the second
    house.core.drain()
    assert [one.is_whole for one in notes_in(np.array(house.taken, EVENT))] == [True, True]


CUTS = [
    (lambda rows: rows[1:], [False]),
    (lambda rows: rows[:-1], [False]),
    (lambda rows: np.delete(rows, 1), [False, False]),
    (lambda rows: rows[[1, 0, *range(2, len(rows))]], [False, False, False]),
    (lambda rows: np.concatenate([rows, rows]), [True, True]),
    (lambda rows: np.insert(rows, 1, event(EventKind.ALERT)), [False, False]),
    (lambda rows: rows[rows["kind"] != EventKind.NOTE], []),
]


@pytest.mark.parametrize(("cut", "whole"), CUTS, ids=range(len(CUTS)))
def test_only_parts_that_follow_each_other_are_a_note(cut: Any, whole: list[bool]) -> None:
    rows = note_rows(note_text("a", {"b": "c" * 100}), 3)
    told = list(notes_in(cut(rows)))
    assert [one.is_whole for one in told] == whole
    assert all((one.read() is not None) == one.is_whole for one in told)


TEXTS = [
    b'{"a":{}, "b":{}}',
    b'{"a":{},"b":{}}',
    b'{"a":[1]}',
    b'["a",{"b":1}]',
    b'{"a": {}}',
    b'{"b":{},"b":{}}',
    b"{{{{{{{{",
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_that_no_policy_writes_is_not_read(text: bytes) -> None:
    (told,) = notes_in(note_rows(text, 3))
    assert told.is_whole and told.text == text and told.read() is None


BAD_PARTS = [
    {"aux": 0 << 32 | 30}, {"aux": POLICY_ROOM << 32 | 30}, {"aux": 1 << 32 | 4_097}, {"aux": 1 << 32 | 24},
    {"aux": -1}, {"code": 2}, {"price_ticks": 0}, {"order_id": -1}, {"qty_lots": 1 << 40},
]  # fmt: skip


@pytest.mark.parametrize("fields", BAD_PARTS, ids=str)
def test_a_row_that_is_no_part(fields: dict[str, int]) -> None:
    rows = note_rows(note_text("a", {"b": "c" * 16}), 1)
    assert are_parts(rows).tolist() == [True, True]
    for name, value in fields.items():
        rows[name][1] = value
    assert are_parts(rows).tolist() == [True, False]


# A replay compares each part with its witness.


def witnessed_rows() -> np.ndarray:
    """Return a journal of two notes, decisions behind their causes."""
    manifest = make_manifest(witnessed=True)
    decided: list[np.ndarray] = []
    core = Core(manifest, decided.append, policies=(NOTER,))
    events = [
        payload_rows(EventKind.MANIFEST, 0, encode_manifest(manifest)),
        payload_rows(EventKind.CONFIG, 1, canonical_json({"policies": {NAME: {"enabled": 1, "interval_s": 1.0}}})),
        *(event(EventKind.TIMER, ts_receive_ns=n * 1_000_000_000) for n in (1, 2)),
    ]
    parts, seq = [], 0
    for rows in events:
        rows["seq"] = seq
        core.advance(rows, 0)
        core.drain()
        parts += [rows, *decided]
        seq += 1 + sum(map(len, decided))
        decided.clear()
    return np.concatenate(parts)


def refold(rows: np.ndarray) -> Core:
    core = Core(make_manifest(witnessed=True), policies=(NOTER,))
    core.feed(rows)
    core.drain()
    return core


def test_a_note_is_verified_as_a_witness() -> None:
    rows = witnessed_rows()
    notes = list(notes_in(rows))
    assert [one.read() for one in notes] == [("alloc", weights(Settings(1, 1.0), Memory(run))) for run in (1, 2)]
    core = refold(rows)
    count = int(np.sum(rows["kind"] == EventKind.NOTE))
    assert core.effect_kind_counts[EventKind.NOTE] == count > 6 and core.witnessed_count == np.sum(rows["kind"] > 99)


def test_every_changed_byte_is_found() -> None:
    rows = witnessed_rows()
    for place in np.flatnonzero(rows["kind"] == EventKind.NOTE).tolist():
        for column in PART_COLUMNS:
            changed = rows.copy()
            changed[column][place] ^= 1
            with pytest.raises(WitnessDiffers) as raised:
                refold(changed)
            assert raised.value.seq == rows["seq"][place]


def test_a_missing_part_is_found() -> None:
    rows = witnessed_rows()
    places = np.flatnonzero(rows["kind"] == EventKind.NOTE)
    for place in (places[0], places[2], places[len(places) // 2 - 1]):
        with pytest.raises(WitnessDiffers):
            refold(np.delete(rows, place))
