"""A session that ends against its will: the restart knows what the venue has, and sends nothing twice.

kill -9 at random instants, MM_TEST_KILLS of them, a handful unless asked for; a file system that takes no more bytes.
"""

import os
import random
import resource
import signal
import time
from pathlib import Path

from mmfold.journal.log.reader import Journal
from tests.adapters.emulator.running import RunningVenue
from tests.live.laws import check_against_venue, check_end, check_journal, check_replay, read_rows
from tests.live.processes import READY_S, Child, running_venue, write_config

KILLS = int(os.environ.get("MM_TEST_KILLS", "4"))
SEED = int(os.environ.get("MM_TEST_SEED", "1"))


def committed(journal: Path) -> int:
    """Return how many events a journal holds for good, whatever stands behind them."""
    return int(sum(int((rows["flags"] & 1).sum()) for rows in Journal(journal).chunks()))


def test_a_killed_session_goes_on(tmp_path: Path) -> None:
    journal, config = tmp_path / "journal", tmp_path / "config.yaml"
    write_config(config)
    dice = random.Random(SEED)
    with running_venue(SEED) as running:
        before = 0
        for number in range(KILLS):
            child = Child(running.urls["rest"], journal, config)
            if number % 3 < 2:  # else in the middle of its start
                child.wait_ready()
                time.sleep(dice.uniform(0, 1.0))
            else:
                time.sleep(dice.uniform(0.5, 3.0))
            assert child.end(signal.SIGKILL) == -signal.SIGKILL
            if journal.exists() and list(journal.glob("*.mmj")):
                now = committed(journal)
                assert now >= before, "what was acknowledged is lost"
                before = now
                check_journal(read_rows(journal))
        check_restart(journal, config, running)


def test_a_journal_that_may_not_grow_ends_the_session_without_orders(tmp_path: Path) -> None:
    journal, config = tmp_path / "journal", tmp_path / "config.yaml"
    write_config(config)
    with running_venue(SEED) as running:
        account = next(iter(running.venue.accounts.values()))
        child = Child(running.urls["rest"], journal, config)
        child.wait_ready()
        size_bytes = (journal / "000000.mmj").stat().st_size
        resource.prlimit(child.process.pid, resource.RLIMIT_FSIZE, (size_bytes + 20_001, resource.RLIM_INFINITY))
        assert child.process.wait(READY_S) == 1
        assert "File too large; the journal ends at its last commit" in Path(child.log.name).read_text()
        assert not account.open, "orders rest that nobody watches"
        child.close()
        check_journal(read_rows(journal))
        check_restart(journal, config, running)


def check_restart(journal: Path, config: Path, running: RunningVenue) -> None:
    """Go on with a session once more, and check the whole of it at its graceful end."""
    child = Child(running.urls["rest"], journal, config)
    child.wait_ready()
    time.sleep(0.5)
    assert child.end(signal.SIGTERM) == 0
    account = next(iter(running.venue.accounts.values()))
    rows = read_rows(journal)
    check_journal(rows)
    check_against_venue(rows, account)
    check_end(rows, account)
    result = check_replay(journal)
    assert result.fills > 0
    assert int(result.state.positions[0]["position_lots"]) == account.positions["BTCUSDT"].lots
