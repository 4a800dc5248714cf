"""State is the exact one rounded once; outputs are within 1e-12 of rational arithmetic, by the column's scale."""

import math
import sys
from bisect import bisect_right
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from likewise.transforms import arithmetic
from likewise.transforms import kinds as K  # noqa: N812
from likewise.transforms.columns import Column
from likewise.transforms.kind import Field, FittedKind
from likewise.transforms.logical_types import LogicalType
from likewise.transforms.testing import fit_numbers
from tests.transforms import oracles

Oracle = Callable[[oracles.Values, Fraction], Fraction]

ANY = st.floats(allow_nan=False, allow_infinity=False).map(lambda x: x + 0.0)
COLUMN = st.one_of(
    st.lists(st.floats(-1e6, 1e6).map(lambda x: round(x, 3) + 0.0), min_size=1, max_size=40),
    st.lists(st.floats(-1e150, 1e150).map(lambda x: x + 0.0), min_size=1, max_size=20),
    st.lists(st.sampled_from([1e300, -1e300, 1e-300, 0.0, 1.0, 3.5]), min_size=1, max_size=30),
    st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=40),
)


def exact(values: list[float]) -> list[Fraction]:
    return [Fraction(value) for value in values]


def applied(fitted: FittedKind, values: list[float]) -> list[float]:
    """Return float64 outputs of one column, before they are rounded to float32."""
    with np.errstate(over="ignore"):  # as the plan does, which counts them
        return fitted.apply(np.array([values]), None)[0].tolist()  # type: ignore[no-any-return]


def close(got: float, expected: Fraction, scale: Fraction) -> bool:
    """Return whether a result is within 1e-12 of the scale, or infinite where no float64 is large enough."""
    if math.isinf(got):
        return abs(expected) > Fraction(sys.float_info.max) and (got > 0) == (expected > 0)
    return abs(Fraction(got) - expected) <= Fraction(1, 10**12) * scale


def scale_of(values: list[float], spread: float) -> Fraction:
    """Return the column's scale in units of the output: its largest value over what it is divided by."""
    return max(Fraction(1), *(abs(Fraction(v)) for v in values)) / Fraction(spread) + 1


SCALERS: list[tuple[Any, Oracle, Callable[[Any], float]]] = [
    (K.StandardScaler(), oracles.standard, lambda fitted: fitted.arrays()["scale"][0]),
    (K.MinMaxScaler(), oracles.min_max, lambda fitted: float(fitted.spread[0, 0])),
    (K.MaxAbsScaler(), oracles.max_abs, lambda fitted: fitted.arrays()["scale"][0]),
    (K.RobustScaler(), oracles.robust, lambda fitted: fitted.arrays()["scale"][0]),
    (K.Winsorizer(), oracles.winsorized, lambda fitted: 1.0),
]


@pytest.mark.parametrize(("kind", "oracle", "spread"), SCALERS, ids=lambda value: type(value).__name__)
@given(values=COLUMN)
def test_scalers(kind: Any, oracle: Oracle, spread: Callable[[Any], float], values: list[float]) -> None:
    """Scaled values are the exact ones within 1e-12 of the column's scale, 1e300 beside 1e-300 among them."""
    fitted = fit_numbers(kind, values)
    scale = scale_of(values, float(spread(fitted)))
    for x, got in zip(values, applied(fitted, values), strict=True):
        assert close(got, oracle(exact(values), Fraction(x)), scale)


def rounded_root(value: Fraction, got: float) -> bool:
    """Return whether `got` is the float64 nearest to the root: no neighbour's square is nearer."""
    below, above = math.nextafter(got, 0.0), math.nextafter(got, math.inf)
    low = (Fraction(below) + Fraction(got)) / 2
    high = (Fraction(got) + Fraction(above)) / 2
    return low**2 <= value <= high**2


@given(values=COLUMN)
def test_state_of_moments(values: list[float]) -> None:
    """Mean and standard deviation are the exact ones, rounded once."""
    state = fit_numbers(K.StandardScaler(), values).arrays()
    assert state["mean"][0] == float(oracles.mean(exact(values)))
    deviation = oracles.variance(exact(values))
    assert rounded_root(deviation, float(state["scale"][0])) if deviation else state["scale"][0] == 1.0


@given(values=COLUMN)
def test_state_of_imputers(values: list[float]) -> None:
    """Mean, median and most frequent value are the exact ones, rounded once."""
    given_values = [*values, math.nan]
    expected = {
        "mean": oracles.mean(exact(values)),
        "median": oracles.linear_quantile(exact(values), Fraction(1, 2)),
        "most_frequent": oracles.most_frequent(exact(values)),
    }
    for strategy, value in expected.items():
        fitted = fit_numbers(K.SimpleImputer(strategy), given_values)  # type: ignore[arg-type]
        assert applied(fitted, [math.nan, 5.0]) == [float(value), 5.0]


