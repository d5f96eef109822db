"""The report of one replay as data and as a person first sees it; must never hold what varies outside `run`."""

import hashlib
import shlex
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mmfold.engine.codes import BookStatus, Mode, Reason, Side
from mmfold.engine.limits import NS_PER_S
from mmfold.engine.manifest import canonical_json
from mmfold.engine.printable import printable
from mmfold.engine.records import NO_PRICE_TICKS, NO_TS_NS
from mmfold.engine.rules import RULES
from mmfold.replay.result import ReplayResult
from mmfold.replay.strategy.file import loaded
from mmfold.reports.audit import utc_text
from mmfold.reports.fitted import print_fitted
from mmfold.reports.funding import funding_notes
from mmfold.reports.money import decimal_text, fixed_text, instrument_units, money_decimals
from mmfold.reports.opening import opening_fields, opening_lines
from mmfold.reports.parameters import named_params, parameters_document
from mmfold.reports.position import PositionAmounts, position_amounts
from mmfold.reports.rules import promise_lines, promises_document
from mmfold.reports.venue import venue_notes, venue_part

REPORT_SCHEMA_VERSION = 1
RATIO_DECIMALS = 6
NARROW_CONSOLE_WIDTH = 80
WIDE_CONSOLE_WIDTH = 120
MONEY_KEYS = (
    "realized_pnl", "unrealized_pnl", "fees", "funding", "net_pnl", "turnover", "spread_pnl", "inventory_pnl",
)  # fmt: skip
COUNT_KEYS = ("fills", "placed", "amended", "cancelled", "rejected")
BOOK_COUNTS = {
    "clears": "clear_count",
    "crossed": "crossed_count",
    "deltas": "delta_count",
    "deltas_dropped": "held_dropped_count",
    "gaps": "gap_count",
    "ignored": "ignored_count",
    "levels_dropped": "far_dropped_count",
    "restarts": "restart_count",
    "snapshots": "snapshot_count",
    "trades": "trade_count",
}
BOOK_FAULTS = ("gaps", "restarts", "ignored", "crossed")
BOOK_DROPPED = {"levels_dropped": "levels", "deltas_dropped": "deltas before a snapshot"}


def exact(value: Fraction | None) -> str | None:
    """Return an amount as exact decimal text, None when absent."""
    return None if value is None else decimal_text(value)


def ratio(value: Fraction | None) -> float | None:
    """Return a ratio rounded to 6 decimals (spec/reports.md 0.1), None when absent."""
    return None if value is None else float(round(value, RATIO_DECIMALS))


def best_ticks(result: ReplayResult, index: int, side: Side) -> int | None:
    """Return the best price of a side: the book's, else the venue's BBO where there is no book."""
    row = result.state.book_sides[index, side]
    for field in ("best_price_ticks", "bbo_price_ticks"):
        if row[field] != NO_PRICE_TICKS:
            return int(row[field])
    return None


def price_fields(result: ReplayResult, index: int) -> dict[str, Any]:
    """Return best prices, mid and spread of an instrument, each None when absent."""
    units = instrument_units(result.manifest.instruments[index])
    bid, ask = best_ticks(result, index, Side.BID), best_ticks(result, index, Side.ASK)
    both = None if bid is None or ask is None else (bid, ask)
    return {
        "best_bid": None if bid is None else units.price(bid),
        "best_ask": None if ask is None else units.price(ask),
        "mid": None if both is None else decimal_text(sum(both) * units.tick / 2),
        "spread_bps": None if both is None else ratio(Fraction(20_000 * (both[1] - both[0]), sum(both))),
    }


def money_fields(amounts: PositionAmounts) -> dict[str, str | None]:
    """Return the amounts that add up over symbols, as exact decimal text."""
    values = (
        amounts.realized, amounts.unrealized, amounts.fees, amounts.funding, amounts.net, amounts.turnover,
        amounts.spread, amounts.inventory,
    )  # fmt: skip
    return dict(zip(MONEY_KEYS, map(exact, values), strict=True))


