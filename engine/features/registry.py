"""Which features there are and who calls them: one explicit call per hook and feature, so that all is compiled in."""

from mmfold.engine.features import arrivals, latency, markouts, order_age, turnover
from mmfold.engine.features.seam import Feature
from mmfold.engine.jit import kernel

FEATURES: tuple[Feature, ...] = (
    markouts.MARKOUTS,
    turnover.TURNOVER,
    order_age.ORDER_AGE,
    latency.LATENCY,
    arrivals.ARRIVALS,
)


@kernel
def features_on_mid(clock, cell):
    """Tell the features that a mid is about to change; runs on every book update, so what waits is asked first."""
    markouts.on_mid(clock, cell)


@kernel
def features_on_trade(cell, row):
    """Tell the features of a trade of the market."""
    arrivals.on_trade(cell, row)


@kernel
def features_on_fill(clock, cell, row):
    """Tell the features of a FILL, after the position and the order have moved."""
    markouts.on_fill(clock, cell, row)
    turnover.on_fill(clock, cell, row)


@kernel
def features_on_order(clock, cell, slot, order_event, before):
    """Tell the features that an own order has moved along the table, from the status `before`."""
    order_age.on_order(clock, cell, slot, order_event, before)
    latency.on_order(clock, cell, slot, order_event, before)


@kernel
def features_on_rate(cell, row):
    """Tell the features of a REQUEST_RESULT: how a request ended, of an order that is known or not."""
    latency.on_rate(cell, row)


@kernel
def features_on_timer(clock, cell):
    """Tell the features that time has passed, before anything is decided."""
    markouts.on_timer(clock, cell)
    turnover.on_timer(clock, cell)
    arrivals.on_timer(clock, cell)
