"""Decoded rows to the columns that transforms read: whole blocks of one type at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from likewise.stores.packed_cells import readable_as, string_items
from likewise.stores.packed_decode import DecodedRows, converted
from likewise.stores.packed_encode import Bits, Cells
from likewise.stores.packed_errors import UnsupportedTypeError
from likewise.stores.packed_fetch import Part, ViewBatch
from likewise.stores.packed_schema import ARRAYS, BLOBS, FIXED, NO_TIME, STRING_ARRAYS, TEXTS, FieldType, RowSchema
from likewise.transforms.columns import EXACT_INTEGER, Column, LogicalType

_NUMBERS: Final = (FieldType.DOUBLE, FieldType.FLOAT, FieldType.INT64, FieldType.INT32, FieldType.BOOL)
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


@dataclass(frozen=True, slots=True)
class Wanted:
    """One feature of a request: its name and declared type."""

    name: str
    type: FieldType


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


@dataclass(frozen=True, slots=True)
class _NumberGroup:
    """Wanted columns that lie side by side in the rows of one schema."""

    kind: FieldType
    names: tuple[str, ...]
    # Places in the group's block; None when they are all of it, in order.
    rows: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class _Picking:
    """How the wanted columns are taken from rows of one schema."""

    groups: tuple[_NumberGroup, ...]
    singles: tuple[Wanted, ...]
    # Whether groups, then singles, is the order wanted.
    in_order: bool


class ColumnPicker:
    """Takes the wanted columns out of a view's answers; what follows from a schema is worked out once."""

    def __init__(self, wanted: Sequence[Wanted]) -> None:
        self.wanted = tuple(wanted)
        self._pickings: dict[bytes, _Picking] = {}

    def columns(self, batch: ViewBatch, hidden: Bits | None) -> dict[str, Column]:
        """Return the wanted columns in the order wanted.

        Parameters
        ----------
        hidden
            (n,) bool: rows whose values count as missing (too old); None when there are none.
        """
        if not batch.parts:
            return {feature.name: absent_column(feature.type, batch.n) for feature in self.wanted}
        if len(batch.parts) == 1 and batch.parts[0].places is None:
            return self._direct(batch.parts[0].decoded, hidden)
        return {feature.name: _scattered(batch, feature, hidden) for feature in self.wanted}

    def _direct(self, decoded: DecodedRows, hidden: Bits | None) -> dict[str, Column]:
        """Take columns out of one schema's rows: numbers by block, the rest one by one."""
        schema = decoded.schema
        picking = self._pickings.get(schema.fingerprint)
        if picking is None:
            picking = self._pickings[schema.fingerprint] = _picking(schema, self.wanted)
        found: dict[str, Column] = {}
        for group in picking.groups:
            found.update(_group_columns(decoded, group, hidden))
        for feature in picking.singles:
            found[feature.name] = _single(decoded, schema.positions.get(feature.name), feature.type, hidden)
        if picking.in_order:
            return found
        return {feature.name: found[feature.name] for feature in self.wanted}


def _picking(schema: RowSchema, wanted: Sequence[Wanted]) -> _Picking:
    grouped: dict[FieldType, list[tuple[str, int]]] = {}
    singles = []
    for feature in wanted:
        place = schema.positions.get(feature.name)
        if place is None or schema.fields[place].type is not feature.type or feature.type not in _NUMBERS:
            singles.append(feature)
        else:
            grouped.setdefault(feature.type, []).append((feature.name, place - schema.groups[feature.type][0]))
    groups = []
    for kind, found in grouped.items():
        rows = tuple(row for _, row in found)
        complete = rows == tuple(range(schema.groups[kind][1]))
        groups.append(_NumberGroup(kind, tuple(name for name, _ in found), None if complete else rows))
    order = [name for group in groups for name in group.names] + [feature.name for feature in singles]
    return _Picking(tuple(groups), tuple(singles), order == [feature.name for feature in wanted])


