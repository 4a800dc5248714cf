"""Fitted state and outputs lie within 1e-12, relative to the column's scale, of rational arithmetic."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from likewise.transforms import kinds as K  # noqa: N812
from likewise.transforms.testing import fit_numbers

Values = list[Fraction]
Oracle = Callable[[Values, Fraction], Fraction]


def root(value: Fraction) -> Fraction:
    """Return a square root to 200 bits."""
    scaled = value * 4**200
    return Fraction(math.isqrt(scaled.numerator // scaled.denominator), 2**200)


def standard(values: Values, x: Fraction) -> Fraction:
    mean = sum(values) / len(values)
    deviation = root(sum((v - mean) ** 2 for v in values) / len(values))
    return (x - mean) / (deviation or 1)


def min_max(values: Values, x: Fraction) -> Fraction:
    return (x - min(values)) / ((max(values) - min(values)) or 1)


def at(values: Values, share: Fraction) -> Fraction:
    ordered, position = sorted(values), share * (len(values) - 1)
    low = int(position)
    return ordered[low] + (ordered[min(low + 1, len(values) - 1)] - ordered[low]) * (position - low)


def robust(values: Values, x: Fraction) -> Fraction:
    spread = at(values, Fraction(3, 4)) - at(values, Fraction(1, 4))
    return (x - at(values, Fraction(1, 2))) / (spread or 1)


def max_abs(values: Values, x: Fraction) -> Fraction:
    return x / (max(abs(v) for v in values) or 1)


MODERATE = st.floats(-1e6, 1e6).map(lambda x: round(x, 3) + 0.0)


@pytest.mark.parametrize(
    ("kind", "oracle"),
    [
        (K.StandardScaler(), standard),
        (K.MinMaxScaler(), min_max),
        (K.RobustScaler(), robust),
        (K.MaxAbsScaler(), max_abs),
    ],
    ids=lambda value: type(value).__name__,
)
@given(values=st.lists(MODERATE, min_size=1, max_size=40))
def test_scalers_agree_with_rational_arithmetic(kind: Any, oracle: Oracle, values: list[float]) -> None:
    """Scaled values differ from exact ones by at most 1e-12 of the largest."""
    fitted = fit_numbers(kind, values)
    got = fitted.apply(np.array([values]), None)[0].tolist()
    exact = [oracle([Fraction(v) for v in values], Fraction(v)) for v in values]
    # What matters is the error against the size of the numbers that cancel in the difference.
    size = max(1.0, *(abs(float(e)) for e in exact)) * (1 + max(map(abs, values)) / _spread(fitted))
    assert max(abs(float(Fraction(g) - e)) for g, e in zip(got, exact, strict=True)) <= 1e-12 * size


def _spread(fitted: Any) -> float:
    arrays = fitted.arrays()
    return float(arrays["scale"][0]) if "scale" in arrays else float(arrays["high"][0] - arrays["low"][0]) or 1.0
