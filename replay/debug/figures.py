"""A question on the figures of a finished replay (`mm replay --json`), of any build; must never guess a figure.

    pnl_usd[BTCUSDT] < -5        net PnL in the settlement currency: realised + unrealised - fees - funding
    placed > 1000 or rejected > 0

The language is that of `--fails-if` (minimize/language.py) with these names; a name without a symbol is asked of each.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mmfold.replay.minimize.fields import FieldWord, Value
from mmfold.replay.minimize.language import Expression, Words, parse_expression

AT_END = "end:"


class NoFigure(Exception):
    """A build whose replay does not tell a figure that the question reads."""


@dataclass(slots=True)
class Figures:
    """The figures of one replay, as the names read them; `index` is of the instrument that is asked."""

    document: Mapping[str, Any]
    symbols: list[str]
    index: int = 0


def found(document: Any, keys: tuple[str, ...]) -> Any:
    """Return what stands in a document under keys.

    Raises: NoFigure.
    """
    for key in keys:
        if not isinstance(document, Mapping) or key not in document:
            raise NoFigure(f"tells no {'.'.join(keys)}")
        document = document[key]
    return document


def number_of(value: Any, keys: tuple[str, ...]) -> Value:
    """Return a figure, None where the build says that there is none.

    Raises: NoFigure for what is no number.
    """
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise NoFigure(f"tells {str(value)[:40]!r} as {'.'.join(keys)}") from error


def of_symbol(*keys: str) -> Callable[[Figures], Value]:
    """Return a reader of an instrument's figure."""
    return lambda look: number_of(found(look.document, ("symbols", look.symbols[look.index], *keys)), keys)


def of_all(*keys: str) -> Callable[[Figures], Value]:
    """Return a reader of a figure of the whole replay."""
    return lambda look: number_of(found(look.document, keys), keys)


SYMBOL_FIGURES: dict[str, tuple[str, ...]] = {
    "pnl_usd": ("net_pnl",),
    "realized_usd": ("realized_pnl",),
    "unrealized_usd": ("unrealized_pnl",),
    "fees_usd": ("fees",),
    "funding_usd": ("funding",),
    "turnover": ("turnover",),
    "position": ("position",),
    "maker_share": ("maker_share",),
    "mid": ("mid",),
    "spread_bps": ("spread_bps",),
    "fills": ("fills",),
    "placed": ("placed",),
    "amended": ("amended",),
    "cancelled": ("cancelled",),
    "rejected": ("rejected",),
    "guard_trips": ("guard_trips",),
    "gaps": ("book", "gaps"),
    "trades": ("book", "trades"),
}
ALL_FIGURES: dict[str, tuple[str, ...]] = {
    "events": ("events",),
    "rows": ("rows",),
    "fills_all": ("fills",),
    "alerts": ("effects", "alert"),
    "audits": ("effects", "audit"),
    "placed_all": ("effects", "place"),
    "cancelled_all": ("effects", "cancel"),
}
FIGURES = {name: FieldWord(of_symbol(*keys), name, None) for name, keys in SYMBOL_FIGURES.items()} | {
    name: FieldWord(of_all(*keys), name, None, of_account=True) for name, keys in ALL_FIGURES.items()
}
OF_FIGURES = Words(FIGURES, False, "one of " + ", ".join(FIGURES))


@dataclass(frozen=True)
class Question:
    """A condition on the figures of a replay."""

    text: str
    expression: Expression
    symbols: list[str]

    def fails(self, document: Mapping[str, Any]) -> bool:
        """Tell whether a replay's figures meet the condition, for any instrument that it is asked of.

        Raises: NoFigure.
        """
        look = Figures(document, self.symbols)
        for look.index in range(len(self.symbols) if self.expression.is_per_symbol else 1):
            if self.expression.run(look):
                return True
        return False


def parse_question(text: str, symbols: list[str]) -> Question:
    """Return the question that a text asks of a journal's instruments; `end:` in front of it changes nothing.

    Raises: PredicateError.
    """
    condition = text.strip().removeprefix(AT_END).strip()
    return Question(text, parse_expression(condition, symbols, OF_FIGURES), symbols)