@given(values=COLUMN, n_quantiles=st.integers(2, 30))
def test_state_and_shares_of_quantiles(values: list[float], n_quantiles: int) -> None:
    """Quantiles are the exact ones rounded once; shares between them lie within 1e-12 (documented: or 6e-309 apart)."""
    values = [v / 1e10 for v in values]  # a range of float64 and no more
    fitted = fit_numbers(K.QuantileTransformer(n_quantiles), values)
    known = fitted.arrays()["quantiles"].tolist()
    count = min(n_quantiles, len(values))
    shares = [Fraction(i, max(count - 1, 1)) for i in range(count)]
    assert known == [float(oracles.linear_quantile(exact(values), share)) for share in shares]
    asked = [*values, *((a + b) / 2 for a, b in pairwise(values))]
    for x, got in zip(asked, applied(fitted, asked), strict=True):
        share = oracles.share_below(exact(known), Fraction(x))
        assert close(got, share, Fraction(1)) or lower_share(exact(known), Fraction(x)) == got


def lower_share(known: list[Fraction], x: Fraction) -> float | None:
    """Return the share of the quantile below x, where it is next to the one above."""
    above = bisect_right(known, x)
    if known[above] - known[above - 1] > Fraction(6e-309):
        return None
    return (above - 1) / (len(known) - 1)


@pytest.mark.parametrize("method", ["linear", "averaged_inverted_cdf", "uniform"])
@given(values=COLUMN, n_bins=st.integers(2, 9))
def test_bins(method: str, values: list[float], n_bins: int) -> None:
    """Edges are the exact ones rounded once, and every value falls in the bin they make."""
    values = [v / 1e10 for v in values]
    strategy: Any = {"strategy": "uniform"} if method == "uniform" else {"quantile_method": method}
    fitted = fit_numbers(K.KBinsDiscretizer(n_bins, **strategy), values)
    shares = [Fraction(i, n_bins) for i in range(n_bins + 1)]
    low, high = min(exact(values)), max(exact(values))
    of_share = {
        "linear": lambda share: oracles.linear_quantile(exact(values), share),
        "averaged_inverted_cdf": lambda share: oracles.averaged_quantile(exact(values), share),
        "uniform": lambda share: low + (high - low) * share,
    }[method]
    edges = sorted({float(of_share(share)) for share in shares})
    assert fitted.arrays()["edges"].tolist() == edges
    assert applied(fitted, values) == [oracles.bin_of(exact(edges), Fraction(v)) for v in values]


@given(values=st.lists(ANY, min_size=1, max_size=20), edges=st.lists(ANY, min_size=1, max_size=8, unique=True))
def test_buckets_and_clips(values: list[float], edges: list[float]) -> None:
    """Buckets count the edges at or below, clips hold within bounds: exactly, for any number."""
    ordered = tuple(sorted(edges))
    got = applied(fit_numbers(K.Bucketizer(ordered), [0.0]), values)
    assert got == [sum(edge <= v for edge in ordered) for v in values]
    clipped = applied(fit_numbers(K.Clip(ordered[0], ordered[-1]), [0.0]), values)
    assert clipped == [min(max(v, ordered[0]), ordered[-1]) for v in values]


MATRIX = st.lists(st.tuples(*[st.floats(-1e9, 1e9).map(lambda x: x + 0.0)] * 3), min_size=1, max_size=8)


def over(kind: Any, width: int) -> FittedKind:
    """Return what learns nothing, over some number columns."""
    fields = tuple(Field(f"c{at}", LogicalType.NUMBER, f"c{at}") for at in range(width))
    restored: FittedKind = kind.restore(fields, {})
    return restored


@pytest.mark.parametrize("norm", ["l1", "l2", "max"])
@given(rows=MATRIX)
def test_normalizer(norm: Any, rows: list[tuple[float, ...]]) -> None:
    """Rows over their norm are the exact ones within 1e-12."""
    got = over(K.Normalizer(norm), 3).apply(np.array(rows).T.copy(), None).T
    for row, out in zip(rows, got.tolist(), strict=True):
        sizes = [abs(Fraction(v)) for v in row]
        squares = oracles.root(sum((s * s for s in sizes), Fraction(0)))
        length = {"l1": sum(sizes, Fraction(0)), "l2": squares, "max": max(sizes)}[norm]
        assert all(close(g, Fraction(v) / (length or 1), Fraction(1)) for g, v in zip(out, row, strict=True))


@given(rows=MATRIX)
def test_polynomials(rows: list[tuple[float, ...]]) -> None:
    """Products are the exact ones within 1e-12 of themselves."""
    fitted: Any = over(K.PolynomialFeatures(3), 3)
    got = fitted.apply(np.array(rows).T.copy(), None).T
    for row, out in zip(rows, got.tolist(), strict=True):
        products = [math.prod((Fraction(row[at]) for at in p), start=Fraction(1)) for p in fitted.products]
        for value, expected in zip(out, products, strict=True):
            assert close(value, expected, abs(expected) + Fraction(1, 10**300))


