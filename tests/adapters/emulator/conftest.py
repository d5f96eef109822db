"""One venue for the tests of a file; each account is one test's own."""

from collections.abc import Iterator

import pytest

from tests.adapters.emulator.running import RunningVenue, run_synthetic


@pytest.fixture(scope="module")
def running() -> Iterator[RunningVenue]:
    venue = run_synthetic(accounts=4)
    yield venue
    venue.close()
