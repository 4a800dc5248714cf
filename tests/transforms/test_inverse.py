"""Tensors go back to the columns they came from, where every step has an inverse."""

import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from likewise.transforms import FittedTransform, Steps, Transform, errors
from likewise.transforms import kinds as K  # noqa: N812

TIMES = [datetime(2013, 1, day, tzinfo=UTC) for day in (1, 2, 1, 3)]
TABLE = pa.table(
    {
        "x": pa.array([1.0, None, 3.0, 9.0]),
        "y": [10.0, 20.0, 30.0, 40.0],
        "flag": [True, False, True, True],
        "carrier": pa.array(["UA", None, "AA", "UA"]),
        "when": pa.array(TIMES, pa.timestamp("us", "UTC")),
        "raw": [b"a", b"b", b"a", b"c"],
    }
)


def fit(*steps: Steps) -> FittedTransform:
    return Transform("t", {"o": steps}).fit(TABLE)


def back(fitted: FittedTransform) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = fitted.inverse(fitted.apply(TABLE)).to_pydict()
    return found


@pytest.mark.parametrize(
    "kinds",
    [
        [],
        [K.StandardScaler()],
        [K.MinMaxScaler((-1.0, 1.0))],
        [K.RobustScaler(), K.MaxAbsScaler()],
        [K.LogTransformer("log1p"), K.StandardScaler()],
        [K.QuantileTransformer(4)],
        [K.QuantileTransformer(4, output_distribution="normal")],
        [K.SimpleImputer("median", add_indicator=True), K.StandardScaler()],
    ],
    ids=str,
)
def test_numbers_come_back(kinds: list[Any]) -> None:
    """Numbers and what was missing come back through scalers, logarithms, quantiles and imputers, to float32."""
    found = back(fit(Steps(["x", "y"], kinds)))
    assert found["y"] == pytest.approx([10.0, 20.0, 30.0, 40.0], rel=1e-5)
    assert found["x"][1] is None
    assert [found["x"][at] for at in (0, 2, 3)] == pytest.approx([1.0, 3.0, 9.0], rel=1e-5)


def test_without_an_indicator_what_was_filled_stays_filled() -> None:
    """An imputer without indicators returns the value it filled in."""
    assert back(fit(Steps(["x"], [K.SimpleImputer("median")])))["x"] == [1.0, 3.0, 3.0, 9.0]


@pytest.mark.parametrize("kinds", [[K.OrdinalEncoder()], [K.OneHotEncoder()]], ids=str)
def test_categories_of_every_type_come_back(kinds: list[Any]) -> None:
    """Text, bytes, booleans and times come back as what they were; missing as missing."""
    names = ["carrier", "flag", "when", "raw"]
    assert back(fit(Steps(names, kinds))) == TABLE.select(names).to_pydict()


def test_labels_come_back_from_predicted_codes() -> None:
    """Codes that a model predicts become classes, of one output alone."""
    outputs = {"dense": [Steps(["y"], [K.Clip(0, 1)])], "label": [Steps(["raw"], [K.LabelEncoder()])]}
    fitted = Transform("t", outputs).fit(TABLE)
    assert fitted.inverse({"label": [2, 0, 1]}).to_pydict() == {"raw": [b"c", b"a", b"b"]}


def test_codes_of_missing_and_unseen_are_null() -> None:
    """Codes beyond the vocabulary tell no category."""
    fitted = fit(Steps(["carrier"], [K.OrdinalEncoder()]))
    codes = fitted.apply_rows([{"carrier": v} for v in ("UA", None, "??")])
    assert fitted.inverse(codes).to_pydict() == {"carrier": ["UA", None, None]}


def test_bins_become_their_middle() -> None:
    """The inverse of a bin is its middle."""
    assert back(fit(Steps(["y"], [K.KBinsDiscretizer(3, strategy="uniform")])))["y"] == [15.0, 25.0, 35.0, 35.0]


@pytest.mark.parametrize(
    ("drop", "unseen", "rows"),
    [("first", "ignore", ["AA", "B6", "UA"]), (None, "oov", ["AA", "B6", "UA"]), ("if_binary", "ignore", ["AA", "UA"])],
)
def test_one_hot_rows_come_back(drop: Any, unseen: Any, rows: list[str]) -> None:
    """Zeros are the dropped category where one was dropped."""
    kind = K.OneHotEncoder(drop=drop, unseen=unseen, missing="ignore")
    fitted = Transform("t", {"o": [Steps(["c"], [kind])]}).fit(pa.table({"c": rows}))
    assert fitted.inverse(fitted.apply(pa.table({"c": rows})))["c"].to_pylist() == rows


def test_infrequent_categories_are_null() -> None:
    """A column that stands for several categories tells none."""
    rows = ["a"] * 5 + ["b", "c"]
    kind = K.OneHotEncoder(min_frequency=3)
    fitted = Transform("t", {"o": [Steps(["c"], [kind])]}).fit(pa.table({"c": rows}))
    assert fitted.inverse(fitted.apply(pa.table({"c": rows})))["c"].to_pylist() == ["a"] * 5 + [None, None]


@pytest.mark.parametrize(
    "kind",
    [K.Clip(0, 1), K.Normalizer(), K.PolynomialFeatures(), K.Bucketizer((1.0,)), K.CyclicalFeatures(7)],
    ids=repr,
)
def test_a_step_without_inverse_is_named(kind: Any) -> None:
    """The error names the output, the step and its columns."""
    fitted = fit(Steps(["x", "y"], [K.SimpleImputer("mean"), kind]))
    with pytest.raises(
        errors.InverseUnavailableError, match=rf"output 'o': the step {type(kind).__name__} over 'x', 'y'"
    ):
        fitted.inverse(fitted.apply(TABLE))


def test_wrong_names_and_shapes_are_refused() -> None:
    """An unknown output is named with the closest one; a tensor of another shape with the one expected."""
    fitted = Transform("t", {"dense": [Steps(["x", "y"], [K.StandardScaler()])]}).fit(TABLE)
    with pytest.raises(errors.OutputMissingError, match=r"'dens'.*Did you mean 'dense'"):
        fitted.inverse({"dens": [[0.0, 0.0]]})
    for tensor in ([0.0, 0.0], [[0.0]], [["a", "b"]], 5.0):
        with pytest.raises(errors.TensorShapeError, match=r"expected a tensor of shape \(n, 2\)"):
            fitted.inverse({"dense": tensor})


def test_nan_comes_back_as_missing_and_nothing_as_nothing() -> None:
    """NaN is missing; no rows give no rows."""
    fitted = fit(Steps(["x"], [K.StandardScaler()]))
    assert fitted.inverse({"o": [[math.nan]]})["x"].to_pylist() == [None]
    assert fitted.inverse({"o": np.zeros((0, 1))}).num_rows == 0


@pytest.mark.parametrize("code", [math.nan, math.inf, -math.inf, 1e300, -1.0, 2.0, 2.0**31])
def test_numbers_that_are_no_code_come_back_as_nulls(code: float) -> None:
    """What a model predicts beyond all codes, NaN or an infinity stands for no category, and warns of nothing."""
    fitted = Transform("t", {"o": [Steps(["x"], [K.LabelEncoder()])]}).fit(pa.table({"x": ["a", "b"]}))
    assert fitted.inverse({"o": np.array([0.0, code])}).column("x").to_pylist() == ["a", None]
