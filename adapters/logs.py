"""Structured logs: one JSON object a line, keys sorted, ASCII, redacted; must never stop or slow down trading.

A line has `event`, `level`, `logger` and `ts` (UTC) and the fields of the event; `trace` where something was raised.
Whatever stdlib logger it comes from, ours or a library's at DEBUG, it passes the `RedactionFilter` of our handler.
These lines are an operator's: they keep order ids. What goes to outsiders is redacted again (`mm secrets redact`).
"""

import logging
import os
import queue
import re
import sys
import threading
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TextIO

import orjson

from mmfold.adapters.crash import format_crash
from mmfold.adapters.redact import redact, redact_fields

TEXT_CHARS_MAX = 16_384  # of one text in a line: a venue's frame may be far longer
LINE_COUNT_MAX = 4_096  # that wait to be written
CLOSE_S = 1.0
RESERVED = frozenset({"event", "level", "logger", "trace", "ts"})
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
NOT_ASCII = re.compile(r"[^\x00-\x7f]")


class EventLog:
    """A logger of events, each a name and its fields: `log.info("order_blocked", symbol=..., reason=...)`."""

    def __init__(self, name: str) -> None:
        self.logger = logging.getLogger(name)

    def debug(self, event: str, **fields: Any) -> None:
        """Say what only helps to find a fault."""
        self.log(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: Any) -> None:
        """Say what happened."""
        self.log(logging.INFO, event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Say what somebody should look at."""
        self.log(logging.WARNING, event, fields)

    def error(self, event: str, *, error: BaseException | None = None, **fields: Any) -> None:
        """Say what failed, with the exception if there was one."""
        self.log(logging.ERROR, event, fields, error)

    def log(self, level: int, event: str, fields: dict[str, Any], error: BaseException | None = None) -> None:
        """Hand the event to the handlers, if any wants this level."""
        assert not RESERVED & fields.keys(), f"{event}: {sorted(RESERVED & fields.keys())} are the line's own"
        if self.logger.isEnabledFor(level):
            self.logger.log(level, event, exc_info=error, extra={"fields": fields}, stacklevel=3)


class RedactionFilter(logging.Filter):
    """Replaces what a record says by its redacted form, so that no formatter can print anything else."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact message, fields, trace and stack in place; never refuses a record."""
        try:
            message = record.getMessage()
        except Exception:
            message = f"{record.msg} (its arguments do not fit)"  # logging itself would print them as they are
        record.msg, record.args = cut(redact(message)), None
        if hasattr(record, "fields"):
            record.fields = redact_fields(record.fields)
        if record.exc_info and record.exc_info[1] is not None:
            record.exc_text = format_crash(record.exc_info[1])
        elif record.exc_text:
            record.exc_text = redact(record.exc_text)
        record.exc_info = None
        record.stack_info = redact(record.stack_info) if record.stack_info else None
        return True


class JsonFormatter(logging.Formatter):
    """Writes a redacted record as one line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        fields = getattr(record, "fields", {})
        line = {name: cut_deep(value) for name, value in fields.items()} if isinstance(fields, dict) else {}
        line |= {
            "event": cut(str(record.msg)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        }
        if record.exc_text or record.stack_info:
            line["trace"] = cut(record.exc_text or str(record.stack_info))
        return NOT_ASCII.sub(escape, orjson.dumps(line, option=orjson.OPT_SORT_KEYS).decode())


class LineHandler(logging.Handler):
    """Writes lines to a stream; a line that cannot be written is counted and lost, trading goes on."""

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__()
        self.stream = stream
        self.lost_count = 0
        self.addFilter(RedactionFilter())
        self.setFormatter(JsonFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        try:
            stream = self.stream or sys.stderr  # asked for each time: it may have been replaced
            stream.write(self.format(record) + "\n")
            stream.flush()
        except Exception:
            self.lost_count += 1  # logging's own handler would print the record, arguments and all


class QueuedLines(LineHandler):
    """Writes lines from a thread of its own: whoever reads them may stop reading, nobody who logs waits for him.

    What the queue has no room for is lost and counted, and said as soon as lines get through again.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(stream)
        self.told_count = 0
        self.lines: queue.Queue[str | None] = queue.Queue(LINE_COUNT_MAX)
        self.thread = threading.Thread(target=self.write_lines, name="logs", daemon=True)
        self.thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Put one line where the thread finds it."""
        if not self.thread.is_alive():
            super().emit(record)
            return
        try:
            self.lines.put_nowait(self.format(record) + "\n")
        except Exception:
            self.lost_count += 1

    def write_lines(self) -> None:
        """Write what comes until the end is told."""
        while (line := self.lines.get()) is not None:
            try:
                self.write(line)
                lost = self.lost_count
                if lost > self.told_count:
                    said = logging.makeLogRecord({"msg": "log_lines_lost", "name": "logs", "levelno": logging.WARNING})
                    said.levelname, said.fields = "WARNING", {"lines": lost - self.told_count}
                    self.write(self.format(said) + "\n")
                    self.told_count = lost
            except Exception:
                self.lost_count += 1

    def write(self, line: str) -> None:
        """Write to the descriptor itself: a stream's lock, held for ever, would be waited for at the process's end."""
        stream = self.stream or sys.stderr
        try:
            fd = stream.fileno()
        except OSError:
            stream.write(line)
            stream.flush()
            return
        data = line.encode()
        while data:
            data = data[os.write(fd, data) :]

    def close(self) -> None:
        """Write what is left, for a bounded time."""
        with suppress(queue.Full):
            self.lines.put(None, timeout=CLOSE_S)
            self.thread.join(CLOSE_S)
        super().close()


def setup_logs(level: str = "INFO", stream: TextIO | None = None, *, is_queued: bool = False) -> LineHandler:
    """Make the root logger write our lines to `stream` (stderr); every other handler of it goes.

    A session's are queued: it must not wait for who reads them.
    Raises: ValueError for a level that is none of `LEVELS`.
    """
    if level not in LEVELS:
        raise ValueError(f"log level {redact(level)!r} is none of {', '.join(LEVELS)}")
    handler = QueuedLines(stream) if is_queued else LineHandler(stream)
    root = logging.getLogger()
    for other in root.handlers[:]:
        root.removeHandler(other)
    root.addHandler(handler)
    root.setLevel(level)
    logging.getLogger("numba").setLevel(logging.WARNING)  # at DEBUG it prints every statement that it compiles
    logging.captureWarnings(True)
    return handler


def cut(text: str) -> str:
    """Return a text as UTF-8 has it, no longer than a line may hold; redact first, or half a secret stays."""
    clean = text.encode("utf-8", "backslashreplace").decode()
    return clean if len(clean) <= TEXT_CHARS_MAX else f"{clean[:TEXT_CHARS_MAX]}... ({len(clean):,} chars)"


def cut_deep(value: Any) -> Any:
    """Return a redacted value with every text in it cut."""
    if isinstance(value, str):
        return cut(value)
    if isinstance(value, list):
        return [cut_deep(one) for one in value]
    return {cut(name): cut_deep(one) for name, one in value.items()} if isinstance(value, dict) else value


def escape(match: re.Match[str]) -> str:
    """Return a character as JSON writes it in ASCII."""
    units = match.group().encode("utf-16-be")
    return "".join(f"\\u{units[index] << 8 | units[index + 1]:04x}" for index in range(0, len(units), 2))
