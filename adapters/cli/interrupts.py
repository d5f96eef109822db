"""Ctrl-C, SIGTERM and a closed terminal while a command runs; must never be lost, nor leave what it was making.

A handler's exception is swallowed where Python cannot raise it (a callback, a destructor, a clause of a library that
catches all), so it is also noted here: `check_interrupts` raises it again at the next turn of whatever reports
progress. Commands that end on their own terms (live, record, venue, top, backtest) install handlers of their own.
"""

import signal
from types import FrameType

EXIT_BY_SIGNAL = 128  # added to the signal's number, as shells do
ASKED: list[int] = []  # signals that came and were not seen to end the command


class Interrupted(KeyboardInterrupt):
    """A signal asked the command to end."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = EXIT_BY_SIGNAL + number


def install_interrupts() -> None:
    """Have the signals that end a command raise, so that it cleans up; one that is ignored stays so (nohup)."""
    ASKED.clear()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, interrupt)


def interrupt(number: int, frame: FrameType | None) -> None:
    """Note the signal and raise.

    Raises: Interrupted.
    """
    ASKED.append(number)
    raise Interrupted(number)


def check_interrupts() -> None:
    """Raise what was asked for before and did not get through.

    Raises: Interrupted.
    """
    if ASKED:
        raise Interrupted(ASKED[-1])
