"""Named columns of one logical type, made in one way from Arrow and in one way from Python values.

A number is missing where it is NaN. Every other type has a mask. -0.0 becomes 0.0 on the way in.
Text, bytes and lists stay in whichever of two forms they came: a pyarrow array or a numpy object
array with None where missing; `Column.objects()` and `Column.arrow()` give the form one needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from likewise.transforms.errors import ColumnMissingError, ColumnTypeError, SettingError
from likewise.transforms.logical_types import LogicalType as LogicalType
from likewise.transforms.logical_types import is_text_type
from likewise.transforms.python_values import converter, numbers_from_values

# Beyond this, float64 no longer tells neighbouring integers apart.
EXACT_INTEGER = 2.0**53


@dataclass(frozen=True, slots=True)
class InputSpec:
    """A column a transform reads: its name and logical type."""

    name: str
    type: LogicalType


@dataclass(frozen=True, slots=True)
class Column:
    """n values of one logical type.

    Parameters
    ----------
    type
        The logical type.
    values
        number: (n,) float64, NaN where missing. boolean: (n,) float64 of 0, 1, NaN.
        time: (n,) int64, microseconds since 1970-01-01 UTC.
        text, bytes, lists: (n,) object array with None where missing, or a pyarrow array.
    missing
        (n,) bool, or None when the values say so themselves (numbers) or nothing is missing.
    integers
        (n,) int64 beside a number column that holds integers beyond 2**53, so that long identifiers used as
        categories stay apart: a value beyond 2**53 here is the exact one, for all others `values` tells.
        None where there are none.
    """

    type: LogicalType
    values: Any  # npt.NDArray[Any] | pa.Array
    missing: npt.NDArray[np.bool_] | None = None
    integers: npt.NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.values)

    def is_missing(self) -> npt.NDArray[np.bool_]:
        """Return the (n,) mask of missing values."""
        if self.type.is_numeric:
            return np.asarray(np.isnan(self.values))
        if self.missing is not None:
            return self.missing
        if isinstance(self.values, pa.Array):
            return np.asarray(self.values.is_null(nan_is_null=False))
        if self.values.dtype == object:
            return np.fromiter((v is None for v in self.values), np.bool_, len(self.values))
        return np.zeros(len(self.values), np.bool_)

    def objects(self) -> list[object]:
        """Return n Python values, None where missing; numbers are floats, or ints beyond 2**53."""
        if isinstance(self.values, pa.Array):
            return list(self.values.to_pylist())
        if self.values.dtype == object:
            return list(self.values.tolist())
        values: list[object] = self.values.tolist()
        if self.integers is not None:
            # Only those that floats cannot hold: a value looks the same whatever else is in its batch.
            for at in np.flatnonzero(beyond_floats(self.integers)).tolist():
                values[at] = int(self.integers[at])
        if self.type.is_numeric or self.missing is not None:
            for at in np.flatnonzero(self.is_missing()).tolist():
                values[at] = None
        return values

    def arrow(self) -> pa.Array:
        """Return the values as a pyarrow array (text, bytes and lists without a copy if they came so)."""
        if isinstance(self.values, pa.Array):
            return self.values
        if self.type is LogicalType.TIME or self.type.is_numeric:
            exact = pa.array(self._whole(), mask=self.is_missing())
            return exact.cast(self.type.to_arrow()) if self.type is not LogicalType.NUMBER else exact
        return pa.array(self.objects(), type=self.type.to_arrow())

    def _whole(self) -> npt.NDArray[Any]:
        """Return the values as integers where all are, beyond 2**53 exactly; an Arrow array can't hold both."""
        values: npt.NDArray[Any] = self.values
        if self.integers is None:
            return values
        near = ~beyond_floats(self.integers) & ~np.isnan(values)
        if bool((values[near] != np.rint(values[near])).any() or (np.abs(values[near]) > EXACT_INTEGER).any()):
            return values
        return np.where(near, np.where(near, values, 0.0).astype(np.int64), self.integers)


