"""The table of well-known instruments, config/instruments.yaml; must never guess a grid."""

from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, RootModel, StringConstraints, ValidationError

from mmfold.engine.limits import MICROS_PER_UNIT
from mmfold.engine.manifest import Instrument, ManifestError

TABLE_PATH = Path(__file__).with_name("instruments.yaml")
CONTRACT_OF_MARKET = {"linear": "linear", "usdm": "linear", "inverse": "inverse", "coinm": "inverse", "spot": "spot"}
# The quote value of a contract where a venue has only one. (Bybit v5 docs, "Inverse": the order size is in USD.)
CONTRACT_VALUE_OF_VENUE = {"bybit": "1"}

PlainDecimal = Annotated[str, StringConstraints(pattern=r"^[0-9]+(\.[0-9]+)?$", max_length=32)]
Market = dict[str, "InstrumentFilters"]


class InstrumentTableError(ValueError):
    """A table or a row that cannot be used; the message says which row and why."""


class InstrumentFilters(BaseModel):
    """One row of the table.

    Units: decimal strings in the venue's units; min_notional in quote currency. The coins are empty where nothing
        says them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    tick_size: PlainDecimal
    lot_size: PlainDecimal
    min_qty: PlainDecimal = "0"
    min_notional: PlainDecimal = "0"
    contract_value: PlainDecimal | None = None  # of inverse contracts alone
    base_coin: str = ""
    quote_coin: str = ""
    settle_coin: str = ""


class InstrumentTable(RootModel[dict[str, dict[str, Market]]]):
    """{venue: {market: {symbol: filters}}}."""


@cache
def load_instrument_table(path: Path = TABLE_PATH) -> InstrumentTable:
    """Read and check a table.

    Raises: InstrumentTableError with the row at fault.
    """
    try:
        table = InstrumentTable.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError) as error:
        raise InstrumentTableError(f"{path}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise InstrumentTableError(f"{path}: {'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from error
    for venue, markets in table.root.items():
        for market, rows in markets.items():
            if market not in CONTRACT_OF_MARKET:
                raise InstrumentTableError(f"{path}: {venue}.{market}: unknown market")
            for symbol, filters in rows.items():
                build_instrument(symbol, venue, market, filters)
    return table


def find_instrument(venue: str, market: str, symbol: str) -> Instrument | None:
    """Return the table's instrument, or None when it has no such row."""
    filters = load_instrument_table().root.get(venue, {}).get(market, {}).get(symbol)
    return None if filters is None else build_instrument(symbol, venue, market, filters)


def build_instrument(symbol: str, venue: str, market: str, filters: InstrumentFilters) -> Instrument:
    """Return the manifest's record of one instrument.

    Raises: InstrumentTableError when the filters contradict each other or do not say what a contract is worth.
    """
    contract = CONTRACT_OF_MARKET[market]
    contract_value = filters.contract_value or CONTRACT_VALUE_OF_VENUE.get(venue)
    if contract == "inverse" and contract_value is None:
        raise InstrumentTableError(f"{symbol}: contract_value is missing, and no inverse contract is counted without")
    try:
        lot_size = Fraction(filters.lot_size)
        if not lot_size:
            raise InstrumentTableError(f"{symbol}: lot_size is 0")
        instrument = Instrument(
            symbol=symbol,
            venue=venue,
            contract=contract,
            tick_size=filters.tick_size,
            lot_size=filters.lot_size,
            # A minimum between two steps can only be met by the step above it.
            min_qty_lots=max(1, -(-Fraction(filters.min_qty) // lot_size)),
            min_notional_micros=int(Fraction(filters.min_notional) * MICROS_PER_UNIT),
            contract_value=contract_value if contract == "inverse" and contract_value else "1",
            base_coin=filters.base_coin,
            quote_coin=filters.quote_coin,
            settle_coin=filters.settle_coin,
        )
    except ManifestError as error:
        raise InstrumentTableError(str(error)) from error
    return instrument
