"""One measurement of one build in a process of its own: run as a file, on the modules of either build.

`mm bench --against` starts it with the build's packages first on the path. It imports nothing but the standard library
by itself and keeps to what old and new builds both have: the commands' `--json`, and a few functions of the bench. Must
never measure modules of another tree than the one it was asked for.
"""

import contextlib
import io
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

SEED, SYMBOL = 7, "BTCUSDT"
SYNTHETIC_EVENT_COUNT = 20_000
TICK_EVENT_COUNT = 40_000  # of the live path's market: some hundred decisions
TS_START_NS = 1_700_000_000_000_000_000
BACKTEST = ("--strategy", "grid", "--whole-fills", "--json")
START = ("replay", "--json", "--events")
SAME_WORK = ("events", "rows", "effects_digest")  # what two builds have in common that did the same
# What a module was called in builds before this one, which can be measured all the same.
NAMES_BEFORE = {
    "journal.log.writer": "journal.writer",
    "adapters.emulator.market.synthetic": "adapters.emulator.synthetic",
    "adapters.emulator.market.product": "adapters.emulator.product",
    "adapters.emulator.market.symbol": "adapters.emulator.market",
}

Document = dict[str, Any]


class Trial(NamedTuple):
    """What is asked of one process."""

    prefix: str  # of the build's modules: "mmfold." or nothing
    names: list[str]  # first parts of the names of both builds' modules
    tree: Path  # where this build's modules must come from
    work: Path  # this build's own directory
    events: Path  # the journal that the market is taken from
    repeat: int
    tries: int  # the best one counts

    def module(self, name: str) -> Any:
        """Import one of the build's modules, by the name that it had there."""
        try:
            return import_module(self.prefix + name)
        except ModuleNotFoundError:
            if name not in NAMES_BEFORE:
                raise
            return import_module(self.prefix + NAMES_BEFORE[name])

    def mm(self, *arguments: object) -> Document:
        """Run a command of the build in this process and return what its --json prints."""
        printed = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        with contextlib.redirect_stdout(printed):
            code = self.module("adapters.cli.main").run([str(argument) for argument in arguments])
        if code:
            sys.exit(code)  # it has told why on stderr
        printed.seek(0)
        found: Document = json.loads(printed.read())
        return found

    def best(self, *arguments: object) -> tuple[float, Document]:
        """Return (shortest seconds by the command's own word, document) of a few runs of a command."""
        documents = [self.mm(*arguments) for _ in range(self.tries)]
        return min(document["run"]["seconds"] for document in documents), documents[-1]


def make_market(trial: Trial) -> Document:
    """Write the emulator's market as a journal to `events`: book and trades as its accounts see them."""
    synthetic, codes = trial.module("adapters.emulator.market.synthetic"), trial.module("engine.codes")
    manifest_module, payload = trial.module("engine.manifest"), trial.module("engine.payload")
    manifest = synthetic.synthetic_manifest(SEED, [SYMBOL])
    product = trial.module("adapters.emulator.market.product").make_products(manifest)[SYMBOL]
    market = trial.module("adapters.emulator.market.symbol").SymbolMarket(product, product.instrument.continuity)
    with trial.module("journal.log.writer").Writer(trial.events) as writer:
        writer.append(payload.payload_rows(codes.EventKind.MANIFEST, 0, manifest_module.encode_manifest(manifest)))
        for offset_ns, rows in islice(synthetic.synthetic_events(manifest), SYNTHETIC_EVENT_COUNT):
            for told in market.apply(rows, TS_START_NS + offset_ns):
                told["seq"] = writer.seq_next
                told["ts_receive_ns"] = told["ts_exchange_ns"]
                writer.append(told)
        writer.commit()
    return {}


def make_feed(trial: Trial) -> Document:
    """Write the build's own journals of the market, with the decisions of a shadow session: a short and a long one."""
    feed = trial.module("adapters.bench.feed")
    manifest, rows = feed.read_market(trial.events)
    if not len(rows):
        sys.exit(f"error: {trial.events} holds no market events to measure on")
    for name, repeat in (("once", 1), ("long", trial.repeat)):
        shutil.rmtree(trial.work / name, ignore_errors=True)
        feed.write_long_journal(trial.work / name, manifest, rows, repeat)
    instrument, busiest = feed.busiest_rows(manifest, rows)
    feed.write_capture(trial.work / "capture.gz", instrument, busiest)
    steps = {"symbol": instrument.symbol, "tick": instrument.tick_size, "lot": instrument.lot_size}
    (trial.work / "capture.json").write_text(json.dumps(steps))
    version = type(manifest).__dataclass_fields__["code_version"].default
    return {"version": version, "rows": len(rows) * trial.repeat}


