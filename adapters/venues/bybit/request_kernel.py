"""Orders as the JSON objects of a request, compiled; must never round or write a float.

The tick is waiting for these bytes: made as Python objects they took a third of the time from tick to order.
"""

# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False

from mmfold.adapters.importers.scan import BRACE_OPEN, COMMA, POINT, QUOTE, ZERO, literal_text
from mmfold.adapters.venues.bybit.requests import BATCH_COUNT_MAX, ORDER_BYTES_MAX
from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.jit import entry, kernel
from mmfold.engine.records import NO_PRICE_TICKS
from mmfold.journal.jsonl.decimals import DIGIT_COUNT_MAX

VALUE_LIMIT = 10**DIGIT_COUNT_MAX

QTY = literal_text(',"qty":"')
PRICE = literal_text(',"price":"')
BUY = literal_text(',"side":"Buy"')
SELL = literal_text(',"side":"Sell"')
POST_ONLY = literal_text(',"timeInForce":"PostOnly"')
IOC = literal_text(',"timeInForce":"IOC"')
FOK = literal_text(',"timeInForce":"FOK"')
GTC = literal_text(',"timeInForce":"GTC"')
LIMIT = literal_text(',"orderType":"Limit"')
MARKET = literal_text(',"orderType":"Market"')
REDUCE_ONLY = literal_text(',"reduceOnly":true,"positionIdx":0')
NOT_REDUCE_ONLY = literal_text(',"reduceOnly":false,"positionIdx":0')
BASE_COIN = literal_text(',"marketUnit":"baseCoin"')  # a spot market order to buy would count in quote coins
END = literal_text("}")
REQUEST = literal_text('"request":[')
BATCH_END = literal_text("]}")


@kernel
def put(out, pos, literal, size):
    """Write the first bytes of a literal and return the position after them."""
    for index in range(size):
        out[pos + index] = literal[index]
    return pos + size


@kernel
def put_literal(out, pos, literal):
    """Write a whole literal and return the position after it."""
    return put(out, pos, literal, literal.size)


@kernel
def put_whole(out, pos, value):
    """Write a whole number and a quote, and return the position after them."""
    assert value >= 0
    count, rest = 1, value // 10
    while rest > 0:
        count, rest = count + 1, rest // 10
    for place in range(count):
        out[pos + count - 1 - place] = ZERO + value % 10
        value //= 10
    out[pos + count] = QUOTE
    return pos + count + 1


@kernel
def put_decimal(out, pos, units, mantissa, exponent):
    """Write units x mantissa / 10**exponent in its shortest form and a quote, and return the position after them."""
    assert 0 < units <= (VALUE_LIMIT - 1) // mantissa
    value = units * mantissa
    while exponent > 0 and value % 10 == 0:
        value, exponent = value // 10, exponent - 1
    count, rest = 1, value // 10
    while rest > 0 or count <= exponent:
        count, rest = count + 1, rest // 10
    end = pos + count + (1 if exponent > 0 else 0)
    at = end - 1
    for place in range(count):
        if place == exponent and exponent > 0:
            out[at] = POINT
            at -= 1
        out[at] = ZERO + value % 10
        value //= 10
        at -= 1
    out[end] = QUOTE
    return end + 1


@kernel
def put_place(out, pos, effect, is_spot):
    """Write what only a PLACE says: side, how long it stays, type, whether it may open a position.

    A PLACE without a price is a market order, which the venue only takes as IOC.
    """
    flags, is_limit = effect["flags"], effect["price_ticks"] != NO_PRICE_TICKS
    assert effect["side"] <= Side.ASK
    pos = put_literal(out, pos, BUY if effect["side"] == Side.BID else SELL)
    if flags & Flag.POST_ONLY:
        pos = put_literal(out, pos, POST_ONLY)
    elif flags & Flag.IOC:
        pos = put_literal(out, pos, IOC)
    elif flags & Flag.FOK:
        pos = put_literal(out, pos, FOK)
    else:
        pos = put_literal(out, pos, GTC)
    assert is_limit or (flags & Flag.IOC and not flags & Flag.POST_ONLY)
    pos = put_literal(out, pos, LIMIT if is_limit else MARKET)
    if not is_spot:
        return put_literal(out, pos, REDUCE_ONLY if flags & Flag.REDUCE_ONLY else NOT_REDUCE_ONLY)
    return pos if is_limit else put_literal(out, pos, BASE_COIN)


@kernel
def put_order(out, pos, effect, form):
    """Write what one PLACE, AMEND or CANCEL says up to its closing brace, and return the position after that."""
    kind, order_id, whole_lots = effect["kind"], effect["order_id"], effect["qty_lots"]
    assert pos + ORDER_BYTES_MAX <= out.size
    pos = put_whole(out, put(out, pos, form["head"], form["head_bytes"]), order_id)
    if kind != EventKind.CANCEL:
        if kind == EventKind.AMEND:
            assert effect["aux"] >= 0
            whole_lots += effect["aux"]
        pos = put_decimal(out, put_literal(out, pos, QTY), whole_lots, form["lot_mantissa"], form["lot_exponent"])
        if effect["price_ticks"] != NO_PRICE_TICKS:
            price_ticks, tick = effect["price_ticks"], form["tick_mantissa"]
            pos = put_decimal(out, put_literal(out, pos, PRICE), price_ticks, tick, form["tick_exponent"])
        if kind == EventKind.PLACE:
            pos = put_place(out, pos, effect, form["is_spot"])
    return put_literal(out, pos, END)


@kernel
def end_of_run(effects, start, forms):
    """Return the index after the effects from `start` on that one request can carry: of one kind and category."""
    first = effects[start]
    assert first["instrument_index"] < forms.size
    category = forms[first["instrument_index"]]["category"]
    end = start + 1
    while end < effects.size and end - start < BATCH_COUNT_MAX:
        effect = effects[end]
        assert effect["instrument_index"] < forms.size
        if effect["kind"] != first["kind"] or forms[effect["instrument_index"]]["category"] != category:
            break
        end += 1
    return end


@entry
def encode_run(effects, start, forms, out):
    """Write the JSON object of the orders from `start` on that one request can carry: of one, or the list of a batch.

    Shape:   effects EVENT, PLACE, AMEND or CANCEL; forms FORM by instrument; out u1.
    Returns: the index after them and the object's bytes.
    """
    end = end_of_run(effects, start, forms)
    assert EventKind.PLACE <= effects[start]["kind"] <= EventKind.CANCEL
    form = forms[effects[start]["instrument_index"]]
    pos = put(out, 0, form["category_head"], form["category_head_bytes"])
    if end == start + 1:
        return end, put_order(out, pos, effects[start], form)
    pos = put_literal(out, pos, REQUEST)
    for index in range(start, end):
        effect = effects[index]
        if index > start:
            out[pos] = COMMA
            pos += 1
        out[pos] = BRACE_OPEN
        pos = put_order(out, pos + 1, effect, forms[effect["instrument_index"]])
    return end, put_literal(out, pos, BATCH_END)
