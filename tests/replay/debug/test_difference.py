"""Two journals beside each other: what is the same market, what differs first, how often, and in which field."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmfold.config.load import load_config
from mmfold.engine.codes import AuditKind, EventKind, Flag, Side
from mmfold.engine.limits import NS_PER_S
from mmfold.engine.manifest import Manifest, encode_manifest
from mmfold.engine.payload import payload_rows
from mmfold.engine.records import EVENT
from mmfold.journal.log.reader import Journal
from mmfold.journal.log.writer import Writer
from mmfold.replay.debug import aligned
from mmfold.replay.debug.difference import Difference, NotComparable
from mmfold.replay.debug.library import open_journal
from mmfold.replay.debug.told import NotItsOwn
from mmfold.replay.record import Recorder
from mmfold.replay.run import ReplayOptions, replay
from tests.engine.rows import PLAIN, T0_NS, book_event, event, make_manifest

BOOK = "book 9999 10001"


def rows_of(path: Path) -> np.ndarray:
    return np.concatenate([rows.copy() for rows in Journal(path).chunks()])


class Session:
    """A journal under way: steps a second apart, orders by their number among the PLACEs."""

    def __init__(self, path: Path, writer: Writer, manifest: Manifest, params: dict[str, Any]) -> None:
        self.path, self.writer = path, writer
        symbols = [one.symbol for one in manifest.instruments]
        self.recorder = Recorder(writer, manifest, {"params": {name: {**PLAIN, **params} for name in symbols}})

    def take(self, place: int, step: str) -> None:
        """Journal one step: `book BID ASK`, `trade LOTS`, `timer`, `health`, `ack N`, `fill N PRICExLOTS`.

        `Y` is the second instrument; @SECOND says when, by default the step's place.
        """
        words = step.split()
        second = next((int(word[1:]) for word in words if word.startswith("@")), place)
        index = int("Y" in words)
        word, *words = [word for word in words if word != "Y" and not word.startswith("@")]
        rows = self.rows(word, words)
        rows["instrument_index"] = index
        rows["ts_receive_ns"] = T0_NS + second * NS_PER_S
        self.recorder.append(rows)

    def rows(self, word: str, words: list[str]) -> np.ndarray:
        """Return the rows of a step."""
        match word:
            case "book":
                return book_event(EventKind.BOOK_SNAPSHOT, [(int(words[0]), 40)], [(int(words[1]), 40)], aux=1)
            case "trade":
                return event(EventKind.TRADE, side=Side.BID, price_ticks=10_001, qty_lots=int(words[0]))
            case "timer":
                return event(EventKind.TIMER)
            case "health":
                return event(EventKind.HEALTH, aux=1)
        self.writer.commit()
        placed = rows_of(self.path)
        order = placed[placed["kind"] == EventKind.PLACE][int(words[0])]
        if word == "ack":
            return event(EventKind.ACK, order_id=order["order_id"])
        assert word == "fill", word
        price_ticks, qty_lots = map(int, words[1].split("x"))
        return event(
            EventKind.FILL, price_ticks=price_ticks, qty_lots=qty_lots, order_id=order["order_id"], aux=1,
            side=order["side"], flags=Flag.MAKER,
        )  # fmt: skip


Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Return a function that writes the journal of a session that lives through the steps."""

    def make(steps: str, *symbols: str, lot_size: str = "1", **params: Any) -> Path:
        path = tmp_path / f"j{len(list(tmp_path.iterdir()))}"
        manifest = make_manifest(*symbols or ("X",), lot_size=lot_size)
        with Writer(path) as writer:
            session = Session(path, writer, manifest, {"mode": 1, **params})
            for place, step in enumerate(steps.split(", ")):
                session.take(place, step)
            session.recorder.finish()
        return path

    return make


def compare(a: Path, b: Path, *settings: str) -> Difference:
    options = ReplayOptions(config=load_config(None, None, settings), config_is_patch=True) if settings else None
    return open_journal(a).diff(open_journal(b, options))


