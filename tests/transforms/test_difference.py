"""Two fitted transforms are told apart by schema, codes and outputs, with a verdict that has reasons."""

import numpy as np
import pyarrow as pa
import pytest

from likewise.transforms import FittedTransform, Steps, Transform
from likewise.transforms import kinds as K  # noqa: N812
from likewise.transforms.difference import Bounds, difference
from likewise.transforms.stability import stability_index


def table(shift: float = 0.0, categories: tuple[str, ...] = ("a", "b")) -> pa.Table:
    rng = np.random.default_rng(0)
    return pa.table({"x": rng.normal(size=500) + shift, "c": rng.choice(categories, 500)})


def fitted(shift: float = 0.0, categories: tuple[str, ...] = ("a", "b"), bins: int = 4) -> FittedTransform:
    outputs = {
        "dense": [Steps(["x"], [K.StandardScaler()])],
        "codes": [Steps(["c"], [K.OrdinalEncoder()])],
        "bins": [Steps(["x"], [K.KBinsDiscretizer(bins)])],
    }
    return Transform("t", outputs).fit(table(shift, categories))


def test_equal_digests_are_identical() -> None:
    """The same rows give an identical transform."""
    assert difference(fitted(), fitted()).verdict == "identical"


def test_small_shifts_are_compatible_with_numbers() -> None:
    """A small shift is compatible; state and output differences are stated."""
    found = difference(fitted(), fitted(0.01), table())
    assert found.verdict == "compatible"
    assert {(s.kind, s.array) for s in found.states} >= {("standard_scaler/1", "mean")}
    dense = found.outputs[0]
    assert dense.difference == pytest.approx(0.01, rel=0.1)
    assert dense.share_changed == 1.0


def test_large_shifts_are_breaking() -> None:
    """A shift beyond the bound of the stability index is breaking, and the reason says by how much."""
    found = difference(fitted(), fitted(3.0), table(), Bounds(psi=0.1))
    assert found.verdict == "breaking"
    assert any("stability index" in reason for reason in found.reasons)


def test_lost_and_moved_categories_are_breaking() -> None:
    """A category that is lost, or whose code is another one now, breaks a model."""
    found = difference(fitted(), fitted(categories=("aa", "b")))
    change = found.categories[0]
    moved = difference(fitted(categories=("b", "c")), fitted(categories=("a", "b", "c"))).categories[0].moved
    assert moved == ("b", "c")
    assert (change.new, change.lost, change.moved) == (("aa",), ("a",), ())
    assert found.verdict == "breaking"


def test_other_dimensions_are_breaking() -> None:
    """Another number of codes is a change of schema."""
    found = difference(fitted(), fitted(bins=5))
    assert found.verdict == "breaking"
    assert any("output 'bins'" in reason for reason in found.reasons)


def test_stability_index_of_known_shares() -> None:
    """The index is the sum of (q - p) * log(q / p) over ten bins of equal share."""
    values = np.arange(1000.0)
    assert stability_index(values, values) == 0.0
    moved = np.where(values < 100, 999.0, values)
    expected = (0.0001 - 0.1) * np.log(0.0001 / 0.1) + (0.2 - 0.1) * np.log(0.2 / 0.1)
    assert stability_index(values, moved) == pytest.approx(expected, rel=0.02)
