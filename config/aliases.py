"""Every name that a person, a dashboard or a script may still use though it has another by now; one table, one place.

A row lives until the release in `dropped`: up to then the old name works beside the new one, from then on it is refused
by one line that names the new one. Rows stand in the order of the renames. Must never hold a name that is in use.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact
from enum import StrEnum
from fractions import Fraction
from typing import Any

from mmfold.config.errors import ConfigError
from mmfold.engine.manifest import Manifest, is_plain_decimal

RELEASE = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
ABSENT: Any = object()  # null is a value
TEXT_CHARS_MAX = 64  # a longer number is refused whatever its name
EXACT = Context(prec=300, traps=[Inexact])


class Domain(StrEnum):
    """Where a name is used."""

    CONFIG = "config"  # a key of a YAML file, and of --set, which has the same keys
    ENV = "env"  # an environment variable
    JSON = "json"  # a key of a JSON document that mm prints
    METRIC = "metric"  # a Prometheus metric


def parse_release(text: str) -> tuple[int, ...]:
    """Return a release such as 0.1.0 as numbers that compare."""
    match = RELEASE.fullmatch(text)
    assert match, f"{text!r} is no release such as 0.1.0"
    return tuple(map(int, match.groups()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """One renamed thing; keys are dotted. `document` is the JSON document: a command, or a page of the port."""

    domain: Domain
    old: str
    new: str
    since: str  # the release that has the new name
    dropped: str  # the first release that does not know the old one
    factor: Fraction = Fraction(1)  # new value = old value x factor; keys of the configuration alone
    document: str = ""

    def __post_init__(self) -> None:
        assert self.old != self.new
        assert parse_release(self.since) < parse_release(self.dropped), self
        assert self.factor == 1 or self.domain is Domain.CONFIG, f"{self.old}: a figure in another unit is another one"
        assert self.factor > 0 and not 10**64 % self.factor.denominator, f"{self.factor} is no decimal number"
        assert bool(self.document) == (self.domain is Domain.JSON), self

    @property
    def conversion(self) -> str:
        """How a value changes, in words; nothing where it does not."""
        up, down = self.factor.numerator, self.factor.denominator
        return " and ".join([f"times {up:,}"] * (up > 1) + [f"divided by {down:,}"] * (down > 1))

    def told(self, old: str, new: str) -> str:
        """Return the rename of a key where it stands, which may be below a symbol."""
        conversion = f", {self.conversion}" if self.conversion else ""
        return f"{old} is now {new}{conversion}; {self.dropped} drops the old name"

    def convert(self, value: Any) -> Any:
        """Return an old value as the new name has it, exactly; what is no number stays as it is."""
        if self.factor == 1:
            return value
        is_text = isinstance(value, str) and len(value) <= TEXT_CHARS_MAX and is_plain_decimal(value.removeprefix("-"))
        if isinstance(value, bool) or not (is_text or isinstance(value, int | Decimal)):
            return value
        product = Fraction(value) * self.factor
        if product.denominator == 1:
            return product.numerator
        return EXACT.divide(Decimal(product.numerator), Decimal(product.denominator))


@dataclass(frozen=True, slots=True)
class AliasTable:
    """The renames as one release of mm sees them."""

    rows: tuple[Alias, ...]
    release: str = str(Manifest.__dataclass_fields__["code_version"].default)

    def __post_init__(self) -> None:
        parse_release(self.release)
        for domain in Domain:
            rows = self.of(domain)
            old = {(row.document, row.old) for row in rows}
            assert len(old) == len(rows), f"{domain}: a name is renamed twice"
            chained = [row.new for row in rows if (row.document, row.new) in old]
            assert not chained, f"{domain}: {chained} have another name by now: say that one"

    def of(self, domain: Domain) -> tuple[Alias, ...]:
        """Return the rows of one domain, those that were dropped too."""
        return tuple(row for row in self.rows if row.domain is domain)

    def is_dropped(self, row: Alias) -> bool:
        """Tell whether this release does not know an old name any more."""
        return parse_release(row.dropped) <= parse_release(self.release)

    def kept(self, domain: Domain) -> Iterator[Alias]:
        """Yield the rows of one domain whose old name still works."""
        return (row for row in self.of(domain) if not self.is_dropped(row))

    def with_old_keys(self, name: str, document: Any) -> Any:
        """Return a JSON document with each renamed key of it under its old name too."""
        rows = [row for row in self.kept(Domain.JSON) if row.document == name]
        if not rows:
            return document
        document = dict(document)
        for row in rows:
            value = document
            for part in row.new.split("."):
                value = value.get(part, ABSENT) if isinstance(value, dict) else ABSENT
            if value is ABSENT:
                continue  # a document may leave a key out
            *sections, last = row.old.split(".")
            place = document
            for part in sections:
                place[part] = dict(place.get(part, {}))  # the caller's document stays as it is
                place = place[part]
            assert last not in place, f"{name}: {row.old} is in use"
            place[last] = value
        return document

    def variable(self, name: str, environ: Mapping[str, str]) -> tuple[str, str]:
        """Return an environment variable and a warning where it was set by an old name; an empty one is not set.

        Raises: ConfigError for a name that was dropped, and for two names with different values.
        """
        found, warning = environ.get(name, ""), ""
        for row in self.of(Domain.ENV):
            value = environ.get(row.old, "") if row.new == name else ""
            if not value or (found and self.is_dropped(row)):
                continue
            if self.is_dropped(row):
                raise ConfigError("E_CFG_KEY", f"{row.old} was dropped in {row.dropped}, it is now {row.new}")
            if found and found != value:
                raise ConfigError("E_CFG_KEY", f"{name} and {row.old}, its old name, are both set and differ")
            found, warning = value, row.told(row.old, row.new)
        return found, warning


KEPT_UNTIL = "1.0.0"  # names that the specification promises
SMOOTHING = "allocator.smoothing"

ALIASES = AliasTable(
    (
        # spec/core.md 0, spec/control.md 24
        Alias(
            domain=Domain.CONFIG,
            old=f"{SMOOTHING}.bias_cap",
            new=f"{SMOOTHING}.bias_cap_ratio",
            since="0.1.0",
            dropped=KEPT_UNTIL,
        ),
        Alias(
            domain=Domain.CONFIG,
            old=f"{SMOOTHING}.fee_bias_cap",
            new=f"{SMOOTHING}.fee_bias_cap_ratio",
            since="0.1.0",
            dropped=KEPT_UNTIL,
        ),
        Alias(
            domain=Domain.CONFIG,
            old=f"{SMOOTHING}.fee_bias_cap_bps",
            new=f"{SMOOTHING}.fee_bias_cap_ratio",
            since="0.1.0",
            dropped=KEPT_UNTIL,
            factor=Fraction(1, 10_000),
        ),
        # spec/core.md 17
        Alias(
            domain=Domain.CONFIG,
            old="guards.intraday_caps.daily_pnl_stop",
            new="guards.intraday_caps.daily_pnl_stop_usd",
            since="0.2.0",
            dropped=KEPT_UNTIL,
        ),
        # Each policy has its own interval.
        Alias(
            domain=Domain.CONFIG,
            old="policy.interval_ms",
            new="autopolicy.interval_s",
            since="0.2.0",
            dropped="0.4.0",
            factor=Fraction(1, 1_000),
        ),
        # spec/addendum.md 2
        Alias(domain=Domain.ENV, old="CONFIG_PATH", new="MM_CONFIG_PATH", since="0.1.0", dropped=KEPT_UNTIL),
        # When the latency of orders became one of each symbol, the only other one left its section.
        Alias(
            domain=Domain.JSON,
            old="latency.tick_to_order_us",
            new="tick_to_order_us",
            since="0.1.0",
            dropped="0.3.0",
            document="/status",
        ),
    )
)
