"""The backtest beside hftbacktest on one capture, decision by decision and fill by fill (docs/backtest-parity.md).

    python -m tests.parity.compare CAPTURE.gz --peer PYTHON [--half-spread 1.0] [--skew 10] [--json]

PYTHON is an interpreter that has hftbacktest 2.4.4. Every difference is given a cause from the two records, and each
cause is then taken away in the peer's run (another way to round, another book at the start) to see what is left.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmfold.adapters.importers import load_importer
from mmfold.adapters.importers.outcome import ImportRequest
from mmfold.config.load import load_config
from mmfold.engine.codes import EventKind, Side
from mmfold.engine.core import Core
from mmfold.engine.limits import NS_PER_MS
from mmfold.journal.log.reader import Journal
from mmfold.journal.log.writer import Writer
from mmfold.replay.assumptions import Assumptions
from mmfold.replay.backtest import Backtest
from tests.parity.peer_rows import peer_rows

PROGRAM = Path(__file__).with_name("peer_grid.py")
TIMEOUT_S = 300
LOT_SIZE, LOTS_PER_UNIT, QTY_LOTS = "0.001", 1000, 2  # of both captures' symbols, and the rule's size
LATENCY_NS = 10 * NS_PER_MS
STEP_NS = 100 * NS_PER_MS
DECISION_NAMES = ("ts_ns", "best_bid_ticks", "best_ask_ticks", "position_lots", "bid_ticks", "ask_ticks")
DECISION = np.dtype([(name, "<i8") for name in DECISION_NAMES])
FILL = np.dtype([("ts_ns", "<i8"), ("side", "<i8"), ("price_ticks", "<i8")])


@dataclass(frozen=True)
class Run:
    """What one side did: every decision, in order of time, and every fill, in order of exchange time."""

    decisions: np.ndarray  # DECISION
    fills: np.ndarray  # FILL


@dataclass(frozen=True)
class Difference:
    """A fill that only one side has, and why."""

    place: int  # among that side's fills, from 0
    owner: str
    fill: tuple[int, ...]
    cause: str
    ts_ns: int  # of the decision in which the two sides first wanted different orders


def keys(fills: np.ndarray) -> list[tuple[int, ...]]:
    """Return the fills as tuples, made comparable one by one."""
    return [tuple(map(int, fill)) for fill in fills]


def causes(ours: Run, peer: Run, rule: "TieRule") -> list[tuple[int, str]]:
    """Return (time, cause) of every decision in which the two sides differ; a cause is the first of its inputs that
    differs, else how the same inputs were rounded.
    """
    found: list[tuple[int, str]] = []
    theirs = {int(row["ts_ns"]): row for row in peer.decisions}
    own = {int(row["ts_ns"]): row for row in ours.decisions}
    for ts_ns in sorted(own.keys() | theirs.keys()):
        a, b = own.get(ts_ns), theirs.get(ts_ns)
        if a is None or b is None:
            found.append((ts_ns, "peer only" if a is None else "ours only"))
        elif (a["best_bid_ticks"], a["best_ask_ticks"]) != (b["best_bid_ticks"], b["best_ask_ticks"]):
            found.append((ts_ns, "book"))
        elif a["position_lots"] != b["position_lots"]:
            found.append((ts_ns, "position"))
        elif (a["bid_ticks"], a["ask_ticks"]) != (b["bid_ticks"], b["ask_ticks"]):
            found.append((ts_ns, "tie" if rule.is_tie(a) else "rule"))
    return found


@dataclass(frozen=True)
class TieRule:
    """Tells a tie: a quote exactly between two ticks, where a float's last bit decides. In millionths of a tick."""

    half_spread_e6: int
    skew_e6: int  # per lot

    def is_tie(self, decision: np.void) -> bool:
        """Tell whether one of a decision's two quotes is a tie."""
        middle = int(decision["best_bid_ticks"] + decision["best_ask_ticks"]) * 500_000
        middle -= self.skew_e6 * int(decision["position_lots"])
        return any((middle + sign * self.half_spread_e6) % 1_000_000 == 500_000 for sign in (-1, 1))


