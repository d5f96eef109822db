"""What counts as a key in the text of an event, and what does not."""

import json
from pathlib import Path

import pytest

from mmfold.adapters import redact
from mmfold.adapters.bundle.keys import KeyInJournal, check_journal, find_key, find_key_in_payload, learn_keys
from mmfold.adapters.bundled import DEMO
from mmfold.adapters.secrets.errors import SecretError
from mmfold.engine.codes import EventKind
from mmfold.engine.manifest import CODE_VERSION
from mmfold.engine.payload import payload_rows
from mmfold.journal.log.writer import Writer
from tests.replay.venue.market import make_instruments, market_events, run, write_market
from tests.reports.parity.recorded import all_rows

BYBIT_KEY, BYBIT_SECRET = "q8Rk2Lm" + "Zt0VxWc5nYb", "Zk31vQmT9x" + "Lw7RbNc5Hy2PdGs8Ja4FuXe6Ko"
HEX = "9f3c1a77d2b84e6605c1aa3f7be2904d9f3c1a77d2b84e6605c1aa3f7be2904d"
UUID = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
COMMAND, MANIFEST, DIGEST = EventKind.COMMAND, EventKind.MANIFEST, EventKind.DIGEST


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redact, "known_pattern", None)
    monkeypatch.setattr(redact, "known_texts", frozenset())


@pytest.mark.parametrize(
    ("text", "is_key"),
    [
        ("", False),
        ("halted by the desk at 14:00 UTC, see ticket 1234567890", False),
        ("slice-3f2a9c01bd77", False),
        (UUID, False),
        ("live-bybit-BTCUSDT-20240808T235417Z", False),
        ("TheLongNameSomeStrategyFunction", False),
        ("backtest-0123456789ab+backtest-ba9876543210", False),
        (f"200 sha256 {HEX}", False),
        (BYBIT_KEY, True),
        (f"tried with {BYBIT_KEY}, refused", True),
        (BYBIT_SECRET, True),
        (HEX, True),
        (HEX.upper(), True),
        (f"sk {HEX[:32]}", True),
        ("AKIA" + "IOSFODNN7EXAMPLE", True),
        ("-----BEGIN RSA " + "PRIVATE KEY-----\nMIIE", True),
        ("https://bob:" + "hunter2Zx9Q7@host/x", True),
        (f"api_key={BYBIT_KEY}", True),
    ],
)
def test_what_has_the_form_of_a_key(text: str, is_key: bool) -> None:
    assert bool(find_key(text)) is is_key


@pytest.mark.parametrize(
    ("kind", "document", "is_key"),
    [
        (COMMAND, {"policy": "x", "note": "as agreed"}, False),
        (COMMAND, {"policy": "x", "note": BYBIT_KEY}, True),
        (COMMAND, {"policy": "x", "notes": [{"deep": [BYBIT_SECRET]}]}, True),
        (COMMAND, {"policy": "x", BYBIT_KEY: 1}, True),
        (COMMAND, {"policy": "x", "note": HEX}, True),
        (COMMAND, {"policy": "x", "config_hash": HEX}, False),
        (MANIFEST, {"layout": HEX, "run_id": "demo-7"}, False),
        (MANIFEST, {"layout": HEX, "run_id": f"desk {BYBIT_KEY}"}, True),
        (EventKind.CONFIG, {"params": {"X": {"enabled": 1}}, "policies": {"x": {"why": BYBIT_SECRET}}}, True),
        (DIGEST, {"state": HEX}, False),
    ],
)
def test_where_a_key_may_stand_in_an_event(kind: EventKind, document: dict[str, object], is_key: bool) -> None:
    assert bool(find_key_in_payload(kind, json.dumps(document).encode())) is is_key


@pytest.mark.parametrize("spelled", [BYBIT_KEY, "".join(f"\\u{ord(one):04x}" for one in BYBIT_KEY)])
@pytest.mark.parametrize("text", ['{"note": "KEY"}', "no JSON, KEY", '[["KEY"'])
def test_a_payload_is_read_as_json_and_as_text(text: str, spelled: str) -> None:
    is_readable = spelled == BYBIT_KEY or text == '{"note": "KEY"}'
    assert bool(find_key_in_payload(COMMAND, text.replace("KEY", spelled).encode())) is is_readable


@pytest.mark.parametrize("kind", [COMMAND, MANIFEST, DIGEST, EventKind.CONFIG])
def test_a_known_key_is_found_whatever_its_form(kind: EventKind) -> None:
    assert learn_keys({"MM_BYBIT_API_KEY": "plain words"}) == ()
    assert find_key_in_payload(kind, b'{"head": "plain words"}') == "known_value"
    assert find_key_in_payload(kind, b'{"hash": "plain%20words"}') == "known_value"


def test_keys_are_learned_from_everywhere(tmp_path: Path) -> None:
    kept = tmp_path / "secrets.json"
    kept.write_text(json.dumps({"mm-bot/prod/bybit/api_secret": "of a file"}))
    kept.chmod(0o600)
    (tmp_path / "mounted").write_text("of a mount\n")
    environ = {
        "SECRETS_FILE": str(kept),
        "MM_FAKE_SECRETS_JSON": '{"mm-bot/dev/bybit/api_key": "of a fake"}',
        "MM_BINANCE_API_KEY_FILE": str(tmp_path / "mounted"),
        "GITHUB_TOKEN": "of a stranger",
        "PWD": "/not/one",
    }
    learn_keys(environ)
    for text in ("of a file", "of a mount", "of a fake", "of a stranger"):
        assert redact.redact_known(f"<{text}>") == "<****>"
    assert redact.redact_known("/not/one") == "/not/one"


def test_keys_that_cannot_be_learned_are_told(tmp_path: Path) -> None:
    kept = tmp_path / "secrets.json"
    kept.write_text("{}")
    kept.chmod(0o644)
    with pytest.raises(SecretError):
        learn_keys({"SECRETS_FILE": str(kept)})
    (told,) = learn_keys({"SECRETS_BACKEND": "aws", "SECRETS_FILE": str(tmp_path / "none")})
    assert "aws" in told


def test_journals_of_ours_hold_none(tmp_path: Path) -> None:
    market = write_market(tmp_path / "m", market_events(5, 60), make_instruments(2))
    run(market, tmp_path / "bt")
    for path in (DEMO, market, tmp_path / "bt"):
        check_journal(path, path)
    assert CODE_VERSION and not find_key(CODE_VERSION)


def test_the_place_is_the_parents(tmp_path: Path) -> None:
    rows = all_rows(DEMO)
    with Writer(tmp_path / "j") as writer:
        writer.append(rows)
        writer.append(payload_rows(COMMAND, writer.seq_next, json.dumps({"policy": "x", "n": BYBIT_KEY}).encode()))
        writer.commit()
        last = writer.seq_next - 1
    with pytest.raises(KeyInJournal, match="the COMMAND there holds a key") as caught:
        check_journal(tmp_path / "j", tmp_path / "j")
    assert caught.value.seq == last and BYBIT_KEY not in str(caught.value) and caught.value.hint
