"""What a journal opened with: a position and the money of the journals before; must never be added to its own PnL.

Source: docs/data.md 2, POSITION flagged OPENING.
"""

from fractions import Fraction

from mmfold.engine.limits import E8, MICROS_PER_UNIT
from mmfold.engine.manifest import Manifest
from mmfold.engine.records import NO_VALUE
from mmfold.engine.state import State
from mmfold.reports.money import decimal_text, fixed_text, instrument_units, money_decimals
from mmfold.reports.position import position_amounts

MONEY_FIELDS = {
    "pnl_before": "opening_pnl_micros",
    "fees_before": "opening_fees_micros",
    "funding_before": "opening_funding_micros",
}


def opening_fields(manifest: Manifest, state: State, index: int) -> dict[str, str | None] | None:
    """Return an instrument's opening as exact decimal text, None where the journal began with nothing.

    `gained` is what the position had gained by the first mid, `total` the net PnL of this journal and those before.
    """
    row, units = state.positions[index], instrument_units(manifest.instruments[index])
    money = {name: Fraction(int(row[field]), MICROS_PER_UNIT) for name, field in MONEY_FIELDS.items()}
    if not row["opening_lots"] and not any(money.values()):
        return None
    amounts = position_amounts(manifest, state, index)
    total = None if amounts.net is None else amounts.before + amounts.opening + amounts.net
    price = int(row["opening_price_e8"])
    return {
        "position": units.qty(int(row["opening_lots"])),
        "average_price": None if price in (0, NO_VALUE) else decimal_text(Fraction(price, E8)),
        "gained": decimal_text(amounts.opening),
        **{name: decimal_text(value) for name, value in money.items()},
        "total": None if total is None else decimal_text(total),
    }


def opening_lines(manifest: Manifest, state: State) -> list[str]:
    """Return a line for each instrument that began with something."""
    lines = []
    for index, instrument in enumerate(manifest.instruments):
        fields = opening_fields(manifest, state, index)
        if fields is None:
            continue
        currency = instrument_units(instrument).money
        text = {
            name: fixed_text(fields[name], money_decimals(currency), signed=True)
            for name in ("gained", "pnl_before", "fees_before", "funding_before", "total")
        }
        at = "" if fields["average_price"] is None else f" at {fields['average_price']}"
        before = (
            f"before it {text['pnl_before']} realised, {text['fees_before']} fees, {text['funding_before']} funding"
        )
        began = f"{instrument.symbol} opened with {fields['position']}{at}"
        gained = f"{text['gained']} {currency} up to the first mid are no part of this journal's PnL"
        lines.append(f"{began}, {gained}; {before}; in all {text['total']} {currency}")
    return lines
