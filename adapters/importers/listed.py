"""Rows of a venue's own list of instruments; must never take a row in part."""

from collections.abc import Mapping

from pydantic import ValidationError

from mmfold.adapters.importers.outcome import RefusedError
from mmfold.config.instruments import InstrumentFilters, InstrumentTableError, build_instrument
from mmfold.engine.manifest import Instrument


def instrument_of(symbol: str, venue: str, market: str, filters: Mapping[str, object]) -> Instrument:
    """Return the instrument of some filters as the venue says them.

    Raises: RefusedError naming what is no number or does not fit.
    """
    try:
        return build_instrument(symbol, venue, market, InstrumentFilters.model_validate(filters))
    except ValidationError as error:
        first = error.errors()[0]
        reason = f"{first['loc'][0]} {first['input']!a} is not a plain decimal number"
    except InstrumentTableError as error:
        reason = str(error)
    raise RefusedError(f"instrument {symbol!a} of the instruments list: {reason}")
