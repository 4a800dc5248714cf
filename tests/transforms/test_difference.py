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


def test_changed_steps_are_told() -> None:
    """Another kind or setting with the same schema is listed, and judged by what it does to outputs."""
    old = Transform("t", {"d": [Steps(["x"], [K.StandardScaler()])]}).fit(table())
    new = Transform("t", {"d": [Steps(["x"], [K.RobustScaler()])]}).fit(table())
    found = difference(old, new, table())
    assert [(s.output, s.place) for s in found.steps] == [("d", "steps 1")]
    assert found.steps[0].new == f"x: {K.RobustScaler()!r}"
    assert found.verdict == "compatible"
    assert difference(old, new, table(), Bounds(psi=0.001)).verdict == "breaking"


def test_golden_rows_are_shown_but_not_judged() -> None:
    """Without a sample golden rows, odd values among them, are compared and break nothing."""
    found = difference(fitted(), fitted(0.01), bounds=Bounds(difference=1e-6))
    assert found.verdict == "compatible"
    assert found.outputs[0].difference > 1e-6
    assert found.outputs[0].psi == {}
    assert difference(fitted(), fitted(0.01), table(), Bounds(difference=1e-6)).verdict == "breaking"


def test_bounds_are_those_declared() -> None:
    """Bounds declared with the new transform judge it, through its artifact; given ones come before."""
    outputs = {"d": [Steps(["x"], [K.StandardScaler()])]}
    old = Transform("t", outputs).fit(table())
    new = Transform("t", outputs).bounded(Bounds(difference=1e-9)).fit(table(0.01))
    loaded = FittedTransform.from_bytes(new.to_bytes())
    assert difference(old, loaded, table()).verdict == "breaking"
    assert difference(old, loaded, table(), Bounds()).verdict == "compatible"
    assert difference(old, loaded, table()).bounds == Bounds(difference=1e-9)


def test_streams_of_sample_rows_are_read_once() -> None:
    """A reader or iterator of rows serves both transforms."""
    for sample in (table().to_reader(), iter(table().to_batches())):
        assert difference(fitted(), fitted(0.01), sample).rows == 500


def test_rare_groups_that_move_no_code_are_judged_by_outputs() -> None:
    """Vocabularies that make no codes are told, but break nothing by themselves."""

    def grouped(categories: tuple[str, ...]) -> FittedTransform:
        steps = [Steps(["c"], [K.CountEncoder(normalize=True)])]
        return Transform("t", {"o": steps}).fit(table(0.0, categories))

    found = difference(grouped(("a", "b")), grouped(("a", "b", "b2")), table(), Bounds(psi=None))
    assert (found.categories[0].new, found.categories[0].is_code) == (("b2",), False)
    assert found.verdict == "compatible"


def test_the_index_of_codes_has_a_bin_a_code() -> None:
    """For codes every value is a bin."""
    one, other = np.repeat([0.0, 1.0], [90, 10]), np.repeat([0.0, 1.0], [80, 20])
    expected = (0.8 - 0.9) * np.log(0.8 / 0.9) + (0.2 - 0.1) * np.log(2.0)
    assert stability_index(one, other, by_value=True) == pytest.approx(expected)