@given(
    rows=st.lists(
        st.tuples(st.sampled_from("ab"), st.floats(-1e6, 1e6).map(lambda x: x + 0.0)), min_size=1, max_size=30
    )
)
def test_group_scaler(rows: list[tuple[str, float]]) -> None:
    """Values are standardised by the exact mean and deviation of their key, or of all rows for rare keys."""
    keys, values = [k for k, _ in rows], [v for _, v in rows]
    fields = (Field("k", LogicalType.TEXT, "k"), Field("x", LogicalType.NUMBER, "x"))
    columns = (Column(LogicalType.TEXT, np.array(keys, dtype=object)), Column(LogicalType.NUMBER, np.array(values)))
    fitter = K.GroupScaler(min_count=3).fitter(fields)
    fitter.update(columns)
    got = fitter.finish().apply(columns, None)[0].tolist()
    for key, x, out in zip(keys, values, got, strict=True):
        own = [Fraction(v) for k, v in rows if k == key]
        used = own if len(own) >= 3 else exact(values)
        deviation = oracles.root(oracles.variance(used)) or Fraction(1)
        scale = 1 + max(map(abs, exact(values))) / deviation
        assert close(out, oracles.standard(used, Fraction(x)), scale)


POSITIVE = st.one_of(st.floats(1e-300, 1e300), st.floats(0.5, 2.0), st.floats(1 - 1e-9, 1 + 1e-9))


@settings(max_examples=300)
@given(x=POSITIVE)
def test_logarithms(x: float) -> None:
    """log, log1p and signed log1p lie within 1.5 units in the last place of 50 digits."""
    for method, number, of in (
        ("log", x, Fraction(x)),
        ("log1p", x, 1 + Fraction(x)),
        ("signed_log1p", -x, 1 + Fraction(x)),
    ):
        got = applied(over_one(K.LogTransformer(method)), [number])[0]  # type: ignore[arg-type]
        expected = oracles.logarithm(of)
        assert abs(abs(Decimal(got)) - abs(expected)) <= Decimal("1.5") * Decimal(math.ulp(float(expected)))


def over_one(kind: Any) -> FittedKind:
    return over(kind, 1)


@settings(max_examples=300)
@given(x=st.floats(-1e6, 1e6), period=st.sampled_from([24.0, 7.0, 360.0, 0.1, 1e-3]))
def test_cycles(x: float, period: float) -> None:
    """Sine and cosine lie within 1e-15 of 50 digits, however far from zero."""
    sine, cosine = over_one(K.CyclicalFeatures(period)).apply(np.array([[x]]), None)[:, 0].tolist()
    turns = Fraction(x) / Fraction(period)
    assert abs(Decimal(sine) - oracles.sine_of_turns(turns)) <= Decimal("1e-15")
    assert abs(Decimal(cosine) - oracles.sine_of_turns(turns + Fraction(1, 4))) <= Decimal("1e-15")


@settings(max_examples=300)
@given(p=st.one_of(st.floats(1e-7, 1 - 1e-7), st.floats(1e-7, 1e-5), st.floats(0.424, 0.426)))
def test_normal_quantiles(p: float) -> None:
    """The normal quantile lies within 1e-14 of 50 digits: its share misses p by no more than that times the density."""
    for share in (p, 1.0 - p):
        got = Decimal(arithmetic.normal_quantile_of_float(share))
        error = abs(oracles.normal_share(got) - Decimal(share)) / oracles.normal_density(got)
        assert error <= Decimal("1e-14")


def test_the_oracle_knows_pi() -> None:
    """The digits of pi are those of Machin's formula."""
    assert abs(oracles.machin() - oracles.PI) < Decimal("1e-58")


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(6))
def test_scalers_of_many_values(seed: int) -> None:
    """Scalers, imputers and quantiles of 1,000 lognormal, normal and wide values each agree as above."""
    rng = np.random.default_rng(seed)
    wide = rng.normal(size=1_000) * 10.0 ** rng.uniform(-300, 300, 1_000)
    for values in (rng.lognormal(sigma=3, size=1_000), rng.normal(1e6, 1e-3, 1_000), wide):
        column = values.tolist()
        for kind, oracle, spread in SCALERS:
            fitted = fit_numbers(kind, column)
            few = column[:10]
            scale = scale_of(column, float(spread(fitted)))
            for x, got in zip(few, applied(fitted, few), strict=True):
                assert close(got, oracle(exact(column), Fraction(x)), scale)
        test_state_of_moments.hypothesis.inner_test(column)
        test_state_of_imputers.hypothesis.inner_test(column)
        test_state_and_shares_of_quantiles.hypothesis.inner_test(column, 100)
