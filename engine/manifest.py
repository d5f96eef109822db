"""The MANIFEST event: which instruments, which code, which run; must never read a clock or a file."""

import json
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

from mmfold.engine.codes import Continuity, Contract, Venue
from mmfold.engine.declared import DeclaredError, memory_of, params_of
from mmfold.engine.json_text import parse_json
from mmfold.engine.limits import (
    BASE_VALUE_DENOMINATOR_MAX,
    BASE_VALUE_MAX,
    E9,
    INSTRUMENT_COUNT_MAX,
    LOT_NOTIONAL_MICROS_MAX,
    LOT_RATIO_MAX,
    MICROS_PER_UNIT,
    PAYLOAD_ROW_BYTES,
    PPM,
    PRODUCT_MAX,
    QTY_LOTS_MAX,
    TICK_VALUE_DENOMINATOR_MAX,
    TICK_VALUE_NUMERATOR_MAX,
)
from mmfold.engine.rules import RULES

SCHEMA_VERSION = 1
CODE_VERSION = "0.2.0"
FIRST_RULES = 1  # of a manifest that names none, and so the one number that it need not name
BOOK_DEPTH_MAX = 1_000_000
DEFAULT_MAKER_FEE_PPM = 100  # spec/core.md 20: maker 1.0 bps, taker 5.0 bps; positive is a cost
DEFAULT_TAKER_FEE_PPM = 500
TEXT_CHARS_MAX = 1 << 16  # of a run id: a merged one names every recording
TEXT_KEYS = ("run_id", "code_version", "layout", "parent_run", "source")
PARENT_ROWS = "parent_manifest_rows"  # key of `extra`
COINS = ("base_coin", "quote_coin", "settle_coin")
# Keys of an instrument that are left out where they are empty or 0, so that a manifest of before has the bytes it had.
LEFT_OUT_EMPTY = ("book_depth", *COINS)


class ManifestError(ValueError):
    """A manifest that cannot be understood; the message says which key."""


class UncountedInstrument(ManifestError):
    """An instrument whose ticks and lots leave the core no room; the message says which key and its range."""

    hint = "leave the instrument out, or count it in coarser ticks or lots"


