"""What a request about many orders names: the parameter that goes first decides; must never combine two of them.

Source: Bybit v5 open orders, order history, trade history, cancel order and cancel all pages (read 2026-11-30).
"""

from collections.abc import Iterator, Mapping

from mmfold.adapters.emulator.bybit.codes import VenueCode, VenueError
from mmfold.adapters.emulator.bybit.orders import Params
from mmfold.adapters.emulator.market.product import Product

IDS, GROUPS = ("orderId", "orderLinkId"), ("symbol", "baseCoin", "settleCoin")
FILTER, CONDITIONAL = "orderFilter", ("StopOrder", "tpslOrder", "OcoOrder", "BidirectionalTpslOrder")
FILTERS = ("Order", *CONDITIONAL)


def given(params: Params, names: tuple[str, ...]) -> str:
    """Return the first of some parameters that a request has, nothing without one."""
    return next((name for name in names if params.get(name)), "")


def names_product(params: Params, product: Product) -> bool:
    """Tell whether a request is about a product: by symbol, else by base coin, else by settle coin, else about all."""
    name = given(params, GROUPS)
    told = {"symbol": product.symbol, "baseCoin": product.base_coin, "settleCoin": product.quote_coin}
    return not name or params[name] == told[name]


def names_order(params: Params, order_id: str, link_id: str, product: Product) -> bool:
    """Tell whether a request is about an order: by its id, else by its link id, else by its product."""
    name = given(params, IDS)
    if name:
        return bool(params[name] == (order_id if name == "orderId" else link_id))
    return names_product(params, product)


def named_products(params: Params, products: Mapping[str, Product]) -> Iterator[Product]:
    """Yield the products that a request is about.

    Raises: VenueError for a symbol that there is not.
    """
    if params.get("symbol") and str(params["symbol"]) not in products:
        raise VenueError(VenueCode.PARAMETER, "params error: symbol invalid")
    return (product for product in products.values() if names_product(params, product))


def takes_orders(params: Params) -> bool:
    """Tell whether a request is about plain orders; those of other filters are conditional, and none is here.

    Raises: VenueError.
    """
    asked = params.get(FILTER) or "Order"
    if asked not in FILTERS:
        raise VenueError(VenueCode.PARAMETER, f"params error: {FILTER} invalid")
    return asked not in CONDITIONAL
