"""The kinds' formulas in rational arithmetic, and logarithm, sine and normal distribution to 50 digits."""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import pairwise

Values = Sequence[Fraction]

DIGITS = 50
_BITS = 400
# Archimedes' constant to 60 digits; checked by Machin's formula in test_oracle.py.
PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494")


def root(value: Fraction) -> Fraction:
    """Return a square root, to 400 bits relative."""
    if value == 0:
        return Fraction(0)
    shift = _BITS + max(0, value.denominator.bit_length() - value.numerator.bit_length())
    return Fraction(math.isqrt((value.numerator << (2 * shift)) // value.denominator), 1 << shift)


def mean(values: Values) -> Fraction:
    """Return the mean."""
    return sum(values, Fraction(0)) / len(values)


def variance(values: Values) -> Fraction:
    """Return the population variance."""
    middle = mean(values)
    return mean([(v - middle) ** 2 for v in values])


def linear_quantile(values: Values, share: Fraction) -> Fraction:
    """Return the quantile of Hyndman and Fan's definition 7."""
    ordered, position = sorted(values), share * (len(values) - 1)
    low = math.floor(position)
    high = min(low + 1, len(values) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


def averaged_quantile(values: Values, share: Fraction) -> Fraction:
    """Return the quantile of Hyndman and Fan's definition 2."""
    ordered, position = sorted(values), share * len(values)
    at = math.floor(position)
    if position == at and 0 < at < len(values):
        return (ordered[at - 1] + ordered[at]) / 2
    return ordered[min(at, len(values) - 1)]


def most_frequent(values: Values) -> Fraction:
    """Return the most frequent value, of several the smallest."""
    counts = Counter(values)
    return min(counts, key=lambda value: (-counts[value], value))


def standard(values: Values, x: Fraction) -> Fraction:
    """Return the standardised value."""
    return (x - mean(values)) / (root(variance(values)) or 1)


def min_max(values: Values, x: Fraction) -> Fraction:
    """Return the value in the fitted range."""
    return (x - min(values)) / ((max(values) - min(values)) or 1)


def max_abs(values: Values, x: Fraction) -> Fraction:
    """Return the value over the largest size."""
    return x / (max(map(abs, values)) or 1)


def robust(values: Values, x: Fraction) -> Fraction:
    """Return the value from the median in quartile ranges."""
    spread = linear_quantile(values, Fraction(3, 4)) - linear_quantile(values, Fraction(1, 4))
    return (x - linear_quantile(values, Fraction(1, 2))) / (spread or 1)


def winsorized(values: Values, x: Fraction) -> Fraction:
    """Return the value held within the first and the 99th percentile."""
    low, high = (linear_quantile(values, Fraction(percent, 100)) for percent in (1, 99))
    return min(max(x, low), high)


def share_below(quantiles: Values, x: Fraction) -> Fraction:
    """Return the interpolated share of a value among evenly spaced quantiles; ties take the middle of their shares."""
    steps = max(len(quantiles) - 1, 1)
    if x <= quantiles[0]:
        return Fraction(0)
    if x >= quantiles[-1]:
        return Fraction(1)
    above = bisect_right(quantiles, x)
    tied = [at for at, q in enumerate(quantiles) if q == x]
    if tied:
        return Fraction(tied[0] + tied[-1], 2 * steps)
    low, high = quantiles[above - 1], quantiles[above]
    return (above - 1 + (x - low) / (high - low)) / Fraction(steps)


def bin_of(edges: Values, x: Fraction) -> int:
    """Return the place of a value among bins between distinct edges; the outer ones take what lies beyond."""
    distinct = sorted(set(edges))
    return bisect_right(distinct[1:-1], x)


def logarithm(x: Fraction) -> Decimal:
    """Return the natural logarithm of a positive rational."""
    with localcontext(prec=DIGITS):
        return Decimal(x.numerator).ln() - Decimal(x.denominator).ln() if not _near_one(x) else _log_near_one(x)


def _near_one(x: Fraction) -> bool:
    return abs(x - 1) < Fraction(1, 10**4)


def _log_near_one(x: Fraction) -> Decimal:
    s = (x - 1) / (x + 1)  # log(x) = 2 artanh(s)
    terms = (s ** (2 * k + 1) / (2 * k + 1) for k in range(6))
    return as_decimal(2 * sum(terms))


def as_decimal(x: Fraction) -> Decimal:
    """Return a rational to 50 digits."""
    with localcontext(prec=DIGITS):
        return Decimal(x.numerator) / Decimal(x.denominator)


def sine_of_turns(turns: Fraction) -> Decimal:
    """Return sin(2 pi t) by its Taylor series."""
    with localcontext(prec=DIGITS):
        angle = as_decimal(turns - round(turns)) * 2 * PI
        total, term, k = Decimal(0), angle, 1
        while abs(term) > Decimal(10) ** -DIGITS:
            total += term
            term *= -angle * angle / ((k + 1) * (k + 2))
            k += 2
        return total


def normal_density(x: Decimal) -> Decimal:
    """Return the density of the standard normal distribution."""
    with localcontext(prec=DIGITS):
        return (-x * x / 2).exp() / (2 * PI).sqrt()


def normal_share(x: Decimal) -> Decimal:
    """Return the share of the standard normal distribution below x, for |x| up to 6, by its power series."""
    with localcontext(prec=DIGITS + 20):
        total, term, k = Decimal(0), x, 1
        while abs(term) > Decimal(10) ** -(DIGITS + 10):
            total += term
            k += 2
            term *= x * x / k
        return Decimal("0.5") + total * (-x * x / 2).exp() / (2 * PI).sqrt()


def machin() -> Decimal:
    """Return pi as 16 arctan(1/5) - 4 arctan(1/239)."""
    with localcontext(prec=70):
        return 16 * _arctan(5) - 4 * _arctan(239)


def _arctan(inverse: int) -> Decimal:
    terms = (Fraction((-1) ** k, (2 * k + 1) * inverse ** (2 * k + 1)) for k in range(60))
    total = sum(terms)
    return Decimal(total.numerator) / Decimal(total.denominator)


def is_ascending(values: Values) -> bool:
    """Return whether no value is below the one before."""
    return all(a <= b for a, b in pairwise(values))
