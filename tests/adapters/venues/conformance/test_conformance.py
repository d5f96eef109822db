"""Every venue of the registry that has an emulator, against it, by the port alone: numbered cases."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import numpy as np
import pytest

from mmfold.adapters.live.recorder import Recorder, RecordPlan, make_recorder
from mmfold.adapters.live.venue.endpoints import find_endpoints
from mmfold.adapters.venues.port import Capabilities
from mmfold.adapters.venues.registry import VENUES, native_venue
from mmfold.engine.codes import EventKind
from tests.adapters.live.test_recorder import final_books, gap_seqs, has, rows_of
from tests.adapters.live.until import run_until
from tests.adapters.venues.conformance.cases import CASES, NUMBERS, RECORDINGS, Case
from tests.adapters.venues.conformance.client import connected
from tests.adapters.venues.conformance.targets import TARGETS, Emulator, Target

COUNTS = {"batch_order_count_max": 2}  # capabilities that are numbers: from here on they are there


@pytest.fixture(scope="module", params=TARGETS, ids=lambda target: target.venue)
def target(request: pytest.FixtureRequest) -> Target:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def running(target: Target) -> Iterator[Emulator]:
    emulator = target.run()
    yield emulator
    emulator.close()


@pytest.fixture(autouse=True)
def _no_faults(running: Emulator) -> None:
    running.set_faults()


def missing(case: Case, can: Capabilities) -> list[str]:
    return [name for name in case.needs if getattr(can, name) < COUNTS.get(name, True)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.number:02} {case.name}")
def test_case(target: Target, running: Emulator, case: Case) -> None:
    if lacks := missing(case, native_venue(target.venue).capabilities):
        pytest.skip(f"case {case.number} ({case.name}): {target.venue} has no {', '.join(lacks)}")

    async def run() -> None:
        async with connected(target, running, case.number) as client:
            await case.check(client)

    asyncio.run(run())


def bridged(rows: np.ndarray, count: int) -> bool:
    """Tell whether each book has a snapshot since the last gap, and deltas that go beyond it."""
    since = rows[(rows["seq"] > max(gap_seqs(rows), default=-1)) & ((rows["flags"] & 1) != 0)]
    for index in range(count):
        book = since[since["instrument_index"] == index]
        numbers = book["aux"][book["kind"] == EventKind.BOOK_SNAPSHOT]
        if not len(numbers) or np.count_nonzero(book["aux"][book["kind"] == EventKind.BOOK_DELTA] > numbers[-1]) < 3:
            return False
    return True


@pytest.mark.parametrize("number", RECORDINGS, ids=lambda number: f"{number:02} {RECORDINGS[number]}")
def test_recording(target: Target, running: Emulator, tmp_path: Path, number: int) -> None:
    endpoints = find_endpoints(target.venue, "live", running.urls["rest"])
    plan = RecordPlan(venue=target.venue, endpoints=endpoints, symbols=target.symbols, journal=tmp_path / "j")
    armed: list[bool] = []

    async def run() -> Recorder:
        async with aiohttp.ClientSession() as http:
            recorder = await make_recorder(plan, http)

            def is_enough() -> bool:
                up = has(plan.journal, lambda rows: bridged(rows, len(target.symbols)))
                if up and not armed:
                    armed.append(True)
                    fault = {4: [], 5: ["disconnect"], 6: ["drop"]}[number]
                    running.set_faults(*({"fault": one, "at": target.places["book"]} for one in fault))
                    return number == 4
                return bool(armed) and has(
                    plan.journal, lambda rows: bool(gap_seqs(rows)) and bridged(rows, len(target.symbols))
                )

            try:
                await run_until(recorder, is_enough)
            finally:
                recorder.close()
            return recorder

    recorder = asyncio.run(run())
    rows = rows_of(plan.journal)
    kinds = set(rows["kind"].tolist())
    assert {EventKind.BOOK_SNAPSHOT, EventKind.BOOK_DELTA} <= kinds
    lost = 0 if number == 4 else 1
    assert (recorder.status.reconnects, recorder.gaps) == (lost, lost * len(target.symbols))
    assert [status.name for status in final_books(rows)] == ["LIVE"] * len(target.symbols)
    assert recorder.status.refused == 0


def test_every_target_is_in_the_registry_and_no_number_is_given_twice() -> None:
    assert {target.venue for target in TARGETS} <= set(VENUES) and len(set(NUMBERS)) == len(NUMBERS)
