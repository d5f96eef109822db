"""What the tours of the clients share: the shape of an answer as a line of text, and a settlement of funding."""

from typing import Any

from mmfold.adapters.emulator.market.synthetic import make_rows
from mmfold.engine.codes import EventKind, Side
from tests.adapters.emulator.running import RunningVenue


def shape_of(value: Any) -> str:
    """Return the types of a document: text, number, flag, nothing; a list has the different shapes of its entries.

    Amounts that may be missing are a matter of the market: an empty text is a text.
    """
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "flag"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "text"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {shape_of(value[name])}" for name in sorted(value)) + "}"
    assert isinstance(value, list | tuple), type(value)
    return "[" + " | ".join(sorted({shape_of(entry) for entry in value})) + "]"


def settle(running: RunningVenue, rate_e9: int) -> None:
    """Let funding be settled once in BTCUSDT."""
    rows = make_rows(EventKind.FUNDING, 0, [(Side.NONE, 0, 0)])
    rows["aux"] = rate_e9
    running.call(lambda: running.venue.apply(rows))