def counted(found: Difference) -> dict[str, tuple[int, int, int, int]]:
    """Return {kind: (same, changed, only A, only B)} of instrument X."""
    return {
        kind.name.lower(): (one.same, one.changed, one.a_only, one.b_only)
        for (symbol, kind), one in found.counts.items()
        if symbol == "X"
    }


def test_a_journal_and_its_like_are_the_same(make: Make) -> None:
    steps = f"{BOOK}, ack 0, ack 1, trade 3, fill 0 9990x2, book 9979 9981, timer"
    first, second = make(steps), make(steps)
    assert second != first
    for other in (first, second):
        found = compare(first, other)
        assert not found.differs and found.first is None and found.fields == ()
        assert found.market_count == 4 and (found.market_a_only, found.market_b_only) == (0, 0)
        assert found.is_one_journal == (other == first) and found.compares_answers
        told = counted(found)
        assert told["place"][0] >= 2 and told["ack"] == (2, 0, 0, 0) and told["fill"] == (1, 0, 0, 0)
        settings = rows_of(first)["code"][rows_of(first)["kind"] == EventKind.AUDIT] == AuditKind.PARAM
        assert sum(one[0] for one in told.values()) == effect_count(first) - int(settings.sum()) + 3


def effect_count(path: Path) -> int:
    """Return the effects of a journal, as a replay counts them."""
    return sum(replay(path, ReplayOptions(checkpoints=False)).effect_counts.values())


def test_seqs_and_ids_that_are_shifted_alone_are_no_difference(make: Make) -> None:
    plain = make(f"{BOOK} @1, ack 0 @2, ack 1 @2, fill 0 9990x2 @3, book 9979 9981 @4")
    shifted = make(f"health @0, {BOOK} @1, ack 0 @2, ack 1 @2, fill 0 9990x2 @3, book 9979 9981 @4")
    ids = [set(rows["order_id"][rows["kind"] == EventKind.CANCEL].tolist()) for rows in map(rows_of, (plain, shifted))]
    assert ids[0] and not ids[0] & ids[1], "the shift is in the ids of what is cancelled"
    found = compare(plain, shifted)
    assert not found.differs and counted(found)["cancel"][1:] == (0, 0, 0)


@pytest.mark.parametrize(
    ("params", "kind", "path", "told"),
    [
        ({"min_spread_bps": 22.0}, EventKind.PLACE, "params[X].min_spread_bps", (20.0, 22.0)),
        ({"target_micros": 102_000_000_000}, EventKind.PLACE, "params[X].target_micros", (51 * 10**9, 102 * 10**9)),
    ],
)
def test_another_price_or_size_is_named_with_its_cause(
    make: Make, params: dict[str, Any], kind: EventKind, path: str, told: tuple[float, float]
) -> None:
    steps = f"timer, {BOOK}, ack 0, trade 3"
    a, b = make(steps), make(steps, **params)
    found = compare(a, b)
    assert found.differs and found.answer is None
    pair = found.decision
    assert pair is not None and pair == found.first and pair.symbol == "X" and pair.unit == 2
    for side, journal in ((pair.a, a), (pair.b, b)):
        rows = rows_of(journal)
        row = rows[rows["kind"] == kind][0]
        book = rows[rows["kind"] == EventKind.BOOK_SNAPSHOT][0]
        assert side.row == row and side.cause_seq == side.after.seq == int(book["seq"])
        assert (side.after.kind, side.after.symbol) == (EventKind.BOOK_SNAPSHOT, "X")
        assert side.after.ts_ns == T0_NS + NS_PER_S
    assert (found.fields[0].path, found.fields[0].a, found.fields[0].b) == (path, *told)
    paths = [one.path for one in found.fields]
    name = "price_ticks" if "spread" in path else "qty_lots"
    assert f"targets[X][0][0].{name}" in paths and any(one.startswith("orders[X]") for one in paths)
    assert counted(found)["place"] == (0, 2, 0, 0) and counted(found)["ack"] == (1, 0, 0, 0)


