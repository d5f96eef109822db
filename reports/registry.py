"""Which reports there are, in the order of their options; a new one is one file or folder and one line.

Must stay cheap to import: what makes a report is loaded when it is asked for.
"""

from mmfold.reports.seam import Feed, Report

PAGE = ("report.json", "REPORT.md", "report.html")

REPORTS: tuple[Report, ...] = (
    Report(
        name="metrics",
        help="Write the final metrics.",
        feed=Feed.RESULT,
        make="mmfold.reports.metrics:write_metrics",
    ),
    Report(
        name="audit",
        help="Write every decision, hash-chained.",
        feed=Feed.EFFECTS,
        make="mmfold.reports.audit:AuditWriter",
    ),
    Report(
        name="effects",
        help="Write every effect as JSONL.",
        feed=Feed.EFFECTS,
        make="mmfold.replay.effects_file:EffectsWriter",
    ),
    Report(
        name="report",
        help="Write the report page and its data.",
        feed=Feed.RESULT,
        make="mmfold.reports.page:write_report",
        files=PAGE,
        sampled=True,
    ),
    Report(
        name="report",
        help="Write the tearsheet, one column a case, and its data.",
        feed=Feed.SHEETS,
        make="mmfold.reports.tearsheet.page:write_tearsheet",
        files=PAGE,
    ),
)


def reports_of(*feeds: Feed) -> tuple[Report, ...]:
    """Return the reports that are made of these, in the registry's order."""
    return tuple(report for report in REPORTS if report.feed in feeds)
