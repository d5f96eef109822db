"""A signal ends a command with its own exit code, also where what it raised was swallowed on the way."""

import os
import signal
from collections.abc import Iterator

import click
import pytest

from mmfold.adapters.cli import interrupts, main
from mmfold.adapters.cli.output import progress

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Give the handlers back as they were, and begin with the defaults."""
    before = {number: signal.getsignal(number) for number in NUMBERS}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    interrupts.ASKED.clear()
    for number, handler in before.items():
        signal.signal(number, handler)


def run_with(monkeypatch: pytest.MonkeyPatch, work: object) -> int:
    monkeypatch.setitem(main.COMMANDS, "completion", main.Entry("unused:unused", ""))
    monkeypatch.setattr(main.LazyGroup, "get_command", lambda self, ctx, name: click.Command(name, callback=work))
    interrupts.install_interrupts()
    return main.run(["completion"])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
@pytest.mark.parametrize("is_swallowed", [False, True])
def test_a_signal_ends_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int, code: int, is_swallowed: bool
) -> None:
    cleaned: list[bool] = []

    def work() -> None:
        try:
            with progress(9, "work", "rows") as report:
                try:
                    os.kill(os.getpid(), number)
                except KeyboardInterrupt:
                    if not is_swallowed:
                        raise
                report(1)
                raise AssertionError("the signal was lost")
        finally:
            cleaned.append(True)

    assert run_with(monkeypatch, work) == code and cleaned == [True]
    said = capsys.readouterr().err.strip()
    assert said == ("interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}")


def test_what_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    interrupts.install_interrupts()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
