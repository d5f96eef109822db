"""A frame of the live view as lines of a terminal: fits 80 x 24 and grows; must never show what is not in it.

Room goes to one instrument in full, a line for each of the others and ten decisions, then to more instruments in full,
then to more orders. What has no room is counted, never silently left out.
"""

from itertools import zip_longest
from typing import Any, NamedTuple

from rich.console import Console
from rich.text import Text

from mmfold.reports.money import fixed_text, money_decimals
from mmfold.reports.top.frame import LEVEL_COUNT
from mmfold.reports.top.watch import DECISION_COUNT

WIDE_CHARS = 118  # from here on orders stand beside an instrument's figures
LEFT_CHARS = 80  # of the figures then
HEADER_LINES = 2
FULL_LINES = 5 + LEVEL_COUNT  # of one instrument in full, without orders
DECISION_LINES_MIN = 3
GAP = "  "
SIDES = ("bid", "ask")
STYLES = {"bid": "green", "ask": "red"}
LADDER_COLUMNS = {"bid": ("own", "qty", "price"), "ask": ("price", "qty", "own")}
LADDER_CHARS_MIN = {"own": 5, "qty": 6, "price": 8}  # so that columns do not jump with every size
COUNTERS = ("placed", "amended", "cancelled", "filled", "rejected")
RARE_COUNTERS = {"expired": "expired", "timeouts": "request_timeout", "alerts": "alert"}


class Room(NamedTuple):
    """How many lines the parts of a frame get: instruments in full and in brief, orders of each in full, decisions."""

    full: int
    brief: int
    orders: list[int]
    decisions: int


def frame_lines(document: dict[str, Any], width: int, height: int | None) -> list[Text]:
    """Return a frame's lines, none wider than `width`; all there is when there is no `height`."""
    symbols = list(document["symbols"].items())
    room = share_room([order_line_count(symbol, width) for _, symbol in symbols], width, height)
    lines = header_lines(document, width)
    for (name, symbol), line_count in zip(symbols, room.orders, strict=False):
        lines += symbol_lines(name, symbol, width, line_count)
    lines += [brief_line(name, symbol) for name, symbol in symbols[room.full : room.full + room.brief]]
    left_out = len(symbols) - room.full - room.brief
    if left_out:
        lines.append(Text(f"and {left_out} more: --symbol, or a taller window", "dim"))
    lines += decision_lines(document["decisions"][-room.decisions :], width)
    if height is None:
        return [part for line in lines for part in folded(line, width)]
    for line in lines:
        line.rstrip()
        cut_at_word(line, width)
    return lines[:height]


def cut_at_word(line: Text, width: int, *, pad: bool = False) -> None:
    """Cut a line that is too long before the word that has no room: half a number is another number."""
    if line.cell_len > width:
        line.truncate(len(line.plain[: width - 1].rpartition(" ")[0].rstrip()))
        line.append(" …" if len(line) else "…", "dim")
    if pad:
        line.pad_right(width - line.cell_len)


def folded(line: Text, width: int) -> list[Text]:
    """Return a line in as many as it takes, none broken within a word."""
    line.rstrip()
    parts = line.wrap(Console(width=width), width) if line.cell_len > width else [line]
    for part in parts:
        part.rstrip()
    return list(parts)


def share_room(order_counts: list[int], width: int, height: int | None) -> Room:
    """Share the lines of a window among the parts of a frame; `order_counts` is what all orders would take."""
    count = len(order_counts)
    if height is None:
        return Room(count, 0, order_counts, DECISION_COUNT)
    free = FULL_LINES - 1 if width >= WIDE_CHARS else 1  # order lines that an instrument in full has anyway
    full_lines = FULL_LINES if width >= WIDE_CHARS else FULL_LINES + 1
    left = height - HEADER_LINES - full_lines
    brief = min(count - 1, max(0, left - DECISION_LINES_MIN))
    if brief < count - 1:
        brief, left = max(0, brief - 1), left - 1  # a line counts the rest
    left -= brief
    decisions = min(DECISION_COUNT, max(DECISION_LINES_MIN, left))
    left -= decisions
    full = 1
    while brief and left >= full_lines - 1:
        full, brief, left = full + 1, brief - 1, left - full_lines + 1
    orders = []
    for wanted in order_counts[:full]:
        more = min(max(0, wanted - free), max(0, left))
        orders.append(free + more)
        left -= more
    return Room(full, brief, orders, decisions)


