"""What order entry does, the same over REST and WebSocket; must never know which of them asked.

Source: Bybit v5 order pages and recorded answers (read 2026-11-20).
"""

from collections.abc import Callable
from typing import Any

from mmfold.adapters.emulator.bybit.account import Account
from mmfold.adapters.emulator.bybit.budget import BATCH_SIZE_MAX
from mmfold.adapters.emulator.bybit.codes import MESSAGES, VenueCode, VenueError
from mmfold.adapters.emulator.bybit.naming import GROUPS, given
from mmfold.adapters.emulator.bybit.orders import Order, Params, require_category

Result = tuple[dict[str, Any], dict[str, Any]]  # result, retExtInfo
Act = Callable[[Account, Params], Order]


def ids_of(order: Order) -> dict[str, str]:
    """Return the two ids of an order."""
    return {"orderId": order.order_id, "orderLinkId": order.link_id}


def create(account: Account, params: Params) -> Order:
    """Place an order.

    Raises: VenueError.
    """
    return account.create(params)


def amend(account: Account, params: Params) -> Order:
    """Change an order.

    Raises: VenueError.
    """
    require_category(params)
    return account.amend(params)


def cancel(account: Account, params: Params) -> Order:
    """End an order.

    Raises: VenueError.
    """
    require_category(params)
    return account.cancel(params)


def cancel_all(account: Account, params: Params) -> Result:
    """End all orders of a symbol, a base coin or a settle coin.

    Raises: VenueError.
    """
    require_category(params)
    if not given(params, GROUPS):
        raise VenueError(VenueCode.PARAMETER, "params error: symbol or settleCoin is required")
    return {"list": [ids_of(order) for order in account.cancel_all(params)], "success": "1"}, {}


def batch_of(params: Params) -> list[Any]:
    """Return the requests of a batch.

    Raises: VenueError.
    """
    require_category(params)
    requests = params.get("request")
    if not isinstance(requests, list) or not requests:
        raise VenueError(VenueCode.PARAMETER, "params error: request invalid")
    if len(requests) > BATCH_SIZE_MAX:
        raise VenueError(VenueCode.PARAMETER, f"params error: at most {BATCH_SIZE_MAX} orders in a batch")
    return requests


def run_batch(act: Act, account: Account, params: Params) -> Result:
    """Carry out requests one by one: each has its own outcome.

    Raises: VenueError for a batch that is none.
    """
    results, outcomes = [], []
    for request in batch_of(params):
        asked = dict(request) if isinstance(request, dict) else {}
        entry = {"category": "linear", "symbol": str(asked.get("symbol", ""))}
        ids = {"orderId": str(asked.get("orderId") or ""), "orderLinkId": str(asked.get("orderLinkId") or "")}
        code, message = VenueCode.OK, MESSAGES[VenueCode.OK]
        try:
            order = act(account, asked | {"category": "linear"})
            ids = ids_of(order)
            if act is create:
                ids["createAt"] = str(order.created_ms)
        except VenueError as error:
            code, message = error.code, error.message
            ids |= {"createAt": ""} if act is create else {}
        results.append(entry | ids)
        outcomes.append({"code": int(code), "msg": message})
    return {"list": results}, {"list": outcomes}


ACTS: dict[str, Act] = {"create": create, "amend": amend, "cancel": cancel}
OPERATIONS = (*ACTS, "cancel-all", *(f"{name}-batch" for name in ACTS))


def operate(name: str, account: Account, params: Params) -> Result:
    """Carry out one operation of order entry.

    Raises: VenueError.
    """
    if name == "cancel-all":
        return cancel_all(account, params)
    if name in ACTS:
        return ids_of(ACTS[name](account, params)), {}
    return run_batch(ACTS[name.removesuffix("-batch")], account, params)


def weight(name: str, params: Params) -> int:
    """Return what an operation costs of its budget: a batch costs its orders.

    Raises: VenueError for a batch that is none.
    """
    return len(batch_of(params)) if name.endswith("-batch") else 1
