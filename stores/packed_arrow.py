"""Arrow columns to cells, without touching single values wherever Arrow's layout allows it."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from feast.type_map import python_values_to_proto_values
from feast.value_type import ValueType

from likewise.stores.packed_encode import Bits, Cells, RowTimes
from likewise.stores.packed_errors import MissingColumnError, ValueMismatchError
from likewise.stores.packed_protos import cells_from_protos
from likewise.stores.packed_schema import ARRAYS, BLOBS, FIXED, NO_TIME, TEXTS, FieldType

_MICROS: Final = pa.timestamp("us", tz="UTC")
_ARROW: Final = {
    FieldType.DOUBLE: pa.float64(),
    FieldType.INT64: pa.int64(),
    FieldType.FLOAT: pa.float32(),
    FieldType.INT32: pa.int32(),
    FieldType.BOOL: pa.bool_(),
}
_FLOATS: Final = frozenset({FieldType.DOUBLE, FieldType.FLOAT})


def column_of(batch: pa.RecordBatch, name: str, view: str) -> pa.Array:
    """Return a column of a record batch.

    Raises
    ------
    MissingColumnError
        The batch has no such column.
    """
    if name not in batch.schema.names:
        raise MissingColumnError(view, [name], batch.schema.names)
    return batch.column(name)


def cells_from_arrow(where: str, kind: FieldType, column: pa.Array) -> Cells:
    """Return n cells of a declared type from an Arrow column.

    Raises
    ------
    ValueMismatchError
        The column's values are not of the declared type (a fraction in an integer feature, say).
    """
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_null(column.type):
        return cells_from_protos(where, kind, [None] * len(column))
    try:
        return _cells(where, kind, column)
    except (pa.ArrowException, TypeError, ValueError, AssertionError) as error:
        raise ValueMismatchError(where, kind.name, f"Arrow type {column.type} ({error})") from error


def _cells(where: str, kind: FieldType, column: pa.Array) -> Cells:
    if kind is FieldType.UNIX_TIMESTAMP:
        missing = _nulls(column)
        return Cells(micros(column, 0), missing)
    if kind in FIXED:
        return _numbers(kind, column)
    if kind in TEXTS and _is_text(column.type):
        return _binary(column.cast(pa.large_string()))
    if kind in BLOBS and _is_binary(column.type):
        return _binary(column)
    if (kind in ARRAYS and pa.types.is_list(column.type)) or (pa.types.is_large_list(column.type) and kind in ARRAYS):
        return _arrays(kind, column)
    values = python_values_to_proto_values(column.to_numpy(zero_copy_only=False), ValueType(kind.value))
    return cells_from_protos(where, kind, values)


def micros(column: pa.Array, absent: int) -> npt.NDArray[np.int64]:
    """Return (n,) int64 microseconds since 1970 UTC; `absent` where null.

    Times without a zone are taken as UTC, finer ones are cut, and bare integers are seconds (as in Feast).
    """
    kind = column.type
    if pa.types.is_integer(kind):
        return np.asarray(column.cast(pa.int64()).fill_null(0)) * 1_000_000
    if not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        raise TypeError("a timestamp, date or integer of seconds is needed")
    if pa.types.is_date(kind) or kind.tz is None:
        ticks = column.cast(pa.timestamp("us"), safe=False)
    else:
        ticks = column.cast(_MICROS, safe=False)
    return np.asarray(ticks.cast(pa.int64()).fill_null(absent))


def row_times(event: pa.Array, created: pa.Array | None) -> RowTimes:
    """Return when n rows happened and became known, from their timestamp columns."""
    unknown = np.full(len(event), NO_TIME)
    return RowTimes(micros(event, NO_TIME), unknown if created is None else micros(created, NO_TIME))


def _nulls(column: pa.Array) -> Bits | None:
    return np.asarray(column.is_null()) if column.null_count else None


def _numbers(kind: FieldType, column: pa.Array) -> Cells:
    missing = _nulls(column)
    if pa.types.is_floating(column.type) and kind not in _FLOATS:
        # What nulls make of an integer column in pandas: NaN is null, whole numbers are themselves.
        absent = np.asarray(pc.is_null(column, nan_is_null=True))
        column, missing = pc.if_else(pa.array(absent), pa.scalar(0, column.type), column), absent
    if kind is FieldType.BOOL and not pa.types.is_boolean(column.type):
        column = _only_bits(column)
    filled = column.fill_null(False if pa.types.is_boolean(column.type) else 0) if column.null_count else column
    if kind is FieldType.BOOL:
        return Cells(np.asarray(filled.cast(pa.uint8())), missing)
    numbers = filled.cast(_ARROW[kind], safe=kind not in _FLOATS)
    return Cells(np.asarray(numbers), missing)


def _only_bits(column: pa.Array) -> pa.Array:
    if not pc.all(pc.is_in(column.drop_null(), pa.array([0, 1], column.type))).as_py():
        raise ValueError("numbers other than 0 and 1")
    return column.cast(pa.bool_())


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_binary(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
        or pa.types.is_binary_view(kind)
    )


def _binary(column: pa.Array) -> Cells:
    missing = _nulls(column)
    cells = column.cast(pa.large_binary())
    return Cells(cells.fill_null(b"") if cells.null_count else cells, missing)


def _arrays(kind: FieldType, column: pa.Array) -> Cells:
    """Reuse the items' buffer: a cell is the bytes of its list."""
    dtype = ARRAYS[kind]
    items = column.flatten()
    if kind is FieldType.UNIX_TIMESTAMP_LIST:
        numbers: npt.NDArray[Any] = micros(items, NO_TIME)
    else:
        item_kind = FieldType[kind.name.removesuffix("_LIST")]
        found = _numbers(item_kind, items)
        numbers = np.asarray(found.values)
        if found.missing is not None:
            if item_kind not in _FLOATS:
                raise ValueError("null items in a list of integers or booleans")
            numbers = np.where(found.missing, np.nan, numbers)
    lengths = pc.list_value_length(column).fill_null(0).to_numpy(zero_copy_only=False)
    return Cells(_sliced(np.ascontiguousarray(numbers, dtype), lengths), _nulls(column))


def _sliced(items: npt.NDArray[Any], lengths: Sequence[int] | npt.NDArray[Any]) -> pa.Array:
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(np.asarray(lengths, np.int64) * items.itemsize, out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(items.tobytes())]
    return pa.Array.from_buffers(pa.large_binary(), len(lengths), buffers)