def _group_columns(decoded: DecodedRows, group: _NumberGroup, hidden: Bits | None) -> Iterator[tuple[str, Column]]:
    block, logical = _number_block(decoded, group.kind, hidden), _SCALARS[group.kind]
    values = list(block) if group.rows is None else [block[row] for row in group.rows]
    columns = _number_columns(logical, values)
    if group.kind is FieldType.INT64 and (np.abs(block) > EXACT_INTEGER).any():
        first = decoded.schema.groups[group.kind][0]
        rows = range(len(columns)) if group.rows is None else group.rows
        columns = [_with_long_integers(decoded, first + row, column) for row, column in zip(rows, columns, strict=True)]
    return zip(group.names, columns, strict=True)


# The constructor of a frozen dataclass takes 0.8 us; of the 1.1 ms in which 100 x 250 values are read that would be
# 0.2 ms (2026-11). Its slots, filled directly, take 0.25 us.
_NEW_COLUMN: Final = object.__new__
_SET_TYPE, _SET_VALUES, _SET_MISSING, _SET_INTEGERS = (
    Column.__dict__[name].__set__ for name in ("type", "values", "missing", "integers")
)


def _number_columns(logical: LogicalType, values: Sequence[npt.NDArray[np.float64]]) -> list[Column]:
    """Return `Column(logical, column)` for each of many columns."""
    columns = []
    for column in values:
        made = _NEW_COLUMN(Column)
        _SET_TYPE(made, logical)
        _SET_VALUES(made, column)
        _SET_MISSING(made, None)
        _SET_INTEGERS(made, None)
        columns.append(made)
    return columns


def _number_block(decoded: DecodedRows, kind: FieldType, hidden: Bits | None) -> npt.NDArray[np.float64]:
    """Return all columns of one number type, (count, n) float64, NaN where missing."""
    # + 0.0 turns -0.0 into 0.0, as everywhere in columns.
    block: npt.NDArray[np.float64] = np.add(decoded.record[kind.name].T, 0.0, dtype=np.float64, order="C")
    if decoded.nulls is not None and kind not in (FieldType.DOUBLE, FieldType.FLOAT):
        first, count = decoded.schema.groups[kind]
        block[decoded.nulls[first : first + count]] = np.nan
    if hidden is not None:
        block[:, hidden] = np.nan
    return block


def _with_long_integers(decoded: DecodedRows, place: int, column: Column) -> Column:
    """Keep integers that float64 cannot tell apart beside the numbers."""
    if not (np.abs(column.values) > EXACT_INTEGER).any():
        return column
    return Column(column.type, column.values, None, decoded.fixed(place))


def _single(decoded: DecodedRows, place: int | None, declared: FieldType, hidden: Bits | None) -> Column:
    n = len(decoded.record)
    if place is None:
        return absent_column(declared, n)
    stored = decoded.schema.fields[place].type
    if stored in FIXED and declared in FIXED:
        cells = converted(Cells(decoded.fixed(place), decoded.missing(place)), stored, declared)
        return _fixed_column(declared, cells, hidden)
    if not readable_as(stored, declared):
        return absent_column(declared, n)
    return _variable_column(declared, decoded.cells(place), hidden)


def _fixed_column(kind: FieldType, cells: Cells, hidden: Bits | None) -> Column:
    missing = _either(cells.missing, hidden)
    values = np.asarray(cells.values)
    if kind is FieldType.UNIX_TIMESTAMP:
        return Column(LogicalType.TIME, values if missing is None else np.where(missing, 0, values), missing)
    numbers = np.add(values, 0.0, dtype=np.float64)
    if missing is not None:
        numbers[missing] = np.nan
    long = kind is FieldType.INT64 and bool((np.abs(numbers) > EXACT_INTEGER).any())
    return Column(_SCALARS[kind], numbers, None, values if long else None)


def _variable_column(kind: FieldType, cells: list[bytes | None], hidden: Bits | None) -> Column:
    if hidden is not None:
        cells = [None if hide else cell for cell, hide in zip(cells, hidden.tolist(), strict=True)]
    if kind in _LISTS:
        logical, item = _LISTS[kind]
        return Column(logical, pa.array([_items(kind, cell) for cell in cells], pa.list_(item)), _mask(cells))
    held = np.empty(len(cells), dtype=object)
    held[:] = [None if cell is None else cell.decode() for cell in cells] if kind in TEXTS else cells
    return Column(LogicalType.TEXT if kind in TEXTS else LogicalType.BYTES, held, _mask(cells))


