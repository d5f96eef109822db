"""`mm config` as a person and as a program use it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mmfold.adapters.cli.config_command import command
from mmfold.config.errors import ConfigError
from mmfold.config.load import profile_names

SUBCOMMANDS = ("show", "describe", "init", "check")


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def lines_of(result: Result) -> list[list[str]]:
    assert result.exit_code == 0, result.output
    return [line.split() for line in result.stdout.splitlines()]


def test_show_says_value_unit_and_where_from(tmp_path: Path) -> None:
    path = tmp_path / "mm.yaml"
    path.write_text("strategy:\n  skew_coeff: 0.4\n")
    options = ("--config", path, "--profile", "canary", "--set", "per_symbol.ethusdt.grid.qty=0.01")
    lines = lines_of(run("show", *options))
    assert ["strategy.skew_coeff", "0.4", "-", "mm.yaml", "line", "2"] in lines
    assert ["maker.post_only_offset_bps", "2", "bps", "canary.yaml", "line", "5"] in lines
    assert ["risk.max_position_base", "null", "base", "units", "default"] in lines
    assert [
        "per_symbol.ETHUSDT.grid.qty",
        "0.01",
        "base",
        "units",
        "--set",
        "per_symbol.ethusdt.grid.qty=0.01",
    ] in lines


def test_show_json_is_a_configuration_again(tmp_path: Path) -> None:
    first = run("show", "--json", "--profile", "grid", "--set", "strategy.skew_coeff=0.123456789")
    document = json.loads(first.stdout)
    assert document["config"]["strategy"]["skew_coeff"] == 0.123456789
    assert document["origins"]["strategy.name"] == "grid.yaml line 4"
    path = tmp_path / "shown.yaml"
    path.write_text(json.dumps(document["config"]))
    assert json.loads(run("show", "--json", "--config", path).stdout)["config"] == document["config"]


def test_warnings_go_to_stderr(tmp_path: Path) -> None:
    path = tmp_path / "old.yaml"
    path.write_text("allocator:\n  smoothing:\n    bias_cap: 0.3\n")
    warning = "old.yaml line 3: allocator.smoothing.bias_cap is now allocator.smoothing.bias_cap_ratio"
    for arguments in (("show", "--json", "--config", path), ("check", path, "--json")):
        result = run(*arguments)
        assert result.stderr == f"warning: {warning}\n"
        assert json.loads(result.stdout)["warnings"] == [warning]


def test_describe_one_key() -> None:
    assert run("describe", "strategy.skew_coeff").stdout.splitlines() == [
        "strategy.skew_coeff",
        "  meaning      shift of quotes per unit of inventory over equity",
        "  unit         -",
        "  range        [0, 1]",
        "  default      0.3",
        "  at run time  may change",
    ]


def test_describe_many_keys() -> None:
    keys = {line[0] for line in lines_of(run("describe", "maker")) if line}
    assert keys >= {"maker.maker_only", "maker.post_only_offset_bps", "maker.post_only_mode", "maker.min_qty_pad"}
    settings = json.loads(run("describe", "--json").stdout)["settings"]
    one = next(one for one in settings if one["key"] == "strategy.k_vola_spread")
    assert one == {
        "default": 0.95,
        "key": "strategy.k_vola_spread",
        "meaning": "spread per unit of volatility",
        "range": "(0, 2]",
        "runtime_mutable": True,
        "unit": "-",
    }


def test_init_then_check(tmp_path: Path) -> None:
    path = tmp_path / "mm.yaml"
    assert run("init", path).stdout == f"wrote {path}\nnext  mm config check {path}\n"
    assert run("check", path).stdout == f"{path}: ok, 10 keys set, own settings for no symbol\n"
    assert json.loads(run("check", path, "--json").stdout) == {"keys": 10, "ok": True, "symbols": [], "warnings": []}
    assert [one.name for one in tmp_path.iterdir()] == ["mm.yaml"]


def test_init_does_not_replace_without_force(tmp_path: Path) -> None:
    path = tmp_path / "mm.yaml"
    path.write_text("mode: sent\n")
    refused = run("init", path)
    assert isinstance(refused.exception, ConfigError)
    assert "exists already; --force replaces it" in str(refused.exception)
    assert path.read_text() == "mode: sent\n"
    assert json.loads(run("init", path, "--force", "--json").stdout) == {"path": str(path)}
    assert path.read_text().startswith("# mm configuration")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "--set", "strategy.skew_coeff=7"), "E_CFG_RANGE: strategy.skew_coeff: 7 is out of range [0, 1]"),
        (("show", "--profile", "cannary"), "E_CFG_KEY: unknown profile 'cannary', did you mean canary?"),
        (("describe", "strategy.skw"), "E_CFG_KEY: strategy.skw: unknown key, did you mean strategy.skew_coeff?"),
        (("check", "absent.yaml"), "E_CFG_FILE: absent.yaml: No such file or directory"),
    ],
)
def test_a_mistake_is_one_typed_line(arguments: tuple[str, ...], message: str) -> None:
    result = run(*arguments)
    assert isinstance(result.exception, ConfigError)  # main() makes it exit 1
    assert str(result.exception).startswith(message)
    assert result.stdout == ""


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_help_has_an_example_and_every_subcommand_speaks_json(name: str) -> None:
    text = run(name, "--help").stdout
    assert f"Example: mm config {name}" in text
    assert "--json" in text
    assert set(command.commands) == set(SUBCOMMANDS)


def test_help_names_every_profile() -> None:
    for name in ("show", "check"):
        assert f"{', '.join(profile_names())}." in run(name, "--help").stdout
