"""One venue for the tests of a file."""

from collections.abc import Iterator

import pytest

from tests.adapters.emulator.binance.running import RunningBinance


@pytest.fixture(scope="module")
def binance() -> Iterator[RunningBinance]:
    venue = RunningBinance()
    yield venue
    venue.close()


@pytest.fixture(autouse=True)
def no_faults(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "binance" in request.fixturenames:
        request.getfixturevalue("binance").set_faults()