def test_a_decision_of_one_side_only(make: Make) -> None:
    steps = f"{BOOK}, {BOOK} Y, book 9979 9981"
    both, less = make(steps, "X", "Y"), make(steps, "X", "Y", min_spread_bps=24.0)
    for a, b, side in ((both, less, "a"), (less, both, "b")):
        found = compare(a, b)
        pair = found.decision
        assert pair is not None and pair.symbol == "X" and pair.unit == 1
        has, has_not = (pair.a, pair.b) if side == "a" else (pair.b, pair.a)
        assert has.row is not None and has.row["kind"] == EventKind.PLACE and has_not.row is None
        assert has_not.cause_seq == has_not.after.seq >= 0
        counts = found.counts["Y", EventKind.PLACE]
        assert (counts.same, counts.changed) == (0, 0)
        assert (counts.a_only, counts.b_only) == ((2, 0) if side == "a" else (0, 2))


def test_a_first_difference_is_an_answer_where_only_the_answer_differs(make: Make) -> None:
    steps = f"{BOOK}, ack 0, fill 0 {{}}, trade 3"
    found = compare(make(steps.format("9990x2")), make(steps.format("9990x1")))
    assert found.differs and found.first is not None and found.first == found.answer
    assert found.first.a.row is not None and found.first.a.row["kind"] == EventKind.FILL
    assert [one.row["qty_lots"] for one in (found.first.a, found.first.b) if one.row is not None] == [2, 1]
    if found.decision is None:
        assert found.fields[0] == ("positions[X].position_lots", 2, 1)
    assert counted(found)["fill"] == (0, 1, 0, 0)


def test_a_decision_comes_before_the_answer_to_it_behind_the_same_event(make: Make) -> None:
    a, b = make(f"{BOOK}, fill 0 9990x2"), make(f"{BOOK}, fill 0 9989x2", min_spread_bps=22.0)
    found = compare(a, b)
    assert found.decision is not None and found.answer is not None and found.decision.unit == found.answer.unit
    assert found.first == found.decision and found.decision.place < found.answer.place


def test_the_state_alone_may_differ(make: Make) -> None:
    found = compare(make(f"{BOOK}, trade 3"), make(f"{BOOK}, trade 3", mode=0))
    assert found.first is None and found.differs
    assert found.fields and not any(one.path.startswith(("params", "base")) for one in found.fields)
    same = compare(make(f"{BOOK}, trade 3"), make(f"{BOOK}, trade 3", vola_half_life_ns=50 * NS_PER_S))
    assert same.first is None and same.fields == () and not same.differs, "a setting that changed nothing is none"


@pytest.mark.parametrize("side", ["a", "b"])
@pytest.mark.parametrize("gone", [0, 2, 5])
def test_markets_are_aligned_over_an_event_that_one_side_lacks(make: Make, side: str, gone: int) -> None:
    steps = [f"trade {lots} @{lots}" for lots in range(1, 5)]
    steps = [f"{BOOK} @0", *steps, "book 9979 9981 @5", "trade 9 @6"]
    whole, cut = make(", ".join(steps)), make(", ".join(step for place, step in enumerate(steps) if place != gone))
    found = compare(*((whole, cut) if side == "b" else (cut, whole)))
    lone = (found.market_a_only, found.market_b_only)
    assert found.market_count == 6 and lone == ((1, 0) if side == "b" else (0, 1)) and found.differs
    is_book = gone in (0, 5)
    assert (found.decision is not None) == is_book, "a trade decides nothing"
    if not is_book:
        assert counted(found)["place"] == (2, 0, 0, 0)


def test_a_gap_that_no_window_spans_is_passed_by_time(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aligned, "WINDOWS", (2, 4))
    steps = [f"trade {place + 1} @{place}" for place in range(40)]
    whole = make(", ".join(steps))
    for kept, count in ((steps[25:], 15), (steps[:3] + steps[30:], 13), (steps[::7], 6)):
        part = make(", ".join(kept))
        for a, b in ((whole, part), (part, whole)):
            found = compare(a, b)
            assert found.market_count == count
            assert sorted((found.market_a_only, found.market_b_only)) == [0, 40 - count]


