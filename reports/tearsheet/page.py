"""A tearsheet as files: report.json, REPORT.md, report.html; must never fetch anything, read a clock or vary with the
place it is written to.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mmfold.engine.manifest import canonical_json
from mmfold.reports.artifact import write_artifact
from mmfold.reports.figures import SIZES, draw_symbol
from mmfold.reports.money import Units, column_units, fixed_text, instrument_units, money_decimals
from mmfold.reports.page import (
    CHART_COUNT_MAX,
    ENVIRONMENT,
    busiest_instruments,
    markdown_row,
    markdown_text,
    sign_class,
    span_text,
)
from mmfold.reports.summary import all_witnessed, witness_text
from mmfold.reports.tearsheet.charts import EQUITY_SIZES, draw_equity, draw_markouts, draw_waits
from mmfold.reports.tearsheet.fold import Tearsheet
from mmfold.reports.tearsheet.metrics import currency_members, tearsheet_document
from mmfold.reports.tearsheet.tables import FigureTable, figure_tables, micros

TEARSHEET_SCHEMA_VERSION = 1
MARKDOWN_DECIMALS = 6
BASE_CASE = "base"
CASE_ORDER = ("pessimistic", BASE_CASE, "optimistic")
SYMBOL_NAMES_MAX = 4  # in the title; then it only says how many more there are
Documents = dict[str, dict[str, Any]]


def write_tearsheet(
    directory: Path, tearsheets: dict[str, Tearsheet], notes: Mapping[str, Sequence[str]] = MappingProxyType({})
) -> Path:
    """Write the three files of a backtest, or of a band of them side by side, and return the page's path.

    `notes` are, by case, assumptions that the run knew and its journal does not tell.
    Raises: OSError when the disk refuses; each file is whole or as it was.
    """
    instruments = {sheet.result.manifest.instruments for sheet in tearsheets.values()}
    assert len(instruments) == 1, "the cases of a band trade the same instruments"
    sheets = {name: tearsheets[name] for name in sorted(tearsheets, key=case_rank)}
    documents = {name: tearsheet_document(sheet, notes.get(name, ())) for name, sheet in sheets.items()}
    page = directory / "report.html"
    report = {"cases": documents, "schema_version": TEARSHEET_SCHEMA_VERSION}
    write_artifact(directory / "report.json", canonical_json(report) + b"\n")
    write_artifact(directory / "REPORT.md", render_markdown(documents).encode("ascii"))
    write_artifact(page, render_page(sheets, documents).encode())
    return page


def case_rank(name: str) -> tuple[int, str]:
    """Return where a case stands: the known ones from worst to best, then others by name."""
    return (CASE_ORDER.index(name) if name in CASE_ORDER else len(CASE_ORDER), name)


def main_case(documents: dict[str, Any]) -> str:
    """Return the case that the page draws in detail: base, or the first."""
    return BASE_CASE if BASE_CASE in documents else next(iter(documents))


def tables_of(documents: Documents) -> dict[str, list[FigureTable]]:
    """Return the tables of every currency."""
    currencies = next(iter(documents.values()))["figures"]["totals"]
    return {
        currency: figure_tables([document["figures"]["totals"][currency] for document in documents.values()], currency)
        for currency in currencies
    }


def shared_notes(documents: Documents) -> tuple[list[str], dict[str, list[str]]]:
    """Return the assumptions that all cases share, and each case's own."""
    lists = {name: document["assumptions"] for name, document in documents.items()}
    first = next(iter(lists.values()))
    shared = [note for note in first if all(note in notes for notes in lists.values())]
    return shared, {name: [note for note in notes if note not in shared] for name, notes in lists.items()}


def title_text(symbols: list[str]) -> str:
    """Return the page's title."""
    more = f" and {len(symbols) - SYMBOL_NAMES_MAX} more" if len(symbols) > SYMBOL_NAMES_MAX else ""
    return ", ".join(symbols[:SYMBOL_NAMES_MAX]) + more


def witness_chips(sheets: dict[str, Tearsheet]) -> list[tuple[str, bool]]:
    """Return what the comparisons with the journals' witnesses say, and whether that is good: once where all agree."""
    if len(sheets) > 1 and all(all_witnessed(sheet.result) for sheet in sheets.values()):
        return [("every decision identical to its witness", True)]
    names = {name: f"{name}: " if len(sheets) > 1 else "" for name in sheets}
    return [(names[name] + witness_text(sheet.result), all_witnessed(sheet.result)) for name, sheet in sheets.items()]


