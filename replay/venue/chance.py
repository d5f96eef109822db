"""Random draws by counter: integer hashes of (seed, key, purpose); must never depend on the order of the calls.

Integers below 2^63 and + - * / and square root only, so compiled, interpreted and other machines' draws are the same.
"""

from math import sqrt

from mmfold.engine.jit import kernel
from mmfold.engine.signals import LN_2, log_ratio

MASK_32 = (1 << 32) - 1


@kernel
def times_32(x, factor):
    """Return the low 32 bits of a product of two 32-bit numbers; no product in between exceeds 48 bits."""
    return (x * (factor & 0xFFFF) + (((x * (factor >> 16)) & 0xFFFF) << 16)) & MASK_32


@kernel
def mix_32(x):
    """Return a hash of 32 bits: shifts and odd multipliers (source: Wellons' lowbias32)."""
    x = times_32(x ^ (x >> 16), 0x7FEB352D)
    x = times_32(x ^ (x >> 15), 0x846CA68B)
    return x ^ (x >> 16)


@kernel
def draw_32(seed, key, purpose):
    """Return a uniform number of 32 bits for one key and purpose of a seed; none of them negative."""
    x = mix_32((seed & MASK_32) ^ 0x9E3779B9)
    x = mix_32(x ^ ((seed >> 32) & MASK_32))
    x = mix_32(x ^ (key & MASK_32))
    x = mix_32(x ^ ((key >> 32) & MASK_32))
    return mix_32(x ^ purpose)


@kernel
def is_drawn(seed, key, purpose, chance_ppm):
    """Tell whether an event of a chance in ppm happens."""
    return draw_32(seed, key, purpose) * 1_000_000 < chance_ppm << 32


@kernel
def log_of(x):
    """Return ln(x) for x >= 1 without libm: halvings to [0.75, 1.5), then the atanh series (error < 2e-10)."""
    halvings = 0
    while x >= 1.5:
        x = x * 0.5
        halvings += 1
    return halvings * LN_2 + log_ratio(x, 1.0)


@kernel
def normal_tail(p):
    """Return the standard normal's quantile for a small p, negative (source: Acklam's rational approximation)."""
    q = sqrt(2.0 * log_of(1.0 / p))
    top = -7.784894002430293e-03
    for factor in (
        -3.223964580411365e-01, -2.400758277161838e00, -2.549732539343734e00, 4.374664141464968e00,
        2.938163982698783e00,
    ):  # fmt: skip
        top = top * q + factor
    low = 7.784695709041462e-03
    for factor in (3.224671290700398e-01, 2.445134137142996e00, 3.754408661907416e00, 1.0):
        low = low * q + factor
    return top / low


@kernel
def normal_of(draw):
    """Return the standard normal's quantile of a uniform number of 32 bits, relative error 1e-8."""
    p = (draw + 0.5) / (MASK_32 + 1.0)
    if p < 0.02425:
        return normal_tail(p)
    if p > 1.0 - 0.02425:
        return -normal_tail(1.0 - p)
    q = p - 0.5
    r = q * q
    top = -3.969683028665376e01
    for factor in (
        2.209460984245205e02, -2.759285104469687e02, 1.383577518672690e02, -3.066479806614716e01, 2.506628277459239e00,
    ):  # fmt: skip
        top = top * r + factor
    low = -5.447609879822406e01
    for factor in (
        1.615858368580409e02, -1.556989798598866e02, 6.680131188771972e01, -1.328068155288572e01, 1.0,
    ):  # fmt: skip
        low = low * r + factor
    return top * q / low