def test_one_journal_under_another_configuration_is_decided_anew(make: Make) -> None:
    journal = make(f"{BOOK}, ack 0, ack 1, book 9979 9981", "X")
    before = rows_of(journal)
    found = compare(journal, journal, "strategy.min_spread_bps=22")
    assert found.is_one_journal and found.b.is_free and not found.a.is_free and not found.compares_answers
    assert found.decision is not None and found.decision.a.cause_seq == found.decision.b.cause_seq
    assert found.fields[0] == ("params[X].min_spread_bps", 20.0, 22.0)
    other = make(f"{BOOK}, ack 0, ack 1, book 9979 9981", "X", min_spread_bps=22.0)
    row = compare(journal, other).decision
    assert row is not None and row.b.row == found.decision.b.row, "the first difference is what the other session has"
    same = compare(journal, journal, "strategy.min_spread_bps=20")
    assert not same.differs and same.b.is_free, "the core decides again what it decided"
    assert rows_of(journal).tobytes() == before.tobytes() and not (journal / "checkpoints").exists()


def test_a_market_without_decisions_is_decided_under_both(tmp_path: Path, make: Make) -> None:
    witnessed = rows_of(make(f"{BOOK}, trade 3, book 9979 9981, timer"))
    market = tmp_path / "market"
    keep = (witnessed["kind"] > EventKind.COMMAND) & (witnessed["kind"] < EventKind.PLACE)
    with Writer(market) as writer:
        writer.append(payload_rows(EventKind.MANIFEST, 0, encode_manifest(make_manifest("X", lot_size="0.0001"))))
        rows = witnessed[keep]
        rows["seq"] = np.cumsum(np.diff(rows["seq"], prepend=rows["seq"][:1]) != 0) + 1
        writer.append(rows)
        writer.commit()
    assert not compare(market, market).differs
    found = compare(market, market, "strategy.min_spread_bps=300", "strategy.max_spread_bps=400")
    assert found.differs and found.decision is not None and counted(found)["place"][1] > 0


@pytest.mark.parametrize("kept", [0, 1])
def test_decisions_that_a_crash_left_unwritten_are_those_of_the_core(make: Make, tmp_path: Path, kept: int) -> None:
    whole = rows_of(make(f"{BOOK}, ack 0, book 9979 9981"))
    whole = whole[whole["kind"] != EventKind.DIGEST]
    last = int(np.flatnonzero(whole["kind"] == EventKind.BOOK_SNAPSHOT)[-1])
    assert len(whole) - last - 1 > kept, "the last book decides more than is kept"
    for name, rows in (("whole", whole), ("torn", whole[: last + 1 + kept])):
        with Writer(tmp_path / name) as writer:
            writer.append(rows)
            writer.commit()
    found = compare(tmp_path / "torn", tmp_path / "whole")
    assert not found.differs and sum(counted(found)["place"]) + sum(counted(found)["cancel"]) > 2


def test_what_cannot_be_compared_is_said(make: Make, tmp_path: Path) -> None:
    x, y, coarse = make(BOOK, "X"), make(BOOK, "Y"), make(BOOK, "X", lot_size="2")
    with pytest.raises(NotComparable, match="no instrument in common: A has X, B Y"):
        compare(x, y)
    with pytest.raises(NotComparable, match="X: tick, lot or contract differ"):
        compare(x, coarse)
    rows = rows_of(x)
    rows["price_ticks"][rows["kind"] == EventKind.PLACE] += 1
    with Writer(tmp_path / "edited") as writer:
        writer.append(rows)
        writer.commit()
    with pytest.raises(NotItsOwn) as refused:
        compare(x, tmp_path / "edited")
    assert refused.value.path == tmp_path / "edited"


def test_instruments_of_one_side_only_count_there(make: Make) -> None:
    one = make(f"{BOOK}, timer @9", "Y")
    two = make(f"{BOOK} Y @0, {BOOK} @1, timer @9", "X", "Y")
    found = compare(one, two)
    assert (found.market_count, found.market_b_only) == (2, 1)
    assert found.counts["Y", EventKind.PLACE].same == 2 and found.counts["X", EventKind.PLACE].b_only == 2
    assert EVENT.itemsize == aligned.ROW_WORDS * 8