def header_lines(document: dict[str, Any], width: int) -> list[Text]:
    """Return what run this is, how far it is and how far behind, its request times and its exposure."""
    lag_s = document["time"]["lag_s"]
    state = Text(document["ended"], "yellow")
    if lag_s is not None:
        state.append(GAP if state else "").append(f"behind {lag_s:,.1f} s", "")
    if document["connection"] == "down":
        state = Text.assemble(("connection down", "bold red"), GAP, state)
    title = Text.assemble(("mm top", "bold"), GAP, document["run_id"], GAP, (document["mode"], "bold"))
    title.truncate(max(0, width - len(state) - len(GAP)), overflow="ellipsis")
    title.append(" " * (width - len(title) - len(state)))
    head, latency, witnessed = document["head"], document["latency"], document["witnessed"]
    parts = (
        f"seq {document['seq']:,}",
        f"head {head[:8]}…{head[-4:]}",
        f"requests p50 {milliseconds(latency['p50_ms'])}  p99 {milliseconds(latency['p99_ms'])} ms",
        f"exposure {exposure_text(document)}",
        "inputs only" if witnessed is None else f"{witnessed:,} decisions identical",
        (document["time"]["event"] or "-").replace("T", " "),
    )
    return [title.append(state), fitting(parts, width)]


def exposure_text(document: dict[str, Any]) -> str:
    """Return what is held against its limit; in several currencies each for itself, as no sum of them says anything."""
    exposures = document["exposures"]
    if len(exposures) == 1:
        return of_limit(document["exposure"], document["exposure_max"], 0)
    return ", ".join(f"{money(value, 0)} {currency}" for currency, value in exposures.items())


def fitting(parts: tuple[str, ...], width: int) -> Text:
    """Return the first parts that a line has room for."""
    while len(parts) > 1 and len(GAP.join(parts)) > width:
        parts = parts[:-1]
    return Text(GAP.join(parts))


def symbol_lines(name: str, symbol: dict[str, Any], width: int, order_line_max: int) -> list[Text]:
    """Return one instrument in full: prices, ladder beside the position, PnL, counters, guards, open orders."""
    ladder = ladder_lines(symbol)
    position = position_lines(symbol, min(width, LEFT_CHARS) - len(ladder[0]) - len(GAP))
    figures = [Text.assemble(one, GAP, other) for one, other in zip(ladder, position, strict=True)]
    figures += [pnl_line(symbol), counter_line(symbol), Text.assemble(*state_words(symbol))]
    orders = order_lines(symbol, width, order_line_max)
    lines = beside(figures, orders) if width >= WIDE_CHARS else figures + orders
    return [title_line(name, symbol, width), *lines]


def beside(figures: list[Text], orders: list[Text]) -> list[Text]:
    """Return an instrument's figures with its orders on their right."""
    lines = []
    for figure, order in zip_longest(figures, orders):
        left = Text() if figure is None else figure
        cut_at_word(left, LEFT_CHARS, pad=True)
        lines.append(Text.assemble(left, GAP, order or ""))
    return lines


def title_line(name: str, symbol: dict[str, Any], width: int) -> Text:
    """Return an instrument's name, its book's state and prices, ruled to the edge."""
    status = symbol["book_status"]
    line = Text.assemble(
        ("── ", "dim"), (name, "bold"), GAP, (f"book {status}", STYLES["bid" if status == "live" else "ask"])
    )
    line.append(GAP + price_text(symbol) + " ")
    return line.append("─" * max(0, width - len(line)), "dim")


