"""What every test may ask for: the recorded feeds, a fixed environment, hypothesis profiles, a count of seeds."""

import os
import signal
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

REPO = Path(__file__).resolve().parent.parent
SHARED_DATA = REPO.parent / "shared" / "data"

# Set before any test starts a process or formats a time; a test of locale, zone or hash seed sets its own.
os.environ["TZ"] = "UTC"
time.tzset()
os.environ.pop("PYTHONOPTIMIZE", None)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell makes what it starts in its background deaf to Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)
# Tests call kernels that only kernels call; what they start compiles as a user's does, in less than half the time.
os.environ["MM_KERNEL_DOORS"] = "1"
import_module("mmfold.engine.jit")
del os.environ["MM_KERNEL_DOORS"]

SLOW_IS_FINE = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
settings.register_profile("ci", max_examples=25, deadline=None, derandomize=True, suppress_health_check=SLOW_IS_FINE)
settings.register_profile("dev", max_examples=50, deadline=None, suppress_health_check=SLOW_IS_FINE)
settings.register_profile("deep", max_examples=5_000, deadline=None, suppress_health_check=SLOW_IS_FINE)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))


@pytest.fixture(scope="session", autouse=True)
def own_state(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep what a session leaves for the next start, a pulled kill switch, out of the user's own directory."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the directory of the recorded feeds, or skip."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no recorded feeds: ../shared/data does not exist beside the checkout")
    return SHARED_DATA


@pytest.fixture(scope="session")
def seeds() -> range:
    """Return the seeds of a randomised test: MM_TEST_SEEDS of them, few unless asked for."""
    return range(int(os.environ.get("MM_TEST_SEEDS", "3")))


@pytest.fixture(autouse=True)
def chosen_anew() -> Iterator[None]:
    """Let no command that a test runs choose for the tests that follow whether kernels are compiled."""
    before = os.environ.get("NUMBA_DISABLE_JIT")
    yield
    if before is None:
        os.environ.pop("NUMBA_DISABLE_JIT", None)
    else:
        os.environ["NUMBA_DISABLE_JIT"] = before
