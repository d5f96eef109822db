"""`mm config` as a person and as a program use it."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mmfold.adapters.cli import backtest_command, live_command, replay_command
from mmfold.adapters.cli.config_command import command
from mmfold.adapters.cli.config_files import read_file, write_file
from mmfold.config.errors import ConfigError
from mmfold.config.load import profile_names
from mmfold.journal.errors import OutputRefused

SUBCOMMANDS = ("show", "describe", "init", "check", "migrate")
OLD = "allocator:  # lean\n  smoothing:\n    bias_cap: 0.3  # a third\n"
NEW = OLD.replace("bias_cap", "bias_cap_ratio")


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
        "per_symbol.ethusdt.grid.qty=0.01;",
        *["not", "used", "by", "strategy", "ladder"],
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
    path.write_text(OLD)
    warning = (
        "old.yaml line 3: allocator.smoothing.bias_cap is now allocator.smoothing.bias_cap_ratio;"
        " 1.0.0 drops the old name"
    )
    unused = "allocator.smoothing.bias_cap_ratio (old.yaml line 3) is not used by anything in this build"
    for arguments in (("show", "--json", "--config", path), ("check", path, "--json")):
        result = run(*arguments)
        assert result.stderr == f"warning: {warning}\nwarning: {unused}\n"
        assert json.loads(result.stdout)["warnings"] == [warning, unused]


def test_show_marks_what_nothing_uses() -> None:
    marked = {" ".join(line) for line in lines_of(run("show", "--set", "grid.step_ms=50")) if "used" in line}
    assert "grid.step_ms 50 ms --set grid.step_ms=50; not used by strategy ladder" in marked
    assert "grid.qty 0.002 base units default; not used by strategy ladder" in marked
    assert "allocator.smoothing.bias_cap_ratio 0.1 ratio default; not used by anything in this build" in marked
    assert not any(line.startswith(("strategy.", "risk.")) for line in marked)
    document = json.loads(run("show", "--json", "--profile", "grid").stdout)
    assert document["unused"]["strategy.levels_per_side"] == "strategy grid" and "grid.qty" not in document["unused"]


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
    found = json.loads(run("check", path, "--json").stdout)
    assert [found.pop("files")[0]["path"], found] == [
        str(path),
        {"keys": 10, "ok": True, "symbols": [], "warnings": []},
    ]
    assert [one.name for one in tmp_path.iterdir()] == ["mm.yaml"]


def test_init_does_not_replace_without_force(tmp_path: Path) -> None:
    path = tmp_path / "mm.yaml"
    path.write_text("mode: sent\n")
    refused = run("init", path)
    assert isinstance(refused.exception, OutputRefused)
    assert "exists already" in str(refused.exception) and "--force replaces it" in refused.exception.hint
    assert path.read_text() == "mode: sent\n"
    assert json.loads(run("init", path, "--force", "--json").stdout) == {"path": str(path)}
    assert path.read_text().startswith("# mm configuration")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "--set", "strategy.skew_coeff=7"), "E_CFG_RANGE: strategy.skew_coeff: 7 is out of range [0, 1]"),
        (("show", "--profile", "cannary"), "E_CFG_KEY: unknown profile 'cannary', did you mean canary?"),
        (("describe", "allocator.smoothing.bias_cap"), "E_CFG_KEY: allocator.smoothing.bias_cap is now allocator."),
        (("describe", "strategy.skw"), "E_CFG_KEY: strategy.skw: unknown key, did you mean strategy.skew_coeff?"),
        (("migrate", "absent.yaml"), "E_CFG_FILE: absent.yaml: No such file or directory"),
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


# check


def lay(folder: Path, **texts: str) -> dict[str, Path]:
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text)
    return {name: folder / f"{name}.yaml" for name in texts}


CHECKS = [
    # texts by name | options | exit code
    ({"a": "mode: sent\n"}, (), 0),
    ({"a": "mode: sent\n"}, ("--strict",), 0),
    ({"a": OLD}, (), 0),
    ({"a": OLD}, ("--strict",), 2),
    ({"a": NEW, "b": OLD}, ("--strict",), 2),
    ({"a": "mode: off\n"}, (), 1),
    ({"a": OLD, "b": "mode: off\n"}, ("--strict",), 1),
    ({"a": "mode: off\n", "b": "moed: sent\n"}, (), 1),
    ({"a": OLD + "mode: off\n"}, (), 1),
]


@pytest.mark.parametrize(("texts", "options", "code"), CHECKS)
def test_check_exits_by_the_worst_file(
    tmp_path: Path, texts: dict[str, str], options: tuple[str, ...], code: int
) -> None:
    paths = lay(tmp_path, **texts)
    told = run("check", *paths.values(), *options)
    assert told.exit_code == code
    found = json.loads(run("check", *paths.values(), *options, "--json").stdout)
    for one, (name, text) in zip(found["files"], texts.items(), strict=True):
        assert one["path"] == str(paths[name])
        assert [row["old"] for row in one["renamed"]] == ["allocator.smoothing.bias_cap"] * ("bias_cap:" in text)
        assert bool(one["error"]) == ("off" in text or "moed" in text)
        assert (f"{paths[name]}: ok, " in told.stdout) == (not one["error"])
        assert (f"{name}.yaml line 3: allocator.smoothing.bias_cap is now " in told.stderr) == ("bias_cap:" in text)
    assert found["ok"] == (code != 1)
    assert told.stderr.count("error: ") == sum(bool(one["error"]) for one in found["files"])


def test_check_names_a_renamed_key_for_programs(tmp_path: Path) -> None:
    path = lay(tmp_path, a=OLD)["a"]
    assert json.loads(run("check", path, "--json").stdout)["files"][0]["renamed"] == [
        {
            "conversion": "",
            "dropped": "1.0.0",
            "new": "allocator.smoothing.bias_cap_ratio",
            "old": "allocator.smoothing.bias_cap",
            "since": "0.1.0",
            "where": "a.yaml line 3",
        }
    ]


def test_check_looks_at_the_file_that_init_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("check").stderr == "error: E_CFG_FILE: mm.yaml: No such file or directory\n"
    run("init")
    assert run("check", "--strict").stdout == "mm.yaml: ok, 10 keys set, own settings for no symbol\n"


# migrate


def test_migrate_shows_first_and_writes_when_asked(tmp_path: Path) -> None:
    path = lay(tmp_path, a=OLD)["a"]
    path.chmod(0o640)
    diff = f"--- {path}\n+++ {path}\n@@ -1,3 +1,3 @@\n allocator:  # lean\n   smoothing:\n"
    diff += "-    bias_cap: 0.3  # a third\n+    bias_cap_ratio: 0.3  # a third\n"
    for options in ((), ("--dry-run",), ("--diff", "--in-place")):
        told = run("migrate", path, *options).stdout
        assert told == f"{diff}{path}: 1 renamed, nothing written\nnext  mm config migrate {path} --in-place\n"
        assert path.read_text() == OLD
    assert run("migrate", path, "--in-place").stdout == f"{diff}wrote {path}, 1 renamed\nnext  mm config check {path}\n"
    assert (path.read_text(), path.stat().st_mode & 0o777) == (NEW, 0o640)
    before = path.stat()
    assert run("migrate", path, "--in-place").stdout == f"{path}: no key has another name by now\n"
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert run("check", path, "--strict").exit_code == 0
    assert [one.name for one in tmp_path.iterdir()] == ["a.yaml"]


def test_migrate_out_has_the_mode_of_the_file_and_replaces_nothing_unasked(tmp_path: Path) -> None:
    path, out = lay(tmp_path, a="\ufeff" + OLD)["a"], tmp_path / "b.yaml"
    path.chmod(0o600)
    document = json.loads(run("migrate", path, "--out", out, "--json").stdout)
    assert (document["written"], len(document["renamed"])) == (str(out), 1)
    assert (out.read_text(), out.stat().st_mode & 0o777) == ("\ufeff" + NEW, 0o600)
    out.write_text("mine")
    refused = run("migrate", path, "--out", out)
    assert str(refused.exception) == f"{out}: exists already"
    assert out.read_text() == "mine"
    assert run("migrate", path, "--out", out, "--force").exit_code == 0
    assert (path.read_text(), out.read_text()) == ("\ufeff" + OLD, "\ufeff" + NEW)
    assert "which is read" in str(run("migrate", path, "--out", path, "--force").exception)
    assert run("migrate", path, "--out", out, "--in-place").exit_code == 2  # usage: main() makes it 64


def test_a_last_line_without_an_end_is_shown_as_patch_reads_it(tmp_path: Path) -> None:
    path = lay(tmp_path, a="allocator: {smoothing: {bias_cap: 0.3}}")["a"]
    lines = run("migrate", path).stdout.splitlines()[3:7]
    assert [line[:1] for line in lines] == ["-", "\\", "+", "\\"]


def test_migrate_follows_a_link_to_a_file_and_to_nothing_else(tmp_path: Path) -> None:
    path, link, pipe = lay(tmp_path, a=OLD)["a"], tmp_path / "link", tmp_path / "pipe"
    link.symlink_to(path)
    os.mkfifo(pipe)
    assert run("migrate", link, "--in-place").exit_code == 0
    assert (path.read_text(), link.is_symlink()) == (NEW, True)
    assert str(run("migrate", pipe, "--in-place").exception) == f"E_CFG_FILE: {pipe} is no regular file"
    for arguments in (("migrate", path, "--out", pipe, "--force"), ("init", "/dev/null", "--force")):
        assert "found a special file" in str(run(*arguments).exception)


def test_a_file_that_changed_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    path = lay(tmp_path, a=OLD)["a"]
    read = read_file(path)
    path.write_text(OLD + "mode: sent\n")
    with pytest.raises(ConfigError, match="changed since it was read"):
        write_file(path, NEW.encode(), read, in_place=True)
    assert path.read_text() == OLD + "mode: sent\n"
    path.unlink()
    with pytest.raises(ConfigError, match="changed since it was read"):
        write_file(path, NEW.encode(), read, in_place=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", [OLD + "    bias_cap_ratio: 0.4\n", "allocator: [\n"])
def test_what_cannot_be_migrated_stays_as_it_was(tmp_path: Path, text: str) -> None:
    path = lay(tmp_path, a=text)["a"]
    assert isinstance(run("migrate", path, "--in-place").exception, ConfigError)
    assert path.read_text() == text


# Every command that takes a configuration tells its old keys


def ask_backtest(**asked: object) -> None:
    backtest_command.read_config({"strategy": None, **asked})


def ask_replay(**asked: object) -> None:
    replay_command.replay_options({"until": None, "seq_from": None, "report": None, **asked}, Path("j"))


def ask_live(**asked: object) -> None:
    live_command.make_plan(
        {"symbols": "BTCUSDT", "mode": "shadow", "venue": "bybit", "adopt_position": False, "endpoint": None,
         "warmup_s": None, "journal": Path("j"), "keep_raw": False, "continue_from": None, "strategy": None,
         "share_account": False, **asked}
    )  # fmt: skip


@pytest.mark.parametrize("ask", [ask_backtest, ask_replay, ask_live])
def test_an_old_key_is_told_by_every_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ask: Callable[..., None]
) -> None:
    ask(config_path=lay(tmp_path, a=OLD)["a"], profile=None, overrides=())
    expected = "warning: a.yaml line 3: allocator.smoothing.bias_cap is now allocator.smoothing.bias_cap_ratio;"
    assert capsys.readouterr().err.startswith(expected)
