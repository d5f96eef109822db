"""`mm top`: a session as it runs, in its own process; must never write, and never speak to the session or the venue."""

import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from mmfold.adapters.cli.errors import GateFailed
from mmfold.adapters.cli.output import PROGRESS_AFTER_S, emit_json, progress

if TYPE_CHECKING:
    from rich.text import Text


FRAME_S = 0.25
PLAIN_FRAME_S = 5.0  # of a terminal that cannot move its cursor
WAIT_S = 0.1
WINDOW_BYTES = 1 << 18  # folded between two looks at the clock, interpreted as well
ROW_BYTES = 64
SEALED = "sealed"


@click.command(
    name="top",
    epilog="Example: mm top --journal out/s",
    short_help="Show a session as it runs: book, orders, position, PnL, decisions.",
)
@click.option("--journal", "path", required=True, metavar="DIR", type=click.Path(path_type=Path), help="The session's.")
@click.option("--symbol", "symbols", multiple=True, metavar="SYMBOL", help="These only, in this order.")
@click.option("--strategy", metavar="FILE:FUNCTION", help="The strategy file that the journal is made with.")
@click.option("--once", is_flag=True, help="Print one frame, all of it, and exit.")
@click.option("--json", "as_json", is_flag=True, help="With --once: print one JSON object.")
def command(path: Path, symbols: tuple[str, ...], strategy: str | None, once: bool, as_json: bool) -> None:
    """Show a session as it runs: book, orders, position, PnL, decisions.

    DIR is its journal, which is only read: the view folds it with a core of its own and compares every decision with
    the one that was written, so the exit code is 2 when they differ. A journal that is not there yet is waited for.
    Ctrl-C ends the view.
    """
    if as_json and not once:
        raise click.UsageError("--json goes with --once")
    if not once and not sys.stdout.isatty():
        raise click.UsageError("the live view needs a terminal: --once prints one frame")
    if once:
        show(path, symbols, strategy, once, as_json)
        return
    # As Ctrl-C, so that the terminal is given back as it was.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        show(path, symbols, strategy, once, as_json)
    except KeyboardInterrupt:
        return


def show(path: Path, symbols: tuple[str, ...], strategy: str | None, once: bool, as_json: bool) -> None:
    """Fold the journal up to its end, then print one frame or go on.

    Raises: JournalError, StrategyError; GateFailed with the first decision that differs.
    """
    if not once:
        wait_for_journal(path)
    from mmfold.adapters.cli.replay_command import difference_text, digest_text, prepare

    prepare(path, 1, strategy)
    from mmfold.engine.core import DigestDiffers, WitnessDiffers

    view = View(path, symbols)
    try:
        view.catch_up()
        if as_json:
            emit_json(view.document())
        elif once:
            view.print_once()
        else:
            view.run()
    except WitnessDiffers as error:
        raise GateFailed(difference_text(error, view.watch.manifest)) from None
    except DigestDiffers as error:
        raise GateFailed(digest_text(error)) from None
    finally:
        view.follower.close()


def wait_for_journal(path: Path) -> None:
    """Wait until a journal's first commit is there, telling so where it takes a moment.

    Raises: JournalError.
    """
    from mmfold.journal.log.follow import Follower

    started_s, told = time.monotonic(), False
    with Follower(path) as follower:
        while not len(follower.next_rows(WAIT_S)):
            if not told and time.monotonic() - started_s >= PROGRESS_AFTER_S:
                click.echo(f"waiting for a journal in {path}; Ctrl-C ends", err=True)
                told = True


class View:
    """A journal, what it has come to, and how that is shown.

    Raises: JournalError, StrategyError; click.BadParameter for a symbol that the journal does not have.
    """

    def __init__(self, path: Path, symbols: tuple[str, ...]) -> None:
        self.path = path
        self.start()
        names = list(self.watch.manifest.symbol_index())
        for symbol in symbols:
            if symbol not in names:
                raise click.BadParameter(f'"{symbol}" is not one of {", ".join(names)}', param_hint="--symbol")
        self.symbols = symbols or tuple(names)

    def start(self, *, from_checkpoint: bool = True) -> None:
        """Begin the fold at the newest checkpoint, or at the journal's start, and the reading there."""
        from mmfold.journal.log.follow import Follower
        from mmfold.reports.top.watch import Watch

        self.watch: Watch = Watch(self.path, from_checkpoint=from_checkpoint)
        place = self.watch.checkpoint
        seq_from, base = (0, None) if place is None else (place.seq_next, place.head)
        self.follower: Follower = Follower(self.path, seq_from, base, window_bytes=WINDOW_BYTES)

    def catch_up(self) -> None:
        """Fold what the journal holds; a checkpoint that is not of this journal costs time and changes nothing.

        Raises: JournalError, WitnessDiffers, DigestDiffers.
        """
        from mmfold.journal.errors import Corrupt

        place = self.watch.checkpoint
        try:
            self.fold_to_end()
            if place is None or self.follower.seq_next >= place.seq_next:
                return
        except Corrupt:
            if place is None:
                raise
        self.follower.close()
        self.start(from_checkpoint=False)
        self.fold_to_end()

    def fold_to_end(self) -> None:
        """Fold until all that is committed is read."""
        done = 0
        with progress(self.follower.bytes_left() // ROW_BYTES, "fold", "rows") as report:
            while len(rows := self.follower.next_rows(0.0)):
                self.watch.feed(rows)
                done += len(rows)
                report(done)

    def ended(self) -> str:
        """Return why nothing more is to come, nothing while a writer is there."""
        from mmfold.journal.log.lock import is_locked
        from mmfold.journal.log.seal import SEAL_NAME

        if (self.path / SEAL_NAME).exists():
            return SEALED
        if is_locked(self.path):
            return ""
        return "no writer, a torn tail" if self.follower.bytes_left() else "no writer"

    def document(self) -> dict[str, Any]:
        """Return the frame of now as data; a sealed journal has ended, so it is not behind."""
        from mmfold.reports.top.frame import frame_document

        ended = self.ended()
        now_ns = None if ended == SEALED else time.time_ns()
        document = frame_document(self.watch, self.follower.seq_next - 1, self.follower.head, now_ns)
        document["symbols"] = {symbol: document["symbols"][symbol] for symbol in self.symbols}
        return {**document, "ended": ended, "journal": str(self.path)}

    def lines(self, width: int, height: int | None) -> "list[Text]":
        """Return the frame of now as lines."""
        from mmfold.reports.top.lines import frame_lines

        return frame_lines(self.document(), width, height)

    def print_once(self) -> None:
        """Print one frame as long as it is."""
        from rich.console import Console

        console = Console(file=sys.stdout, highlight=False)
        for line in self.lines(console.width, None):
            console.print(line, no_wrap=True, crop=False)

    def run_plain(self) -> NoReturn:
        """Print a whole frame every few seconds, one below the other: a terminal that cannot go back."""
        while True:
            self.print_once()
            print("", flush=True)
            self.fold_for(PLAIN_FRAME_S)

    def fold_for(self, seconds: float) -> None:
        """Fold what comes in for a while."""
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0:
            rows = self.follower.next_rows(left_s)
            if len(rows):
                self.watch.feed(rows)

    def run(self) -> None:
        """Show a frame every quarter of a second and fold what comes in between."""
        from rich.console import Console, Group
        from rich.live import Live

        console = Console(file=sys.stdout, highlight=False)
        if console.is_dumb_terminal:
            self.run_plain()
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                live.update(Group(*self.lines(console.width, console.height)), refresh=True)
                self.fold_for(FRAME_S)
