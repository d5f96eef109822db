"""The README stays true: every command and option that it shows exists."""

import json
import os
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import click
import pytest

from mmfold.adapters.cli.main import cli

REPO = Path(__file__).resolve().parent.parent
README = (REPO / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
LINES = [line for block in BLOCKS for line in block.splitlines() if line.strip()]
MAKE_TARGETS = set(re.findall(r"^([a-z]+):", (REPO / "Makefile").read_text(), re.MULTILINE))


def mm_arguments(line: str) -> list[list[str]]:
    """Return the arguments of each `mm` call of a line: environment before it and comments after it do not count."""
    calls = []
    for part in re.split(r"&&|\||;(?=\s)|&$", line):
        words = shlex.split(part, comments=True)
        while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
            words = words[1:]
        if words and words[0].rpartition("/")[2] == "mm":
            calls.append(words[1:])
    return calls


CALLS = [call for line in LINES if "python" not in line.split()[0] for call in mm_arguments(line)]


def check_call(words: list[str]) -> None:
    """Parse a call as click would, without running it.

    Raises: click.UsageError for a command, option or argument that does not exist or is missing.
    """
    command: click.Command = cli
    context = click.Context(cli, info_name="mm")
    while isinstance(command, click.Group):
        name, found, words = command.resolve_command(context, words)
        assert found is not None
        command, context = found, click.Context(found, info_name=name, parent=context)
    paths = [(option, option.type) for option in command.params if isinstance(option.type, click.Path)]
    try:
        for option, _ in paths:
            option.type = click.STRING  # the README's files need not exist while its words are checked
        command.parse_args(context, list(words))
    finally:
        for option, kind in paths:
            option.type = kind


@pytest.mark.parametrize("words", CALLS, ids=" ".join)
def test_every_call_parses(words: list[str]) -> None:
    check_call(words)


@pytest.mark.parametrize(
    "line",
    ["mm repaly --events out/b", "A=1 mm replay --evnts out/b", "mm journal verfy out/b", "true && mm journal --json"],
)
def test_a_wrong_call_would_be_noticed(line: str) -> None:
    [words] = mm_arguments(line)
    with pytest.raises(click.UsageError):
        check_call(words)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.mark.realdata
@pytest.mark.timeout(300)
def test_the_tour_runs(shared_data: Path, tmp_path: Path) -> None:
    """Run every line of the tour as it stands, in a directory beside the recordings; the bench on one repeat only."""
    (tmp_path / "main").mkdir()
    (tmp_path / "shared").symlink_to(shared_data.parent)
    (tmp_path / "main" / ".venv").symlink_to(Path(sys.executable).parent.parent)
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    lines = [line for block in BLOCKS for line in block.splitlines() if line.strip() and not line.startswith("make ")]
    script = "\n".join(f"{line} --repeat 1" if line.startswith("mm bench") else line for line in lines)
    script = "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n" + script.replace(":8899", f":{free_port()}")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path / "main", env=environment, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-2_000:]
    replays = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"effects"')]
    assert len(replays) >= 3
    assert re.search(r"orders [1-9].*\n.*\n?.*mm replay --events out/s", done.stdout)
    assert len({(found["head"], found["state_digest"], found["effects_digest"]) for found in replays}) == 1


def test_set_up_is_two_commands() -> None:
    block = README.split("## Set up", 1)[1].split("```bash\n", 1)[1].split("```", 1)[0]
    assert block.splitlines() == ["make run", "make test"]


def test_every_make_target_named_exists() -> None:
    named = {word for text in re.findall(r"make ((?:[a-z]+ ?)+)[`\n]", README) for word in text.split()}
    assert named and not named - MAKE_TARGETS


def test_the_tour_shows_a_query() -> None:
    assert any("duckdb.sql" in line for line in LINES)
    assert len(CALLS) >= 9


def test_every_page_is_named() -> None:
    missing = [path.name for path in sorted((REPO / "docs").glob("*.md")) if f"(docs/{path.name})" not in README]
    assert not missing