def draw_all(sheets: dict[str, Tearsheet], documents: Documents) -> dict[str, dict[str, Any]]:
    """Return each currency's drawings; there are none of a journal without a time."""
    if any(sheet.period_count == 0 for sheet in sheets.values()):
        return {}
    members = currency_members(next(iter(sheets.values())))
    return {
        currency: {
            "equity": {size: draw_equity(sheets, indices, currency, size) for size in EQUITY_SIZES},
            "markouts": draw_markouts(documents, currency),
            "waits": draw_waits(sheets, indices, currency),
        }
        for currency, indices in members.items()
    }


def draw_symbols(sheet: Tearsheet) -> list[dict[str, Any]]:
    """Return the replay report's chart of the busiest symbols: market, own quotes and fills, position, PnL."""
    return [
        {
            "drawings": {size: draw_symbol(sheet.result, index, size) for size in SIZES},
            "symbol": sheet.result.manifest.instruments[index].symbol,
        }
        for index in busiest_instruments(sheet.result)
    ]


def render_page(sheets: dict[str, Tearsheet], documents: Documents) -> str:
    """Return the page."""
    main = main_case(documents)
    result, document = sheets[main].result, documents[main]
    units: dict[str, Units] = {one.symbol: instrument_units(one) for one in result.manifest.instruments}
    notes, own_notes = shared_notes(documents)
    return ENVIRONMENT.get_template("tearsheet.html.j2").render(
        chart_count_max=CHART_COUNT_MAX,
        charts=draw_symbols(sheets[main]),
        columns=column_units(units.values()),
        documents=documents,
        drawings=draw_all(sheets, documents),
        fixed=fixed_text,
        main=main,
        micros=micros,
        money=lambda currency, value: fixed_text(micros(value), money_decimals(currency), signed=True),
        notes=notes,
        own_notes=own_notes,
        plain=lambda currency, value: fixed_text(value, money_decimals(currency)),
        qty=lambda symbol, value: fixed_text(value, units[symbol].qty_decimals, signed=True),
        report=document,
        sign=sign_class,
        span=span_text(document["time"]["seconds"]),
        tables=tables_of(documents),
        title=title_text(list(units)),
        witnesses=witness_chips(sheets),
    )


def markdown_table(table: FigureTable, cases: list[str]) -> list[str]:
    """Return one table as Markdown, six decimals for all that is not a count (spec/reports.md 0.2)."""
    lines = [f"## {table.title}", "", markdown_row(["figure", "unit", *cases])]
    lines.append(markdown_row(["---", "---", *["---:"] * len(cases)]))
    for row in table.rows:
        decimals = MARKDOWN_DECIMALS if row.decimals else 0
        cells = [fixed_text(value, decimals, group="") for value in row.values]
        lines.append(markdown_row([row.label, row.unit or "-", *cells]))
    return [*lines, ""]


def render_markdown(documents: Documents) -> str:
    """Return the tearsheet as Markdown: ASCII, one column per case, then what proves it."""
    cases = list(documents)
    document = documents[main_case(documents)]
    lines = [
        "# BACKTEST REPORT",
        "",
        f"{markdown_text(', '.join(document['symbols']))}: {document['events']} events, "
        f"{document['time']['first']} to {document['time']['last']}",
        "",
    ]
    tables = tables_of(documents)
    for currency, of_currency in tables.items():
        if len(tables) > 1:
            lines += [f"# {currency}", ""]
        for table in of_currency:
            lines += markdown_table(table, cases)
    lines += ["## Proof", "", markdown_row(["what", *cases]), markdown_row(["---"] * (1 + len(cases)))]
    for key in document["digests"]:
        lines.append(markdown_row([key, *(documents[case]["digests"][key] for case in cases)]))
    for key in ("run_id", "parent_run", "seed"):
        lines.append(markdown_row([key, *(str(documents[case]["journal"][key]) or "-" for case in cases)]))
    notes, own_notes = shared_notes(documents)
    lines += ["", "## Assumptions", "", *(f"- {markdown_text(note)}" for note in notes)]
    lines += [f"- {name}: {markdown_text(note)}" for name, own in own_notes.items() for note in own]
    return "\n".join(lines) + "\n"
