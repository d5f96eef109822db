"""Numbers of the world that the core has no room for, told as such; must never be raised for a fault of ours.

Kernels assert with the text `BEYOND` where prices and sizes from outside are multiplied: a product that does not fit
64 bits is never made.
"""

from mmfold.engine.limits import BEYOND, INVERSE_LOTS_MAX, POSITION_LOTS_MAX, PRODUCT_MAX
from mmfold.engine.manifest import Instrument


class BeyondLimits(Exception):
    """A price, a size or a turnover that is not counted; the message says of which instrument, at which seq."""

    hint = "check tick_size and lot_size of the instrument: coarser lots leave room for more of them"


def is_beyond(error: BaseException) -> bool:
    """Tell whether an assertion of the core was broken by numbers of the world."""
    return isinstance(error, AssertionError) and BEYOND in str(error)


def range_text(instrument: Instrument) -> str:
    """Return what of an instrument is counted, in its own numbers."""
    if instrument.is_inverse:
        return f"at most {INVERSE_LOTS_MAX:,} lots are held"
    _, denominator = instrument.tick_value_micros()
    micros = PRODUCT_MAX // 2 // denominator
    return f"at most {POSITION_LOTS_MAX:,} lots of {instrument.lot_size}, worth and turned over {micros // 10**6:,}"


def told_beyond(seq: int, instrument: Instrument | None) -> BeyondLimits:
    """Return what a person reads."""
    where = "" if instrument is None else f": {instrument.symbol}, {range_text(instrument)}"
    return BeyondLimits(f"seq {seq:,}: a position or its worth is {BEYOND}{where}")
