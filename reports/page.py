"""The report of one replay as files: report.json, report.html, REPORT.md; must never fetch anything or read a clock."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mmfold.engine.manifest import canonical_json
from mmfold.engine.printable import printable
from mmfold.replay.result import ReplayResult
from mmfold.reports.artifact import write_artifact
from mmfold.reports.figures import SIZES, draw_symbol
from mmfold.reports.money import Units, column_units, fixed_text, instrument_units, money_decimals
from mmfold.reports.summary import MONEY_KEYS, all_witnessed, build_report, witness_text

CHART_COUNT_MAX = 12  # a page of 256 charts opens on no phone: the busiest symbols get one
MARKDOWN_DECIMALS = 6
MARKDOWN_MARKUP = "|`<>"  # of a name that would be markup: a symbol, a path, a setting
MARKDOWN_COLUMNS = ("symbol", "fills", "placed", "amended", "cancelled", "position", *MONEY_KEYS)
ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def write_report(result: ReplayResult, directory: Path) -> Path:
    """Write the three files of a report and return the page's path.

    Raises: OSError when the disk refuses; each file is whole or as it was.
    """
    report = build_report(result)
    page = directory / "report.html"
    write_artifact(directory / "report.json", canonical_json(report) + b"\n")
    write_artifact(directory / "REPORT.md", render_markdown(result, report).encode("ascii"))
    write_artifact(page, render_page(result, report).encode())
    return page


def render_page(result: ReplayResult, report: dict[str, Any]) -> str:
    """Return the page: everything but the `run` key, so that the same journal gives the same page anywhere."""
    units = {instrument.symbol: instrument_units(instrument) for instrument in result.manifest.instruments}
    return ENVIRONMENT.get_template("report.html.j2").render(
        charts=draw_charts(result),
        chart_count_max=CHART_COUNT_MAX,
        columns=column_units(units.values()),
        compared=all_witnessed(result),
        money=lambda currency, value: fixed_text(value, money_decimals(currency), signed=True),
        plain=lambda currency, value: fixed_text(value, money_decimals(currency)),
        name=printable(Path(result.source).name) or "journal",
        price=lambda symbol, value, extra=0: fixed_text(value, units[symbol].price_decimals + extra),
        qty=lambda symbol, value: fixed_text(value, units[symbol].qty_decimals, signed=True),
        report=report,
        sign=sign_class,
        span=span_text(report["time"]["seconds"]),
        units=units,
        witnesses=witness_text(result),
    )


def sign_class(shown: str) -> str:
    """Return the style of a gain or a loss, none for what is shown as zero."""
    if not shown.strip("+-0.,"):
        return ""
    return "loss" if shown.startswith("-") else "gain"


def span_text(seconds: float) -> str:
    """Return a duration in the two largest units that it has."""
    whole = int(seconds)
    if whole < 60:
        return f"{seconds:.3g} s"
    for unit, size, smaller, part in (("d", 86_400, "h", 3_600), ("h", 3_600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size:,} {unit}" + (f" {rest} {smaller}" if rest else "")
    raise AssertionError("a minute is the smallest unit")


def busiest_instruments(result: ReplayResult) -> list[int]:
    """Return the instruments that get a chart, those with most fills, then quotes; in the manifest's order."""
    state, seen = result.state, set(result.samples["instrument_index"].tolist())
    ranked = sorted(
        seen,
        key=lambda index: (
            -int(state.positions[index]["fill_count"]),
            -int(state.counters[index]["placed_count"]),
            index,
        ),
    )
    return sorted(ranked[:CHART_COUNT_MAX])


def draw_charts(result: ReplayResult) -> list[dict[str, Any]]:
    """Return {symbol, drawings by size} of every instrument that gets a chart."""
    return [
        {
            "symbol": result.manifest.instruments[index].symbol,
            "drawings": {size: draw_symbol(result, index, size) for size in SIZES},
        }
        for index in busiest_instruments(result)
    ]


def markdown_text(text: str) -> str:
    """Return a text as Markdown shows it: no markup of a name's own, no control characters, ASCII."""
    shown = "".join(f"\\{one}" if one in MARKDOWN_MARKUP else one for one in printable(text))
    return shown.encode("ascii", "backslashreplace").decode()


def markdown_row(cells: list[str]) -> str:
    """Return one line of a Markdown table."""
    return "| " + " | ".join(markdown_text(cell) for cell in cells) + " |"


def markdown_cells(name: str, row: dict[str, Any], units: Units | None) -> list[str]:
    """Return the cells of a symbol or, without units, of a total; absent figures are a dash (spec/reports.md 0.2)."""
    position = fixed_text(row["position"], MARKDOWN_DECIMALS, group="") if units else "-"
    counts = [str(row.get(key, "-")) for key in ("fills", "placed", "amended", "cancelled")]
    return [name, *counts, position, *(fixed_text(row[key], MARKDOWN_DECIMALS, group="") for key in MONEY_KEYS)]


def render_markdown(result: ReplayResult, report: dict[str, Any]) -> str:
    """Return the report as Markdown: ASCII, symbols sorted, TOTAL last."""
    lines = [
        "# REPLAY REPORT",
        "",
        f"{report['events']} events, {report['rows']} rows, {report['time']['first']} to {report['time']['last']}",
        "",
        markdown_row(list(MARKDOWN_COLUMNS)),
        markdown_row(["---", *["---:"] * (len(MARKDOWN_COLUMNS) - 1)]),
    ]
    totals = report["totals"]
    is_mixed = len(totals["money"]) > 1
    for instrument in result.manifest.instruments:
        row = report["symbols"][instrument.symbol]
        name = f"{instrument.symbol} {row['currency']}" if is_mixed else instrument.symbol
        lines.append(markdown_row(markdown_cells(name, row, instrument_units(instrument))))
    for currency, money in totals["money"].items():
        # The counts are of all symbols: they stand on no line of one currency.
        name, row = (f"TOTAL {currency}", money) if is_mixed else ("TOTAL", {**totals, **money})
        lines.append(markdown_row(markdown_cells(name, row, None)))
    lines += ["", "| what | value |", "| --- | --- |"]
    lines += [f"| {key} | {value} |" for key, value in report["digests"].items()]
    lines += [f"| sealed | {str(result.sealed).lower()} |", "", f"{witness_text(result)}.", ""]
    lines += [f"- {markdown_text(note)}" for note in report["assumptions"]]
    return "\n".join(lines) + "\n"
