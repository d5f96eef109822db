"""`mm theory`: the papers' own worlds, run and printed beside the rules; knows no market and no journal."""

from typing import TYPE_CHECKING, Any

import click

from mmfold.adapters.cli.output import emit_json, print_table, progress
from mmfold.adapters.cli.shared_options import AS_JSON, NumberRange

if TYPE_CHECKING:
    from mmfold.replay.theory.avellaneda import Result
    from mmfold.replay.theory.glft import Quotes

PAPER_GAMMAS = (0.1, 0.01, 1.0)
ABOVE_ZERO = NumberRange(0, 1e9, min_open=True)
GAMMA = NumberRange(1e-6, 1e3)
PATH_COUNT_MAX = 1_000_000
STEP_COUNT_MAX = 100_000


@click.group(name="theory", short_help="Run the world of a paper beside its closed form.")
def command() -> None:
    """Run the world of a paper beside its closed form.

    What a rule earns where all that it assumes is true.
    """


@command.command(
    name="avellaneda",
    epilog="Example: mm theory avellaneda --gamma 0.05 --paths 10000",
    short_help="Avellaneda and Stoikov (2008): the optimal rule and the symmetric one.",
)
@click.option(
    "--gamma", "gammas", type=GAMMA, multiple=True, help="Risk aversion, 1/price; again for more.  [0.1 0.01 1]"
)
@click.option(
    "--paths",
    "path_count",
    type=click.IntRange(2, PATH_COUNT_MAX),
    default=1000,
    show_default=True,
    help="Paths of each rule.",
)
@click.option("--seed", type=click.IntRange(0, (1 << 62) - 1), default=7, show_default=True, help="Of all draws.")
@click.option("--price", type=ABOVE_ZERO, default=100.0, show_default=True, help="Mid at the start.")
@click.option("--horizon", "horizon_s", type=ABOVE_ZERO, default=1.0, show_default=True, help="T, s.")
@click.option("--sigma", type=ABOVE_ZERO, default=2.0, show_default=True, help="Of the mid, price / sqrt(s).")
@click.option("--dt", "dt_s", type=ABOVE_ZERO, default=0.005, show_default=True, help="A step, s.")
@click.option("--k", type=ABOVE_ZERO, default=1.5, show_default=True, help="Decay of the fills with distance, 1/price.")
@click.option("--A", "a_per_s", type=ABOVE_ZERO, default=140.0, show_default=True, help="Fills at the mid, 1/s.")
@AS_JSON
def avellaneda(gammas: tuple[float, ...], path_count: int, seed: int, as_json: bool, **world: Any) -> None:
    """Run the optimal rule and the symmetric one on the same paths and print what they earned.

    A quote is filled with probability A exp(-k distance) dt a step, then the mid moves by sigma sqrt(dt) up or down.
    The symmetric rule keeps the optimal spread's mean around the mid, whatever it holds.
    """
    steps = round(world["horizon_s"] / world["dt_s"])
    if not 1 <= steps <= STEP_COUNT_MAX:
        raise click.BadParameter(f"--horizon / --dt is {steps:,} steps, expected 1 to {STEP_COUNT_MAX:,}")
    results = run_rules(world, gammas or PAPER_GAMMAS, path_count, seed)
    if as_json:
        emit_json(
            {"paths": path_count, "seed": seed, "world": world, "rules": [result_document(one) for one in results]}
        )
    else:
        print_results(results)


def run_rules(world: dict[str, Any], gammas: tuple[float, ...], path_count: int, seed: int) -> list["Result"]:
    """Run both rules of every gamma."""
    from mmfold.replay.theory.avellaneda import World, run_world

    rules = [(gamma, is_symmetric) for gamma in gammas for is_symmetric in (False, True)]
    results = []
    with progress(len(rules) * path_count, "theory", "paths") as report:
        for number, (gamma, is_symmetric) in enumerate(rules):
            for result in run_world(World(**world), gamma, is_symmetric, path_count, seed):
                report(number * path_count + result.path_count)
            results.append(result)
    return results


def result_document(result: "Result") -> dict[str, Any]:
    """Return what --json prints of one rule."""
    error = result.profit_std / result.path_count**0.5
    return {
        "gamma": result.gamma,
        "profit": {"mean": result.profit, "standard_error": error, "std": result.profit_std},
        "q": {"mean": result.q, "std": result.q_std},
        "rule": "symmetric" if result.is_symmetric else "inventory",
        "spread": result.spread,
    }


def print_results(results: list["Result"]) -> None:
    """Print a line a rule."""
    rows = [
        (
            f"{one.gamma:g}", "symmetric" if one.is_symmetric else "inventory", f"{one.spread:.2f}",
            f"{one.profit:.2f}", f"{one.profit_std / one.path_count**0.5:.2f}", f"{one.profit_std:.2f}",
            f"{one.q:.2f}", f"{one.q_std:.2f}",
        )
        for one in results
    ]  # fmt: skip
    print_table(("gamma", "rule", "spread", "profit", "+-", "std", "q", "std of q"), rows)
    click.echo(f"{results[0].path_count:,} paths; +- is the standard error of the mean profit")


@command.command(
    name="glft",
    epilog="Example: mm theory glft --sigma 0.3 --A 0.9 --k 0.3 --gamma 0.01",
    short_help="Gueant, Lehalle, Fernandez-Tapia (2013): exact quotes and the closed form.",
)
@click.option("--sigma", type=ABOVE_ZERO, default=0.3, show_default=True, help="Of the mid, price / sqrt(s).")
@click.option("--A", "a_per_s", type=ABOVE_ZERO, default=0.9, show_default=True, help="Fills at the mid, 1/s.")
@click.option("--k", type=ABOVE_ZERO, default=0.3, show_default=True, help="Decay of the fills with distance, 1/price.")
@click.option("--gamma", type=GAMMA, default=0.01, show_default=True, help="Risk aversion, 1/price.")
@click.option("--horizon", "horizon_s", type=ABOVE_ZERO, default=600.0, show_default=True, help="T, s.")
@click.option("--q-max", type=click.IntRange(1, 500), default=30, show_default=True, help="Bound of the position.")
@AS_JSON
def glft(as_json: bool, **market: Any) -> None:
    """Print the bid's distance from the mid by position: exact at time 0, and the closed form far from the end.

    The ask's distance at q is the bid's at -q.
    """
    from mmfold.replay.theory.glft import Market, TooFar, quotes

    try:
        found = quotes(Market(**market))
    except TooFar as error:
        raise click.BadParameter(f"{error}; give a smaller --q-max, --sigma or --gamma") from error
    if as_json:
        emit_json({"market": market, "quotes": quotes_document(found)})
    else:
        print_quotes(found)


def quotes_document(found: "Quotes") -> list[dict[str, Any]]:
    """Return what --json prints of the quotes."""
    return [
        {"closed_form": closed_form, "exact": exact, "q": q}
        for q, exact, closed_form in zip(*(column.tolist() for column in found), strict=True)
    ]


def print_quotes(found: "Quotes") -> None:
    """Print a line a position."""
    rows = [
        (f"{one['q']}", f"{one['exact']:.5f}", f"{one['closed_form']:.5f}", f"{one['closed_form'] - one['exact']:.5f}")
        for one in quotes_document(found)
    ]
    print_table(("q", "exact", "closed form", "off by"), rows)
    worst = max(abs(found.closed_form - found.exact)[abs(found.q) * 3 <= len(found.q)].tolist())
    click.echo(f"within two thirds of the bound the closed form is off by at most {worst:.5f}")
