"""`mm portfolio`: what a budget would come to by symbol; changes nothing and trades nothing."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmfold.adapters.bundled import DEMO
from mmfold.adapters.cli.output import emit_json, format_number, print_table, print_warnings
from mmfold.adapters.cli.shared_options import AS_JSON, EVENTS, NumberRange, laid_over
from mmfold.engine.limits import INSTRUMENT_COUNT_MAX, LEVEL_COUNT_MAX, MICROS_PER_UNIT
from mmfold.engine.policy.weights import Bounds

if TYPE_CHECKING:
    from mmfold.engine.policy.weights import Weights

MODES = ("manual", "inverse_vol", "risk_parity")
BUDGET_USD_MAX = 1e9
SHARE = NumberRange(0, 1)
DEFAULT = Bounds()


def parse_figures(ctx: click.Context, param: click.Parameter, text: str | None) -> dict[str, float]:
    """Parse `BTCUSDT=0.5,ETHUSDT=0.3`.

    Raises: click.BadParameter.
    """
    figures: dict[str, float] = {}
    for part in [] if text is None else text.split(","):
        symbol, equals, figure = (piece.strip() for piece in part.partition("="))
        if not symbol or not equals:
            raise click.BadParameter(f"{part.strip()!r}: expected SYMBOL=NUMBER,SYMBOL=NUMBER", ctx, param)
        if symbol in figures:
            raise click.BadParameter(f"{symbol} stands twice", ctx, param)
        figures[symbol] = NumberRange(0, 1e12).convert(figure, param, ctx)
    if len(figures) > INSTRUMENT_COUNT_MAX:
        raise click.BadParameter(f"{len(figures)} symbols, at most {INSTRUMENT_COUNT_MAX}", ctx, param)
    return figures


@click.group(name="portfolio", short_help="Share a budget among symbols, to look at.")
def command() -> None:
    """Share a budget among symbols, to look at."""


@command.command(
    epilog="Example: mm portfolio preview --mode risk_parity --vola BTCUSDT=4,ETHUSDT=7 --budget-usd 50000",
    short_help="Print weights, targets and levels of a mode.",
)
@click.option("--mode", type=click.Choice(MODES), default="manual", show_default=True, help="How weights are made.")
@click.option("--budget-usd", type=NumberRange(0, BUDGET_USD_MAX, min_open=True), default=10_000.0, show_default=True)
@click.option("--weights", metavar="SYMBOL=W,...", callback=parse_figures, help="By hand; who has none gets the least.")
@click.option("--vola", metavar="SYMBOL=V,...", callback=parse_figures, help="Volatilities, all in one unit.")
@EVENTS()
@click.option("--min-weight", type=SHARE, default=DEFAULT.least, show_default=True, help="Least weight of a symbol.")
@click.option("--max-weight", type=SHARE, default=DEFAULT.most, show_default=True, help="Greatest weight of a symbol.")
@click.option("--alpha", type=SHARE, default=0.3, show_default=True, help="Part of the new weights, beside --before.")
@click.option("--before", metavar="SYMBOL=W,...", callback=parse_figures, help="Weights of the last rebalancing.")
@click.option(
    "--levels",
    type=click.IntRange(1, LEVEL_COUNT_MAX),
    default=LEVEL_COUNT_MAX,
    show_default=True,
    help="At the greatest weight.",
)
@laid_over
@AS_JSON
def preview(events: Path | None, as_json: bool, **asked: Any) -> None:
    """Print weights, targets and levels of a mode.

    Volatilities are given, or the last ones of a journal: its symbols, and the bps of each mid. One that is not known,
    or is 0, counts as 1. Targets sum to the budget.
    """
    if asked["min_weight"] > asked["max_weight"]:
        raise click.UsageError(f"--min-weight {asked['min_weight']:g} is above --max-weight {asked['max_weight']:g}")
    volatilities = given_volatilities(events, asked)
    document = portfolio_document(asked, volatilities)
    if as_json:
        emit_json(document)
    else:
        print_portfolio(document)


def given_volatilities(events: Path | None, asked: dict[str, Any]) -> dict[str, float | None]:
    """Return {symbol: volatility, None where it is not known} of a journal's last state, --vola and --weights.

    Raises: click.UsageError where the journal has no such symbol, GateFailed where one of its decisions differs.
    """
    found: dict[str, float | None] = {}
    if events is None and not asked["weights"] and not asked["vola"]:
        print_warnings(["no --events, --vola or --weights: the symbols of the bundled journal"])
        events = DEMO
    if events is not None:
        from mmfold.adapters.cli.policies_command import replayed

        result = replayed(events, {**asked, "until": None})
        for index, instrument in enumerate(result.manifest.instruments):
            found[instrument.symbol] = float(result.state.signals[index]["vola_bps"]) or None
        unknown = sorted({*asked["vola"], *asked["weights"]} - set(found))
        if unknown:
            raise click.UsageError(f"the journal has no {', '.join(unknown)}; it has {', '.join(sorted(found))}")
    found |= {symbol: found.get(symbol) for symbol in asked["weights"]} | asked["vola"]
    return dict(sorted(found.items()))


def portfolio_document(asked: dict[str, Any], volatilities: dict[str, float | None]) -> dict[str, Any]:
    """Return what --json prints.

    Raises: click.UsageError where the weights cannot sum.
    """
    from mmfold.engine.policy.weights import apportion, level_count, smoothed

    bounds = Bounds(asked["min_weight"], asked["max_weight"])
    try:
        weights = weights_of(asked, volatilities, bounds)
        if asked["before"]:
            weights = smoothed(weights, asked["before"], asked["alpha"], bounds)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    budget_micros = round(asked["budget_usd"] * MICROS_PER_UNIT)
    targets = apportion(budget_micros, weights)
    kept = bounds.for_count(len(weights))
    return {
        "budget_usd": budget_micros / MICROS_PER_UNIT,
        "max_weight": kept.most,
        "min_weight": kept.least,
        "mode": asked["mode"],
        "symbols": [
            {
                "max_levels": level_count(weight, bounds, 1, asked["levels"]) if bounds.most > 0 else 1,
                "symbol": symbol,
                "target_usd": targets[symbol] / MICROS_PER_UNIT,
                "volatility": volatilities[symbol],
                "weight": weight,
            }
            for symbol, weight in weights.items()
        ],
    }


def weights_of(asked: dict[str, Any], volatilities: dict[str, float | None], bounds: Bounds) -> "Weights":
    """Return the weights of the mode that was asked for.

    Raises: ValueError.
    """
    from mmfold.engine.policy import weights

    if asked["mode"] == "manual":
        return weights.manual(list(volatilities), asked["weights"], bounds)
    if asked["mode"] == "inverse_vol":
        return weights.inverse_volatility(volatilities, bounds)
    return weights.risk_parity(volatilities, bounds)


def print_portfolio(document: dict[str, Any]) -> None:
    """Print a line a symbol, and what they come to."""
    rows = [
        (
            one["symbol"], "-" if one["volatility"] is None else format_number(one["volatility"]),
            f"{one['weight']:.6f}", f"{one['target_usd']:,.2f}", f"{one['max_levels']}",
        )
        for one in document["symbols"]
    ]  # fmt: skip
    print_table(("symbol", "volatility", "weight", "target USD", "levels"), rows)
    click.echo(
        f"{document['mode']}: {document['budget_usd']:,.2f} USD, "
        f"weights {document['min_weight']:g} to {document['max_weight']:g}"
    )
    unknown = [one["symbol"] for one in document["symbols"] if not one["volatility"]]
    if unknown and document["mode"] != "manual":
        click.echo(f"volatility not known, counted as 1: {', '.join(unknown)}")
