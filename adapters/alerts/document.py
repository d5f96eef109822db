"""An alert as one JSON document, redacted; must never hold what the redactor has not seen.

`{kind, payload, ts}` with what every alert has at the top: severity, symbol, seq, run_id, text, hint.
Source: spec/control.md 23.
"""

import shlex
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from mmfold.adapters.alerts.kinds import AlertKind
from mmfold.adapters.redact import redact_fields

NS_PER_S = 1_000_000_000
TEXT_CHARS_MAX = 600  # of one text: what a venue says may be far longer


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Which session an alert is of."""

    run_id: str = ""
    venue: str = ""
    mode: str = ""
    journal: str = ""


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One alert: `seq` is of the journal's row that tells it, `ts_ns` of its event; a session's has no `symbol`."""

    kind: AlertKind
    ts_ns: int
    symbol: str = ""
    seq: int | None = None
    detail: int | None = None
    why: str = ""


@dataclass(frozen=True)
class Repeats:
    """How many more of an alert came, and in what time."""

    count: int
    seconds: float

    def __str__(self) -> str:
        return f"and {self.count:,} more in {self.seconds:.0f} s"


def make_document(alert: Alert, origin: Origin, repeats: Repeats | None = None) -> dict[str, Any]:
    """Return the document of an alert, or of its repeats, redacted."""
    words = {
        "detail": "?" if alert.detail is None else str(alert.detail),
        "journal": shlex.quote(origin.journal) if origin.journal else "DIR",
        "seq": "SEQ" if alert.seq is None else str(alert.seq),
        "symbol": alert.symbol or "all symbols",
        "why": cut(alert.why),
    }
    text = alert.kind.text.format_map(words)
    payload: dict[str, Any] = {
        "detail": alert.detail,
        "journal": origin.journal,
        "mode": origin.mode,
        "venue": origin.venue,
    }
    if repeats is not None:
        text = f"{text}: {repeats}"
        payload |= {"count": repeats.count, "window_s": round(repeats.seconds, 1)}
    document = {
        "hint": alert.kind.hint.format_map(words),
        "kind": alert.kind.name,
        "payload": payload,
        "run_id": origin.run_id,
        "seq": alert.seq,
        "severity": alert.kind.severity.name.lower(),
        "symbol": alert.symbol,
        "text": text,
        "ts": utc_text(alert.ts_ns),
    }
    redacted: dict[str, Any] = redact_fields(document)
    return redacted


def cut(text: str) -> str:
    """Return a text in one line, cut to a reader's room."""
    line = " ".join(text.split())
    return line if len(line) <= TEXT_CHARS_MAX else f"{line[:TEXT_CHARS_MAX]}..."


def utc_text(ts_ns: int) -> str:
    """Return a time as UTC text, to the millisecond."""
    time = datetime.fromtimestamp(ts_ns // NS_PER_S, UTC).replace(microsecond=ts_ns % NS_PER_S // 1000)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def encode(document: dict[str, Any]) -> bytes:
    """Return a document as a channel gets it: one line, sorted keys."""
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)