def canonical_json(value: Any) -> bytes:
    """Return the one JSON form of a value: ASCII, sorted keys, no spaces, no NaN.

    Raises: ValueError for NaN and infinities.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One tradable instrument and its filters.

    Units: sizes are decimal strings in the venue's units; fees in ppm of notional, positive = cost, negative = rebate.
    """

    symbol: str
    venue: str = "generic"
    contract: str = "linear"
    tick_size: str
    lot_size: str
    min_qty_lots: int = 1
    min_notional_micros: int = 0
    maker_fee_ppm: int = DEFAULT_MAKER_FEE_PPM
    taker_fee_ppm: int = DEFAULT_TAKER_FEE_PPM
    contract_value: str = "1"  # quote value of one contract, for inverse contracts
    book_depth: int = 0  # levels of a side that the recorded feed shows at most; 0, left out of the JSON: any number
    base_coin: str = ""  # the venue's own words, empty where nothing said them
    quote_coin: str = ""
    settle_coin: str = ""

    def __post_init__(self) -> None:
        name = self.symbol
        if not isinstance(name, str) or not (name and name.isascii() and name.isprintable() and len(name) <= 32):
            raise ManifestError(f"symbol {name!r} must be 1 to 32 printable ASCII characters")
        for key in ("tick_size", "lot_size", "contract_value"):
            text = getattr(self, key)
            if not is_plain_decimal(text) or Decimal(text) <= 0:
                raise ManifestError(f'{self.symbol}: {key} "{text}" is not a positive decimal number')
        if self.venue.upper() not in Venue.__members__:
            raise ManifestError(f"{self.symbol}: unknown venue {self.venue!r}")
        if self.contract.upper() not in Contract.__members__:
            raise ManifestError(f"{self.symbol}: unknown contract {self.contract!r}")
        for key in COINS:
            coin = getattr(self, key)
            if coin and not (coin.isascii() and coin.isalnum() and len(coin) <= 32):
                raise ManifestError(f"{self.symbol}: {key} {coin!r} must be 1 to 32 ASCII letters and digits")
        if self.min_qty_lots < 1:
            raise ManifestError(f"{self.symbol}: min_qty_lots must be at least 1")
        if type(self.book_depth) is not int or not 0 <= self.book_depth <= BOOK_DEPTH_MAX:
            raise ManifestError(f"{self.symbol}: book_depth {self.book_depth!r} is not 0 to {BOOK_DEPTH_MAX:,}")
        if self.is_inverse and not self.is_base_value_exact():
            raise ManifestError(
                f"{self.symbol}: contract_value {self.contract_value} x lot_size {self.lot_size} / tick_size "
                f"{self.tick_size} cannot be counted in 1e-9 of the base currency"
            )

    @property
    def is_inverse(self) -> bool:
        """Whether the instrument is settled in its base currency."""
        return self.contract == "inverse"

    @property
    def continuity(self) -> Continuity:
        """Where the venue's book snapshots stand relative to its deltas."""
        return Continuity.BESIDE_STREAM if self.venue == "binance" else Continuity.IN_STREAM

    def tick_value_micros(self) -> tuple[int, int]:
        """Return the value of one ticklot in micros, as (numerator, denominator).

        Units: tick x lot in the quote currency; of an inverse contract 1e-9 base, a micro of a thousandth of the base.
        """
        if self.is_inverse:
            return 1, 1
        value = Fraction(self.tick_size) * Fraction(self.lot_size) * MICROS_PER_UNIT
        return value.numerator, value.denominator

    def base_value_ratio(self) -> tuple[int, int]:
        """Return the 1e-9 base of one lot at a price of one tick, as (numerator, denominator); 0 if not inverse."""
        if not self.is_inverse:
            return 0, 1
        value = Fraction(self.contract_value) * Fraction(self.lot_size) * E9 / Fraction(self.tick_size)
        return value.numerator, value.denominator

    def lot_notional_micros(self) -> tuple[int, int]:
        """Return the quote value of one lot in micros, as (numerator, denominator); 0 if not inverse."""
        if not self.is_inverse:
            return 0, 1
        value = Fraction(self.contract_value) * Fraction(self.lot_size) * MICROS_PER_UNIT
        return value.numerator, value.denominator

    def is_base_value_exact(self) -> bool:
        """Tell whether the core's integers have room for what an inverse contract's lots are worth."""
        (value, denominator), (notional, parts) = self.base_value_ratio(), self.lot_notional_micros()
        fits = value <= BASE_VALUE_MAX and notional <= LOT_NOTIONAL_MICROS_MAX
        return fits and max(denominator, parts) <= BASE_VALUE_DENOMINATOR_MAX

    def check_countable(self) -> None:
        """Check that the core has room for what is made of the instrument's ticks and lots.

        Raises: UncountedInstrument with the key and its range.
        """
        lot, tick_value = Fraction(self.lot_size), Fraction(*self.tick_value_micros())
        if max(lot.numerator, lot.denominator) > LOT_RATIO_MAX:
            raise UncountedInstrument(
                f"{self.symbol}: lot_size {self.lot_size} is not counted: of a fraction of whole numbers up to "
                f"{LOT_RATIO_MAX:,}, 0.000000001 to {LOT_RATIO_MAX:,} units"
            )
        if tick_value.numerator > TICK_VALUE_NUMERATOR_MAX or tick_value.denominator > TICK_VALUE_DENOMINATOR_MAX:
            raise UncountedInstrument(
                f"{self.symbol}: tick_size {self.tick_size} x lot_size {self.lot_size} is not counted: a fraction of "
                f"micros with parts up to {TICK_VALUE_NUMERATOR_MAX:,} / {TICK_VALUE_DENOMINATOR_MAX:,}, "
                "0.000000000000000001 (1e-18) to 2,000 of the quote currency"
            )
        for key, limit in (("min_qty_lots", QTY_LOTS_MAX), ("min_notional_micros", PRODUCT_MAX)):
            if not 0 <= getattr(self, key) <= limit:
                raise UncountedInstrument(f"{self.symbol}: {key} {getattr(self, key):,} is not 0 to {limit:,}")
        for key in ("maker_fee_ppm", "taker_fee_ppm"):
            if abs(getattr(self, key)) > PPM:
                raise UncountedInstrument(f"{self.symbol}: {key} {getattr(self, key):,} is not -{PPM:,} to {PPM:,}")

    def lot_size_ratio(self) -> tuple[int, int]:
        """Return the base units of one lot, as (numerator, denominator)."""
        value = Fraction(self.lot_size)
        return value.numerator, value.denominator


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a journal is a journal of."""

    run_id: str
    instruments: tuple[Instrument, ...]
    schema_version: int = SCHEMA_VERSION
    code_version: str = CODE_VERSION
    rules: int = FIRST_RULES  # how the core that made the journal decides (engine/rules.py)
    layout: str = ""  # of the state that a witnessed journal's core had (engine/layout.py); empty before 0.2.0
    parent_run: str = ""
    seed: int = 0
    source: str = ""
    witnessed: bool = False  # the journal holds the effects of its inputs
    extra: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        symbols = [instrument.symbol for instrument in self.instruments]
        if not symbols:
            raise ManifestError("no instruments")
        if len(symbols) > INSTRUMENT_COUNT_MAX:
            raise ManifestError(f"{len(symbols)} instruments, at most {INSTRUMENT_COUNT_MAX}")
        if symbols != sorted(set(symbols)):
            raise ManifestError("instruments must be unique and sorted by symbol")
        for key in TEXT_KEYS:
            check_text(key, getattr(self, key))
        for key, value in self.extra.items():
            check_text("a key of extra", key)
            check_text(f"extra.{key}", value)
        try:
            params_of(self.extra)
            memory_of(self.extra)
        except DeclaredError as error:
            raise ManifestError(f"manifest: extra.{error}") from error

    def renewed(self, **changes: Any) -> "Manifest":
        """Return the manifest of a new journal of this build, with the same instruments and some changes."""
        return replace(self, schema_version=SCHEMA_VERSION, code_version=CODE_VERSION, rules=RULES, **changes)

    def rows_added(self) -> int:
        """Return how many rows the manifest has more than the one that the state digests within were made with.

        A salvaged journal's names its parent and is longer; `extra` says how many rows the state is to count for it.
        """
        text = self.extra.get(PARENT_ROWS, "")
        if not (text.isascii() and text.isdecimal() and len(text) <= 9):
            return 0
        return -(-len(encode_manifest(self)) // PAYLOAD_ROW_BYTES) - int(text)

    def symbol_index(self) -> dict[str, int]:
        """Return {symbol: instrument_index}."""
        return {instrument.symbol: index for index, instrument in enumerate(self.instruments)}


def check_text(key: str, text: object) -> None:
    """Check a text that ends up on terminals and in reports.

    Raises: ManifestError.
    """
    if not isinstance(text, str) or not text.isprintable() or len(text) > TEXT_CHARS_MAX:
        shown = ascii(text)
        shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
        raise ManifestError(f"manifest: {key} {shown} is not a text of at most {TEXT_CHARS_MAX:,} printable characters")


def is_plain_decimal(text: str) -> bool:
    """Tell whether a text is digits with at most one point: no sign, no exponent, no NaN."""
    whole, point, fraction = text.partition(".")
    return whole.isascii() and whole.isdigit() and (not point or (fraction.isascii() and fraction.isdigit()))


def encode_manifest(manifest: Manifest) -> bytes:
    """Return the manifest's payload: canonical JSON."""
    names = Instrument.__dataclass_fields__
    document: dict[str, Any] = {name: getattr(manifest, name) for name in Manifest.__dataclass_fields__}
    document["instruments"] = [
        {name: value for name in names if (value := getattr(instrument, name)) or name not in LEFT_OUT_EMPTY}
        for instrument in manifest.instruments
    ]
    # Left out where nothing was decided, or by a build before 0.2.0: bytes, and so heads, stay what they are.
    if manifest.rules == FIRST_RULES:
        del document["rules"]
    if not manifest.layout:
        del document["layout"]
    return canonical_json(document)


