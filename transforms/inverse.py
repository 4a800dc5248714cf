"""From tensors back to columns, through the steps of each output in reverse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from likewise.transforms.columns import Column
from likewise.transforms.errors import InverseUnavailableError, OutputMissingError, TensorShapeError
from likewise.transforms.kind import Fields, FittedKind, Floats, Values
from likewise.transforms.logical_types import LogicalType
from likewise.transforms.plan import shaped
from likewise.transforms.steps import FittedSteps, OutputSpec


def inverted(
    specs: Sequence[OutputSpec], steps: Mapping[str, Sequence[FittedSteps]], tensors: Mapping[str, npt.ArrayLike]
) -> pa.Table:
    """Return the columns behind some outputs; a column that several steps use comes from the first."""
    by_name = {spec.name: spec for spec in specs}
    columns: dict[str, pa.Array] = {}
    for output, tensor in tensors.items():
        if output not in by_name:
            raise OutputMissingError(output, list(by_name))
        matrix, start = _matrix(by_name[output], tensor), 0
        for part in steps[output]:
            stop = start + len(part.outputs()) + len(part.side_outputs())
            for field, column in zip(part.fields, _columns(output, part, matrix[start:stop]), strict=True):
                columns.setdefault(field.source, column.arrow())
            start = stop
    return pa.table(columns)


def _matrix(spec: OutputSpec, tensor: npt.ArrayLike) -> Floats:
    """Return (d, n) float64."""
    array = np.asarray(tensor)
    if array.ndim != 1 + len(spec.shape) or array.shape[1:] != spec.shape or array.dtype.kind not in "iuf":
        expected = "(n,)" if spec.width is None else f"(n, {spec.width})"
        raise TensorShapeError(spec.name, f"{expected} of numbers", f"{array.shape} of {array.dtype}")
    return array.reshape(len(array), len(spec.columns)).T.astype(np.float64)


def _columns(output: str, part: FittedSteps, matrix: Floats) -> tuple[Column, ...]:
    """Return the columns before the first step; indicators come last in the matrix."""
    values: Values = matrix[: len(part.outputs())]
    sides = dict(zip((f.source for f in part.side_outputs()), matrix[len(part.outputs()) :], strict=True))
    given = part.outputs()
    for kind in reversed(part.kinds):
        values = _before(output, kind, _as_made(values, given), sides)
        given = kind.fields
    columns: tuple[Column, ...] = shaped(values, part.fields, numbers=False)
    return tuple(_of_type(c, f.type) for c, f in zip(columns, part.fields, strict=True))


def _as_made(values: Values, fields: Fields) -> Values:
    """Return values in the form a step made them: codes, numbers, or columns."""
    if not all(field.type.is_numeric for field in fields):
        return values
    numbers: Any = shaped(values, fields, numbers=True)
    if all(f.cardinality is None for f in fields):
        return numbers
    # What can be no code at all, NaN or 1e300, is -1: no category, as any code beyond the last.
    is_code = (numbers > -1.0) & (numbers < 2.0**31 - 1.0)
    return np.rint(np.where(is_code, numbers, -1.0)).astype(np.int32)


def _before(output: str, kind: FittedKind, values: Values, sides: Mapping[str, Floats]) -> Values:
    if kind.kind.only_fills:
        return _unfilled(values, kind.fields, sides)
    if type(kind).inverse is FittedKind.inverse:
        named = ", ".join(repr(f.source) for f in kind.fields[:3])
        where = f"output {output!r}: the step {type(kind.kind).__name__} over {named}"
        raise InverseUnavailableError(where, "it loses what would be needed; ask for the other outputs alone")
    return kind.inverse(values)


def _unfilled(values: Values, fields: Fields, sides: Mapping[str, Floats]) -> Values:
    """Return values with those missing again that an indicator tells of."""
    columns = shaped(values, fields, numbers=False)
    return tuple(_emptied(c, sides.get(f.source)) for c, f in zip(columns, fields, strict=True))


def _emptied(column: Column, indicator: Floats | None) -> Column:
    if indicator is None:
        return column
    told = indicator > 0.5
    if column.type.is_numeric:
        return Column(column.type, np.where(told, np.nan, column.values))
    missing = column.is_missing() | told
    if column.type is LogicalType.TIME:
        return Column(column.type, column.values, missing)
    held = np.array([None, *column.objects()], dtype=object)[1:]
    held[missing] = None
    return Column(column.type, held, missing)


def _of_type(column: Column, logical: LogicalType) -> Column:
    if logical is LogicalType.BOOLEAN:
        return Column(logical, np.clip(np.rint(column.values), 0.0, 1.0))
    return column
