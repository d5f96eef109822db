"""How a crash is told: the trace without locals, redacted; must never raise, and never print what a frame held.

`print_bug` (adapters/cli/errors.py) uses it for what reaches the command line; the hooks are for what does not: another
thread, a destructor, the interpreter's own last word.
"""

import sys
import threading
from types import TracebackType

FRAME_COUNT_MAX = 40  # of one exception in a chain, the outer and the inner half of it
CRASH_CHARS_MAX = 65_536


def format_crash(error: BaseException) -> str:
    """Return an exception's trace, its chain and its notes: redacted, without locals."""
    from traceback import TracebackException

    from mmfold.adapters.redact import redact

    try:
        told = TracebackException.from_exception(error, limit=FRAME_COUNT_MAX, capture_locals=False, compact=True)
        text = "".join(told.format())
    except Exception:
        text = f"{type(error).__name__}: its trace cannot be told\n"  # an exception's own __str__ may be what is broken
    text = redact(text)
    return text if len(text) <= CRASH_CHARS_MAX else f"{text[:CRASH_CHARS_MAX]}\n... cut\n"


def install_crash_hooks() -> None:
    """Tell every exception that nobody catches, in any thread, by `format_crash`."""
    sys.excepthook = print_uncaught
    threading.excepthook = print_thread_crash
    sys.unraisablehook = print_unraisable


def forbid_core_dumps() -> None:
    """Keep the kernel from writing this process's memory, and what it holds, into a core file."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def print_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Stand in for `sys.excepthook`."""
    write(format_crash(error))


def print_thread_crash(crash: threading.ExceptHookArgs) -> None:
    """Stand in for `threading.excepthook`: a thread that is asked to leave is no crash."""
    if crash.exc_value is not None and not isinstance(crash.exc_value, SystemExit):
        name = crash.thread.name if crash.thread is not None else "?"
        write(f"in thread {name}:\n{format_crash(crash.exc_value)}")


def print_unraisable(crash: "sys.UnraisableHookArgs") -> None:
    """Stand in for `sys.unraisablehook`; the object at fault is named by its type, its repr may hold anything."""
    if crash.exc_value is not None:
        write(f"ignored in {type(crash.object).__name__}:\n{format_crash(crash.exc_value)}")


def write(text: str) -> None:
    """Write to the error stream, if there still is one."""
    if sys.stderr is not None:
        sys.stderr.write(text)
        sys.stderr.flush()
