"""What a stranger must not read in a text of a bundle, and what must stay to be of use."""

import getpass
import socket
from pathlib import Path

import pytest

from mmfold.adapters.bundle.scrub import Scrubber

KEY = "q8Rk2LmZt0VxWc5nYb"
HEAD = "81f9316245c79cf6fc91ffc9736f16781c528dc4284246c7fd5c9ee6cd8b40ad"


@pytest.fixture
def scrubber(monkeypatch: pytest.MonkeyPatch) -> Scrubber:
    monkeypatch.setattr(getpass, "getuser", lambda: "alice")
    monkeypatch.setattr(socket, "gethostname", lambda: "desk7.example.net")
    return Scrubber([HEAD, "run-9f3c1a77d2b84e66"], [Path("/srv/acme desk/session")])


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("mid 61,740.5 x 0.002, 5/6 of all, 2024-08-08T23:54:17.221Z", None),
        ("https://api.bybit.com/v5/market is asked", None),
        ("out/bt/report.json and ./x and a//b", None),
        (f"head {HEAD} run-9f3c1a77d2b84e66", None),
        ("/srv/acme desk/session/000000.mmj is full", "<path> is full"),
        ("journal: /var/lib/mm/bob smith/s  # by bob", "journal: <path>  # by bob"),
        ('path: "/data/my dir/x"', 'path: "<path>"'),
        ("in ~/x and ~bob/y, (/z/w)", "in <path> and <path>, (<path>)"),
        ("alice@desk7: alice's on desk7.example.net", "<user>@<host>: <user>'s on <host>"),
        ("malice and desk77 stay", None),
        (f"# my key is {KEY} !", "# my key is **** !"),
        (f"api_secret: {KEY}", "api_secret: ****"),
        ("bob.smith@example.net said 203.0.113.9 or 8.8.8.8", "**** said 203.0.113.9 or ****"),
    ],
)
def test_a_text(scrubber: Scrubber, text: str, left: str | None) -> None:
    assert scrubber.text(text) == (text if left is None else left)
    assert scrubber.count == (left is not None)


def test_a_document_keeps_its_shape_and_its_figures(scrubber: Scrubber) -> None:
    document = {
        "api_key": {"deep": 1}, "found": ["/a/b: full", 7, 1.5, None, True], "head": "ab" * 32, KEY: 2, "note": KEY,
        "token": 5,
    }  # fmt: skip
    assert scrubber.document(document) == {
        "api_key": "****", "found": ["<path>: full", 7, 1.5, None, True], "head": "ab" * 32, "****": 2, "note": "****",
        "token": "****",
    }  # fmt: skip


def test_a_known_key_goes_even_from_what_is_kept(scrubber: Scrubber, monkeypatch: pytest.MonkeyPatch) -> None:
    from mmfold.adapters import redact

    monkeypatch.setattr(redact, "known_pattern", None)
    monkeypatch.setattr(redact, "known_texts", frozenset())
    redact.remember(HEAD)
    assert HEAD not in scrubber.text(f"head {HEAD}") and HEAD not in str(scrubber.document({"head": HEAD}))


def test_nesting_without_end_is_cut(scrubber: Scrubber) -> None:
    value: object = "x"
    for _ in range(100):
        value = [value]
    assert "****" in str(scrubber.document(value))