def explain(ours: Run, peer: Run, rule: TieRule, first: int) -> list[Difference]:
    """Return the differences among the first fills of both sides, each with its cause.

    The order behind a fill was decided where its price was first wanted; what differs there, or before that since
    both last agreed on all inputs, is the cause. None: the same orders met, and the venues filled them differently.
    """
    differing = causes(ours, peer, rule)
    times = np.array([ts_ns for ts_ns, _ in differing], np.int64)
    found = []
    for owner, mine, other in (("ours", ours, peer), ("peer", peer, ours)):
        missing = Counter(keys(mine.fills)) - Counter(keys(other.fills))
        for place, fill in enumerate(keys(mine.fills)[:first]):
            if missing[fill] > 0:
                missing[fill] -= 1
                start_ns = wanted_since(mine.decisions, fill)
                index = int(np.searchsorted(times, start_ns))
                inside = index < len(times) and times[index] <= fill[0] - LATENCY_NS
                cause = differing[index][1] if inside else "venue"
                found.append(Difference(place, owner, fill, cause, int(times[index]) if inside else start_ns))
    return sorted(found, key=lambda one: one.fill)


def wanted_since(decisions: np.ndarray, fill: tuple[int, ...]) -> int:
    """Return when the order of a fill was decided: the start of the run of decisions that want its price."""
    ts_ns, side, price_ticks = fill
    name = "bid_ticks" if side == Side.BID else "ask_ticks"
    index = int(np.searchsorted(decisions["ts_ns"], ts_ns - LATENCY_NS, side="right")) - 1
    while index >= 0 and decisions[index][name] != price_ticks:
        index -= 1  # cancelled meanwhile: the fill overtook the cancel
    while index > 0 and decisions[index - 1][name] == price_ticks:
        index -= 1
    return int(decisions[max(index, 0)]["ts_ns"])


def our_run(journal: Path, half_spread: str, skew: str, out: Path) -> tuple[Run, dict[str, int]]:
    """Run our backtest with the issue's assumptions and read its journal back."""
    settings = ["mode=sent", "strategy.quote_on_timer=true", f"grid.half_spread={half_spread}"]
    config = load_config(None, "grid", [*settings, f"grid.skew_per_unit={skew}"])
    with Writer(out) as writer:
        result = Backtest(journal, config, Assumptions(partial_fills=False), writer=writer).run()
    (params,) = result.params.values()
    return read_run(out), params


def read_run(journal: Path) -> Run:
    """Return the decisions and fills that a backtest's journal holds: its core, fed again, stopped at every timer."""
    source = Journal(journal)
    rows = np.concatenate(list(source.chunks()))
    core = Core(source.manifest())
    cell = core.state.cells[0]
    starts = np.flatnonzero(np.append(True, np.diff(rows["seq"]) != 0))
    inputs = starts[(rows["kind"][starts] < EventKind.PLACE) | (rows["kind"][starts] == EventKind.DIGEST)]
    decisions, fed = [], 0
    for place in np.flatnonzero(rows["kind"][inputs] == EventKind.TIMER).tolist():
        end = int(inputs[place + 1])  # a backtest's journal ends in a DIGEST
        core.feed(rows[fed:end])
        fed = end
        ts_ns = int(rows["ts_receive_ns"][inputs[place]])
        if core.state.quoters[0]["ts_quote_ns"] == ts_ns:
            best = [int(side["best_price_ticks"]) for side in cell["sides"]]
            wanted = [int(target["price_ticks"]) for target in cell["targets"][:, 0]]
            decisions.append((ts_ns, *best, int(cell["position"]["position_lots"]), *wanted))
    found = rows[rows["kind"] == EventKind.FILL]
    fills = zip(*(found[name].tolist() for name in ("ts_exchange_ns", "side", "price_ticks")), strict=True)
    return Run(np.array(decisions, DECISION), np.array(sorted(fills), FILL))


