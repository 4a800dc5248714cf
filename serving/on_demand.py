"""On-demand views computed from columns by the code that the Feast registry holds.

Offline, Feast hands a view's code the whole point-in-time table, converted from Arrow; here it gets the
same conversion of the columns just read, so that a value comes out the same on both sides.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from likewise.serving.errors import OnDemandViewError
from likewise.serving.feast_types import arrow_type, is_integer
from likewise.serving.plan import ComputedView, Field
from likewise.transforms.columns import Column, LogicalType, column_from_arrow, column_from_values


class OnDemandCode(Protocol):
    """What we use of Feast's `OnDemandFeatureView`."""

    name: str
    mode: str
    singleton: bool
    feature_transformation: Any


@dataclass(frozen=True, slots=True)
class Input:
    """A column handed to the code, with the Feast type that decides its dtype there."""

    column: Column
    feast_type: str


@dataclass(frozen=True, slots=True)
class OnDemandView:
    """An on-demand view, ready to run.

    Attributes
    ----------
    plan
        Its name, features and inputs.
    code
        Feast's object that holds the code.
    """

    plan: ComputedView
    code: OnDemandCode

    def compute(self, inputs: Mapping[str, Input], n: int) -> dict[str, Column]:
        """Return feature -> column of n values.

        Raises
        ------
        OnDemandViewError
            The code raised, or gave other columns than it declares.
        """
        run = _RUNNERS.get(self.code.mode, _run_arrow)
        try:
            outputs = run(self.code, inputs, n)
            return {field.name: _output(field, outputs, n) for field in self.plan.fields}
        except Exception as error:  # a user's code may raise anything; it must not take the server with it
            raise OnDemandViewError(self.plan.name, error) from error


def _run_pandas(code: OnDemandCode, inputs: Mapping[str, Input], n: int) -> Mapping[str, Any]:
    # pandas costs 0.5 s and is loaded by Feast anyway.
    table = _table(inputs, n)
    outputs: Mapping[str, Any] = code.feature_transformation.udf(table.to_pandas())
    return outputs


def _run_python(code: OnDemandCode, inputs: Mapping[str, Input], n: int) -> Mapping[str, Any]:
    rows = {name: _python_values(item) for name, item in inputs.items()}
    outputs: Mapping[str, Any]
    if not code.singleton:
        outputs = code.feature_transformation.udf(rows)
        return outputs
    answers = [code.feature_transformation.udf({name: rows[name][row] for name in rows}) for row in range(n)]
    return {name: [answer[name] for answer in answers] for name in (answers[0] if answers else {})}


def _run_arrow(code: OnDemandCode, inputs: Mapping[str, Input], n: int) -> Mapping[str, Any]:
    table = code.feature_transformation.transform_arrow(_table(inputs, n), [])
    return {name: table.column(name) for name in table.column_names}


_RUNNERS: Mapping[str, Callable[[OnDemandCode, Mapping[str, Input], int], Mapping[str, Any]]] = {
    "pandas": _run_pandas,
    "python": _run_python,
}


def _table(inputs: Mapping[str, Input], n: int) -> pa.Table:
    arrays = {name: _array(item) for name, item in inputs.items()}
    if not arrays:
        return pa.table({"__rows": pa.nulls(n)})
    return pa.table(arrays)


def _python_values(item: Input) -> list[Any]:
    """Return the values that Arrow's `to_pylist` gives; plain numbers without the way through Arrow."""
    column = item.column
    if column.type is not LogicalType.NUMBER or column.integers is not None or item.feast_type == "FLOAT":
        return list(_array(item).to_pylist())
    values = column.values.tolist()
    # NaN is the one value that differs from itself.
    if is_integer(item.feast_type):
        return [None if value != value else int(value) for value in values]
    return [None if value != value else value for value in values]


def _array(item: Input) -> pa.Array:
    target = arrow_type(item.feast_type)
    column = item.column
    if column.type is LogicalType.NUMBER and not pa.types.is_floating(target):
        missing = column.is_missing()
        values = column.integers if column.integers is not None else np.where(missing, 0.0, column.values)
        return pa.array(values, mask=missing).cast(target, safe=False)
    if column.type is LogicalType.NUMBER:
        return pa.array(column.values, mask=column.is_missing()).cast(target, safe=False)
    array = column.arrow()
    return array if array.type == target else array.cast(target)


_PLAIN = frozenset({int, float, type(None)})


def _output(field: Field, outputs: Mapping[str, Any], n: int) -> Column:
    """Return one declared feature as a column, by the conversion that Feast's offline path makes (pandas -> Arrow)."""
    values = outputs[field.name]
    if isinstance(values, pa.ChunkedArray):
        array = values.combine_chunks()
    elif isinstance(values, list):
        if field.type is LogicalType.NUMBER and len(values) == n and _PLAIN.issuperset(map(type, values)):
            return column_from_values(field.name, values, field.type)
        array = pa.array(values)
    elif not hasattr(values, "to_numpy"):
        array = pa.array(np.asarray(values).tolist())
    else:
        array = pa.Array.from_pandas(values)
    if len(array) != n:
        raise ValueError(f"feature {field.name!r} has {len(array)} values for {n} rows")
    if field.type is LogicalType.TIME and pa.types.is_timestamp(array.type) and array.type.tz is None:
        array = pc.assume_timezone(array.cast(pa.timestamp("us")), "UTC")
    return column_from_arrow(field.name, array, field.type)
