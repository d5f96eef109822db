"""Migrating a text: only names and moved lines change, the meaning never does."""

import re
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfold.config.aliases import ALIASES, AliasTable, Domain
from mmfold.config.document import parse_document
from mmfold.config.errors import ConfigError
from mmfold.config.load import load_config
from mmfold.config.migrate import migrate_text
from mmfold.config.renames import rename_keys
from tests.config.test_renames import NAMES, ROWS, row

EDITS = [
    # before | after
    ("mode: sent  # a\n", "mode: sent  # a\n"),
    ("", ""),
    ("strategy: {pause_s: 0.5, name: grid}", "strategy: {guard_pause_ms: 500, name: grid}"),
    ('{"strategy":{"pause_s":0.5}}', '{"strategy":{"guard_pause_ms":500}}'),
    ("strategy:\r\n  'pause_s' :  '0.5' # s\r\n", "strategy:\r\n  'guard_pause_ms' :  500 # s\r\n"),
    ("strategy:\n  ? pause_s\n  : 1\n", "strategy:\n  ? guard_pause_ms\n  : 1000\n"),
    ("strategy:\n  pause_s: soon\n", "strategy:\n  guard_pause_ms: soon\n"),
    ("orders:  # few\n  a: 1\n", "limits:  # few\n  a: 1\n"),
    ("orders:\n  pause_ms: 1\n", "limits:\n  backoff_on_reject_ms: 1\n"),
    # A move takes its comments along, makes the section, and takes the empty one away.
    (
        "strategy:\n  # old\n  stale_s: 2  # s\n  # own\n  name: grid\nmode: sent",
        "strategy:\n  # own\n  name: grid\nmode: sent\nmarket_data:\n  # old\n  stale_ms: 2000  # s\n",
    ),
    (
        "strategy:  # how\n    stale_s: 2\n\n# next\nmarket_data:\n    x: 1  # end\n# tail\n",
        "# how\n\n# next\nmarket_data:\n    x: 1  # end\n    stale_ms: 2000\n# tail\n",
    ),
    ("inventory:\n  usd:\n    max: 5\n", "risk:\n  max_inv_usd_per_symbol: 5\n"),
    ("market_data:  # empty\nstrategy:\n  stale_s: 2\n", "market_data:  # empty\n  stale_ms: 2000\n"),
    ("target: 5\nstrategy:\n    name: grid\n", "strategy:\n    name: grid\n    target_usd: 5\n"),
    ("orders:\n  b: 2\n  c:\n  - 1\n  - 2\nlimits:\n  a: 1\n", "limits:\n  a: 1\n  b: 2\n  c:\n  - 1\n  - 2\n"),
    (
        "per_symbol:\n  X:\n    strategy:\n      stale_s: 2\n  Y:\n    target: 1\n",
        "per_symbol:\n  X:\n    market_data:\n      stale_ms: 2000\n  Y:\n    strategy:\n      target_usd: 1\n",
    ),
    ("strategy:\r\n  stale_s: 2\r\n", "market_data:\r\n  stale_ms: 2000\r\n"),
]


@pytest.mark.parametrize(("before", "after"), EDITS)
def test_edits(before: str, after: str) -> None:
    edited, found = migrate_text(before, "mm.yaml", NAMES)
    assert edited == after
    assert migrate_text(edited, "mm.yaml", NAMES) == (edited, ())
    assert bool(found) == (before != after)


BY_HAND = [
    # the text | why, and the line
    ("mode: sent\nstrategy: {stale_s: 2}\n", "it shares its line with other keys (mm.yaml line 2)"),
    ("strategy:\n  ? stale_s\n  : 2\n", "it shares its line with other keys (mm.yaml line 2)"),
    ("strategy:\n  stale_s: 2\nmarket_data: {x: 1}\n", "market_data is in braces (mm.yaml line 2)"),
    ("strategy:\n  stale_s: 2\nmarket_data: {}\n", "market_data holds no lines that it could stand below"),
    ("strategy:\n  stale_s: 2\nmarket_data: null\n", "market_data holds no lines that it could stand below"),
    ("strategy: &x\n  stale_s: 2\n", "strategy would be empty, and its line holds more than its name"),
    ("{target: 2}\n", "it shares its line with other keys (mm.yaml line 1)"),
    ("strategy:\n  pause_s: 1e-60\n", "the lines around it would change their meaning (mm.yaml line 2)"),
    ("target: |+\n  a\n\nmode: sent\nstrategy:\n  name: grid\n", "the lines around it would change their meaning"),
]


