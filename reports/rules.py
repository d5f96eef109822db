"""What is said of a journal of other rules or another layout: what was compared, what differs; must never judge it.

Source: docs/rules.md.
"""

from typing import Any

from mmfold.engine.layout import LAYOUT_ID, layout_name
from mmfold.engine.rules import RULES, changes_between
from mmfold.replay.comparison import Difference
from mmfold.replay.result import ReplayResult
from mmfold.reports.decision import decision_text

SHOWN_COUNT_MAX = 8  # differences in full on a terminal; --json has more


def differences_document(result: ReplayResult) -> dict[str, Any] | None:
    """Return how a journal of other rules compares, None of one whose effects had to be equal."""
    found = result.comparison
    if found is None:
        return None
    return {
        "changes": [{"rules": number, "what": text} for number, text in changes_between(result.manifest.rules, RULES)],
        "differences": [
            {
                "cause_seq": each.cause_seq,
                "computed": decision_text(each.computed, result.manifest),
                "witnessed": decision_text(each.witnessed, result.manifest),
            }
            for each in found.differences
        ],
        "difference_count": found.difference_count,
        "kinds": dict(sorted(found.kind_counts.items())),
    }


def promises_document(result: ReplayResult) -> dict[str, Any]:
    """Return the rules and layouts of a journal and of this build, and what follows from them for the comparison."""
    return {
        "digests_compared": result.digest_count,
        "digests_not_compared": dict(sorted(result.digests_of_layouts.items())),
        "layout": LAYOUT_ID,
        "other_rules": differences_document(result),
        "rules": {"build": RULES, "journal": result.manifest.rules if result.manifest.witnessed else None},
    }


def promise_lines(result: ReplayResult) -> list[str]:
    """Return the lines that a person reads, none where rules and layout are this build's."""
    lines = []
    for layout, count in sorted(result.digests_of_layouts.items()):
        digests = "1 state digest" if count == 1 else f"{count:,} state digests"
        lines.append(f"{digests} not compared: made by layout {layout_name(layout)}, this is {layout_name(LAYOUT_ID)}")
    found = result.comparison
    if found is None:
        return lines
    lines.append(f"decided under rules {result.manifest.rules}, compared under rules {RULES}; since then")
    lines += [f"  {number}  {text}" for number, text in changes_between(result.manifest.rules, RULES)]
    if found.difference_count:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(found.kind_counts.items()))
        lines.append(f"{found.difference_count:,} decisions differ ({kinds}); the first")
        lines += [line for each in found.differences[:SHOWN_COUNT_MAX] for line in difference_lines(each, result)]
    return lines


def difference_lines(difference: Difference, result: ReplayResult) -> list[str]:
    """Return both sides of one difference."""
    return [
        f"  after seq {difference.cause_seq:,}",
        f"    witnessed  {decision_text(difference.witnessed, result.manifest)}",
        f"    computed   {decision_text(difference.computed, result.manifest)}",
    ]
