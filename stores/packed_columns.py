"""Blocks to the columns that transforms read."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from likewise.stores.packed_blocks import FLOATS, Block
from likewise.stores.packed_cells import string_items
from likewise.stores.packed_encode import Bits
from likewise.stores.packed_errors import UnsupportedTypeError
from likewise.stores.packed_joint import Cell
from likewise.stores.packed_schema import ARRAYS, BLOBS, NO_TIME, STRING_ARRAYS, TEXTS, FieldType
from likewise.transforms.columns import EXACT_INTEGER, Column, LogicalType

# From so many rows on, texts are an Arrow array: of fewer, Python's own texts are made and looked up sooner.
ARROW_ROWS: Final = 32
_SCALARS: Final = {
    FieldType.DOUBLE: LogicalType.NUMBER,
    FieldType.FLOAT: LogicalType.NUMBER,
    FieldType.INT64: LogicalType.NUMBER,
    FieldType.INT32: LogicalType.NUMBER,
    FieldType.BOOL: LogicalType.BOOLEAN,
    FieldType.UNIX_TIMESTAMP: LogicalType.TIME,
}
_LISTS: Final = {
    FieldType.DOUBLE_LIST: (LogicalType.LIST_NUMBER, pa.float64()),
    FieldType.FLOAT_LIST: (LogicalType.LIST_NUMBER, pa.float32()),
    FieldType.INT64_LIST: (LogicalType.LIST_NUMBER, pa.int64()),
    FieldType.INT32_LIST: (LogicalType.LIST_NUMBER, pa.int32()),
    FieldType.BOOL_LIST: (LogicalType.LIST_BOOLEAN, pa.bool_()),
    FieldType.UNIX_TIMESTAMP_LIST: (LogicalType.LIST_TIME, pa.timestamp("us", tz="UTC")),
    FieldType.STRING_LIST: (LogicalType.LIST_TEXT, pa.string()),
    FieldType.BYTES_LIST: (LogicalType.LIST_BYTES, pa.binary()),
}


def logical_type(where: str, kind: FieldType) -> LogicalType:
    """Return the logical type of a Feast type.

    Raises
    ------
    UnsupportedTypeError
        Maps, sets, structs and nested lists have none: transforms cannot read them.
    """
    if kind in _SCALARS:
        return _SCALARS[kind]
    if kind in TEXTS:
        return LogicalType.TEXT
    if kind in BLOBS:
        return LogicalType.BYTES
    if kind in _LISTS:
        return _LISTS[kind][0]
    raise UnsupportedTypeError(where, f"Feast type {kind.name}", "a number, boolean, text, bytes, time or list of one")


def block_columns(block: Block) -> list[Column]:
    """Return the columns of a block, in its order."""
    if block.type is FieldType.UNIX_TIMESTAMP:
        return _time_columns(block)
    if block.type in _SCALARS:
        return _number_columns(block)
    if block.type in _LISTS:
        return [_list_column(block.type, cells) for cells in block.values]
    return [_object_column(block.type, cells) for cells in block.values]


def is_number(kind: FieldType) -> bool:
    """Return whether blocks of a type are numbers to transforms (booleans are)."""
    return kind in _SCALARS and kind is not FieldType.UNIX_TIMESTAMP


def block_numbers(block: Block) -> npt.NDArray[np.float64]:
    """Return a block of numbers as (k, n) float64, NaN where missing."""
    if block.type in FLOATS:
        return block.values  # type: ignore[no-any-return]
    numbers: npt.NDArray[np.float64] = block.values.astype(np.float64)
    if block.missing is not None:
        numbers[block.missing] = np.nan
    return numbers


def _time_columns(block: Block) -> list[Column]:
    masks: Sequence[Bits | None] = [None] * len(block.values) if block.missing is None else list(block.missing)
    some = [mask if mask is not None and mask.any() else None for mask in masks]
    return [Column(LogicalType.TIME, values, mask) for values, mask in zip(block.values, some, strict=True)]


def _number_columns(block: Block) -> list[Column]:
    logical = _SCALARS[block.type]
    numbers = block_numbers(block)
    columns = _plain_columns(logical, numbers)
    if block.type is FieldType.INT64:
        # Integers that float64 cannot tell apart are kept beside the numbers.
        for at in np.flatnonzero((np.abs(numbers) > EXACT_INTEGER).any(axis=1)).tolist():
            columns[at] = Column(logical, numbers[at], None, block.values[at])
    return columns


# The constructor of a frozen dataclass takes 0.8 us; its slots, filled directly, take 0.25 us, and a row of 60
# features makes 60 of them (2026-11).
_NEW_COLUMN: Final = object.__new__
_SET_TYPE, _SET_VALUES, _SET_MISSING, _SET_INTEGERS = (
    Column.__dict__[name].__set__ for name in ("type", "values", "missing", "integers")
)


def _plain_columns(logical: LogicalType, block: npt.NDArray[np.float64]) -> list[Column]:
    """Return `Column(logical, values)` for each line of a block."""
    columns = []
    for values in block:
        made = _NEW_COLUMN(Column)
        _SET_TYPE(made, logical)
        _SET_VALUES(made, values)
        _SET_MISSING(made, None)
        _SET_INTEGERS(made, None)
        columns.append(made)
    return columns


def _list_column(kind: FieldType, cells: Sequence[Cell]) -> Column:
    logical, item = _LISTS[kind]
    return Column(logical, pa.array([_items(kind, cell) for cell in cells], pa.list_(item)), _mask(cells))


def _object_column(kind: FieldType, cells: Sequence[Cell]) -> Column:
    if kind in TEXTS and len(cells) >= ARROW_ROWS:
        # The cells are the UTF-8 that Arrow holds, and transforms of many rows look texts up there.
        return Column(LogicalType.TEXT, pa.array(cells, pa.binary()).view(pa.string()), _mask(cells))
    held = np.empty(len(cells), dtype=object)
    held[:] = [None if cell is None else cell.decode() for cell in cells] if kind in TEXTS else cells
    return Column(LogicalType.TEXT if kind in TEXTS else LogicalType.BYTES, held, _mask(cells))


def _items(kind: FieldType, cell: Cell) -> Any:
    if cell is None:
        return None
    if kind in STRING_ARRAYS:
        return string_items(kind, cell)
    items = np.frombuffer(cell, ARRAYS[kind])
    if kind is FieldType.BOOL_LIST:
        return items != 0
    if kind is FieldType.UNIX_TIMESTAMP_LIST:
        return [None if item == NO_TIME else item for item in items.tolist()]
    return items


def _mask(cells: Sequence[Cell]) -> Bits | None:
    return np.fromiter((cell is None for cell in cells), np.bool_, len(cells)) if None in cells else None
