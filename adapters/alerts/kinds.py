"""Every kind of alert, its severity, what it says and what to do next; must never know how it is sent.

One table, the core's codes first, then what happens to a session. A code without a row stops the import.
Source: spec/control.md 23 (`killswitch_fired`); the other names are ours.
"""

from dataclasses import dataclass
from enum import Enum, IntEnum

from mmfold.engine.codes import AlertCode


class Severity(IntEnum):
    """How soon a person has to look."""

    INFO = 0  # mm has dealt with it
    WARNING = 1  # look today
    CRITICAL = 2  # look now


class Happening(Enum):
    """What a session goes through that the core has no code for."""

    KILLSWITCH_FIRED = "killswitch_fired"
    SYMBOL_UNEXPLAINED = "symbol_unexplained"
    VENUE_DOWN = "venue_down"
    VENUE_BACK = "venue_back"
    LOOP_BEHIND = "loop_behind"
    JOURNAL_FULL = "journal_full"
    SESSION_FAILED = "session_failed"
    SESSION_DIED = "session_died"
    ORDERS_UNCONFIRMED = "orders_unconfirmed"
    ACCOUNT_STOP_NOT_KEPT = "account_stop_not_kept"
    ALERT_TEST = "alert_test"


@dataclass(frozen=True)
class AlertKind:
    """One row: `text` and `hint` may name {symbol}, {detail}, {why}, {journal} and {seq}."""

    of: AlertCode | Happening
    severity: Severity
    text: str
    hint: str

    @property
    def name(self) -> str:
        """What the kind is called in a document, a log line and a metric."""
        return self.of.value if isinstance(self.of, Happening) else self.of.name.lower()


INFO, WARNING, CRITICAL = Severity
LOOK = "mm why --events {journal} {seq}"
STATUS = "look at the session's log and mm top {journal}"
RESTING = "look at the account at the venue now: orders may rest there"
KINDS: tuple[AlertKind, ...] = (
    AlertKind(AlertCode.BOOK_GAP, INFO, "{symbol}: the book lacks messages; a new snapshot is asked for", LOOK),
    AlertKind(AlertCode.BOOK_INVALID, WARNING, "{symbol}: the book is crossed or locked and is not quoted on", LOOK),
    AlertKind(AlertCode.ORDER_UNKNOWN, WARNING, "{symbol}: the venue has to say what became of order {detail}", LOOK),
    AlertKind(
        AlertCode.POSITION_DIFFERS, WARNING, "{symbol}: the venue's position is {detail} lots off the journal's", LOOK
    ),
    AlertKind(AlertCode.BOOK_OVERFLOW, WARNING, "{symbol}: the book has more levels than there is room for", LOOK),
    AlertKind(
        AlertCode.FILL_UNKNOWN_ORDER, CRITICAL,
        "{symbol}: {detail} lots were filled of an order that this session does not know",
        "find out who else trades on this account: mm freeze stops quoting; " + LOOK,
    ),
    AlertKind(AlertCode.FUNDING_DIFFERS, INFO, "{symbol}: the funding paid is {detail} micros off its rate", LOOK),
    AlertKind(AlertCode.FUNDING_UNMARKED, INFO, "{symbol}: funding was counted without a mark price", LOOK),
    AlertKind(
        AlertCode.FUNDING_REFUSED, WARNING, "{symbol}: funding was not counted, its rate or value cannot be",
        "compare the account's money with the journal's; " + LOOK,
    ),
    AlertKind(AlertCode.POLICY, WARNING, "{symbol}: a policy asks for a look (it tells {detail})", LOOK),
    AlertKind(
        AlertCode.DAILY_LOSS, CRITICAL,
        "the day's loss is reached: everything is cancelled, nothing is quoted ({detail} micros)",
        "look at the account and why: mm why --events {journal} {seq}; then lift the stop: mm resume",
    ),
    AlertKind(
        Happening.KILLSWITCH_FIRED, CRITICAL,
        "the kill switch was pulled ({why}): everything is cancelled, the session ends",
        "look at the account and at the journal {journal}, then lift the stop: mm resume",
    ),
    AlertKind(
        Happening.SYMBOL_UNEXPLAINED, CRITICAL, "{symbol} is kept flat: {why}",
        "find out who traded it; a new session with --adopt-position takes it over",
    ),
    AlertKind(Happening.VENUE_DOWN, CRITICAL, "no connection to the venue: {why}", STATUS),
    AlertKind(Happening.VENUE_BACK, INFO, "connected to the venue again: {why}", STATUS),
    AlertKind(
        Happening.LOOP_BEHIND, WARNING,
        "the session reads the market late and quotes nothing until it has caught up: {why}",
        "give it fewer symbols or a faster machine; " + STATUS,
    ),
    AlertKind(
        Happening.JOURNAL_FULL, CRITICAL, "the journal cannot grow, the session ends: {why}",
        "free some space and start again; " + RESTING,
    ),
    AlertKind(
        Happening.SESSION_FAILED, CRITICAL, "the session ended with an error: {why}",
        RESTING + ", then start again on the journal {journal}",
    ),
    AlertKind(
        Happening.SESSION_DIED, CRITICAL, "the session's process is gone without a word: killed, or out of memory",
        RESTING + ", then start again on the journal {journal}: what is open is taken up or cancelled",
    ),
    AlertKind(
        Happening.ORDERS_UNCONFIRMED, CRITICAL,
        "the session has ended, the venue has not confirmed every cancel: {why}", RESTING,
    ),
    AlertKind(
        Happening.ACCOUNT_STOP_NOT_KEPT, CRITICAL, "the account's stop could not be written down: {why}",
        "keep any session of this account from starting until you have looked at it",
    ),
    AlertKind(Happening.ALERT_TEST, INFO, "a test: alerts of mm reach you here", "nothing to do"),
)  # fmt: skip
KIND_OF: dict[AlertCode | Happening, AlertKind] = {kind.of: kind for kind in KINDS}
assert len(KIND_OF) == len(KINDS), "a kind stands twice"
assert KIND_OF.keys() == {*AlertCode, *Happening}, "a kind without a row"
