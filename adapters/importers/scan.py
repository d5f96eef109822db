"""Scanners of the fast lane: one token of a line each; must never read past the LF that ends it.

Each returns the position after its token, or -1 for anything but the plain form it knows. A position that is negative
already goes through unchanged, so that a row of tokens is checked once, at its end.
"""

from typing import Any

import numpy as np

from mmfold.adapters.importers.frames import Form
from mmfold.engine.jit import kernel
from mmfold.engine.limits import NS_PER_S, TS_NS_MAX
from mmfold.journal.told import TRADE_ID_MAX

DIGIT_COUNT_MAX = 18  # any number of so many digits fits i64
Scanned = tuple[np.int64, int]  # a value and the position after it, or -1

POWERS_OF_TEN = 10 ** np.arange(19, dtype=np.int64)

QUOTE, COMMA, COLON, BRACE_OPEN, BRACE_CLOSE, BRACKET_OPEN, BRACKET_CLOSE = (ord(char) for char in '",:{}[]')
POINT, ZERO, NINE, SPACE, TILDE, BACKSLASH, LF, AT, DASH = (ord(char) for char in ".09 ~\\\n@-")


UUID_CHAR_COUNT = 36
UUID_TAIL = 19  # where its last 64 bits begin
TAIL_MASK = (1 << 59) - 1
NO_DIGIT = 255
HEX_DIGITS = np.full(256, NO_DIGIT, np.uint8)
for _digit, _chars in enumerate(("0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "aA", "bB", "cC", "dD", "eE", "fF")):
    for _char in _chars:
        HEX_DIGITS[ord(_char)] = _digit
IS_DASH = np.zeros(UUID_CHAR_COUNT, np.bool_)
IS_DASH[[8, 13, 18, 23]] = True


def literal_text(text: str) -> np.ndarray:
    """Return a text as the kernels compare it."""
    return np.frombuffer(text.encode("ascii"), np.uint8).copy()


TRUE = literal_text("true")
FALSE = literal_text("false")


@kernel
def match(text: np.ndarray, pos: int, literal: np.ndarray) -> int:
    """Return the position after a literal, or -1."""
    if pos < 0:
        return pos
    for index in range(literal.size):
        if text[pos + index] != literal[index]:
            return -1
    return pos + literal.size


@kernel
def is_text(text: np.ndarray, start: int, end: int, literal: np.ndarray) -> bool:
    """Tell whether a span is exactly a literal."""
    return end - start == literal.size and match(text, start, literal) == end


@kernel
def scan_string(text: np.ndarray, pos: int) -> int:
    """Return the position of the quote that ends a plain ASCII string, or -1; pos is after the opening one."""
    if pos < 0:
        return pos
    while text[pos] != QUOTE:
        if text[pos] < SPACE or text[pos] > TILDE or text[pos] == BACKSLASH:
            return -1
        pos += 1
    return pos


@kernel
def scan_text_value(text: np.ndarray, pos: int) -> int:
    """Return the position after the quote that ends a plain ASCII string, or -1; pos is after the opening one."""
    end = scan_string(text, pos)
    return end + 1 if end >= 0 else end


@kernel
def scan_truth(text: np.ndarray, pos: int) -> Scanned:
    """Return whether true stands there, not false, and the position after it, or -1."""
    after = match(text, pos, TRUE)
    if after >= 0:
        return np.int64(1), after
    return np.int64(0), match(text, pos, FALSE)


@kernel
def scan_integer(text: np.ndarray, pos: int) -> Scanned:
    """Return a JSON integer without a sign and the position after it, or -1."""
    value = np.int64(0)
    if pos < 0:
        return value, pos
    start = pos
    while ZERO <= text[pos] <= NINE:
        value = value * 10 + (np.int64(text[pos]) - ZERO)
        pos += 1
        if pos - start > DIGIT_COUNT_MAX:
            return value, -1
    if pos == start or (text[start] == ZERO and pos - start > 1):
        return value, -1
    return value, pos


@kernel
def scan_steps(text: np.ndarray, pos: int, exponent: int, mantissa: int) -> Scanned:
    """Return a decimal string in steps of a grid and the position after its closing quote, or -1.

    Units: a step is mantissa / 10**exponent; pos is after the opening quote.
    """
    value = np.int64(0)
    if pos < 0:
        return value, pos
    start = pos
    while ZERO <= text[pos] <= NINE:
        value = value * 10 + (np.int64(text[pos]) - ZERO)
        pos += 1
        if pos - start > DIGIT_COUNT_MAX:
            return value, -1
    digit_count = pos - start
    fraction_count = 0
    if digit_count == 0:
        return value, -1
    if text[pos] == POINT:
        pos += 1
        start = pos
        while ZERO <= text[pos] <= NINE:
            if fraction_count < exponent:
                value = value * 10 + (np.int64(text[pos]) - ZERO)
                fraction_count += 1
                if digit_count + fraction_count > DIGIT_COUNT_MAX:
                    return value, -1
            elif text[pos] != ZERO or pos - start > DIGIT_COUNT_MAX:
                return value, -1
            pos += 1
        if pos == start:
            return value, -1
    if text[pos] != QUOTE or digit_count + exponent > DIGIT_COUNT_MAX:
        return value, -1
    value *= POWERS_OF_TEN[exponent - fraction_count]
    if mantissa != 1:
        if value % mantissa != 0:
            return value, -1
        value //= mantissa
    return value, pos + 1


@kernel
def scan_ns(text: np.ndarray, pos: int) -> Scanned:
    """Return a number of at most nineteen digits and the position after it, or -1."""
    value = np.int64(0)
    start = pos
    while ZERO <= text[pos] <= NINE:
        # Nineteen digits below 5e18 fit i64; whoever asks checks the range.
        if pos - start == DIGIT_COUNT_MAX and text[start] >= ZERO + 5:
            return value, -1
        if pos - start > DIGIT_COUNT_MAX:
            return value, -1
        value = value * 10 + (np.int64(text[pos]) - ZERO)
        pos += 1
    return value, pos if pos > start else -1


@kernel
def scan_trade_id(text: np.ndarray, pos: int) -> Scanned:
    """Return the id of a trade in 62 bits and the position after its closing quote, or -1.

    pos is after the opening quote. A UUID or a plain number: any other id is the parser's, which hashes it.
    """
    value = np.int64(0)
    end = scan_string(text, pos)
    if end < 0:
        return value, end
    if end - pos != UUID_CHAR_COUNT:
        value, after = scan_ns(text, pos)
        plain = after == end and value <= TRADE_ID_MAX and (text[pos] != ZERO or end == pos + 1)
        return value, end + 1 if plain else -1
    for index in range(UUID_CHAR_COUNT):
        char = text[pos + index]
        digit = HEX_DIGITS[char]
        if (char == DASH) != IS_DASH[index] or (char != DASH and digit == NO_DIGIT):
            return value, -1
        if index >= UUID_TAIL and char != DASH:
            value = (value & TAIL_MASK) << 4 | np.int64(digit)
    return value & TRADE_ID_MAX, end + 1


@kernel
def scan_seconds(text: np.ndarray, pos: int) -> Scanned:
    """Return a decimal number of seconds in ns and the position after it, or -1."""
    value = np.int64(0)
    start = pos
    while ZERO <= text[pos] <= NINE and pos - start < 10:
        value = value * 10 + (np.int64(text[pos]) - ZERO)
        pos += 1
    # Ten digits of seconds may overflow: 4e9 s is the year 2096.
    if pos == start or (pos - start == 10 and text[start] >= ZERO + 4):
        return value, -1
    scale = np.int64(NS_PER_S)
    if text[pos] == POINT:
        pos += 1
        start = pos
        while ZERO <= text[pos] <= NINE:
            if scale == 1:
                return value, -1
            value = value * 10 + (np.int64(text[pos]) - ZERO)
            scale //= 10
            pos += 1
        if pos == start:
            return value, -1
    return value * scale, pos


@kernel
def scan_stamp(text: np.ndarray, pos: int, unit_ns: int, low_ns: int) -> Scanned:
    """Return a receive time in ns, told in a unit, and the position after it, or -1; decimals only of seconds."""
    if pos < 0:
        return np.int64(0), pos
    if unit_ns == NS_PER_S:
        value, pos = scan_seconds(text, pos)
    else:
        value, pos = scan_ns(text, pos)
        if value > (TS_NS_MAX - 1) // unit_ns:
            return value, -1
        value *= unit_ns
    if value < low_ns or value >= TS_NS_MAX:
        return value, -1
    return value, pos


@kernel
def scan_receive_time(text: np.ndarray, work: Any) -> Scanned:
    """Return the receive time at a line's start in ns and the position of the message, or -1.

    Shape: work is a lane's WORK.
    """
    value, pos = scan_stamp(text, work["pos"], work["receive_unit_ns"], work["ts_low_ns"])
    if work["form"] == Form.CRYPTOFEED:
        if pos < 0 or text[pos] != COLON:
            return value, -1
        pos += 1
    elif pos >= 0 and text[pos] == POINT:
        return value, -1
    if pos < 0 or text[pos] != SPACE:
        return value, -1
    return value, pos + 1


@kernel
def copy_unescaped(text: np.ndarray, pos: int, target: int) -> int:
    """Copy a JSON string to a target behind the lines, a LF after it, and return the position after its end, or -1.

    The only escape it knows is that of a quote. pos is after the opening quote.
    """
    assert pos <= target
    room = text.size - target - 1
    limit = min(target, pos + room)
    escaped = False
    while pos < limit:
        char = text[pos]
        if (char == QUOTE) != escaped or char == LF:
            break
        # No branch on a backslash: the next character is written over it.
        escaped = char == BACKSLASH
        text[target] = char
        target += 1 - escaped
        pos += 1
    if pos == limit or text[pos] != QUOTE:
        return -1
    text[target] = LF
    return pos + 1
