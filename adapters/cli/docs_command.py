"""`mm docs`: the pages that errors and helps name, from where mm is installed; must never read another file."""

import sys
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click

from mmfold.adapters.bundled import DOCS, FIRST_PAGES
from mmfold.adapters.cli.output import emit_json, print_table

SUFFIXES = (".md", ".yaml", ".py", ".js", ".go")  # of pages, of examples, of checks by another hand


@click.command(
    name="docs",
    epilog="Example: mm docs backtest; mm docs examples/assumptions.yaml > assumptions.yaml",
    short_help="List and print the pages of the documentation.",
)
@click.argument("page", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(page: str | None, as_json: bool) -> None:
    """List and print the pages of the documentation.

    PAGE is one of the list, or a part of its name that fits no other: adr/0004. A terminal shows a page laid out, a
    pipe gets the file as it is.
    """
    pages = find_pages()
    if not pages:
        raise click.ClickException(f"{DOCS} holds no page: install the wheel again, it is not whole")
    if page is None:
        list_pages(pages, as_json)
        return
    name = choose_page(page, list(pages))
    text = pages[name].read_text(encoding="utf-8")
    if as_json:
        emit_json({**describe_page(name, pages[name]), "text": text})
    elif sys.stdout.isatty() and pages[name].suffix == ".md":
        print_markdown(text)
    else:
        click.echo(text, nl=False)


def find_pages() -> dict[str, Path]:
    """Return the pages by name, the path below docs/ without .md; examples and decisions come last."""
    files = sorted(path for path in DOCS.rglob("*") if path.suffix in SUFFIXES and path.is_file())
    files.sort(key=lambda path: path.parent != DOCS)
    first = {path.stem: path for path in FIRST_PAGES if path.is_file()}
    return first | {path.relative_to(DOCS).as_posix().removesuffix(".md"): path for path in files}


def choose_page(asked: str, names: list[str]) -> str:
    """Return the one page that a person meant: docs/journal.md, journal.md#rows and journal are the same.

    Raises: click.UsageError with the nearest names.
    """
    wanted = asked.partition("#")[0].removeprefix("./").removeprefix("docs/").removesuffix(".md").rstrip("/")
    same = [name for name in names if name.lower() == wanted.lower()]
    found = same or [name for name in names if wanted and wanted.lower() in name.lower()]
    if len(found) == 1:
        return found[0]
    near = found or get_close_matches(wanted, names, 3)
    hint = f"did you mean {' or '.join(near)}?" if near else "mm docs lists them"
    raise click.BadParameter(f'"{asked}" is no page; {hint}', param_hint="PAGE")


def title_of(path: Path) -> str:
    """Return what the first line of a page or an example says of it."""
    with path.open(encoding="utf-8") as file:
        return file.readline().strip().lstrip('#"/').rstrip('"').strip()


def describe_page(name: str, path: Path) -> dict[str, Any]:
    """Return what a program is told of a page."""
    return {"page": name, "path": str(path), "title": title_of(path)}


def list_pages(pages: dict[str, Path], as_json: bool) -> None:
    """Print every page with its title, and where they are."""
    if as_json:
        emit_json({"pages": [describe_page(name, path) for name, path in pages.items()]})
        return
    print_table(("page", "is about"), [(name, title_of(path)) for name, path in pages.items()])
    click.echo(f"next  mm docs PAGE   prints one; the files are in {DOCS}")


def print_markdown(text: str) -> None:
    """Show a page laid out for a terminal."""
    from rich.console import Console
    from rich.markdown import Markdown

    Console(file=sys.stdout).print(Markdown(text, hyperlinks=False))
