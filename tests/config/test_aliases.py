"""The table of renames: what a row may be, how releases compare, and every domain but the configuration's."""

import re
import tomllib
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from mmfold.config.aliases import ALIASES, Alias, AliasTable, Domain, parse_release
from mmfold.config.errors import ConfigError
from mmfold.config.load import key_names, load_config, profile_names
from mmfold.config.models import Layers

REPO = Path(__file__).resolve().parents[2]


def row(domain: Domain, old: str, new: str, **fields: Any) -> Alias:
    return Alias(**{"domain": domain, "old": old, "new": new, "since": "0.2.0", "dropped": "0.4.0", **fields})


def test_the_table_is_seen_by_the_release_that_runs() -> None:
    assert ALIASES.release == tomllib.loads((REPO / "pyproject.toml").read_text())["project"]["version"]


def test_every_new_key_exists_and_no_old_one_does() -> None:
    keys = set(key_names(Layers))
    for one in ALIASES.of(Domain.CONFIG):
        assert one.new in keys and one.old not in keys


@pytest.mark.parametrize("name", [None, *profile_names()])
def test_what_is_bundled_uses_no_old_key(name: str | None) -> None:
    assert load_config(None, name).warnings == ()


@pytest.mark.parametrize(
    ("older", "newer"), [("0.1.0", "0.1.1"), ("0.9.0", "0.10.0"), ("0.99.99", "1.0.0"), ("2.0.0", "10.0.0")]
)
def test_releases_compare_as_numbers(older: str, newer: str) -> None:
    assert parse_release(older) < parse_release(newer)


@pytest.mark.parametrize("text", ["0.1", "0.1.0rc1", "v0.1.0", "0.01.0", "0.1.0\n", ""])
def test_what_is_no_release(text: str) -> None:
    with pytest.raises(AssertionError, match="is no release"):
        parse_release(text)


@pytest.mark.parametrize(("release", "dropped"), [("0.3.9", False), ("0.4.0", True), ("0.10.0", True)])
def test_an_old_name_lives_until_its_release(release: str, dropped: bool) -> None:
    one = row(Domain.METRIC, "a", "b")
    names = AliasTable((one,), release)
    assert names.is_dropped(one) is dropped
    assert (list(names.kept(Domain.METRIC)) == []) is dropped
    assert names.of(Domain.METRIC) == (one,)


BAD_ROWS = [
    # rows
    [row(Domain.CONFIG, "a", "b"), row(Domain.CONFIG, "a", "c")],
    [row(Domain.CONFIG, "a", "b"), row(Domain.CONFIG, "b", "c")],
    [row(Domain.METRIC, "a", "b"), row(Domain.METRIC, "b", "a")],
]
BAD_FIELDS: list[dict[str, Any]] = [
    {"new": "a"},
    {"dropped": "0.2.0"},
    {"factor": Fraction(1, 3)},
    {"factor": Fraction(-1)},
    {"factor": Fraction(10), "domain": Domain.METRIC},
    {"document": "/status"},
    {"domain": Domain.JSON},
]


@pytest.mark.parametrize("rows", BAD_ROWS)
def test_rows_that_contradict_each_other(rows: list[Alias]) -> None:
    with pytest.raises(AssertionError):
        AliasTable(tuple(rows), "0.2.0")