def blocked_fields(result: ReplayResult, index: int) -> dict[str, int]:
    """Return how many orders each reason kept from being placed; reasons that happened only."""
    counts = result.state.blocked_counts[index]
    return {reason.name.lower(): int(counts[reason]) for reason in Reason if counts[reason]}


def symbol_report(result: ReplayResult, index: int) -> dict[str, Any]:
    """Return everything the report says about one instrument."""
    state, instrument = result.state, result.manifest.instruments[index]
    units, position, counters, book = (
        instrument_units(instrument),
        state.positions[index],
        state.counters[index],
        state.books[index],
    )
    fills = int(position["fill_count"])
    return {
        **price_fields(result, index),
        **money_fields(position_amounts(result.manifest, state, index)),
        "amended": int(counters["amended_count"]),
        "blocked": blocked_fields(result, index),
        "book": {
            "status": BookStatus(int(book["status"])).name.lower(),
            **{key: int(book[field]) for key, field in BOOK_COUNTS.items()},
        },
        "cancelled": int(counters["cancelled_count"]),
        "currency": units.money,
        "fills": fills,
        "guard_trips": int(counters["guard_trip_count"]),
        "maker_share": ratio(Fraction(int(position["maker_fill_count"]), fills)) if fills else None,
        "opening": opening_fields(result.manifest, state, index),
        "orders_live": {
            side.name.lower(): int(state.quote_sides[index, side]["open_order_count"]) for side in (Side.BID, Side.ASK)
        },
        "placed": int(counters["placed_count"]),
        "position": units.qty(int(position["position_lots"])),
        "rejected": int(counters["rejected_count"]),
        "turnover_currency": units.quote,
    }


def symbols_json(result: ReplayResult) -> dict[str, dict[str, Any]]:
    """Return {symbol: report}, the `symbols` part of `mm replay --json`."""
    return {
        instrument.symbol: symbol_report(result, index) for index, instrument in enumerate(result.manifest.instruments)
    }


def sum_exact(values: Iterable[str | None]) -> str | None:
    """Return the exact sum of decimal texts, None when one of them is absent."""
    texts = list(values)
    return None if None in texts else decimal_text(sum((Fraction(text) for text in texts if text), Fraction(0)))


