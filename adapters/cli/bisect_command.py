"""`mm bisect`: the first commit, or the keys, that change what a journal gives; must never decide what differs."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmfold.adapters.cli.errors import GateFailed
from mmfold.adapters.cli.interrupts import check_interrupts
from mmfold.adapters.cli.journal_path import READ_JOURNAL
from mmfold.adapters.cli.minimize_command import parse_budget
from mmfold.adapters.cli.output import emit_json
from mmfold.adapters.cli.shared_options import AS_JSON

if TYPE_CHECKING:
    from mmfold.adapters.bisect.configs import FoundKeys
    from mmfold.adapters.bisect.revisions import FoundCommit

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command(
    name="bisect",
    epilog="Example: mm bisect --events out/s --good v0.1 --bad HEAD",
    short_help="Find the commit or the keys that change what a journal gives.",
)
@click.option("--events", required=True, metavar="PATH", type=READ_JOURNAL, help="Journal, any form; demo: bundled.")
@click.option("--good", metavar="REV", help="A revision that gives what it should.")
@click.option("--bad", metavar="REV", help="A later one that does not.")
@click.option("--config-good", metavar="FILE", type=FILE, help="A configuration that gives what it should.")
@click.option("--config-bad", metavar="FILE", type=FILE, help="One that does not.")
@click.option("--fails-if", metavar="CONDITION", help="What is bad, such as 'pnl_usd < -5'; else any other decision.")
@click.option("--config", "config_path", metavar="FILE", type=FILE, help="Of revisions: replaces the journal's.")
@click.option("--strategy", metavar="FILE:FUNCTION", help="The strategy file that the journal was made with.")
@click.option("--repository", metavar="DIR", default=Path(), type=click.Path(path_type=Path), help="Default: here.")
@click.option("--timeout", default="30m", show_default=True, metavar="TIME", callback=parse_budget,
              help="A revision whose replay takes longer is passed over.")  # fmt: skip
@AS_JSON
def command(
    events: Path, good: str | None, bad: str | None, config_good: Path | None, config_bad: Path | None,
    fails_if: str | None, as_json: bool, **asked: Any,
) -> None:  # fmt: skip
    """Find the commit or the keys that change what a journal gives.

    With --good and --bad: the first commit between them whose decisions are others, each revision run in an
    environment of its own lock. With --config-good and --config-bad: a smallest set of the keys they differ in that
    does it. Both name the first event where it shows. Good and bad that answer alike: exit code 2.
    """
    from mmfold.adapters.bisect.errors import AnswersAlike

    of_revisions, of_configs = (good, bad), (config_good, config_bad)
    if [None not in of_revisions, None not in of_configs].count(True) != 1 or any(
        one is not None for one in (of_configs if None not in of_revisions else of_revisions)
    ):
        raise click.UsageError("give --good REV and --bad REV, or --config-good FILE and --config-bad FILE")
    try:
        if good is not None and bad is not None:
            document, lines = by_revisions(events, good, bad, fails_if, asked)
        else:
            assert config_good is not None and config_bad is not None
            document, lines = by_configs(events, (config_good, config_bad), fails_if, asked)
    except AnswersAlike as error:
        raise GateFailed(f"{error}\nthere is nothing to look for") from None
    if as_json:
        emit_json(document)
    else:
        for line in lines:
            click.echo(line)


def tell(line: str) -> None:
    """Say on stderr what was tried; ends the work when a signal asked for that."""
    from mmfold.engine.printable import printable

    check_interrupts()
    click.echo(printable(line), err=True)


def by_configs(
    events: Path, paths: tuple[Path, Path], fails_if: str | None, asked: dict[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Find the keys; returns what --json prints, and the lines of it."""
    from mmfold.adapters.cli.replay_command import prepare, result_document

    if asked["config_path"] is not None:
        raise click.UsageError("--config is of revisions: --config-good and --config-bad say both here")
    prepare(events, 1, asked["strategy"])
    from mmfold.adapters.bisect.configs import bisect_configs
    from mmfold.reports.difference import difference_document, difference_lines, verdict_text

    found = bisect_configs(events, paths, fails_if, lambda result: result_document(result, {}), tell)
    difference = difference_document(found.difference)
    document = keys_document(found)
    document |= {"difference": difference, "fails_if": fails_if, "path": str(events)}
    lines = [f"mm bisect  {events}   {paths[0]} -> {paths[1]}   {found.runs} tries, {found.invalid} not valid"]
    lines += [f"  {one.key}  {one.good} -> {one.bad}" for one in found.settings]
    rest = len(found.differing) - len(found.settings)
    lines.append(
        f"  is enough; {rest} other keys differ and are not needed" if rest else "  all that differs is needed"
    )
    lines += [verdict_text(difference), *difference_lines(difference)]
    return document, lines


