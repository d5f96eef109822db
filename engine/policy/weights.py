"""How a budget is shared among symbols: weights by hand, by inverse volatility or by equal risk (spec/core.md 18).

Plain floats, summed in the order of the symbols' names, so the same shares come out for any order of a mapping. Must
never give weights that do not add up to 1, nor any beyond its bounds where those can be kept.

Departs from the spec: a projection makes as many passes as there are symbols, which is enough for any number of them;
equal risk is kept among those within their bounds, where the spec's formula is inverse volatility's.
"""

from collections.abc import Iterable, Mapping
from math import inf, isnan
from typing import NamedTuple

TOLERANCE = 1e-9  # of the sum of weights
VOLATILITY_MIN = 1e-9
VOLATILITY_UNKNOWN = 1.0  # of a symbol that never had one
HALVING_COUNT = 60  # of an interval that a double cannot halve more often

Weights = dict[str, float]


class Bounds(NamedTuple):
    """What a weight may be at least and at most."""

    least: float = 0.02
    most: float = 0.5

    def for_count(self, count: int) -> "Bounds":
        """Return bounds that weights of so many symbols can keep: least ones that cannot sum to 1 become equal shares,
        greatest ones that cannot reach it are lifted.
        """
        least, most = min(self.least, 1.0 / count), self.most if self.most * count >= 1.0 else 1.0
        return Bounds(1.0, 1.0) if count == 1 else Bounds(least, max(least, most))

    def clamp(self, weight: float) -> float:
        """Return the nearest weight within the bounds."""
        return min(max(weight, self.least), self.most)


def total(values: Iterable[float]) -> float:
    """Return a sum, one by one: the builtin compensates in some versions of Python and not in others."""
    result = 0.0
    for value in values:
        result += value
    return result


def project(raw: Mapping[str, float], bounds: Bounds) -> Weights:
    """Return weights within bounds that add up to 1: shares of the raw ones, what is too much or too little spread
    equally over those that still have room.

    Raises: ValueError where nothing is above 0, or a raw weight is no finite number.
    """
    bounds = bounds.for_count(len(raw))
    weights = {symbol: raw[symbol] for symbol in sorted(raw)}
    for _ in range(2):
        weights = {symbol: bounds.clamp(share) for symbol, share in shares(weights).items()}
    for _ in range(len(weights) + 1):
        missing = 1.0 - total(weights.values())
        if abs(missing) <= TOLERANCE:
            break
        edge = bounds.most if missing > 0 else bounds.least
        movable = [symbol for symbol, weight in weights.items() if weight != edge]
        for symbol in movable:
            weights[symbol] = bounds.clamp(weights[symbol] + missing / len(movable))
    assert abs(total(weights.values()) - 1.0) <= TOLERANCE
    return weights


def shares(raw: Weights) -> Weights:
    """Return the parts of 1 that weights are; one below 0 is none.

    Raises: ValueError.
    """
    kept = {symbol: max(0.0, weight) for symbol, weight in raw.items()}
    whole = total(kept.values())
    if not 0.0 < whole < inf or any(map(isnan, raw.values())):
        raise ValueError("the weights cannot sum to 1: none is above 0, or one is not finite")
    return {symbol: weight / whole for symbol, weight in kept.items()}


def manual(symbols: list[str], given: Mapping[str, float], bounds: Bounds) -> Weights:
    """Return the weights that were given; a symbol without one gets the least.

    Raises: ValueError.
    """
    return project({symbol: given.get(symbol, bounds.least) for symbol in symbols}, bounds)


def inverse_volatility(volatilities: Mapping[str, float | None], bounds: Bounds) -> Weights:
    """Return weights that fall with volatility; None is one that is not known."""
    return project({symbol: 1.0 / known(value) for symbol, value in volatilities.items()}, bounds)


def risk_parity(volatilities: Mapping[str, float | None], bounds: Bounds) -> Weights:
    """Return weights of the same weight x volatility for all that are within their bounds.

    The common risk is found by halving: the sum of clamped weights grows with it.
    """
    bounds = bounds.for_count(len(volatilities))
    inverse = {symbol: 1.0 / known(volatilities[symbol]) for symbol in sorted(volatilities)}
    low, high = 0.0, 1.0 / min(inverse.values())
    for _ in range(HALVING_COUNT):
        risk = (low + high) / 2.0
        whole = total(bounds.clamp(risk * each) for each in inverse.values())
        low, high = (risk, high) if whole < 1.0 else (low, risk)
    return project({symbol: bounds.clamp(high * each) for symbol, each in inverse.items()}, bounds)


def known(volatility: float | None) -> float:
    """Return a volatility to divide by: one that is 0 is not ready yet, which is as unknown as None."""
    return VOLATILITY_UNKNOWN if not volatility else max(VOLATILITY_MIN, volatility)


def smoothed(weights: Weights, before: Mapping[str, float], alpha: float, bounds: Bounds) -> Weights:
    """Return alpha of the weights and the rest of those before, 0 of a symbol that had none, summing to 1 again."""
    mixed = {symbol: alpha * weight + (1.0 - alpha) * before.get(symbol, 0.0) for symbol, weight in weights.items()}
    return project(mixed, bounds)


def apportion(budget_micros: int, weights: Weights) -> dict[str, int]:
    """Return the budget in micros by weight, to the last micro: what rounding leaves goes to the largest remainders,
    then by name.
    """
    exact = {symbol: budget_micros * weight for symbol, weight in weights.items()}
    parts = {symbol: int(amount) for symbol, amount in exact.items()}
    left = budget_micros - sum(parts.values())
    order = sorted(exact, key=lambda symbol: (parts[symbol] - exact[symbol], symbol))
    for number in range(abs(left)):
        parts[order[number % len(order)]] += 1 if left > 0 else -1
    return parts


def level_count(weight: float, bounds: Bounds, least: int, most: int) -> int:
    """Return how many levels a side a weight is worth, the most at the greatest weight; ties to even."""
    return min(max(round(most * weight / bounds.most), least, 1), most)
