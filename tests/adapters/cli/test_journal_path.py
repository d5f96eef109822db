"""The word for the bundled journal: where it is understood, and that a path of that name wins."""

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from mmfold.adapters.bundled import DEMO
from mmfold.adapters.cli.journal_path import READ_JOURNAL, JournalPath
from mmfold.adapters.cli.main import cli, run

# Every parameter that names a journal which is only read. A session's --journal is none: it may be yet to come.
READ = {
    "mm at events", "mm backtest events", "mm bench events", "mm bisect events", "mm bundle path",
    "mm config show events", "mm diff a", "mm diff b", "mm fills events", "mm fork events", "mm journal anchor path",
    "mm journal cat path",
    "mm journal convert src", "mm journal export path", "mm journal info path", "mm journal prove path",
    "mm journal recover path", "mm journal slice path", "mm journal verify path", "mm minimize events",
    "mm minimize path", "mm orders events", "mm parity a", "mm parity b", "mm policies events",
    "mm portfolio preview events", "mm replay events", "mm replay path",
    "mm sql path",
    "mm venue binance feed", "mm venue bybit feed", "mm why events",
}  # fmt: skip


def parameters(command: click.Command, name: str = "mm") -> Iterator[tuple[str, click.Parameter]]:
    for parameter in command.params:
        yield f"{name} {parameter.name}", parameter
    if isinstance(command, click.Group):
        context = click.Context(command)
        for word in command.list_commands(context):
            found = command.get_command(context, word)
            assert found is not None
            yield from parameters(found, f"{name} {word}")


def test_every_command_that_reads_a_journal_understands_it() -> None:
    known = dict(parameters(cli))
    assert {name for name, one in known.items() if isinstance(one.type, JournalPath)} == READ
    named = {name for name, one in known.items() if one.metavar in ("PATH", "JOURNAL")}
    assert named <= READ


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("text", "path"), [("demo", DEMO), ("./demo", Path("demo")), ("x/demo", Path("x/demo"))])
def test_the_word_alone_is_the_bundled_journal(empty: Path, text: str, path: Path) -> None:
    assert READ_JOURNAL.convert(text, None, None) == path


@pytest.mark.parametrize("kind", ["file", "directory", "broken link"])
def test_what_is_called_so_wins(empty: Path, kind: str) -> None:
    if kind == "file":
        (empty / "demo").write_bytes(b"")
    elif kind == "directory":
        (empty / "demo").mkdir()
    else:
        (empty / "demo").symlink_to("nowhere")
    assert READ_JOURNAL.convert("demo", None, None) == Path("demo")


@pytest.mark.usefixtures("same_kernels")
def test_nothing_is_written_beside_it(empty: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in DEMO.iterdir()}
    for words in ("verify demo", "info demo", "recover demo", "convert demo a.jsonl", "cat demo --limit 1"):
        assert run(["journal", *words.split()]) == 0
    assert run(["journal", "recover", "demo", "--apply"]) == 64
    assert run(["journal", "recover", str(DEMO), "--apply"]) == 64
    assert "never changed" in capsys.readouterr().err
    assert {path.name: path.stat().st_mtime_ns for path in DEMO.iterdir()} == before
    assert [path.name for path in empty.iterdir()] == ["a.jsonl"]  # an output of that name would be of the directory