def beyond_floats(integers: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Return which integers lie beyond 2**53."""
    return (integers > int(EXACT_INTEGER)) | (integers < -int(EXACT_INTEGER))


Columns: TypeAlias = Mapping[str, Column]
Schema: TypeAlias = Mapping[str, LogicalType]


def schema_of(inputs: Iterable[InputSpec]) -> dict[str, LogicalType]:
    """Return the name -> type mapping of input specs."""
    return {spec.name: spec.type for spec in inputs}


def columns_from_arrow(table: pa.Table | pa.RecordBatch, schema: Schema) -> dict[str, Column]:
    """Return the columns of `schema` from an Arrow table or record batch; other columns are ignored.

    Raises
    ------
    ColumnMissingError, ColumnTypeError
        A column is absent, or of another logical type.
    """
    names = table.schema.names
    columns = {}
    for name, logical in schema.items():
        if name not in names:
            raise ColumnMissingError(name, names)
        array = table.column(name)
        if isinstance(array, pa.ChunkedArray):
            array = array.combine_chunks()
        columns[name] = column_from_arrow(name, array, logical)
    return columns


def column_from_arrow(name: str, array: pa.Array, expected: LogicalType) -> Column:
    """Return one column from an Arrow array, checked against its expected logical type."""
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if pa.types.is_null(array.type):
        return column_from_values(name, [None] * len(array), expected)
    try:
        got = LogicalType.from_arrow(array.type)
    except TypeError as error:
        raise ColumnTypeError(name, expected.value, f"Arrow type {error}") from None
    if got is not expected:
        return _column_of_near_type(name, array, got, expected)
    if pa.types.is_dictionary(array.type) and _must_decode(array):
        array = array.dictionary_decode()
    if expected.is_numeric:
        return _numeric_column(array, expected)
    if expected is LogicalType.TIME:
        return _time_column(array)
    return Column(expected, array, _null_mask(array))


def _must_decode(array: pa.DictionaryArray) -> bool:
    # A null may stand in the dictionary itself; kinds shall find nulls among the indices only. And work on
    # a dictionary is worth it only where it is no longer than the column: a batch may share one with a million rows.
    texts = array.dictionary
    return len(texts) > len(array) or bool(texts.null_count) or not is_text_type(array.type.value_type)


def _column_of_near_type(name: str, array: pa.Array, got: LogicalType, expected: LogicalType) -> Column:
    """Accept the two changes that nulls cause upstream; refuse all others."""
    if expected is LogicalType.BOOLEAN and got is LogicalType.NUMBER:
        column = _numeric_column(array, expected)
        values = column.values
        if bool(np.all(np.isnan(values) | (values == 0.0) | (values == 1.0))):
            return column
    if array.null_count == len(array) and len(array):
        return column_from_values(name, [None] * len(array), expected)
    raise ColumnTypeError(name, expected.value, f"{got.value} (Arrow type {array.type})")


def _null_mask(array: pa.Array) -> npt.NDArray[np.bool_] | None:
    if array.null_count == 0:
        return None
    return np.asarray(array.is_null())


def _numeric_column(array: pa.Array, logical: LogicalType) -> Column:
    integers = None
    if pa.types.is_integer(array.type):
        integers = _long_integers(array)
        # Unsafe, because the safe cast refuses integers beyond 2**53; they round to nearest.
        array = array.cast(pa.float64(), safe=False)
    elif not pa.types.is_float64(array.type):
        array = _to_float64(array)
    values = np.asarray(array.to_numpy(zero_copy_only=False), dtype=np.float64)
    return Column(logical, values + 0.0, integers=integers)  # + 0.0 turns -0.0 into 0.0


def _to_float64(array: pa.Array) -> pa.Array:
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.uint8())
    return array.cast(pa.float64(), safe=False)


def _long_integers(array: pa.Array) -> npt.NDArray[np.int64] | None:
    """Return the exact integers when some lie beyond 2**53; 0 for those beyond int64, which are floats."""
    if array.type.bit_width < 64 or len(array) == array.null_count:
        return None
    extremes = pc.min_max(array)
    low, high = extremes["min"].as_py(), extremes["max"].as_py()
    if low >= -EXACT_INTEGER and high <= EXACT_INTEGER:
        return None
    if high >= 2**63:
        array = pc.if_else(pc.greater_equal(array, pa.scalar(2**63, pa.uint64())), pa.scalar(0, pa.uint64()), array)
    return np.asarray(array.fill_null(0).cast(pa.int64()).to_numpy(zero_copy_only=False))


def _time_column(array: pa.Array) -> Column:
    if not pa.types.is_timestamp(array.type) or array.type.unit != "us":
        # Nanoseconds are cut to microseconds, towards the past as everywhere in Feast's stores.
        array = array.cast(pa.timestamp("us", tz=getattr(array.type, "tz", None)), safe=False)
    missing = _null_mask(array)
    ticks = array.cast(pa.int64())
    if missing is not None:
        ticks = ticks.fill_null(0)
    return Column(LogicalType.TIME, np.asarray(ticks.to_numpy(zero_copy_only=False)), missing)


def columns_from_rows(rows: Sequence[Mapping[str, object]], schema: Schema) -> dict[str, Column]:
    """Return the columns of `schema` from Python rows; other keys are ignored, None is missing.

    Raises
    ------
    ColumnMissingError, ColumnTypeError
        A row lacks a key, or holds a value of another type.
    """
    return {name: column_from_values(name, values_of(rows, name), logical) for name, logical in schema.items()}


def values_of(rows: Sequence[Mapping[str, object]], name: str) -> list[object]:
    """Return one key of every row."""
    try:
        return [row[name] for row in rows]
    except KeyError:
        lacking = next(row for row in rows if name not in row)
        raise ColumnMissingError(name, list(lacking)) from None
    except TypeError:
        raise SettingError("apply_rows", "rows", "a list of mappings from column names to values", rows) from None


def column_from_values(name: str, values: Sequence[object], logical: LogicalType) -> Column:
    """Return one column from Python values."""
    if logical is LogicalType.NUMBER:
        numbers = numbers_from_values(name, values)
        return Column(logical, numbers, integers=_long_python_integers(numbers, values))
    convert = converter(logical.value)
    converted = [None if _is_absent(v) else convert(name, v) for v in values]
    if logical is LogicalType.BOOLEAN:
        return Column(logical, np.array(converted, dtype=np.float64).reshape(len(converted)))
    return _object_column(logical, converted)


def column_from_objects(name: str, values: Sequence[object], logical: LogicalType) -> Column:
    """Return one column from what `Column.objects` gave: as Python values, but times in microseconds."""
    if logical.element is LogicalType.TIME:
        return _object_column(logical, list(values))
    return column_from_values(name, values, logical)


def _is_absent(value: object) -> bool:
    # NaN and NaT, which pandas leaves in object columns, are the values that differ from themselves.
    if isinstance(value, (list, tuple, np.ndarray)):
        return False
    return value is None or bool(value != value)


def _object_column(logical: LogicalType, values: list[object]) -> Column:
    absent = np.fromiter((v is None for v in values), np.bool_, len(values))
    missing = absent if bool(absent.any()) else None
    if logical is LogicalType.TIME:
        ticks = np.array([0 if v is None else v for v in values], dtype=np.int64).reshape(len(values))
        return Column(logical, ticks, missing)
    held = np.empty(len(values), dtype=object)
    for at, value in enumerate(values):  # element by element: numpy would unpack lists of equal length
        held[at] = value
    return Column(logical, held, missing)


def _long_python_integers(numbers: npt.NDArray[np.float64], values: Sequence[object]) -> npt.NDArray[np.int64] | None:
    """Return the exact integers when some lie beyond 2**53; 0 for fractions, whatever else is in the batch."""
    with np.errstate(invalid="ignore"):
        if not bool((np.abs(numbers) >= EXACT_INTEGER).any()):
            return None
    integers = np.array([_as_int64(value) for value in values], dtype=np.int64)
    return integers if bool(beyond_floats(integers).any()) else None


def _as_int64(value: object) -> int:
    if isinstance(value, (int, np.integer)):
        return int(value) if -(2**63) <= int(value) < 2**63 else 0
    if not isinstance(value, (float, np.floating)):
        return 0
    number = float(value)
    return int(number) if number.is_integer() and abs(number) <= EXACT_INTEGER else 0