def time_replay(trial: Trial) -> Document:
    """Time a verified replay: chain checked, every witnessed decision compared."""
    trial.mm("replay", "--json", "--events", trial.work / "once")  # loads what is compiled
    seconds, told = trial.best("replay", "--json", "--events", trial.work / "long")
    if told["witnessed"] != sum(told["effects"].values()):
        sys.exit(f"error: {told['witnessed']} decisions are witnessed, {sum(told['effects'].values())} were made")
    return {"figures": {"replay": seconds}, "work": {name: told[name] for name in SAME_WORK}}


def time_backtest(trial: Trial) -> Document:
    """Time a backtest of the grid rule that writes nothing."""
    trial.mm("backtest", "--no-journal", *BACKTEST, "--events", trial.work / "once")
    seconds, told = trial.best("backtest", "--no-journal", *BACKTEST, "--events", trial.work / "long")
    return {"figures": {"backtest": seconds}, "work": {name: told[name] for name in SAME_WORK}}


def time_journaled_backtest(trial: Trial) -> Document:
    """Time the same with its new journal written; the page that the command makes afterwards is not counted."""
    out = trial.work / "backtest"
    trial.mm("backtest", "--out", out, "--force", *BACKTEST, "--events", trial.work / "once")
    seconds, told = trial.best("backtest", "--out", out, "--force", *BACKTEST, "--events", trial.work / "long")
    shutil.rmtree(out)
    return {"figures": {"backtest-journal": seconds}, "work": {name: told[name] for name in SAME_WORK}}


def time_import(trial: Trial) -> Document:
    """Time the import of a raw capture of the market, decompression and the journal's writing included."""
    steps = json.loads((trial.work / "capture.json").read_text())
    words = ["--market", "usdm", "--symbols", steps["symbol"]]
    words += ["--tick", f"{steps['symbol']}={steps['tick']}", "--lot", f"{steps['symbol']}={steps['lot']}"]
    asked = ["import", "binance", trial.work / "capture.gz", "--out", trial.work / "imported", "--force", "--json"]
    trial.mm(*asked, *words)
    seconds, told = trial.best(*asked, *words)
    return {"figures": {"import": seconds}, "work": {"rows": told["rows"], "head": told["head"]}}


def time_tick(trial: Trial) -> Document:
    """Time a frame's way to an order in one process, by the build's own bench."""
    latency = trial.module("adapters.bench.latency")
    assert latency.MARKET_EVENT_COUNT
    latency.MARKET_EVENT_COUNT = TICK_EVENT_COUNT
    shutil.rmtree(trial.work / "session", ignore_errors=True)
    told = latency.measure_tick_to_order(trial.work / "session")
    figures = {name: told[f"live_tick_to_order_us_{name[-3:]}"] for name in ("tick-p50", "tick-p99")}
    return {"figures": figures, "work": {"decisions": told["decisions"]}}


def time_start(trial: Trial) -> Document:
    """Time a whole `mm replay` process of the short journal, compiled before."""
    command = [sys.executable, "-P", "-m", f"{trial.prefix}adapters.cli.main", *START, str(trial.work / "once")]
    times_s = []
    for _ in range(trial.tries):
        started_s = time.perf_counter()
        if code := subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode:
            sys.exit(code)
        times_s.append(time.perf_counter() - started_s)
    return {"figures": {"start": min(times_s)}, "work": {}}


TRIALS: dict[str, Callable[[Trial], Document]] = {
    "market": make_market,
    "feed": make_feed,
    "replay": time_replay,
    "backtest": time_backtest,
    "backtest-journal": time_journaled_backtest,
    "import": time_import,
    "tick": time_tick,
    "start": time_start,
}


def strays(trial: Trial) -> list[str]:
    """Return the modules of either build that were not loaded from the tree that was asked for."""
    ours = {
        name: getattr(module, "__file__", None)
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] in trial.names
    }
    return [name for name, file in ours.items() if file and not Path(file).resolve().is_relative_to(trial.tree)]


def told_apart(trial: Trial, work: Callable[[Trial], Document]) -> Document:
    """Do a trial's work; a mistake of the user's ends in one line, as in the build's own commands."""
    try:
        return work(trial)
    except Exception as error:
        errors = trial.module("adapters.cli.errors")
        if errors.is_user_error(error):
            sys.exit(f"error: {errors.message_of(error)}")
        raise


def main() -> None:
    """Do what the arguments ask for and print one JSON object."""
    name, asked = sys.argv[1], json.loads(sys.argv[2])
    paths = {key: Path(asked[key]) for key in ("tree", "work", "events")}
    trial = Trial(**{**asked, **paths})
    trial.module("engine")
    if not strays(trial):  # asked before as well, so that a wrong tree does no work
        document = told_apart(trial, TRIALS[name])
    if found := strays(trial):
        sys.exit(f"error: {found[0]} is {sys.modules[found[0]].__file__}, which is not in {trial.tree}")
    print(json.dumps({**document, "tree": str(Path(trial.module("engine").__file__).resolve().parents[1])}))


if __name__ == "__main__":
    main()
