"""A table on a terminal that may be too narrow for it: never a number is cut, a row becomes a block of lines then."""

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text


def print_fitted(console: Console, table: Table) -> None:
    """Print a table as it is, or row by row, where its words alone have no room beside each other."""
    natural = Measurement.get(console, console.options.update(max_width=10_000), table)
    if natural.minimum <= console.width:
        console.print(table)
        return
    if table.title:
        console.print(table.title)
    headers = [text_of(column.header).strip() for column in table.columns]
    width = max(map(len, headers))
    for cells in zip(*(column.cells for column in table.columns), strict=True):
        words = [text_of(cell).strip() for cell in cells]
        console.print(Text(words[0], "bold"), soft_wrap=True)
        for place, header in enumerate(headers):
            unit = words[place + 1] if headers[place + 1 : place + 2] == [""] else ""  # a column without a name
            word = f"{words[place]}  {unit}".rstrip()
            if not place or not header:
                continue
            console.print(Text(f"  {header:<{width}}  {word}"), soft_wrap=True)


def text_of(cell: object) -> str:
    """Return what a cell says."""
    return cell.plain if isinstance(cell, Text) else str(cell)
