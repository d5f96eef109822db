"""The door of `mm`: which failure is told how, what help costs, what output looks like."""

import errno
import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import numpy as np
import pytest

from mmfold.adapters.cli import main as entry
from mmfold.adapters.cli import output
from mmfold.adapters.cli.errors import USER_ERRORS, GateFailed, message_of
from mmfold.config.aliases import Alias, AliasTable, Domain
from mmfold.config.errors import ConfigError
from mmfold.engine.manifest import ManifestError
from mmfold.journal.errors import TornTail

REPO = Path(__file__).resolve().parents[3]
MM = [sys.executable, "-m", "mmfold.adapters.cli.main"]


def mm(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MM, *words], cwd=REPO, capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )


class OursError(TornTail):
    """An error that derives from a user's error counts as one."""


FAILURES = [
    # what a command raises, exit code, stderr
    (ConfigError("E_CFG_KEY", "no key x"), 1, "error: E_CFG_KEY: no key x\n"),
    (ManifestError("no\ninstruments"), 1, "error: no instruments\n"),
    (TornTail("out/b", "ends early", seq=7, hint="mm journal recover"), 1,
     "error: out/b seq 7: ends early\n       mm journal recover\n"),
    (OursError("out/b", "ends early"), 1, "error: out/b: ends early\n"),
    (OSError(errno.ENOSPC, "No space left on device", "out/b"), 1,
     "error: out/b: No space left on device\n"
     "       free some space and run again; what was acknowledged before is kept\n"),
    (FileNotFoundError(errno.ENOENT, "No such file or directory", "x"), 1,
     "error: x: No such file or directory\n       check the path\n"),
    (OSError(errno.EXDEV, "Invalid cross-device link", "a", None, "b"), 1,
     "error: a -> b: Invalid cross-device link\n"),
    (ModuleNotFoundError("No module named 'aiohttp'", name="aiohttp"), 1,
     "error: aiohttp is not installed, the extra live brings it: pip install 'mmfold[live]'\n"),
    (click.ClickException("no such profile"), 1, "error: no such profile\n"),
    (click.UsageError("one of --a and --b"), 64, "error: one of --a and --b\n       see: mm fail --help\n"),
    (GateFailed("decision differs at seq 8\n  witnessed  PLACE"), 2, "decision differs at seq 8\n  witnessed  PLACE\n"),
    (GateFailed(""), 2, ""),
    (KeyboardInterrupt(), 130, "interrupted\n"),
    (SystemExit(3), 3, ""),
]  # fmt: skip


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch):
    """Return a function that runs `mm fail`, a command that raises what it is given."""

    def run(error: BaseException | None, result: object = None) -> int:
        @click.command()
        def command() -> object:
            if error is not None:
                raise error
            return result

        monkeypatch.setattr(entry, "FAIL", command, raising=False)
        monkeypatch.setitem(entry.COMMANDS, "fail", entry.Entry("mmfold.adapters.cli.main:FAIL", ""))
        try:
            return entry.run(["fail"])
        except SystemExit as left:
            return int(left.code or 0)

    return run


@pytest.mark.parametrize(("error", "code", "stderr"), FAILURES, ids=lambda value: type(value).__name__)
def test_failures_are_told_in_words(fail, capsys, error, code, stderr) -> None:
    assert fail(error) == code
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.lstrip("\n") == stderr  # click ends the terminal's ^C line


@pytest.mark.parametrize(
    "error",
    [AssertionError("book of 3 is crossed"), ValueError("x"), KeyError("seq"), ModuleNotFoundError("x", name="pandas"),
     ModuleNotFoundError("x", name="mmfold.engine.nothing"), ImportError("cannot import name 'x'")],
)  # fmt: skip
def test_a_bug_keeps_its_traceback_and_asks_for_the_journal(fail, capsys, error) -> None:
    assert fail(error) == 70
    told = capsys.readouterr().err
    assert "Traceback" in told and "keep the journal" in told and type(error).__name__ in told


@pytest.mark.parametrize(("result", "code"), [(None, 0), (2, 2), ("text", 0)])
def test_a_command_may_return_its_exit_code(fail, result, code) -> None:
    assert fail(None, result) == code


@pytest.mark.parametrize("name", sorted(USER_ERRORS))
def test_every_user_error_exists(name: str) -> None:
    module, _, attribute = name.rpartition(".")
    assert issubclass(getattr(import_module(module), attribute), Exception)


@pytest.mark.parametrize("name", sorted(entry.COMMANDS))
def test_every_command_exists_and_says_the_same_of_itself(name: str) -> None:
    command = entry.cli.get_command(click.Context(entry.cli), name)
    assert isinstance(command, click.Command)
    assert (command.help or "").strip().partition("\n")[0] == entry.COMMANDS[name].summary