@pytest.mark.parametrize(("text", "why"), BY_HAND)
def test_what_cannot_be_edited_cleanly_is_named_with_its_line(text: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        migrate_text(text, "mm.yaml", NAMES)
    assert str(caught.value).startswith("E_CFG_FILE: ") and why in str(caught.value)
    assert caught.value.hint == "edit that line by hand; nothing was written"


@pytest.mark.parametrize("text", ["target: 1\ntarget_usd: 2\n", "a: [", "target: *x\n"])
def test_a_text_that_cannot_be_read_is_not_edited(text: str) -> None:
    with pytest.raises(ConfigError):
        migrate_text(text, "mm.yaml", NAMES)


def test_dropped_names_are_migrated_too() -> None:
    assert migrate_text("target: 1\n", "x", AliasTable(ROWS, "9.0.0"))[0] == "strategy:\n  target_usd: 1\n"


# The law: whatever a file is, its configuration is the same afterwards, without a warning.

OLD_VALUES: dict[tuple[str, ...], list[str]] = {
    ("strategy", "pause_s"): ["0.5", "0.125", "'0.3'", "1"],
    ("strategy", "stale_s"): ["2", "0.75"],
    ("inventory", "usd", "max"): ["300", "12.5"],
    ("orders", "pause_ms"): ["7"],
    ("orders", "max_active_per_side"): ["2"],
    ("target",): ["120", "99.5"],
}
NEW_VALUES: dict[tuple[str, ...], list[str]] = {
    ("mode",): ["shadow", "sent"],
    ("strategy", "skew_coeff"): ["0.4"],
    ("strategy", "name"): ["grid", '"ladder"'],
    ("market_data",): [""],
    ("risk", "max_position_base"): ["null", "3"],
    ("limits", "max_active_orders_per_symbol"): ["12"],
    ("maker", "min_qty_pad"): ["1.5"],
}
VALUES = OLD_VALUES | NEW_VALUES


@st.composite
def settings_text(draw: st.DrawFn, column: int) -> str:
    """Return block YAML of a few settings, old and new ones, with comments and blank lines."""
    paths = draw(st.lists(st.sampled_from(sorted(VALUES)), unique=True, min_size=1, max_size=8))
    tree: dict[str, Any] = {}
    for path in paths:
        place = tree
        for part in path[:-1]:
            place = place.setdefault(part, {})
        place[path[-1]] = draw(st.sampled_from(VALUES[path]))
    return draw_block(draw, tree, column)


def draw_block(draw: st.DrawFn, tree: dict[str, Any], column: int) -> str:
    """Return one section's lines."""
    step, lines = draw(st.sampled_from([1, 2, 4])), []
    for key, value in tree.items():
        note = draw(st.sampled_from(["", "", f"  # on {key}"]))
        lines += draw(st.sampled_from([[], [], [""], [f"{' ' * column}# above {key}"], ["# far left"]]))
        if isinstance(value, dict):
            lines.append(f"{' ' * column}{key}:{note}\n{draw_block(draw, value, column + step)}")
        else:
            quote = draw(st.sampled_from(["", "", "'", '"']))
            lines.append(f"{' ' * column}{quote}{key}{quote}: {value}{note}")
    return "\n".join(lines)


@st.composite
def file_text(draw: st.DrawFn) -> str:
    """Return a file of common settings, of one symbol's, or of both."""
    own = f"per_symbol:\n  BTCUSDT:\n{draw(settings_text(4))}"
    text = draw(st.sampled_from([own, ""]))
    common = draw(settings_text(0))
    text = draw(st.sampled_from([f"{common}\n{text}", f"{text}\n{common}", common]))
    return draw(st.sampled_from([text, f"{text}\n", text.replace("\n", "\r\n")]))


@given(file_text())
def test_a_migrated_file_is_the_same_configuration(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mm.yaml"
        path.write_bytes(text.encode())
        before = load_config(path, names=NAMES)
        edited, found = migrate_text(text, "mm.yaml", NAMES)
        path.write_bytes(edited.encode())
        after = load_config(path, names=NAMES)
    assert (after.warnings, len(before.warnings)) == ((), len(found))
    assert (after.model_dump(), after.symbol_settings) == (before.model_dump(), before.symbol_settings)
    comments = r"#[^\r\n]*"
    assert sorted(re.findall(comments, edited)) == sorted(re.findall(comments, text))
    assert migrate_text(edited, "mm.yaml", NAMES) == (edited, ())


@pytest.mark.parametrize("one", ALIASES.of(Domain.CONFIG), ids=lambda one: one.old)
@pytest.mark.parametrize("release", ["0.1.0", "99.0.0"])
def test_every_rename_so_far_migrates(one: Any, release: str) -> None:
    parts = one.old.split(".")
    text = "".join(f"{'  ' * depth}{part}:\n" for depth, part in enumerate(parts)).rstrip() + " 0.5  # mine\n"
    names = AliasTable(ALIASES.rows, release)
    edited, found = migrate_text(text, "x", names)
    assert [each.row for each in found] == [one]
    assert edited.endswith("# mine\n")
    assert rename_keys(parse_document(edited, "x"), names)[1] == ()


def test_a_key_may_move_below_its_own_name() -> None:
    names = AliasTable((row("a.x", "a.b.x"), row("c", "d.c", factor=Fraction(10))), "0.2.0")
    assert migrate_text("a:\n  x: 1\n", "x", names)[0] == "a:\n  b:\n    x: 1\n"
    assert migrate_text("c: 1.5\n", "x", names)[0] == "d:\n  c: 15\n"
