"""How a failure of `mm` is told and which exit code it has; must never hide a fault of our own.

Exit codes
  EXIT_ERROR        1    the user's mistake or the machine's: bad input, unreadable file, full disk
  EXIT_GATE         2    a gate, a verification or a comparison failed
  EXIT_KILLED       3    a live session was ended by its kill switch or at the day's loss
  EXIT_USAGE       64    wrong usage of the command line
  EXIT_BUG         70    a broken invariant of ours
  EXIT_INTERRUPTED 130   Ctrl-C; 143 SIGTERM, 129 a closed terminal
"""

import errno
import sys

from mmfold.adapters.crash import format_crash
from mmfold.adapters.requirements import missing_text

EXIT_ERROR = 1
EXIT_GATE = 2
EXIT_KILLED = 3
EXIT_USAGE = 64
EXIT_BUG = 70
EXIT_INTERRUPTED = 130

# By name, so that telling an error apart imports nothing. An error that derives from one of these counts as well.
USER_ERRORS = frozenset(
    {
        "mmfold.adapters.bisect.errors.BisectError",
        "mmfold.adapters.cli.alerts_command.NoChannel",
        "mmfold.adapters.doctor.venue.EndpointError",
        "mmfold.adapters.emulator.errors.VenueSetupError",
        "mmfold.adapters.importers.outcome.ImportFailedError",
        "mmfold.adapters.secrets.errors.SecretError",
        "mmfold.config.errors.ConfigError",
        "mmfold.config.instruments.InstrumentTableError",
        "mmfold.engine.beyond.BeyondLimits",
        "mmfold.engine.manifest.ManifestError",
        "mmfold.engine.params.ConfigPayloadError",
        "mmfold.engine.payload.PayloadError",
        "mmfold.journal.errors.JournalError",
        "mmfold.journal.parquet.ParquetError",
        "mmfold.journal.jsonl.file.JsonlError",
        "mmfold.replay.minimize.failure.MinimizeError",
        "mmfold.replay.minimize.failure.PredicateError",
        "mmfold.replay.parallel.CheckpointDiffers",
        "mmfold.replay.parallel.TooFewCores",
        "mmfold.replay.assumptions.BadAssumption",
        "mmfold.replay.debug.difference.NotComparable",
        "mmfold.replay.debug.moment.NoSuchEvent",
        "mmfold.replay.debug.figures.NoFigure",
        "mmfold.replay.debug.fork.ForkError",
        "mmfold.replay.debug.trace.TraceFailed",
        "mmfold.replay.funding_file.FundingFileError",
        "mmfold.replay.latency_file.LatencyFileError",
        "mmfold.replay.parity.session.NoDecisions",
        "mmfold.replay.feeds.FeedsConflict",
        "mmfold.replay.strategy.file.StrategyError",
        "mmfold.replay.window.NoMarket",
        "mmfold.adapters.bench.builds.CannotCompare",
        "mmfold.adapters.bench.soak.SoakFailed",
        "mmfold.adapters.live.venue.endpoints.BadEndpoint",
        "mmfold.adapters.live.account.handover.CannotHandOver",
        "mmfold.adapters.venues.order_port.HedgeMode",
        "mmfold.adapters.live.account.opening.CannotStart",
        "mmfold.adapters.live.operator.asking.CannotAsk",
        "mmfold.adapters.live.operator.stopping.CannotStop",
        "mmfold.adapters.venues.ccxt.loading.UnknownVenue",
        "mmfold.adapters.venues.port.VenueUnreachable",
        "mmfold.adapters.live.venue.stream.StreamRefused",
        "mmfold.adapters.venues.port.VenueError",
        "mmfold.adapters.venues.binance.venue.TooManySymbols",
        "mmfold.replay.ticks.load.TickFileError",
        "mmfold.reports.tables.sql.QueryError",
        "mmfold.adapters.bench.peer.PeerFailed",
        "mmfold.adapters.cli.runtime.RuntimeSettingError",
    }
)

HINT_BY_ERRNO = {
    errno.ENOENT: "check the path",
    errno.EISDIR: "a file is needed here, this is a directory",
    errno.ENOTDIR: "a directory is needed here, this is a file",
    errno.EACCES: "check the permissions, or run as the user who owns it",
    errno.EPERM: "check the permissions, or run as the user who owns it",
    errno.EEXIST: "remove it first, or choose another path",
    errno.ENOSPC: "free some space and run again; what was acknowledged before is kept",
    errno.EDQUOT: "free some of the quota and run again; what was acknowledged before is kept",
    errno.EROFS: "choose a path that can be written",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
}
BUG_HINT = "this is a fault of mm, not yours: please keep the journal, it reproduces the fault"


class GateFailed(Exception):
    """A gate, a verification or a comparison failed; the text, if any, is printed as it is."""


def is_user_error(error: BaseException) -> bool:
    """Tell whether an exception is the user's or the machine's fault, not ours."""
    if isinstance(error, OSError):
        return True
    if isinstance(error, ModuleNotFoundError):
        return bool(missing_text(error))
    return any(f"{cls.__module__}.{cls.__qualname__}" in USER_ERRORS for cls in type(error).__mro__)


def hint_of(error: BaseException) -> str:
    """Return what to do next, or nothing."""
    if isinstance(error, OSError) and not hasattr(error, "hint"):
        return HINT_BY_ERRNO.get(error.errno or 0, "")
    return str(getattr(error, "hint", ""))


def message_of(error: BaseException) -> str:
    """Return what went wrong in one line."""
    if isinstance(error, OSError) and error.strerror:
        paths = " -> ".join(str(path) for path in (error.filename, error.filename2) if path is not None)
        return f"{paths}: {error.strerror}" if paths else error.strerror
    told = missing_text(error) if isinstance(error, ModuleNotFoundError) else ""
    return told or " ".join(str(error).split()) or type(error).__name__


def print_error(message: str, hint: str = "") -> None:
    """Print one line that says what is wrong, and one that says what to do."""
    from mmfold.adapters.redact import redact_known
    from mmfold.engine.printable import printable

    print(f"error: {printable(redact_known(message))}", file=sys.stderr)
    if hint:
        print(f"       {printable(hint)}", file=sys.stderr)


def print_bug(error: BaseException) -> None:
    """Print the traceback of a fault of our own, redacted, and ask for the journal."""
    from mmfold.adapters.redact import redact

    sys.stderr.write(format_crash(error))
    print_error(redact(f"{type(error).__name__}: {message_of(error)}"), BUG_HINT)
