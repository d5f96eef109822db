"""The document of an alert: its form, and that a planted key is not in it."""

import json

import pytest

from mmfold.adapters.alerts.document import Origin, Repeats, encode, make_document, utc_text
from mmfold.adapters.alerts.kinds import Happening
from mmfold.adapters.secrets.value import Secret
from mmfold.engine.codes import AlertCode
from tests.adapters.alerts.made import TS_NS, alert

ORIGIN = Origin(run_id="paper-bybit-1723161200000000000", venue="bybit", mode="paper", journal="out/paper")
FIELDS = {"hint", "kind", "payload", "run_id", "seq", "severity", "symbol", "text", "ts"}


def test_the_form() -> None:
    document = make_document(alert(AlertCode.POSITION_DIFFERS, seq=41, detail=-3), ORIGIN)
    assert document == {
        "hint": "mm why --events out/paper 41",
        "kind": "position_differs",
        "payload": {"detail": -3, "journal": "out/paper", "mode": "paper", "venue": "bybit"},
        "run_id": "paper-bybit-1723161200000000000",
        "seq": 41,
        "severity": "warning",
        "symbol": "BTCUSDT",
        "text": "BTCUSDT: the venue's position is -3 lots off the journal's",
        "ts": "2024-08-08T23:54:21.987Z",
    }
    assert encode(document).count(b"\n") == 1 and json.loads(encode(document)) == document


def test_a_hint_can_be_pasted() -> None:
    assert make_document(alert(seq=7), Origin(journal="my out/j"))["hint"] == "mm why --events 'my out/j' 7"
    assert make_document(alert(), Origin())["hint"] == "mm why --events DIR SEQ"


def test_repeats_are_told_as_a_count() -> None:
    document = make_document(alert(seq=9), ORIGIN, Repeats(41, 60.04))
    assert document["text"].endswith(": and 41 more in 60 s")
    assert (document["payload"]["count"], document["payload"]["window_s"]) == (41, 60.0)


@pytest.mark.parametrize("of", [*AlertCode, *Happening], ids=lambda of: of.name)
def test_every_kind_has_one_line_of_everything(of: AlertCode | Happening) -> None:
    document = make_document(alert(of, why="x\ny" * 2_000), ORIGIN)
    assert document.keys() == FIELDS and "\n" not in document["text"] + document["hint"]
    assert len(encode(document)) < 4_000


@pytest.mark.parametrize("plant", ["whole", "named", "quoted"])
@pytest.mark.usefixtures("guards")
def test_a_planted_key_never_leaves(plant: str) -> None:
    key = "kQ7vXw93LmZp" + "TR2yBn85"
    Secret(key)
    why = {"whole": f"refused {key}", "named": f"api_key={key}!", "quoted": json.dumps({"apiSecret": key})}[plant]
    journal = f"out/{key}"
    told = encode(make_document(alert(Happening.SESSION_FAILED, why=why), Origin(journal=journal)))
    assert key.encode() not in told and b"****" in told


@pytest.mark.usefixtures("guards")
def test_what_looks_like_a_key_never_leaves() -> None:
    stray = "wJalrXUtnFEMI7MDENGbPxRfi" + "CYEXAMPLEKEY9"
    told = encode(make_document(alert(Happening.SESSION_FAILED, why=f"venue said: token={stray} {stray}"), ORIGIN))
    assert stray.encode() not in told


def test_times() -> None:
    assert utc_text(TS_NS) == "2024-08-08T23:54:21.987Z" and utc_text(0) == "1970-01-01T00:00:00.000Z"
