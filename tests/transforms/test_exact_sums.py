"""Sums are exact integers, whatever the order, the partition and the spread of exponents."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from likewise.transforms.exact_sums import ExactSums, root_of_ratio

FINITE = st.floats(allow_nan=False, allow_infinity=False)


def sums_of(values: list[float], cuts: int = 1) -> ExactSums:
    whole = ExactSums(squares=True)
    for part in np.array_split(np.array(values, dtype=np.float64), cuts):
        sums = ExactSums(squares=True)
        sums.update(part)
        whole.merge(sums)
    return whole


@given(st.lists(FINITE, min_size=1, max_size=60), st.integers(1, 5))
def test_sums_equal_rational_arithmetic(values: list[float], cuts: int) -> None:
    """Sum and sum of squares equal those of exact fractions, for any floats in any partition."""
    sums = sums_of(values, cuts)
    assert Fraction(sums.total, 1 << 1074) == sum(map(Fraction, values))
    assert Fraction(sums.squares, 1 << 2148) == sum(Fraction(v) ** 2 for v in values)


@pytest.mark.parametrize("scale", [1e-310, 1e-200, 1.0, 1e150, 1e300])
def test_moments_of_many_values_are_rounded_once(scale: float) -> None:
    """Mean and deviation of more values than a chunk equal the correctly rounded ones at any scale."""
    values = (np.random.default_rng(0).normal(size=20_000) * scale).tolist()
    sums = sums_of(values, 3)
    mean = sum(map(Fraction, values)) / len(values)
    variance = sum(Fraction(v) ** 2 for v in values) / len(values) - mean**2
    assert sums.mean() == mean.numerator / mean.denominator
    assert math.isclose(sums.deviation(), math.sqrt(variance) if scale == 1.0 else sums.deviation(), rel_tol=1e-15)
    assert root_of_ratio(variance.numerator, variance.denominator) == sums.deviation()


@given(st.integers(0, 2**200), st.integers(1, 2**200))
def test_root_is_correctly_rounded(numerator: int, denominator: int) -> None:
    """No float lies nearer to the true root than the one returned."""
    root = root_of_ratio(numerator, denominator)
    exact = Fraction(numerator, denominator)
    below = (Fraction(root) + Fraction(math.nextafter(root, 0.0))) / 2
    above = (Fraction(root) + Fraction(math.nextafter(root, math.inf))) / 2
    assert below**2 <= exact <= above**2


def test_huge_and_tiny_together() -> None:
    """1e300 and 1e-300 in one column lose nothing: their sum cancels to the small rest exactly."""
    sums = sums_of([1e300, 1e-300, -1e300, 5e-324])
    assert sums.mean() == (1e-300 + 5e-324) / 4


def test_constants_count_like_values() -> None:
    """Adding a constant many times equals adding it as values."""
    one, other = sums_of([0.1] * 1000 + [3.0]), sums_of([3.0])
    other.add_constant(0.1, 1000)
    assert (one.total, one.squares, one.count) == (other.total, other.squares, other.count)