@pytest.mark.parametrize("fields", BAD_FIELDS)
def test_a_row_that_means_nothing(fields: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        row(**{"domain": Domain.CONFIG, "old": "a", "new": "b", **fields})


@pytest.mark.parametrize(
    ("factor", "old", "new"),
    [
        (Fraction(1000), Decimal("1.5"), 1500),
        (Fraction(1000), 2, 2000),
        (Fraction(1000), "0.25", 250),
        (Fraction(1000), "-1.5", -1500),
        (Fraction(1, 10_000), 200, Decimal("0.02")),
        (Fraction(1, 10_000), Decimal("123456789012345"), Decimal("12345678901.2345")),
        (Fraction(1), "7", "7"),
        (Fraction(1000), True, True),
        (Fraction(1000), None, None),
        (Fraction(1000), "soon", "soon"),
        (Fraction(1000), "9" * 5000, "9" * 5000),
        (Fraction(1, 10_000), Decimal("1e-99"), Decimal("1e-103")),
    ],
)
def test_values_are_converted_exactly(factor: Fraction, old: Any, new: Any) -> None:
    found = row(Domain.CONFIG, "a", "b", factor=factor).convert(old)
    assert found == new and type(found) is type(new)


@pytest.mark.parametrize(
    ("factor", "text"),
    [(Fraction(1), ""), (Fraction(1000), ", times 1,000"), (Fraction(1, 10_000), ", divided by 10,000")],
)
def test_a_rename_is_told_with_its_release(factor: Fraction, text: str) -> None:
    assert row(Domain.CONFIG, "a", "b", factor=factor).told("x.a", "x.b") == (
        f"x.a is now x.b{text}; 0.4.0 drops the old name"
    )


# JSON

JSON_ROWS = (
    row(Domain.JSON, "latency.p50", "p50_ms", document="mm x"),
    row(Domain.JSON, "fees", "money.fees", document="mm x"),
    row(Domain.JSON, "gone", "p50_ms", document="mm y"),
)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"p50_ms": 3}, {"p50_ms": 3, "latency": {"p50": 3}}),
        ({"p50_ms": None, "latency": {"p99": 4}}, {"p50_ms": None, "latency": {"p99": 4, "p50": None}}),
        ({"money": {"fees": "1.5"}}, {"money": {"fees": "1.5"}, "fees": "1.5"}),
        ({"money": None}, {"money": None}),
        ({}, {}),
    ],
)
def test_a_json_document_has_its_old_keys_beside_the_new(document: dict[str, Any], expected: dict[str, Any]) -> None:
    before = repr(document)
    assert AliasTable(JSON_ROWS, "0.2.0").with_old_keys("mm x", document) == expected
    assert repr(document) == before
    assert AliasTable(JSON_ROWS, "0.4.0").with_old_keys("mm x", document) == document
    assert AliasTable(JSON_ROWS, "0.2.0").with_old_keys("mm z", document) == document


def test_an_old_json_key_must_not_be_in_use() -> None:
    with pytest.raises(AssertionError, match="fees is in use"):
        AliasTable(JSON_ROWS, "0.2.0").with_old_keys("mm x", {"money": {"fees": 1}, "fees": 2})


# Environment

ENV_ROWS = (row(Domain.ENV, "OLD", "NEW"), row(Domain.ENV, "OLDER", "NEW", dropped="0.3.0"))
WARNING = "OLD is now NEW; 0.4.0 drops the old name"


@pytest.mark.parametrize(
    ("release", "environ", "expected"),
    [
        ("0.2.0", {}, ("", "")),
        ("0.2.0", {"NEW": "a"}, ("a", "")),
        ("0.2.0", {"OLD": "a"}, ("a", WARNING)),
        ("0.2.0", {"OLD": "a", "NEW": ""}, ("a", WARNING)),
        ("0.2.0", {"OLD": "", "NEW": "a"}, ("a", "")),
        ("0.2.0", {"OLD": "a", "NEW": "a"}, ("a", WARNING)),
        ("0.2.0", {"OLD": "a", "NEW": "b"}, "E_CFG_KEY: NEW and OLD, its old name, are both set and differ"),
        ("0.3.0", {"OLDER": "a"}, "E_CFG_KEY: OLDER was dropped in 0.3.0, it is now NEW"),
        ("0.4.0", {"OLD": "a", "NEW": "b"}, ("b", "")),
    ],
)
def test_a_variable_by_its_old_name(release: str, environ: dict[str, str], expected: tuple[str, str] | str) -> None:
    names = AliasTable(ENV_ROWS, release)
    if isinstance(expected, tuple):
        assert names.variable("NEW", environ) == expected
    else:
        with pytest.raises(ConfigError, match=f"^{re.escape(expected)}$"):
            names.variable("NEW", environ)
    assert names.variable("OTHER", environ) == ("", "")


# Docs


def test_the_page_has_every_row() -> None:
    page = (REPO / "docs" / "configuration.md").read_text(encoding="utf-8").split("## Renamed", 1)[1]
    lines = [line for line in page.split("\n## ", 1)[0].splitlines() if line.startswith("|")]
    cells = [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]
    assert cells[2:] == [
        [one.document or one.domain, one.old, one.new, one.conversion or "-", one.since, one.dropped]
        for one in ALIASES.rows
    ]
