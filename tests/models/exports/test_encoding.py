import numpy as np
import pyarrow as pa
import pytest

from likewise.models.exports.encoding import MISSING_INTEGER, fed_inputs, feed
from likewise.models.exports.errors import ExportNameError, MissingMarkError
from likewise.transforms import FittedTransform, Steps, Transform
from likewise.transforms import kinds as K  # noqa: N812
from likewise.transforms.columns import columns_from_arrow, schema_of


def fit(data: dict[str, pa.Array]) -> FittedTransform:
    parts = [Steps([name], [K.MissingIndicator("all")]) for name in data]
    return Transform("t", {"missing": parts}).fit(pa.table(data))


def fed(data: dict[str, pa.Array]) -> dict[str, np.ndarray]:
    fitted = fit(data)
    return feed(fed_inputs(fitted), columns_from_arrow(pa.table(data), schema_of(fitted.inputs)))


def test_every_type_has_its_tensor_and_its_mark() -> None:
    """Dtypes and marks of missing values are as the page says, for scalars and for lists."""
    tensors = fed(
        {
            "x": pa.array([1, None, 3]),
            "b": pa.array([True, None, False]),
            "s": pa.array(["é", None, ""]),
            "t": pa.array([0, None, 5], pa.timestamp("us")),
            "l": pa.array([[1.0, None], None, []]),
            "ls": pa.array([["a"], [None, "b"], None]),
        }
    )
    assert np.array_equal(tensors["x"], [1.0, np.nan, 3.0], equal_nan=True)
    assert np.array_equal(tensors["b"], [1.0, np.nan, 0.0], equal_nan=True)
    assert tensors["s"].tolist() == ["é".encode(), "\uffff".encode(), b""]
    assert tensors["t"].tolist() == [0, MISSING_INTEGER, 5]
    assert np.array_equal(tensors["l"], [[1.0, np.nan], [0.0, 0.0], [0.0, 0.0]], equal_nan=True)
    assert tensors["l__length"].tolist() == [2, -1, 0]
    assert tensors["ls"].tolist() == [[b"a", b""], ["\uffff".encode(), b"b"], [b"", b""]]
    assert tensors["ls__length"].tolist() == [1, 2, -1]


def test_long_integers_stay_apart() -> None:
    """A column whose categories float64 can't tell apart is fed as int64."""
    data = pa.table({"id": pa.array([2**53, 2**53 + 1, None])})
    fitted = Transform("t", {"code": [Steps(["id"], [K.OrdinalEncoder()])]}).fit(data)
    tensors = feed(fed_inputs(fitted), columns_from_arrow(data, schema_of(fitted.inputs)))
    assert tensors["id"].tolist() == [2**53, 2**53 + 1, MISSING_INTEGER]


def test_the_mark_itself_is_refused() -> None:
    """Data that hold what stands for a missing value are refused by column."""
    with pytest.raises(MissingMarkError, match="'s'"):
        fed({"s": pa.array(["\uffff"])})


def test_names_that_would_collide_are_refused() -> None:
    """Two columns that become one tensor name, a list's length among them, are refused by name."""
    for first, second in (("a b", "a_b"), ("a", "a__length")):
        data = {first: pa.array([[1.0]]), second: pa.array([1.0])}
        with pytest.raises(ExportNameError, match=first):
            fed_inputs(fit(data))
