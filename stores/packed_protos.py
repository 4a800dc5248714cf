"""Feast's `Value` protos to cells and back, for every value type."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa
from feast.protos.feast.types.Value_pb2 import Value
from feast.type_map import feast_value_type_to_python_type

from likewise.stores.packed_cells import (
    MICROSECONDS,
    array_items,
    packed_items,
    readable_as,
    string_items,
    whole_seconds,
)
from likewise.stores.packed_decode import DecodedRows, converted
from likewise.stores.packed_encode import Bits, Cells
from likewise.stores.packed_errors import ValueMismatchError
from likewise.stores.packed_features import Wanted
from likewise.stores.packed_schema import ARRAYS, BLOBS, FIXED, NO_TIME, STRING_ARRAYS, TEXTS, FieldType

LARGEST_SECONDS: Final = NO_TIME // -MICROSECONDS

_ODD_NAMES: Final = {
    FieldType.PDF_BYTES: "bytes_val",
    FieldType.IMAGE_BYTES: "bytes_val",
    FieldType.VALUE_LIST: "list_val",
    FieldType.VALUE_SET: "set_val",
}
# Narrower values that a wider declared type holds without loss.
_WIDENED: Final = {
    FieldType.INT64: frozenset({"int32_val"}),
    FieldType.DOUBLE: frozenset({"float_val", "int32_val"}),
}
# Fixed types whose stored numbers are the Python values.
_PLAIN: Final = frozenset({FieldType.DOUBLE, FieldType.FLOAT, FieldType.INT64, FieldType.INT32})
_ANY: Final = frozenset({FieldType.UNKNOWN, FieldType.NULL})
_TIMES: Final = frozenset({FieldType.UNIX_TIMESTAMP, FieldType.UNIX_TIMESTAMP_LIST})


def attribute(kind: FieldType) -> str:
    """Return the name of the `Value` field that carries values of a type."""
    return _ODD_NAMES.get(kind) or f"{kind.name.lower()}_val"


_FIXED_NAMES: Final = {attribute(kind): kind for kind in FIXED}
_TEXT_NAMES: Final = {attribute(kind): kind for kind in TEXTS}


def cells_from_protos(where: str, kind: FieldType, values: Sequence[Value | None]) -> Cells:
    """Return n cells of a declared type.

    Raises
    ------
    ValueMismatchError
        A value is of another type than declared.
    """
    wanted = attribute(kind)
    names = [None if value is None else value.WhichOneof("val") for value in values]
    names = [None if name == "null_val" else name for name in names]
    wrong = {*names} - {None, wanted} - _WIDENED.get(kind, frozenset())
    if wrong and kind not in _ANY:
        raise ValueMismatchError(where, kind.name, ", ".join(map(str, wrong)))
    present = [name is not None for name in names]
    if kind in FIXED:
        numbers = [getattr(value, name) if name else 0 for value, name in zip(values, names, strict=True)]
        return _fixed_cells(where, kind, numbers, present)
    encode = _encoder(where, kind)
    encoded = [encode(value) if name else b"" for value, name in zip(values, names, strict=True)]
    return Cells(pa.array(encoded, pa.large_binary()), _missing(present))


def fitted(kind: FieldType, value: Value) -> Value:
    """Return a value that Feast stored as a row of the declared type gives it back.

    A number of another type, stored before the feature was retyped, is given if it is exactly the same number, as
    from rows of ours; an empty value where it is not, and for what Feast writes for a missing time.
    """
    wanted, name = attribute(kind), value.WhichOneof("val")
    if kind in _ANY or name in (None, wanted):
        is_lost = kind is FieldType.UNIX_TIMESTAMP and value.unix_timestamp_val == NO_TIME
        return Value() if is_lost else value
    if kind in FIXED and name in _FIXED_NAMES:
        stored = _FIXED_NAMES[name]
        cells = _fixed_cells(wanted, stored, [getattr(value, name)], [True])
        return _fixed_protos(kind, converted(cells, stored, kind))[0]
    is_readable = name in _TEXT_NAMES and readable_as(_TEXT_NAMES[name], kind)
    return _with(wanted, getattr(value, name)) if is_readable else Value()


def protos_of(decoded: DecodedRows, name: str, declared: FieldType) -> list[Value]:
    """Return n protos of one feature; empty ones where it is null or the rows do not have it."""
    place = decoded.schema.positions.get(name)
    if place is None:
        return [Value()] * len(decoded.record)
    stored = decoded.schema.fields[place].type
    if stored in FIXED and declared in FIXED:
        cells = converted(Cells(decoded.fixed(place), decoded.missing(place)), stored, declared)
        return _fixed_protos(declared, cells)
    if not readable_as(stored, declared):
        return [Value()] * len(decoded.record)
    decode = _decoder(declared)
    return [Value() if cell is None else decode(cell) for cell in decoded.cells(place)]


def python_values(decoded: DecodedRows, name: str, declared: FieldType) -> list[object]:
    """Return n Python values of one feature, as Feast's `to_dict` gives them; None where null."""
    place = decoded.schema.positions.get(name)
    if place is None:
        return [None] * len(decoded.record)
    stored = decoded.schema.fields[place].type
    if stored in FIXED and declared in FIXED:
        return _fixed_values(declared, converted(Cells(decoded.fixed(place), decoded.missing(place)), stored, declared))
    if not readable_as(stored, declared):
        return [None] * len(decoded.record)
    cells = decoded.cells(place)
    if declared is FieldType.STRING:
        return [None if cell is None else cell.decode() for cell in cells]
    decode = _decoder(declared)
    return [None if cell is None else feast_value_type_to_python_type(decode(cell)) for cell in cells]


