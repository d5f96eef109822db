"""Each named checker: a few lines that fail it, at the last of them, and the same without that line, which passes."""

from pathlib import Path

import pytest

from mmfold.engine.codes import EventKind, Side
from mmfold.engine.core import config_payload
from mmfold.engine.limits import NS_PER_MS
from mmfold.engine.manifest import encode_manifest
from mmfold.engine.payload import payload_rows
from mmfold.journal.log.writer import Writer
from mmfold.replay.minimize.checkers import CHECKERS
from mmfold.replay.minimize.predicate import parse_predicate
from mmfold.replay.minimize.recording import read_recording
from mmfold.replay.minimize.regression import failure_of
from mmfold.replay.minimize.trial import Trial
from tests.engine.rows import AUTOPOLICY, PLAIN, T0_NS, book_event, event, make_manifest

K = EventKind
BID_ID = (2 << 16) | 1  # of the order that the snapshot decides: level 0, second place, bids
SNAPSHOT = book_event(K.BOOK_SNAPSHOT, [(10_000, 5)], [(10_002, 5)], aux=7)


FALL = book_event(K.BOOK_DELTA, [(10_000, 0), (9_900, 1)], [(10_002, 0), (9_902, 1)], aux=8, order_id=7)


def fill(lots: int, price: int = 9_990, order_id: int = BID_ID, **more: int) -> object:
    return event(K.FILL, side=Side.BID, price_ticks=price, qty_lots=lots, order_id=order_id, **more)


CASES = [
    # predicate, params, events behind MANIFEST and CONFIG; the last fails
    ("crossed_book", {}, [SNAPSHOT, book_event(K.BOOK_DELTA, [(10_003, 1)], [], aux=8, order_id=7)]),
    ("position_limit", {"position_lots_max": 4}, [SNAPSHOT, fill(4), fill(1)]),
    ("notional_limit", {"inventory_micros_max": 30_000_000_000}, [SNAPSHOT, fill(2), fill(3)]),
    ("double_fill", {}, [SNAPSHOT, fill(1, aux=5), fill(1, aux=5)]),
    ("double_fill", {}, [SNAPSHOT, fill(5, aux=5), fill(1, aux=6)]),
    ("orphan_order", {}, [SNAPSHOT, event(K.ACK, order_id=(2 << 16) | 9)]),
    ("pnl_below: -3", {}, [SNAPSHOT, fill(1), FALL]),
    ("alert: book_gap", {}, [SNAPSHOT, book_event(K.BOOK_DELTA, [(9_999, 1)], [], aux=19, order_id=18)]),
    ("alert", {}, [SNAPSHOT, event(K.BOOK_GAP)]),
    ("guard", {}, [SNAPSHOT, event(K.BOOK_CLEAR)]),
    ("exception", {}, [SNAPSHOT, event(K.FILL, side=Side.BID, price_ticks=0, qty_lots=1, order_id=BID_ID)]),
    ("exception: apply_fill", {}, [SNAPSHOT, event(K.FILL, side=Side.BID, price_ticks=0, qty_lots=1, order_id=BID_ID)]),
    ("exception: AssertionError", {}, [SNAPSHOT, event(K.FILL, side=Side.BID, price_ticks=0, qty_lots=1)]),
]  # fmt: skip


def write(path: Path, params: dict[str, int], events: list) -> Path:
    """Write a journal without decisions: the checkers see those of this build."""
    manifest = make_manifest()
    config = {"params": {"X": {**PLAIN, **params}}, "policies": {"autopolicy": AUTOPOLICY}}
    with Writer(path) as writer:
        writer.append(payload_rows(K.MANIFEST, 0, encode_manifest(manifest.renewed(witnessed=True))))
        writer.append(payload_rows(K.CONFIG, 1, config_payload(config)))
        for seq, rows in enumerate(events, 2):
            rows = rows.copy()
            rows["seq"], rows["ts_receive_ns"] = seq, T0_NS + seq * NS_PER_MS
            writer.append(rows)
    return path


@pytest.mark.parametrize(("fails_if", "params", "events"), CASES)
def test_a_checker_finds_what_it_names(tmp_path: Path, fails_if: str, params: dict, events: list) -> None:
    whole, short = write(tmp_path / "whole", params, events), write(tmp_path / "short", params, events[:-1])
    recording = read_recording(whole)
    predicate = parse_predicate(fails_if, recording.manifest)
    outcome = Trial(recording.manifest, predicate, takes_all=True).run(recording.inputs)
    assert outcome.signature is not None and outcome.failed_at == len(events) + 1
    assert outcome.signature.role == "X"
    assert failure_of(whole, fails_if) == str(outcome.signature) and failure_of(short, fails_if) is None


def test_an_exception_that_is_none_of_those_asked_for_is_not_it(tmp_path: Path) -> None:
    *_, events = CASES[-1]
    path = write(tmp_path / "j", {}, events)
    recording = read_recording(path)
    for word in ("IndexError", "apply_book", "quoting.py"):
        predicate = parse_predicate(f"exception: {word}", recording.manifest)
        assert Trial(recording.manifest, predicate, takes_all=True).run(recording.inputs).signature is None


def test_an_order_on_a_stale_book_and_broken_accounts_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # The core does neither, so the state is spoiled behind its back.
    from mmfold.replay.minimize import trial

    path = write(tmp_path / "j", {}, [SNAPSHOT, fill(1), event(K.TIMER)])
    assert failure_of(path, "quote_while_stale") is None and failure_of(path, "cash_identity") is None
    see = trial.Run.look

    def spoiled(run: trial.Run) -> bool:
        run.core.state.cells["book"]["status"] = 2
        run.core.state.cells["position"]["sold_lots"] += 1
        return see(run)

    monkeypatch.setattr(trial.Run, "look", spoiled)
    assert failure_of(path, "quote_while_stale") == "quote_while_stale at book_snapshot place of X"
    assert failure_of(path, "cash_identity") == "cash_identity at fill lots of X"


def test_every_checker_has_a_case() -> None:
    tried = {fails_if.partition(":")[0] for fails_if, _, _ in CASES} | {"quote_while_stale", "cash_identity"}
    assert tried == set(CHECKERS)
