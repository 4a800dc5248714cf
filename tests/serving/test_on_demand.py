from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from likewise.serving.errors import OnDemandViewError
from likewise.serving.on_demand import Input, OnDemandView
from likewise.serving.plan import ComputedView, Field
from likewise.transforms.columns import Column, LogicalType, column_from_arrow
from likewise.transforms.errors import ColumnTypeError

TYPES = {
    "INT64": pa.array([1, None, 2**53 + 1], pa.int64()),
    "INT32": pa.array([1, None, -7], pa.int32()),
    "DOUBLE": pa.array([0.1, None, -2.0], pa.float64()),
    "FLOAT": pa.array([0.1, None, 2.5], pa.float32()),
    "BOOL": pa.array([True, None, False], pa.bool_()),
    "STRING": pa.array(["a", None, ""], pa.string()),
    "UNIX_TIMESTAMP": pa.array([0, None, 1383652800000001], pa.timestamp("us", tz="UTC")),
    "INT64_LIST": pa.array([[1, 2], None, []], pa.list_(pa.int64())),
    "STRING_LIST": pa.array([["x"], None, []], pa.list_(pa.string())),
}


def view(mode: str, fields: dict[str, LogicalType], udf: Any, *, singleton: bool = False) -> OnDemandView:
    declared = tuple(Field(name, kind, "X") for name, kind in fields.items())
    code = SimpleNamespace(name="v", mode=mode, singleton=singleton, feature_transformation=SimpleNamespace(udf=udf))
    return OnDemandView(ComputedView("v", declared, ()), code)


def inputs_of(types: dict[str, pa.Array]) -> dict[str, Input]:
    return {name: Input(_column(name, array), name) for name, array in types.items()}


def _column(name: str, array: pa.Array) -> Column:
    return column_from_arrow(name, array, LogicalType.from_arrow(array.type))


def test_python_code_sees_what_it_sees_offline() -> None:
    """In python mode every type arrives as Arrow's own Python values, as Feast hands them over offline."""
    seen: dict[str, Any] = {}
    view("python", {}, lambda rows: seen.update(rows) or {}).compute(inputs_of(TYPES), 3)
    expected = pa.table(TYPES).to_pydict()
    assert seen == expected
    assert {name: list(map(type, values)) for name, values in seen.items()} == {
        name: list(map(type, values)) for name, values in expected.items()
    }


def test_pandas_code_sees_what_it_sees_offline() -> None:
    """In pandas mode dtypes and values are those of Arrow's `to_pandas`, with and without nulls."""
    for rows in (TYPES, {name: array.drop_null() for name, array in TYPES.items()}):
        n = len(next(iter(rows.values())))
        seen: list[pd.DataFrame] = []
        view("pandas", {}, lambda frame, seen=seen: seen.append(frame) or frame).compute(inputs_of(rows), n)
        expected = pa.table(rows).to_pandas()
        pd.testing.assert_frame_equal(seen[0], expected)


OUTPUTS = [
    ([1, None, 3], LogicalType.NUMBER),
    ([0.5, float("nan"), None], LogicalType.NUMBER),
    ([True, None, False], LogicalType.BOOLEAN),
    (["a", None, "b"], LogicalType.TEXT),
    ([pd.Timestamp("2013-11-05T12:00:00Z"), None, pd.Timestamp("2013-11-05")], LogicalType.TIME),
    ([[1.0], None, []], LogicalType.LIST_NUMBER),
]


@pytest.mark.parametrize(("values", "kind"), [item for item in OUTPUTS if item[1] is not LogicalType.TIME])
def test_outputs_become_the_columns_they_become_offline(values: list[Any], kind: LogicalType) -> None:
    """What code returns becomes the same column as by Feast's offline way: values, Arrow, column."""
    got = view("python", {"x": kind}, lambda _: {"x": values}).compute({}, 3)["x"]
    expected = column_from_arrow("x", pa.table({"x": values}).column("x"), kind)
    assert got.objects() == expected.objects() or np.array_equal(
        np.array(got.objects(), float), np.array(expected.objects(), float), equal_nan=True
    )
    framed = view("pandas", {"x": kind}, lambda _: pd.DataFrame({"x": pd.Series(values, dtype=object)}))
    assert [v == v and v for v in framed.compute({}, 3)["x"].objects()] == [v == v and v for v in expected.objects()]


@pytest.mark.parametrize(
    ("values", "declared"),
    [
        (["7"], LogicalType.NUMBER),
        ([True], LogicalType.NUMBER),
        ([3], LogicalType.TEXT),
        ([0.5], LogicalType.BOOLEAN),
        ([5], LogicalType.TIME),
        ([1.5, 2], LogicalType.NUMBER),
        ([1], LogicalType.BOOLEAN),
    ],
)
@pytest.mark.parametrize("mode", ["python", "pandas"])
def test_other_types_than_declared_are_the_same_offline_and_online(
    mode: str, values: list[Any], declared: LogicalType
) -> None:
    """What a transform is not fitted to offline (a text for a number) is refused online; what it is, is the same."""

    def offline() -> list[object]:
        return column_from_arrow("x", pa.table({"x": values}).column("x"), declared).objects()

    def udf(_: Any) -> Any:
        return {"x": values} if mode == "python" else pd.DataFrame({"x": values})

    made = view(mode, {"x": declared}, udf)
    try:
        expected = offline()
    except ColumnTypeError:
        with pytest.raises(OnDemandViewError, match="expected"):
            made.compute({}, len(values))
    else:
        assert made.compute({}, len(values))["x"].objects() == expected


def test_a_singleton_view_is_run_row_by_row() -> None:
    """Code declared for one row gets one row at a time, for every row."""
    column = Column(LogicalType.NUMBER, np.array([1.0, 2.0, 3.0]))
    squares = view("python", {"y": LogicalType.NUMBER}, lambda row: {"y": row["x"] ** 2}, singleton=True)
    assert squares.compute({"x": Input(column, "DOUBLE")}, 3)["y"].objects() == [1.0, 4.0, 9.0]


@pytest.mark.parametrize(
    "udf",
    [
        lambda _: {"other": [1]},
        lambda _: {"y": [1, 2]},
        lambda _: {"y": ["text"]},
        lambda rows: rows["absent"],
        lambda _: None,
        lambda _: 1 / 0,
    ],
)
def test_code_that_fails_is_named(udf: Any) -> None:
    """Code that raises, or returns other columns, lengths or types, is an error that names the view."""
    with pytest.raises(OnDemandViewError, match="'v'"):
        view("python", {"y": LogicalType.NUMBER}, udf).compute({}, 1)