def python_columns(decoded: DecodedRows, wanted: Sequence[Wanted]) -> list[list[object]]:
    """Return `python_values` of many features; numbers that are stored as declared leave numpy by block."""
    schema, blocks = decoded.schema, dict[FieldType, list[list[object]]]()
    columns = []
    for feature in wanted:
        place, kind = schema.positions.get(feature.name), feature.type
        if place is None or schema.fields[place].type is not kind or kind not in _PLAIN:
            columns.append(python_values(decoded, feature.name, kind))
            continue
        if kind not in blocks:
            blocks[kind] = decoded.block(kind).tolist()
        column = blocks[kind][place - schema.groups[kind][0]]
        missing = decoded.missing(place)
        columns.append(column if missing is None else _without(column, missing))
    return columns


def _without(column: list[object], missing: Bits) -> list[object]:
    return [None if gone else value for value, gone in zip(column, missing.tolist(), strict=True)]


def _missing(present: Iterable[bool]) -> Bits | None:
    missing = ~np.fromiter(present, np.bool_)
    return missing if missing.any() else None


def _fixed_cells(where: str, kind: FieldType, numbers: list[Any], present: list[bool]) -> Cells:
    if kind is not FieldType.UNIX_TIMESTAMP:
        return Cells(np.array(numbers, FIXED[kind]), _missing(present))
    # Feast writes a missing time as the smallest number there is.
    marked = [here and number != NO_TIME for here, number in zip(present, numbers, strict=True)]
    seconds = [number if here else 0 for here, number in zip(marked, numbers, strict=True)]
    return Cells(np.array([_micros(where, second) for second in seconds], np.int64), _missing(marked))


def _micros(where: str, seconds: int) -> int:
    if not -LARGEST_SECONDS < seconds < LARGEST_SECONDS:
        raise ValueMismatchError(where, "a time within 292,000 years of 1970", f"{seconds} seconds")
    return seconds * MICROSECONDS


def _fixed_protos(kind: FieldType, cells: Cells) -> list[Value]:
    name = attribute(kind)
    values = np.asarray(cells.values)
    if kind is FieldType.UNIX_TIMESTAMP:
        values = whole_seconds(values)
    numbers = (values != 0 if kind is FieldType.BOOL else values).tolist()
    protos = [_with(name, number) for number in numbers]
    if cells.missing is not None:
        for row in np.flatnonzero(cells.missing).tolist():
            protos[row] = Value()
    return protos


def _fixed_values(kind: FieldType, cells: Cells) -> list[object]:
    values = np.asarray(cells.values)
    if kind is FieldType.UNIX_TIMESTAMP:
        found: list[object] = [datetime.fromtimestamp(second, UTC) for second in whole_seconds(values).tolist()]
    else:
        found = (values != 0 if kind is FieldType.BOOL else values).tolist()
    if cells.missing is not None:
        for row in np.flatnonzero(cells.missing).tolist():
            found[row] = None
    return found


def _encoder(where: str, kind: FieldType) -> Callable[[Any], bytes]:
    name = attribute(kind)
    if kind in TEXTS:
        return lambda value: getattr(value, name).encode()
    if kind in BLOBS:
        return lambda value: bytes(getattr(value, name))
    if kind is FieldType.UNIX_TIMESTAMP_LIST:
        return lambda value: _packed_times(where, getattr(value, name).val)
    if kind in ARRAYS:
        return lambda value: np.array(getattr(value, name).val, ARRAYS[kind]).tobytes()
    if kind is FieldType.STRING_LIST:
        return lambda value: packed_items([item.encode() for item in getattr(value, name).val])
    if kind in STRING_ARRAYS:
        return lambda value: packed_items(getattr(value, name).val)
    return lambda value: value.SerializeToString(deterministic=True)


def _decoder(kind: FieldType) -> Callable[[bytes], Value]:
    name = attribute(kind)
    if kind in TEXTS:
        return lambda cell: _with(name, cell.decode())
    if kind in BLOBS:
        return lambda cell: _with(name, cell)
    if kind in ARRAYS:
        return lambda cell: _with_items(name, array_items(kind, cell))
    if kind in STRING_ARRAYS:
        return lambda cell: _with_items(name, string_items(kind, cell))
    return _parsed


def _with(name: str, content: object) -> Value:
    value = Value()
    setattr(value, name, content)
    return value


def _parsed(cell: bytes) -> Value:
    value = Value()
    value.ParseFromString(cell)
    return value


def _with_items(name: str, items: Iterable[object]) -> Value:
    value = Value()
    inner = getattr(value, name)
    inner.SetInParent()  # an empty list is a value, not a null
    inner.val.extend(items)
    return value


def _packed_times(where: str, seconds: Iterable[int]) -> bytes:
    return np.array([s if s == NO_TIME else _micros(where, s) for s in seconds], np.int64).tobytes()
