"""The table of alerts: every code of the core and every happening has a severity, a text and a next step."""

import pytest

from mmfold.adapters.alerts.kinds import KIND_OF, KINDS, Happening, Severity
from mmfold.engine.codes import AlertCode

WORDS = {"symbol": "BTCUSDT", "detail": "7", "why": "a reason", "journal": "out/j", "seq": "41"}


@pytest.mark.parametrize("of", [*AlertCode, *Happening], ids=lambda of: of.name)
def test_every_code_has_a_row(of: AlertCode | Happening) -> None:
    kind = KIND_OF[of]
    assert kind.severity in Severity
    text, hint = kind.text.format_map(WORDS), kind.hint.format_map(WORDS)
    assert len(text) > 10 and len(hint) > 10
    assert "{" not in text + hint and "}" not in text + hint


def test_names_are_apart() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS) == len(AlertCode) + len(Happening)


def test_what_a_person_must_look_at_now() -> None:
    critical = {kind.name for kind in KINDS if kind.severity is Severity.CRITICAL}
    assert critical == {
        "killswitch_fired", "daily_loss", "venue_down", "journal_full", "session_failed", "session_died",
        "orders_unconfirmed", "account_stop_not_kept", "symbol_unexplained", "fill_unknown_order",
    }  # fmt: skip
