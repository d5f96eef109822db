"""A venue of the module's own for its sessions and recordings."""

from collections.abc import Iterator

import pytest

from tests.adapters.emulator.running import RunningVenue, run_synthetic


@pytest.fixture(scope="module")
def running() -> Iterator[RunningVenue]:
    """Run a venue for as long as a module's tests last."""
    venue = run_synthetic()
    yield venue
    venue.close()
