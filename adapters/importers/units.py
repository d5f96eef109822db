"""In which unit a file tells its times, found from their digits; must never change in the middle of a file.

A time since 2001 in s, ms, us or ns has a number of digits of its own, so that each number is a time in one unit alone.
What the first lines of a file have most is the file's unit; a file without such numbers has its form's own unit.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from mmfold.engine.limits import NS_PER_MS, NS_PER_S, TS_NS_MAX

NS_PER_US = 1_000
UNITS = {"s": NS_PER_S, "ms": NS_PER_MS, "us": NS_PER_US, "ns": 1}
TS_LOW_NS = 10**18  # September 2001: no venue is older
TS_SPAN = 10  # from there on to the year 2286, less than the distance of two units


@dataclass(frozen=True, slots=True)
class Units:
    """How a file tells its times.

    Units: receive_ns and exchange_ns are the ns of one step; a receive time below ts_low_ns is told in another unit.
    """

    receive_ns: int
    exchange_ns: int = NS_PER_MS
    ts_low_ns: int = 0

    def names(self) -> dict[str, str]:
        """Return the names of the units."""
        names = {unit_ns: name for name, unit_ns in UNITS.items()}
        return {"receive": names[self.receive_ns], "exchange": names[self.exchange_ns]}


STAMPED_UNITS = Units(receive_ns=1)
SPOKEN_UNITS = Units(receive_ns=NS_PER_S)


def unit_of(number: int) -> int:
    """Return the ns of the unit in which a number is a time since 2001, or 0."""
    return next((ns for ns in UNITS.values() if TS_LOW_NS <= number * ns < TS_LOW_NS * TS_SPAN), 0)


def most_units(numbers: Iterable[int]) -> int:
    """Return the ns of the unit that most of some times are in, or 0 if most are in none; the first of equals."""
    counts = Counter(unit_of(number) for number in numbers)
    return counts.most_common(1)[0][0] if counts else 0


def find_units(receive: Iterable[int], exchange: Iterable[int], usual: Units) -> Units:
    """Return the units of a file's first receive and exchange times."""
    receive_ns, exchange_ns = most_units(receive), most_units(exchange)
    return Units(
        receive_ns=receive_ns or usual.receive_ns,
        exchange_ns=exchange_ns or usual.exchange_ns,
        ts_low_ns=TS_LOW_NS if receive_ns else usual.ts_low_ns,
    )


def exchange_units_max(unit_ns: int) -> int:
    """Return the latest time that a row can hold, in a unit."""
    return (TS_NS_MAX - 1) // unit_ns
