"""exp, log, sqrt and powers for strategies, of + - * / and exact steps alone; must never call libm's.

libm's differ between machines, and between compiled and interpreted code. Here every step is one that IEEE 754 fixes to
the bit: + - * /, the square root, and scaling by a power of two (frexp, ldexp). Nothing is fused: `kernel` compiles
without fastmath. ulp: the distance of neighbouring doubles at the result.
"""

import math

from mmfold.engine.jit import kernel

EXP_MAX = 709.0  # e^709.79 is no double any more
EXP_MIN = -708.0  # below, the result would lose digits before it is nothing: it is 0.0 at once
POWER_EXPONENT_MAX = 1e300
LN2_HIGH = 6.93147180369123816490e-01  # with 21 zero bits behind it: exact times a whole number below 2^20
LN2_LOW = 1.90821492927058770002e-10
LN2_LOWEST = 1.1612227229362532e-26  # the three add up to ln 2 within 2^-139
LN2_INVERSE = 1.4426950408889634
X_MAX = 1.7976931348623157e308
SQRT_HALF = 0.7071067811865476
SPLITTER = 134217729.0  # 2^27 + 1
ATANH_TERM_COUNT = 14  # of s^2n / (2n + 1): s^2 < 0.0295, so what is left out is below 2^-76 of the sum
# Of e^r on |r| <= ln 2 / 2: r (e^r + 1) / (e^r - 1) = 2 + P1 r^2 + ... (Remez; fdlibm e_exp.c, Sun Microsystems 1993).
P1, P2, P3 = 1.66666666666666019037e-01, -2.77777777770155933842e-03, 6.61375632143793436117e-05
P4, P5 = -1.65339022054652515390e-06, 4.13813679705723846039e-08
# Of log((1 + s) / (1 - s)) / s = 2 + L1 s^2 + ... on |s| <= 0.1716 (Remez; fdlibm e_log.c, Sun Microsystems 1993).
L1, L2, L3 = 6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01
L4, L5, L6 = 2.222219843214978396e-01, 1.818357216161805012e-01, 1.531383769920937332e-01
L7 = 1.479819860511658591e-01


@kernel
def exp(x):
    """Return e^x within 1 ulp, for x up to 709; below -708 it is 0.0 (the true value is below 3.4e-308).

    Raises: AssertionError above 709, where no double holds it.
    """
    return exp_sum(float(x), 0.0)


@kernel
def exp_sum(x, rest):
    """Return e^(x + rest) for a rest that is tiny beside x's last digits."""
    assert x <= EXP_MAX, "exp: the result is no double"
    if x < EXP_MIN:
        return 0.0
    half = 0.5 if x >= 0.0 else -0.5
    k = int(x * LN2_INVERSE + half)
    high = x - k * LN2_HIGH
    low = k * LN2_LOW - rest
    r = high - low
    t = r * r
    c = r - t * (P1 + t * (P2 + t * (P3 + t * (P4 + t * P5))))
    y = 1.0 - ((low - (r * c) / (2.0 - c)) - high)
    return math.ldexp(y, k)


@kernel
def log(x):
    """Return the natural logarithm within 1 ulp, for every finite x above 0.

    Raises: AssertionError where x is 0 or less, or not finite.
    """
    m, k = split_binary(float(x))
    f = m - 1.0
    s = f / (2.0 + f)
    z = s * s
    r = z * (L1 + z * (L2 + z * (L3 + z * (L4 + z * (L5 + z * (L6 + z * L7))))))
    half = 0.5 * f * f
    return k * LN2_HIGH - ((half - (s * (half + r) + k * LN2_LOW)) - f)


@kernel
def sqrt(x):
    """Return the square root, exactly rounded (0.5 ulp), for x from 0 on.

    Raises: AssertionError below 0.
    """
    value = float(x)
    assert value >= 0.0, "sqrt: x is below 0"
    return math.sqrt(value)


@kernel
def power(x, y):
    """Return x^y within 1 ulp, for every finite x above 0; a result below 3.4e-308 is 0.0.

    The logarithm is kept in two doubles, since y multiplies its error.
    Raises: AssertionError where x is 0 or less or not finite, y is beyond 1e300, or no double holds the result.
    """
    base, exponent = float(x), float(y)
    assert -POWER_EXPONENT_MAX <= exponent <= POWER_EXPONENT_MAX, "power: y is no number up to 1e300"
    log_high, log_low = log_pair(base)
    if log_high == 0.0 or exponent == 0.0:
        return 1.0
    high = log_high * exponent
    assert high <= EXP_MAX, "power: the result is no double"
    if high < EXP_MIN:
        return 0.0
    # Now |y| < 710 / 1.1e-16, so nothing below overflows.
    high, low = times_pair(log_high, exponent)
    return exp_sum(high, low + log_low * exponent)


@kernel
def log_pair(x):
    """Return the natural logarithm as a sum of two doubles, within 2^-68 of it."""
    m, k = split_binary(x)
    f = m - 1.0  # exact: m is within 0.7 .. 1.42
    g = 2.0 + f
    g_low = f - (g - 2.0)
    s = f / g
    product, product_low = times_pair(s, g)
    s_low = ((f - product) - product_low - s * g_low) / g
    z, z_low = times_pair(s, s)
    z_low = z_low + 2.0 * s * s_low
    high, low = 0.0, 0.0
    for n in range(ATANH_TERM_COUNT - 1, 0, -1):  # the sum of z^n / (2n + 1), from its smallest term on
        divisor = 2.0 * n + 1.0
        term = 1.0 / divisor
        back, back_low = times_pair(term, divisor)
        term_low = ((1.0 - back) - back_low) / divisor
        high, low = add_pairs(high, low, term, term_low)
        high, low = times_pairs(high, low, z, z_low)
    high, low = add_pairs(1.0, 0.0, high, low)
    high, low = times_pairs(high, low, 2.0 * s, 2.0 * s_low)
    whole, whole_low = add_pairs(k * LN2_HIGH, 0.0, k * LN2_LOW, k * LN2_LOWEST)
    return add_pairs(whole, whole_low, high, low)


@kernel
def split_binary(x):
    """Return (m, k) with x = m 2^k exactly and m within sqrt(1/2) .. sqrt(2)."""
    assert 0.0 < x <= X_MAX, "log: x is not a finite number above 0"
    m, k = math.frexp(x)
    if m < SQRT_HALF:
        m = m * 2.0
        k = k - 1
    return m, k


@kernel
def times_pair(a, b):
    """Return a x b exactly, as a sum of two doubles (Dekker 1971); there is no fused multiplication in it."""
    product = a * b
    t = SPLITTER * a
    a_high = t - (t - a)
    a_low = a - a_high
    t = SPLITTER * b
    b_high = t - (t - b)
    b_low = b - b_high
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


@kernel
def times_pairs(a, a_low, b, b_low):
    """Return the product of two sums of two doubles as one."""
    product, low = times_pair(a, b)
    low = low + (a * b_low + a_low * b)
    high = product + low
    return high, low - (high - product)


@kernel
def add_pairs(a, a_low, b, b_low):
    """Return the sum of two sums of two doubles as one."""
    total = a + b
    part = total - a
    low = (a - (total - part)) + (b - part) + (a_low + b_low)
    high = total + low
    return high, low - (high - total)