def _items(kind: FieldType, cell: bytes | None) -> Any:
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


def _mask(cells: list[bytes | None]) -> Bits | None:
    return np.fromiter((cell is None for cell in cells), np.bool_, len(cells)) if None in cells else None


def _either(one: Bits | None, other: Bits | None) -> Bits | None:
    if one is None or other is None:
        return other if one is None else one
    return one | other


def absent_column(kind: FieldType, n: int) -> Column:
    """Return n missing values of a type."""
    everything = np.ones(n, np.bool_)
    logical = logical_type("feature", kind)
    if logical.is_numeric:
        return Column(logical, np.full(n, np.nan))
    if logical is LogicalType.TIME:
        return Column(logical, np.zeros(n, np.int64), everything)
    if logical.is_list:
        return Column(logical, pa.nulls(n, pa.list_(_LISTS[kind][1])), everything)
    return Column(logical, np.full(n, None, dtype=object), everything)


def _scattered(batch: ViewBatch, feature: Wanted, hidden: Bits | None) -> Column:
    """Gather one column from rows of several schemas: rare (a schema has changed), so simple."""
    pieces = [(part.places, _piece(part, feature)) for part in batch.parts]
    whole = absent_column(feature.type, batch.n)
    if not whole.type.is_numeric and whole.type is not LogicalType.TIME:
        return _scattered_objects(whole, pieces, hidden)
    values = np.array(whole.values)
    missing = None if whole.missing is None else whole.missing.copy()
    integers = np.zeros(batch.n, np.int64) if any(piece.integers is not None for _, piece in pieces) else None
    for places, piece in pieces:
        values[places] = piece.values
        if missing is not None:
            missing[places] = piece.is_missing()
        if integers is not None:
            integers[places] = _exact_integers(piece)
    if hidden is not None:
        values[hidden] = np.nan if whole.type.is_numeric else 0
        missing = None if missing is None else missing | hidden
    return Column(whole.type, values, missing if missing is not None and missing.any() else None, integers)


def _exact_integers(piece: Column) -> npt.NDArray[np.int64]:
    if piece.integers is not None:
        return piece.integers
    return np.nan_to_num(np.asarray(piece.values, np.float64), nan=0.0).astype(np.int64)


def _piece(part: Part, feature: Wanted) -> Column:
    return _single(part.decoded, part.decoded.schema.positions.get(feature.name), feature.type, None)


def _scattered_objects(
    whole: Column, pieces: list[tuple[npt.NDArray[np.intp] | None, Column]], hidden: Bits | None
) -> Column:
    held: list[object] = [None] * len(whole)
    for places, piece in pieces:
        for place, value in zip(np.asarray(places).tolist(), piece.objects(), strict=True):
            held[place] = value
    if hidden is not None:
        held = [None if hide else value for value, hide in zip(held, hidden.tolist(), strict=True)]
    absent = np.fromiter((value is None for value in held), np.bool_, len(held))
    missing = absent if absent.any() else None
    if whole.type.is_list:
        return Column(whole.type, pa.array(held, whole.arrow().type), missing)
    objects = np.empty(len(held), dtype=object)
    objects[:] = held
    return Column(whole.type, objects, missing)


def feature_nulls(batch: ViewBatch, wanted: Sequence[Wanted]) -> Bits:
    """Return which cells of the answer are null, (n, f) bool; rows without an answer are null throughout."""
    nulls = np.ones((batch.n, len(wanted)), np.bool_)
    for part in batch.parts:
        rows = slice(None) if part.places is None else part.places
        for at, feature in enumerate(wanted):
            nulls[rows, at] = _null_cells(part.decoded, feature)
    return nulls


def _null_cells(decoded: DecodedRows, feature: Wanted) -> Bits | bool:
    place = decoded.schema.positions.get(feature.name)
    if place is None:
        return True
    stored = decoded.schema.fields[place].type
    missing = decoded.missing(place)
    if stored in FIXED and feature.type in FIXED:
        missing = converted(Cells(decoded.fixed(place), missing), stored, feature.type).missing
    elif not readable_as(stored, feature.type):
        return True
    return False if missing is None else missing
