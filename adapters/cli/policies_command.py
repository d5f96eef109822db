"""`mm policies`: the policies of a journal's last state, when each is due and what it adjusts; decides nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmfold.adapters.cli.output import emit_json, format_number, print_table
from mmfold.adapters.cli.shared_options import AS_JSON, of_replay

if TYPE_CHECKING:
    import numpy as np

    from mmfold.replay.result import ReplayResult
    from mmfold.reports.notes import LastNotes


@click.command(
    name="policies",
    epilog="Example: mm policies --events demo --until 500",
    short_help="List the policies: when each is due, what it adjusts, its last note.",
)
@of_replay
@click.option("--until", metavar="SEQ|TIME", help="Look at the state after this event.")
@AS_JSON
def command(events: Path, as_json: bool, **asked: Any) -> None:
    """List the policies: when each is due, what it adjusts, its last note.

    They stand in the order in which their adjustments are folded, the operator's pins last. The journal is replayed:
    what is shown is its last state, or that after --until.
    """
    from mmfold.reports.notes import LastNotes

    notes = LastNotes()
    document = policies_document(replayed(events, asked, notes.write), notes)
    if as_json:
        emit_json(document)
    else:
        print_policies(document)


def replayed(events: Path, asked: dict[str, Any], *listeners: "Callable[[np.ndarray], None]") -> "ReplayResult":
    """Return a journal's last state, compared with what it witnesses; `listeners` get the effects.

    Raises: GateFailed where a decision differs.
    """
    from mmfold.adapters.cli.replay_command import prepare, replay_or_refuse

    prepare(events, 1, asked["strategy"])
    return replay_or_refuse(events, 1, {**asked, "seq_from": 0}, *listeners)


def policies_document(result: "ReplayResult", notes: "LastNotes") -> dict[str, Any]:
    """Return {"pins": [...], "policies": [{name, active, interval_s, next_due, adjustments, note}]} of a state."""
    from mmfold.engine.policy.layers import OPERATOR
    from mmfold.engine.records import NO_TS_NS
    from mmfold.reports.audit import utc_text
    from mmfold.reports.notes import note_document

    state, standing = result.state, adjustments_of(result)
    policies = []
    for name, (policy, settings, _) in result.policies.items():
        schedule = state.clock[0]["schedules"][policy.id]
        due_ns, is_active = int(schedule["due_ns"]), bool(schedule["active"])
        told = notes.by_author.get(policy.id)
        policies.append(
            {
                "active": is_active,
                "adjustments": [one for author, one in standing if author == policy.id],
                "interval_s": None if settings is None else settings.interval_s,
                "name": name,
                "next_due": utc_text(due_ns) if is_active and due_ns != NO_TS_NS else None,
                "note": None if told is None else note_document(told),
                "runs": int(schedule["run_count"]),
            }
        )
    return {"pins": [one for author, one in standing if author == OPERATOR], "policies": policies}


def adjustments_of(result: "ReplayResult") -> list[tuple[int, dict[str, Any]]]:
    """Return (author, adjustment) of all that stands, in the order in which it is folded."""
    from mmfold.engine.codes import Reason
    from mmfold.engine.declared import params_in_words
    from mmfold.engine.policy.layers import standing_of
    from mmfold.reports.audit import enum_name

    found, words = [], params_in_words(result.manifest.extra)
    for index, instrument in enumerate(result.manifest.instruments):
        for one in standing_of(result.state, index):
            param = words.get(one.param, one.param)
            document = {"op": one.op.name.lower(), "param": param, "reason": enum_name(Reason, one.reason)}
            found.append((one.author, {**document, "symbol": instrument.symbol, "value": one.value}))
    return found


def print_policies(document: dict[str, Any]) -> None:
    """Print the policies, then what stands."""
    rows = [
        (
            one["name"],
            "yes" if one["active"] else "no",
            "-" if one["interval_s"] is None else format_number(one["interval_s"]),
            one["next_due"] or "-",
            format_number(one["runs"]),
            format_number(len(one["adjustments"])),
        )
        for one in document["policies"]
    ]
    print_table(("policy", "active", "interval s", "next due", "runs", "adjustments"), rows)
    standing = [(one["name"], adjustment) for one in document["policies"] for adjustment in one["adjustments"]]
    standing += [("operator", pin) for pin in document["pins"]]
    from mmfold.reports.notes import said_text

    for one in document["policies"]:
        if one["note"] is not None:
            click.echo(f"last note of {one['name']}, seq {format_number(one['note']['seq'])}: {said_text(one['note'])}")
    if standing:
        lines = [
            (name, one["symbol"], one["param"], one["op"], format_number(one["value"]), one["reason"])
            for name, one in standing
        ]
        print_table(("by", "symbol", "parameter", "does", "value", "reason"), lines, "in the order of the fold")