def keys_document(found: "FoundKeys") -> dict[str, Any]:
    """Return the keys as data."""
    return {
        "differing": [one.key for one in found.differing],
        "invalid": found.invalid,
        "keys": [asdict(one) for one in found.settings],
        "tries": found.runs,
    }


def by_revisions(
    events: Path, good: str, bad: str, fails_if: str | None, asked: dict[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Find the commit; returns what --json prints, and the lines of it."""
    from mmfold.adapters.bisect.answers import Asked, Asker
    from mmfold.adapters.bisect.builds import Builder, cache_root
    from mmfold.adapters.bisect.errors import BisectError
    from mmfold.adapters.bisect.repository import find_repository
    from mmfold.adapters.bisect.revisions import Search
    from mmfold.journal.bundle import is_bundle, unpacked_journal
    from mmfold.journal.formats import Events
    from mmfold.replay.debug.figures import parse_question

    repository = find_repository(asked["repository"])
    source = Events(events)
    if asked["config_path"] is not None and source.manifest.witnessed:
        hint = "mm journal slice --market-only takes its market, on which every revision decides anew"
        raise BisectError(f"{events} holds decisions of its own configuration, --config needs a market", hint)
    for _ in source.chunks():
        check_interrupts()
    question = None if fails_if is None else parse_question(fails_if, list(source.manifest.symbol_index()))
    place = unpacked_journal(events) if is_bundle(events) else events
    strategy = asked["strategy"]
    if strategy is not None:
        file, _, function = strategy.rpartition(":")
        strategy = f"{Path(file).absolute()}:{function}"
    root = cache_root()
    asker = Asker(Asked(place, source.head, asked["config_path"], strategy, asked["timeout"]), root)
    found = Search(repository, Builder(repository, root), asker, question, tell).run(good, bad)
    document = commit_document(found) | {"fails_if": fails_if, "head": source.head, "path": str(events)}
    return document, commit_lines(found, events)


def commit_document(found: "FoundCommit") -> dict[str, Any]:
    """Return what was found as data."""
    return {
        "difference": found.difference,
        "first_bad": found.first._asdict(),
        "good": found.good._asdict(),
        "outcomes": {name: one.outcome for name, one in zip(("good", "bad"), found.answers, strict=True)},
        "skipped": [{**commit._asdict(), "why": why} for commit, why in found.skipped],
        "steps": found.steps,
        "unsure": [commit._asdict() for commit in found.unsure],
    }


def commit_lines(found: "FoundCommit", events: Path) -> list[str]:
    """Return what was found as a person reads it."""
    from mmfold.engine.printable import printable

    first, good = found.first, found.good
    lines = [f"first bad {first.short}  {first.date}  {first.subject}   of {events}, {found.steps} steps"]
    lines.append(f"  before  {good.short}  {good.date}  {good.subject}")
    lines += [f"  {name:<6}  {one.text}" for name, one in zip(("good", "bad"), found.answers, strict=True)]
    if found.difference is not None:
        lines.append(f"shows first at seq {found.difference['seq']:,}")
        lines += [f"  {name:<6}  {effect_text(found.difference[name])}" for name in ("good", "bad")]
    elif found.answers[1].said:
        lines += found.answers[1].said.splitlines()
    lines += [f"passed over  {commit.short}  {why}" for commit, why in found.skipped]
    if found.unsure:
        lines.append(f"only such are left before it: the first bad one may be any of {len(found.unsure) + 1} commits")
    return [printable(line) for line in lines]


def effect_text(effect: dict[str, Any] | None) -> str:
    """Return a decision as the file of effects has it, `nothing` for none."""
    return "nothing" if effect is None else json.dumps(effect, sort_keys=True)
