"""Names that would move a terminal's cursor: refused by the manifest, spelled out wherever a text is shown."""

import json
from typing import Any

import pytest

from mmfold.adapters.cli.errors import is_user_error, print_error
from mmfold.adapters.cli.output import print_table, print_warnings
from mmfold.engine.manifest import ManifestError, parse_manifest
from mmfold.engine.printable import printable
from mmfold.reports.page import markdown_row, markdown_text

SOUND = {
    "schema_version": 1,
    "code_version": "0.1.0",
    "run_id": "r",
    "parent_run": "",
    "seed": 0,
    "source": "s",
    "witnessed": False,
    "extra": {},
    "instruments": [{"symbol": "BTCUSDT", "tick_size": "0.1", "lot_size": "0.001"}],
}
ODD = ["\x1b[31m", "\x1b]0;title\x07", "a\nb", "a\rb", "a\tb", "\x00", "\x7f", "\x9b31m", "a\u202eb", "\u200b"]


def changed(place: str, value: Any) -> bytes:
    document = json.loads(json.dumps(SOUND))
    if place == "symbol":
        document["instruments"][0]["symbol"] = value
    else:
        document[place] = value
    return json.dumps(document).encode()


@pytest.mark.parametrize("text", ODD)
@pytest.mark.parametrize("place", ["symbol", "run_id", "parent_run", "source", "code_version", "layout"])
def test_the_manifest_refuses_control_characters(place: str, text: str) -> None:
    with pytest.raises(ManifestError) as told:
        parse_manifest(changed(place, f"x{text}y"))
    assert str(told.value).isprintable() and place in str(told.value) and is_user_error(told.value)


EXTRAS = [{"k\n": "v"}, {"k": "\x1b"}, {"k": 5}, [1], {"k": "x" * 100_000}]


@pytest.mark.parametrize("extra", EXTRAS)
def test_so_does_it_in_extra(extra: Any) -> None:
    with pytest.raises(ManifestError, match="extra") as told:
        parse_manifest(changed("extra", extra))
    assert str(told.value).isprintable() and len(str(told.value)) < 200


@pytest.mark.parametrize(("place", "value"), [("run_id", 5), ("symbol", 5), ("symbol", None), ("parent_run", ["x"])])
def test_what_is_no_text_is_refused_as_such(place: str, value: Any) -> None:
    with pytest.raises(ManifestError, match=place):
        parse_manifest(changed(place, value))


@pytest.mark.parametrize("text", ["r", "live-2026-11-20", "a b+c d", "Lauf für Ölpreise", "x" * 60_000, ""])
def test_what_can_be_shown_is_taken(text: str) -> None:
    assert parse_manifest(changed("run_id", text)).run_id == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [("plain", "plain"), ("für", "für"), ("\x1b[31mx", "\\x1b[31mx"), ("a\nb", "a\\nb"), ("\u202e", "\\u202e")],
)
def test_the_rest_is_spelled(text: str, shown: str) -> None:
    assert printable(text) == shown and printable(shown) == shown


def test_nothing_that_is_printed_moves_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    odd = "".join(ODD)
    print_error(odd, odd)
    print_warnings([odd])
    print_table(("what", "value"), [(odd, "1")])
    found = capsys.readouterr()
    assert all(line.isprintable() for line in (found.out + found.err).splitlines())
    assert "\\x1b[31m" in found.out and found.err.count("\\x1b[31m") == 3


def test_markdown_shows_a_name_as_it_is() -> None:
    assert markdown_row(["A|B`<b>", "ü\x1b"]) == "| A\\|B\\`\\<b\\> | \\xfc\\x1b |"
    assert markdown_text("BTCUSD_PERP at 0.5") == "BTCUSD_PERP at 0.5"