def total_report(symbols: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the sums over symbols; money is summed per currency, never across."""
    currencies = sorted({symbol["currency"] for symbol in symbols.values()})
    money: dict[str, dict[str, str | None]] = {}
    turnover_currencies = {}
    for currency in currencies:
        members = [symbol for symbol in symbols.values() if symbol["currency"] == currency]
        quotes = sorted({symbol["turnover_currency"] for symbol in members})
        money[currency] = {key: sum_exact(symbol[key] for symbol in members) for key in MONEY_KEYS}
        turnover_currencies[currency] = quotes[0] if len(quotes) == 1 else ""
        if len(quotes) > 1:
            money[currency]["turnover"] = None
    counts = {key: sum(symbol[key] for symbol in symbols.values()) for key in COUNT_KEYS}
    return {**counts, "money": money, "turnover_currencies": turnover_currencies}


def time_span(result: ReplayResult) -> tuple[int, int]:
    """Return the first and last time of the history in ns, the sentinel twice when there is none."""
    if len(result.samples) == 0:
        now = int(result.state.clock[0]["ts_now_ns"])
        return now, now
    return int(result.samples["ts_ns"].min()), int(result.samples["ts_ns"].max())


def name_assumptions(result: ReplayResult, symbols: dict[str, dict[str, Any]]) -> list[str]:
    """Return what the figures take for granted, one sentence each."""
    notes = []
    if (result.state.params["mode"] == Mode.SHADOW).any():
        notes.append("Shadow: nothing is sent; a quote counts as resting from the moment it is decided.")
        if not result.fills:
            notes.append("No fills are assumed: position and PnL move on FILL events only, and the journal has none.")
    notes += venue_notes(result.manifest) + funding_notes(result)
    notes.append("Open positions are valued at the mid, or at the last fill where there is no mid.")
    notes.append("Net PnL = realised + unrealised - fees - funding; fees and funding are positive when paid.")
    inverse = [one.symbol for one in result.manifest.instruments if one.is_inverse]
    if inverse:
        notes.append(
            f"{', '.join(inverse)}: inverse, so PnL, fees and funding are in thousandths of the base currency (mBTC), "
            "rounded against us to 1e-9 of it at each fill; turnover and limits are in quote, sizes in contracts."
        )
    if not result.manifest.witnessed:
        notes.append("The journal holds inputs only: decisions are computed here, there are none to compare with.")
    notes += promise_lines(result) + opening_lines(result.manifest, result.state)
    if not result.sealed:
        notes.append("The journal is not sealed: an end that was cut off would not show.")
    for symbol, row in symbols.items():
        faults = [f"{key} {row['book'][key]:,}" for key in BOOK_FAULTS if row["book"][key]]
        if faults:
            notes.append(f"{symbol} book: {', '.join(faults)}; quotes are pulled while a book is not sound.")
        dropped = [f"{row['book'][key]:,} {what}" for key, what in BOOK_DROPPED.items() if row["book"][key]]
        if dropped:
            notes.append(
                f"{symbol} book: no room for {' and '.join(dropped)}, the farthest and the oldest; it goes on."
            )
    return notes


def build_report(result: ReplayResult) -> dict[str, Any]:
    """Return the report document; everything outside `run` is the same whenever and wherever a journal is replayed."""
    symbols = symbols_json(result)
    first_ns, last_ns = time_span(result)
    manifest = result.manifest
    return {
        "assumptions": name_assumptions(result, symbols),
        "digests": {
            "config": hashlib.sha256(canonical_json(result.params)).hexdigest(),
            "effects": result.effects_digest,
            "head": result.head,
            "state": result.state_digest,
        },
        "effects": dict(result.effect_counts),
        "events": result.events,
        "fills": result.fills,
        "journal": {
            "code_version": manifest.code_version,
            "parent_run": manifest.parent_run,
            "promises": promises_document(result),
            "run_id": manifest.run_id,
            "schema_version": manifest.schema_version,
            "sealed": result.sealed,
            "seed": manifest.seed,
            "witnessed": result.witnessed_count,
        },
        "parameters": parameters_document(manifest, result.state),
        "params": named_params(manifest, result.params),
        "rows": result.rows,
        "run": {
            "rows_per_s": round(result.rows / result.seconds) if result.seconds > 0 else 0,
            "seconds": round(result.seconds, RATIO_DECIMALS),
            "source": result.source,
        },
        "runtime": {"utc": utc_text(int(result.state.clock[0]["ts_now_ns"])), "version": manifest.code_version},
        "schema_version": REPORT_SCHEMA_VERSION,
        "symbols": symbols,
        "time": {
            "first": utc_text(first_ns),
            "last": utc_text(last_ns),
            "seconds": 0.0 if first_ns == NO_TS_NS else round((last_ns - first_ns) / NS_PER_S, 3),
        },
        "totals": total_report(symbols),
        **venue_part(manifest.extra),
    }


def all_witnessed(result: ReplayResult) -> bool:
    """Tell whether every decision was compared with a witness, so that "identical" may be said of all of them."""
    is_equal = result.comparison is None or result.comparison.difference_count == 0
    return is_equal and result.witnessed_count == sum(result.effect_counts.values())


def witness_text(result: ReplayResult) -> str:
    """Return what the comparison with the journal's witnesses says, and no more than it says."""
    if result.witnessed_count is None:
        return "decisions computed; there are no witnesses to compare with"
    counts = f"({result.witnessed_count:,} of {sum(result.effect_counts.values()):,})"
    if all_witnessed(result):
        return f"decisions identical to the witnessed ones {counts}"
    if result.comparison is not None:
        differing = f"{result.comparison.difference_count:,} differ"
        return f"decisions of rules {result.manifest.rules} under rules {RULES}: {differing}, identical {counts}"
    return f"not every decision was compared with a witness {counts}"


def summary_table(result: ReplayResult) -> Table:
    """Return one aligned line per symbol."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("  symbol", no_wrap=True)
    for header in ("mid", "placed", "amended", "cancelled", "fills", "maker", "position", "net PnL"):
        table.add_column(header, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for instrument, row in zip(result.manifest.instruments, symbols_json(result).values(), strict=True):
        units = instrument_units(instrument)
        maker = "-" if row["maker_share"] is None else f"{row['maker_share']:.0%}"
        table.add_row(
            f"  {instrument.symbol}",
            fixed_text(row["mid"], units.price_decimals + 1),
            *(f"{row[key]:,}" for key in ("placed", "amended", "cancelled", "fills")),
            maker,
            fixed_text(row["position"], units.qty_decimals, signed=True),
            fixed_text(row["net_pnl"], money_decimals(units.money), signed=True),
            units.money,
        )
    return table


def print_summary(
    result: ReplayResult,
    pages: Mapping[str, Path],
    console: Console | None = None,
    command: str = "replay",
    *,
    is_one_journal: bool = True,
) -> None:
    """Print what a person sees first: what was replayed, what came out, where the pages are, what to do next.

    What to do next is said of one journal; a market of several that left none has no such step.
    """
    console = console or Console(highlight=False)
    if not console.is_terminal and console.width <= NARROW_CONSOLE_WIDTH:
        console.width = WIDE_CONSOLE_WIDTH  # a pipe has no edge to wrap at
    head = f"{result.head[:8]}…{result.head[-4:]}"
    line = Text.assemble(
        (f"mm {command}", "bold"),
        f"  {printable(result.source)}   {result.events:,} events  {result.rows:,} rows  ",
        ("sealed", "green") if result.sealed else ("unsealed", "yellow"),
        f"  head {head}   {'verified' if result.sealed else 'replayed'} {result.seconds:.1f} s",
    )
    console.print(line, soft_wrap=True)
    print_fitted(console, summary_table(result))
    console.print(Text(f"  {witness_text(result)}"), soft_wrap=True)
    for said in opening_lines(result.manifest, result.state):
        console.print(Text(f"  {said}"), soft_wrap=True)
    for said in promise_lines(result):
        console.print(Text(f"  {said}", "yellow"), soft_wrap=True)
    for name, page in pages.items():
        console.print(Text(f"{name:<10}{page}"), soft_wrap=True)
    if not result.head:
        step = f"mm {command} with --out DIR"
        console.print(Text.assemble(f"{'next':<10}{step}   ", ("a journal of it, to replay and to look at", "dim")))
        return
    if not is_one_journal:
        return
    source = printable(shlex.quote(result.source))
    strategy = loaded()
    given = "" if strategy is None else f" --strategy {shlex.quote(f'{strategy.path}:{strategy.function}')}"
    last_order_id = int(result.state.orders["order_id"].max())
    steps = [
        (f"mm replay --events {source}{given} --audit audit.jsonl", "every decision with its reason, hash-chained"),
        (f"mm journal cat {source}", "the events, one JSON line each"),
    ]
    if last_order_id > 0 and result.witnessed_count is not None:
        steps.insert(
            0, (f"mm why --events {source}{given} {last_order_id}", "why an order was placed, what came of it")
        )
    width = max(len(step) for step, _ in steps)
    for place, (step, meaning) in enumerate(steps):
        label = "" if place else "next"
        console.print(Text.assemble(f"{label:<10}{step:<{width}}   ", (meaning, "dim")), soft_wrap=True)
