"""Order statistics are exact whatever is kept, counted, merged or filled."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from likewise.transforms.order_statistics import OrderStatistics, fraction_ranks, keys_of, quantiles, values_of_keys

DECILES = [Fraction(i, 10) for i in range(11)]
FINITE = st.floats(allow_nan=False, allow_infinity=False).map(lambda x: x + 0.0)


def run(values: np.ndarray, capacity: int, constant: tuple[float, int] = (0.0, 0), parts: int = 3) -> OrderStatistics:
    order = OrderStatistics(fraction_ranks(DECILES), capacity)
    is_first = True
    while True:
        pieces = [order.part() for _ in range(parts)]
        for at, chunk in enumerate(np.array_split(values, 7)):
            pieces[at % parts].update(chunk)
        for piece in pieces:
            order.merge(piece)
        if is_first and constant[1]:
            order.add_constant(*constant)
        is_first = False
        if not order.end_pass():
            return order


@pytest.mark.parametrize("capacity", [10**6, 700, 50, 2])
@pytest.mark.parametrize("constant", [(0.0, 0), (0.25, 900), (-1e9, 3)])
@pytest.mark.parametrize("kind", ["normal", "zeros", "wide", "same"])
def test_result_does_not_depend_on_memory(kind: str, constant: tuple[float, int], capacity: int) -> None:
    """Values at ranks equal those of a full sort, for any memory, with filled values among them."""
    rng = np.random.default_rng(1)
    values = {
        "normal": rng.normal(size=3000),
        "zeros": np.where(rng.random(3000) < 0.9, 0.0, rng.normal(size=3000)),
        "wide": rng.normal(size=3000) * 10.0 ** rng.integers(-300, 300, 3000),
        "same": np.full(3000, 3.5),
    }[kind]
    whole = np.sort(np.concatenate([values, np.full(constant[1], constant[0])]))
    order = run(values, capacity, constant)
    assert order.result().tolist() == whole[fraction_ranks(DECILES)(len(whole))].tolist()


@given(st.lists(FINITE, min_size=1, max_size=40))
def test_quantiles_are_interpolated_exactly(values: list[float]) -> None:
    """A quantile is the rational interpolation of its neighbours, rounded once."""
    order = run(np.array(values), 10**6)
    ordered = sorted(map(Fraction, values))
    for fraction, got in zip(DECILES, quantiles(order, DECILES), strict=True):
        position = fraction * (len(values) - 1)
        low = int(position)
        exact = ordered[low] + (ordered[min(low + 1, len(values) - 1)] - ordered[low]) * (position - low)
        assert got == exact.numerator / exact.denominator


@pytest.mark.parametrize("method", ["linear", "averaged_inverted_cdf"])
def test_quantiles_agree_with_numpy(method: str) -> None:
    """Both definitions give numpy's numbers to its last bits."""
    values = np.random.default_rng(2).normal(size=997)
    order = OrderStatistics(fraction_ranks(DECILES, method), 10**6)  # type: ignore[arg-type]
    order.update(values)
    order.end_pass()
    expected = np.quantile(values, [float(f) for f in DECILES], method=method)  # type: ignore[call-overload]
    np.testing.assert_allclose(quantiles(order, DECILES, method), expected, rtol=1e-14)  # type: ignore[arg-type]


@given(st.lists(FINITE, min_size=2, max_size=30))
def test_keys_keep_the_order(values: list[float]) -> None:
    """Sortable keys order as the values do and lead back to them."""
    array = np.array(values)
    assert values_of_keys(keys_of(array)).tolist() == values
    assert array[np.argsort(keys_of(array), kind="stable")].tolist() == sorted(values)