def price_text(symbol: dict[str, Any]) -> str:
    """Return mid, microprice and spread."""
    if symbol["mid"] is None:
        return "no mid"
    decimals = symbol["units"]["price_decimals"]
    return GAP.join(
        (
            f"mid {money(symbol['mid'], decimals + 1)}",
            f"micro {money(symbol['microprice'], decimals + 2)}",
            f"spread {money(symbol['spread'], decimals)} ({symbol['spread_bps']:.2f} bps)",
        )
    )


def brief_line(name: str, symbol: dict[str, Any]) -> Text:
    """Return one instrument in one line."""
    units = symbol["units"]
    words = (
        f"mid {money(symbol['mid'], units['price_decimals'] + 1)}",
        f"position {money(symbol['position']['qty'], units['qty_decimals'], signed=True)}",
        f"net {money(symbol['pnl']['net'], money_decimals(units['money']), signed=True)} {units['money']}",
        f"{len(symbol['orders'])} open",
    )
    return Text.assemble(("── ", "dim"), (name, "bold"), GAP, *state_words(symbol), GAP, GAP.join(words))


def ladder_lines(symbol: dict[str, Any]) -> list[Text]:
    """Return the best levels of both sides, ours marked in `own`, bids on the left; all lines are equally long."""
    lines = [Text() for _ in range(LEVEL_COUNT + 1)]
    for side in SIDES:
        levels = symbol["ladder"][side]
        for name in LADDER_COLUMNS[side]:
            decimals = symbol["units"]["price_decimals" if name == "price" else "qty_decimals"]
            header = side if name == "price" else "size" if name == "qty" else name
            texts = [header, *("" if one[name] is None else money(one[name], decimals) for one in levels)]
            texts += [""] * (LEVEL_COUNT + 1 - len(texts))
            chars = max(LADDER_CHARS_MIN[name], *map(len, texts)) + len(GAP)
            style = "bold cyan" if name == "own" else STYLES[side] if name == "price" else ""
            for row, text in enumerate(texts):
                lines[row].append(text.rjust(chars), style if row else "dim")
    return lines


def position_lines(symbol: dict[str, Any], width: int) -> list[Text]:
    """Return position and exposure against their limits, and the PnL; as many lines as the ladder has."""
    units, position, pnl = symbol["units"], symbol["position"], symbol["pnl"]
    decimals = money_decimals(units["money"])
    qty = of_limit(position["qty"], position["qty_max"], units["qty_decimals"], signed=True)
    exposure = of_limit(position["exposure"], position["exposure_max"], 0)
    rows = (
        ("position", qty, "bold"),
        ("exposure", exposure, ""),
        (f"net {units['money']}", money(pnl["net"], decimals, signed=True), "bold"),
        ("realised", money(pnl["realized"], decimals, signed=True), ""),
        ("unrealised", money(pnl["unrealized"], decimals, signed=True), ""),
        ("fees", money(pnl["fees"], decimals, signed=True), ""),
    )
    return [
        Text.assemble((label, "dim"), value.rjust(max(len(value) + 1, width - len(label))), style=style)
        for label, value, style in rows
    ]


def of_limit(value: str | None, limit: str | None, decimals: int, signed: bool = False) -> str:
    """Return an amount, and behind a stroke its limit if it has one."""
    return money(value, decimals, signed) + (f"/{money(limit, decimals)}" if limit is not None else "")


def pnl_line(symbol: dict[str, Any]) -> Text:
    """Return what the PnL is made of besides: earned at the spread, moved with the inventory, funding."""
    decimals = money_decimals(symbol["units"]["money"])
    words = (
        f"{name} {money(symbol['pnl'][name], decimals, signed=True)}" for name in ("spread", "inventory", "funding")
    )
    return Text(GAP.join(("PnL split", *words)))