def check_readable(document: dict[str, Any]) -> None:
    """Refuse a manifest of a build that this one cannot follow, in one line that names both.

    Raises: ManifestError.
    """
    schema, rules = document.get("schema_version"), document.get("rules", FIRST_RULES)
    this = f"this is mm {CODE_VERSION} (schema {SCHEMA_VERSION}, rules {RULES})"
    if type(schema) is not int or schema < 1 or type(rules) is not int or rules < FIRST_RULES:
        raise ManifestError(f"schema version {schema!r}, rules {rules!r}: not a manifest of mm; {this}")
    unknown = sorted(set(document) - set(Manifest.__dataclass_fields__))
    if schema > SCHEMA_VERSION or rules > RULES or unknown:
        more = f", key {unknown[0]}" if unknown else ""
        version = document.get("code_version", "of an unknown version")
        made = f"made by mm {version} (schema {schema}, rules {rules}{more})"
        raise ManifestError(f"the journal was {made}, {this}: read it with that build or a newer one")


def parse_manifest(payload: bytes) -> Manifest:
    """Parse a manifest's payload.

    Raises: ManifestError with the key at fault.
    """
    try:
        document = parse_json(payload)
    except ValueError as error:
        raise ManifestError(f"manifest is not JSON: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("instruments"), list):
        raise ManifestError("manifest has no instruments")
    check_readable(document)
    for one in document["instruments"]:
        if not isinstance(one, dict):
            raise ManifestError("manifest: an instrument is not an object")
        missing = [name for name in ("symbol", "tick_size", "lot_size") if name not in one]
        if missing:
            raise ManifestError(
                f"{one.get('symbol', 'an instrument')} has no {missing[0]}: no order can be rounded to it"
            )
    try:
        instruments = tuple(Instrument(**instrument) for instrument in document["instruments"])
        if not isinstance(document.get("extra", {}), dict):
            raise ManifestError("manifest: extra is not an object")
        return Manifest(**{**document, "instruments": instruments})
    except (TypeError, AttributeError) as error:  # a key or a type that a manifest does not have
        raise ManifestError(f"manifest: {error}") from error