USAGE = [
    # words, what stderr names
    (("replya",), "Did you mean 'replay'?"),
    (("--jsno",), "No such option"),
    (("completion", "tcsh"), "'tcsh' is not one of"),
    ((), "Usage: mm"),
]


@pytest.mark.parametrize(("words", "said"), USAGE)
def test_wrong_usage_exits_64(capsys, words, said) -> None:
    assert entry.run(words) == 64
    assert said in capsys.readouterr().err


def test_help_imports_no_command() -> None:
    program = (
        "import sys\nfrom mmfold.adapters.cli.main import run\nassert run(['--help']) == 0\n"
        "heavy = {'numpy', 'numba', 'rich', 'orjson', 'pydantic', 'pyarrow', 'duckdb', 'engine', 'journal'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=REPO, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(f"  {name} " in done.stdout for name in entry.COMMANDS)


def test_optimized_python_is_refused() -> None:
    done = mm("--help", PYTHONOPTIMIZE="1")
    assert done.returncode == 64 and "python -O" in done.stderr and not done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(capsys, shell: str) -> None:
    assert entry.run(["completion", shell]) == 0
    assert "_MM_COMPLETE" in capsys.readouterr().out


def test_completion_completes() -> None:
    done = mm(_MM_COMPLETE="bash_complete", COMP_WORDS="mm comp", COMP_CWORD="1")
    assert done.stdout == "plain,completion\n"


def test_a_reader_that_leaves_is_no_error() -> None:
    process = subprocess.Popen([*MM, "--help"], cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 1


# Output


def test_json_is_sorted_one_line_and_exact(capfdbinary) -> None:
    output.emit_json({"b": np.int64(2**62), "a": [1, None, "é"], "run": {"seconds": 0.5}})
    assert capfdbinary.readouterr().out == '{"a":[1,null,"é"],"b":4611686018427387904,"run":{"seconds":0.5}}\n'.encode()


def test_json_of_a_command_has_its_old_keys_too(capfdbinary) -> None:
    row = Alias(domain=Domain.JSON, document="mm x", old="old", new="a.new", since="0.2.0", dropped="0.3.0")
    for name, release, expected in (("x", "0.2.0", True), ("x", "0.3.0", False), ("y", "0.2.0", False)):
        parent = click.Context(click.Group("mm"), info_name="mm")
        with click.Context(click.Command(name), info_name=name, parent=parent):
            output.emit_json({"a": {"new": 1}}, AliasTable((row,), release))
        assert json.loads(capfdbinary.readouterr().out) == {"a": {"new": 1}} | ({"old": 1} if expected else {})


def test_json_reads_back(capfdbinary) -> None:
    document = {"events": 12, "symbols": {"ETHUSDT": {}, "BTCUSDT": {"best_bid": "1.0"}}}
    output.emit_json(document)
    assert json.loads(capfdbinary.readouterr().out) == document


NUMBERS = [
    (1_204, None, "1,204"),
    (-1_204, None, "-1,204"),
    ("61740.50", None, "61,740.50"),
    ("0.00000001", 8, "0.00000001"),
    (1234.567, 1, "1,234.6"),
    (0, None, "0"),
]


@pytest.mark.parametrize(("value", "places", "text"), NUMBERS)
def test_numbers_have_separators(value, places, text) -> None:
    assert output.format_number(value, places) == text


def test_a_table_aligns_numbers_and_cuts_nothing(capsys) -> None:
    output.print_table(
        ["symbol", "PnL USDT"], [["BTCUSDT", "+3.12"], ["[PERP]", "-1,000.00"], ["x" * 90, "-"]], "Result"
    )
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "Result"
    by_symbol = {line.split()[0]: line for line in lines if line.strip()}
    assert len(by_symbol["BTCUSDT"]) == len(by_symbol["[PERP]"]) == len(by_symbol["x" * 90])


def test_progress_is_silent_on_a_pipe(capsys) -> None:
    with output.progress(10, "import", "rows") as report:
        report(10)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("elapsed_s", "drawn"), [(0.5, False), (2.0, True)])
def test_progress_appears_after_a_second_on_a_terminal(monkeypatch, capsys, elapsed_s, drawn) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with output.progress(10, "import", "rows") as report:
        monkeypatch.setattr(output, "PROGRESS_AFTER_S", 1.0 - elapsed_s)
        report(5)
    told = capsys.readouterr()
    assert told.out == "" and ("import" in told.err) == drawn and ("rows/s" in told.err) == drawn


def test_an_error_without_words_still_says_its_name() -> None:
    assert message_of(TimeoutError()) == "TimeoutError"