def peer_runs(python: Path, job: dict[str, Any], folder: Path) -> dict[str, Run]:
    """Run the peer's program and return its variants by name.

    Raises: RuntimeError with its last line of output.
    """
    job_file, out_file = folder / "job.json", folder / "peer.npz"
    job_file.write_text(json.dumps(job))
    command = [python, PROGRAM, job_file, out_file]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if done.returncode or not out_file.exists():
        raise RuntimeError(f"the peer's run failed: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    with np.load(out_file) as arrays:
        return {name: Run(arrays[f"{name}.decisions"], arrays[f"{name}.fills"]) for name in job["variants"]}


def parity(capture: Path, python: Path, half_spread: str, skew: str, first: int) -> dict[str, Any]:
    """Return the comparison of one capture as one JSON object."""
    with tempfile.TemporaryDirectory(prefix="mm-parity-") as name:
        folder = Path(name)
        market = import_capture(capture, folder / "market")
        instrument = market.manifest().instruments[0]
        assert instrument.lot_size == LOT_SIZE, instrument
        ours, params = our_run(folder / "market", half_spread, skew, folder / "ours")
        np.save(folder / "rows.npy", peer_rows(np.concatenate(list(market.chunks())), instrument))
        rule = {"tick": float(instrument.tick_size), "lot": float(instrument.lot_size), "qty": QTY_LOTS / LOTS_PER_UNIT}
        rule |= {"half_spread": float(half_spread), "skew": float(skew), "step_ns": STEP_NS}
        variants = peer_variants(str(folder / "rows.npy"))
        peers = peer_runs(python, {"capture": str(capture), "rule": rule, "variants": variants}, folder)
    tie_rule = TieRule(params["grid_half_spread_ticks_e6"], params["grid_skew_ticks_per_lot_e6"])
    compared = {name: compare(ours, peer, tie_rule, first) for name, peer in peers.items()}
    return {"symbol": instrument.symbol, "ours": totals(ours), "peer": compared}


def import_capture(capture: Path, out: Path) -> Journal:
    """Import a Binance USD-M capture and return its journal."""
    load_importer("binance")(ImportRequest(files=(capture,), out=out, market="usdm"), lambda _: None)
    return Journal(out)


def peer_variants(rows: str) -> dict[str, dict[str, Any]]:
    """Return the peer's runs by name: as written, twice and on its other depth, then without each cause, and none."""
    written = {"rows": None, "exact": False, "depth": "roi_vector"}
    return {
        "as written": written,
        "as written, again": written,
        "as written, hash map": {**written, "depth": "hash_map"},
        "rounded in integers": {**written, "exact": True},
        "book's start right": {**written, "rows": rows},
        "both": {**written, "rows": rows, "exact": True},
    }


def totals(run: Run) -> dict[str, int]:
    """Return a run's number of decisions and fills and its final position in lots."""
    bought = int(np.count_nonzero(run.fills["side"] == Side.BID))
    position = QTY_LOTS * (2 * bought - len(run.fills))
    return {"decisions": len(run.decisions), "fills": len(run.fills), "position": position}


def compare(ours: Run, peer: Run, rule: TieRule, first: int) -> dict[str, Any]:
    """Return what differs between the two sides."""
    differing = causes(ours, peer, rule)
    told = Run(peer.decisions, np.sort(peer.fills, order=FILL.names))
    float_positions = peer.decisions["position"] != peer.decisions["position_lots"] / LOTS_PER_UNIT
    return {
        **totals(told),
        "fills_common": sum((Counter(keys(ours.fills)) & Counter(keys(told.fills))).values()),
        "decisions_differ": dict(Counter(cause for _, cause in differing)),
        "decisions_at_tie": sum(map(rule.is_tie, peer.decisions)),
        "orders_refused": int(peer.decisions["refused"].sum()),
        "fills_listed_out_of_order": int(np.count_nonzero(told.fills != peer.fills)),
        "positions_drifted": int(np.count_nonzero(float_positions)),
        "differences": [vars(one) for one in explain(ours, told, rule, first)],
    }


def print_table(found: dict[str, Any], first: int) -> None:
    """Print the comparison as a person reads it."""
    ours = found["ours"]
    print(f"{found['symbol']}   ours: {ours['fills']} fills, {ours['position']:+d} lots, {ours['decisions']} decisions")
    for name, peer in found["peer"].items():
        figures = f"{peer['fills']:5} fills {peer['position']:+4} lots   {peer['fills_common']} in common"
        print(f"{name:22} {figures}   decisions that differ: {peer['decisions_differ']}")
    for one in found["peer"]["as written"]["differences"]:
        side = Side(one["fill"][1]).name.lower()
        fill = f"{one['fill'][0]} {side} {one['fill'][2]} ticks"
        print(f"fill {one['place'] + 1:2} of {one['owner']}: {fill}   {one['cause']}, decided {one['ts_ns']}")
    print(f"({first} fills of each side looked at; the causes are in docs/backtest-parity.md)")


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("capture", type=Path)
    parser.add_argument("--peer", type=Path, required=True)
    parser.add_argument("--half-spread", default="1.0")
    parser.add_argument("--skew", default="10")
    parser.add_argument("--first", type=int, default=50)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = parity(given.capture, given.peer, given.half_spread, given.skew, given.first)
    if given.json:
        json.dump(found, sys.stdout, indent=1, sort_keys=True)
    else:
        print_table(found, given.first)


if __name__ == "__main__":
    main()