def counter_line(symbol: dict[str, Any]) -> Text:
    """Return what happened to the orders so far."""
    counters = symbol["counters"]
    words = [f"{name} {counters[name]:,}" for name in COUNTERS]
    words += [f"{word} {counters[name]:,}" for word, name in RARE_COUNTERS.items() if counters[name]]
    return Text(GAP.join(words))


def state_words(symbol: dict[str, Any]) -> list[Text]:
    """Return whether it quotes, then each guard, with gaps between."""
    block = symbol["block_reason"]
    words = [Text("quoting", "green") if block == "none" else Text(f"blocked: {block}", "bold red")]
    for guard in symbol["guards"]:
        words += [Text(GAP), Text(guard, "yellow")]
    return words


def order_line_count(symbol: dict[str, Any], width: int) -> int:
    """Return how many lines all open orders take: one each beside the figures, a bid and an ask each below them."""
    by_side = [sum(order["side"] == side for order in symbol["orders"]) for side in SIDES]
    return max(1, sum(by_side) if width >= WIDE_CHARS else max(by_side))


def order_lines(symbol: dict[str, Any], width: int, line_max: int) -> list[Text]:
    """Return the open orders, best first, and how many had no room."""
    orders = symbol["orders"]
    if not orders:
        return [Text("no open orders", "dim")]
    if width >= WIDE_CHARS:
        texts = [order_text(order, symbol) for order in orders]
        shown = texts if len(texts) <= line_max else texts[: line_max - 1]
        left_out = len(texts) - len(shown)
        return [*shown, Text(f"and {left_out} more", "dim")] if left_out else shown
    half = width // 2
    sides = [[order_text(order, symbol) for order in orders if order["side"] == side] for side in SIDES]
    lines = []
    for row in range(min(line_max, max(map(len, sides)))):
        line = Text()
        for texts in sides:
            text = texts[row] if row < len(texts) else Text()
            left_out = len(texts) - line_max
            if row == line_max - 1 and left_out > 0:
                text = Text.assemble(text, (f" +{left_out}", "dim"))
            cut_at_word(text, half - 1, pad=True)
            line.append_text(text).append(" ")
        lines.append(line)
    return lines


def order_text(order: dict[str, Any], symbol: dict[str, Any]) -> Text:
    """Return one open order: side, price, what remains, status, age."""
    units = symbol["units"]
    price, qty = money(order["price"], units["price_decimals"]), money(order["qty"], units["qty_decimals"])
    filled = "" if order["filled"] == "0" else f", {money(order['filled'], units['qty_decimals'])} filled"
    words = f" {price} x {qty} {order['status']} {order['age_s']:,.1f} s{filled}"
    return Text.assemble((order["side"], STYLES[order["side"]]), words)


def decision_lines(decisions: list[dict[str, Any]], width: int) -> list[Text]:
    """Return decisions, a line each: seq, time of day, what and why."""
    end = len("hh:mm:ss.mmm") if width >= WIDE_CHARS else len("hh:mm:ss")
    chars = max((len(f"{one['seq']:,}") for one in decisions), default=0)
    lines = []
    for one in decisions:
        when = one["time"][11:][:end] if one["time"] else "-"
        style = "yellow" if one["text"].startswith("ALERT") else ""
        lines.append(Text.assemble((f"{one['seq']:>{chars},}  {when:<{end}}  ", "dim"), (one["text"], style)))
    return lines


def money(value: str | float | None, decimals: int, signed: bool = False) -> str:
    """Return a figure for people, a dash when it is absent."""
    return fixed_text(None if value is None else str(value), decimals, signed)


def milliseconds(value: float | None) -> str:
    """Return a time in ms to a tenth."""
    return "-" if value is None else f"{value:,.1f}"
