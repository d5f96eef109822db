"""YAML text to plain values: which scalar is which, where each key stood, and what is refused."""

import re
from decimal import Decimal
from pathlib import Path

import pytest

from mmfold.config.document import CONFIG_BYTES_MAX, Document, merge, parse_document, read_document
from mmfold.config.errors import ConfigError


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("7", 7),
        ("-7", -7),
        ("0.3", Decimal("0.3")),
        (".5", Decimal("0.5")),
        ("1e3", Decimal("1000")),
        ("0.1234567890123456", Decimal("0.1234567890123456")),
        ("true", True),
        ("null", None),
        ("", None),
        ("'7'", "7"),
        # Text here, numbers, booleans or dates in YAML 1.1.
        ("on", "on"),
        ("no", "no"),
        ("12:30", "12:30"),
        ("1_000", "1_000"),
        (".nan", ".nan"),
        ("0x10", "0x10"),
        ("2024-08-08", "2024-08-08"),
        ("1e999999999", "1e999999999"),
    ],
)
def test_scalars(scalar: str, value: object) -> None:
    parsed = parse_document(f"key: {scalar}", "x.yaml").values["key"]
    assert (parsed, type(parsed)) == (value, type(value))


def test_keys_stay_text_and_remember_their_line() -> None:
    document = parse_document("# note\non:\n  1: {a: 2}\n", "x.yaml")
    assert document.values == {"on": {"1": {"a": 2}}}
    assert document.origin(("on", "1", "a")) == "x.yaml line 3"
    assert document.origin(("on", "absent")) == "x.yaml line 2"
    assert document.origin(("absent",)) == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2", "E_CFG_KEY: a: set twice (x.yaml line 2)"),
        ("s:\n  a: 1\n  b: 1\n  a: 2", "E_CFG_KEY: s.a: set twice (x.yaml line 4)"),
        ("- 1", "E_CFG_TYPE: expected `key: value` lines (x.yaml line 1)"),
        ("5", "E_CFG_TYPE: expected `key: value` lines (x.yaml line 1)"),
        ("[1, 2]: 3", "E_CFG_KEY: a key must be one word (x.yaml line 1)"),
        ("a: 1\nb: [", "E_CFG_FILE: not YAML: expected the node content, but found '<stream end>' (x.yaml line 2)"),
        ("a: &x 1\nb: *x", "E_CFG_FILE: not YAML: aliases are not supported (x.yaml line 2)"),
        (
            "a: !!python/name:os.open ''",
            "E_CFG_TYPE: a: tag tag:yaml.org,2002:python/name:os.open is not supported",
        ),
        ("a: 1\n---\nb: 1", "E_CFG_FILE: not YAML: but found another document (x.yaml line 2)"),
        ("a: \x00", "E_CFG_FILE: not YAML: "),
        ("[" * 5000, "E_CFG_FILE: nested too deeply (x.yaml)"),
    ],
)
def test_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match="^" + re.escape(message)) as caught:
        parse_document(text, "x.yaml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "# nothing but a comment\n", "---\n"])
def test_an_empty_file_sets_nothing(text: str) -> None:
    assert parse_document(text, "x.yaml").values == {}


def test_unreadable_files(tmp_path: Path) -> None:
    (tmp_path / "big.yaml").write_bytes(b"#" * (CONFIG_BYTES_MAX + 1))
    (tmp_path / "bytes.yaml").write_bytes(b"a: \xff")
    for path, message in [
        (tmp_path / "absent.yaml", "No such file or directory"),
        (tmp_path, "Is a directory"),
        (tmp_path / "big.yaml", "larger than 1,048,576 bytes"),
        (tmp_path / "bytes.yaml", "byte 3 is not UTF-8"),
    ]:
        with pytest.raises(ConfigError, match="E_CFG_FILE: ") as caught:
            read_document(path)
        assert message in str(caught.value)


def test_a_byte_order_mark_is_not_part_of_the_first_key(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"\xef\xbb\xbfa: 1\r\n")
    assert read_document(tmp_path / "x.yaml").values == {"a": 1}


@pytest.mark.parametrize(
    ("below", "above", "merged"),
    [
        ({"s": {"a": 1, "b": 2}}, {"s": {"b": 3}}, {"s": {"a": 1, "b": 3}}),
        ({"s": {"a": 1}}, {"s": None}, {"s": {"a": 1}}),  # a section with every line commented out
        ({"a": 1}, {"a": None}, {"a": None}),
        ({"s": {"a": 1}}, {"s": 5}, {"s": 5}),
        ({"a": 5}, {"a": {"b": 1}}, {"a": {"b": 1}}),
    ],
)
def test_merge(below: dict, above: dict, merged: dict) -> None:
    assert merge(Document(below), Document(above)).values == merged
