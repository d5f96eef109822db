"""The tick backtest's artifacts: canonical JSON, its Markdown table, the acceptance gates; must never run a rule.

Source: spec/reports.md 0.1, 0.2 and 1, spec/core.md 24.
"""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from mmfold.engine.manifest import canonical_json
from mmfold.replay.ticks.tally import COUNT, METRICS, Figures
from mmfold.replay.ticks.walk import WalkForward
from mmfold.reports.artifact import write_artifact
from mmfold.reports.money import fixed_text

DECIMALS = 6
NET_BPS_MIN = Fraction(5, 2)
TAKER_SHARE_PCT_MAX = Fraction(15)
ORDER_AGE_P95_MS_MAX = Fraction(350)


def plain_figures(figures: Figures) -> dict[str, int | float]:
    """Return figures as JSON holds them: a whole count, the others rounded to 6 decimals once, half to even."""
    return {key: int(figures[key]) if key == COUNT else float(round(figures[key], DECIMALS)) for key in METRICS}


def run_document(figures: Figures, runtime: Mapping[str, str]) -> dict[str, Any]:
    """Return the report of one run."""
    return {**plain_figures(figures), "runtime": dict(runtime)}


def walk_document(walk: WalkForward, runtime: Mapping[str, str]) -> dict[str, Any]:
    """Return the report of a walk forward; `i` is the index of a window's first training tick."""
    return {
        "windows": [
            {"i": one.first, "train": one.train, "test": one.test, **plain_figures(one.figures)} for one in walk.windows
        ],
        "mean": plain_figures(walk.mean),
        "median": plain_figures(walk.median),
        "runtime": dict(runtime),
    }


def figures_markdown(columns: Mapping[str, Figures], key_name: str, title: str = "") -> bytes:
    """Return a table of figures in the fixed order, one column for each set of them."""
    lines = [f"# {title}", ""] if title else []
    lines += [table_line([key_name, *columns]), table_line(["---"] * (1 + len(columns)))]
    for key in METRICS:
        decimals = 0 if key == COUNT else DECIMALS
        lines.append(table_line([key, *(fixed_text(one[key], decimals, group="") for one in columns.values())]))
    return ("\n".join(lines) + "\n").encode("ascii")


def table_line(cells: list[str]) -> str:
    """Return one line of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def write_report(out: Path, document: Mapping[str, Any], markdown: bytes) -> int:
    """Write a report and its table, each whole or not at all, and return the report's size in bytes.

    Raises: OSError.
    """
    data = canonical_json(document) + b"\n"
    write_artifact(markdown_path(out), markdown)
    write_artifact(out, data)
    return len(data)


def markdown_path(out: Path) -> Path:
    """Return where the table beside a report stands."""
    return out.with_suffix(".md")


def failed_gates(figures: Figures) -> list[str]:
    """Return each acceptance gate that the figures do not pass, in words."""
    gates = (
        ("net_bps", figures["net_bps"] >= NET_BPS_MIN, f">= {float(NET_BPS_MIN)}"),
        ("taker_share_pct", figures["taker_share_pct"] <= TAKER_SHARE_PCT_MAX, f"<= {TAKER_SHARE_PCT_MAX}"),
        ("order_age_p95_ms", figures["order_age_p95_ms"] <= ORDER_AGE_P95_MS_MAX, f"<= {ORDER_AGE_P95_MS_MAX}"),
    )
    return [
        f"{key} is {fixed_text(figures[key], DECIMALS, group='')}, needs {limit}"
        for key, passed, limit in gates
        if not passed
    ]
