"""Answers to our requests as outcome rows; must never call a request settled that the venue may still carry out."""

from collections.abc import Iterator
from typing import Any

from mmfold.adapters.venues.bybit.frames import parse_control
from mmfold.adapters.venues.bybit.ret_codes import TIME_WINDOW, judge, judge_http
from mmfold.adapters.venues.frames import load_object
from mmfold.adapters.venues.pending import Answer, Outcome, PendingRequests, RateLimit
from mmfold.adapters.venues.port import Control, Ignored, MalformedFrame

LIMIT_HEADERS = ("x-bapi-limit", "x-bapi-limit-status", "x-bapi-limit-reset-timestamp")


class RequestBook(PendingRequests):
    """The requests under way, and what the venue answers to them."""

    clock_codes = frozenset({TIME_WINDOW})

    def parse_socket(self, frame: bytes, ts_receive_ns: int) -> Outcome | Control | Ignored:
        """Return what a frame of the order-entry stream says.

        Raises: MalformedFrame.
        """
        message = load_object(frame)
        op, request_id = message.get("op"), message.get("reqId")
        if not isinstance(op, str) or not op.startswith("order."):
            return parse_control(message, frame)
        if not isinstance(request_id, str) or request_id not in self.pending:
            return Ignored(f"answer to a request that is not under way ({str(request_id)[:40]!r})")
        return self.settle(request_id, message, message.get("data"), message.get("header"), ts_receive_ns, frame)

    def parse_rest(
        self, request_id: str, status: int, headers: dict[str, str], body: bytes, ts_receive_ns: int
    ) -> Outcome:
        """Return what the answer to a REST request says; a status that is no success outweighs its body.

        Raises: MalformedFrame: the request stays under way, and times out.
        """
        assert request_id in self.pending
        verdict = judge_http(status)
        if verdict is not None:
            answers = [Answer(order_id, verdict, status, "") for _, _, order_id in self.orders_of(request_id)]
            return self.outcome(request_id, answers, ts_receive_ns, read_limit(headers))
        message = load_object(body)
        return self.settle(request_id, message, message.get("result"), headers, ts_receive_ns, body)

    def settle(
        self, request_id: str, message: dict[str, Any], data: object, headers: object, ts_receive_ns: int, frame: bytes
    ) -> Outcome:
        """Return the outcome of an answered request: one answer for all its orders, or one each of a batch.

        Raises: MalformedFrame.
        """
        code, text = message.get("retCode"), message.get("retMsg", "")
        if type(code) is not int or not isinstance(text, str):
            raise MalformedFrame('"retCode" is missing or no integer', frame)
        orders = self.orders_of(request_id)
        items = data.get("list") if isinstance(data, dict) and len(orders) > 1 else None
        if code != 0 or items is None:
            parts = [(code, text, data)] * len(orders)
        else:
            parts = list(batch_parts(items, message.get("retExtInfo"), len(orders), frame))
        answers = []
        for (_, _, order_id), (part_code, part_text, part) in zip(orders, parts, strict=True):
            answers.append(Answer(order_id, judge(part_code), part_code, part_text))
            if isinstance(part, dict) and isinstance(part.get("orderId"), str):
                self.ledger.learn(order_id, part["orderId"])
        return self.outcome(request_id, answers, ts_receive_ns, read_limit(headers))


def batch_parts(items: object, extra: object, count: int, frame: bytes) -> Iterator[tuple[int, str, object]]:
    """Yield code, message and data of each order of a batch; the venue keeps the order of the request.

    Raises: MalformedFrame.
    """
    codes = extra.get("list") if isinstance(extra, dict) else None
    if not isinstance(items, list) or not isinstance(codes, list) or not len(items) == len(codes) == count:
        raise MalformedFrame(f"a batch of {count} orders is answered by lists of another length", frame)
    for item, told in zip(items, codes, strict=True):
        if not isinstance(told, dict) or type(told.get("code")) is not int:
            raise MalformedFrame("a batch's order has no code", frame)
        yield told["code"], str(told.get("msg", "")), item


def read_limit(headers: object) -> RateLimit | None:
    """Return what the headers of an answer say of the rate limit, or None where they say nothing whole."""
    if not isinstance(headers, dict):
        return None
    lower = {str(key).lower(): value for key, value in headers.items()}
    values = [lower.get(name) for name in LIMIT_HEADERS]
    if not all(isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19 for value in values):
        return None
    return RateLimit(*(int(str(value)) for value in values))
