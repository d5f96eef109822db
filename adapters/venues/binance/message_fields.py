"""A number for every key of a Binance message, and the sets of them that the fast lane takes."""

import numpy as np

from mmfold.adapters.importers.fast_path import FIELD_COUNT, VALUE_KIND_COUNT

E, E_TIME, T_TIME, SYMBOL, PAIR, U_FIRST, U_LAST, U_PREVIOUS = range(8)
LOWER_B, LOWER_A, UPPER_B, UPPER_A, T_NUMBER, PRICE, QTY, X_TYPE, MAKER, M_SPOT, F_FIRST, L_LAST = range(8, 20)
UNKNOWN_KEY = 255
PAIR_KEY, PREVIOUS_KEY = 1, 2  # stand for the two-letter keys "ps" and "pu"
FIELD_OF_KEY = np.full(128, UNKNOWN_KEY, np.uint8)
for _key, _field in zip("eETsUubaBAtpqXmMfl", [0, 1, 2, 3, 5, 6, *range(8, 20)], strict=True):
    FIELD_OF_KEY[ord(_key)] = _field
FIELD_OF_KEY[PAIR_KEY], FIELD_OF_KEY[PREVIOUS_KEY] = PAIR, U_PREVIOUS

# Which fields came as an integer, a text, a price or size, levels or a truth value: a set of bits each.
INTEGERS, STRINGS, STEPS, LEVELS, TRUTHS = range(5)
DEPTH_INTEGERS = 1 << E_TIME | 1 << U_FIRST | 1 << U_LAST
DEPTH_INTEGERS_FUTURES = DEPTH_INTEGERS | 1 << T_TIME | 1 << U_PREVIOUS
BOTH_LEVELS = 1 << LOWER_B | 1 << LOWER_A
PRICE_FIELDS = 1 << LOWER_B | 1 << LOWER_A | 1 << PRICE
STEP_FIELDS = PRICE_FIELDS | 1 << UPPER_B | 1 << UPPER_A | 1 << QTY
BBO_STEPS = 1 << LOWER_B | 1 << UPPER_B | 1 << LOWER_A | 1 << UPPER_A
TRADE_STEPS = 1 << PRICE | 1 << QTY
BBO_INTEGERS_FUTURES = 1 << U_LAST | 1 << T_TIME | 1 << E_TIME
TRADE_STRINGS = 1 << E | 1 << SYMBOL
TRADE_INTEGERS = 1 << E_TIME | 1 << T_TIME | 1 << T_NUMBER
AGGREGATE_INTEGERS = 1 << E_TIME | 1 << T_TIME | 1 << LOWER_A | 1 << F_FIRST | 1 << L_LAST
assert L_LAST < FIELD_COUNT and TRUTHS < VALUE_KIND_COUNT
