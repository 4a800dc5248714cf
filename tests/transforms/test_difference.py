"""Two fitted transforms are told apart by schema, codes and outputs, with a verdict that has reasons."""

import numpy as np
import pyarrow as pa
import pytest

from likewise.transforms import FittedTransform, Steps, Transform
from likewise.transforms import kinds as K  # noqa: N812
from likewise.transforms.difference import Bounds, difference
from likewise.transforms.kind import Kind
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


def of(*kinds: Kind, column: str = "c", categories: tuple[str, ...] = ("a", "b")) -> FittedTransform:
    return Transform("t", {"o": [Steps([column], list(kinds))]}).fit(table(0.0, categories))


def test_changed_steps_are_compatible_only_where_a_sample_shows_it() -> None:
    """Another kind with the same schema is breaking without a sample, or with one too small for the bound."""
    old, new = of(K.StandardScaler(), column="x"), of(K.RobustScaler(), column="x")
    for sample in (None, table().slice(0, 99)):
        found = difference(old, new, sample)
        assert found.verdict == "breaking"
        assert found.reasons == (
            "steps of output 'o' changed, and no sample of 100 rows or more was given to judge by",
        )
    assert difference(old, new, table()).verdict == "compatible"
    assert difference(old, new, table().slice(0, 9), Bounds(psi=None, difference=9.0)).verdict == "compatible"
    assert difference(old, new, None, Bounds(psi=None)).verdict == "compatible"


def test_categories_are_compared_wherever_their_step_stands() -> None:
    """A step put before an encoder hides no lost category."""
    old = of(K.OrdinalEncoder(), categories=("A", "B"))
    new = of(K.TextNormalizer(), K.OrdinalEncoder(), categories=("A", "B"))
    found = difference(old, new)
    assert found.verdict == "breaking"
    assert (found.categories[0].lost, found.categories[0].new) == (("A", "B"), ("a", "b"))


def test_codes_made_by_another_kind_are_breaking() -> None:
    """An encoder of another kind is told, whatever its codes."""
    old = of(K.OrdinalEncoder(), categories=("a", "b"))
    new = of(K.LabelEncoder(), categories=("a", "b"))
    found = difference(old, new, table())
    assert any("no longer made by ordinal_encoder/1" in reason for reason in found.reasons)


def test_a_code_that_means_something_else_is_breaking() -> None:
    """The code of missing values may not become that of unseen ones; a code that means more may stay."""
    old = of(K.OrdinalEncoder(missing="category", unseen="error"))
    found = difference(old, of(K.OrdinalEncoder(missing="error", unseen="oov")), table())
    assert found.verdict == "breaking"
    assert found.reasons == ("column 'c' of output 'o': code 2 meant missing, and does no more",)
    assert difference(old, of(K.OrdinalEncoder(missing="oov", unseen="oov")), table()).verdict == "compatible"


def test_rows_that_only_the_new_one_refuses_are_breaking() -> None:
    """A policy that became an error is a verdict with a reason, not an error of the comparison."""
    old = of(K.OrdinalEncoder(missing="category", unseen="error"))
    found = difference(old, of(K.OrdinalEncoder(missing="error", unseen="oov")))
    assert found.verdict == "breaking"
    assert any("refuses rows that the old one takes: column 'c'" in reason for reason in found.reasons)
    assert (found.rows, found.outputs) == (0, ())
