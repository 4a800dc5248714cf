"""Guided places are those of bisection, whatever the knots."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from likewise.transforms.knots import Knots, count_at_or_below

FINITE = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300).map(lambda x: x + 0.0)


@given(st.lists(FINITE, min_size=1, max_size=80, unique=True), st.lists(FINITE, max_size=50))
def test_places_are_those_of_bisection(knots: list[float], values: list[float]) -> None:
    """Any knots, any numbers between them, the knots themselves and their neighbours."""
    ordered = np.array(sorted(knots))
    near = np.concatenate([ordered, np.nextafter(ordered, np.inf), np.nextafter(ordered, -np.inf), values])
    x = np.clip(near, ordered[0], ordered[-1])
    assert Knots.of(ordered).places(x).tolist() == np.searchsorted(ordered, x, side="right").tolist()


@pytest.mark.parametrize("kind", ["normal", "lognormal", "uniform", "mixed"])
def test_usual_columns_are_guided(kind: str) -> None:
    """Quantiles of usual distributions get a guide, and 200,000 numbers their places."""
    rng = np.random.default_rng(0)
    values = {
        "normal": rng.normal(size=200_000),
        "lognormal": rng.lognormal(size=200_000),
        "uniform": rng.random(200_000),
        "mixed": np.concatenate([rng.normal(size=100_000) * 1e-9, rng.normal(size=100_000) * 1e9]),
    }[kind]
    knots = np.unique(np.quantile(values, np.linspace(0, 1, 1000)))
    index = Knots.of(knots)
    assert (index.guide is None) == (kind == "mixed")
    held = np.clip(values, knots[0], knots[-1])
    assert np.array_equal(index.places(held), np.searchsorted(knots, held, side="right"))


@given(st.lists(FINITE, min_size=1, max_size=20, unique=True), st.lists(FINITE, max_size=30))
def test_counting_edges_is_bisection(edges: list[float], values: list[float]) -> None:
    """Counting edges at or below a number gives the place of bisection."""
    ordered, x = np.array(sorted(edges)), np.array([*values, *edges])
    assert count_at_or_below(ordered, x).tolist() == np.searchsorted(ordered, x, side="right").tolist()
