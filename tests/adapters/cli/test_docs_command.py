"""`mm docs` finds every page that a text of ours names, and no text names a file that a wheel has elsewhere."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from mmfold.adapters.bundled import DOCS, ROOT
from mmfold.adapters.cli import docs_command
from mmfold.adapters.cli.docs_command import choose_page, find_pages
from mmfold.adapters.cli.main import cli, run

REPO = Path(__file__).resolve().parents[3]
PACKAGES = ("adapters", "config", "engine", "journal", "replay", "reports")
NAMES = list(find_pages())
CITED = re.compile(r"mm docs ([\w./#-]*\w)")
FILE_NAMED = re.compile(r"\bdocs/\w")

ASKED = [
    # what a person types, the page or what the refusal says
    ("journal", "journal"),
    ("docs/journal.md", "journal"),
    ("./docs/journal.md", "journal"),
    ("journal.md#what-lies-there", "journal"),
    ("readme", "README"),
    ("backtest", "backtest"),  # not backtest-parity, which holds it
    ("adr/0004", "adr/0004-book-as-ring-and-far-list"),
    ("0004", "adr/0004-book-as-ring-and-far-list"),
    ("docs/examples/assumptions.yaml", "examples/assumptions.yaml"),
    ("jornal", "did you mean journal?"),
    ("adr", "did you mean adr/0001"),
    ("../pyproject.toml", "mm docs lists them"),
    ("/etc/passwd", "is no page"),
    ("", "is no page"),
    ("#", "is no page"),
]


@pytest.mark.parametrize(("asked", "told"), ASKED, ids=[row[0] for row in ASKED])
def test_a_page_is_found_by_what_people_call_it(asked: str, told: str) -> None:
    if told in NAMES:
        assert choose_page(asked, NAMES) == told
        return
    with pytest.raises(click.UsageError) as caught:
        choose_page(asked, NAMES)
    assert told in caught.value.format_message()


def test_every_page_is_listed_with_its_title(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["docs", "--json"]) == 0
    pages = {page["page"]: page for page in json.loads(capfd.readouterr().out)["pages"]}
    files = {path for path in DOCS.rglob("*") if path.suffix in (".md", ".yaml", ".py", ".js", ".go")}
    assert {Path(page["path"]) for page in pages.values()} == files | {ROOT / "README.md", ROOT / "CHANGELOG.md"}
    assert pages["journal"]["title"] == "The journal: an operator's page"
    assert all(page["title"] and page["title"][0].isalnum() for page in pages.values())
    assert run(["docs"]) == 0
    told = capfd.readouterr().out
    assert all(name in told for name in pages) and str(DOCS) in told


@pytest.mark.parametrize("name", NAMES)
def test_a_pipe_gets_the_file_as_it_is(capfdbinary: pytest.CaptureFixture[bytes], name: str) -> None:
    assert run(["docs", name]) == 0
    assert capfdbinary.readouterr().out == find_pages()[name].read_bytes()


def test_a_program_gets_text_and_path(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["docs", "glossary", "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert Path(found["path"]).read_text(encoding="utf-8") == found["text"] and found["page"] == "glossary"


def test_a_terminal_gets_it_laid_out(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(docs_command.sys.stdout, "isatty", lambda: True, raising=False)
    assert run(["docs", "journal"]) == 0
    told = capsys.readouterr().out
    assert "The journal: an operator's page" in told and "# The journal" not in told
    assert run(["docs", "examples/assumptions.yaml"]) == 0
    assert capsys.readouterr().out == (DOCS / "examples/assumptions.yaml").read_text(encoding="utf-8")


def test_an_installation_without_pages_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(docs_command, "DOCS", tmp_path)
    monkeypatch.setattr(docs_command, "FIRST_PAGES", ())
    assert run(["docs"]) == 1
    assert "holds no page" in capsys.readouterr().err


# What our own texts say


def commands(command: click.Command, name: str = "mm") -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for word in command.list_commands(context):
            found = command.get_command(context, word)
            assert found is not None
            yield from commands(found, f"{name} {word}")


def helps() -> dict[str, str]:
    """Return what `--help` of every command prints."""
    return {name: command.get_help(click.Context(command, info_name=name)) for name, command in commands(cli)}


def told_strings() -> dict[str, str]:
    """Return the strings of the sources that are no docstring, by file and line."""
    found = {}
    for path in sorted(path for package in PACKAGES for path in (REPO / package).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in bare:
                found[f"{path.relative_to(REPO)}:{node.lineno}:{node.col_offset}"] = node.value
    return found


def test_what_people_are_told_names_no_file_of_the_checkout() -> None:
    texts = {**helps(), **told_strings()}
    assert len(texts) > 1_000
    assert not {place: text for place, text in texts.items() if FILE_NAMED.search(text)}


def test_every_page_that_is_named_is_there() -> None:
    texts = {**helps(), **told_strings()}
    texts |= {str(path): path.read_text(encoding="utf-8") for path in find_pages().values()}
    named = {" ".join(word.split()) for text in texts.values() for word in CITED.findall(" ".join(text.split()))}
    assert {"journal", "backtest", "soak", "emulator", "examples/assumptions.yaml"} <= named
    for name in named - {"PAGE", "lists"}:  # mm docs PAGE, mm docs lists them
        assert choose_page(name, NAMES)
