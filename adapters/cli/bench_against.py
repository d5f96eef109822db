"""`mm bench --against`: prints two builds side by side and applies a limit; must never measure anything itself."""

import tempfile
from pathlib import Path
from typing import Any

import click

from mmfold.adapters.bench.against import BEYOND, Asked, compare
from mmfold.adapters.bench.builds import find_build, own_build
from mmfold.adapters.cli.errors import GateFailed
from mmfold.adapters.cli.output import emit_json, print_table

COLUMNS = (
    "figure", "unit", "other", "min .. max", "this", "min .. max", "medians", "pairs", "min .. max", "verdict",
)  # fmt: skip
PLACES = {"s": 3, "us": 1}


def compare_builds(checkout: Path, asked: Asked, out: Path | None, as_json: bool) -> None:
    """Measure this build and another one in turns and print both.

    Raises: CannotCompare; GateFailed when a figure is beyond the limit.
    """
    from mmfold.adapters.bench import machine

    other, this = find_build(checkout), own_build()
    with tempfile.TemporaryDirectory(prefix="mm-bench-") as name:
        hardware = machine.describe_machine()
        work = (out or Path(name)).resolve()
        document = compare(other, this, work, asked, lambda text: click.echo(text, err=True))
    document["hardware"] = hardware
    if as_json:
        emit_json(document)
    else:
        print_comparison(document)
    if document["beyond"]:
        slower = [f"{name} by {100 * (document['figures'][name]['ratio'] - 1):.1f} %" for name in document["beyond"]]
        raise GateFailed(f"slower than {checkout} by more than {asked.limit_pct:g} %: {', '.join(slower)}")


def print_comparison(document: dict[str, Any]) -> None:
    """Print the table and whether both builds did the same."""
    hardware, feed = document["hardware"], document["feed"]
    click.echo(
        f"mm bench   {hardware['processor']}, {hardware['cores']} cores, Python {hardware['python']}, "
        f"numba {hardware['numba']}   load {hardware['load_1min']}"
    )
    other, this = document["builds"]
    click.echo(
        f"builds     other {other['version']} (sources {other['sources']})   "
        f"this {this['version']} (sources {this['sources']})"
    )
    market = "made-up market" if feed["synthetic"] else "market of the journal"
    click.echo(
        f"feed       {market}, {feed['rows']:,} rows, repeated {feed['repeat']} times   rounds {document['rounds']}"
    )
    print_table(COLUMNS, [table_row(name, figure) for name, figure in document["figures"].items()])
    for name, work in document["work"].items():
        if not work["same"]:
            parts = [f"{key} {work['other'][key]} -> {work['this'][key]}" for key in differing(work)]
            click.echo(f"not alike  {name}: this build does other work: {'; '.join(parts)}")
    if all(work["same"] for work in document["work"].values()):
        click.echo("alike      both builds folded the same rows and decided the same")
    for name, figure in document["measured_again"].items():
        click.echo(f"again      {name} was {figure['ratio']:.3f} ({BEYOND}) in the first rounds, which do not count")


def differing(work: dict[str, Any]) -> list[str]:
    """Return in what the work of the two builds differs."""
    return [key for key in work["other"] if work["other"][key] != work["this"].get(key)]


def table_row(name: str, figure: dict[str, Any]) -> list[str]:
    """Return one figure's cells; a ratio above 1 means that this build is slower."""
    places = PLACES[figure["unit"]]
    cells = [name, figure["unit"]]
    for label in ("other", "this"):
        values = figure[label]
        cells += [f"{figure[f'{label}_median']:.{places}f}", f"{min(values):.{places}f} .. {max(values):.{places}f}"]
    cells += [f"{figure['ratio_of_medians']:.3f}", f"{figure['ratio']:.3f}"]
    return [*cells, f"{figure['ratio_min']:.3f} .. {figure['ratio_max']:.3f}", figure["verdict"]]
